"""The one writer of a process: requests queue their commands, and many are committed in one transaction.

A commit costs a flush to disk whatever it holds. While one group commits, the next gathers; nobody waits for a
clock. A caller gets its own verdict, after its commit is durable and never before.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial, wraps
from itertools import groupby
from time import monotonic_ns
from typing import Any, TypeAlias, TypeVar

from tams_data.engines.base import Database
from tams_data.engines.retrying import retried
from tams_data.errors import CommitUnconfirmed, StoreUnavailable, TamsDataError, TransactionConflict
from tams_data.store.outbox import Announcing, Outbox
from tams_data.tracing import NO_TRACER, Tracer

A = TypeVar("A")
R = TypeVar("R")

Handler: TypeAlias = Callable[[Announcing, Sequence[A]], Sequence[R | TamsDataError]]
"""Carries out commands of one kind, in order, and gives a result or an error for each.

A command that ends in an error has written nothing: handlers check first and write last.
"""


def each(command: Callable[[Announcing, A], R]) -> Handler[A, R]:
    """The handler that carries out one command after the other."""

    @wraps(command)
    def handle(transaction: Announcing, arguments: Sequence[A]) -> list[R | TamsDataError]:
        return [_verdict(command, transaction, argument) for argument in arguments]

    return handle


def _verdict(command: Callable[[Announcing, A], R], transaction: Announcing, argument: A) -> R | TamsDataError:
    try:
        return command(transaction, argument)
    except StoreUnavailable:
        raise  # the transaction is dead, and every command in it with it
    except TamsDataError as error:
        return error


_PATIENCE = 3
"""The writer waits for callers who may come again a third of what their last commit took, and no longer than below."""

_MOST_PATIENCE_NS = 7_000_000
"""Of the sole writer, for whom a longer commit is one of many rows, which cost the same in one commit as in two."""

_MOST_PATIENCE_AFAR_NS = 50_000_000
"""Of one among several writers: a commit is some requests to another machine, whatever there is in it."""


@dataclass(frozen=True)
class _Queued:
    handler: Handler[Any, Any]
    argument: Any
    outcome: Future[Any]


class Writer:
    """Commits commands in groups of up to `most`, on a thread of its own."""

    def __init__(
        self,
        database: Database,
        *,
        most: int = 64,
        rolled_back: Callable[[], object] | None = None,
        announced: Callable[[], object] | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        """`rolled_back` is called when a group was not committed: for handlers that remember what they wrote.

        `announced` is called when events were committed.
        """
        self.committed: Callable[[int, int], object] | None = None
        """Told of each group: how many commands it had, and how long it took to carry out and commit, ns."""
        self._database, self._tracer = database, tracer
        self._most = most
        self._rolled_back, self._announced = rolled_back, announced
        self._outbox = Outbox(database)
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._closed = False
        self._expected, self._patience_ns = 1, 0
        self._most_patience_ns = _MOST_PATIENCE_NS if database.sole_writer else _MOST_PATIENCE_AFAR_NS
        self._closing = threading.Lock()  # nothing is queued behind the end of the queue, where nobody would answer it
        self._thread = threading.Thread(target=self._run, name="tams-writer", daemon=True)
        self._thread.start()

    def submit(self, handler: Handler[A, R], argument: A) -> R:
        """Carry out one command and return its result once it is durable.

        :raise TamsDataError: the command's own verdict; it has written nothing.
        :raise StoreUnavailable: the writer is closed, or the engine cannot write now.
        """
        with self._tracer.span("commit", command=getattr(handler, "__name__", "")):
            result: R = self._enqueue(handler, argument).result()
            return result

    @property
    def waiting(self) -> int:
        """How many commands wait for their group, about."""
        return self._queue.qsize()

    def check(self, *, within_s: float) -> None:
        """Return when what was queued before is committed: the writer is at work.

        :raise StoreUnavailable: it is not within the time, it is closed, or the engine cannot write now.
        """
        outcome = self._enqueue(_nothing, None)
        if not wait([outcome], timeout=within_s).done:
            raise StoreUnavailable(f"the writer did not answer within {within_s} s")
        outcome.result()

    def _enqueue(self, handler: Handler[A, R], argument: A) -> Future[Any]:
        queued = _Queued(handler, argument, Future())
        with self._closing:
            if self._closed:
                raise StoreUnavailable("the store is closing")
            self._queue.put(queued)
        return queued.outcome

    def close(self) -> None:
        """Commit what is queued, then stop."""
        with self._closing:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = self._gather(first)
            began = monotonic_ns()
            self._commit(group)
            took_ns = monotonic_ns() - began
            if self.committed is not None:
                self.committed(len(group), took_ns)
            self._expected = len(group) + self._queue.qsize()
            self._patience_ns = min(took_ns // _PATIENCE, self._most_patience_ns)
            if last:
                return

    def _gather(self, first: _Queued) -> tuple[list[_Queued], bool]:
        """The first command and those that wait behind it; and whether the queue ended.

        Callers who were just answered often come again at once, so as many as there were are waited for, but no longer
        than a part of what their commit took: one commit for all of them is shorter than two for half of them each.
        """
        group, until_ns = [first], monotonic_ns() + self._patience_ns
        while len(group) < self._most:
            wait_ns = until_ns - monotonic_ns() if len(group) < self._expected else 0
            try:
                following = self._queue.get(timeout=max(wait_ns, 0) / 10**9)
            except queue.Empty:
                break
            if following is None:
                return group, True
            group.append(following)
        return group, False

    def _commit(self, group: Sequence[_Queued]) -> None:
        try:
            verdicts, announced = retried(partial(self._carry_out, group))
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the caller who waits for it
            self._fail(group, error)
        else:
            for queued, verdict in verdicts:
                _settle(queued.outcome, verdict)
            if announced and self._announced is not None:
                self._announced()

    def _carry_out(self, group: Sequence[_Queued]) -> tuple[list[tuple[_Queued, Any]], bool]:
        """What came of each command, in one transaction, and whether there are events of it.

        Of a conflict, nothing: it is to be carried out again.
        """
        try:
            with self._tracer.span("transaction", commands=len(group)), self._database.transaction() as transaction:
                announcer = self._outbox.begin(transaction)
                verdicts = list(zip(group, _carry_out(announcer, group), strict=True))
                return verdicts, announcer.write()
        except TransactionConflict:
            self._forget()
            raise

    def _fail(self, group: Sequence[_Queued], error: Exception) -> None:
        """Nothing of the group was written: let each command answer for itself.

        Where it may have been, none is carried out again: what was created would be refused as there already.
        """
        self._forget()
        if len(group) == 1 or isinstance(error, CommitUnconfirmed):
            for queued in group:
                queued.outcome.set_exception(error)
        else:
            for queued in group:
                self._commit([queued])

    def _forget(self) -> None:
        self._outbox.forget()
        if self._rolled_back is not None:
            self._rolled_back()


def _nothing(transaction: Announcing, arguments: Sequence[None]) -> Sequence[None]:  # noqa: ARG001  # it is a handler
    return arguments


def _carry_out(transaction: Announcing, group: Sequence[_Queued]) -> Iterator[Any]:
    for handler, neighbours in groupby(group, key=lambda queued: queued.handler):
        yield from handler(transaction, [queued.argument for queued in neighbours])


def _settle(outcome: Future[Any], verdict: Any) -> None:
    if isinstance(verdict, TamsDataError):
        outcome.set_exception(verdict)
    else:
        outcome.set_result(verdict)
