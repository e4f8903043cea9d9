"""`ibis.tams`: what a service is asked for, what a connection shows of itself, and how failures are told."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import ibis
import pyarrow as pa
import pytest
import tomli
from ibis import _

from tams_data.scan.tams import Backend, Refused, ServiceError, StreamBroken, TableNotFound, Unreachable
from tests.api.tables_server import serve
from tests.tams_data.scan.data import TABLES

TOKEN = "s3cr/et+token"
ROWS = pa.table({"n": pa.array(range(1000), pa.int64()), "s": ["a"] * 1000})
END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def stream(rows: pa.Table) -> bytes:
    """An Arrow IPC stream without its end."""
    parts = [rows.schema.serialize(), *(batch.serialize() for batch in rows.to_batches(max_chunksize=100))]
    return b"".join(part.to_pybytes() for part in parts)


ARROW = "application/vnd.apache.arrow.stream"


class Service(BaseHTTPRequestHandler):
    """Notes what it is asked, and answers with `ROWS`, or in their place with what it is told."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Count the connections."""
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:  # the base class's way to call it
        """Answer."""
        self.server.asked.append((self.path, dict(self.headers)))
        query = parse_qs(urlsplit(self.path).query)
        rows = ROWS.select(query["columns"][0].split(",")) if "columns" in query else ROWS
        told = self.server.answer if "columns" in query else None
        status, kind, body, withheld = told or (200, ARROW, stream(rows) + END, 0)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) + withheld))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = bool(withheld)

    def log_message(self, *_given: object) -> None:
        """Nothing."""


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    """A server that answers for rows as it is told: with a status, a type, bytes, and how many more it announces."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        server.asked, server.answer, server.connections = [], None, 0
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def con(service: ThreadingHTTPServer) -> Iterator[Backend]:
    """A connection to `service`, with a token."""
    connection = Backend().connect(f"http://127.0.0.1:{service.server_port}", token=TOKEN)
    yield connection
    connection.disconnect()


@pytest.fixture(scope="module")
def tables() -> Iterator[Backend]:
    """A connection to a service that has the tables of `data`."""
    with serve(TABLES) as url:
        connection = Backend().connect(url)
        yield connection
        connection.disconnect()


def queries(service: ThreadingHTTPServer) -> list[Mapping[str, str]]:
    """The parameters of each request for rows."""
    split = [urlsplit(path) for path, _headers in service.asked]
    found = [{name: one for name, (one,) in parse_qs(url.query).items()} for url in split]
    return [query for query in found if "columns" in query]


# --- what is pushed down ---------------------------------------------------------------------------------------------


def test_columns_and_conditions_are_in_the_request(con, service):
    t = con.table("t")
    con.to_pyarrow(t.filter(_.n >= 5, _.n < 2**62, _.s == 'it\'s "b" & c').select("n"))
    (asked,) = queries(service)
    assert sorted(asked.pop("columns").split(",")) == ["n", "s"]
    assert asked == {"filter": '[["n",">=",5],["n","<",4611686018427387904],["s","=","it\'s \\"b\\" & c"]]'}


def test_a_query_without_conditions_sends_no_filter(con, service):
    con.to_pyarrow(con.table("t").select("s"))
    assert queries(service) == [{"columns": "s"}]


@pytest.mark.parametrize(
    ("build", "filters", "rest"),
    [
        pytest.param(lambda t: t.filter(_.start.between(10, 20)), ["start >= 10", "start <= 20"], [], id="range"),
        pytest.param(lambda t: t.filter(_.rate > 1.5), ["rate > 1.5"], [], id="float"),
        pytest.param(lambda t: t.filter(_.live == True), ["live = True"], [], id="bool"),  # noqa: E712
        pytest.param(
            lambda t: t.filter((_.key < 5) | (_.key > 9) | (_.key == 7)),
            ["(key = 7 OR key < 5 OR key > 9)"],
            [],
            id="or",
        ),
        pytest.param(lambda t: t.filter(_.flow.isin(["b", "a"])), ["flow IN ('a', 'b')"], [], id="in"),
        pytest.param(
            lambda t: t.filter(_.flow.isin([f"flow-{i:04}" for i in range(500)]), _.key > 7),
            ["key > 7"],
            ["flow IN (… 495 more)"],
            id="long-list",
        ),
    ],
)
def test_an_explanation_says_what_a_service_filters_by(build, filters, rest, tables):
    scan = tables.explain(build(tables.table("things"))).of("things")
    assert sorted(map(str, scan.predicate)) == sorted(filters)
    assert [re.sub("'flow-.*'(?=, …)", "", str(one)).replace("(, ", "(") for one in scan.rest] == rest


def test_a_list_that_no_url_holds_is_asked_for_as_its_range(con, service):
    wanted = [*range(0, 4000, 2)]
    found = con.to_pyarrow(con.table("t").filter(_.n.isin(wanted)).select("n"))
    assert sorted(found["n"].to_pylist()) == list(range(0, 1000, 2)), "what a service gives too much is filtered here"
    (asked,) = queries(service)
    assert asked["filter"] == '[{"all":[["n",">=",0],["n","<=",3998]]}]'


def test_a_url_is_short_enough_for_any_proxy(con, service):
    t = con.table("t")
    lists = [t.s.isin([f"{letter}{i}" for i in range(300)]) for letter in "abc"]
    con.to_pyarrow(t.filter(*lists, t.n.isin(list(range(0, 1000, 2))), t.s != "x" * 7000, t.n != 5))
    (path,) = (path for path, _headers in service.asked if "columns" in path)
    assert len(path) < 7000
    (asked,) = queries(service)
    assert '["n","!=",5]' in asked["filter"], "short conditions go first"


def test_rows_of_one_table_twice_are_asked_for_twice(con, service):
    t = con.table("t")
    con.to_pyarrow(t.filter(t.n < 5).join(t.view().filter(_.n > 2), "n"))
    assert len(queries(service)) == 2


# --- how one connects, and what a connection shows -------------------------------------------------------------------


def test_the_token_goes_with_every_request_and_is_shown_nowhere(con, service):
    con.to_pyarrow(con.table("t"))
    assert [headers["Authorization"] for _path, headers in service.asked] == [f"Bearer {TOKEN}"] * 2
    service.answer = (401, "application/problem+json", b'{"detail": "no"}', 0)
    with pytest.raises(Refused) as refused:
        con.to_pyarrow(con.table("t"))
    shown = [repr(con), str(con), con.db_identity, repr(con.source), repr(con.table("t")), str(refused.value)]
    assert not any(TOKEN in text for text in shown)
    assert repr(con) == f"<tams http://127.0.0.1:{service.server_port}>"


def test_without_a_token_none_is_sent(service):
    con = Backend().connect(f"http://127.0.0.1:{service.server_port}/")
    con.to_pyarrow(con.table("t"))
    assert not any("Authorization" in headers for _path, headers in service.asked)
    con.disconnect()


def test_a_password_in_the_url_is_not_shown(service):
    con = Backend().connect(f"http://user:hidden@127.0.0.1:{service.server_port}")
    assert "hidden" not in f"{con!r} {con.source!r}"
    con.disconnect()


def test_connections_with_different_tokens_are_not_one():
    """They may be shown different rows."""
    one, other = (Backend().connect("http://127.0.0.1", token=token) for token in "ab")
    assert one != other


def test_ibis_connects_with_a_url(service, monkeypatch):
    monkeypatch.setattr(ibis, "tams", Backend(), raising=False)  # as it is where the project is installed
    con = ibis.connect(f"tams://127.0.0.1:{service.server_port}/base?token=abc&timeout=2.5")
    con.table("t")
    ((path, headers),) = service.asked
    assert path.startswith("/base/tables/t?")
    assert headers["Authorization"] == "Bearer abc"
    assert ibis.connect("tams://host?tls=true").source.url == "https://host"
    con.disconnect()


def test_the_project_names_the_module_as_an_entry_point_of_ibis():
    project = tomli.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    module = import_module(project["entry-points"]["ibis.backends"]["tams"])
    assert module.Backend is Backend
    assert module.Backend.name == "tams"


def test_ibis_knows_the_backend_where_the_project_is_installed():
    if "tams" not in entry_points(group="ibis.backends").names:
        pytest.skip("the project was installed before it had this entry point: install it again")
    assert ibis.tams.name == "tams"


def test_tables_are_listed_and_read_as_they_are(tables):
    assert sorted(tables.list_tables()) == sorted(TABLES)
    for name, table in TABLES.items():
        assert tables.table(name).schema().to_pyarrow() == table.schema


# --- failures --------------------------------------------------------------------------------------------------------


def run(con: Backend) -> object:
    """A query."""
    return con.to_pyarrow(con.table("t"))


def run_in_batches(con: Backend) -> object:
    """The same, as it comes."""
    return con.to_pyarrow_batches(con.table("t")).read_all()


EITHER_WAY = pytest.mark.parametrize("query", [run, run_in_batches])


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        pytest.param(400, b'{"detail": "filter.0: no"}', "400 Bad Request: filter.0: no", id="bad-request"),
        pytest.param(404, b'{"detail": "no table"}', "404 Not Found: no table", id="not-found"),
        pytest.param(502, b"<html>", "502 Bad Gateway", id="a-proxy"),
        pytest.param(500, b"[]", "500 Internal Server Error", id="no-problem"),
    ],
)
@EITHER_WAY
def test_what_a_service_says_is_said(status, body, said, query: Callable[[Backend], object], service):
    service.answer = (status, "application/problem+json", body, 0)
    con = Backend().connect(f"http://127.0.0.1:{service.server_port}")
    with pytest.raises(TableNotFound if status == 404 else Refused) as refused:
        query(con)
    assert str(refused.value) == f"http://127.0.0.1:{service.server_port}/tables/t: {said}"
    assert refused.value.status == status
    assert isinstance(refused.value, ServiceError)
    con.disconnect()


def test_nobody_at_the_url_is_an_error_of_its_own():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        con = Backend().connect(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unreachable, match="no answer"):
            con.list_tables()
        with pytest.raises(Unreachable, match="no answer"):
            con.table("t")


@pytest.mark.parametrize(
    ("body", "withheld"),
    [
        pytest.param(stream(ROWS), 0, id="without-an-end"),
        pytest.param(stream(ROWS) + END[:4], 0, id="within-the-end"),
        pytest.param(stream(ROWS)[:-100], 0, id="within-a-batch"),
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"<html>" * 100, 0, id="no-arrow"),
        pytest.param(stream(ROWS), 8, id="connection-lost"),
        pytest.param(stream(ROWS)[:-100], 108, id="connection-lost-within-a-batch"),
    ],
)
@EITHER_WAY
def test_rows_that_stop_coming_are_an_error_and_not_fewer_rows(body, withheld, query, con, service):
    service.answer = (200, ARROW, body, withheld)
    with pytest.raises(StreamBroken, match="the rows of table t broke off after"):
        query(con)


def test_a_connection_serves_one_query_after_another(con, service):
    for _again in range(5):
        con.to_pyarrow(con.table("t").filter(_.n > 5))
    assert len(service.asked) == 10
    assert service.connections == 1


def test_a_stream_is_hung_up_on_when_no_more_is_wanted(tables):
    """The connection would otherwise be taken until the end of the table."""
    for _again in range(30):
        assert tables.to_pyarrow(tables.table("things").limit(1)).num_rows == 1
    assert len(tables.source._http._transport._pool.connections) <= 2
