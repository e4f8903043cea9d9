"""What of the timelines is covered, and what is missing."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from tams_data import timerange
from tams_data.engines.base import Tables
from tams_data.queries.analytics import filters as filtering
from tams_data.queries.analytics.analysis import Analysis


def islands(tables: Tables, **filters: Any) -> ir.Table:
    """The runs of each flow without a hole, in order of flow and time."""
    return timerange.islands(filtering.segments(tables, **filters)).order_by("flow_id", "start_ns")


ANALYSES = (
    Analysis(
        "islands",
        islands,
        "The runs of each flow without a hole",
        {
            "flow_id": "Flow id",
            "start_ns": "Start of the run, ns TAI",
            "end_ns": "End of the run, ns TAI, exclusive",
            "segments": "How many segments it is made of",
        },
        takes=filtering.NAMES,
    ),
)
