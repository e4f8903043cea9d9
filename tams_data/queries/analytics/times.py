"""What of the timelines is covered, and what is missing."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from tams_data import timerange
from tams_data.engines.base import Tables
from tams_data.queries.analytics import filters as filtering
from tams_data.queries.analytics.analysis import Analysis, Parameter
from tams_data.timerange import NS_PER_SECOND, Nanoseconds


def timeline(tables: Tables, *, resolution_ns: Nanoseconds, limit: int, **filters: Any) -> ir.Table:
    """What of each flow lies between holes of the resolution or longer, in order of flow and time."""
    runs = timerange.coarse_islands(filtering.segments(tables, **filters), resolution_ns)
    return runs.order_by("flow_id", "start_ns").limit(limit)


ANALYSES = (
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
            "limit": Parameter("Most rows, of the first flows by id", 10_000, least=1, most=100_000, shapes=True),
        },
    ),
)
