"""`ibis.vast`: how one connects, and what a connection shows of itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import ibis
import pytest
import tomli
import vastdb.errors

from tams_data.scan.vast import Backend

SECRET = "s3cr/et+key"


class Cluster(BaseHTTPRequestHandler):
    """Says that it is a VAST cluster, begins and ends transactions, and has no schema."""

    def do_GET(self) -> None:  # the base class's way to call it
        """Which version it is; nothing else is there."""
        self._answer(200 if self.path == "/?transaction" else 404)

    def do_POST(self) -> None:
        """Begin a transaction."""
        self._answer(200)

    def do_PUT(self) -> None:
        """Commit one."""
        self.server.committed.append(self.headers["tabular-txid"])
        self._answer(200)

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("tabular-txid", "7")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def version_string(self) -> str:
        """The header by which vastdb knows a cluster."""
        return "vast 5.4.0.1"

    def log_message(self, *_given: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThreadingHTTPServer]:
    """A server that vastdb takes for a cluster."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as server:
        server.committed = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def place(cluster: ThreadingHTTPServer) -> str:
    """Its host and port."""
    return f"127.0.0.1:{cluster.server_port}"


@pytest.fixture
def url_of_ibis(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ibis.vast` is this backend, as it is where the project is installed."""
    monkeypatch.setattr(ibis, "vast", Backend(), raising=False)


def seen(con: Backend) -> tuple[str, str, str, str, str]:
    """Where a connection goes, and as whom."""
    session = con.source.session
    return (session._context.endpoint, session.access, session.secret, con.source.bucket, con.source.name)


def test_ibis_knows_the_backend_by_its_entry_point():
    project = tomli.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    module = import_module(project["entry-points"]["ibis.backends"]["vast"])
    assert module.Backend is Backend
    assert module.Backend.name == "vast"


def test_one_connects_with_arguments(place):
    con = Backend().connect(endpoint=f"http://{place}", access="key", secret=SECRET, bucket="media", schema="tams")
    assert seen(con) == (f"http://{place}", "key", SECRET, "media", "tams")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("vast://key:s3cr%2Fet%2Bkey@{place}/media/tams/live?tls=false", id="host"),
        pytest.param("vast://key:s3cr%2Fet%2Bkey@media/tams/live?endpoint=http://{place}", id="endpoint"),
    ],
)
def test_one_connects_with_a_url(url, place, url_of_ibis):
    con = ibis.connect(url.format(place=place))
    assert seen(con) == (f"http://{place}", "key", SECRET, "media", "tams/live")


def test_the_environment_has_the_keys_that_a_url_leaves_out(place, url_of_ibis, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-outside")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    con = ibis.connect(f"vast://{place}/media/tams?tls=false&timeout=2.5&ssl_verify=false")
    assert seen(con)[1:3] == ("from-outside", SECRET)
    assert (con.source.session.api.timeout, con.source.session.api._ssl_verify) == (2.5, False)


def test_data_endpoints_are_many(place, url_of_ibis):
    con = ibis.connect(f"vast://k:s@{place}/media/tams?tls=false&data_endpoints=http://a,http://b")
    assert [one.url for one in con.source.session._context.require_data_endpoints()] == ["http://a", "http://b"]


@pytest.mark.parametrize(
    "url", ["vast://k:hidden@host", "vast://k:hidden@host/bucket", "vast://k:hidden@b?endpoint=http://h"]
)
def test_a_url_without_a_schema_is_refused(url, url_of_ibis):
    with pytest.raises(ValueError, match="not vast://access:secret@host/bucket/schema") as caught:
        ibis.connect(url)
    assert "hidden" not in str(caught.value)


def test_a_connection_shows_no_secret(place):
    con = Backend().connect(endpoint=f"http://{place}", access="key", secret=SECRET, bucket="media", schema="tams")
    for text in (repr(con), str(con), con.db_identity, repr(con.source), repr(con.source.session)):
        assert SECRET not in text
    assert repr(con) == "<vast media/tams>"


def test_connections_to_one_place_are_one(place):
    def connected(schema: str) -> Backend:
        return Backend().connect(f"http://{place}", access="key", secret=SECRET, bucket="media", schema=schema)

    assert connected("tams") == connected("tams")
    assert connected("tams") != connected("other")


def test_errors_are_vastdbs_own_and_the_transaction_ends(place, cluster):
    con = Backend().connect(f"http://{place}", access="key", secret=SECRET, bucket="media", schema="tams")
    cluster.committed.clear()
    with pytest.raises(vastdb.errors.NotFound):
        con.table("absent")
    with pytest.raises(vastdb.errors.MissingBucket):
        con.list_tables()
    assert cluster.committed == ["7", "7"]
