"""A service that runs, asked for its contents or to look at itself: one process has an embedded database open."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import httpx
import orjson

from tams_data import media
from tams_data.errors import InvalidBackup, RequestFailed
from tams_data.keeping import operator
from tams_data.keeping.contents import Contents, received
from tams_data.keeping.findings import Finding
from tams_data.settings import Settings

BACKUP, VERIFY = "/keeping/backup", "/keeping/verify"
"""The paths of a service."""

END: dict[str, bool] = {"end": True}
"""The last line of findings, without which they are not whole."""

BROKEN_OFF = "broken_off"
"""The member of the last line instead when something cannot be looked at now: why."""

_TIMEOUT = httpx.Timeout(10, read=3600)
"""Seconds; a service that sorts a large table says nothing meanwhile."""

_BUFFER = 2**20


@contextmanager
def contents(settings: Settings) -> Iterator[Contents]:
    """The contents of the service of these settings, read as they are asked for.

    :raise RequestFailed: it does not answer, or refuses; also while they are read.
    """
    with _asked(settings, BACKUP) as file:
        yield received(file)


def findings(settings: Settings, *, with_media: bool, at_once: int) -> Iterator[Finding]:
    """What the service finds wrong with its store. See `verify`.

    :raise RequestFailed: it does not answer, refuses, or broke off.
    """
    media_too = f"?media=true&at_once={at_once}" if with_media else ""
    with _asked(settings, f"{VERIFY}{media_too}") as file:
        for line in file:
            said = orjson.loads(line)
            if said == END:
                return
            if BROKEN_OFF in said:
                raise RequestFailed(f"not everything could be looked at: {said[BROKEN_OFF]}")
            yield Finding(said["rule"], said["text"], said["ids"])
    raise RequestFailed("the service broke off; its log says why")


@contextmanager
def _asked(settings: Settings, path: str) -> Iterator[IO[bytes]]:
    token = operator.token(media.secret(settings))
    url = f"{settings.url}{path}"
    headers = {operator.HEADER: token, "Accept-Encoding": "identity"}
    try:
        with httpx.stream("GET", url, headers=headers, timeout=_TIMEOUT) as response:
            if response.status_code != httpx.codes.OK:
                response.read()
                raise RequestFailed(f"GET {url}: {_detail(response)}", status=response.status_code)
            yield io.BufferedReader(_Body(response.iter_raw(_BUFFER)), _BUFFER)
    except httpx.TransportError as error:
        raise RequestFailed(f"GET {url}: {error}. Is it another service that has the store open?") from error


def _detail(response: httpx.Response) -> str:
    try:
        return f"{response.status_code} {orjson.loads(response.content)['detail']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return str(response.status_code)


class _Body(io.RawIOBase):
    """What comes of an answer, as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        while not self._rest:
            try:
                self._rest = next(self._pieces)
            except StopIteration:
                return 0
            except httpx.RemoteProtocolError as error:
                raise InvalidBackup(f"the service broke off: {error}") from error
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
