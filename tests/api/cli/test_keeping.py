"""`tams backup`, `tams restore` and `tams verify` on stores at rest and on one that a service has open."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from api.cli import main
from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.keeping import operator
from tests.api.builders import video_flow
from tests.api.process import Service
from tests.tams_data.builders import everything, insert, segment_row, timeline_row
from tests.tams_data.keeping.conftest import A, fill


def tams(*words: object, data: Path, **settings: str) -> Result:
    """What the command does with this data folder."""
    return CliRunner().invoke(main, list(map(str, words)), env={"TAMS_DATA_DIR": str(data), **settings})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a store at rest."""
    database = DuckDB(tmp_path / "data" / "tams.duckdb")
    database.create_tables()
    fill(database)
    database.close()
    return tmp_path / "data"


def rows_in(data: Path) -> dict:
    database = DuckDB(data / "tams.duckdb", read_only=True)
    try:
        return {name: rows for name, rows in everything(database).items() if name != "schema_versions"}
    finally:
        database.close()


def damage(data: Path, table: schema.Table, row: dict) -> None:
    database = DuckDB(data / "tams.duckdb")
    with database.transaction() as transaction:
        insert(transaction, table, row)
    database.close()


# --- at rest ---------------------------------------------------------------------------------------------------------


def test_a_store_comes_back_as_it_was(data: Path, tmp_path: Path) -> None:
    before = rows_in(data)
    done = tams("backup", tmp_path / "backup", data=data)
    assert (done.exit_code, done.stdout.partition(" rows of duckdb")[1]) == (0, " rows of duckdb"), done.output
    assert "segments: 5 rows" in done.stderr
    done = tams("restore", tmp_path / "backup", data=tmp_path / "other")
    assert done.exit_code == 0, done.output
    assert rows_in(tmp_path / "other") == before


def test_nothing_is_wrong_with_a_sound_store(data: Path) -> None:
    done = tams("verify", data=data)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "nothing is wrong\n")


def test_what_is_wrong_is_told_a_line_each_and_the_store_only_read(data: Path) -> None:
    damage(data, schema.SEGMENTS, segment_row(A, 5, 8))
    damage(data, schema.FLOW_TIMELINES, timeline_row("none"))
    before = rows_in(data)
    done = tams("verify", data=data)
    assert done.exit_code == 1
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [
        "overlapping-segments",
        "untrue-timelines",
        "timelines-without-flow",
    ]
    assert done.stderr == "3 wrong, 0 mended\n"
    assert rows_in(data) == before
    found = [json.loads(line) for line in tams("verify", "--json", data=data).stdout.splitlines()]
    assert (found[0]["rule"], found[0]["ids"]["flow_id"], found[0]["mended"]) == ("overlapping-segments", A, False)


def test_what_can_be_mended_is(data: Path) -> None:
    damage(data, schema.FLOW_TIMELINES, timeline_row("none"))
    done = tams("verify", "--repair", data=data)
    assert (done.exit_code, done.stdout) == (
        0,
        "timelines-without-flow: flow none is not there and has a timeline (mended)\n",
    )
    assert tams("verify", data=data).exit_code == 0
    damage(data, schema.SEGMENTS, segment_row(A, 5, 8))
    done = tams("verify", "--repair", data=data)
    assert (done.exit_code, done.stderr) == (1, "1 wrong, 1 mended\n")


def test_bytes_that_are_not_there_are_told(data: Path) -> None:
    """The rows of this store are of a backend that it does not have."""
    done = tams("verify", "--media", data=data)
    assert done.exit_code == 1
    assert {line.partition(": ")[0] for line in done.stdout.splitlines()} == {"unknown-backend"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["verify"], "cannot open the database"),
        (["backup", "backup"], "cannot open the database"),
        (["restore", "."], "is no backup"),
    ],
)
def test_what_is_not_there_is_one_line_and_an_exit_code(tmp_path: Path, words: list[str], says: str) -> None:
    done = tams(*words, data=tmp_path / "nothing")
    assert done.exit_code == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_has_no_store_in_it_is_told(tmp_path: Path) -> None:
    DuckDB(tmp_path / "tams.duckdb").close()
    done = tams("verify", data=tmp_path)
    assert (done.exit_code, done.stderr) == (1, f"tams: there is no store in DuckDB({tmp_path / 'tams.duckdb'})\n")


