"""What a query asks of its source, and what is left to DuckDB, as an analyst reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from tams_data.scan.predicate import Condition, Predicate
from tams_data.scan.source import Source


@dataclass(frozen=True)
class TableScan:
    """One scan of a table: the columns and conditions the source gets, and the conditions it cannot filter by."""

    table: str
    columns: tuple[str, ...]
    predicate: Predicate
    rest: Predicate

    def __str__(self) -> str:
        lines = [self.table, f"  columns: {', '.join(self.columns)}", f"  filter: {_and(self.predicate) or 'none'}"]
        if self.rest:
            lines.append(f"  filtered here: {_and(self.rest)}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Explanation:
    """The scans of a query, and what DuckDB does with their rows; its text is for people."""

    scans: tuple[TableScan, ...]
    local: tuple[str, ...]

    def __str__(self) -> str:
        here = "\n".join(f"  {one}" for one in self.local) or "  nothing"
        return "\n".join([*map(str, self.scans), "done here:", here])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What is asked for and what is done here, side by side, for a notebook."""
        rows = [(one.table, ", ".join(one.columns), _and(one.predicate), _and(one.rest)) for one in self.scans]
        asked = _table(("asked for", "columns", "filter", "filtered here"), rows)
        return asked + _table(("done here, the last step first",), [(one,) for one in self.local or ("nothing",)])

    def of(self, table: str) -> TableScan:
        """The scan of a table that is scanned once.

        :raise ValueError: it is scanned more than once, or not at all.
        """
        (scan,) = (one for one in self.scans if one.table == table)
        return scan


class Recorder:
    """A snapshot whose tables have no rows, and which notes every scan."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._schemas: dict[str, pa.Schema] = {}
        self.scans: list[TableScan] = []

    def scan(self, name: str, columns: Sequence[str], predicate: Predicate) -> pa.RecordBatchReader:
        """No rows."""
        schema = self._source.schema(name)
        asked: list[Condition] = []
        rest: list[Condition] = []
        for condition in predicate:
            (asked if self._source.filters_by(schema, condition) else rest).append(condition)
        self.scans.append(TableScan(name, tuple(columns), tuple(asked), tuple(rest)))
        return pa.RecordBatchReader.from_batches(pa.schema([schema.field(one) for one in columns]), [])


@dataclass(frozen=True)
class Steps:
    """What a database does by itself for a query, the last step first; its text is for people."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(["done by the database:", *(f"  {one}" for one in self.steps)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same, for a notebook."""
        return _table(("done by the database, the last step first",), [(one,) for one in self.steps])


def operators(plan: str) -> tuple[str, ...]:
    """What DuckDB does beside scanning, from its plan in JSON, the last step first."""
    return tuple(text for node in json.loads(plan) for text in _operators(node))


def _operators(node: Mapping[str, Any]) -> Iterator[str]:
    name = node["name"].strip()
    if name not in _UNSAID:
        details = (_flat(value) for key, value in node["extra_info"].items() if key != "Estimated Cardinality")
        yield f"{name.lower().replace('_', ' ')}: {'; '.join(details)}".removesuffix(": ")
    for child in node["children"]:
        yield from _operators(child)


_UNSAID = {"ARROW_SCAN", "PROJECTION"}
"""Scans are told of by themselves, and projections say which columns go on."""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    left = ' style="text-align:left"'
    head = "".join(f"<th{left}>{escape(one)}</th>" for one in headings)
    body = "\n".join("<tr>" + "".join(f"<td{left}>{escape(one)}</td>" for one in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def _flat(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _and(predicate: Predicate) -> str:
    return " AND ".join(map(str, predicate))
