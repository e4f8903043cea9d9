"""What every full engine does: bound reads, snapshots, and transactions that are whole or nothing."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa
import pytest

from tams_data.engines import connect
from tams_data.engines.base import Database
from tams_data.errors import InvalidSetting, SchemaMismatch, StoreUnavailable, TransactionConflict
from tams_data.schema import FLOW_TIMELINES, OBJECTS, SCHEMA_VERSIONS, SEGMENTS, TABLES, VERSION
from tests.tams_data.builders import everything, insert, object_row, rows_of, segment_row, timeline_row, whole


@contextmanager
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Another thread: an engine's transactions belong to the thread that began them."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        yield thread


def commit(database: Database, key: int) -> None:
    """Insert the object with this key and commit."""
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, object_row(key))


def keys(reader) -> list[int]:
    return [row["key"] for row in rows_of(reader, OBJECTS)]


# --- values ----------------------------------------------------------------------------------------------------------


def with_key(tables, *, key):
    return tables.objects.filter(tables.objects.key == key).select("key")


def with_id(tables, *, object_id):
    return tables.objects.filter(tables.objects.id == object_id).select("key")


def with_keys(tables, *, keys):
    return tables.objects.filter(tables.objects.key.isin(keys)).select("key")


def with_ids(tables, *, ids):
    return tables.objects.filter(tables.objects.id.isin(ids)).select("key")


def with_both(tables, *, pair):
    return tables.objects.filter(tables.objects.key == pair[0], tables.objects.id == pair[1]).select("key")


def nested(tables, *, groups):
    (low, high), names = groups
    found = tables.objects.filter(tables.objects.key >= low, tables.objects.key < high)
    return found.filter(found.id.isin(names)).select("key")


def joined(tables, *, wanted):
    return tables.objects.semi_join(wanted, tables.objects.key == wanted.n).select("key")


@pytest.fixture
def ten(database: Database) -> Database:
    """Objects 0 to 9."""
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, *(object_row(key) for key in range(10)))
    return database


@pytest.mark.parametrize(
    ("query", "values", "expected"),
    [
        pytest.param(with_key, {"key": 3}, [3], id="number"),
        pytest.param(with_key, {"key": 2**63 - 1}, [], id="largest-number"),
        pytest.param(with_key, {"key": -(2**63)}, [], id="smallest-number"),
        pytest.param(with_id, {"object_id": "object-4"}, [4], id="text"),
        pytest.param(with_id, {"object_id": "object-4' OR 1=1 --"}, [], id="text-that-is-no-sql"),
        pytest.param(with_keys, {"keys": [7]}, [7], id="list-of-one"),
        pytest.param(with_keys, {"keys": [7, 2, 7, 99]}, [2, 7], id="list-with-repetitions"),
        pytest.param(with_keys, {"keys": list(range(5, 200))}, [5, 6, 7, 8, 9], id="list-of-many"),
        pytest.param(with_ids, {"ids": ["object-1", "$keys"]}, [1], id="list-of-texts"),
        pytest.param(with_both, {"pair": (3, "object-3")}, [3], id="tuple"),
        pytest.param(with_both, {"pair": (3, "object-4")}, [], id="tuple-that-nothing-matches"),
        pytest.param(nested, {"groups": ((2, 5), ["object-4", "object-5"])}, [4], id="nested-tuple-with-a-list"),
        pytest.param(joined, {"wanted": pa.table({"n": [1, 6, 6]})}, [1, 6], id="table"),
        pytest.param(joined, {"wanted": pa.table({"n": pa.array([], pa.int64())})}, [], id="empty-table"),
    ],
)
def test_a_query_is_bound_to_the_values_of_each_call(ten, query, values, expected):
    assert sorted(ten.read(query, values)["key"].to_pylist()) == expected


def test_one_query_gives_each_call_its_own_answer(ten):
    assert [ten.read(with_key, {"key": key})["key"].to_pylist() for key in (1, 2, 11)] == [[1], [2], []]


@pytest.mark.parametrize("length", [511, 512, 513, 1024, 1300])
def test_a_list_longer_than_a_query_takes_is_read_in_batches(database, length):
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, *(object_row(key) for key in range(1400)))
    found = database.read(with_keys, {"keys": list(range(length))})
    assert sorted(found["key"].to_pylist()) == list(range(length))


def test_a_query_without_values_needs_none(ten):
    assert ten.read(whole, name="objects").num_rows == 10


# --- writing ---------------------------------------------------------------------------------------------------------


def test_inserted_columns_are_matched_by_name(database):
    rows = SEGMENTS.rows([segment_row("f", 0, 10)])
    with database.transaction() as transaction:
        transaction.insert(SEGMENTS, rows.select(list(reversed(SEGMENTS.names))))
    assert rows_of(database, SEGMENTS) == rows.to_pylist()


def test_an_update_sets_the_columns_given_in_the_rows_with_the_same_key(database):
    before = [timeline_row(flow_id, start_ns=1, end_ns=2, segment_count=1) for flow_id in "abc"]
    with database.transaction() as transaction:
        insert(transaction, FLOW_TIMELINES, *before)
        changes = [{"flow_id": "a", "end_ns": 9}, {"flow_id": "c", "end_ns": None}, {"flow_id": "z", "end_ns": 5}]
        transaction.update(FLOW_TIMELINES, FLOW_TIMELINES.part(("flow_id", "end_ns"), changes))
    changed = [{**before[0], "end_ns": 9}, before[1], {**before[2], "end_ns": None}]
    assert rows_of(database, FLOW_TIMELINES) == FLOW_TIMELINES.rows(changed).to_pylist()


def test_an_update_needs_all_columns_of_the_key_to_agree(database):
    with database.transaction() as transaction:
        insert(transaction, SEGMENTS, segment_row("f", 0, 10), segment_row("f", 10, 20), segment_row("g", 0, 10))
        transaction.update(
            SEGMENTS,
            SEGMENTS.part(("flow_id", "start_ns", "object_key"), [{"flow_id": "f", "start_ns": 0, "object_key": 7}]),
        )
    assert [(r["flow_id"], r["start_ns"], r["object_key"]) for r in rows_of(database, SEGMENTS)] == [
        ("f", 0, 7),
        ("f", 10, 1),
        ("g", 0, 1),
    ]


@pytest.mark.parametrize(
    ("columns", "given", "left"),
    [
        pytest.param(("flow_id", "start_ns"), [{"flow_id": "f", "start_ns": 0}], [("f", 10), ("g", 0)], id="one-row"),
        pytest.param(("flow_id",), [{"flow_id": "f"}], [("g", 0)], id="by-part-of-the-key"),
        pytest.param(("start_ns",), [{"start_ns": 0}, {"start_ns": 0}], [("f", 10)], id="given-twice"),
        pytest.param(("flow_id",), [{"flow_id": "z"}], [("f", 0), ("f", 10), ("g", 0)], id="nothing-agrees"),
        pytest.param(("flow_id",), [], [("f", 0), ("f", 10), ("g", 0)], id="no-keys"),
    ],
)
def test_a_deletion_takes_the_rows_that_agree_in_all_columns_given(database, columns, given, left):
    with database.transaction() as transaction:
        insert(transaction, SEGMENTS, segment_row("f", 0, 10), segment_row("f", 10, 20), segment_row("g", 0, 10))
        transaction.delete(SEGMENTS, SEGMENTS.part(columns, given))
    assert [(row["flow_id"], row["start_ns"]) for row in rows_of(database, SEGMENTS)] == left


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_row_deleted_and_inserted_again_is_there_once(database, rounds):
    """Engines with indexes remember deleted rows longer than one would think."""
    commit(database, 1)
    for _ in range(rounds):
        with database.transaction() as transaction:
            transaction.delete(OBJECTS, OBJECTS.keys([{"key": 1}]))
            insert(transaction, OBJECTS, object_row(1))
    assert keys(database) == [1]
    assert database.read(with_keys, {"keys": [1]}).num_rows == 1


def test_nothing_to_write_is_nothing_written(database):
    before = everything(database)
    with database.transaction() as transaction:
        for table in TABLES.values():
            transaction.insert(table, table.rows([]))
            transaction.update(table, table.rows([]))
            transaction.delete(table, table.keys([]))
    assert everything(database) == before


# --- transactions ----------------------------------------------------------------------------------------------------


def test_a_transaction_reads_what_it_has_written(database):
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, object_row(1))
        assert keys(transaction) == [1]
        transaction.delete(OBJECTS, OBJECTS.keys([{"key": 1}]))
        assert keys(transaction) == []


def test_what_a_transaction_has_written_nobody_else_sees_before_its_end(database):
    with elsewhere() as thread:
        with database.transaction() as transaction:
            insert(transaction, OBJECTS, object_row(1))
            assert thread.submit(keys, database).result() == []
        assert thread.submit(keys, database).result() == [1]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, StoreUnavailable])
def test_a_transaction_that_raises_leaves_nothing_behind_and_the_next_one_works(database, error):
    commit(database, 1)
    before = everything(database)

    def fail() -> None:
        with database.transaction() as transaction:
            insert(transaction, OBJECTS, object_row(2))
            transaction.delete(OBJECTS, OBJECTS.keys([{"key": 1}]))
            raise error("stop")

    with pytest.raises(error, match=r"^stop$"):
        fail()
    assert everything(database) == before
    commit(database, 3)
    assert keys(database) == [1, 3]


def test_of_two_writers_of_one_row_the_later_is_refused_and_may_try_again(database):
    with database.transaction() as transaction:
        insert(transaction, FLOW_TIMELINES, timeline_row("f"))

    def count(transaction, n):
        change = [{"flow_id": "f", "segment_count": n}]
        transaction.update(FLOW_TIMELINES, FLOW_TIMELINES.part(("flow_id", "segment_count"), change))

    def first():
        with database.transaction() as transaction:
            count(transaction, 1)

    def second(between):
        with database.transaction() as transaction:
            assert rows_of(transaction, FLOW_TIMELINES)[0]["segment_count"] == 0
            between()
            count(transaction, 2)

    with elsewhere() as thread:
        with pytest.raises(TransactionConflict):
            second(between=lambda: thread.submit(first).result())
        assert rows_of(database, FLOW_TIMELINES)[0]["segment_count"] == 1
        with database.transaction() as transaction:
            count(transaction, 2)
        assert rows_of(database, FLOW_TIMELINES)[0]["segment_count"] == 2


# --- snapshots and threads -------------------------------------------------------------------------------------------


def test_a_snapshot_does_not_see_what_is_committed_after_its_first_read(database):
    commit(database, 1)
    with elsewhere() as thread:
        with database.snapshot() as snapshot:
            assert keys(snapshot) == [1]
            thread.submit(commit, database, 2).result()
            assert keys(snapshot) == [1]
            assert thread.submit(keys, database).result() == [1, 2]
        assert keys(database) == [1, 2]


def test_a_snapshot_ends_when_its_reader_fails(database):
    def fail() -> None:
        with database.snapshot() as snapshot:
            keys(snapshot)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match=r"^stop$"):
        fail()
    with elsewhere() as thread:
        thread.submit(commit, database, 1).result()
    assert keys(database) == [1]


def test_threads_that_read_while_one_writes_see_whole_commits_only(database):
    """Each commit has two objects; a reader that saw one of them saw half a commit."""
    done = threading.Event()

    def read() -> list[int]:
        counts = [len(keys(database))]
        while not done.is_set():
            counts.append(len(keys(database)))
        return [*counts, len(keys(database))]

    with ThreadPoolExecutor(max_workers=4) as pool:
        readers: list[Future[list[int]]] = [pool.submit(read) for _ in range(4)]
        try:
            for key in range(0, 60, 2):
                with database.transaction() as transaction:
                    insert(transaction, OBJECTS, object_row(key))
                    insert(transaction, OBJECTS, object_row(key + 1))
        finally:
            done.set()
        seen = [reader.result() for reader in readers]
    for counts in seen:
        assert counts == sorted(counts)
        assert {count % 2 for count in counts} == {0}
        assert counts[-1] == 60


# --- opening and closing ---------------------------------------------------------------------------------------------


def test_creating_tables_that_are_there_changes_nothing(database):
    commit(database, 1)
    before = everything(database)
    database.create_tables()
    assert everything(database) == before


def test_a_new_store_remembers_the_version_of_its_schema(database):
    assert [row["version"] for row in rows_of(database, SCHEMA_VERSIONS)] == [VERSION]


@pytest.mark.parametrize("version", [0, VERSION + 1, 99])
def test_a_store_of_an_unknown_schema_version_is_refused_and_left_as_it_is(database, version):
    with database.transaction() as transaction:
        transaction.delete(SCHEMA_VERSIONS, SCHEMA_VERSIONS.keys([{"version": VERSION}]))
        insert(transaction, SCHEMA_VERSIONS, {"version": version, "applied_ns": 0})
    before = everything(database)
    with pytest.raises(SchemaMismatch, match=f"version {version};.* versions up to {VERSION}$"):
        database.create_tables()
    assert everything(database) == before


def test_the_highest_version_is_the_one_that_counts(database):
    with database.transaction() as transaction:
        insert(transaction, SCHEMA_VERSIONS, {"version": VERSION - 1, "applied_ns": 0})
    database.create_tables()
    assert [row["version"] for row in rows_of(database, SCHEMA_VERSIONS)] == [VERSION - 1, VERSION]


def test_a_closed_database_is_unavailable(database):
    keys(database)
    database.close()
    with pytest.raises(StoreUnavailable):
        keys(database)
    with pytest.raises(StoreUnavailable), database.snapshot():
        pass
    with pytest.raises(StoreUnavailable):
        commit(database, 1)
    with elsewhere() as thread, pytest.raises(StoreUnavailable):
        thread.submit(keys, database).result()


def test_closing_twice_is_closing_once(database):
    database.close()
    database.close()
    with pytest.raises(StoreUnavailable):
        keys(database)


@pytest.mark.parametrize("url", ["", "duckdb", "duckdb:", "duckdb:/file", "postgres://host/db", "file.duckdb"])
def test_a_url_that_no_engine_knows_is_refused(url):
    with pytest.raises(InvalidSetting, match=f"^TAMS_DATABASE_URL='{url}': "):
        connect(url)


# --- analysis --------------------------------------------------------------------------------------------------------


def test_an_analyst_finds_the_same_tables(database):
    commit(database, 1)
    tables = database.ibis().tables
    assert set(TABLES) <= set(tables)
    assert tables.objects.to_pyarrow().to_pylist() == rows_of(database, OBJECTS)


def test_what_an_analyst_drops_is_gone_before_the_next_step(database):
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, *({**object_row(1), "key": key} for key in (1, 2)))
    objects = database.ibis().tables.objects
    assert objects.drop("key").distinct().count().execute() == 1


# --- description -----------------------------------------------------------------------------------------------------


def test_an_engine_describes_its_tables(database):
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, *(object_row(key) for key in (1, 2, 3)))
    described = database.describe()
    assert described.engine in repr(database).lower()
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)+", described.version)
    tables = {one.name: one for one in described.tables}
    assert list(tables) == sorted(tables)
    assert TABLES.keys() <= tables.keys()
    assert (tables["objects"].row_count, tables["segments"].row_count) == (3, 0)
    assert tables["objects"].columns == OBJECTS.names


def test_a_closed_database_describes_nothing(database):
    database.close()
    with pytest.raises(StoreUnavailable):
        database.describe()
