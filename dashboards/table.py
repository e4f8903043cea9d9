"""Tables of Arrow rows that sort, filter and can be downloaded; the browser has a page of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import param
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from panel.custom import JSComponent

from dashboards.clock import Clock
from tams_data import formatting

_ASSETS = Path(__file__).parent / "assets"

_TEXTS: Mapping[str, Callable[[Any, Clock], str]] = {
    "text": lambda value, _: formatting.UNKNOWN if value is None else str(value),
    "id": lambda value, _: formatting.UNKNOWN if value is None else str(value),
    "format": lambda value, _: formatting.format_text(value),
    "share": lambda value, _: str(value),
    "bytes": lambda value, _: formatting.bytes_text(value),
    "count": lambda value, _: formatting.count_text(value),
    "duration": lambda value, _: formatting.duration_text(value),
    "bit_rate": lambda value, _: formatting.bit_rate_text(value),
    "time": lambda value, clock: clock.text(value),
    "wall": lambda value, clock: clock.wall_text(value),
}
"""How a value of each kind is told. `time` is ns TAI, `wall` is ns since 1970 UTC."""

_NUMBERS = {"share", "bytes", "count", "duration", "bit_rate"}


@dataclass(frozen=True)
class Column:
    """A column of a table: which of the rows', its heading, and the kind of its values: `flow`, or one of `_TEXTS`."""

    name: str
    title: str
    kind: str = "text"


@dataclass(frozen=True)
class Rows:
    """What a table is of: rows and which of their columns it shows. `name` is that of downloaded files."""

    name: str
    rows: pa.Table
    columns: Sequence[Column]


class Table(JSComponent):
    """A table. Sorting, filtering and turning pages happen here; the browser gets the texts of one page.

    A text in `search` is looked for in what the table shows, without regard to case, and a row that has all of its
    words somewhere is found. What is downloaded are the rows that the search finds, in the order of the table, with
    every column and their exact values.
    """

    search = param.String(default="", doc="Only rows with these words")
    sort_by = param.String(default="", doc="Column that the rows are sorted by; empty: as they came")
    descending = param.Boolean(default=False, doc="Whether the largest comes first")
    page = param.Integer(default=0, doc="Which page, from 0")

    headings = param.List(default=[], doc="For each column its name, heading, and whether it is a number")
    cells = param.List(default=[], doc="The texts of a page, row by row")
    found = param.Integer(default=0, doc="How many rows the search finds")
    total = param.Integer(default=0, doc="How many rows there are")
    page_size = param.Integer(default=10, doc="Rows on a page")
    label = param.String(default="", doc="What the table is of, for those who do not see it")

    _esm: ClassVar[str] = (_ASSETS / "table.js").read_text()
    _stylesheets: ClassVar[list[str]] = [(_ASSETS / "table.css").read_text()]

    def __init__(self, clock: Clock, names: Mapping[str, str] | None = None, **params: Any) -> None:
        """`names` are what flows are called, by their ids, for columns of the kind `flow`."""
        super().__init__(sizing_mode="stretch_width", **params)
        self._clock = clock
        self._names = {} if names is None else names
        self._shown: Rows | None = None
        self._order: pa.Array = pa.array([], pa.int64())
        # For the search. Writing out every row takes longer than all else, so it is left until it is needed.
        self._lines: list[str] | None = None
        self.param.watch(self._find, ["search", "sort_by", "descending"])
        self.param.watch(self._turn, ["page"])

    def fill(self, shown: Rows) -> None:
        """Show these rows in place of those before; search, order and page stay."""
        self._shown = shown
        self._lines = None
        headings = [[one.name, self._heading(one), one.kind in _NUMBERS] for one in shown.columns]
        with param.parameterized.batch_call_watchers(self):
            self.headings, self.total, self.label = headings, shown.rows.num_rows, shown.name
        self._find()

    @property
    def rows(self) -> pa.Table:
        """The rows that the search finds, in order."""
        return self._rows.take(self._order)

    def csv(self) -> bytes:
        """The same as CSV."""
        sink = pa.BufferOutputStream()
        pyarrow.csv.write_csv(self.rows, sink)
        return bytes(sink.getvalue())

    def parquet(self) -> bytes:
        """The same as Parquet."""
        sink = pa.BufferOutputStream()
        pyarrow.parquet.write_table(self.rows, sink)
        return bytes(sink.getvalue())

    @property
    def _rows(self) -> pa.Table:
        return pa.table({}) if self._shown is None else self._shown.rows

    @property
    def _columns(self) -> Sequence[Column]:
        return () if self._shown is None else self._shown.columns

    def _heading(self, column: Column) -> str:
        return f"{column.title} ({self._clock.scale})" if column.kind in ("time", "wall") else column.title

    def _texts_of(self, rows: pa.Table) -> list[list[str]]:
        """What is shown of these rows, row by row."""
        columns = [self._column_texts(column, rows[column.name].to_pylist()) for column in self._columns]
        return [list(texts) for texts in zip(*columns, strict=True)]

    def _column_texts(self, column: Column, values: Sequence[Any]) -> list[str]:
        if column.kind == "flow":
            return [self._names.get(one, one) or formatting.UNKNOWN for one in values]
        text = _TEXTS[column.kind]
        return [text(value, self._clock) for value in values]

    def _find(self, *_: object) -> None:
        order = pa.array(self._found(), pa.int64())
        if self.sort_by in self._rows.column_names:
            keys = self._rows[self.sort_by].combine_chunks().take(order)
            direction = "descending" if self.descending else "ascending"
            order = order.take(pc.array_sort_indices(keys, order=direction))
        self._order = order
        last = max(0, (len(order) - 1) // self.page_size)
        with param.parameterized.batch_call_watchers(self):
            self.found = len(order)
            self.page = min(self.page, last)
        self._turn()

    def _found(self) -> Sequence[int]:
        """The numbers of the rows that have all words."""
        words = self.search.casefold().split()
        if not words:
            return range(self._rows.num_rows)
        if self._lines is None:
            self._lines = ["\0".join(texts).casefold() for texts in self._texts_of(self._rows)]
        return [number for number, line in enumerate(self._lines) if all(word in line for word in words)]

    def _turn(self, *_: object) -> None:
        first = self.page * self.page_size
        self.cells = self._texts_of(self._rows.take(self._order[first : first + self.page_size]))

    def _handle_msg(self, data: Any) -> None:
        """Send a file that the browser asks for."""
        made = {"csv": self.csv, "parquet": self.parquet}.get(data)
        if made is not None and self._shown is not None:
            self._send_msg({"name": f"{self._shown.name}.{data}", "content": b64encode(made()).decode()})
