"""Which objects hold a flow between two instants."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from tams_data import timerange
from tams_data.engines.base import Tables
from tams_data.engines.steps import gaps_between
from tams_data.queries.paging import Bound

PAGE_COLUMNS = (
    "start_ns",
    "end_ns",
    "timerange",
    "object_key",
    "ts_offset_ns",
    "last_duration_ns",
    "sample_offset",
    "sample_count",
)


def page(
    tables: Tables,
    *,
    flow_id: Bound,
    start_ns: Bound,
    end_ns: Bound,
    object_key: Bound | None = None,
    reverse: bool = False,
    limit: int,
) -> ir.Table:
    """Up to `limit` segments of a flow that share media time with `[start_ns, end_ns)`, in time order.

    The next page is the same query with the window narrowed to begin where the last segment ended (or, reversed, to
    end where it began): segments do not overlap, so the window is the keyset.
    """
    found = _of_flow(tables, flow_id=flow_id, start_ns=start_ns, end_ns=end_ns, object_key=object_key)
    order = ibis.desc("start_ns") if reverse else ibis.asc("start_ns")
    return found.order_by(order).limit(limit).select(*PAGE_COLUMNS)


def placed(tables: Tables, *, flow_id: Bound, start_ns: Bound, end_ns: Bound) -> ir.Table:
    """Every segment of a flow that shares media time with `[start_ns, end_ns)`, by what tells it from another.

    `start_ns`, `end_ns`, `object_key` and `ts_offset_ns`, 0 where none was given.
    """
    found = _of_flow(tables, flow_id=flow_id, start_ns=start_ns, end_ns=end_ns)
    return found.select("start_ns", "end_ns", "object_key", ts_offset_ns=found.ts_offset_ns.fill_null(0))


def extent(tables: Tables, *, flow_id: Bound, start_ns: Bound, end_ns: Bound) -> ir.Table:
    """One row: from the start of the first to the end of the last segment that shares time with the window.

    Both columns are null when there is none.
    """
    found = _of_flow(tables, flow_id=flow_id, start_ns=start_ns, end_ns=end_ns)
    return found.aggregate(start_ns=found.start_ns.min(), end_ns=found.end_ns.max())


def runs(tables: Tables, *, flow_id: Bound, start_ns: Bound, end_ns: Bound, seam_ns: Bound) -> ir.Table:
    """One row: how many `entries` the segments of a flow that share time with the window are, and in how many `runs`.

    Segments that follow each other and use one object at one offset are one entry. A run ends where more than `seam_ns`
    lie between two entries, or between their time stamps' offsets.
    """
    found = _of_flow(tables, flow_id=flow_id, start_ns=start_ns, end_ns=end_ns)
    # Offsets may be further apart than int64 counts: their difference would stop the query.
    offset_ns = found.ts_offset_ns.fill_null(0).cast("decimal(38, 0)")
    found = found.select("start_ns", "end_ns", "object_key", offset_ns=offset_ns)
    in_order = ibis.window(order_by="start_ns")
    before = found.select(
        gap_ns=found.start_ns - found.end_ns.lag().over(in_order),
        jump_ns=found.offset_ns - found.offset_ns.lag().over(in_order),
        is_again=(found.object_key == found.object_key.lag().over(in_order)).fill_null(False),
    )
    is_again = before.is_again & (before.jump_ns == 0)
    goes_on = is_again | ((before.gap_ns.abs() <= seam_ns) & (before.jump_ns.abs() <= seam_ns))
    return before.aggregate(
        entries=(~is_again.fill_null(False)).sum().fill_null(0), runs=(~goes_on.fill_null(False)).sum().fill_null(0)
    )


def covered_by(
    tables: Tables,
    *,
    flow_id: Bound,
    start_ns: Bound,
    end_ns: Bound,
    object_key: Bound | None = None,
    limit: int | None = None,
) -> ir.Table:
    """`flow_id`, `start_ns`, `end_ns` and `object_key` of the segments of a flow that lie wholly inside the window.

    With a `limit`, the first of them in time order.
    """
    segments = tables.segments.filter(tables.segments.flow_id == flow_id)
    found = timerange.covered_by(segments, start_ns, end_ns)
    if object_key is not None:
        found = found.filter(found.object_key == object_key)
    if limit is not None:
        found = found.order_by("start_ns").limit(limit)
    return found.select("flow_id", "start_ns", "end_ns", "object_key")


def counted(
    tables: Tables, *, flow_id: Bound, start_ns: Bound, end_ns: Bound, object_key: Bound | None = None, most: int
) -> ir.Table:
    """One row, `count`: how many segments `covered_by` has, counted up to `most`."""
    found = covered_by(tables, flow_id=flow_id, start_ns=start_ns, end_ns=end_ns, object_key=object_key)
    return found.select("start_ns").limit(most).aggregate(count=lambda t: t.count())


def bounds(tables: Tables, *, flow_id: Bound) -> ir.Table:
    """One row: where the segments of a flow start and end, and how long the longest is.

    What of `flow_timelines` cannot be told from the segments that were deleted alone.
    """
    segments = tables.segments.filter(tables.segments.flow_id == flow_id)
    return segments.aggregate(
        start_ns=segments.start_ns.min(),
        end_ns=segments.end_ns.max(),
        longest_ns=timerange.length_ns(segments).max().fill_null(0),
    )


def timeline(tables: Tables, *, flow_id: Bound) -> ir.Table:
    """One row: what the segments of a flow add up to, in the columns of `flow_timelines` that segments decide."""
    segments = tables.segments.filter(tables.segments.flow_id == flow_id)
    found = segments.join(tables.objects, segments.object_key == tables.objects.key, how="left")
    length = timerange.length_ns(segments)
    sizes = found.aggregate(size_bytes=found.size_bytes.sum().fill_null(0))
    totals = segments.aggregate(
        start_ns=segments.start_ns.min(),
        end_ns=segments.end_ns.max(),
        segment_count=segments.count(),
        covered_ns=length.sum().fill_null(0).cast("int64"),
        longest_ns=length.max().fill_null(0),
    )
    return totals.cross_join(sizes)


def gaps_near(tables: Tables, *, flow_id: Bound, start_ns: Bound, end_ns: Bound, places: ir.Table) -> ir.Table:
    """`start_ns` and `end_ns` of the gaps of a flow that touch or share time with a place, `from_ns` to `until_ns`.

    All places lie in `[start_ns, end_ns)`: that is what zone maps and pushdown see.
    """
    kept = tables.flow_gaps.filter(tables.flow_gaps.flow_id == flow_id)
    kept = kept.filter(kept.start_ns <= end_ns, kept.end_ns >= start_ns)
    near = kept.semi_join(places, [kept.start_ns <= places.until_ns, kept.end_ns >= places.from_ns])
    return near.select("start_ns", "end_ns")


def gaps(tables: Tables, *, flow_id: Bound) -> ir.Table:
    """The rows of `flow_gaps` that a flow should have, from its segments."""
    return gaps_between(tables.segments.filter(tables.segments.flow_id == flow_id))


def totals(tables: Tables, *, flow_id: Bound) -> ir.Table:
    """`start_ns`, `end_ns`, `segment_count` and `covered_ns` of a flow's timeline, as it was kept."""
    timelines = tables.flow_timelines
    return timelines.filter(timelines.flow_id == flow_id).select("start_ns", "end_ns", "segment_count", "covered_ns")


def object_keys(tables: Tables, *, keys: ir.Table) -> ir.Table:
    """Those of the column `key` of `keys` that some segment refers to, as `object_key`."""
    return tables.segments.semi_join(keys, tables.segments.object_key == keys.key).select("object_key").distinct()


def uses(tables: Tables, *, keys: Sequence[Bound]) -> ir.Table:
    """How many segments of which flow use the objects with these keys: `flow_id`, `object_key`, `count`."""
    used = tables.segments.filter(tables.segments.object_key.isin(keys))
    return used.group_by("flow_id", "object_key").aggregate(count=used.count())


def _of_flow(
    tables: Tables, *, flow_id: Bound, start_ns: Bound, end_ns: Bound, object_key: Bound | None = None
) -> ir.Table:
    segments = tables.segments.filter(tables.segments.flow_id == flow_id)
    if object_key is not None:
        segments = segments.filter(segments.object_key == object_key)
    return timerange.overlapping(segments, start_ns, end_ns)
