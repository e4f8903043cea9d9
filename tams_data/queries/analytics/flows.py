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
from tams_data.queries.analytics.analysis import Analysis, Parameter

_GROUPS = ("format", "codec", "container", "frame_width", "frame_height", "status")


def usage(tables: Tables, **filters: Any) -> ir.Table:
    """Flows in groups of a kind, and what their segments add up to; the largest group first."""
    found = _with_totals(tables, **filters)
    covered, size = found.covered_ns.sum().fill_null(0), found.size_bytes.sum().fill_null(0)
    groups = found.group_by(*_GROUPS).aggregate(
        flows=found.count(),
        segments=found.segments.sum().fill_null(0).cast("int64"),
        covered_ns=covered.cast("int64"),
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
        covered_ns=found.length_ns.sum().fill_null(0).cast("int64"),
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
    "covered_ns": "Sum of the segments' durations, ns",
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
            "now_ns": Parameter("The present, ns UTC", 0),
            "limit": Parameter("Most rows", 1000, least=1, most=100_000, shapes=True),
        },
    ),
)
