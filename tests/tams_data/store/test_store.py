"""A whole store: commands through its writer, and bytes that follow their rows."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from tams_data import schema
from tams_data.engines.base import Database
from tams_data.errors import (
    FlowNotFound,
    ObjectConflict,
    SegmentOverlap,
    StoreUnavailable,
    UnknownStorageBackend,
)
from tams_data.media import LocalMediaStore
from tams_data.store.store import Store
from tams_data.timerange import TimeRange
from tests.tams_data.builders import flow, rows_of, segment, uncontrolled


@pytest.fixture
def recorded(store: Store) -> Store:
    """Flow f with the objects a and b, whose bytes are there."""
    store.put_flow(flow(id="f"))
    upload(store, "a")
    upload(store, "b")
    assert store.add_segments("f", [segment("a", 0, 10), segment("b", 10, 20)]) == [None, None]
    return store


def upload(store: Store, object_id: str, flow_id: str = "f") -> None:
    """Allocate an object and store its bytes."""
    media, (allocation,) = store.allocate(flow_id, object_ids=[object_id])
    content = object_id.encode()
    media.write(object_id, io.BytesIO(content), length=len(content), content_type=allocation.content_type)
    store.record_upload(object_id, len(content))


def stored(store: Store) -> set[str]:
    """Of the objects a, b and c those whose bytes there are."""
    return {name for name in "abc" if store.backend().stat(name) is not None}


def test_a_store_creates_its_tables(database: Database):
    store = Store(database, {})
    assert store.put_flow(flow()) is True
    store.close()


def test_bytes_go_with_the_last_segment_that_refers_to_them(recorded):
    assert stored(recorded) == {"a", "b"}
    recorded.put_flow(flow(id="g"))
    recorded.add_segments("g", [segment("b", 10, 20)])
    recorded.delete_segments("f", TimeRange(0, 20))
    assert stored(recorded) == {"b"}
    recorded.delete_flow("g")
    assert stored(recorded) == set()


def test_segments_can_be_deleted_by_their_object(recorded):
    recorded.delete_segments("f", TimeRange.eternity(), object_id="b")
    assert stored(recorded) == {"a"}


def test_bytes_of_an_allocation_go_with_its_flow(recorded):
    upload(recorded, "c")
    recorded.delete_flow("f")
    assert stored(recorded) == set()
    assert rows_of(recorded.database, schema.STORAGE_ALLOCATIONS) == []


def test_an_object_may_be_uploaded_until_it_is_registered(recorded):
    recorded.allocate("f", object_ids=["c"])
    assert recorded.uploadable("c").content_type == "video/mp2t"
    with pytest.raises(ObjectConflict):
        recorded.uploadable("a")


def test_commands_are_refused_with_the_error_of_their_rule(recorded):
    with pytest.raises(FlowNotFound):
        recorded.add_segments("none", [uncontrolled("x", 0, 10)])
    with pytest.raises(FlowNotFound):
        recorded.delete_flow("none")
    (refused,) = recorded.add_segments("f", [uncontrolled("x", 5, 15)])
    assert isinstance(refused, SegmentOverlap)


def test_a_label_of_a_storage_backend_is_taken(recorded):
    (refused,) = recorded.add_segments("f", [segment("x", 20, 30, get_urls=[("https://x/1", "local")])])
    assert isinstance(refused, ObjectConflict)


def test_a_storage_backend_is_found_by_its_id_and_one_is_the_default(database, tmp_path):
    one = LocalMediaStore(tmp_path / "one", secret=bytes(32), label="one", default_storage=False)
    two = LocalMediaStore(tmp_path / "two", secret=bytes(32), label="two")
    store = Store(database, {media.backend.id: media for media in (one, two)})
    store.put_flow(flow(id="f"))
    try:
        assert store.backend() is two
        assert store.backend(one.backend.id) is one
        media, _ = store.allocate("f", object_ids=["a"], storage_id=one.backend.id)
        assert media is one
        assert [row["storage_id"] for row in rows_of(database, schema.STORAGE_ALLOCATIONS)] == [one.backend.id]
        with pytest.raises(UnknownStorageBackend) as raised:
            store.allocate("f", storage_id="none")
        assert (raised.value.field, raised.value.value) == ("storage_id", "none")
    finally:
        store.close()


def test_bytes_are_deleted_from_the_backend_they_are_on(database, tmp_path):
    backends = [LocalMediaStore(tmp_path / name, secret=bytes(32), label=name) for name in ("one", "two")]
    store = Store(database, {media.backend.id: media for media in backends})
    store.put_flow(flow(id="f"))
    try:
        for name, media in zip("ab", backends, strict=True):
            store.allocate("f", object_ids=[name], storage_id=media.backend.id)
            media.write(name, io.BytesIO(b"x"), length=1, content_type="video/mp2t")
        store.add_segments("f", [segment("a", 0, 10), segment("b", 10, 20)])
        store.delete_flow("f")
        assert [media.stat(name) for name, media in zip("ab", backends, strict=True)] == [None, None]
    finally:
        store.close()


def test_feeds_that_record_at_once_get_every_segment_in(store):
    """Four feeds of their own, and two writers of one flow that want the same time: one of each two wins."""
    for name in ("f0", "f1", "f2", "f3", "shared"):
        store.put_flow(flow(id=name))

    def record(feed: int) -> list[bool]:
        won = []
        for i in range(10):
            names = [str(one.object_id) for one in store.allocate(f"f{feed}", count=2)[1]]
            assert store.add_segments(f"f{feed}", [segment(names[0], i, i + 1)]) == [None]
            (verdict,) = store.add_segments("shared", [uncontrolled(f"{feed}-{i}", i, i + 1)])
            assert verdict is None or isinstance(verdict, SegmentOverlap)
            won.append(verdict is None)
        return won

    with ThreadPoolExecutor(max_workers=4) as pool:
        wins = list(pool.map(record, range(4)))
    assert [sum(instant) for instant in zip(*wins, strict=True)] == [1] * 10
    counts = {row["flow_id"]: row["segment_count"] for row in rows_of(store.database, schema.FLOW_TIMELINES)}
    assert counts == {"f0": 10, "f1": 10, "f2": 10, "f3": 10, "shared": 10}


def test_a_closed_store_takes_no_more_commands(store):
    store.close()
    with pytest.raises(StoreUnavailable):
        store.put_flow(flow())
