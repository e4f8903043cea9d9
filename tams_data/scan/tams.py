"""`ibis.tams`: the tables of a running TAMS data service as an Ibis backend, over HTTP.

    con = ibis.tams.connect("http://localhost:8000", token=…)
    con = ibis.connect("tams://localhost:8000")

A scan is one `GET /tables/{name}`, with the columns and the filter that the query needs; its rows stream as Arrow. A
query makes one such request for every occurrence of a table, and each sees the table as it is when it is made: there
is no transaction across them. A list of values that is too long for a URL is sent as the range it spans, and the
rows that come are filtered here.

    ServiceError
     ├── Unreachable      nobody answers at the URL
     ├── Refused          the service answers with an error; `status` is that of HTTP
     │    └── TableNotFound
     └── StreamBroken     rows were on their way and stopped coming
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import ParseResult, quote

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tams_data.scan import backend
from tams_data.scan.filters import can_say, text_of
from tams_data.scan.predicate import AllOf, Comparison, Condition, Constant, OneOf, Predicate

_LONGEST = 6000
"""Bytes of a filter in a URL, at most: common proxies take 8 kB for all of it."""


class ServiceError(Exception):
    """The root: catches everything that goes wrong between here and the service."""


class Unreachable(ServiceError):
    """Nobody answers at the URL, or not in time."""


class Refused(ServiceError):
    """The service answers with an error: its own words, and the `status` of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class TableNotFound(Refused):
    """The service has no table of this name."""


class StreamBroken(ServiceError):
    """The rows of a table stopped coming before their end."""


class TamsSnapshot:
    """The tables of a service during one query: not one state of them, see above."""

    def __init__(self, source: TamsSource) -> None:
        self._source = source
        self._responses: list[httpx.Response] = []

    def scan(self, name: str, columns: Sequence[str], predicate: Predicate) -> pa.RecordBatchReader:
        """The rows of a table, as they come."""
        response = self._source.get_rows(name, columns, predicate)
        self._responses.append(response)
        return self._source.reader(name, response)

    def close(self) -> None:
        """Hang up where rows are still to come."""
        for response in self._responses:
            response.close()


class TamsSource:
    """The tables of one service. Safe to use from several threads."""

    def __init__(self, url: str, *, token: str | None = None, timeout: float | None = 60) -> None:
        """Read from the service at `url`, with a bearer `token`, waiting `timeout` seconds for whatever comes next."""
        self.url = url.rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(headers=headers, timeout=timeout, follow_redirects=True)
        self._schemas: dict[str, pa.Schema] = {}

    def __repr__(self) -> str:
        return f"TamsSource({_shown(httpx.URL(self.url))})"

    def list_tables(self) -> list[str]:
        """The names of the service's tables.

        :raise ServiceError: the service is not there, or refuses.
        """
        response = self._send("tables")
        try:
            response.read()
            return [table["name"] for table in response.json()]
        except httpx.HTTPError as error:
            raise StreamBroken(f"{_shown(response.url)}: {error}") from error
        finally:
            response.close()

    def schema(self, name: str) -> pa.Schema:
        """The columns of a table, as they are now.

        :raise ServiceError: the service is not there, or refuses.
        """
        response = self._send(f"tables/{quote(name, safe='')}", filter=text_of(pa.schema([]), (Constant(False),)))
        found = self._schemas[name] = self.reader(name, response).read_all().schema
        return found

    def filters_by(self, schema: pa.Schema, condition: Condition) -> bool:
        """Whether the service filters by it, and not merely by the range that a long list of values spans."""
        return _fits(schema, condition, _LONGEST)

    @contextmanager
    def transaction(self) -> Iterator[TamsSnapshot]:
        """What the scans of one query have in common: that they end with it."""
        snapshot = TamsSnapshot(self)
        try:
            yield snapshot
        finally:
            snapshot.close()

    def close(self) -> None:
        """Close the connections to the service."""
        self._http.close()

    def get_rows(self, name: str, columns: Sequence[str], predicate: Predicate) -> httpx.Response:
        """The response whose body is the rows of a table, at least those that satisfy the predicate."""
        schema = self._schemas.get(name) or self.schema(name)
        asked = _asked(schema, predicate)
        parameters = {"filter": text_of(schema, asked)} if asked else {}
        return self._send(f"tables/{quote(name, safe='')}", columns=",".join(columns), **parameters)

    def reader(self, name: str, response: httpx.Response) -> pa.RecordBatchReader:
        """The rows in the body of a response."""
        body = _Body(name, response)
        try:
            with body.errors():
                stream = pa.ipc.open_stream(pa.PythonFile(body, "r"))
        except ServiceError:
            body.close()
            raise
        return pa.RecordBatchReader.from_batches(stream.schema, _batches(stream, body))

    def _send(self, path: str, **parameters: str) -> httpx.Response:
        """The response to a GET, whose body has not been read."""
        url = f"{self.url}/{path}"
        try:
            # Not compressed: unpacking takes longer than the network of most people, and Arrow is read as it comes.
            request = self._http.build_request("GET", url, params=parameters, headers={"Accept-Encoding": "identity"})
            response = self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise Unreachable(f"{self!r}: no answer ({str(error) or type(error).__name__})") from error
        if response.is_success:
            return response
        raise _refusal(response)


