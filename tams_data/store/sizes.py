"""The sizes of objects that clients upload past the service: asked of the media store once they are registered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import time_ns

from tams_data import schema
from tams_data.engines.base import Database, Transaction
from tams_data.errors import MediaStoreFailed
from tams_data.media import MediaStore
from tams_data.queries import objects as queries
from tams_data.queries import segments as segment_queries
from tams_data.store.reading import flow_rows
from tams_data.store.writer import Writer, each
from tams_data.timerange import NS_PER_SECOND

BATCH = 100
"""Most objects of a backend that are measured in one go."""

SETTLED_S = 30
"""So long after their registration objects are measured: by then, all that were registered before are committed."""

_AT_ONCE = 8


class Measurer:
    """Measures each object once; one whose bytes are missing then is measured again when the service starts anew."""

    def __init__(
        self,
        database: Database,
        media: Mapping[str, MediaStore],
        writer: Writer,
        *,
        clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        self._database, self._media, self._writer, self._clock_ns = database, media, writer, clock_ns
        self._after = dict.fromkeys(media, (0, 0))  # (created_ns, key) of the last that was measured on each backend
        self._record = each(record)

    def step(self) -> bool:
        """Measure up to `BATCH` objects on each backend; whether there may be more.

        :raise MediaStoreFailed: a backend could not say; its objects are measured later.
        """
        found: list[int] = []
        failures: list[MediaStoreFailed] = []
        for storage_id in self._media:
            try:
                found.append(self._measure(storage_id))
            except MediaStoreFailed as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return BATCH in found

    def _measure(self, storage_id: str) -> int:
        """Measure a batch; how many objects it had."""
        values = {
            "storage_id": storage_id,
            "after": self._after[storage_id],
            "before_ns": self._clock_ns() - SETTLED_S * NS_PER_SECOND,
        }
        rows = self._database.rows(queries.unsized, values, limit=BATCH)
        if rows:
            with ThreadPoolExecutor(_AT_ONCE, "tams-measuring") as pool:
                stats = list(pool.map(self._media[storage_id].stat, [row["id"] for row in rows]))
            sizes = {row["key"]: stat.size_bytes for row, stat in zip(rows, stats, strict=True) if stat is not None}
            if sizes:
                self._writer.submit(self._record, sizes)
            self._after[storage_id] = (rows[-1]["created_ns"], rows[-1]["key"])
        return len(rows)


def record(transaction: Transaction, sizes: Mapping[int, int]) -> None:
    """Note sizes in bytes by object key, of objects that have none yet, and what flows weigh with them."""
    known = transaction.rows(queries.sizes, {"keys": list(sizes)})
    new = {row["key"]: sizes[row["key"]] for row in known if row["size_bytes"] is None}
    if not new:
        return
    rows = [{"key": key, "size_bytes": size_bytes} for key, size_bytes in new.items()]
    transaction.update(schema.OBJECTS, schema.OBJECTS.part(["key", "size_bytes"], rows))
    more: Counter[str] = Counter()
    for use in transaction.rows(segment_queries.uses, {"keys": list(new)}):
        more[use["flow_id"]] += use["count"] * new[use["object_key"]]
    flows = flow_rows(transaction, sorted(more))
    timelines = [{"flow_id": id_, "size_bytes": flow["size_bytes"] + more[id_]} for id_, flow in flows.items()]
    transaction.update(schema.FLOW_TIMELINES, schema.FLOW_TIMELINES.part(["flow_id", "size_bytes"], timelines))
