"""The rows and bars of the timeline: which flows there are, what of them is covered, and how that is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dashboards.clock import Clock
from dashboards.filters import Filters
from tams_data.analytics import Runs
from tams_data.formatting import count_text, duration_text, format_text, percent_text
from tams_data.queries.analytics import ANALYSES
from tams_data.timerange import NS_PER_SECOND, TimeRange

MOST_FLOWS = 10_000
"""How many flows are paged through at most; the filters choose among more."""

MOST_BARS = 10_000
"""Fewer bars than this are drawn."""

LATEST_GAP_NS = 24 * 3600 * NS_PER_SECOND

_TOP, _BOTTOM = 0.46, 0.9
"""Where in its row, counted from its top, a bar begins and ends; the text is above."""

_LOWEST, _HIGHEST_WITH_GAPS = 0.15, 0.8
"""How high a bar with gaps in it is against one without: a gap shows however short it is."""

_MOST_TOLD = 3000
_COARSER = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A flow that has segments: what is said of it, and its extent in ns TAI."""

    flow_id: str
    label: str
    source_id: str
    format: str
    codec: str | None
    start_ns: int
    end_ns: int
    segments: int
    covered_ns: int
    last_write_ns: int | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing between its ends: then all of it is one bar, from wherever it is seen."""
        return self.covered_ns == self.end_ns - self.start_ns

    @property
    def name(self) -> str:
        """Its label, or the beginning of its id."""
        return self.label or self.flow_id[:8]

    @property
    def about(self) -> str:
        """What stands behind the name."""
        coding = self.codec.rpartition("/")[2] if self.codec else None
        return " · ".join(filter(None, [format_text(self.format), coding, self.flow_id[:8] if self.label else None]))


@dataclass(frozen=True, slots=True)
class Bar:
    """A run of a flow as it is drawn: gaps shorter than a pixel are within, and `covered_ns` lacks them."""

    row: int
    start_ns: int
    end_ns: int
    segments: int
    covered_ns: int


# --- what is asked ---------------------------------------------------------------------------------------------------


def read_rows(analytics: Runs, filters: Filters) -> list[Row]:
    """Return the flows that the filters leave and that have segments: those of a source together, videos first.

    Their extent is all of it: the filter by media time leaves flows out, and clips none.
    """
    tags = {name: values.split(",") for name, values in filters.tags.items()}
    found = analytics.run("flows", limit=MOST_FLOWS, source_id=filters.source_id, format=filters.format, tags=tags)
    rows = [_row(one) for one in found.to_pylist() if one["start_ns"] is not None]
    rows = [row for row in rows if TimeRange(row.start_ns, row.end_ns).overlaps(filters.window)]
    sources: dict[str, tuple[bool, str]] = {}
    for row in sorted(rows, key=_order):
        sources.setdefault(row.source_id, _order(row)[:2])
    return sorted(rows, key=lambda row: (sources[row.source_id], row.source_id, _order(row)))


def _row(one: Mapping[str, Any]) -> Row:
    return Row(**{name: one[name] for name in Row.__slots__ if name != "label"}, label=one["label"] or "")


def _order(row: Row) -> tuple[bool, str, str]:
    return not row.format.endswith(":video"), row.label.casefold(), row.flow_id


def latest(rows: Sequence[Row]) -> TimeRange | None:
    """Return the time of the flows that end last, and of those that lie less than a day before; None without any.

    An edit has a timeline of its own, which may begin at 0:0: with it, all of what was recorded is a dot.
    """
    ordered = sorted(rows, key=lambda row: row.end_ns, reverse=True)
    if not ordered:
        return None
    window = TimeRange(ordered[0].start_ns, ordered[0].end_ns)
    for row in ordered:
        if row.end_ns + LATEST_GAP_NS < window.start_ns:
            break
        window = window.extend(TimeRange(row.start_ns, row.end_ns))
    return window


def everything(rows: Sequence[Row]) -> TimeRange | None:
    """Return the time of all flows; None without any."""
    if not rows:
        return None
    return TimeRange(min(row.start_ns for row in rows), max(row.end_ns for row in rows))


def read_bars(analytics: Runs, rows: Sequence[Row], window: TimeRange, resolution_ns: int) -> pa.Table:
    """Return the analysis `timeline` of those flows in which something is missing, in a window.

    It is asked in coarser steps until the answer has all there is: a bar for every pixel of every flow is too much.
    """
    asked = [row for row in rows if not row.is_whole and row.start_ns < window.end_ns and row.end_ns > window.start_ns]
    if not asked:
        return ANALYSES["timeline"].schema.empty_table()
    while True:
        found = analytics.run(
            "timeline",
            flow_id=[row.flow_id for row in asked],
            timerange=window,
            resolution_ns=resolution_ns,
            limit=MOST_BARS,
        )
        if found.num_rows < MOST_BARS:
            return found
        resolution_ns *= _COARSER


# --- what is drawn ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of a page of rows; arrays of one length, times in ns TAI."""

    row: np.ndarray
    start_ns: np.ndarray
    end_ns: np.ndarray
    segments: np.ndarray
    covered_ns: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Row], found: pa.Table) -> Bars:
        """Those of `found`, rows of the analysis `timeline`, that belong to one of `rows`; whole rows need none."""
        numbers = pc.index_in(found["flow_id"].cast("string"), pa.array([row.flow_id for row in rows], pa.string()))
        kept = found.filter(numbers.is_valid())
        whole = [number for number, row in enumerate(rows) if row.is_whole]

        def column(name: str) -> np.ndarray:
            known = np.array([getattr(rows[number], name) for number in whole], dtype=np.int64)
            return np.concatenate([known, kept[name].to_numpy()])

        row = np.concatenate([np.array(whole, dtype=np.int64), numbers.drop_null().to_numpy()])
        return cls(row, *(column(name) for name in cls.__slots__[1:]))

    def __len__(self) -> int:
        return len(self.row)

    def __iter__(self) -> Iterator[Bar]:
        return (self.bar(number) for number in range(len(self)))

    @property
    def hide_nothing(self) -> bool:
        """Whether all of every bar is covered: seen from nearer, they are the same bars."""
        return bool((self.covered_ns >= self.end_ns - self.start_ns).all())

    def bar(self, number: int) -> Bar:
        """One of them."""
        row, *times = (getattr(self, name)[number].item() for name in self.__slots__)
        return Bar(row, *times)

    def at(self, row: int, ns: int, *, within_ns: int) -> Bar | None:
        """The bar of a row at an instant, or the nearest one that is not farther away than `within_ns`."""
        of_row = np.flatnonzero(self.row == row)
        away = np.maximum(np.maximum(self.start_ns[of_row] - ns, ns - (self.end_ns[of_row] - 1)), 0)
        if not len(away) or away.min() > within_ns:
            return None
        return self.bar(int(of_row[away.argmin()]))

    def columns(self, rows: Sequence[Row], origin_ns: int, clock: Clock) -> dict[str, Any]:
        """What the browser draws. `left` and `right` count from the origin; a row is 1 high, the first at 0."""
        length = (self.end_ns - self.start_ns).astype(np.float64)
        share = self.covered_ns / np.maximum(length, 1)
        height = np.where(share < 1, np.clip(share, _LOWEST, _HIGHEST_WITH_GAPS), 1.0) * (_BOTTOM - _TOP)
        return {
            "left": (self.start_ns - origin_ns).astype(np.float64),
            "right": (self.end_ns - origin_ns).astype(np.float64),
            "top": self.row + _TOP,
            "bottom": self.row + _BOTTOM,
            "covered_top": self.row + _BOTTOM - height,
            "gaps": np.where(share < 1, 1.0, 0.0),
            "kind": np.array([format_text(row.format) for row in rows], dtype=object)[self.row].tolist(),
            "text": list(self._texts(rows, clock)) if len(self) <= _MOST_TOLD else [""] * len(self),
        }

    def _texts(self, rows: Sequence[Row], clock: Clock) -> Iterable[str]:
        for bar in self:
            yield f"{rows[bar.row].name}: {bar_text(bar, clock)}"


def bar_text(bar: Bar, clock: Clock) -> str:
    """A bar in words: from when, how long, how much of it is covered."""
    length_ns = bar.end_ns - bar.start_ns
    gaps = "" if bar.covered_ns >= length_ns else f", {percent_text(bar.covered_ns, length_ns)} covered"
    segments = f"{count_text(bar.segments)} segment{'' if bar.segments == 1 else 's'}"
    return f"{clock.text(bar.start_ns)}, {duration_text(length_ns)}, {segments}{gaps}"
