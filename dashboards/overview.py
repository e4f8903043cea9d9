"""The overview: what is in the store, what it weighs, and whether it still grows."""

from __future__ import annotations

import pyarrow as pa

from dashboards import flow_usage, markup, storage_usage, time_ranges
from dashboards.clock import Clock
from dashboards.page import Page
from dashboards.picture import Picture
from dashboards.sums import total
from dashboards.table import Column, Rows
from tams_data.formatting import bytes_text, count_text, duration_text


def at_a_glance(rows: pa.Table, _: Clock) -> str:
    """How much there is of everything."""
    return markup.tiles(
        [
            markup.Tile("Flows", count_text(total(rows, "flows"))),
            markup.Tile("Segments", count_text(total(rows, "segments"))),
            markup.Tile("Media time", duration_text(total(rows, "covered_ns")), "all flows together"),
            markup.Tile("Media", bytes_text(total(rows, "size_bytes")), "each use counted"),
        ]
    )


def last_written(rows: pa.Table, _: Clock) -> Rows:
    """The flows that were written to last."""
    columns = [
        Column("label", "Flow"),
        Column("format", "Format", "format"),
        Column("segments", "Segments", "count"),
        Column("last_write_ns", "Last write", "wall"),
        Column("stale_ns", "Silent for", "duration"),
    ]
    return Rows("last-written-flows", rows, columns)


GLANCE = Picture(
    "At a glance",
    "flow-usage",
    at_a_glance,
    empty="This store is empty",
    hint="`tams demo` puts a minute of television into it, `tams ingest film.mp4` a film of yours.",
    span=6,
)

PAGE = Page(
    "",
    "Overview",
    "What is in the store, what it weighs, and whether it still grows.",
    [
        GLANCE,
        flow_usage.BY_FORMAT,
        storage_usage.STORED_AND_LOGICAL,
        storage_usage.GROWTH,
        time_ranges.LIVE_FLOWS,
        Picture("Written last", "flows", last_written, {"limit": 50}, empty="No flow yet", span=6),
        storage_usage.CATALOG,
    ],
)
