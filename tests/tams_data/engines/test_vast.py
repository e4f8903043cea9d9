"""What is VAST's own of its engine: how one connects, what it creates, what it asks the cluster for, and faults."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from tams_data import schema
from tams_data.engines import connect
from tams_data.engines.vast import TableSummary, Vast
from tams_data.errors import CommitUnconfirmed, InvalidSetting, StoreUnavailable, TransactionConflict
from tams_data.queries import objects, segments
from tests import vast_engine
from tests.tams_data.builders import everything, insert, object_row, rows_of, segment_row
from tests.vast_emulator.emulator import SECRET_KEY, Emulator
from tests.vast_emulator.faults import Fault

ROOT = Path(__file__).parents[3]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """The emulator that all tests share, without faults and with nothing counted."""
    shared = vast_engine.emulator()
    shared.reset_counts()
    yield shared
    shared.faults.clear()


@pytest.fixture
def vast() -> Iterator[Vast]:
    """An empty database with its tables."""
    database = vast_engine.database()
    database.create_tables()
    yield database
    database.close()


def in_schema(name: str) -> Vast:
    """A database that is not recycled."""
    return Vast(vast_engine.settings(name))


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The variables that lead to the emulator, and no `.env`."""
    given = vast_engine.settings("from-the-environment")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAST_ENDPOINT", given.endpoint)
    monkeypatch.setenv("VAST_ACCESS_KEY", given.access_key)
    monkeypatch.setenv("VAST_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("VAST_BUCKET", given.bucket)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "variables", "place"),
    [
        pytest.param("vast://", {"VAST_SCHEMA": "one"}, "tams/one", id="all-from-the-environment"),
        pytest.param("vast://", {}, "tams/tams", id="default-schema"),
        pytest.param("vast://other/two", {"VAST_SCHEMA": "one"}, "other/two", id="all-from-the-url"),
        pytest.param("vast://other", {"VAST_SCHEMA": "one"}, "other/one", id="bucket-from-the-url"),
        pytest.param("vast://other/outer/inner", {}, "other/outer/inner", id="nested-schema"),
    ],
)
def test_one_connects_with_a_url_and_variables(environment, url, variables, place):
    for name, value in variables.items():
        environment.setenv(name, value)
    database = connect(url)
    assert repr(database) == f"Vast({place})"
    database.close()


@pytest.mark.parametrize("name", ["VAST_ENDPOINT", "VAST_ACCESS_KEY", "VAST_SECRET_KEY", "VAST_BUCKET"])
def test_a_missing_variable_is_named(environment, name):
    environment.delenv(name)
    with pytest.raises(InvalidSetting, match=f"^{name}: Field required$"):
        connect("vast://")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAST_ENDPOINT", "https://key:hidden@host"),
        ("VAST_ENDPOINT", "hidden"),
        ("VAST_TIMEOUT", "hidden"),
        ("VAST_SCHEMA", ""),
    ],
)
def test_a_bad_variable_is_named_and_its_value_is_not_shown(environment, name, value):
    environment.setenv(name, value)
    with pytest.raises(InvalidSetting, match=f"^{name}: ") as caught:
        connect("vast://")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["vast://key:hidden@host/bucket/schema", "vast://b/s?secret=hidden"])
def test_keys_in_the_url_are_refused_and_not_shown(environment, url):
    with pytest.raises(InvalidSetting, match=r"VAST_ variables$") as caught:
        connect(url)
    assert "hidden" not in str(caught.value)


def test_no_secret_is_shown(vast):
    for text in (repr(vast_engine.settings()), str(vast_engine.settings()), repr(vast), repr(vast.ibis())):
        assert SECRET_KEY not in text


def test_keys_that_the_cluster_does_not_know_are_said_and_not_shown():
    wrong = vast_engine.settings().model_copy(update={"secret_key": SecretStr("wrong-secret")})
    with pytest.raises(StoreUnavailable, match="Forbidden 403") as caught:
        Vast(wrong).create_tables()
    assert "wrong-secret" not in str(caught.value)


def test_a_cluster_that_is_not_there_is_unavailable():
    nowhere = vast_engine.settings().model_copy(update={"endpoint": "http://127.0.0.1:1", "retries": 1})
    with pytest.raises(StoreUnavailable, match=r"^VAST: "):
        Vast(nowhere)


