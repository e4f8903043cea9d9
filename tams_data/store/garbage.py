"""What nobody will use any more: objects allocated and never registered, and objects that nothing refers to.

TAMS 8.2, POST storage: what is not registered is collected after the `min_object_timeout` that the service tells, and
a grace. DELETE segments: objects are only deleted when no segment and no object refers to them. The same transaction
that lets them go checks this once more and notes their bytes, which the sweeper deletes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import time_ns

from tams_data.engines.base import Database, Transaction
from tams_data.formatting import count_of
from tams_data.queries import objects as queries
from tams_data.store import segments, walks
from tams_data.store.allocations import Allocations
from tams_data.store.discards import Orphan, discard
from tams_data.store.walks import Step, Walk
from tams_data.store.writer import Writer, each
from tams_data.timerange import NS_PER_SECOND

log = logging.getLogger(__name__)

BATCH = 500
"""Most allocations that are let go in one transaction."""

STRIDE = 10_000
"""Objects that one step looks at. Of ten million objects a walk takes an hour and a half, at a few ms each 5 s."""

PAUSE_S = 4
"""How long after a step the next one is due: less than any process takes to look again."""

ROUND_S = 3600
"""How long after a walk through all objects the next one begins."""

_JOB = "collecting"


@dataclass(frozen=True)
class Expired:
    """Objects that were allocated before `before_ns` and are to be let go."""

    object_ids: tuple[str, ...]
    before_ns: int
    now_ns: int


class Expirer:
    """Lets go of allocations that were not registered in time."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        allocations: Allocations,
        *,
        after_ns: int,
        discarded: Callable[[], object],
        clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """`after_ns` is their time with its grace; `discarded` is told when there are bytes to delete."""
        self._database, self._writer, self._allocations = database, writer, allocations
        self._after_ns, self._discarded, self._clock_ns = after_ns, discarded, clock_ns
        self._expire = each(self._let_go)

    def step(self) -> bool:
        """Let go of up to `BATCH` of them; whether there may be more."""
        now_ns = self._clock_ns()
        before_ns = now_ns - self._after_ns
        found = self._database.read(queries.allocated_before, {"before_ns": before_ns}, limit=BATCH)
        object_ids = tuple(found["object_id"].to_pylist())
        if object_ids:
            gone = self._writer.submit(self._expire, Expired(object_ids, before_ns, now_ns))
            log.info("collected, as not registered in time: %s", count_of(gone, "object"))
            self._discarded()
        return len(object_ids) == BATCH

    def _let_go(self, transaction: Transaction, expired: Expired) -> int:
        found = self._allocations.find(transaction, expired.object_ids).values()
        records = [record for record in found if record.created_ns < expired.before_ns]
        self._allocations.claim(transaction, records)
        discard(transaction, [Orphan(one.object_id, one.storage_id) for one in records], expired.now_ns)
        return len(records)


@dataclass(frozen=True)
class Unreferenced:
    """Objects that nothing seemed to refer to, by their keys."""

    keys: tuple[int, ...]
    now_ns: int


def remove(transaction: Transaction, found: Unreferenced) -> list[Orphan]:
    """Delete those of the objects that nothing refers to, as the transaction sees it; their bytes."""
    return segments.remove_unreferenced(transaction, list(found.keys), found.now_ns)


class Collector:
    """Walks through all objects, a stride at a time, and deletes those that nothing refers to.

    Deletions of segments delete the objects that they leave unused; here come those that no segment ever used, and
    whatever else should not be.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        after_ns: int,
        discarded: Callable[[], object],
        clock_ns: Callable[[], int] = time_ns,
        stride: int = STRIDE,
    ) -> None:
        """Only objects that are there for `after_ns` go; `discarded` is told when there are bytes to delete."""
        self._database, self._writer, self._stride = database, writer, stride
        self._after_ns, self._discarded, self._clock_ns = after_ns, discarded, clock_ns
        self._take, self._remove = each(walks.take), each(remove)

    def step(self) -> bool:
        """Look at the next objects, if that is due and nobody else does. Never more at once: the walk goes slowly."""
        now_ns, at = self._clock_ns(), walks.find(self._database, _JOB)
        if at.next_ns > now_ns:
            return False
        keys = self._next_keys(at, now_ns)
        to = self._next(keys, now_ns)
        if self._writer.submit(self._take, Step(at, to)) and (unused := segments.unreferenced(self._database, keys)):
            self._writer.submit(self._remove, Unreferenced(tuple(unused), now_ns))
            log.info("collected, as nothing refers to them: %s", count_of(len(unused), "object"))
            self._discarded()
        return False

    def _next(self, keys: list[int], now_ns: int) -> Walk:
        """Where the walk stands behind these objects: a step on, or at the end, to begin anew later."""
        if len(keys) == self._stride:
            return Walk(_JOB, keys[-1], now_ns + PAUSE_S * NS_PER_SECOND)
        return Walk(_JOB, 0, now_ns + ROUND_S * NS_PER_SECOND)

    def _next_keys(self, at: Walk, now_ns: int) -> list[int]:
        wanted = {"after_key": at.position, "before_ns": now_ns - self._after_ns}
        keys: list[int] = self._database.read(queries.registered_before, wanted, limit=self._stride)["key"].to_pylist()
        return keys
