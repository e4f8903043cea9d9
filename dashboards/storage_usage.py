"""Storage usage: what the objects weigh, where they are, how old, how often used, and what could go."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dashboards import figures, markup
from dashboards.clock import Clock
from dashboards.page import Page
from dashboards.picture import Picture
from dashboards.sums import by, total
from dashboards.table import Column, Rows
from tams_data.formatting import bytes_text, count_text, format_text, percent_text, short_count_text

_OF_STORAGE = ("objects", "stored_bytes", "logical_bytes", "saved_bytes")
_NS_PER_MS = 1_000_000


def figures_of_storage(rows: pa.Table, _: Clock) -> str:
    """How many objects, what they weigh, and what use by reference saves."""
    objects, stored, logical, saved = (total(rows, one) for one in _OF_STORAGE)
    return markup.tiles(
        [
            markup.Tile("Objects", count_text(objects)),
            markup.Tile("Stored", bytes_text(stored), "each copy counted"),
            markup.Tile("Used", bytes_text(logical), "each use counted"),
            markup.Tile(
                "Saved by re-use", bytes_text(max(saved, 0)), f"{percent_text(max(saved, 0), logical)} of what is used"
            ),
            markup.Tile("Size of an object", bytes_text(stored // objects if objects else None), "on average"),
        ]
    )


def stored_and_logical(rows: pa.Table, _: Clock) -> str:
    """What is stored beside what it would be if no object were used twice."""
    stored, logical, saved = (total(rows, one) for one in _OF_STORAGE[1:])
    return markup.bars(
        [
            markup.Bar("Used", logical, bytes_text(logical), "each use of an object counted"),
            markup.Bar("Stored", stored, bytes_text(stored), "each copy of an object counted"),
            markup.Bar(
                "Saved by re-use", max(saved, 0), bytes_text(max(saved, 0)), percent_text(max(saved, 0), logical)
            ),
        ],
    )


def by_format(rows: pa.Table, _: Clock) -> str:
    """Bytes of each format."""
    return markup.bars(
        markup.Bar(
            format_text(one["format"]),
            one["size_bytes"],
            bytes_text(one["size_bytes"]),
            f"{count_text(one['objects'])} objects",
        )
        for one in by(rows, "format", ["size_bytes", "objects"])
    )


def by_backend(rows: pa.Table, _: Clock) -> str:
    """Bytes on each storage backend."""
    return markup.bars(
        markup.Bar(
            one["storage_id"] or "at URLs of others",
            one["size_bytes"],
            bytes_text(one["size_bytes"]),
            f"{count_text(one['objects'])} objects",
        )
        for one in by(rows, "storage_id", ["size_bytes", "objects"])
    )


def by_source(rows: pa.Table, _: Clock) -> Rows:
    """Bytes of each source."""
    columns = [
        Column("label", "Source"),
        Column("objects", "Objects", "count"),
        Column("size_bytes", "Stored", "bytes"),
        Column("logical_bytes", "Used", "bytes"),
        Column("source_id", "Id", "id"),
    ]
    return Rows("storage-by-source", rows, columns)


def ages(rows: pa.Table, _: Clock) -> Any:
    """Bytes by age."""
    names = [_days(one["from_days"], one["to_days"]) for one in rows.to_pylist()]
    return figures.columns(names, rows["size_bytes"].to_pylist(), bytes_text)


def growth(rows: pa.Table, clock: Clock) -> Any:
    """What was stored at the end of each day, and what will be."""
    days = rows["day_ns"].to_pylist()
    return figures.course(
        [one // _NS_PER_MS for one in days],
        rows["total_bytes"].to_pylist(),
        [clock.wall_text(one).partition(" ")[0] for one in days],
        bytes_text,
        foreseen=rows["projected"].to_pylist().count(True),
    )


def unreferenced_figures(rows: pa.Table, clock: Clock) -> str:
    """How much there is that nothing refers to."""
    return markup.bars(
        markup.Bar(
            one["state"],
            one["objects"],
            f"{count_text(one['objects'])} objects",
            f"{bytes_text(one['size_bytes'])}, the oldest of {clock.wall_text(one['oldest_ns'])}",
        )
        for one in rows.to_pylist()
    )


def unreferenced(rows: pa.Table, _: Clock) -> Rows:
    """The objects that nothing refers to."""
    columns = [
        Column("object_id", "Object", "id"),
        Column("state", "State"),
        Column("size_bytes", "Size", "bytes"),
        Column("created_ns", "Since", "wall"),
        Column("age_ns", "Age", "duration"),
        Column("flow_id", "Flow", "id"),
    ]
    return Rows("unreferenced-objects", rows, columns)


def instances(rows: pa.Table, _: Clock) -> Any:
    """Objects by how many instances they have."""
    names = [count_text(one) for one in rows["instances"].to_pylist()]
    return figures.columns(names, rows["objects"].to_pylist(), short_count_text)


def accesses(rows: pa.Table, _: Clock) -> Rows:
    """Objects and how often they were asked for."""
    columns = [
        Column("object_id", "Object", "id"),
        Column("accesses", "Accesses", "count"),
        Column("last_access_ns", "Last", "wall"),
        Column("size_bytes", "Size", "bytes"),
    ]
    return Rows("object-access", rows, columns)


def catalog(rows: pa.Table, _: Clock) -> Rows:
    """The store's own tables."""
    columns = [
        Column("table_name", "Table"),
        Column("rows", "Rows", "count"),
        Column("bytes", "Size", "bytes"),
        Column("columns", "Columns", "count"),
        Column("engine", "Engine"),
        Column("engine_version", "Version"),
    ]
    return Rows("catalog-summary", rows, columns)


