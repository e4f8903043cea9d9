"""Copies end with a whole instance or with nothing, whatever happens to the object while they are made."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from tams_data import schema
from tams_data.errors import MediaStoreFailed
from tams_data.media import LocalMediaStore
from tams_data.store.attempts import MOST_ATTEMPTS
from tams_data.store.discards import Orphan, discard
from tams_data.store.store import Store
from tests.tams_data.builders import flow, rows_of, segment


class Target(LocalMediaStore):
    """A media store that does what it is told when bytes are stored and not yet visible, and once they are."""

    def unseen(self) -> None:
        """Nothing, unless a test says what."""

    def seen(self) -> None:
        """Nothing, unless a test says what."""

    def write(self, *args, confirm: Callable[[], object], **kwargs):
        def confirmed() -> None:
            self.unseen()
            confirm()
            self.seen()

        return super().write(*args, confirm=confirmed, **kwargs)


@pytest.fixture
def target(tmp_path):
    return Target(tmp_path / "target", secret=bytes(32), label="target", default_storage=False)


@pytest.fixture
def store(database, tmp_path, target):
    """A store with the flow f and the object a in it, whose copy to the target is asked for."""
    source = LocalMediaStore(tmp_path / "source", secret=bytes(32), label="source")
    opened = Store(database, {one.backend.id: one for one in (source, target)})
    opened.put_flow(flow(id="f"))
    opened.allocate("f", object_ids=["a"])
    source.write("a", io.BytesIO(b"media"), length=5, content_type="video/mp2t")
    assert opened.add_segments("f", [segment("a", 0, 10)]) == [None]
    opened.copy_object("a", target.backend.id)
    yield opened
    opened.close()


def copies(store: Store) -> list[dict[str, object]]:
    return rows_of(store.database, schema.OBJECT_COPIES)


def places(store: Store) -> set[str]:
    return {row["storage_id"] for row in rows_of(store.database, schema.OBJECT_INSTANCES)}


def delete_flow(store: Store) -> None:
    """Delete the object's flow, as another process would that cannot delete its bytes yet."""
    store._sweeper.sweep = lambda _: True
    store.delete_flow("f")


def test_a_copy_becomes_an_instance(store, target):
    store.jobs.run_due()
    assert places(store) == store.media.keys()
    assert copies(store) == []
    assert target.stat("a").sha256 == store.backend().stat("a").sha256


@pytest.mark.parametrize("when", ["unseen", "seen"])
def test_a_copy_of_an_object_that_is_deleted_meanwhile_leaves_no_bytes(store, target, when):
    setattr(target, when, lambda: delete_flow(store))
    store.jobs.run_due()
    assert [media.stat("a") for media in store.media.values()] == [None, None]
    for table in (schema.OBJECT_COPIES, schema.OBJECT_INSTANCES, schema.DISCARDED_BYTES):
        assert rows_of(store.database, table) == []


def test_a_copy_waits_for_earlier_bytes_to_be_deleted(database, store, target):
    """Or they would be deleted when the copy is there, and the copy with them."""
    with database.transaction() as transaction:
        discard(transaction, [Orphan("a", target.backend.id)], 1)
    store.jobs.run_due()
    assert copies(store)[0]["attempts"] == 1
    assert target.stat("a") is None
    assert rows_of(database, schema.DISCARDED_BYTES) == []


def test_a_copy_that_fails_again_and_again_is_given_up(database, store, target):
    def fail() -> None:
        raise MediaStoreFailed("the disk is full")

    target.unseen = fail
    for attempt in range(1, MOST_ATTEMPTS):
        store.jobs.run_due()
        (row,) = copies(store)
        assert (row["attempts"], row["error"]) == (attempt, "the disk is full")
        with database.transaction() as transaction:
            due = [{**row, "next_ns": 0}]
            transaction.update(schema.OBJECT_COPIES, schema.OBJECT_COPIES.rows(due))
    store.jobs.run_due()
    assert copies(store) == []
    assert len(places(store)) == 1


def test_a_copy_that_nobody_thought_would_fail_holds_up_no_other(store, target):
    """What went wrong is a fault of the service's, and noted like any other."""

    def fail() -> None:
        target.unseen = lambda: None
        raise ZeroDivisionError("a fault")

    target.unseen = fail
    store.allocate("f", object_ids=["b"])
    store.backend().write("b", io.BytesIO(b"media"), length=5, content_type="video/mp2t")
    assert store.add_segments("f", [segment("b", 10, 20)]) == [None]
    store.copy_object("b", target.backend.id)
    store.jobs.run_due()
    (left,) = copies(store)
    assert (left["attempts"], left["error"]) == (1, "it broke off: ZeroDivisionError")
    assert [target.stat(one) is None for one in ("a", "b")] == [True, False]


def test_closing_breaks_off_a_copy_which_is_still_to_be_made(store, target):
    store._closing.set()
    store._copying._step()
    assert [row["attempts"] for row in copies(store)] == [0]
    assert target.stat("a") is None
