"""Accesses add up exactly: from several threads, over several batches, and from several processes."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import StoreUnavailable
from tams_data.store.accesses import BATCH, AccessCounter, Accesses, Seen, Tally, record
from tams_data.store.store import Store
from tams_data.store.writer import Writer
from tams_data.timerange import TimeRange
from tests.tams_data.builders import clear, flow, insert, object_row, on_one_database, rows_of, segment, uncontrolled

NOTHING: Accesses = Accesses({}, {})


def noted(database):
    """Media GETs, URLs given and the last access by object key."""
    rows = rows_of(database, schema.OBJECT_ACCESSES)
    return {row["object_key"]: (row["media_gets"], row["urls_given"], row["last_ns"]) for row in rows}


def counts(database):
    return {key: (gets, urls) for key, (gets, urls, _) in noted(database).items()}


def write(database, accesses):
    with database.transaction() as transaction:
        record(transaction, accesses)


@pytest.fixture
def objects(database):
    """A database with the objects 1 to 9."""
    database.create_tables()
    with database.transaction() as transaction:
        insert(transaction, schema.OBJECTS, *(object_row(key) for key in range(1, 10)))
    yield database
    database.close()


# --- in memory -------------------------------------------------------------------------------------------------------


def test_a_tally_counts_what_is_named_and_when_last():
    tally = Tally(10)
    tally.add(["a", "b", "a"], 5)
    tally.add(["a"], 7)
    assert tally.take(10) == {"a": Seen(3, 7), "b": Seen(1, 5)}
    assert tally.take(10) == {}


def test_what_is_put_back_is_added_to_what_came_meanwhile():
    tally = Tally(10)
    tally.add(["a", "b"], 5)
    taken = tally.take(10)
    tally.add(["a"], 7)
    tally.put_back(taken)
    assert tally.take(10) == {"a": Seen(2, 7), "b": Seen(1, 5)}


@pytest.mark.parametrize(("most", "held"), [(0, 0), (1, 2), (3, 4), (100, 50)])
def test_a_tally_holds_no_more_than_it_may_and_a_page(most, held):
    tally = Tally(most)
    for key in range(0, 50, 2):
        tally.add([key, key + 1], 5)
    assert len(tally.take(1000)) == held


# --- in the database -------------------------------------------------------------------------------------------------


def test_accesses_are_added_to_the_row_of_the_object(objects):
    write(objects, Accesses({1: Seen(2, 5), 2: Seen(1, 6)}, {"object-2": Seen(4, 3)}))
    write(objects, Accesses({2: Seen(10, 2)}, {"object-1": Seen(1, 9), "object-3": Seen(1, 1)}))
    assert noted(objects) == {1: (1, 2, 9), 2: (4, 11, 6), 3: (1, 0, 1)}


def test_objects_that_are_not_there_have_no_row(objects):
    write(objects, Accesses({1: Seen(1, 5), 77: Seen(1, 5)}, {"none": Seen(1, 5)}))
    assert noted(objects) == {1: (0, 1, 5)}


def test_no_accesses_write_nothing(objects):
    write(objects, NOTHING)
    assert noted(objects) == {}


BATCHES = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 12), st.integers(1, 5)), st.dictionaries(st.integers(1, 12), st.integers(1, 5))
    ),
    max_size=5,
)


@given(BATCHES)
@on_one_database
def test_batches_add_up_to_what_was_asked_for(database, batches):
    database.create_tables()
    clear(database)
    with database.transaction() as transaction:
        insert(transaction, schema.OBJECTS, *(object_row(key) for key in range(1, 10)))
    urls, gets = Counter(), Counter()
    for given_out, read in batches:
        urls.update(given_out)
        gets.update(read)
        of_ids = {f"object-{key}": Seen(n, 1) for key, n in read.items()}
        write(database, Accesses({key: Seen(n, 1) for key, n in given_out.items()}, of_ids))
    assert counts(database) == {key: (gets[key], urls[key]) for key in range(1, 10) if gets[key] or urls[key]}


def test_two_processes_lose_no_access_of_each_other(objects):
    """They add to the same counts at the same time: one of them is in conflict, and comes again."""
    if objects.sole_writer:
        pytest.skip("nobody else can write")
    writers = [Writer(objects), Writer(objects)]

    def ask(writer: Writer) -> None:
        counter = AccessCounter(writer)
        for _ in range(3):
            counter.urls_given([1, 2])
            counter.step()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(ask, writers))
    for writer in writers:
        writer.close()
    assert counts(objects) == {1: (0, 6), 2: (0, 6)}


# --- the counter -----------------------------------------------------------------------------------------------------


def test_concurrent_accesses_add_up_exactly(objects):
    writer = Writer(objects)
    counter = AccessCounter(writer)

    def ask(number: int) -> None:
        for turn in range(200):
            counter.urls_given([1, 2, 1 + number])
            counter.bytes_sent("object-1")
            if number == 7 and turn % 50 == 0:
                counter.step()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))
    counter.close()
    writer.close()
    urls = Counter(dict.fromkeys(range(1, 9), 200)) + Counter({1: 1600, 2: 1600})
    assert counts(objects) == {key: (1600 if key == 1 else 0, urls[key]) for key in range(1, 9)}


def test_batches_are_bounded():
    database = DuckDB(None)
    database.create_tables()
    with database.transaction() as transaction:
        transaction.insert(schema.OBJECTS, schema.OBJECTS.rows(object_row(key) for key in range(1, BATCH + 2)))
    writer = Writer(database)
    counter = AccessCounter(writer)
    counter.urls_given(range(1, BATCH + 2))
    assert counter.step()
    assert len(counts(database)) == BATCH
    assert not counter.step()
    assert len(counts(database)) == BATCH + 1
    writer.close()
    database.close()


class Interrupted(DuckDB):
    """Cannot write for a while."""

    works = True

    @contextmanager
    def transaction(self):
        if not self.works:
            raise StoreUnavailable("not now")
        with super().transaction() as transaction:
            yield transaction


def test_what_could_not_be_written_is_written_later():
    database = Interrupted(None)
    database.create_tables()
    with database.transaction() as transaction:
        insert(transaction, schema.OBJECTS, object_row(1))
    writer = Writer(database)
    counter = AccessCounter(writer)
    counter.urls_given([1])
    counter.bytes_sent("object-1")
    database.works = False
    with pytest.raises(StoreUnavailable):
        counter.step()
    database.works = True
    counter.urls_given([1])
    counter.step()
    writer.close()
    assert counts(database) == {1: (1, 2)}
    database.close()


def test_a_counter_that_cannot_write_at_the_end_says_so(caplog):
    database = DuckDB(None)
    writer = Writer(database)
    counter = AccessCounter(writer)
    counter.urls_given([1])
    writer.close()
    counter.close()
    assert "accesses of the last seconds are lost" in caplog.text
    database.close()


# --- in a store ------------------------------------------------------------------------------------------------------


def opened(path, **given):
    """A store in a file with a flow `f` and an object elsewhere, whose key is 1."""
    store = Store(DuckDB(path), {}, **given)
    store.put_flow(flow(id="f"))
    assert store.add_segments("f", [uncontrolled("a", 0, 10)]) == [None]
    return store


@pytest.mark.parametrize(("counting", "expected"), [(True, {1: (1, 1)}), (False, {})])
def test_a_store_writes_what_is_counted_when_it_closes_if_it_counts(tmp_path, counting, expected):
    store = opened(tmp_path / "tams.duckdb", count_accesses=counting)
    store.accesses.urls_given([1])
    store.accesses.bytes_sent("a")
    store.close()
    database = DuckDB(tmp_path / "tams.duckdb")
    assert counts(database) == expected
    database.close()


def test_counts_go_with_their_object(store):
    store.put_flow(flow(id="f"))
    assert store.add_segments("f", [uncontrolled("a", 0, 10), uncontrolled("b", 10, 20)]) == [None, None]
    keys = {row["id"]: row["key"] for row in rows_of(store.database, schema.OBJECTS)}
    store.accesses.urls_given(list(keys.values()))
    store.jobs.run_due()
    store.accesses.urls_given(list(keys.values()))
    store.delete_segments("f", TimeRange(0, 10))
    store.jobs.run_due()
    assert counts(store.database) == {keys["b"]: (0, 2)}
    assert store.add_segments("f", [segment("b", 20, 30, ts_offset_ns=10)]) == [None]
