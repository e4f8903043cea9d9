"""Of several processes on one database, one at a time deletes discarded bytes or makes copied ones visible.

Each connection to VAST here stands for a process: they share nothing but the database and the media.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import TransactionConflict
from tams_data.media import LocalMediaStore
from tams_data.store.alone import RESERVE_NS, TERM_NS, Alone
from tams_data.store.discards import Orphan, discard
from tams_data.store.store import Store
from tams_data.timerange import NS_PER_SECOND
from tests.tams_data.builders import flow, rows_of, segment
from tests.tams_data.media.stores import Clock


class Watched(LocalMediaStore):
    """A media store that does what it is told before a deletion, and when bytes are stored and about to be seen."""

    def before_deletion(self) -> None:
        """Nothing, unless a test says what."""

    def before_seen(self) -> None:
        """Nothing, unless a test says what."""

    def delete(self, object_ids) -> None:
        self.before_deletion()
        super().delete(object_ids)

    def write(self, *args, confirm: Callable[[], object] = lambda: None, **kwargs):
        def confirmed() -> None:
            confirm()
            self.before_seen()

        return super().write(*args, confirm=confirmed, **kwargs)


@pytest.fixture
def media(tmp_path) -> tuple[LocalMediaStore, Watched]:
    """The default one, and one to copy to."""
    return (
        LocalMediaStore(tmp_path / "first", secret=bytes(32), label="first"),
        Watched(tmp_path / "second", secret=bytes(32), label="second", default_storage=False),
    )


@pytest.fixture
def stores(databases, media) -> Iterator[tuple[Store, Store]]:
    """A store on each connection, with the same media; in it the flow f and the object a, on the first of them."""
    one, other = (Store(database, {store.backend.id: store for store in media}) for database in databases)
    one.put_flow(flow(id="f"))
    one.allocate("f", object_ids=["a"])
    put(media[0], b"media")
    assert one.add_segments("f", [segment("a", 0, 10)]) == [None]
    yield one, other
    one._writer.close()
    other._writer.close()


def put(media: LocalMediaStore, content: bytes) -> None:
    media.write("a", io.BytesIO(content), length=len(content), content_type="video/mp2t")


def note(store: Store, media: LocalMediaStore) -> None:
    """Note that the bytes of object a in a media store are to be deleted."""
    with store.database.transaction() as transaction:
        discard(transaction, [Orphan("a", media.backend.id)], 1)


def noted(store: Store) -> list[dict[str, object]]:
    return rows_of(store.database, schema.DISCARDED_BYTES)


def content(media: LocalMediaStore) -> bytes:
    with media.open("a") as opened:
        return opened.file.read()


# --- the right itself ------------------------------------------------------------------------------------------------


def test_while_one_is_alone_another_is_not(databases):
    one, other = map(Alone, databases)
    with one:
        with pytest.raises(TransactionConflict, match="another process"), other:
            pass
        one.check()
    with other:
        other.check()


def test_at_any_time_one_of_many_threads_of_two_processes_is_alone(databases):
    inside: list[int] = []
    most: list[int] = []

    def enter(alone: Alone) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with alone:
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0.01)
                    inside.pop()
            except TransactionConflict:
                continue  # it was tried for some seconds
            return

    one, other = map(Alone, databases)
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(enter, [one, other] * 3))
    assert most == [1] * 6


def test_who_ended_inside_holds_up_the_others_for_the_term_only(databases):
    clock = Clock()
    ended, later = (Alone(database, clock_ns=clock) for database in databases)
    ended.__enter__()
    clock.now_ns += TERM_NS - 1
    with pytest.raises(TransactionConflict), later:
        pass
    clock.now_ns += 1
    with later:
        with pytest.raises(TransactionConflict, match="too long"):
            ended.check()
        ended.__exit__()  # it comes to life again, and must not give back what is another's
        with pytest.raises(TransactionConflict, match="another process"), ended:
            pass


def test_nothing_is_begun_when_the_term_is_nearly_over(databases):
    clock = Clock()
    with Alone(databases[0], clock_ns=clock) as alone:
        clock.now_ns += TERM_NS - RESERVE_NS
        alone.check()
        clock.now_ns += NS_PER_SECOND
        with pytest.raises(TransactionConflict, match="too long"):
            alone.check()


def test_the_sole_writer_of_a_store_asks_nobody():
    clock = Clock()
    database = DuckDB(None)  # without tables
    with Alone(database, clock_ns=clock) as alone:
        clock.now_ns += 2 * TERM_NS
        alone.check()
    database.close()


# --- what it is for --------------------------------------------------------------------------------------------------


def test_a_late_deletion_of_one_process_does_not_hit_bytes_that_came_after(stores, media):
    """Both find the note of bytes to delete; one stops before it deletes them, and would go on when there are new."""
    one, other = stores
    put(media[1], b"old")
    note(one, media[1])
    stopped, go_on = threading.Event(), threading.Event()

    def stop() -> None:
        media[1].before_deletion = lambda: None
        stopped.set()
        go_on.wait(30)

    media[1].before_deletion = stop
    first = threading.Thread(target=one._sweeper.step)
    first.start()
    assert stopped.wait(30)
    assert other._sweeper.step() is False
    assert not other._sweeper.sweep([Orphan("a", media[1].backend.id)])
    assert len(noted(other)) == 1  # so nobody puts new bytes there
    go_on.set()
    first.join(30)
    assert noted(other) == []
    put(media[1], b"new")
    assert (one._sweeper.step(), other._sweeper.step()) == (False, False)
    assert content(media[1]) == b"new"


def test_a_copy_that_another_process_calls_off_leaves_no_bytes(stores, media):
    """The other one is told to delete the bytes when they are about to be there."""
    one, other = stores
    one.copy_object("a", media[1].backend.id)
    media[1].before_seen = lambda: other.remove_instance("a", storage_id=media[1].backend.id)
    assert one.jobs._jobs[1]._step()
    assert media[1].stat("a") is not None
    assert len(noted(one)) == 1
    other.jobs.run_due()
    assert media[1].stat("a") is None
    assert noted(one) == []
    assert content(media[0]) == b"media"


def test_a_copy_waits_while_another_process_deletes(stores, media):
    one, other = stores
    one.copy_object("a", media[1].backend.id)
    with other._sweeper.alone:
        one.jobs.run_due()
    (row,) = rows_of(one.database, schema.OBJECT_COPIES)
    assert (row["attempts"], "another process" in row["error"]) == (1, True)
    assert media[1].stat("a") is None
