"""Transactions: snapshots, which DuckDB keeps, and conflicts between writers, which are found here.

DuckDB misses an update and a delete of one row by two transactions, and knows nothing of names in a catalogue. So each
transaction claims what it writes before it writes it: whoever comes second is refused, while the first is open as well
as after it committed, unless the second began later.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt

from tests.vast_emulator.errors import Conflict, NotFound

RowIds = npt.NDArray[np.uint64]


@dataclass
class Writes:
    """What a transaction wrote."""

    names: set[Hashable] = field(default_factory=set)
    rows: dict[int, list[RowIds]] = field(default_factory=dict)  # by the handle of the table

    def overlap(self, handle: int, rows: RowIds) -> bool:
        """Tell whether any of `rows` is among those written."""
        return any(np.intersect1d(rows, written).size for written in self.rows.get(handle, ()))

    def __bool__(self) -> bool:
        return bool(self.names or self.rows)


@dataclass
class Transaction:
    """One that is open: what it sees is the state when it began, with what it wrote itself."""

    txid: int
    cursor: duckdb.DuckDBPyConnection
    began: int  # the number of commits before it
    catalogue: int  # the last of them that wrote names
    used: float  # monotonic seconds
    writes: Writes = field(default_factory=Writes)
    lock: threading.RLock = field(default_factory=threading.RLock)  # a cursor is for one thread at a time


class Transactions:
    """The open transactions of one database, and what the committed ones wrote for as long as it matters."""

    def __init__(self, database: duckdb.DuckDBPyConnection, idle_limit: float) -> None:
        """Begin transactions on `database`; one that was not heard of for `idle_limit` seconds is rolled back."""
        self._database = database
        self._idle_limit = idle_limit
        self._open: dict[int, Transaction] = {}
        self._committed: list[tuple[int, Writes]] = []
        self._commits = self._catalogue = 0
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def begin(self) -> Transaction:
        """Open a transaction."""
        with self._lock:
            self._roll_back_idle()
            cursor = self._database.cursor()
            cursor.execute("BEGIN")
            # DuckDB takes the snapshot with the first statement that reads.
            cursor.execute("SELECT count(*) FROM catalogue.buckets").fetchall()
            begun = Transaction(next(self._numbers), cursor, self._commits, self._catalogue, time.monotonic())
            self._open[begun.txid] = begun
            return begun

    @contextmanager
    def use(self, txid: int) -> Iterator[Transaction]:
        """Give an open transaction, to this thread alone; 0 is one that is committed when the block ends.

        :raise NotFound: when it is not open
        """
        if txid == 0:
            with self._implicit() as begun:
                yield begun
            return
        found = self._find(txid)
        with found.lock:
            self._find(txid)  # it may have ended while this thread waited for it
            found.used = time.monotonic()
            yield found

    @contextmanager
    def _implicit(self) -> Iterator[Transaction]:
        begun = self.begin()
        try:
            yield begun
        except BaseException:
            self.roll_back(begun.txid)
            raise
        self.commit(begun.txid)

    def _find(self, txid: int) -> Transaction:
        with self._lock:
            if txid not in self._open:
                raise NotFound(f"transaction {txid} is not open", code="NoSuchTransaction")
            return self._open[txid]

    def commit(self, txid: int) -> None:
        """Let every later transaction see what this one wrote.

        :raise NotFound: when it is not open
        :raise duckdb.TransactionException: when DuckDB finds that it cannot be; the transaction is over
        """
        with self._ending(txid) as ended:
            ended.cursor.execute("COMMIT")
            self._commits += 1
            if ended.writes.names:
                self._catalogue = self._commits
            if ended.writes:
                self._committed.append((self._commits, ended.writes))

    def roll_back(self, txid: int) -> None:
        """End a transaction as if it had never been.

        :raise NotFound: when it is not open
        """
        with self._ending(txid) as ended:
            ended.cursor.execute("ROLLBACK")

    @contextmanager
    def _ending(self, txid: int) -> Iterator[Transaction]:
        """Hold everybody else: what is written is either among the open or among the committed, at any time."""
        with self.use(txid) as ended, self._lock:
            try:
                yield ended
            finally:
                ended.cursor.close()
                del self._open[txid]
                self._forget()

    def _forget(self) -> None:
        """Drop what was written before the oldest open transaction began."""
        oldest = min((one.began for one in self._open.values()), default=self._commits)
        self._committed = [(number, writes) for number, writes in self._committed if number > oldest]

    def _roll_back_idle(self) -> None:
        heard_since = time.monotonic() - self._idle_limit
        for one in [one for one in self._open.values() if one.used < heard_since]:
            # One that is in use is not idle, and to wait for it here could be to wait for ever.
            if one.lock.acquire(blocking=False):
                try:
                    self.roll_back(one.txid)
                finally:
                    one.lock.release()

    def claim(self, transaction: Transaction, *names: Hashable) -> None:
        """Let `transaction` alone write what `names` stand for.

        :raise Conflict: when another one has, and this one does not see it
        """
        with self._lock:
            for other in self._unseen(transaction):
                if taken := other.names.intersection(names):
                    raise Conflict(f"another transaction wrote {taken}")
            transaction.writes.names.update(names)

    def claim_rows(self, transaction: Transaction, handle: int, rows: RowIds) -> None:
        """Let `transaction` alone write these rows of a table.

        :raise Conflict: when another one has, and this one does not see it
        """
        with self._lock:
            if any(other.overlap(handle, rows) for other in self._unseen(transaction)):
                raise Conflict(f"another transaction wrote the same rows of table {handle}")
            transaction.writes.rows.setdefault(handle, []).append(rows)

    def _unseen(self, transaction: Transaction) -> list[Writes]:
        self._roll_back_idle()
        return [
            *(one.writes for one in self._open.values() if one is not transaction),
            *(writes for number, writes in self._committed if number > transaction.began),
        ]

    def close(self) -> None:
        """Roll back what is open."""
        for txid in list(self._open):
            self.roll_back(txid)
