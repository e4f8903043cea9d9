"""What a page of segments costs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tams_data.engines.duckdb import DuckDB
from tams_data.queries import segments as queries
from tams_data.store.reading import objects_with_instances
from tams_data.timerange import MAX_NS, NS_PER_SECOND
from tests.benchmarks.dataset import SEGMENT_NS, flow_id
from tests.benchmarks.report import Figure, interleaved_ms, ratio_at_most
from tests.benchmarks.service import Connection, service

WINDOW_NS = 60 * NS_PER_SECOND
LIMIT = 30

PAGE_SQL = """
SELECT start_ns, end_ns, timerange, object_key, ts_offset_ns, last_duration_ns, sample_offset, sample_count
FROM segments WHERE flow_id = $flow_id AND start_ns < $end_ns AND end_ns > $start_ns
ORDER BY start_ns LIMIT 31"""
OBJECTS_SQL = """
SELECT key, id, start_ns, end_ns, timerange, key_frame_count, init_object_key FROM objects WHERE key IN ({keys})"""
INSTANCES_SQL = """
SELECT object_key, storage_id, label, url, created_ns FROM object_instances WHERE object_key IN ({keys})"""


def in_process(path: Path, *, segments: int, flows: int) -> Iterator[Figure]:
    """Our queries against hand-written SQL on the same connection; page 1 against one in the middle."""
    database = DuckDB(path, memory_limit="512MB")
    each_flow = segments // flows * SEGMENT_NS

    def values(i: int, start_ns: int, end_ns: int) -> dict[str, object]:
        return {"flow_id": flow_id(i * 37 % flows), "start_ns": start_ns, "end_ns": end_ns}

    def window(i: int) -> dict[str, object]:
        start_ns = random.Random(i).randrange(0, each_flow - WINDOW_NS, SEGMENT_NS)
        return values(i, start_ns, start_ns + WINDOW_NS)

    def ours(i: int) -> None:
        with database.snapshot() as reader:
            rows = reader.rows(queries.page, window(i), reverse=False, limit=LIMIT + 1)
            objects_with_instances(reader, {row["object_key"] for row in rows})

    cursor = database.ibis().con  # the same database

    def by_hand(i: int) -> None:
        cursor.begin()
        found = cursor.execute(PAGE_SQL, window(i))
        key = [name for name, *_ in found.description].index("object_key")
        named = {f"k{n}": row[key] for n, row in enumerate(found.fetchall())}
        for sql in (OBJECTS_SQL, INSTANCES_SQL):
            cursor.execute(sql.format(keys=", ".join(f"${name}" for name in named)), named).fetchall()
        cursor.rollback()

    def first(i: int) -> None:
        database.rows(queries.page, values(i, 0, MAX_NS), reverse=False, limit=LIMIT + 1)

    def middle(i: int) -> None:
        database.rows(queries.page, values(i, each_flow // 2, MAX_NS), reverse=False, limit=LIMIT + 1)

    our_ms, hand_ms = interleaved_ms(ours, by_hand)
    yield ratio_at_most(
        f"page of {LIMIT}, in process, {segments:,}", "ms", our_ms, "hand-written SQL", hand_ms, most=1.5
    )
    middle_ms, first_ms = interleaved_ms(middle, first)
    yield ratio_at_most(f"keyset page from the middle, {segments:,}", "ms", middle_ms, "page 1", first_ms, most=1.25)
    database.close()


def over_http(large: Path, small: Path, *, segments: int, flows: int, small_segments: int) -> Iterator[Figure]:
    """The same page from a service on a large and on a small store; and the memory the large one takes."""
    with service(large) as big, service(small) as little:
        connections = [(Connection(big.port), segments // flows), (Connection(little.port), small_segments // flows)]
        calls = [_get_pages(connection, count, flows) for connection, count in connections]
        big_ms, little_ms = interleaved_ms(*calls)
        name = f"page of {LIMIT} over HTTP, {segments:,}"
        yield ratio_at_most(name, "ms", big_ms, f"at {small_segments:,}", little_ms, most=1.5)
        for i in range(2000):
            calls[0](i)
        resident = big.resident_mib()
        yield Figure("memory after 2,200 pages", resident, "MiB", "limit", 1024, "at most 1,024 MiB", resident <= 1024)


def _get_pages(connection: Connection, count: int, flows: int) -> object:
    def get(i: int) -> None:
        start = random.Random(i).randrange(0, max(1, count * 2 - 60), 2)
        path = f"/flows/{flow_id(i * 37 % flows)}/segments?timerange=[{start}:0_{start + 60}:0)&limit={LIMIT}"
        status, _ = connection.request("GET", path)
        assert status == 200, (status, path)

    return get
