"""What of the timelines is covered, and what is missing.

Segments are many and holes are few. So all of this starts from `_pieces`: what `flow_timelines` shows to be without a
hole stands for its segments, and of the rest, stretches of time without one do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from tams_data import timerange
from tams_data.engines.base import Tables
from tams_data.queries.analytics import filters as filtering
from tams_data.queries.analytics.analysis import Analysis, Parameter
from tams_data.timerange import MAX_NS, MIN_NS, NS_PER_SECOND, Nanoseconds

_SHOWN_FROM_NS, _SHOWN_UNTIL_NS = MIN_NS + 2**61, MAX_NS - 2**53
"""Years 1751 to 2261: within them, as many buckets as can be asked for do not leave int64."""

_WINDOW = ("start_ns", "end_ns")

_MOST_BUCKETS, _WIDEST_BUCKET_NS = 2000, 7 * 86_400 * NS_PER_SECOND


def analysed(tables: Tables, **filters: Any) -> ir.Table:
    """One row: how many segments there are, how long, and what lies between them."""
    found = filtering.segments(tables, **filters)
    lengths = found.select(length_ns=timerange.length_ns(found))
    durations = lengths.aggregate(
        total_segments=lengths.count(),
        average_duration_ns=lengths.length_ns.mean().round().cast("int64"),
        minimum_duration_ns=lengths.length_ns.min(),
        maximum_duration_ns=lengths.length_ns.max(),
        total_duration_ns=timerange.total_ns(lengths.length_ns),
    )
    holes = timerange.seams(_pieces(tables, **filters))
    return durations.cross_join(holes.aggregate(gaps=holes.count(), gap_ns=timerange.total_ns(holes.length_ns)))


def coverage(tables: Tables, *, by: str, limit: int, **filters: Any) -> ir.Table:
    """How much of the window each flow, each source, or the whole store covers; the least first.

    Time that several flows of a source or of the store cover counts once.
    """
    flows, pieces = filtering.flows(tables, **filters), _pieces(tables, **filters)
    if by == "store":
        subjects, pieces = flows.aggregate(flows=flows.count()), pieces.mutate(id=ibis.literal(by))
        subjects = subjects.mutate(id=ibis.literal(by))
    elif by == "source":
        of = flows.select(flow="id", id="source_id")
        subjects = of.group_by("id").aggregate(flows=of.count())
        pieces = pieces.join(of, pieces.flow_id == of.flow)
    else:
        subjects, pieces = flows.select("id", flows=ibis.literal(1, "int64")), pieces.mutate(id=pieces.flow_id)
    covered = _covered(pieces)
    rows = subjects.left_join(covered, "id")
    window_ns = rows.extent_ns
    if "start_ns" in filters:
        window_ns = timerange.span_ns(filters["start_ns"], filters["end_ns"])
    rows = rows.select(
        "id",
        "flows",
        "start_ns",
        "end_ns",
        window_ns=window_ns,
        covered_ns=ibis.ifelse(rows.start_ns.isnull(), 0, rows.covered_ns),
        gaps=rows.gaps.fill_null(0),
        gap_ns=ibis.ifelse(rows.start_ns.isnull(), 0, rows.extent_ns - rows.covered_ns),
    )
    return rows.order_by(rows.covered_ns.asc(nulls_first=False), "id").limit(limit)


def _covered(pieces: ir.Table) -> ir.Table:
    """What pieces cover, for each `id`: time that several cover counts once."""
    runs = timerange.islands(pieces, by=("id",))
    runs = runs.mutate(length_ns=timerange.length_ns(runs))
    found = runs.group_by("id").aggregate(
        start_ns=runs.start_ns.min(), end_ns=runs.end_ns.max(), sum_ns=runs.length_ns.sum(), gaps=runs.count() - 1
    )
    extent_ns = timerange.length_ns(found)
    # Runs do not overlap: where the whole can be counted, so can their sum.
    covered_ns = ibis.ifelse(extent_ns.notnull(), found.sum_ns, ibis.null("int64"))
    return found.select("id", "start_ns", "end_ns", "gaps", extent_ns=extent_ns, covered_ns=covered_ns)


def gaps(tables: Tables, *, at_least_ns: Nanoseconds, limit: int, **filters: Any) -> ir.Table:
    """The holes in each flow, the longest first."""
    holes = timerange.seams(_pieces(tables, at_least_ns, **filters))
    # null: longer than int64 can count
    found = holes.filter(holes.length_ns.fill_null(MAX_NS) >= at_least_ns)
    return found.order_by(ibis.desc(found.length_ns.fill_null(MAX_NS)), "flow_id", "start_ns").limit(limit)


def gap_lengths(tables: Tables, **filters: Any) -> ir.Table:
    """How many holes there are of each order of length."""
    holes = timerange.seams(_pieces(tables, **filters))
    return _by_length(holes.select("length_ns"), "gaps")


def segment_lengths(tables: Tables, **filters: Any) -> ir.Table:
    """How many segments there are of each order of length."""
    found = filtering.segments(tables, **filters)
    return _by_length(found.select(length_ns=timerange.length_ns(found)), "segments")


def _by_length(t: ir.Table, count: str) -> ir.Table:
    """How many rows, called `count`, there are of each order of `length_ns`; the shortest first."""
    # of millions of lengths most are the same, and each is put into its order once
    same = t.group_by("length_ns").aggregate(rows=t.count())
    same = same.mutate(from_ns=timerange.length_from_ns(same.length_ns))
    rows = same.group_by("from_ns").aggregate(**{count: same.rows.sum().cast("int64")})
    rows = rows.select("from_ns", count, to_ns=timerange.length_to_ns(rows.from_ns))
    return rows.order_by(rows.from_ns.asc(nulls_first=False))


def discontinuities(tables: Tables, *, limit: int, **filters: Any) -> ir.Table:
    """Where neighbouring segments of a flow leave a hole, or the offset of their time stamps changes."""
    found = filtering.segments(tables, **filters)
    found = found.mutate(offset_ns=found.ts_offset_ns.fill_null(0))
    found = timerange.seams(timerange.condensed(found, alike=("offset_ns",)), of=("offset_ns",))
    before, after = found.offset_ns_before, found.offset_ns_after
    earlier, later = ibis.least(before, after), ibis.greatest(before, after)
    jump_ns = timerange.span_ns(earlier, later)
    rows = found.select(
        "flow_id",
        at_ns="end_ns",
        gap_ns="length_ns",
        offset_jump_ns=ibis.ifelse(after < before, -jump_ns, jump_ns),
    )
    return rows.order_by("flow_id", "at_ns").limit(limit)


def live(tables: Tables, *, bucket_ns: Nanoseconds, limit: int, **filters: Any) -> ir.Table:
    """How many flows have any coverage in each bucket of clock time, from the first to the last that has: its end."""
    # a hole that is shorter than a bucket leaves none without coverage, and need not be found
    pieces = timerange.clip(_pieces(tables, bucket_ns, **filters), _SHOWN_FROM_NS, _SHOWN_UNTIL_NS)
    first = timerange.floor_ns(timerange.utc_ns(pieces.start_ns), bucket_ns)
    last = timerange.floor_ns(timerange.utc_ns(pieces.end_ns - 1), bucket_ns)
    # a flow is live in a bucket once, however often it stops and goes on there
    stretches = timerange.islands(pieces.select("flow_id", start_ns=first, end_ns=last + bucket_ns))
    changes = stretches.select(hour_ns="start_ns", change=ibis.literal(1, "int64"), shown=ibis.literal(0, "int64"))
    ends = stretches.select(hour_ns="end_ns", change=ibis.literal(-1, "int64"), shown=ibis.literal(0, "int64"))
    extent = stretches.aggregate(start_ns=stretches.start_ns.min(), end_ns=stretches.end_ns.max())
    back = ibis.literal(list(range(1, limit + 1)), "array<int32>").unnest()
    shown = extent.select("start_ns", "end_ns", back=back)
    # The cast is to be in the query: DuckDB takes small numbers for 32 bits, also when it multiplies them.
    shown = shown.select("start_ns", hour_ns=shown.end_ns - shown.back.cast("int64") * bucket_ns)
    shown = shown.filter(shown.hour_ns >= shown.start_ns)
    hours = shown.select("hour_ns", change=ibis.literal(0, "int64"), shown=ibis.literal(1, "int64"))
    every = changes.union(ends, hours)
    instants = every.group_by("hour_ns").aggregate(change=every.change.sum(), shown=every.shown.max())
    counted = instants.mutate(
        flows=instants.change.sum().over(ibis.window(order_by="hour_ns", rows=(None, 0))).cast("int64")
    )
    return counted.filter(counted.shown == 1).select("hour_ns", "flows").order_by("hour_ns")


def timeline(tables: Tables, *, resolution_ns: Nanoseconds, limit: int, **filters: Any) -> ir.Table:
    """What of each flow lies between holes of the resolution or longer, in order of flow and time."""
    runs = timerange.joined(_pieces(tables, resolution_ns, **filters), resolution_ns)
    return runs.order_by("flow_id", "start_ns").limit(limit)


def _pieces(tables: Tables, resolution_ns: Nanoseconds = 1, **filters: Any) -> ir.Table:
    """The segments that filters leave, as `timerange.condensed` gives them.

    Where flows and a window are all that is filtered by, a flow that has no hole and lies in the window is one piece,
    and its segments are not read.
    """
    if filters.keys() & (set(filtering.OF_SEGMENT) - set(_WINDOW)):
        return timerange.condensed(filtering.segments(tables, **filters), resolution_ns)
    kept = filtering.of_flows(tables, tables.flow_timelines, **filters)
    kept = kept.filter(kept.segment_count > 0)
    if "start_ns" in filters:
        kept = timerange.overlapping(kept, filters["start_ns"], filters["end_ns"])
    whole = timerange.hides_no_hole(kept, resolution_ns)
    if "start_ns" in filters:
        whole &= (kept.start_ns >= filters["start_ns"]) & (kept.end_ns <= filters["end_ns"])
    unbroken = kept.filter(whole).select("flow_id", "start_ns", "end_ns", "covered_ns", segments="segment_count")
    # of the other filters `kept` has seen to; by the id and the window, zone maps leave out what is outside
    seen = ("flow_id", *_WINDOW)
    segments = filtering.segments(tables, **{name: one for name, one in filters.items() if name in seen})
    broken = segments.semi_join(kept.filter(~whole), "flow_id")
    rest = timerange.condensed(broken, resolution_ns, read_again=segments)
    return unbroken.select(*rest.columns).cast(rest.schema()).union(rest)


def _in_seconds(rows: pa.Table) -> Mapping[str, Any]:
    found = rows.to_pylist()
    row: dict[str, Any] = found[0] if found else {"total_segments": 0, "total_duration_ns": 0}
    count, total_ns = row["total_segments"], row["total_duration_ns"]
    if total_ns is None:  # int64 cannot count it, the average of each segment is near enough
        total_ns = count * row["average_duration_ns"]
    names = ("average", "minimum", "maximum")
    lengths = {name[:3] if name != "average" else name: row.get(f"{name}_duration_ns") for name in names}
    seconds = {f"{name}_duration_seconds": (ns or 0) / NS_PER_SECOND for name, ns in lengths.items()}
    return {"total_segments": count, **seconds, "total_duration_seconds": total_ns / NS_PER_SECOND}


def _limit(description: str = "Most rows") -> Parameter:
    return Parameter(description, 10_000, least=1, most=100_000, shapes=True)


_OF_A_GAP = {
    "start_ns": "End of what is before the hole, ns TAI",
    "end_ns": "Start of what follows it, ns TAI",
    "length_ns": "Length of the hole, ns; null: longer than 292 years",
}
_OF_AN_ORDER = {
    "from_ns": "Shortest length of this order, ns: 1, 2, 5, 10, 20, 50 and so on; null: longer than 292 years",
    "to_ns": "Lengths are shorter than this, ns",
}

ANALYSES = (
    Analysis(
        "time-range-analysis",
        analysed,
        "How many segments there are, how long, and what is missing between them",
        {
            "total_segments": "How many segments",
            "average_duration_ns": "Their mean duration, ns, rounded; null: none",
            "minimum_duration_ns": "Duration of the shortest, ns; null: none",
            "maximum_duration_ns": "Duration of the longest, ns; null: none",
            "total_duration_ns": "Sum of their durations, ns; null: more than 292 years",
            "gaps": "How many holes there are between two segments of a flow",
            "gap_ns": "Sum of their lengths, ns; null: more than 292 years",
        },
        takes=filtering.NAMES,
        summary=_in_seconds,
    ),
    Analysis(
        "coverage",
        coverage,
        "How much of a window each flow, each source or the store covers; the least covered first",
        {
            "id": "Id of the flow or source; store: the whole store",
            "flows": "How many flows",
            "start_ns": "Start of what is covered, ns TAI; null: nothing is",
            "end_ns": "End of what is covered, ns TAI, exclusive; null: nothing is",
            "window_ns": "Length of the window, ns; without one, from start to end. Null: longer than 292 years",
            "covered_ns": "How much of it is covered, ns, time that several flows cover counted once",
            "gaps": "How many holes there are between start and end",
            "gap_ns": "Sum of their lengths, ns; null: start and end are more than 292 years apart",
        },
        takes=filtering.NAMES,
        parameters={
            "by": Parameter("Of what", "flow", choices=("flow", "source", "store"), shapes=True),
            "limit": _limit(),
        },
    ),
    Analysis(
        "gaps",
        gaps,
        "The holes between the segments of a flow, the longest first",
        {"flow_id": "Flow id", **_OF_A_GAP},
        takes=filtering.NAMES,
        parameters={"at_least_ns": Parameter("Shortest hole to tell, ns", 1, least=1), "limit": _limit()},
    ),
    Analysis(
        "gap-lengths",
        gap_lengths,
        "How many holes there are of each order of length",
        {**_OF_AN_ORDER, "gaps": "How many holes"},
        takes=filtering.NAMES,
    ),
    Analysis(
        "discontinuities",
        discontinuities,
        "Where neighbouring segments of a flow leave a hole, or the offset of their time stamps changes",
        {
            "flow_id": "Flow id",
            "at_ns": "Start of the later segment, ns TAI",
            "gap_ns": "Length of the hole before it, ns, 0: none; null: longer than 292 years",
            "offset_jump_ns": "How much its ts_offset is greater, ns, 0: it is the same; null: more than 292 years",
        },
        takes=filtering.NAMES,
        parameters={"limit": _limit("Most rows, of the first flows by id")},
    ),
    Analysis(
        "segment-lengths",
        segment_lengths,
        "How many segments there are of each order of length",
        {**_OF_AN_ORDER, "segments": "How many segments"},
        takes=filtering.NAMES,
    ),
    Analysis(
        "live-flows",
        live,
        "How many flows have any coverage in each hour of clock time, or another stretch",
        {
            "hour_ns": "Start of the hour, ns since 1970 UTC",
            "flows": "How many flows have any coverage in it",
        },
        takes=filtering.NAMES,
        parameters={
            "bucket_ns": Parameter("Length of the stretch, ns", 3600 * NS_PER_SECOND, least=1, most=_WIDEST_BUCKET_NS),
            "limit": Parameter(
                "Most rows: the last hours that have any", 744, least=1, most=_MOST_BUCKETS, shapes=True
            ),
        },
    ),
    Analysis(
        "timeline",
        timeline,
        "What is covered of each flow, to draw at any zoom: only holes of the resolution or longer are told",
        {
            "flow_id": "Flow id",
            "start_ns": "Start of the run, ns TAI",
            "end_ns": "End of the run, ns TAI, exclusive",
            "segments": "How many segments it is made of",
            "covered_ns": "Sum of the segments' durations, ns: less than its length where there are shorter holes",
        },
        takes=filtering.NAMES,
        parameters={
            "resolution_ns": Parameter(
                "Shortest hole to tell, ns; of a window at most window / resolution + 1 rows a flow",
                60 * NS_PER_SECOND,
                least=1,
            ),
            "limit": _limit("Most rows, of the first flows by id"),
        },
    ),
)