def test_whoever_uses_another_engine_does_not_wait_for_the_sdk():
    code = "import sys; from tams_data import engines; engines.connect('duckdb://'); print('vastdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- tables ----------------------------------------------------------------------------------------------------------


def test_tables_are_sorted_by_their_keys(vast):
    described = {one.name: one for one in vast.describe().tables}
    assert described.keys() == schema.ALL.keys()
    for table in schema.ALL.values():
        assert (described[table.name].sorted_by, described[table.name].columns) == (table.key, table.names)
    assert vast.list_tables() == sorted(schema.ALL)
    assert vast._settings.schema_name in vast.list_schemas()


def test_a_summary_has_the_rows_of_a_table(vast):
    with vast.transaction() as transaction:
        insert(transaction, schema.OBJECTS, *(object_row(key) for key in range(5)))
    (summary,) = (one for one in vast.describe().tables if one.name == "objects")
    assert replace(summary, size_bytes=0) == TableSummary("objects", schema.OBJECTS.names, ("key",), 5, 0)
    assert summary.size_bytes > 0


def test_a_cluster_without_sorted_tables_gets_projections():
    with Emulator(version="5.2.0.0") as old:
        old.create_bucket(vast_engine.BUCKET)
        database = Vast(vast_engine.settings("old").model_copy(update={"endpoint": old.endpoint}))
        database.create_tables()
        assert {one.sorted_by for one in database.describe().tables} == {()}
        with database._begun() as transaction:
            table = transaction.bucket(vast_engine.BUCKET).schema("old").table("segments")
            assert [one.name for one in table.projections()] == ["by_key"]
        with database.transaction() as transaction:
            insert(transaction, schema.SEGMENTS, segment_row("f", 0, 10))
        assert len(rows_of(database, schema.SEGMENTS)) == 1
        database.close()


def test_columns_that_a_newer_version_brings_are_added():
    older = in_schema("older")
    newest = schema.FLOW_COLLECTIONS.names[-1]
    with older._begun() as transaction:
        place = transaction.bucket(vast_engine.BUCKET).create_schema("older")
        place.create_table(
            "flow_collections", schema.FLOW_COLLECTIONS.arrow.remove(len(schema.FLOW_COLLECTIONS.names) - 1)
        )
        place.create_table("segments", schema.SEGMENTS.arrow)
        versions = place.create_table("schema_versions", schema.SCHEMA_VERSIONS.arrow)
        versions.insert(schema.SCHEMA_VERSIONS.rows([{"version": schema.VERSION - 1, "applied_ns": 0}]))
    older.create_tables()
    described = {one.name: one for one in older.describe().tables}
    assert newest in described["flow_collections"].columns
    assert described.keys() == schema.ALL.keys()
    assert [row["version"] for row in rows_of(older, schema.SCHEMA_VERSIONS)] == [schema.VERSION - 1, schema.VERSION]
    older.close()


def test_a_second_connection_finds_the_tables_and_the_rows(vast):
    with vast.transaction() as transaction:
        insert(transaction, schema.OBJECTS, object_row(1))
    second = in_schema(vast._settings.schema_name)
    second.create_tables()
    assert everything(second) == everything(vast)
    second.close()
    second.close()
    with pytest.raises(StoreUnavailable, match=r"is closed$"):
        second.read(segments.totals, {"flow_id": "f"})


def test_tables_that_two_create_at_once_are_created_once(emulator):
    emulator.faults.add(Fault("conflict", on="create_table", times=1, skip=3))
    database = in_schema("created-twice")
    database.create_tables()
    assert database.list_tables() == sorted(schema.ALL)
    database.close()


# --- what VAST is asked for ------------------------------------------------------------------------------------------

WINDOW = {"flow_id": "f", "start_ns": 0, "end_ns": 60}


@pytest.mark.parametrize("reverse", [False, True])
def test_a_page_of_segments_is_asked_for_by_flow_and_time(vast, reverse):
    (scan,) = vast.explain(segments.page, WINDOW, limit=31, reverse=reverse)
    assert scan.table == "segments"
    assert sorted(map(str, scan.predicate)) == ["end_ns > 0", "flow_id = 'f'", "start_ns < 60"]
    assert scan.rest == ()
    assert set(scan.columns) == {*segments.PAGE_COLUMNS, "flow_id"} - {"created_ns"}


