"""A store of many segments, as live feeds fill it: interleaved by time, each segment with an object of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.timerange import NS_PER_SECOND

SEGMENT_NS = 2 * NS_PER_SECOND
CREATED_NS = 1_790_000_000 * NS_PER_SECOND
CHUNK = 500_000
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def flow_id(number: int) -> str:
    """The id of a flow by its number."""
    return f"f10b0000-0000-4000-8000-{number:012x}"


def build(path: Path, *, segments: int, flows: int, storage_id: str) -> None:
    """Make the store, unless a run before made it."""
    done = path.with_suffix(f".{schema.VERSION}.{segments}.done")
    if done.exists() and done.read_text() == storage_id:
        return
    path.unlink(missing_ok=True)
    database = DuckDB(path)
    fill(database, segments=segments, flows=flows, storage_id=storage_id)
    database.close()
    done.write_text(storage_id)


def fill(database: Database, *, segments: int, flows: int, storage_id: str) -> None:
    """Create the tables of an empty database and insert it all."""
    database.create_tables()
    _add_flows(database, flows, segments // flows)
    for first in range(0, segments, CHUNK):
        _add_segments(database, np.arange(first, min(first + CHUNK, segments)), flows, storage_id)


def _add_flows(database: Database, count: int, segments_each: int) -> None:
    ids = [flow_id(number) for number in range(count)]
    common = {"format": "urn:x-nmos:format:video", "tags": "{}", "tag_terms": [], "created_ns": CREATED_NS}
    flow = {
        **common,
        "codec": "video/h264",
        "container": "video/mp2t",
        "metadata_version": "1",
        "metadata_updated_ns": CREATED_NS,
    }
    sources = [{**common, "id": one, "updated_ns": CREATED_NS} for one in ids]
    end_ns = segments_each * SEGMENT_NS
    timeline = {
        "start_ns": 0 if segments_each else None,
        "end_ns": end_ns or None,
        "segment_count": segments_each,
        "covered_ns": end_ns,
        "longest_ns": SEGMENT_NS,
        "size_bytes": segments_each * 1_000_000,
        "segments_updated_ns": CREATED_NS,
    }
    with database.transaction() as transaction:
        transaction.insert(schema.SOURCES, schema.SOURCES.rows(sources))
        transaction.insert(schema.FLOWS, schema.FLOWS.rows({**flow, "id": one, "source_id": one} for one in ids))
        rows = schema.FLOW_TIMELINES.rows({**timeline, "flow_id": one} for one in ids)
        transaction.insert(schema.FLOW_TIMELINES, rows)


def _add_segments(database: Database, numbers: np.ndarray, flows: int, storage_id: str) -> None:
    """One chunk: segment i is the (i // flows)th of flow i % flows, and uses object i + 1."""
    count = len(numbers)
    starts = numbers // flows * SEGMENT_NS
    names = pa.array([flow_id(number) for number in range(flows)])
    flow_ids = pa.DictionaryArray.from_arrays(pa.array(numbers % flows), names).cast(pa.string())
    keys, created = numbers + 1, CREATED_NS + numbers * 1000
    size = np.full(count, 1_000_000)
    rows = {
        schema.SEGMENTS: {
            "flow_id": flow_ids,
            "start_ns": starts,
            "end_ns": starts + SEGMENT_NS,
            "object_key": keys,
            "created_ns": created,
        },
        schema.OBJECTS: {
            "key": keys,
            "id": _uuids(numbers),
            # Real hashes would take a minute of Python; nothing measured here finds an object by its id.
            "id_hash": np.random.default_rng(int(numbers[0])).integers(-(2**63), 2**63 - 1, count),
            "is_init": pa.repeat(False, count),
            "start_ns": starts,
            "end_ns": starts + SEGMENT_NS,
            "key_frame_count": np.ones(count, dtype=np.int64),
            "size_bytes": size,
            "first_flow_id": flow_ids,
            "created_ns": created,
        },
        schema.OBJECT_INSTANCES: {
            "object_key": keys,
            "storage_id": pa.repeat(storage_id, count),
            "created_ns": created,
        },
    }
    with database.transaction() as transaction:
        for table, columns in rows.items():
            transaction.insert(table, _table(table, columns, count))


def _table(table: schema.Table, columns: dict[str, object], count: int) -> pa.Table:
    arrays = [
        pa.nulls(count, column.type) if column.name not in columns else pa.array(columns[column.name], column.type)
        for column in table.columns
    ]
    return pa.table(arrays, schema=table.arrow)


def _uuids(numbers: np.ndarray) -> pa.Array:
    """Random text ids, which do not compress: what a page pays for."""
    random = np.random.default_rng([7, int(numbers[0])]).integers(0, 16, (len(numbers), 36), dtype=np.uint8)
    text = _HEX[random]
    text[:, [8, 13, 18, 23]] = ord("-")
    offsets = np.arange(0, 36 * (len(numbers) + 1), 36, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text))]
    return pa.Array.from_buffers(pa.string(), len(numbers), buffers)