class _Body:
    """The body of a response as the file that Arrow reads, which must be whole."""

    closed = False

    def __init__(self, table: str, response: httpx.Response) -> None:
        self._table = table
        self._response = response
        self._blocks = response.iter_raw()
        self._rest = memoryview(b"")
        self._count = 0

    def read(self, size: int) -> bytes:
        """So many bytes. Arrow stops asking at the end of its stream, so that there always are as many."""
        parts: list[memoryview] = []
        missing = size
        while missing:
            if not self._rest:
                self._rest = memoryview(self._next())
            part, self._rest = self._rest[:missing], self._rest[missing:]
            parts.append(part)
            missing -= len(part)
        self._count += size
        return b"".join(parts)

    def finish(self) -> None:
        """Read what follows the end of the stream, which is the end of the response: its connection is kept then."""
        for _ in self._blocks:
            pass

    def close(self) -> None:
        """Hang up, unless the response is at its end."""
        self._response.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What goes wrong while the body is read, as one error."""
        try:
            yield
        except (httpx.HTTPError, httpx.StreamError, pa.ArrowInvalid, OSError) as error:
            raise StreamBroken(
                f"the rows of table {self._table} broke off after {self._count} bytes: {error}"
            ) from error

    def _next(self) -> bytes:
        for block in self._blocks:
            return block
        # A service that fails half-way may end its answer as if it were whole.
        raise StreamBroken(
            f"the rows of table {self._table} broke off after {self._count} bytes: see the service's log"
        )


def _batches(stream: pa.RecordBatchReader, body: _Body) -> Iterator[pa.RecordBatch]:
    try:
        with body.errors():
            yield from stream
            body.finish()
    finally:
        body.close()


def _asked(schema: pa.Schema, predicate: Predicate) -> Predicate:
    """What of a predicate is sent: the short conditions first, as many as fit, and of long lists their range."""
    asked: list[Condition] = []
    room = _LONGEST
    for condition in sorted(predicate, key=lambda one: len(one.values) if isinstance(one, OneOf) else 0):
        for form in (condition, *_ranges(condition)):
            if _fits(schema, form, room):
                asked.append(form)
                room -= _size(schema, form)
                break
    return tuple(asked)


def _fits(schema: pa.Schema, condition: Condition, room: int) -> bool:
    few = not isinstance(condition, OneOf) or len(condition.values) <= room
    return few and can_say(schema, condition) and _size(schema, condition) <= room


def _size(schema: pa.Schema, condition: Condition) -> int:
    """Bytes of a condition in a URL, with what stands around it."""
    return len(quote(text_of(schema, (condition,)), safe=""))


def _ranges(condition: Condition) -> Iterator[Condition]:
    """The range that a list of values spans, if they are in one order everywhere: NaN comes first or last."""
    if not isinstance(condition, OneOf) or pt.is_floating(condition.values.type):
        return
    ends = pc.min_max(condition.values)
    if ends["min"].is_valid:
        column = condition.column
        yield AllOf((Comparison(column, ">=", ends["min"]), Comparison(column, "<=", ends["max"])))


def _refusal(response: httpx.Response) -> ServiceError:
    """What an answer that is an error says: problem details (RFC 9457), or nothing but its status."""
    status = response.status_code
    said = f"{_shown(response.url)}: {status} {response.reason_phrase}"
    try:
        response.read()
        told = response.json()
    except (httpx.HTTPError, ValueError):
        told = None
    finally:
        response.close()
    detail = told.get("detail") if isinstance(told, Mapping) else None
    text = f"{said}: {detail}" if detail else said
    return TableNotFound(text, status) if status == httpx.codes.NOT_FOUND else Refused(text, status)


def _shown(url: httpx.URL) -> str:
    """A URL without what may be a credential: its user and its query."""
    return str(url.copy_with(username=None, password=None, query=None))


class Backend(backend.Backend):
    """An Ibis connection to the tables of one service."""

    name = "tams"
    source: TamsSource

    def do_connect(  # type: ignore[override]
        self, url: str = "http://localhost:8000", *, token: str | None = None, timeout: float | None = 60
    ) -> None:
        """Connect to the service at `url`.

        Parameters
        ----------
        url
            URL of the service.
        token
            Bearer token to send with every request; by default none.
        timeout
            Seconds to wait for an answer, or for more of it; None: as long as it takes.
        """
        super().do_connect(TamsSource(url, token=token, timeout=timeout))

    def __repr__(self) -> str:
        return f"<tams {_shown(httpx.URL(self.source.url))}>"

    def _from_url(self, url: ParseResult, **options: Any) -> Backend:
        """Connect to `tams://host:port/path`. Options are those of `connect`, and `tls=true` for HTTPS."""
        scheme = "https" if str(options.pop("tls", "false")).lower() == "true" else "http"
        if "timeout" in options:
            options["timeout"] = float(options["timeout"])
        connection: Backend = self.connect(f"{scheme}://{url.netloc}{url.path}", **options)
        return connection