# --- while a service has it ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_service(service: Service) -> dict:
    """The settings by which commands find the service; it has a flow, and an object with bytes."""
    flow = video_flow()
    with httpx.Client(base_url=service.url, timeout=30) as client:
        client.put(f"/flows/{flow['id']}", json=flow).raise_for_status()
        storage = client.post(f"/flows/{flow['id']}/storage", json={"object_ids": ["one", "lost"]}).json()
        put = storage["media_objects"][0]["put_url"]
        client.put(put["url"], content=b"media", headers={"Content-Type": put["content-type"]}).raise_for_status()
        client.post(f"/flows/{flow['id']}/segments", json={"object_id": "one", "timerange": "[0:0_1:0)"})
    return {"data": service.folder / "data", "TAMS_PORT": str(service.port)}


def test_a_service_that_runs_is_backed_up_while_it_is_written_to(
    service: Service, of_service: dict, tmp_path: Path
) -> None:
    flow, stop, written = video_flow(), threading.Event(), []
    httpx.put(f"{service.url}/flows/{flow['id']}", json=flow).raise_for_status()

    def write() -> None:
        with httpx.Client(base_url=service.url) as client:
            while not stop.is_set():
                second = len(written)
                segment = {
                    "object_id": f"{flow['id']}/{second}",
                    "timerange": f"[{second}:0_{second + 1}:0)",
                    "get_urls": [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}],
                }
                client.post(f"/flows/{flow['id']}/segments", json=segment).raise_for_status()
                written.append(second)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            acknowledged = len(written)
            done = tams("backup", tmp_path / f"backup-{number}", **of_service)
            assert done.exit_code == 0, done.output
    finally:
        stop.set()
        writer.join()
    assert tams("restore", tmp_path / "backup-2", data=tmp_path / "other").exit_code == 0
    assert tams("verify", data=tmp_path / "other").exit_code == 0
    restored = [row for row in rows_in(tmp_path / "other")["segments"] if row["flow_id"] == flow["id"]]
    assert acknowledged <= len(restored) <= len(written)


def test_a_service_that_runs_is_verified(of_service: dict) -> None:
    done = tams("verify", "--media", "--json", **of_service)
    assert (done.exit_code, done.stdout) == (0, ""), done.output


@contextmanager
def away(path: Path, to: Path) -> Iterator[None]:
    """A file or a folder is elsewhere for a while."""
    elsewhere = path.rename(to / "away")
    try:
        yield
    finally:
        elsewhere.rename(path)


def test_a_service_tells_of_bytes_that_are_not_there(service: Service, of_service: dict) -> None:
    (file,) = (service.folder / "data" / "media").glob("??/??/*")
    with away(file, service.folder):
        done = tams("verify", "--media", **of_service)
    assert done.exit_code == 1
    assert done.stdout.startswith("missing-bytes: object 'one' has no bytes on backend ")


def test_a_service_tells_of_a_media_store_that_is_away(service: Service, of_service: dict) -> None:
    folder = service.folder / "data" / "media"
    with away(folder, service.folder):
        done = tams("verify", "--media", **of_service)
    assert done.exit_code == 1
    assert f"not everything could be looked at: media folder {folder}" in done.stderr


def test_a_store_that_a_service_has_open_is_not_mended(of_service: dict) -> None:
    done = tams("verify", "--repair", **of_service)
    assert done.exit_code == 1
    assert "it is locked by another process, PID " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("path", ["/keeping/backup", "/keeping/verify"])
def test_nobody_but_the_operator_gets_the_store(service: Service, path: str) -> None:
    for headers in ({}, {operator.HEADER: "guessed"}, {operator.HEADER: operator.token(b"another key" * 9)}):
        response = httpx.get(f"{service.url}{path}", headers=headers)
        assert response.status_code == 403
        assert response.headers["Content-Type"] == "application/problem+json"


def test_another_service_at_that_port_is_no_help(of_service: dict, tmp_path: Path) -> None:
    done = tams("backup", tmp_path / "backup", **{**of_service, "TAMS_PORT": "1"})
    assert done.exit_code == 1
    assert "Is it another service that has the store open?" in done.stderr
    assert not (tmp_path / "backup").exists()
