"""What flows there are and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from tams_data import timerange
from tams_data.engines.base import Tables
from tams_data.queries.analytics import filters as filtering
from tams_data.queries.analytics.analysis import PRESENT, Analysis, Parameter
from tams_data.queries.analytics.keysets import counted

_GROUPS = ("format", "codec", "container", "frame_width", "frame_height", "status")

_ROUNDED_TO_NS = 1_000_000
"""What delays are rounded to for their quantiles. To the nanosecond nearly every segment would have one of its own."""


def usage(tables: Tables, **filters: Any) -> ir.Table:
    """Flows in groups of a kind, and what their segments add up to; the largest group first."""
    found = _with_totals(tables, **filters)
    # by floats as in `_bit_rate`: all flows together may have more than int64 counts
    covered, size = found.covered_ns.cast("float64").sum().fill_null(0), found.size_bytes.sum().fill_null(0)
    groups = found.group_by(*_GROUPS).aggregate(
        flows=found.count(),
        segments=found.segments.sum().fill_null(0).cast("int64"),
        covered_ns=timerange.total_ns(found.covered_ns),
        size_bytes=size.cast("int64"),
        measured_bit_rate=_bit_rate(size, covered),
        declared_bit_rate=(found.avg_bit_rate.mean() * 1000).round().cast("int64"),
    )
    return groups.order_by(ibis.desc("size_bytes"), ibis.desc("flows"), *_GROUPS)


def listed(tables: Tables, *, now_ns: int, limit: int, **filters: Any) -> ir.Table:
    """A row for each flow, the one written to last first."""
    found = _with_totals(tables, **filters)
    rows = found.select(
        "flow_id",
        "label",
        "source_id",
        *_GROUPS,
        "segments",
        "start_ns",
        "end_ns",
        "covered_ns",
        "size_bytes",
        measured_bit_rate=_bit_rate(found.size_bytes, found.covered_ns),
        avg_bit_rate=found.avg_bit_rate * 1000,
        max_bit_rate=found.max_bit_rate * 1000,
        last_write_ns=found.segments_updated_ns,
        stale_ns=now_ns - found.segments_updated_ns,
    )
    return rows.order_by(rows.last_write_ns.desc(nulls_first=False), "flow_id").limit(limit)


def ingest_delay(tables: Tables, **filters: Any) -> ir.Table:
    """How long after the end of their media segments were registered: of all, and of each format.

    The quantiles are exact for delays in whole milliseconds, by nearest rank: the least delay that a given share of
    the segments does not exceed. That needs a count of each delay that there is, and no engine's own function.
    """
    segments = filtering.segments(tables, cut=False, **filters)
    # An open end, and one that is no time of day, are at no instant that a clock could be held against.
    segments = segments.filter(segments.end_ns >= timerange.FIRST_CIVIL_NS, segments.end_ns < timerange.MAX_NS)
    delays = segments.select("flow_id", delay_ns=segments.created_ns - timerange.utc_ns(segments.end_ns))
    flows = tables.flows.select("id", "format")
    found = delays.join(flows, delays.flow_id == flows.id)
    # Not divided: engines divide by floats. The remainder has the sign of the delay, so this is rounded toward 0.
    found = found.select("format", "delay_ns", rounded_ns=found.delay_ns - found.delay_ns % _ROUNDED_TO_NS)
    counted = found.group_by("format", "rounded_ns").aggregate(
        count=found.count(), minimum_ns=found.delay_ns.min(), maximum_ns=found.delay_ns.max()
    )
    of_all = counted.group_by("rounded_ns").aggregate(
        format=ibis.null("string"),
        count=counted["count"].sum().cast("int64"),
        minimum_ns=counted.minimum_ns.min(),
        maximum_ns=counted.maximum_ns.max(),
    )
    each = ibis.union(counted, of_all.select(counted.columns))
    return _quantiles(each).order_by(ibis.asc("format", nulls_first=True))


def _quantiles(counted: ir.Table) -> ir.Table:
    """The quantiles of each format, of how often each delay is there."""
    until = ibis.window(group_by="format", order_by="rounded_ns", rows=(None, 0))
    whole = ibis.window(group_by="format")
    ranked = counted.mutate(
        rank=counted["count"].sum().over(until).cast("int64"), of=counted["count"].sum().over(whole).cast("int64")
    )

    def at(percent: int) -> ir.IntegerScalar:
        reached = ranked["rank"] * 100 >= ranked.of * percent
        return ranked.rounded_ns.min(where=reached)

    return ranked.group_by("format").aggregate(
        segments=ranked.of.max(),
        minimum_ns=ranked.minimum_ns.min(),
        median_ns=at(50),
        p90_ns=at(90),
        p99_ns=at(99),
        maximum_ns=ranked.maximum_ns.max(),
    )


def reuse(tables: Tables, **filters: Any) -> ir.Table:
    """How many segments use an object: a row for each number of uses that there is, the least first.

    Of n segments there are fewer than sqrt(2 n) numbers of uses, so the rows are few.
    """
    objects = tables.objects.select("key", "size_bytes")
    found = counted(objects, filtering.segments(tables, **filters), "object_key").rename(uses="count")
    found = found.filter(found.uses > 0)
    groups = found.group_by("uses").aggregate(
        objects=found.count(),
        segments=found.uses.sum().cast("int64"),
        size_bytes=found.size_bytes.sum().fill_null(0).cast("int64"),
    )
    return groups.order_by("uses")


def _with_totals(tables: Tables, **filters: Any) -> ir.Table:
    """Flows, and in `segments`, `covered_ns` and the like what those of their segments that filters leave add up to.

    Without a filter by segment that is what the store keeps for each flow, and no segment is read.
    """
    flows, timelines = filtering.flows(tables, **filters), tables.flow_timelines
    kept = timelines.select(
        "flow_id", "start_ns", "end_ns", "covered_ns", "size_bytes", "segments_updated_ns", segments="segment_count"
    )
    if filters.keys() & set(filtering.OF_SEGMENT):
        last = timelines.select("flow_id", "segments_updated_ns")
        kept = _totals(tables, **filters).join(last, "flow_id")
    return flows.join(kept, flows.id == kept.flow_id)


def _totals(tables: Tables, **filters: Any) -> ir.Table:
    """What the segments that filters leave add up to, for each flow that has any."""
    segments, sizes = filtering.segments(tables, **filters), tables.objects.select("key", "size_bytes")
    found = segments.join(sizes, segments.object_key == sizes.key)
    found = found.mutate(length_ns=timerange.length_ns(found))
    return found.group_by("flow_id").aggregate(
        start_ns=found.start_ns.min(),
        end_ns=found.end_ns.max(),
        segments=found.count(),
        covered_ns=timerange.total_ns(found.length_ns),
        size_bytes=found.size_bytes.sum().fill_null(0).cast("int64"),
    )


def _bit_rate(size_bytes: ir.NumericValue, covered_ns: ir.NumericValue) -> ir.IntegerValue:
    """Bits a second, rounded; null where no time is covered. By floats: the exact product leaves int64 at 1 GB."""
    rate = size_bytes.cast("float64") * 8e9 / covered_ns.nullif(0).cast("float64")
    return rate.round().cast("int64")


def _usage_summary(rows: pa.Table) -> Mapping[str, Any]:
    groups = rows.to_pylist()
    flows, size = sum(one["flows"] for one in groups), sum(one["size_bytes"] for one in groups)
    formats: dict[str, int] = {}
    for one in groups:
        formats[one["format"]] = formats.get(one["format"], 0) + one["flows"]
    return {
        "total_flows": flows,
        "format_distribution": formats,
        "estimated_storage_bytes": size,
        "average_flow_size": size / flows if flows else 0,
    }


_OF_A_GROUP = {
    "format": "Content format, a URN",
    "codec": "MIME type of the coding; null: none",
    "container": "MIME type of the media objects; null: none",
    "frame_width": "Picture width in pixels; null: not given",
    "frame_height": "Picture height in pixels; null: not given",
    "status": "Ingest status as the client last said; null: never said",
}
_OF_TOTALS = {
    "segments": "How many segments",
    "covered_ns": "Sum of the segments' durations, ns; null: above 292 years",
    "size_bytes": "Bytes of the objects of the segments, each use counted, as far as sizes are known",
    "measured_bit_rate": "size_bytes over covered_ns, bit/s; null: nothing is covered",
}

ANALYSES = (
    Analysis(
        "flow-usage",
        usage,
        "Flows in groups of a kind, and what their segments add up to",
        {
            **_OF_A_GROUP,
            "flows": "How many flows",
            **_OF_TOTALS,
            "declared_bit_rate": "Mean of the declared average bit rates, bit/s; null: none is declared",
        },
        takes=filtering.NAMES,
        summary=_usage_summary,
    ),
    Analysis(
        "flows",
        listed,
        "A row for each flow, the one written to last first",
        {
            "flow_id": "Flow id",
            "label": "Label of the flow; null: none",
            "source_id": "Id of its source",
            **_OF_A_GROUP,
            "segments": "How many segments",
            "start_ns": "Start of the first segment, ns TAI; null: no segments",
            "end_ns": "End of the last segment, ns TAI; null: no segments",
            "covered_ns": "Sum of the segments' durations, ns",
            "size_bytes": "Bytes of the objects of the segments, each use counted, as far as sizes are known",
            "measured_bit_rate": "size_bytes over covered_ns, bit/s; null: nothing is covered",
            "avg_bit_rate": "Declared average bit rate, bit/s; null: none",
            "max_bit_rate": "Declared maximum bit rate, bit/s; null: none",
            "last_write_ns": "When a segment was added or deleted last, ns UTC; null: never",
            "stale_ns": "How long ago that was, ns",
        },
        takes=filtering.NAMES,
        parameters={
            "now_ns": PRESENT,
            "limit": Parameter("Most rows", 1000, least=1, most=100_000, shapes=True),
        },
    ),
    Analysis(
        "ingest-delay",
        ingest_delay,
        "How long after the end of their media segments were registered",
        {
            "format": "Content format, a URN; null: the row of all",
            "segments": "How many segments, without those whose end is open or before 1972",
            "minimum_ns": "The shortest delay, ns; negative: registered before the end of its media",
            "median_ns": "The delay that half of them do not exceed, ns, rounded toward 0 to 1 ms",
            "p90_ns": "The delay that 90 % of them do not exceed, ns, rounded toward 0 to 1 ms",
            "p99_ns": "The delay that 99 % of them do not exceed, ns, rounded toward 0 to 1 ms",
            "maximum_ns": "The longest delay, ns",
        },
        takes=filtering.NAMES,
    ),
    Analysis(
        "reuse",
        reuse,
        "How many segments use an object",
        {
            "uses": "How many segments use each of these objects",
            "objects": "How many objects",
            "segments": "How many segments use one of them",
            "size_bytes": "Bytes of the objects, each counted once, as far as sizes are known",
        },
        takes=filtering.NAMES,
    ),
)
