"""Requests to one service: its credentials, when to try again, pages, and the bytes of objects."""

from __future__ import annotations

import random
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import unquote

import httpx

from tams_data.client.shapes import OnBytes
from tams_data.errors import RequestFailed

_BLOCK = 1 << 18
_BUSY = (429, 503)
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0
_LONGEST_WAIT_ASKED_FOR_S = 60.0
_ACCESS_TOKEN = "access_token"  # noqa: S105  # the name of the parameter (TAMS 8.2, url_token_auth)


class Connection:
    """Sends requests to a service, with its credentials, again where that is safe. May be shared by threads."""

    def __init__(self, url: str, token: str | None, *, timeout_s: float, retries: int, connections: int) -> None:
        """`url` may have a path, and credentials of its own: `user:password@`, or the parameter `access_token`."""
        given = httpx.URL(url)
        self._access_token = given.params.get(_ACCESS_TOKEN)
        self._authorization = _authorization(given, token)
        path = given.path.rstrip("/") + "/"
        self._base = given.copy_with(username=None, password=None, query=None, fragment=None, path=path)
        self._retries = retries
        limits = httpx.Limits(max_connections=connections)
        self._http = httpx.Client(timeout=timeout_s, limits=limits, follow_redirects=True)

    @property
    def url(self) -> str:
        """The service's URL, without credentials and without a slash at the end."""
        return str(self._base).rstrip("/")

    @property
    def has_credentials(self) -> bool:
        """Whether requests carry any."""
        return bool(self._authorization) or self._access_token is not None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to the service and return its successful answer; `path` is below its URL, or a URL."""
        return self._send(method, self._base.join(path), with_credentials=True, **options)

    def pages(self, path: str, parameters: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Yield the pages of a list, by the `Link` header, or by `X-Paging-NextKey` where there is no other."""
        response = self.request("GET", path, params=dict(parameters))
        while True:
            yield response
            following = response.links.get("next", {}).get("url")
            if following is not None:
                # Relative to the page that names it, as RFC 8288 has it.
                response = self.request("GET", str(response.url.join(following)))
            elif key := response.headers.get("X-Paging-NextKey"):
                response = self.request("GET", path, params={**parameters, "page": key})
            else:
                return

    def follow(
        self, path: str, parameters: Mapping[str, str], *, headers: Callable[[], Mapping[str, str]], patience_s: float
    ) -> Iterator[str | None]:
        """Yield the lines of an answer as they come, and None wherever it ends and is asked for again.

        It is asked for with what `headers` gives then, until nothing was heard for `patience_s` seconds.
        """
        url, attempt, heard_ns = self._base.join(path), 0, time.monotonic_ns()
        while True:
            retry_after = None
            given = time.monotonic_ns() - heard_ns < patience_s * 10**9
            options = self._with_credentials(url, {"headers": headers(), "params": dict(parameters)})
            try:
                with self._http.stream("GET", url, **options) as response:
                    if response.is_success:
                        for line in _lines(response):
                            yield line
                            attempt, heard_ns = 0, time.monotonic_ns()
                    else:
                        response.read()
                        if not given or response.status_code not in _BUSY:
                            _checked(response)
                        retry_after = response.headers.get("Retry-After")
            except httpx.TransportError as error:
                if not given:
                    raise RequestFailed(f"GET {_shown(url)}: {_words(error)}") from error
            yield None
            time.sleep(_wait_s(attempt, retry_after))
            attempt += 1

    def put_bytes(
        self, url: str, body: IO[bytes], size: int, headers: Mapping[str, str], *, presigned: bool, progress: OnBytes
    ) -> None:
        """Upload `size` bytes, read from a file at its start."""
        # A length, because presigned URLs refuse chunked bodies. httpx would send those for a file of unknown length.
        length = {"Content-Length": str(size)}
        options: dict[str, Any] = {"headers": {**headers, **length}, "body": _Body(body, size, progress)}
        self._send("PUT", self._base.join(url), with_credentials=not presigned, **options)

    def get_bytes(self, url: str, file: IO[bytes], *, presigned: bool, progress: OnBytes) -> int:
        """Download into a file, in place of what is in it, and return how many bytes they are.

        Where the server can, a download that broke off goes on where it stood.
        """
        sink = _Sink(file, progress)
        self._send("GET", self._base.join(url), with_credentials=not presigned, sink=sink)
        return sink.done

    def _send(
        self,
        method: str,
        url: httpx.URL,
        *,
        with_credentials: bool,
        body: _Body | None = None,
        sink: _Sink | None = None,
        **options: Any,
    ) -> httpx.Response:
        if with_credentials:
            options = self._with_credentials(url, options)
        attempt = 0
        while True:
            last = attempt == self._retries
            retry_after = None
            try:
                response = self._once(method, url, body, sink, options)
            except httpx.TransportError as error:
                if last or not _may_repeat(method, error):
                    raise RequestFailed(f"{method} {_shown(url)}: {_words(error)}") from error
            except httpx.HTTPError as error:
                raise RequestFailed(f"{method} {_shown(url)}: {error}") from error
            else:
                if last or response.status_code not in _BUSY:
                    return _checked(response)
                retry_after = response.headers.get("Retry-After")
            time.sleep(_wait_s(attempt, retry_after))
            attempt += 1

    def _with_credentials(self, url: httpx.URL, options: dict[str, Any]) -> dict[str, Any]:
        """The options of a request, with credentials if it goes to the service itself."""
        if not self._is_ours(url):
            return options
        headers = {**self._authorization, **options.get("headers", {})}
        return {**options, "headers": headers, "params": self._with_access_token(url, options.get("params"))}

    def _is_ours(self, url: httpx.URL) -> bool:
        """Whether a URL is of the service's own origin: credentials go nowhere else."""
        return (url.scheme, url.host, url.port) == (self._base.scheme, self._base.host, self._base.port)

    def _with_access_token(self, url: httpx.URL, parameters: Mapping[str, str] | None) -> httpx.QueryParams | None:
        """The parameters to send: httpx leaves a URL's own alone when it is given None."""
        if self._access_token is None:
            return None if parameters is None else httpx.QueryParams(parameters)
        return httpx.QueryParams(parameters or url.params).set(_ACCESS_TOKEN, self._access_token)

    def _once(
        self, method: str, url: httpx.URL, body: _Body | None, sink: _Sink | None, options: Mapping[str, Any]
    ) -> httpx.Response:
        if sink is None:
            return self._http.request(method, url, content=body, **options)
        headers = {**options.get("headers", {}), **sink.headers()}
        with self._http.stream(method, url, **{**options, "headers": headers}) as response:
            if response.is_success:
                sink.receive(response)
            elif response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                sink.forget()
                raise httpx.RemoteProtocolError("the bytes have changed", request=response.request)
            else:
                response.read()
            return response