def test_objects_are_asked_for_by_key_and_by_no_other_column(vast):
    (scan,) = vast.explain(objects.shown, {"keys": [1, 5, 9]})
    assert [str(one).split(" ")[0] for one in scan.predicate] == ["key"]
    assert scan.rest == ()
    assert "size_bytes" not in scan.columns


def test_a_deletion_asks_for_keys_alone(vast, emulator):
    with vast.transaction() as transaction:
        insert(transaction, schema.SEGMENTS, *(segment_row("f", n, n + 1) for n in range(100)))
        emulator.reset_counts()
        transaction.delete(schema.SEGMENTS, schema.SEGMENTS.keys([segment_row("f", n, n + 1) for n in (3, 50, 99)]))
    counts = emulator.counts()
    assert counts.rows_out["query"] == 3
    assert (counts.requests["query"], counts.requests["delete"]) == (1, 1)
    assert len(rows_of(vast, schema.SEGMENTS)) == 97


# --- locks and faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("names", "others", "refused"), [(("a", "b"), ("b", "c"), True), (("a",), ("c",), False)])
def test_of_two_transactions_that_lock_a_name_one_is_refused(vast, names, others, refused):
    def both() -> None:
        with vast.transaction() as first:
            first.lock(*names)
            with vast.transaction() as second:
                second.lock(*others)

    if refused:
        with pytest.raises(TransactionConflict):
            both()
    else:
        both()


def test_a_lock_ends_with_its_transaction(vast):
    for _ in range(2):
        with vast.transaction() as transaction:
            transaction.lock("a", "b")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(Fault("conflict", on="commit"), TransactionConflict, id="conflict-of-the-commit"),
        pytest.param(Fault("conflict", on="insert"), TransactionConflict, id="conflict-of-a-write"),
        pytest.param(Fault("lost_answer", on="begin"), StoreUnavailable, id="lost-begin"),
        pytest.param(Fault("lost_answer", on="insert"), StoreUnavailable, id="lost-insert"),
    ],
)
def test_a_fault_of_the_cluster_is_an_error_of_ours_and_nothing_is_written(vast, emulator, fault, expected):
    emulator.faults.add(fault)

    def write() -> None:
        with vast.transaction() as transaction:
            insert(transaction, schema.OBJECTS, object_row(1))

    with pytest.raises(expected, match=r"^VAST: "):
        write()
    assert rows_of(vast, schema.OBJECTS) == []
    write()
    assert len(rows_of(vast, schema.OBJECTS)) == 1


@pytest.mark.parametrize("after_bytes", [0, 10])
def test_columns_that_are_told_in_part_are_an_error_of_ours(emulator, after_bytes):
    database = in_schema("told-in-part")
    database.create_tables()
    again = in_schema("told-in-part")
    emulator.faults.add(Fault("drop", on="list_columns", after_bytes=after_bytes, times=None))
    with pytest.raises(StoreUnavailable, match=r"^VAST: "):
        rows_of(again, schema.OBJECTS)
    emulator.faults.clear()
    assert rows_of(again, schema.OBJECTS) == []
    database.close()
    again.close()


def test_a_commit_whose_answer_is_lost_is_an_error_and_took_effect(vast, emulator):
    emulator.faults.add(Fault("lost_answer", on="commit"))
    with pytest.raises(CommitUnconfirmed, match="whether it committed"), vast.transaction() as transaction:
        insert(transaction, schema.OBJECTS, object_row(1))
    assert len(rows_of(vast, schema.OBJECTS)) == 1


def test_a_busy_cluster_is_asked_again(vast, emulator):
    emulator.faults.add(Fault("slowdown", on="query", times=1))
    assert rows_of(vast, schema.OBJECTS) == []


def test_a_table_of_any_length_is_written(vast):
    many = [object_row(key) for key in range(5000)]
    with vast.transaction() as transaction:
        insert(transaction, schema.OBJECTS, *many)
        transaction.delete(schema.OBJECTS, schema.OBJECTS.keys(many[::2]))
    assert [row["key"] for row in rows_of(vast, schema.OBJECTS)] == list(range(1, 5000, 2))
