"""A picture: one function over the rows of one analysis, and the frame that shows what it draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import panel as pn
import pyarrow as pa
from bokeh.plotting import figure
from panel.viewable import Viewable

from dashboards import figures, markup
from dashboards.answers import Question, question
from dashboards.clock import Clock
from dashboards.markup import View
from dashboards.table import Rows, Table
from tams_data.queries.analytics import ANALYSES

Drawn: TypeAlias = str | figure | Rows
"""HTML, a figure, or what a table is of."""

_NOTHING_PASSES = "Nothing passes the filters"
_SKELETON = '<div class="skeleton" role="status" aria-label="Loading"><i></i><i></i><i></i></div>'
_FILTERS = {"start_ns": "timerange", "any_tags": "tag."}
"""Parameters whose filters have another name in queries; a name that ends in a point is that of a family."""


@dataclass(frozen=True)
class Picture:
    """What is drawn of an analysis: `draw` makes it of rows, of which there is at least one.

    `title` and `note` stand above it. `empty` and `hint` are told where there are no rows and no filters. `span` is its
    width in columns of the page's grid of six. `named` is a column of ids that is drawn by what these are called.
    """

    title: str
    analysis: str
    draw: Callable[[pa.Table, Clock], Drawn]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    empty: str = "Nothing here yet"
    hint: str = ""
    span: int = 3
    named: str = ""

    @property
    def name(self) -> str:
        """The title as an identifier."""
        return "".join(one if one.isalnum() else "_" for one in self.title.casefold())

    def question(self, filters: Mapping[str, str]) -> Question:
        """What to ask for, with those filters that the analysis takes."""
        takes = {_FILTERS.get(one, one) for one in ANALYSES[self.analysis].takes}
        taken = {name: value for name, value in filters.items() if name in takes or f"{name.split('.')[0]}." in takes}
        return question(self.analysis, {**taken, **self.parameters})


class Frame:
    """Where a picture is shown. It changes in place: what stays the same on a page is not drawn again."""

    def __init__(self, picture: Picture, clock: Clock, names: Mapping[str, str] | None = None) -> None:
        """`names` are what flows and storage backends are called, by their ids."""
        self._picture, self._clock, self._names = picture, clock, {} if names is None else names
        self._pane: Viewable = View(_SKELETON)
        self.view = pn.Column(self._pane, sizing_mode="stretch_width", margin=0)
        self._rows: pa.Table | None = None
        self._filtered = False

    def show(self, rows: pa.Table, *, filtered: bool) -> None:
        """Draw rows, unless they are those that are shown."""
        self.waits(False)
        if self._rows is not None and self._rows.equals(rows) and self._filtered == filtered:
            return
        self._rows, self._filtered = rows, filtered
        self._draw()

    def redraw(self) -> None:
        """Draw again, on another clock."""
        self._draw()

    def fail(self, text: str) -> None:
        """Say why there is no picture."""
        self.waits(False)
        self._rows = None
        self._place(markup.message("This cannot be shown now", hint=text, kind="failed"))

    def waits(self, waits: bool) -> None:
        """Show, while it `waits`, that what is shown is not what the filters ask for."""
        wanted = ["waiting"] if waits else []
        if self.view.css_classes != wanted:
            self.view.css_classes = wanted

    def _draw(self) -> None:
        if self._rows is None:
            return
        if self._rows.num_rows:
            self._place(self._picture.draw(self._called(self._rows), self._clock))
        elif self._filtered:
            self._place(markup.message(_NOTHING_PASSES))
        else:
            self._place(markup.message(self._picture.empty, hint=self._picture.hint))

    def _called(self, rows: pa.Table) -> pa.Table:
        column = self._picture.named
        if not column:
            return rows
        called = [self._names.get(one, one) for one in rows[column].to_pylist()]
        return rows.set_column(rows.column_names.index(column), column, pa.array(called, pa.string()))

    def _place(self, drawn: Drawn) -> None:
        if isinstance(drawn, str) and isinstance(self._pane, View):
            self._pane.html = drawn
        elif isinstance(drawn, Rows) and isinstance(self._pane, Table):
            self._pane.fill(drawn)
        elif not (isinstance(self._pane, pn.pane.Bokeh) and figures.moved_into(self._pane.object, drawn)):
            self._pane = self._new_pane(drawn)
            self.view[:] = [self._pane]

    def _new_pane(self, drawn: Drawn) -> Viewable:
        if isinstance(drawn, str):
            return View(drawn)
        if isinstance(drawn, Rows):
            table = Table(self._clock, self._names)
            table.fill(drawn)
            return table
        return pn.pane.Bokeh(drawn, sizing_mode="stretch_width", margin=0)
