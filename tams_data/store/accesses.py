"""How often objects are asked for: noted in memory while requests are answered, written in batches in the background.

A request pays for a dictionary entry, never for a transaction. What was noted in the last seconds is lost in a crash,
and a batch whose commit is in doubt may be counted twice: these are figures of use, not accounts.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from time import time_ns
from typing import Generic, TypeVar

import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.errors import TamsDataError
from tams_data.queries import objects as queries
from tams_data.store import locks
from tams_data.store.objects import find_registered
from tams_data.store.writer import Writer, each

log = logging.getLogger(__name__)

MOST = 200_000
"""Of so many objects accesses are held at once, at some 200 bytes each. Of others they go uncounted until then."""

BATCH = 2000
"""Most objects whose counts are written in one transaction, which other writes may have to wait for."""

K = TypeVar("K", int, str)


@dataclass(frozen=True)
class Seen:
    """How often something was asked for, and when last, ns UTC."""

    count: int
    last_ns: int


class Tally(Generic[K]):
    """Counts things by name, up to `most` different ones or a few more. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[K] = Counter()
        self._last_ns: dict[K, int] = {}
        self._lock = threading.Lock()

    def add(self, names: Collection[K], now_ns: int) -> None:
        """Count each of `names` once more, unless there are too many already."""
        with self._lock:
            if len(self._counts) < self._most:
                self._counts.update(names)
                self._last_ns.update(dict.fromkeys(names, now_ns))

    def take(self, most: int) -> dict[K, Seen]:
        """Remove up to `most` of what is counted, and give it."""
        with self._lock:
            names = list(islice(self._counts, most))
            return {name: Seen(self._counts.pop(name), self._last_ns.pop(name)) for name in names}

    def put_back(self, taken: Mapping[K, Seen]) -> None:
        """Count what was taken after all."""
        with self._lock:
            for name, seen in taken.items():
                self._counts[name] += seen.count
                self._last_ns[name] = max(seen.last_ns, self._last_ns.get(name, seen.last_ns))


@dataclass(frozen=True)
class Accesses:
    """What was asked for: URLs by object key, bytes by object id."""

    urls: Mapping[int, Seen]
    gets: Mapping[str, Seen]


class AccessCounter:
    """Notes accesses, and writes what it noted at each `step`."""

    def __init__(self, writer: Writer, *, most: int = MOST) -> None:
        """`most` is of how many objects accesses are held; 0: nothing is counted."""
        self._writer = writer
        self._urls: Tally[int] = Tally(most)
        self._gets: Tally[str] = Tally(most)
        self._record = each(record)

    def urls_given(self, keys: Collection[int]) -> None:
        """An answer has URLs of the objects with these keys."""
        self._urls.add(keys, time_ns())

    def bytes_sent(self, object_id: str) -> None:
        """An answer has bytes of this object."""
        self._gets.add((object_id,), time_ns())

    def step(self) -> bool:
        """Write the counts of up to `BATCH` objects; whether there may be more.

        :raise StoreUnavailable: they could not be written, and are kept.
        """
        urls, gets = self._urls.take(BATCH), self._gets.take(BATCH)
        if not (urls or gets):
            return False
        try:
            self._writer.submit(self._record, Accesses(urls, gets))
        except BaseException:
            self._urls.put_back(urls)
            self._gets.put_back(gets)
            raise
        return BATCH in (len(urls), len(gets))

    def close(self) -> None:
        """Write all that is counted, or log that it is lost."""
        try:
            while self.step():
                pass
        except TamsDataError as error:
            log.warning("accesses of the last seconds are lost: %s", error)


def record(transaction: Transaction, accesses: Accesses) -> None:
    """Add accesses to those noted before, of the objects that are still there.

    Of one that another process deletes at the same time a row may stay: its key is never given out again.
    """
    transaction.lock(locks.ACCESSES)  # two processes must not both insert the row of an object
    keys = {object_id: row["key"] for object_id, row in find_registered(transaction, list(accesses.gets)).items()}
    gets = {keys[object_id]: seen for object_id, seen in accesses.gets.items() if object_id in keys}
    wanted = sorted({*gets, *accesses.urls})
    given = pa.table({"key": pa.array(wanted, pa.int64())})
    known = transaction.rows(queries.accesses, {"keys": given})
    old = [row for row in known if row["last_ns"] is not None]
    new = [{**row, "media_gets": 0, "urls_given": 0, "last_ns": 0} for row in known if row["last_ns"] is None]
    table = schema.OBJECT_ACCESSES
    transaction.update(table, table.rows(_added(row, gets, accesses.urls) for row in old))
    transaction.insert(table, table.rows(_added(row, gets, accesses.urls) for row in new))


_NEVER = Seen(0, 0)


def _added(row: Mapping[str, int], gets: Mapping[int, Seen], urls: Mapping[int, Seen]) -> dict[str, int]:
    got, given = gets.get(row["key"], _NEVER), urls.get(row["key"], _NEVER)
    return {
        "object_key": row["key"],
        "media_gets": row["media_gets"] + got.count,
        "urls_given": row["urls_given"] + given.count,
        "last_ns": max(row["last_ns"], got.last_ns, given.last_ns),
    }
