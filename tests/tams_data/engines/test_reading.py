"""`tams_data.connect`: the same tables from a service, from a database, or from whichever the settings lead to."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import httpx
import ibis
import pytest

import tams_data
from tams_data import schema
from tams_data.client import TamsClient
from tams_data.engines.duckdb import DuckDB
from tams_data.engines.reading import ServicePlace, located
from tams_data.errors import DatabaseLocked, InvalidInput, StoreUnavailable
from tests import vast_engine
from tests.api.builders import video_flow
from tests.api.process import Service, free_port
from tests.tams_data.builders import insert, object_row

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with one object in it, which nobody has open."""
    path = tmp_path / "data" / "tams.duckdb"
    database = DuckDB(path)
    database.create_tables()
    with database.transaction() as transaction:
        insert(transaction, schema.OBJECTS, object_row(7))
    database.close()
    return path


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Variables that say where the data are, and a port where nobody listens."""
    monkeypatch.chdir(tmp_path)  # no .env of the project's is read
    monkeypatch.setenv("TAMS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TAMS_PORT", str(free_port()))
    return monkeypatch


@pytest.fixture(scope="module")
def with_a_flow(service: Service) -> Service:
    """A service that runs, with a flow in it."""
    flow = video_flow()
    assert httpx.put(f"{service.url}/flows/{flow['id']}", json=flow).status_code == 201
    return service


def keys(con: ibis.BaseBackend) -> list[int]:
    """The keys of the objects."""
    return list(con.table("objects").key.execute())


def count_flows(con: ibis.BaseBackend) -> int:
    """How many flows there are."""
    return int(con.table("flows").count().execute())


# --- one that is named -----------------------------------------------------------------------------------------------


def test_a_service_is_read_over_http(with_a_flow: Service) -> None:
    con = tams_data.connect(with_a_flow.url, token="abc")  # open access: any will do
    assert con.name == "tams"
    assert set(con.list_tables()) == set(schema.TABLES)
    assert count_flows(con) == 1
    con.disconnect()


def test_a_file_is_read_and_not_written(file: Path) -> None:
    con = tams_data.connect(f"duckdb:///{file}")
    other = tams_data.connect(f"duckdb:///{file}")
    assert keys(con) == keys(other) == [7]
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        con.raw_sql("DELETE FROM objects")


def test_vast_is_read_by_its_own_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = vast_engine.settings()
    with_tables = vast_engine.Vast(settings)
    with_tables.create_tables()
    with with_tables.transaction() as transaction:
        insert(transaction, schema.OBJECTS, object_row(7))
    monkeypatch.setenv("VAST_ENDPOINT", settings.endpoint)
    monkeypatch.setenv("VAST_ACCESS_KEY", settings.access_key)
    monkeypatch.setenv("VAST_SECRET_KEY", settings.secret_key.get_secret_value())
    con = tams_data.connect(f"vast://{settings.bucket}/{settings.schema_name}")
    assert (con.name, keys(con)) == ("vast", [7])
    with_tables.close()


@pytest.mark.parametrize("url", ["ftp://user:hidden@host", "", "tams.duckdb", "sqlite:///x"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"not http\(s\)://, duckdb:// or vast://") as refused:
        tams_data.connect(url)
    assert "hidden" not in str(refused.value)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not exist"):
        tams_data.connect(f"duckdb:///{tmp_path}/data/tams.duckdb")
    assert list(tmp_path.iterdir()) == []


# --- what the settings lead to ---------------------------------------------------------------------------------------


def test_the_service_of_this_machine_is_asked_when_it_runs(with_a_flow: Service, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("TAMS_PORT", str(with_a_flow.port))
    con = tams_data.connect()
    assert (con.name, count_flows(con)) == ("tams", 1)
    con.disconnect()


def test_the_service_that_a_variable_names_comes_first(
    with_a_flow: Service, file: Path, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("TAMS_URL", with_a_flow.url)
    settings.setenv("TAMS_TOKEN", "abc")
    assert located(None, None) == ServicePlace(with_a_flow.url, "abc")
    con = tams_data.connect()
    assert (con.name, count_flows(con)) == ("tams", 1)
    con.disconnect()
    with TamsClient.here() as client:
        assert client.url == with_a_flow.url
        assert len(list(client.flows())) == 1


def test_the_own_token_goes_to_no_service_that_is_named(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("TAMS_TOKEN", "abc")
    assert located("https://elsewhere.example", None) == ServicePlace("https://elsewhere.example", None)


def test_the_database_is_opened_when_no_service_runs(file: Path, settings: pytest.MonkeyPatch) -> None:
    con = tams_data.connect()
    assert (con.name, keys(con)) == ("duckdb", [7])


def test_a_database_that_a_service_elsewhere_has_open_is_said_to_be_its(
    with_a_flow: Service, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("TAMS_DATA_DIR", str(with_a_flow.folder / "data"))
    with pytest.raises(DatabaseLocked, match="connect to the URL where that is"):
        tams_data.connect()


class Other(BaseHTTPRequestHandler):
    """Answers whatever it is asked, and is no such service."""

    def do_GET(self) -> None:  # the base class's way to call it
        """Some JSON."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "healthy"}')

    def log_message(self, *_given: object) -> None:
        """Nothing."""


@pytest.fixture
def other_server() -> Iterator[int]:
    """The port of another server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_another_server_at_the_port_is_not_taken_for_the_service(
    other_server: int, file: Path, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("TAMS_PORT", str(other_server))
    assert keys(tams_data.connect()) == [7]


def test_a_database_that_this_process_writes_is_not_opened_again(file: Path) -> None:
    database = DuckDB(file)
    with pytest.raises(DatabaseLocked, match="open in this process"):
        tams_data.connect(f"duckdb:///{file}")
    database.close()


def test_importing_the_package_imports_no_engine() -> None:
    """It is imported by every command, those that only print a version among them."""
    script = (
        "import sys, tams_data; print([one for one in ('ibis', 'duckdb', 'pyarrow', 'httpx') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
