"""`tams_data.check` finds what holds, and what does not, and leaves nothing behind either way."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from tams_data import check, media
from tams_data.check import Finding
from tams_data.engines.duckdb import DuckDB
from tams_data.engines.vast import Vast
from tams_data.media import LocalMediaStore
from tams_data.settings import Settings
from tests import s3, vast_engine
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY
from tests.vast_emulator.faults import Fault


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed is not what these tests are about."""
    monkeypatch.setattr(check, "ROWS", 200)
    monkeypatch.setattr(check, "ROUNDS", 2)


@pytest.fixture
def vast(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a store on the emulator, which has no faults afterwards."""
    emulator = vast_engine.emulator()
    given = {"ENDPOINT": emulator.endpoint, "ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY, "RETRIES": "1"}
    for name, value in {**given, "BUCKET": vast_engine.BUCKET}.items():
        monkeypatch.setenv(f"VAST_{name}", value)
    yield "vast://"
    emulator.faults.clear()


@pytest.fixture
def duckdb(tmp_path: Path) -> str:
    """The URL of a store in a file that is not there."""
    return f"duckdb:///{tmp_path / 'tams.duckdb'}"


@pytest.fixture(params=["duckdb", "vast"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a store of each engine."""
    return request.getfixturevalue(request.param)


def findings_of(url: str) -> dict[str, Finding]:
    """The findings on a database by name, without what all have in common."""
    findings: list[Finding] = []
    check.check_database(url, findings.append)
    return {one.name.removeprefix("database: "): one for one in findings}


def scratch_schemas() -> list[str]:
    """The scratch places that are left on the emulator."""
    database = vast_engine.database()
    try:
        return [name for name in database.list_schemas() if name.startswith("tams-check")]
    finally:
        database.close()


def left_behind(url: str, folder: Path) -> list[str]:
    return scratch_schemas() if url.startswith("vast") else [path.name for path in folder.iterdir()]


# --- what holds ------------------------------------------------------------------------------------------------------


def test_all_holds_on_a_sound_database_and_nothing_is_left(url, tmp_path):
    findings = findings_of(url)
    assert {name: one.detail for name, one in findings.items() if one.held is False} == {}
    skipped = [name for name, one in findings.items() if one.held is None]
    assert skipped == ([] if url.startswith("vast") else ["pushdown"])
    assert list(findings)[-2:] == ["round trip", "clean up"]
    assert left_behind(url, tmp_path) == []


def test_the_store_itself_is_not_touched(tmp_path):
    store = DuckDB(tmp_path / "tams.duckdb")  # open, as by the service that serves it
    findings = findings_of(f"duckdb:///{store.path}")
    assert all(one.held is not False for one in findings.values())
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["tams.duckdb"]


def test_a_database_in_memory_is_checked_in_memory():
    assert all(one.held is not False for one in findings_of("duckdb://").values())


# --- what does not ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last_held", "fault", "broken", "said"),
    [
        pytest.param("connect", Fault("slowdown", "create_table", times=None), "create tables", "SlowDown", id="busy"),
        pytest.param("create tables", Fault("slowdown", "insert", times=None), "insert rate", "SlowDown", id="inserts"),
        pytest.param("snapshot", Fault("drop", "query", times=None), "page read", "Connection broken", id="dropped"),
    ],
)
def test_what_a_fault_of_the_cluster_breaks_does_not_hold_and_the_schema_is_gone(vast, last_held, fault, broken, said):
    findings: dict[str, Finding] = {}

    def report(finding: Finding) -> None:
        findings[finding.name.removeprefix("database: ")] = finding
        if finding.name == f"database: {last_held}":
            vast_engine.emulator().faults.add(fault)

    check.check_database(vast, report)
    assert findings[last_held].held
    assert findings[broken].held is False
    assert said in findings[broken].detail
    assert findings["clean up"].held
    vast_engine.emulator().faults.clear()
    assert scratch_schemas() == []


def test_a_schema_that_cannot_be_dropped_is_named(vast):
    vast_engine.emulator().faults.add(Fault("slowdown", on="drop_schema", times=None))
    clean_up = findings_of(vast)["clean up"]
    vast_engine.emulator().faults.clear()
    (left,) = scratch_schemas()
    assert clean_up.held is False
    assert f"vast://{vast_engine.BUCKET}/{left}" in clean_up.detail
    Vast(vast_engine.settings(left)).drop_tables()


