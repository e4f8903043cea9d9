"""What is allocated and not registered yet: the one place that reads and writes `storage_allocations`.

A recorder registers an object seconds after it was allocated. The process that is the only writer of its store can
therefore remember what it allocated, and need not look it up: a third of what an array of segments costs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Reader, Transaction
from tams_data.queries import objects as queries

_RECORD = schema.STORAGE_ALLOCATIONS.record

_FEW = 32
"""Up to so many ids are looked up by index."""


class Allocations:
    """The allocations of a store, some of them remembered; used by its writer alone.

    What is remembered agrees with the rows of the transaction under way: every change goes through here, and when a
    transaction is rolled back all is forgotten. That costs a look-up, never a wrong answer.
    """

    def __init__(self, most: int = 0) -> None:
        """Remember up to `most` allocations; none where other processes write to the store as well."""
        self._most = most
        self._known: dict[str, Any] = {}  # records by object id

    def find(self, reader: Reader, ids: Collection[str]) -> dict[str, Any]:
        """Records of `storage_allocations` by object id, for those of `ids` that are allocated and not registered."""
        known = self._known
        found = {one: known[one] for one in ids if one in known}
        return (
            found
            if len(found) == len(ids)
            else {**found, **find_allocated(reader, [one for one in ids if one not in found])}
        )

    def add(self, transaction: Transaction, records: Sequence[Any]) -> None:
        """Allocate."""
        transaction.insert(schema.STORAGE_ALLOCATIONS, schema.STORAGE_ALLOCATIONS.records(records))
        if len(self._known) + len(records) > self._most:
            self._known.clear()
        if len(records) <= self._most:
            self._known.update((record.object_id, record) for record in records)

    def set_size(self, transaction: Transaction, record: Any, size_bytes: int) -> None:
        """Note how many bytes were uploaded."""
        names = ("object_key", "size_bytes")
        change = {"object_key": record.object_key, "size_bytes": size_bytes}
        transaction.update(schema.STORAGE_ALLOCATIONS, schema.STORAGE_ALLOCATIONS.part(names, [change]))
        if record.object_id in self._known:
            self._known[record.object_id] = record._replace(size_bytes=size_bytes)

    def claim(self, transaction: Transaction, records: Collection[Any]) -> None:
        """Take allocations away: their objects are registered, or their flow is gone."""
        keys = pa.table({"object_key": pa.array([record.object_key for record in records], pa.int64())})
        transaction.delete(schema.STORAGE_ALLOCATIONS, keys)
        for record in records:
            self._known.pop(record.object_id, None)

    def of_flow(self, reader: Reader, flow_id: str) -> list[Any]:
        """The records of what only this flow may register."""
        return _records(reader.read(queries.allocated_for, {"flow_id": flow_id}))

    def forget(self) -> None:
        """Remember nothing: a transaction was rolled back."""
        self._known.clear()


def find_allocated(reader: Reader, ids: Collection[str]) -> dict[str, Any]:
    """Records of `storage_allocations` by object id, for those of `ids` that are allocated and not registered."""
    if not ids:
        return {}
    hashes = [schema.id_hash(one) for one in ids] if len(ids) <= _FEW else hashes_of(ids)
    wanted = frozenset(ids)
    records = _records(reader.read(queries.allocated, {"hashes": hashes}))
    return {record.object_id: record for record in records if record.object_id in wanted}


def hashes_of(ids: Iterable[str]) -> pa.Table:
    """A table to join with, of the column `id_hash`."""
    return pa.table({"id_hash": pa.array([schema.id_hash(one) for one in ids], pa.int64())})


def _records(rows: pa.Table) -> list[Any]:
    columns = [rows[name].to_pylist() for name in schema.STORAGE_ALLOCATIONS.names]
    return list(map(_RECORD._make, zip(*columns, strict=True)))
