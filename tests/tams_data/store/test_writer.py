"""The writer commits many commands at once, and each caller gets its own verdict, never another's."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tams_data.engines.base import Database, Transaction
from tams_data.errors import CommitUnconfirmed, InvalidInput, StoreUnavailable
from tams_data.schema import OBJECTS
from tams_data.store.writer import Writer, each
from tests.tams_data.builders import insert, object_row, rows_of


class Watched:
    """A database that counts its transactions, and whose next commits fail, or are not answered, as it is told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sole_writer = database.sole_writer
        self.begun = self.committed = self.failures = self.lost = 0

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self.begun += 1
        with self._database.transaction() as transaction:
            yield transaction
            if self.failures:
                self.failures -= 1
                raise StoreUnavailable("disk full")
        self.committed += 1
        if self.lost:
            self.lost -= 1
            raise CommitUnconfirmed("connection reset")


@pytest.fixture
def watched(database: Database) -> Watched:
    return Watched(database)


@contextmanager
def writing(database: Any, **options: Any) -> Iterator[Writer]:
    writer = Writer(database, **options)
    try:
        yield writer
    finally:
        writer.close()


def put(transaction: Transaction, key: int) -> str:
    """Insert the object with this key; negative ones are refused, and 13 is where the program has a bug."""
    if key < 0:
        raise InvalidInput(f"negative: {key}")
    insert(transaction, OBJECTS, object_row(key))
    if key == 13:
        raise ZeroDivisionError("a bug")
    if key == 14:
        raise StoreUnavailable("the transaction is dead")
    return f"put {key}"


PUT = each(put)


def outcomes(writer: Writer, commands: Sequence[tuple[Callable[..., Any], Any]]) -> list[Any]:
    """What each command came to when all were waiting, in this order, at the time the writer took the first."""
    held, release = threading.Event(), threading.Event()

    def hold(_transaction: Transaction, arguments: Sequence[object]) -> list[None]:
        held.set()
        release.wait()
        return [None for _ in arguments]

    with ThreadPoolExecutor(max_workers=len(commands) + 1) as pool:
        pool.submit(writer.submit, hold, None)
        held.wait()
        waiting: list[Future[Any]] = []
        for handler, argument in commands:
            waiting.append(pool.submit(writer.submit, handler, argument))
            while writer._queue.qsize() < len(waiting):
                os.sched_yield()
        release.set()
        return [future.exception() or future.result() for future in waiting]


def keys(database: Database) -> list[int]:
    return [row["key"] for row in rows_of(database, OBJECTS)]


def test_a_caller_gets_the_result_of_its_command_when_all_can_read_what_it_wrote(database):
    with writing(database) as writer:
        assert writer.submit(PUT, 1) == "put 1"
        assert keys(database) == [1]


def test_a_caller_gets_the_error_of_its_command_which_has_written_nothing(database):
    with writing(database) as writer:
        with pytest.raises(InvalidInput, match=r"^negative: -1$"):
            writer.submit(PUT, -1)
        assert keys(database) == []
        assert writer.submit(PUT, 1) == "put 1"


@pytest.mark.parametrize(
    ("most", "commits"),
    [
        pytest.param(64, 1, id="all-at-once"),
        pytest.param(6, 1, id="as-many-as-there-are"),
        pytest.param(4, 2, id="up-to-four"),
        pytest.param(1, 6, id="each-on-its-own"),
    ],
)
def test_commands_that_wait_together_are_committed_together(database, watched, most, commits):
    with writing(watched, most=most) as writer:
        assert outcomes(writer, [(PUT, key) for key in range(6)]) == [f"put {key}" for key in range(6)]
    assert watched.committed == 1 + commits  # the one they waited behind
    assert keys(database) == [0, 1, 2, 3, 4, 5]


def test_callers_who_come_again_at_once_are_committed_together_again(database, watched):
    """Without waiting for those just answered, one half of them would be committed while the other half waits."""

    def slow(_transaction: Transaction, arguments: Sequence[int]) -> list[int]:
        time.sleep(0.1)
        return list(arguments)

    with writing(watched) as writer, ThreadPoolExecutor(max_workers=4) as callers:
        list(callers.map(lambda caller: [writer.submit(slow, caller) for _ in range(5)], range(4)))
    assert 5 <= watched.committed <= 8


def test_neighbours_of_one_kind_are_carried_out_at_once_and_in_order(database):
    calls = []

    def many(name: str) -> Callable[..., Any]:
        def handler(_transaction: Transaction, arguments: Sequence[int]) -> list[str]:
            calls.append((name, list(arguments)))
            return [f"{name}{argument}" for argument in arguments]

        return handler

    a, b = many("a"), many("b")
    with writing(database) as writer:
        assert outcomes(writer, [(a, 1), (a, 2), (b, 3), (a, 4)]) == ["a1", "a2", "b3", "a4"]
    assert calls == [("a", [1, 2]), ("b", [3]), ("a", [4])]


def test_a_refused_command_does_not_keep_the_others_of_its_group(database, watched):
    with writing(watched) as writer:
        first, refused, last = outcomes(writer, [(PUT, 1), (PUT, -2), (PUT, 3)])
    assert (first, last) == ("put 1", "put 3")
    assert (type(refused), str(refused)) == (InvalidInput, "negative: -2")
    assert keys(database) == [1, 3]
    assert watched.committed == 2


