"""Analyses of a large store: each beside SQL written by hand for the same figures."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from tams_data.analytics import Analytics
from tams_data.engines.duckdb import DuckDB
from tams_data.queries.analytics import ANALYSES
from tests.benchmarks.dataset import flow_id
from tests.benchmarks.report import Figure, interleaved_ms, median_ms

MOST_MS, MOST_RATIO, MOST_OF_A_FLOW_MS = 1000, 1.3, 20

_GAPS = """
    SELECT * FROM (
        SELECT flow_id, lag(end_ns) OVER (PARTITION BY flow_id ORDER BY start_ns) AS start_ns, start_ns AS end_ns
        FROM segments
    ) WHERE start_ns < end_ns
"""
_ORDERS = [digit * 10**power for power in range(18) for digit in (1, 2, 5)]

SQL: Mapping[str, str] = {
    "time-range-analysis": f"""
        SELECT *
        FROM (
            SELECT count(*), round(avg(end_ns - start_ns))::BIGINT, min(end_ns - start_ns), max(end_ns - start_ns),
                   sum(end_ns - start_ns)::BIGINT
            FROM segments
        ), (SELECT count(*), coalesce(sum(end_ns - start_ns), 0)::BIGINT FROM ({_GAPS}))
    """,
    "coverage": """
        WITH marked AS (
            SELECT flow_id, start_ns, end_ns,
                   start_ns > lag(end_ns) OVER (PARTITION BY flow_id ORDER BY start_ns) AS after_gap
            FROM segments
        ), found AS (
            SELECT flow_id, min(start_ns) AS start_ns, max(end_ns) AS end_ns,
                   sum(end_ns - start_ns)::BIGINT AS covered_ns, count(*) FILTER (after_gap) AS gaps
            FROM marked GROUP BY flow_id
        )
        SELECT id, 1, start_ns, end_ns, end_ns - start_ns, coalesce(covered_ns, 0), coalesce(gaps, 0),
               coalesce(end_ns - start_ns - covered_ns, 0)
        FROM flows LEFT JOIN found ON id = flow_id ORDER BY covered_ns, id LIMIT 10000
    """,
    "gaps": f"SELECT *, end_ns - start_ns FROM ({_GAPS}) ORDER BY 4 DESC, 1, 2 LIMIT 10000",
    "gap-lengths": f"""
        WITH orders AS (SELECT unnest({_ORDERS}) AS from_ns, unnest({[*_ORDERS[1:], 10**18]}) AS to_ns)
        SELECT from_ns, to_ns, count(*) FROM ({_GAPS}) ASOF JOIN orders ON end_ns - start_ns >= from_ns
        GROUP BY ALL ORDER BY 1
    """,
    "discontinuities": """
        SELECT flow_id, start_ns, start_ns - before_ns, offset_ns - offset_before_ns
        FROM (
            SELECT flow_id, start_ns, coalesce(ts_offset_ns, 0) AS offset_ns,
                   lag(end_ns) OVER w AS before_ns, lag(coalesce(ts_offset_ns, 0)) OVER w AS offset_before_ns
            FROM segments WINDOW w AS (PARTITION BY flow_id ORDER BY start_ns)
        ) WHERE start_ns > before_ns OR offset_ns <> offset_before_ns ORDER BY 1, 2 LIMIT 10000
    """,
    "segment-lengths": f"""
        WITH orders AS (SELECT unnest({_ORDERS}) AS from_ns, unnest({[*_ORDERS[1:], 10**18]}) AS to_ns),
             lengths AS (SELECT end_ns - start_ns AS length_ns, count(*) AS segments FROM segments GROUP BY 1)
        SELECT from_ns, to_ns, sum(segments)::BIGINT FROM lengths ASOF JOIN orders ON length_ns >= from_ns
        GROUP BY ALL ORDER BY 1
    """,
    # the media times of the data set lie before 1972, where UTC is TAI
    "live-flows": """
        SELECT hour * 3600000000000, count(*) FROM (
            SELECT DISTINCT flow_id, start_ns // 3600000000000 AS hour FROM segments
            UNION SELECT DISTINCT flow_id, (end_ns - 1) // 3600000000000 FROM segments
        ) GROUP BY 1 ORDER BY 1
    """,
    "timeline": """
        WITH marked AS (
            SELECT flow_id, start_ns, end_ns,
                   start_ns - lag(end_ns) OVER (PARTITION BY flow_id ORDER BY start_ns) >= 60000000000 AS opens
            FROM segments
        ), numbered AS (
            SELECT *, count(*) FILTER (opens) OVER (PARTITION BY flow_id ORDER BY start_ns) AS island FROM marked
        )
        SELECT flow_id, min(start_ns), max(end_ns), count(*), sum(end_ns - start_ns)::BIGINT
        FROM numbered GROUP BY flow_id, island ORDER BY 1, 2 LIMIT 10000
    """,
    "reuse": """
        WITH used AS (SELECT object_key, count(*) AS uses FROM segments GROUP BY object_key)
        SELECT uses, count(*), sum(uses)::BIGINT, coalesce(sum(size_bytes), 0)::BIGINT
        FROM used JOIN objects ON object_key = key GROUP BY uses ORDER BY uses
    """,
    "storage-usage": """
        SELECT storage_id, format, count(*), sum(size_bytes)::BIGINT, count(*) FILTER (size_bytes IS NULL)
        FROM object_instances JOIN objects ON object_key = key LEFT JOIN flows ON first_flow_id = flows.id
        GROUP BY 1, 2 ORDER BY 4 DESC, 3 DESC, 1, 2
    """,
    "storage-by-source": """
        WITH stored AS (
            SELECT source_id, count(*) AS objects, sum(size_bytes)::BIGINT AS size_bytes
            FROM object_instances JOIN objects ON object_key = key LEFT JOIN flows ON first_flow_id = flows.id
            GROUP BY 1
        ), logical AS (
            SELECT source_id, sum(size_bytes)::BIGINT AS logical_bytes
            FROM flow_timelines JOIN flows ON flow_id = id GROUP BY 1
        )
        SELECT source_id, label, objects, size_bytes, logical_bytes
        FROM stored JOIN logical USING (source_id) LEFT JOIN sources ON source_id = id
        ORDER BY 4 DESC, 5 DESC, 1 LIMIT 1000
    """,
    "instances-per-object": """
        WITH held AS (SELECT object_key, count(*) AS instances FROM object_instances GROUP BY 1)
        SELECT coalesce(instances, 0), count(*), sum(size_bytes)::BIGINT
        FROM objects LEFT JOIN held ON key = object_key GROUP BY 1 ORDER BY 1
    """,
    "unreferenced-totals": """
        SELECT 'registered', count(*), sum(size_bytes)::BIGINT, min(created_ns)
        FROM objects ANTI JOIN segments ON key = object_key HAVING count(*) > 0
    """,
}
"""By the name of an analysis, its rows without parameters as one would write them for DuckDB."""


def figures(path: Path) -> Iterator[Figure]:
    """Of a store without a gap as `dataset` builds it, and of one in which one segment in 10,000 is missing."""
    yield from _figures(path, "no gaps")
    yield from _figures(with_gaps(path), "gaps")


def _figures(path: Path, store: str) -> Iterator[Figure]:
    database = DuckDB(path)
    analytics = Analytics(database)
    with duckdb.connect(str(path)) as connection:
        for name, sql in SQL.items():
            yield _beside_sql(analytics, connection.cursor(), name, sql, store)
    for name in sorted(ANALYSES.keys() - SQL.keys()):
        took = median_ms(lambda _, name=name: analytics.run(name), rounds=3, warm=1)
        yield Figure(f"{name} ({store})", took, "ms", "most", MOST_MS, f"at most {MOST_MS} ms", took <= MOST_MS)
    one_flow = median_ms(lambda i: analytics.run("coverage", flow_id=flow_id(i % 50)), rounds=50, warm=5)
    holds = one_flow <= MOST_OF_A_FLOW_MS
    wanted = f"at most {MOST_OF_A_FLOW_MS} ms"
    yield Figure(f"coverage of one flow ({store})", one_flow, "ms", "none", one_flow, wanted, holds)
    database.close()


def _beside_sql(analytics: Analytics, cursor: duckdb.DuckDBPyConnection, name: str, sql: str, store: str) -> Figure:
    def analysed() -> list[tuple[object, ...]]:
        return _tuples(analytics.run(name))

    def by_hand() -> list[tuple[object, ...]]:
        return _tuples(cursor.execute(sql).fetch_arrow_table())

    assert analysed() == by_hand(), f"{name} has other rows than its SQL"
    ours, compared = interleaved_ms(_call(analysed), _call(by_hand), rounds=3, warm=0)
    ratio = ours / compared
    wanted = f"{ratio:.2f} x, at most {MOST_RATIO}, and {MOST_MS} ms"
    return Figure(f"{name} ({store})", ours, "ms", "by hand", compared, wanted, ratio <= MOST_RATIO and ours <= MOST_MS)


def _call(work: Callable[[], object]) -> Callable[[int], object]:
    return lambda _: work()


def _tuples(rows: pa.Table) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def with_gaps(path: Path) -> Path:
    """A copy of the store that lacks one segment in 10,000."""
    copy = path.with_name("gaps.duckdb")
    copy.unlink(missing_ok=True)
    shutil.copyfile(path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("DELETE FROM segments WHERE object_key % 10007 = 0")
        connection.execute("""
            UPDATE flow_timelines SET start_ns = found.first_ns, end_ns = found.last_ns,
                segment_count = found.segments, covered_ns = found.covered
            FROM (
                SELECT flow_id, min(start_ns) AS first_ns, max(end_ns) AS last_ns, count(*) AS segments,
                       sum(end_ns - start_ns) AS covered
                FROM segments GROUP BY flow_id
            ) AS found
            WHERE flow_timelines.flow_id = found.flow_id
        """)
        connection.execute(f"INSERT INTO flow_gaps {_GAPS}")
    return copy
