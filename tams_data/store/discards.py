"""Bytes that no row refers to any more: noted in the transaction that lets them go, deleted after it, however it ends.

A row of `discarded_bytes` lives until its bytes are gone. While it does, its object id cannot be allocated anew nor
copied to its backend, and bytes are only deleted by who is `alone` and has found the row under it. So no
late deletion can hit bytes that came after.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tams_data import schema
from tams_data.engines.base import Database, Reader, Transaction
from tams_data.errors import MediaStoreFailed, TransactionConflict
from tams_data.media import MediaStore
from tams_data.queries import deletions as queries
from tams_data.store.alone import Alone
from tams_data.store.writer import Writer, each

log = logging.getLogger(__name__)

BATCH = 1000
"""Most objects whose bytes are deleted in one go."""


@dataclass(frozen=True)
class Orphan:
    """An object that nothing refers to any more, on one storage backend: its bytes are to be deleted."""

    object_id: str
    storage_id: str


def discard(transaction: Transaction, orphans: Iterable[Orphan], now_ns: int) -> None:
    """Note bytes that are to be deleted once the transaction is committed."""
    rows = [{"object_id": one.object_id, "storage_id": one.storage_id, "created_ns": now_ns} for one in orphans]
    transaction.insert(schema.DISCARDED_BYTES, schema.DISCARDED_BYTES.rows(rows))


def find_discarded(reader: Reader, object_ids: Iterable[str]) -> set[Orphan]:
    """What is still to be deleted of the bytes of these objects."""
    wanted = sorted(set(object_ids))
    rows = reader.rows(queries.discarded_of, {"object_ids": wanted}) if wanted else []
    return {Orphan(row["object_id"], row["storage_id"]) for row in rows}


def forget(transaction: Transaction, gone: Sequence[Orphan]) -> None:
    """Remove the rows of bytes that are gone."""
    rows = [{"object_id": one.object_id, "storage_id": one.storage_id} for one in gone]
    transaction.delete(schema.DISCARDED_BYTES, schema.DISCARDED_BYTES.keys(rows))


class Sweeper:
    """Deletes discarded bytes, and then their rows."""

    def __init__(self, database: Database, media: Mapping[str, MediaStore], writer: Writer) -> None:
        self._database, self._media, self._writer = database, media, writer
        self._forget = each(forget)
        self.alone = Alone(database)

    def step(self) -> bool:
        """Delete up to `BATCH` of what is discarded on each backend; whether there may be more at once.

        :raise MediaStoreFailed: some could not be deleted; they stay noted.
        """
        if not any(self._all_discarded()):
            return False
        try:
            with self.alone:
                found = self._all_discarded()  # anew: another process may have deleted it
                failures = [error for one in found if (error := self._delete(one)) is not None]
        except TransactionConflict as error:
            log.info("discarded bytes stay for now: %s", error)
            return False
        if failures:
            raise failures[0]
        return any(len(one) == BATCH for one in found)

    def sweep(self, orphans: Sequence[Orphan]) -> bool:
        """Delete those of `orphans` that are still noted; false when some could not be and wait for `step`."""
        failure: MediaStoreFailed | TransactionConflict | None
        try:
            with self.alone:
                noted = find_discarded(self._database, [one.object_id for one in orphans])
                failure = self._delete([one for one in orphans if one in noted and one.storage_id in self._media])
        except TransactionConflict as error:
            failure = error
        if failure is not None:
            log.warning("discarded bytes stay for now: %s", failure)
        return failure is None

    def _all_discarded(self) -> list[list[Orphan]]:
        # Of a backend that the service has no longer, nothing can be deleted: its rows stay.
        return [self._discarded(storage_id) for storage_id in self._media]

    def _discarded(self, storage_id: str) -> list[Orphan]:
        rows = self._database.rows(queries.discarded, {"storage_id": storage_id}, limit=BATCH)
        return [Orphan(row["object_id"], row["storage_id"]) for row in rows]

    def _delete(self, orphans: Sequence[Orphan]) -> MediaStoreFailed | None:
        gone: list[Orphan] = []
        failure = None
        for storage_id in {one.storage_id for one in orphans}:
            there = [one for one in orphans if one.storage_id == storage_id]
            deleted, error = self._delete_there(self._media[storage_id], there)
            gone, failure = gone + deleted, failure or error
        if gone:
            self._writer.submit(self._forget, gone)
        return failure

    def _delete_there(
        self, media: MediaStore, orphans: Sequence[Orphan]
    ) -> tuple[list[Orphan], MediaStoreFailed | None]:
        """Delete bytes; give those that are gone, and why others are not."""
        self.alone.check()
        try:
            media.delete([one.object_id for one in orphans])
        except MediaStoreFailed:
            return self._delete_singly(media, orphans)  # one that cannot go must not keep the rows of the others
        return list(orphans), None

    def _delete_singly(
        self, media: MediaStore, orphans: Sequence[Orphan]
    ) -> tuple[list[Orphan], MediaStoreFailed | None]:
        gone, failure = [], None
        for one in orphans:
            self.alone.check()
            try:
                media.delete([one.object_id])
            except MediaStoreFailed as error:
                failure = error
            else:
                gone.append(one)
        return gone, failure
