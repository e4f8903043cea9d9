"""Time ranges: what of the timelines is covered, what is missing, and how media is cut."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dashboards import figures, markup
from dashboards.clock import Clock
from dashboards.page import Page
from dashboards.picture import Picture
from dashboards.sums import one_row
from dashboards.table import Column, Rows
from tams_data.formatting import count_text, duration_text, percent_text, short_count_text

_NS_PER_MS = 1_000_000
_HOUR_MS = 3_600_000


def figures_of_time(rows: pa.Table, _: Clock) -> str:
    """How many segments of which lengths, and how much is missing between them."""
    row = one_row(rows)
    return markup.tiles(
        [
            markup.Tile("Segments", count_text(row["total_segments"])),
            markup.Tile("Media time", duration_text(row["total_duration_ns"]), "all flows together"),
            markup.Tile("Average segment", duration_text(row["average_duration_ns"])),
            markup.Tile("Shortest", duration_text(row["minimum_duration_ns"])),
            markup.Tile("Longest", duration_text(row["maximum_duration_ns"])),
            markup.Tile("Gaps", count_text(row["gaps"]), f"{duration_text(row['gap_ns'])} missing"),
        ]
    )


def live_flows(rows: pa.Table, clock: Clock) -> Any:
    """How many flows have media in each hour."""
    hours = rows["hour_ns"].to_pylist()
    return figures.columns_in_time(
        [one // _NS_PER_MS for one in hours],
        _HOUR_MS,
        rows["flows"].to_pylist(),
        [clock.wall_text(one, zone=True) for one in hours],
        short_count_text,
    )


def coverage(rows: pa.Table, _: Clock) -> Rows:
    """What of each flow is covered."""
    shares = [percent_text(one["covered_ns"], one["window_ns"]) for one in rows.to_pylist()]
    columns = [
        Column("id", "Flow", "flow"),
        Column("covered", "Covered", "share"),
        Column("covered_ns", "Media time", "duration"),
        Column("window_ns", "Of", "duration"),
        Column("gaps", "Gaps", "count"),
        Column("gap_ns", "Missing", "duration"),
        Column("start_ns", "From", "time"),
        Column("end_ns", "To", "time"),
    ]
    return Rows("coverage", rows.append_column("covered", pa.array(shares)), columns)


def gaps(rows: pa.Table, _: Clock) -> Rows:
    """Where media is missing."""
    columns = [
        Column("flow_id", "Flow", "flow"),
        Column("start_ns", "From", "time"),
        Column("end_ns", "To", "time"),
        Column("length_ns", "Missing", "duration"),
    ]
    return Rows("gaps", rows, columns)


def gap_lengths(rows: pa.Table, _: Clock) -> Any:
    """Gaps by how long they are."""
    return figures.columns(_orders(rows), rows["gaps"].to_pylist(), short_count_text)


def segment_lengths(rows: pa.Table, _: Clock) -> Any:
    """Segments by how long they are."""
    return figures.columns(_orders(rows), rows["segments"].to_pylist(), short_count_text)


def discontinuities(rows: pa.Table, _: Clock) -> Rows:
    """Where the timeline of the media itself jumps."""
    columns = [
        Column("flow_id", "Flow", "flow"),
        Column("at_ns", "At", "time"),
        Column("gap_ns", "Missing", "duration"),
        Column("offset_jump_ns", "Jump", "duration"),
    ]
    return Rows("discontinuities", rows, columns)


def _orders(rows: pa.Table) -> list[str]:
    return ["longer" if one is None else duration_text(one) for one in rows["from_ns"].to_pylist()]


_NO_SEGMENT = "No segment yet"

LIVE_FLOWS = Picture(
    "Live flows",
    "live-flows",
    live_flows,
    note="Flows with media in each hour, the last 31 days that have any.",
    empty=_NO_SEGMENT,
)

PAGE = Page(
    "time-ranges",
    "Time ranges",
    "What of the timelines is covered, what is missing, and how media is cut.",
    [
        Picture("Time in figures", "time-range-analysis", figures_of_time, empty=_NO_SEGMENT, span=6),
        Picture("Coverage", "coverage", coverage, note="The least covered first.", empty=_NO_SEGMENT, span=6),
        Picture(
            "Gaps", "gaps", gaps, {"limit": 10_000}, note="The longest first.", empty="No gap: all is covered", span=6
        ),
        Picture(
            "Lengths of gaps",
            "gap-lengths",
            gap_lengths,
            note="Each column: from this length up to the next.",
            empty="No gap: all is covered",
        ),
        Picture(
            "Lengths of segments",
            "segment-lengths",
            segment_lengths,
            note="Each column: from this length up to the next.",
            empty=_NO_SEGMENT,
        ),
        LIVE_FLOWS,
        Picture("Discontinuities", "discontinuities", discontinuities, empty="No flow jumps"),
    ],
)
