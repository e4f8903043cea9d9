"""Flow usage: of what kinds the flows are, what they weigh, how late they come and how often their objects are used."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dashboards import figures, markup
from dashboards.clock import Clock
from dashboards.page import Page
from dashboards.picture import Picture
from dashboards.sums import by, total
from dashboards.table import Column, Rows
from tams_data.formatting import bit_rate_text, bytes_text, count_text, duration_text, format_text, short_count_text
from tams_data.timerange import NS_PER_SECOND


def figures_of_flows(rows: pa.Table, _: Clock) -> str:
    """How many flows, and what one is on average."""
    flows, covered_ns, size_bytes = (total(rows, one) for one in ("flows", "covered_ns", "size_bytes"))
    return markup.tiles(
        [
            markup.Tile("Flows", count_text(flows), f"{rows.num_rows} kinds"),
            markup.Tile("Segments", count_text(total(rows, "segments"))),
            markup.Tile("Media time of a flow", duration_text(covered_ns // flows), "on average"),
            markup.Tile("Size of a flow", bytes_text(size_bytes // flows), "on average"),
            markup.Tile("Bit rate", bit_rate_text(_rate(size_bytes, covered_ns)), "measured, all flows"),
        ]
    )


def by_format(rows: pa.Table, _: Clock) -> str:
    """Flows of each format."""
    return markup.bars(
        markup.Bar(
            format_text(one["format"]),
            one["flows"],
            f"{count_text(one['flows'])} flows",
            f"{bytes_text(one['size_bytes'])}, {duration_text(one['covered_ns'])}",
        )
        for one in by(rows, "format", ["flows", "size_bytes", "covered_ns"])
    )


def by_codec(rows: pa.Table, _: Clock) -> str:
    """Bytes of each coding."""
    return markup.bars(
        markup.Bar(
            one["codec"] or "no coding of its own",
            one["size_bytes"],
            bytes_text(one["size_bytes"]),
            f"{count_text(one['flows'])} flows, {bit_rate_text(_rate(one['size_bytes'], one['covered_ns']))}",
        )
        for one in by(rows, "codec", ["size_bytes", "flows", "covered_ns"])
    )


def kinds(rows: pa.Table, _: Clock) -> Rows:
    """Every kind of flow."""
    columns = [
        Column("codec", "Codec"),
        Column("format", "Format", "format"),
        Column("container", "Container"),
        Column("frame_width", "Width", "count"),
        Column("frame_height", "Height", "count"),
        Column("status", "Status"),
        Column("flows", "Flows", "count"),
        Column("segments", "Segments", "count"),
        Column("covered_ns", "Media time", "duration"),
        Column("size_bytes", "Size", "bytes"),
        Column("measured_bit_rate", "Measured", "bit_rate"),
        Column("declared_bit_rate", "Declared", "bit_rate"),
    ]
    return Rows("flow-usage", rows, columns)


def flows(rows: pa.Table, _: Clock) -> Rows:
    """Every flow."""
    columns = [
        Column("label", "Flow"),
        Column("format", "Format", "format"),
        Column("codec", "Codec"),
        Column("status", "Status"),
        Column("segments", "Segments", "count"),
        Column("start_ns", "From", "time"),
        Column("end_ns", "To", "time"),
        Column("covered_ns", "Media time", "duration"),
        Column("size_bytes", "Size", "bytes"),
        Column("measured_bit_rate", "Measured", "bit_rate"),
        Column("avg_bit_rate", "Declared", "bit_rate"),
        Column("last_write_ns", "Last write", "wall"),
        Column("flow_id", "Id", "id"),
    ]
    return Rows("flows", rows, columns)


def ingest_delay(rows: pa.Table, _: Clock) -> Rows:
    """How late segments come."""
    columns = [
        Column("format", "Format", "format"),
        Column("segments", "Segments", "count"),
        Column("minimum_ns", "Least", "duration"),
        Column("median_ns", "Median", "duration"),
        Column("p90_ns", "90 % within", "duration"),
        Column("p99_ns", "99 % within", "duration"),
        Column("maximum_ns", "Most", "duration"),
    ]
    return Rows("ingest-delay", rows, columns)


def reuse(rows: pa.Table, _: Clock) -> Any:
    """Objects by how many segments use them."""
    names = [f"{one} times" for one in rows["uses"].to_pylist()]
    return figures.columns(names, rows["objects"].to_pylist(), short_count_text)


def _rate(size_bytes: int, covered_ns: int) -> int | None:
    return size_bytes * 8 * NS_PER_SECOND // covered_ns if covered_ns else None


BY_FORMAT = Picture("Formats", "flow-usage", by_format, empty="No flow yet")

PAGE = Page(
    "flow-usage",
    "Flow usage",
    "Of what kinds the flows are, what they weigh, how late they come and how often their objects are used.",
    [
        Picture("Flows in figures", "flow-usage", figures_of_flows, empty="No flow yet", span=6),
        BY_FORMAT,
        Picture("Codecs", "flow-usage", by_codec, empty="No flow yet", note="Bytes of the objects, each use counted."),
        Picture("Kinds of flows", "flow-usage", kinds, empty="No flow yet", span=6),
        Picture("Flows", "flows", flows, {"limit": 10_000}, empty="No flow yet", span=6),
        Picture(
            "Ingest delay",
            "ingest-delay",
            ingest_delay,
            note="From the end of a segment's media time until it was registered. Negative: media of a time to come.",
            empty="No segment yet",
        ),
        Picture(
            "Re-use of objects", "reuse", reuse, note="Objects by how many segments use them.", empty="No object yet"
        ),
    ],
)
