"""Whether a store is what it must be: what breaks one of its rules, found in one state of it and told one by one.

However large the store, few rows are in memory: the engine sorts and joins, on the disk where it has one, and what it
finds streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

from tams_data.engines.base import Database, Scan
from tams_data.keeping.findings import RULES, Finding, Row
from tams_data.media import MediaStore
from tams_data.queries import invariants
from tams_data.queries import locks as lock_queries
from tams_data.store import keys, outbox
from tams_data.store.objects import find_registered

AT_ONCE = 8
"""How many objects a media store is asked for at once, unless the caller says."""

_BATCH = 1000


def verify(database: Database) -> Iterator[Finding]:
    """What is wrong with the rows of a store. It is only read.

    :raise StoreUnavailable: the engine cannot go on.
    """
    with database.scanning() as scan:
        for rule in RULES:
            yield from rule.findings(scan)
        if not database.sole_writer:
            yield from _spent_keys(scan)
            yield from _spent_sequences(scan)


def _spent_keys(scan: Scan) -> Iterator[Finding]:
    """Where several processes write: keys of objects that would be given out again."""
    numbers = scan.read(lock_queries.blocks)["number"].to_pylist()
    needed = keys.blocks_needed(scan)
    if not numbers or numbers[0] < needed:
        text = f"{needed} blocks of object keys are in use, and {numbers[0] if numbers else 'none'} noted"
        yield Finding("spent-keys", text, {"blocks": needed})


def _spent_sequences(scan: Scan) -> Iterator[Finding]:
    """The same of the sequences of events."""
    numbers = scan.read(lock_queries.events)["number"].to_pylist()
    last = outbox.highest(scan)
    if not numbers or numbers[0] < last:
        text = f"the last event has sequence {last}, and {numbers[0] if numbers else 'none'} is noted"
        yield Finding("spent-sequences", text, {"sequence": last})


def verify_media(database: Database, media: Mapping[str, MediaStore], *, at_once: int = AT_ONCE) -> Iterator[Finding]:
    """What is wrong with the bytes of a store's objects: not there, or not as many as they should be.

    `media` are the media stores by the id of their storage backend; each is asked for `at_once` objects at a time.

    :raise MediaStoreFailed: a media store does not answer.
    """
    with database.scanning() as scan, ThreadPoolExecutor(at_once, "tams-verifying") as pool:
        stored = (row for batch in scan.batches(invariants.stored) for row in batch.to_pylist())
        while batch := list(islice(stored, _BATCH)):
            found = [one for one in pool.map(partial(_look, media), batch) if one is not None]
            there = find_registered(database, {one.row["object_id"] for one in found})
            # Of what was deleted meanwhile, the bytes are gone as they should.
            yield from (one for one in found if one.row["object_id"] in there)


def _look(media: Mapping[str, MediaStore], row: dict[str, Any]) -> Finding | None:
    object_id, storage_id, size_bytes = row["object_id"], row["storage_id"], row["size_bytes"]
    if storage_id not in media:
        return _wrong(
            "unknown-backend", row, f"object {object_id!r} is on backend {storage_id}, which is none of these"
        )
    stat = media[storage_id].stat(object_id)
    if stat is None:
        return _wrong("missing-bytes", row, f"object {object_id!r} has no bytes on backend {storage_id}")
    if size_bytes is not None and stat.size_bytes != size_bytes:
        text = f"object {object_id!r} has {stat.size_bytes} bytes on backend {storage_id}, and should have {size_bytes}"
        return _wrong("untrue-size", row, text)
    return None


def _wrong(rule: str, row: Row, text: str) -> Finding:
    return Finding(rule, text, row)