@pytest.mark.parametrize("url_", ["vast://", "mysql://somewhere/db"])
def test_what_cannot_be_connected_to_is_a_finding(url_):
    (finding,) = [one for one in findings_of(url_).values() if one.held is False]
    assert (finding.name, "InvalidSetting" in finding.detail) == ("database: connect", True)


def test_an_interrupted_check_leaves_nothing(url, tmp_path):
    def interrupt(finding: Finding) -> None:
        reported.append(finding.name)
        if finding.name == "database: insert rate":
            raise KeyboardInterrupt

    reported: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        check.check_database(url, interrupt)
    assert reported[-2:] == ["database: insert rate", "database: clean up"]
    assert left_behind(url, tmp_path) == []


class Unprotected(DuckDB):
    """A database whose transactions and snapshots are none: each statement is one of its own."""

    @contextmanager
    def transaction(self):
        with self._opened.cursor(own=True) as cursor:
            yield cursor

    snapshot = transaction


def test_a_database_without_transactions_is_found_out():
    database = Unprotected(None)
    assert check.creates_tables(database).held
    conflict, snapshot = check.refuses_conflicts(database), check.keeps_snapshots(database)
    assert (conflict.held, conflict.detail) == (False, "both were committed; the row has 2")
    assert (snapshot.held, snapshot.detail) == (False, "row in the snapshot after a commit: 1, not 0")


def of_flow(tables, flow_id):
    return tables.segments.filter(tables.segments.flow_id == flow_id)


def with_all_columns(tables, *, flow_id, start_ns, end_ns, reverse, limit):
    found = of_flow(tables, flow_id)
    return found.filter(found.start_ns < end_ns, found.end_ns > start_ns).limit(limit)


def without_its_start(tables, *, flow_id, start_ns, end_ns, reverse, limit):
    found = of_flow(tables, flow_id).filter(lambda t: t.end_ns > start_ns, lambda t: t.end_ns < end_ns)
    return found.select("start_ns").limit(limit)


def without_its_flow(tables, *, flow_id, start_ns, end_ns, reverse, limit):
    found = tables.segments.filter(lambda t: t.start_ns < end_ns, lambda t: t.start_ns > start_ns)
    return found.select(seen=found.flow_id == flow_id).limit(limit)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param(with_all_columns, "columns beside those of a page: {'created_ns'}, not set()", id="all-columns"),
        pytest.param(without_its_start, "no condition on start_ns", id="no-start"),
        pytest.param(without_its_flow, "flow asked for: [], not", id="no-flow"),
    ],
)
def test_a_page_that_asks_for_too_much_is_found_out(vast, monkeypatch, query, said):
    monkeypatch.setattr(check.queries, "page", query)
    database = vast_engine.database()
    database.create_tables()
    pushdown = check.explains(database)
    database.close()
    assert pushdown.held is False
    assert pushdown.detail.startswith(said)


# --- media -----------------------------------------------------------------------------------------------------------


def findings_on_media(settings: Settings) -> dict[str, Finding]:
    """The findings on media by name, without what all have in common."""
    findings: list[Finding] = []
    check.check_media(settings, findings.append)
    return {one.name.removeprefix("media: "): one for one in findings}


def verdicts(findings: dict[str, Finding]) -> dict[str, bool | None]:
    return {name: one.held for name, one in findings.items()}


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def with_bucket(settings: Settings, endpoint: str, **described: object) -> tuple[Settings, str]:
    """Settings of a service whose media are in a new bucket, labelled `cold`; and the name of the bucket."""
    backend = s3.described(endpoint, label="cold", **described)
    text = json.dumps({**backend.model_dump(mode="json", exclude_none=True), "secret_key": s3.SECRET_KEY})
    return settings.model_copy(update={"storage_backends": SecretStr(f"[{text}]")}), backend.bucket