@pytest.mark.parametrize(
    ("culprit", "error"),
    [pytest.param(13, ZeroDivisionError, id="a-bug"), pytest.param(14, StoreUnavailable, id="a-dead-transaction")],
)
def test_an_unexpected_error_is_that_of_one_command_and_the_others_are_committed(database, culprit, error):
    with writing(database) as writer:
        first, failed, refused, last = outcomes(writer, [(PUT, 1), (PUT, culprit), (PUT, -1), (PUT, 2)])
        assert (first, last) == ("put 1", "put 2")
        assert (type(failed), type(refused)) == (error, InvalidInput)
        assert keys(database) == [1, 2]
        assert writer.submit(PUT, 3) == "put 3"


def test_commands_whose_commit_may_have_happened_are_not_carried_out_again(database, watched):
    """What they created would be refused as there already."""

    def lose(_transaction: Transaction, arguments: Sequence[object]) -> list[None]:
        watched.lost = 1
        return [None for _ in arguments]

    with writing(watched) as writer:
        results = outcomes(writer, [(PUT, 2), (lose, None), (PUT, 3)])
    assert [type(one) for one in results] == [CommitUnconfirmed] * 3
    assert keys(database) == [2, 3]
    assert watched.begun == 2  # that of what they waited for, and theirs


def test_nobody_is_told_of_success_before_the_commit(database, watched):
    """The commit of the group fails, and the first one that is tried again on its own; the second succeeds."""
    with writing(watched) as writer:

        def fail(transaction: Transaction, key: int) -> str:
            watched.failures = watched.failures or 2
            return put(transaction, key)

        first, second = outcomes(writer, [(each(fail), 1), (PUT, 2)])
    assert (type(first), str(first)) == (StoreUnavailable, "disk full")
    assert second == "put 2"
    assert keys(database) == [2]


def test_closing_commits_what_is_queued(database):
    held, release = threading.Event(), threading.Event()

    def hold(_transaction: Transaction, arguments: Sequence[object]) -> list[None]:
        held.set()
        release.wait()
        return [None for _ in arguments]

    writer = Writer(database)
    with ThreadPoolExecutor(max_workers=8) as pool:
        pool.submit(writer.submit, hold, None)
        held.wait()
        waiting = [pool.submit(writer.submit, PUT, key) for key in range(5)]
        while writer._queue.qsize() < 5:
            os.sched_yield()
        closed = pool.submit(writer.close)
        while writer._queue.qsize() < 6:
            os.sched_yield()
        release.set()
        closed.result()
        assert keys(database) == [0, 1, 2, 3, 4]
        assert sorted(future.result() for future in waiting) == [f"put {key}" for key in range(5)]


def test_a_closed_writer_takes_no_more_commands(database):
    writer = Writer(database)
    writer.close()
    with pytest.raises(StoreUnavailable, match=r"^the store is closing$"):
        writer.submit(PUT, 1)
    writer.close()
    assert keys(database) == []


def test_a_command_that_comes_while_the_writer_closes_is_answered(database):
    """It is committed or refused: nobody waits for an answer that never comes."""
    writer, start = Writer(database), threading.Barrier(9)

    def submit(key: int) -> bool:
        start.wait()
        try:
            writer.submit(PUT, key)
        except StoreUnavailable:
            return False
        return True

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = [pool.submit(submit, key) for key in range(8)]
        start.wait()
        writer.close()
        accepted = [key for key, answer in enumerate(answers) if answer.result(timeout=30)]
    assert keys(database) == accepted


def test_threads_that_write_at_once_all_get_their_own_answer(database):
    with writing(database) as writer, ThreadPoolExecutor(max_workers=8) as pool:
        given = [key if key % 3 else -key - 1 for key in range(100, 160)]
        waiting = [pool.submit(writer.submit, PUT, key) for key in given]
        for key, future in zip(given, waiting, strict=True):
            if key < 0:
                assert str(future.exception()) == f"negative: {key}"
            else:
                assert future.result() == f"put {key}"
    assert keys(database) == sorted(key for key in given if key > 0)


# --- checking --------------------------------------------------------------------------------------------------------


def test_a_writer_at_work_answers(watched):
    with writing(watched) as writer:
        writer.check(within_s=30)
    assert (watched.begun, watched.committed) == (1, 1)


def test_a_writer_that_cannot_commit_says_so(watched):
    watched.failures = 1
    with writing(watched) as writer, pytest.raises(StoreUnavailable, match="disk full"):
        writer.check(within_s=30)


def test_a_writer_that_is_closed_says_so(watched):
    with writing(watched) as writer:
        pass
    with pytest.raises(StoreUnavailable, match="closing"):
        writer.check(within_s=30)


def test_a_writer_that_is_stuck_is_not_waited_for(watched):
    release = threading.Event()

    def stuck(transaction: Transaction, arguments: Sequence[None]) -> Sequence[None]:
        release.wait()
        return arguments

    with writing(watched) as writer, ThreadPoolExecutor() as pool:
        submitted = pool.submit(writer.submit, stuck, None)
        try:
            with pytest.raises(StoreUnavailable, match=r"within 0\.05 s"):
                writer.check(within_s=0.05)
        finally:
            release.set()
        assert submitted.result() is None
