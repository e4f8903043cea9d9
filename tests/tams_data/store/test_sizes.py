"""Objects that were uploaded past the service get their sizes, and their flows what they weigh."""

from __future__ import annotations

import io

import pytest

from tams_data import schema
from tams_data.errors import MediaStoreFailed
from tams_data.media import LocalMediaStore
from tams_data.store.sizes import BATCH, SETTLED_S, Measurer, record
from tams_data.store.store import Store
from tests.tams_data.builders import flow, rows_of, segment


@pytest.fixture
def media(tmp_path):
    """A media store whose uploads nobody tells the service of."""
    return LocalMediaStore(tmp_path / "media", secret=bytes(32))


@pytest.fixture
def store(database, media):
    opened = Store(database, {media.backend.id: media})
    for flow_id in ("f", "g"):
        opened.put_flow(flow(id=flow_id))
    yield opened
    opened.close()


@pytest.fixture
def now_ns(store):
    """When all that was registered has settled, as it is asked for."""

    def then() -> int:
        return max(row["created_ns"] for row in rows_of(store.database, schema.OBJECTS)) + SETTLED_S * 10**9 + 1

    return then


@pytest.fixture
def measurer(store, now_ns):
    return Measurer(store.database, store.media, store._writer, clock_ns=now_ns)


def add(store, media, **contents):
    """Objects of the flow f, a segment each, one after the other; None is one that was never uploaded."""
    store.allocate("f", object_ids=list(contents))
    for object_id, content in contents.items():
        if content is not None:
            media.write(object_id, io.BytesIO(content), length=len(content), content_type="video/mp2t")
    end = weights(store, "segment_count")["f"] * 10
    new = [segment(one, end + i * 10, end + i * 10 + 10) for i, one in enumerate(contents)]
    assert store.add_segments("f", new) == [None] * len(new)


def sizes(store):
    return {row["id"]: row["size_bytes"] for row in rows_of(store.database, schema.OBJECTS)}


def weights(store, column="size_bytes"):
    return {row["flow_id"]: row[column] for row in rows_of(store.database, schema.FLOW_TIMELINES)}


def test_sizes_are_those_of_the_bytes_and_flows_weigh_each_use(store, media, measurer):
    add(store, media, a=b"media", b=b"more media", c=None)
    assert store.add_segments("g", [segment("a", 0, 10), segment("a", 20, 30, ts_offset_ns=20)]) == [None, None]
    assert sizes(store) == {"a": None, "b": None, "c": None}
    assert not measurer.step()
    assert sizes(store) == {"a": 5, "b": 10, "c": None}
    assert weights(store) == {"f": 15, "g": 10}
    store.delete_segments("g", segment("a", 0, 10).timerange)
    assert weights(store)["g"] == 5


def test_object_is_measured_once_it_has_settled(store, media, measurer, now_ns):
    add(store, media, a=b"media")
    early = Measurer(store.database, store.media, store._writer, clock_ns=lambda: now_ns() - 1)
    early.step()
    assert sizes(store) == {"a": None}
    measurer.step()
    assert sizes(store) == {"a": 5}


def test_many_are_measured_in_batches_though_they_came_at_once(store, media, measurer):
    """Those without bytes do not hold up the others."""
    add(store, media, **{f"x{i}": None for i in range(BATCH)}, a=b"media")
    assert measurer.step()
    assert sizes(store)["a"] is None
    assert not measurer.step()
    assert sizes(store)["a"] == 5
    add(store, media, b=b"more media")
    measurer.step()
    assert weights(store)["f"] == 15


def test_known_sizes_stay(store, media, measurer):
    store.allocate("f", object_ids=["a"])
    store.record_upload("a", 7)
    media.write("a", io.BytesIO(b"media"), length=5, content_type="video/mp2t")
    assert store.add_segments("f", [segment("a", 0, 10)]) == [None]
    measurer.step()
    assert (sizes(store), weights(store)["f"]) == ({"a": 7}, 7)


def test_size_is_counted_once_when_two_processes_measure(database, store, media, measurer):
    add(store, media, a=b"media")
    measurer.step()
    (key,) = (row["key"] for row in rows_of(database, schema.OBJECTS))
    with database.transaction() as transaction:
        record(transaction, {key: 5})
    assert weights(store)["f"] == 5


def test_backend_that_fails_is_asked_again(database, store, media, measurer, tmp_path):
    """Its objects are measured when it is back."""
    add(store, media, a=b"media")
    (path,) = [one for one in (tmp_path / "media").rglob("*") if len(one.name) == 64]
    content = path.read_bytes()
    path.write_bytes(b"damaged")
    with pytest.raises(MediaStoreFailed):
        measurer.step()
    path.write_bytes(content)
    measurer.step()
    assert sizes(store) == {"a": 5}
