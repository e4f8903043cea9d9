"""Discarded bytes are deleted whatever follows the transaction that let them go, and never those that came after."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable

import pytest

from tams_data import schema
from tams_data.errors import MediaStoreFailed, ObjectConflict
from tams_data.media import LocalMediaStore
from tams_data.store.discards import Orphan, Sweeper
from tams_data.store.store import Store
from tams_data.timerange import TimeRange
from tests.tams_data.builders import flow, rows_of, segment


class Stubborn(LocalMediaStore):
    """A media store that cannot delete the objects in `kept`, and does what it is told before each deletion."""

    kept: frozenset[str] = frozenset()

    def before(self) -> None:
        """Nothing, unless a test says what."""

    def delete(self, object_ids: Iterable[str]) -> None:
        self.before()
        ids = list(object_ids)
        super().delete([one for one in ids if one not in self.kept])
        if not self.kept.isdisjoint(ids):
            raise MediaStoreFailed("it is kept")


@pytest.fixture
def media(tmp_path):
    return Stubborn(tmp_path / "media", secret=bytes(32))


@pytest.fixture
def store(database, media):
    """A store with the flow f and the objects a, b and c in it."""
    opened = Store(database, {media.backend.id: media})
    opened.put_flow(flow(id="f"))
    for i, name in enumerate("abc"):
        upload(opened, name)
        assert opened.add_segments("f", [segment(name, i, i + 1)]) == [None]
    yield opened
    opened.close()


def upload(store: Store, object_id: str, content: bytes = b"old") -> None:
    media, _ = store.allocate("f", object_ids=[object_id])
    media.write(object_id, io.BytesIO(content), length=len(content), content_type="video/mp2t")


def noted(store: Store) -> set[str]:
    return {row["object_id"] for row in rows_of(store.database, schema.DISCARDED_BYTES)}


def there(store: Store) -> set[str]:
    return {name for name in "abc" if store.backend().stat(name) is not None}


def test_bytes_and_notes_are_gone_when_a_deletion_returns(store):
    store.delete_segments("f", TimeRange(0, 2))
    assert (there(store), noted(store)) == ({"c"}, set())


def test_what_cannot_be_deleted_stays_noted_and_keeps_nothing_else(store, media):
    media.kept = frozenset("b")
    store.delete_flow("f")
    assert (there(store), noted(store)) == ({"b"}, {"b"})
    store.jobs.run_due()
    assert noted(store) == {"b"}
    media.kept = frozenset()
    store.jobs.run_due()
    assert (there(store), noted(store)) == (set(), set())


def test_bytes_of_a_deletion_that_a_crash_ended_go_later(store, media):
    def crash() -> None:
        raise KeyboardInterrupt

    media.before = crash
    with pytest.raises(KeyboardInterrupt):
        store.delete_segments("f", TimeRange(0, 1))
    del media.before
    assert (there(store), noted(store)) == (set("abc"), {"a"})
    store.jobs.run_due()
    assert (there(store), noted(store)) == (set("bc"), set())


def test_an_id_is_taken_until_the_bytes_of_the_deleted_object_are_gone(store, media):
    media.kept = frozenset("a")
    store.delete_segments("f", TimeRange(0, 1))
    with pytest.raises(ObjectConflict, match="'a' can be used again"):
        store.allocate("f", object_ids=["a"])
    media.kept = frozenset()
    store.jobs.run_due()
    upload(store, "a", b"new")
    store.jobs.run_due()
    with store.backend().open("a") as opened:
        assert opened.file.read() == b"new"


def test_a_late_deletion_does_not_hit_bytes_that_came_after(store, media):
    """Two who delete the same bytes: the second comes when the id is in use again, and must find nothing to do."""
    media.kept = frozenset("a")
    store.delete_segments("f", TimeRange(0, 1))
    media.kept = frozenset()
    first_is_in, second_is_started, deletions = threading.Event(), threading.Event(), []

    def wait() -> None:
        deletions.append(1)
        first_is_in.set()
        second_is_started.wait(10)

    media.before = wait
    sweeper: Sweeper = store._sweeper
    first = threading.Thread(target=sweeper.step)
    first.start()
    assert first_is_in.wait(10)
    second = threading.Thread(target=sweeper.sweep, args=([Orphan("a", media.backend.id)],))
    second.start()
    second.join(0.2)
    assert second.is_alive(), "it waits for the first"
    second_is_started.set()
    first.join(10)
    upload(store, "a", b"new")
    second.join(10)
    assert deletions == [1]
    with store.backend().open("a") as opened:
        assert opened.file.read() == b"new"


def test_notes_of_a_backend_that_is_gone_stay(database, store, media):
    with database.transaction() as transaction:
        row = {"object_id": "x", "storage_id": "gone", "created_ns": 1}
        transaction.insert(schema.DISCARDED_BYTES, schema.DISCARDED_BYTES.rows([row]))
    store.jobs.run_due()
    assert noted(store) == {"x"}