class _Body:
    """The bytes of an upload. Not a generator, which could be sent once only: not again, and not after a redirect."""

    def __init__(self, file: IO[bytes], size: int, progress: OnBytes) -> None:
        self._file, self._size, self._progress = file, size, progress

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        done = 0
        while block := self._file.read(_BLOCK):
            yield block
            done += len(block)
            self._progress(done, self._size)


class _Sink:
    """Where a download goes, over as many attempts as it takes."""

    def __init__(self, file: IO[bytes], progress: OnBytes) -> None:
        self._file, self._progress = file, progress
        self._validator: str | None = None
        self.done = 0

    def headers(self) -> dict[str, str]:
        """What to ask for: the rest, if it can be known to be the rest of the same bytes (RFC 9110, 13.1.5)."""
        # Not compressed: lengths and ranges are those of the bytes.
        plain = {"Accept-Encoding": "identity"}
        if not (self.done and self._validator):
            return plain
        return {**plain, "Range": f"bytes={self.done}-", "If-Range": self._validator}

    def receive(self, response: httpx.Response) -> None:
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            self.forget()
            self._validator = _strong_validator(response)
        total = self._total(response)
        # Without a size: chunks of one would keep back what came before the connection broke.
        for block in response.iter_bytes():
            self._file.write(block)
            self.done += len(block)
            self._progress(self.done, total)

    def forget(self) -> None:
        """Begin again: there may be something in the file, of an attempt before this one."""
        self._file.seek(0)
        self._file.truncate()
        self.done, self._validator = 0, None

    def _total(self, response: httpx.Response) -> int | None:
        length = response.headers.get("Content-Length", "")
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        return self.done + int(length) if length.isdigit() and not encoded else None


def _strong_validator(response: httpx.Response) -> str | None:
    etag: str | None = response.headers.get("ETag")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    return None if etag is None or etag.startswith("W/") or encoded else etag


def _authorization(url: httpx.URL, token: str | None) -> dict[str, str]:
    if token is not None:
        return {"Authorization": f"Bearer {token}"}
    if not url.userinfo:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password)}".encode()
    return {"Authorization": f"Basic {b64encode(pair).decode()}"}


def _may_repeat(method: str, error: httpx.TransportError) -> bool:
    """Whether a request that got no answer may be sent again: it changes nothing twice, or it never arrived."""
    return method in _IDEMPOTENT or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _wait_s(attempt: int, retry_after: str | None) -> float:
    """How long to wait before trying again: what the service asks for, or longer each time."""
    asked_for_s = None if retry_after is None else _asked_for_s(retry_after)
    if asked_for_s is not None:
        return min(max(asked_for_s, 0), _LONGEST_WAIT_ASKED_FOR_S)
    # Jitter, so that clients that were refused together do not come back together.
    return min(_FIRST_WAIT_S * float(2**attempt) * random.uniform(0.5, 1), _LONGEST_WAIT_S)  # noqa: S311


def _asked_for_s(retry_after: str) -> float | None:
    """Seconds until what `Retry-After` says: a count of them, or a date (RFC 9110, 10.2.3); None if it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if date.tzinfo is None:  # "-0000", of which parsedate says that its zone is not known
        date = date.replace(tzinfo=timezone.utc)
    return (date - datetime.now(timezone.utc)).total_seconds()


def _lines(response: httpx.Response) -> Iterator[str]:
    """Yield whole lines. Those of httpx end at U+2028 and the like as well, which JSON may have within a text."""
    rest = b""
    for block in response.iter_bytes():
        *lines, rest = (rest + block).split(b"\n")
        yield from (line.removesuffix(b"\r").decode() for line in lines)


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    request = response.request
    said = _said(response)
    raise RequestFailed(
        f"{request.method} {_shown(request.url)}: {response.status_code} {response.reason_phrase}{said}",
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


def _shown(url: httpx.URL) -> str:
    """Return a URL without its query and its user: those of a presigned URL are credentials."""
    return str(url.copy_with(username=None, password=None, query=None))


def _words(error: httpx.TransportError) -> str:
    return f"no answer ({str(error) or type(error).__name__})"