def _format(urn: str | None) -> str:
    return "of deleted flows" if urn is None else format_text(urn)


def _days(least: int, limit: int | None) -> str:
    return f"{least}+ d" if limit is None else f"{least}–{limit} d"


_NO_OBJECT = "No object yet"

STORED_AND_LOGICAL = Picture("Stored and used", "stored-and-logical", stored_and_logical, empty=_NO_OBJECT)
GROWTH = Picture(
    "Growth",
    "storage-growth",
    growth,
    {"days_ahead": 30},
    note="Bytes stored at the end of each day; dashed: the next 30 days at the pace so far.",
    empty=_NO_OBJECT,
)
CATALOG = Picture("Tables of the store", "catalog-summary", catalog, note="All of it, whatever the filters.", span=6)

PAGE = Page(
    "storage-usage",
    "Storage usage",
    "What the objects weigh, where they are, how old they are, how often they are used, and what could go.",
    [
        Picture("Storage in figures", "stored-and-logical", figures_of_storage, empty=_NO_OBJECT, span=6),
        Picture("By format", "storage-usage", by_format, empty=_NO_OBJECT),
        Picture("By storage backend", "storage-usage", by_backend, empty=_NO_OBJECT, named="storage_id"),
        GROWTH,
        Picture("Age", "object-ages", ages, note="Bytes by days since they were registered.", empty=_NO_OBJECT),
        Picture("By source", "storage-by-source", by_source, {"limit": 10_000}, empty=_NO_OBJECT, span=6),
        Picture(
            "Copies", "instances-per-object", instances, note="Objects by their number of copies.", empty=_NO_OBJECT
        ),
        Picture(
            "Unreferenced",
            "unreferenced-totals",
            unreferenced_figures,
            note="Objects that no segment uses, and uploads never registered.",
            empty="Every object is in use",
        ),
        Picture(
            "Unreferenced objects",
            "unreferenced-objects",
            unreferenced,
            {"limit": 10_000},
            note="The oldest first.",
            empty="Every object is in use",
            span=6,
        ),
        Picture(
            "Asked for most",
            "object-access",
            accesses,
            {"order": "most", "limit": 100},
            empty="No object was asked for yet",
        ),
        Picture("Asked for least", "object-access", accesses, {"order": "least", "limit": 100}, empty=_NO_OBJECT),
    ],
)
