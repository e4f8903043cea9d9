"""The right to delete discarded bytes, or to make copied ones visible: one thread of all processes has it at a time.

Within a process it is a lock. Between processes it is a row of `write_locks` that says until when one of them has it:
two who take it at once write that row, so one is in conflict. Who ended without giving it back keeps the others
waiting until then, and who took longer than that must not go on: `check` says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import time_ns

from tams_data import schema
from tams_data.engines.base import Database, Transaction
from tams_data.engines.retrying import retried
from tams_data.errors import TransactionConflict
from tams_data.queries import locks as queries
from tams_data.timerange import NS_PER_SECOND

TERM_NS = 600 * NS_PER_SECOND
"""For how long it is taken."""

RESERVE_NS = 300 * NS_PER_SECOND
"""What must be left of it to begin what cannot be broken off: more than a request to a media store takes, its
attempts and the difference of two machines' clocks."""


class Alone:
    """The right, for one process: a context for each who needs it in turn."""

    def __init__(self, database: Database, *, clock_ns: Callable[[], int] = time_ns) -> None:
        """`clock_ns` counts from the Unix epoch, UTC."""
        self._database, self._clock_ns = database, clock_ns
        self._lock = threading.Lock()
        self._until_ns = 0

    def __enter__(self) -> Alone:
        """Wait for it.

        :raise TransactionConflict: another process has it, for longer than some seconds.
        """
        self._lock.acquire()
        try:
            if not self._database.sole_writer:
                self._until_ns = retried(self._take)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if not self._database.sole_writer:
                retried(self._give_back)
        finally:
            self._lock.release()

    def check(self) -> None:
        """Return when there is time to begin something.

        :raise TransactionConflict: there is not, and another process may soon have the right.
        """
        if not self._database.sole_writer and self._clock_ns() + RESERVE_NS > self._until_ns:
            raise TransactionConflict("deleting or copying bytes took too long to go on")

    def _take(self) -> int:
        now_ns = self._clock_ns()
        with self._database.transaction() as transaction:
            if _until_ns(transaction) > now_ns:
                raise TransactionConflict("another process is deleting or copying bytes")
            _set(transaction, now_ns + TERM_NS)
        return now_ns + TERM_NS

    def _give_back(self) -> None:
        with self._database.transaction() as transaction:
            if _until_ns(transaction) == self._until_ns:
                _set(transaction, 0)


def _until_ns(transaction: Transaction) -> int:
    (row,) = transaction.rows(queries.alone)
    return int(row["number"])


def _set(transaction: Transaction, until_ns: int) -> None:
    row = {"slot": queries.ALONE, "number": until_ns}
    transaction.update(schema.WRITE_LOCKS, schema.WRITE_LOCKS.rows([row]))