def test_a_folder_takes_an_object_gives_it_back_and_forgets_it(settings):
    assert verdicts(findings_on_media(settings)) == {
        "connect": True,
        "local": True,
        "local, round trip": True,
        "local, URLs": None,
        "local, times": True,
        "local, clean up": True,
    }
    assert files_in(settings.data_dir) == ["secret.key", "storage-id"]


def test_a_bucket_takes_an_object_gives_it_back_and_forgets_it(settings, s3_endpoint):
    settings, bucket = with_bucket(settings, s3_endpoint, prefix="tams/")
    findings = findings_on_media(settings)
    assert {name: one.detail for name, one in findings.items() if not one.held} == {}
    assert list(findings) == ["connect", "cold", "cold, round trip", "cold, URLs", "cold, times", "cold, clean up"]
    assert "sent to 127.0.0.1" in findings["cold, URLs"].detail
    assert s3.SECRET_KEY not in "".join(one.detail for one in findings.values())
    assert s3.keys(s3_endpoint, bucket) == []


def test_a_bucket_whose_urls_lead_nowhere_is_found_out_and_left_empty(settings, s3_endpoint):
    settings, bucket = with_bucket(settings, s3_endpoint, public_endpoint="http://127.0.0.1:9")
    findings = findings_on_media(settings)
    assert [name for name, one in findings.items() if not one.held] == ["cold, URLs"]
    assert findings["cold, URLs"].detail.startswith("ConnectError")
    assert s3.keys(s3_endpoint, bucket) == []


def test_a_bucket_that_is_not_there_is_found_out_and_left_alone(settings, s3_endpoint):
    settings, _ = with_bucket(settings, s3_endpoint, bucket="absent")
    findings = findings_on_media(settings)
    assert verdicts(findings) == {"connect": True, "cold": False}
    assert "bucket absent" in findings["cold"].detail


def test_an_object_that_cannot_be_deleted_is_named(settings, s3_endpoint):
    settings, bucket = with_bucket(settings, s3_endpoint)
    findings: dict[str, Finding] = {}

    def report(finding: Finding) -> None:
        findings[finding.name] = finding
        if finding.name == "media: cold, round trip":
            s3.empty(s3_endpoint, bucket)
            s3.client(s3_endpoint).delete_bucket(Bucket=bucket)

    check.check_media(settings, report)
    assert [name.removeprefix("media: ") for name, one in findings.items() if one.held is False] == [
        "cold, URLs",
        "cold, times",
        "cold, clean up",
    ]
    assert re.match(
        r"delete object tams-check-\S+ yourself: MediaStoreFailed", findings["media: cold, clean up"].detail
    )


@pytest.mark.parametrize("last", ["cold, round trip", "cold, URLs", "cold, times"])
def test_an_interrupted_check_leaves_nothing_in_a_bucket(settings, s3_endpoint, last):
    settings, bucket = with_bucket(settings, s3_endpoint)
    reported: list[str] = []

    def interrupt(finding: Finding) -> None:
        reported.append(finding.name.removeprefix("media: "))
        if reported[-1] == last:
            assert s3.keys(s3_endpoint, bucket) != []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check.check_media(settings, interrupt)
    assert reported[-2:] == [last, "cold, clean up"]
    assert s3.keys(s3_endpoint, bucket) == []


class Forgetful(LocalMediaStore):
    """A media store that says it has stored, and keeps other bytes."""

    def write(self, object_id, stream, *, length, content_type, **more):
        stream.read()
        return super().write(object_id, io.BytesIO(bytes(length)), length=length, content_type=content_type, **more)


def test_a_media_store_that_keeps_other_bytes_is_found_out(tmp_path):
    finding = check.keeps_bytes(Forgetful(tmp_path, secret=bytes(32), label="here"), "one")
    assert (finding.held, finding.detail) == (False, "262,144 bytes came back, and not those that were stored")


def test_a_media_store_that_cannot_write_is_found_out(settings):
    (store,) = media.connect(settings)
    incoming = settings.data_dir / "media" / "incoming"
    incoming.rmdir()
    incoming.touch()
    finding = check.is_in_reach(store)
    assert finding.held is False
    assert finding.detail.startswith("MediaStoreFailed")


def test_media_that_cannot_be_connected_to_are_a_finding(settings):
    settings.data_dir.touch()
    assert verdicts(findings_on_media(settings)) == {"connect": False}
