"""Bytes at a URL that a client named, fetched to be kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tams_data.destinations import Destinations, GuardedTransport
from tams_data.errors import DestinationRefused, FetchFailed
from tams_data.media.base import NO_CHECKSUMS, Stream

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_LONGEST_S = 3600.0
_CHUNK = 256 * 1024


@dataclass(frozen=True)
class Incoming:
    """Bytes on their way: how many, of what type, what they must add up to, and where to read them from."""

    length: int
    content_type: str
    stream: Stream
    checksums: Mapping[str, bytes]


@contextmanager
def fetch(url: str, *, most_bytes: int, destinations: Destinations) -> Iterator[Incoming]:
    """The bytes at an `http` or `https` URL; redirects are followed, to where `destinations` allows.

    Half a minute without a byte, an hour for all of them, or more than `most_bytes` is too much.

    :raise FetchFailed: they cannot be had, are too many, or the answer does not say how many they are.
    """

    def check(request: httpx.Request) -> None:
        if request.url.scheme not in ("http", "https"):
            raise FetchFailed("bytes are fetched by http and https only")

    try:
        with (
            httpx.Client(
                transport=GuardedTransport(destinations, seconds=_LONGEST_S),
                timeout=_TIMEOUT,
                follow_redirects=True,
                event_hooks={"request": [check]},
            ) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            length = _length(response, most_bytes)
            content_type = response.headers.get("Content-Type", "application/octet-stream")
            yield Incoming(length, content_type, _Body(response.iter_raw(_CHUNK)), NO_CHECKSUMS)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, DestinationRefused) as error:
        # Not the URL itself: it may be presigned, and errors are logged and kept.
        raise FetchFailed(f"cannot fetch an object from {_host(url)}: {str(error) or type(error).__name__}") from error


def _length(response: httpx.Response, most_bytes: int) -> int:
    host = response.url.host
    if response.status_code != httpx.codes.OK:
        raise FetchFailed(f"{host} answered {response.status_code}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchFailed(f"{host} sends the object in another encoding than was asked for")
    text = response.headers.get("Content-Length", "")
    if not text.isdecimal():
        raise FetchFailed(f"{host} does not say how many bytes the object has")
    if int(text) > most_bytes:
        raise FetchFailed(f"the object at {host} has {text} bytes; at most {most_bytes} are fetched")
    return int(text)


def _host(url: str) -> str:
    try:
        return httpx.URL(url).host
    except (httpx.InvalidURL, UnicodeError):  # UnicodeError: a host that IDNA 2008 has no name for
        return "a URL that cannot be read"


class _Body:
    """A body that comes in chunks, read by size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""
        self._deadline = time.monotonic() + _LONGEST_S

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            if time.monotonic() > self._deadline:
                raise FetchFailed(f"the object has not come within {_LONGEST_S:.0f} s")
            self._rest = next(self._chunks, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece
