"""Garbage goes when its time has come and nothing refers to it, once, and never what somebody uses."""

from __future__ import annotations

import io
from time import time_ns

import pytest

from tams_data import schema
from tams_data.errors import ObjectConflict
from tams_data.media import LocalMediaStore
from tams_data.store import garbage
from tams_data.store.garbage import Collector
from tams_data.store.objects import LetGo, let_go
from tams_data.store.store import Store
from tams_data.timerange import NS_PER_SECOND, TimeRange
from tests.tams_data.builders import fragmented_flow, insert, object_row, rows_of, segment, uncontrolled

AFTER_NS = 1000 * NS_PER_SECOND


AGE_S = AFTER_NS // NS_PER_SECOND


class Clock:
    """The present, and what a test adds to it."""

    ahead_ns = 0

    def __call__(self) -> int:
        return time_ns() + self.ahead_ns


EARLY_NS, LATE_NS = AFTER_NS - 60 * NS_PER_SECOND, AFTER_NS + 60 * NS_PER_SECOND
"""Before and after the time of what a test makes is over."""


@pytest.fixture
def media(tmp_path):
    return LocalMediaStore(tmp_path / "media", secret=bytes(32))


@pytest.fixture
def store(database, media):
    """A store with the flow f."""
    opened = Store(database, {media.backend.id: media}, garbage_after_s=AGE_S)
    opened.put_flow(fragmented_flow(id="f"))
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def expirer(store, clock, monkeypatch):
    """The store's own: its writer remembers what it allocated."""
    (found,) = (job._step.__self__ for job in store.jobs._jobs if job.name == "expiring")
    monkeypatch.setattr(found, "_clock_ns", clock)
    return found


@pytest.fixture
def collector(store, clock):
    discarded = store._sweeping.wake
    return Collector(store.database, store._writer, after_ns=AFTER_NS, discarded=discarded, clock_ns=clock, stride=3)


def upload(store: Store, *object_ids: str) -> None:
    media, _ = store.allocate("f", object_ids=object_ids)
    for one in object_ids:
        media.write(one, io.BytesIO(b"media"), length=5, content_type="video/mp4")


def ids(store: Store, table: schema.Table, name: str) -> set[str]:
    return {row[name] for row in rows_of(store.database, table)}


# --- allocations -----------------------------------------------------------------------------------------------------


def test_allocation_that_was_not_registered_goes_with_its_bytes(store, expirer, clock):
    upload(store, "late", "init", "used")
    assert store.add_segments("f", [segment("used", 0, 10, init_object_id="init")]) == [None]
    clock.ahead_ns = EARLY_NS
    assert not expirer.step()
    assert ids(store, schema.STORAGE_ALLOCATIONS, "object_id") == {"late"}, "its time is not over yet"
    clock.ahead_ns = LATE_NS
    assert not expirer.step()
    assert ids(store, schema.STORAGE_ALLOCATIONS, "object_id") == set()
    store.jobs.run_due()
    there = {one for one in ("late", "init", "used") if store.backend().stat(one) is not None}
    assert there == {"init", "used"}
    with pytest.raises(ObjectConflict):
        store.uploadable("late")
    store.allocate("f", object_ids=["late"])  # the id is free again


def test_expired_allocations_go_in_batches(store, expirer, clock, monkeypatch):
    monkeypatch.setattr(garbage, "BATCH", 2)
    store.allocate("f", count=5)
    clock.ahead_ns = LATE_NS
    assert [expirer.step() for _ in range(3)] == [True, True, False]
    assert len(rows_of(store.database, schema.DISCARDED_BYTES)) == 5


def test_allocation_that_is_registered_meanwhile_stays(store, expirer, clock, monkeypatch):
    """Between the look and the transaction."""
    upload(store, "init", "used")
    clock.ahead_ns = LATE_NS
    submit = store._writer.submit

    def register_first(handler, argument):
        monkeypatch.undo()
        assert store.add_segments("f", [segment("used", 0, 10, init_object_id="init")]) == [None]
        return submit(handler, argument)

    monkeypatch.setattr(store._writer, "submit", register_first)
    expirer.step()
    assert ids(store, schema.OBJECTS, "id") == {"init", "used"}
    assert rows_of(store.database, schema.DISCARDED_BYTES) == []


@pytest.mark.parametrize("swept", [True, False], ids=["after others were deleted", "before"])
def test_bytes_that_come_when_nobody_wants_them_any_more_go_again(store, expirer, clock, media, swept):
    """An upload is recorded, its allocation expires, and only then its bytes are in their place."""

    def record_and_expire() -> None:
        store.record_upload("late", 5)
        clock.ahead_ns = LATE_NS
        expirer.step()
        if swept:
            store.jobs.run_due()

    store.allocate("f", object_ids=["late"])
    media.write("late", io.BytesIO(b"media"), length=5, content_type="video/mp4", confirm=record_and_expire)
    assert media.stat("late") is not None
    if swept:
        with pytest.raises(ObjectConflict):
            store.check_upload("late", media.backend.id)
    store.jobs.run_due()
    assert media.stat("late") is None
    assert rows_of(store.database, schema.DISCARDED_BYTES) == []


def test_bytes_that_are_wanted_stay(store, media):
    upload(store, "init", "used")
    store.check_upload("used", media.backend.id)
    assert store.add_segments("f", [segment("used", 0, 10, init_object_id="init")]) == [None]
    store.check_upload("used", media.backend.id)
    store.jobs.run_due()
    assert media.stat("used") is not None


def test_bytes_of_an_object_whose_others_are_being_deleted_wait_for_that(store, expirer, clock, media):
    """Noted twice they would be a row twice; noted once, those that come after the deletion would stay."""
    store.allocate("f", object_ids=["late"])
    clock.ahead_ns = LATE_NS
    expirer.step()
    request = LetGo("late", media.backend.id, 1)
    with store.database.transaction() as transaction:
        assert not let_go(transaction, request)
    store.jobs.run_due()
    with store.database.transaction() as transaction:
        assert let_go(transaction, request)
    assert len(rows_of(store.database, schema.DISCARDED_BYTES)) == 1


# --- objects ---------------------------------------------------------------------------------------------------------


def test_object_that_nothing_refers_to_goes_and_others_stay(store, collector, clock):
    upload(store, "init", "used")
    assert store.add_segments("f", [segment("used", 0, 10, init_object_id="init")]) == [None]
    urls = [("https://elsewhere.example/x", "elsewhere")]
    store.create_object("spare", "f", urls, timerange=TimeRange(0, 10))
    clock.ahead_ns = EARLY_NS
    collector.step()
    assert ids(store, schema.OBJECTS, "id") == {"init", "used", "spare"}, "its time is not over yet"
    clock.ahead_ns = LATE_NS + garbage.ROUND_S * NS_PER_SECOND
    collector.step()
    assert ids(store, schema.OBJECTS, "id") == {"init", "used"}
    assert len(rows_of(store.database, schema.OBJECT_INSTANCES)) == 2
    assert rows_of(store.database, schema.DISCARDED_BYTES) == [], "the bytes of others are theirs"


def test_bytes_of_an_object_without_a_reference_go_with_it(store, collector, clock, media):
    with store.database.transaction() as transaction:
        insert(transaction, schema.OBJECTS, object_row(1, id="lost"))
        stored = {"object_key": 1, "storage_id": media.backend.id, "created_ns": 1}
        insert(transaction, schema.OBJECT_INSTANCES, stored)
    media.write("lost", io.BytesIO(b"media"), length=5, content_type="video/mp4")
    clock.ahead_ns = LATE_NS
    collector.step()
    store.jobs.run_due()
    assert (media.stat("lost"), rows_of(store.database, schema.OBJECTS)) == (None, [])


def test_walk_looks_at_a_stride_at_a_time_and_goes_on_where_it_stood(store, collector, clock):
    with store.database.transaction() as transaction:
        for key in range(1, 8):
            insert(transaction, schema.OBJECTS, object_row(key))
    clock.ahead_ns = LATE_NS
    assert not collector.step()
    assert {row["key"] for row in rows_of(store.database, schema.OBJECTS)} == {4, 5, 6, 7}
    collector.step()
    assert {row["key"] for row in rows_of(store.database, schema.OBJECTS)} == {4, 5, 6, 7}, "not before its time"
    for left in ({7}, set()):
        clock.ahead_ns += garbage.PAUSE_S * NS_PER_SECOND
        collector = Collector(store.database, store._writer, after_ns=AFTER_NS, discarded=int, clock_ns=clock, stride=3)
        collector.step()  # another process, or this one after a crash
        assert {row["key"] for row in rows_of(store.database, schema.OBJECTS)} == left


def test_step_of_a_walk_is_taken_by_one_of_those_who_find_it_due(store, collector, clock, monkeypatch):
    with store.database.transaction() as transaction:
        insert(transaction, schema.OBJECTS, object_row(1))
    clock.ahead_ns = LATE_NS
    other = Collector(store.database, store._writer, after_ns=AFTER_NS, discarded=int, clock_ns=clock)
    took: list[bool] = []
    submit = store._writer.submit

    def other_first(handler, argument):
        monkeypatch.undo()
        other.step()
        took.append(submit(handler, argument))
        return took[-1]

    monkeypatch.setattr(store._writer, "submit", other_first)
    collector.step()
    assert took == [False]
    assert rows_of(store.database, schema.OBJECTS) == []


def test_object_that_is_used_meanwhile_stays(store, commands):
    """Between the look and the transaction."""
    upload(store, "init")
    assert store.add_segments("f", [uncontrolled("used", 0, 10, init_object_id="init")]) == [None]
    keys = tuple(row["key"] for row in rows_of(store.database, schema.OBJECTS))
    with store.database.transaction() as transaction:
        assert garbage.remove(transaction, garbage.Unreferenced(keys, 1)) == []
    assert ids(store, schema.OBJECTS, "id") == {"init", "used"}
