"""A client of a TAMS service: flows, segments, and the bytes of objects.

    with TamsClient("http://localhost:8000") as client:
        for segment in client.segments(flow_id, TimeRange.parse("[0:0_10:0)")):
            client.download(segment, file)

Every failure is `RequestFailed`, with the status, and what the service said. A client may be shared by threads.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

import httpx

from tams_data.errors import RequestFailed
from tams_data.timerange import TimeRange

Json = dict[str, Any]

_BLOCK = 1 << 18
_BUSY = (429, 503)
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where to upload an object, as a service allocates it (TAMS 8.2, flow-storage)."""

    object_id: str
    url: str
    headers: Mapping[str, str]
    presigned: bool

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Allocation:
        """Read an item of `media_objects`."""
        put_url = item["put_url"]
        headers = dict(put_url.get("headers") or {})
        if "content-type" in put_url:
            headers["Content-Type"] = put_url["content-type"]
        return cls(item["object_id"], put_url["url"], headers, bool(item.get("presigned")))


@dataclass(frozen=True, slots=True)
class FailedSegment:
    """A segment of a batch that was not registered, and why."""

    object_id: str
    timerange: str | None
    reason: str


class TamsClient:
    """A connection to one service. A context manager; `close` gives the connections back."""

    def __init__(
        self, url: str, token: str | None = None, *, timeout_s: float = 60, retries: int = 4, connections: int = 16
    ) -> None:
        """`token` is a bearer token. Requests that are safe to repeat are, up to `retries` times."""
        self._base = httpx.URL(url.rstrip("/") + "/")
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._retries = retries
        limits = httpx.Limits(max_connections=connections)
        self._http = httpx.Client(timeout=timeout_s, limits=limits, follow_redirects=True)

    @property
    def url(self) -> str:
        """The service's URL, without a slash at the end."""
        return str(self._base).rstrip("/")

    def __enter__(self) -> TamsClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- flows ---

    def flows(self, **filters: str) -> Iterator[Json]:
        """Yield flows, page by page; `filters` are query parameters of `GET /flows`."""
        return self._pages("flows", filters)

    def find_flow(self, flow_id: str, *, include_timerange: bool = False) -> Json | None:
        """Return a flow, or None when there is none with this id."""
        parameters = {"include_timerange": "true"} if include_timerange else {}
        try:
            flow: Json = self._api("GET", f"flows/{quote(flow_id, safe='')}", params=parameters).json()
        except RequestFailed as error:
            if error.status == 404:
                return None
            raise
        return flow

    def put_flow(self, flow: Mapping[str, Any]) -> None:
        """Create or replace a flow."""
        self._api("PUT", f"flows/{flow['id']}", json=dict(flow))

    # --- segments ---

    def segments(self, flow_id: str, timerange: TimeRange | None = None, *, urls: bool = True) -> Iterator[Json]:
        """Yield the segments of a flow that share time with a range, in order, page by page.

        Without `urls` the service need not make any, which is faster.
        """
        parameters = {"limit": "1000"}
        if timerange is not None:
            parameters["timerange"] = str(timerange)
        if not urls:
            parameters["accept_get_urls"] = ""
        return self._pages(f"flows/{flow_id}/segments", parameters)

    def register(self, flow_id: str, segments: Sequence[Mapping[str, Any]]) -> list[FailedSegment]:
        """Register segments in one request; return those that the service refused, one by one, while taking others."""
        response = self._api("POST", f"flows/{flow_id}/segments", json=list(segments))
        if response.status_code != 200:
            return []
        return [
            FailedSegment(item["object_id"], item.get("timerange"), (item.get("error") or {}).get("summary", "refused"))
            for item in response.json().get("failed_segments", ())
        ]

    # --- objects ---

    def allocate(self, flow_id: str, object_ids: Sequence[str]) -> list[Allocation]:
        """Allocate storage for new objects with the ids given. A 400 says that an id is taken, or that it cannot be."""
        response = self._api("POST", f"flows/{flow_id}/storage", json={"object_ids": list(object_ids)})
        return [Allocation.parse(item) for item in response.json().get("media_objects", ())]

    def upload(self, allocation: Allocation, body: IO[bytes], size: int) -> None:
        """Upload an object of `size` bytes, read from a file at its start."""
        # A length, because presigned URLs refuse chunked bodies. httpx would send those for a file of unknown length.
        headers = {**self._credentials(allocation.url, allocation.presigned), **allocation.headers}
        headers["Content-Length"] = str(size)
        self._send("PUT", allocation.url, headers=headers, body=body)

    def download(self, segment: Mapping[str, Any], file: IO[bytes]) -> int:
        """Write the bytes of a segment's object into a file, and return how many they are; presigned URLs first."""
        wanted = sorted(segment.get("get_urls") or (), key=lambda item: not item.get("presigned"))
        if not wanted:
            raise RequestFailed(f"object {segment['object_id']!r} has no URL to get it from")
        url, presigned = wanted[0]["url"], bool(wanted[0].get("presigned"))
        self._send("GET", url, headers=self._credentials(url, presigned), sink=file)
        return file.tell()

    # --- requests ---

    def _pages(self, path: str, parameters: Mapping[str, str]) -> Iterator[Json]:
        response = self._api("GET", path, params=dict(parameters))
        while True:
            yield from response.json()
            following = response.links.get("next", {}).get("url")
            if following is not None:
                response = self._api("GET", following)
            elif key := response.headers.get("X-Paging-NextKey"):
                response = self._api("GET", path, params={**parameters, "page": key})
            else:
                return

    def _api(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = self._base.join(path)
        return self._send(method, str(url), headers=self._credentials(str(url), presigned=False), **options)

    def _credentials(self, url: str, presigned: bool) -> dict[str, str]:
        """Return the credentials to send: to the service itself only, and not to a URL that carries its own."""
        target = self._base.join(url)
        same_origin = (target.scheme, target.host, target.port) == (self._base.scheme, self._base.host, self._base.port)
        return dict(self._authorization) if same_origin and not presigned else {}

    def _send(
        self, method: str, url: str, *, body: IO[bytes] | None = None, sink: IO[bytes] | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request, again where that is safe, and return its successful answer."""
        url = str(self._base.join(url))
        attempt = 0
        while True:
            last = attempt == self._retries
            retry_after = None
            try:
                response = self._once(method, url, body, sink, options)
            except httpx.TransportError as error:
                if last or not _may_repeat(method, error):
                    raise RequestFailed(f"{method} {_shown(url)}: {_words(error)}") from error
            else:
                if last or response.status_code not in _BUSY:
                    return _checked(response)
                retry_after = response.headers.get("Retry-After")
            _pause(attempt, retry_after)
            attempt += 1

    def _once(
        self, method: str, url: str, body: IO[bytes] | None, sink: IO[bytes] | None, options: Mapping[str, Any]
    ) -> httpx.Response:
        content = None if body is None else _blocks(body)
        if sink is None:
            return self._http.request(method, url, content=content, **options)
        with self._http.stream(method, url, **options) as response:
            if response.is_success:
                _receive(response, sink)
            else:
                response.read()
            return response


def _blocks(body: IO[bytes]) -> Iterator[bytes]:
    body.seek(0)
    while block := body.read(_BLOCK):
        yield block


def _receive(response: httpx.Response, sink: IO[bytes]) -> None:
    sink.seek(0)
    sink.truncate()  # of what an attempt before this one may have left
    for block in response.iter_bytes(_BLOCK):
        sink.write(block)


def _may_repeat(method: str, error: httpx.TransportError) -> bool:
    """Whether a request that got no answer may be sent again: it changes nothing twice, or it never arrived."""
    return method in _IDEMPOTENT or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _pause(attempt: int, retry_after: str | None) -> None:
    if retry_after is not None and retry_after.isdigit():
        wait_s: float = int(retry_after)
    else:
        # Jitter, so that clients that were refused together do not come back together.
        wait_s = _FIRST_WAIT_S * 2**attempt * random.uniform(0.5, 1)  # noqa: S311
    time.sleep(min(wait_s, _LONGEST_WAIT_S))


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    request = response.request
    said = _said(response)
    raise RequestFailed(
        f"{request.method} {_shown(str(request.url))}: {response.status_code} {response.reason_phrase}{said}",
        status=response.status_code,
    )


def _said(response: httpx.Response) -> str:
    """Return what the body says: problem details (RFC 9457), or an error of TAMS, or plain text."""
    try:
        told = response.json()
    except ValueError:
        text = response.text.strip()
        return f": {text[:200]}" if text and "html" not in response.headers.get("Content-Type", "") else ""
    detail = (told.get("detail") or told.get("summary") or told.get("title")) if isinstance(told, dict) else None
    return f": {detail}" if detail else ""


def _shown(url: str) -> str:
    """Return a URL without its query: that of a presigned URL is a credential."""
    return url.partition("?")[0]


def _words(error: httpx.TransportError) -> str:
    return f"no answer ({str(error) or type(error).__name__})"
