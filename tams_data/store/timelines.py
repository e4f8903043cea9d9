"""The timeline of a flow while segments are put on it: no overlap, and what they add up to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import starmap
from typing import Any, NamedTuple

import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.errors import InvalidInput, SegmentOverlap
from tams_data.queries import segments as queries
from tams_data.store import gaps
from tams_data.timerange import MAX_NS, TimeRange, merge

EMPTY: Mapping[str, int | None] = {
    "start_ns": None,
    "end_ns": None,
    "segment_count": 0,
    "covered_ns": 0,
    "longest_ns": 0,
    "size_bytes": 0,
}
"""The columns of `flow_timelines` that segments decide, for a flow without any."""


class Placed(NamedTuple):
    """A segment on the timeline, by what tells a repeated request from a conflicting one."""

    start_ns: int
    end_ns: int
    object_key: int
    ts_offset_ns: int


class Timeline:
    """The segments of one flow near those being added, in time order."""

    def __init__(self, flow_id: str, totals: Mapping[str, Any], existing: Iterable[Placed]) -> None:
        self.flow_id = flow_id
        self._totals = dict(totals)
        self._placed = sorted(existing)
        self._starts = [placed.start_ns for placed in self._placed]
        self._before = gaps.extent(totals)
        self._added: list[TimeRange] = []

    def place(self, new: Placed) -> bool:
        """Put a segment on the timeline; false when the very same one is there already.

        :raise SegmentOverlap: another segment shares media time with it.
        :raise InvalidInput: the flow would be longer than int64 nanoseconds, and so could be what is counted of it.
        """
        first, last = self._totals["start_ns"], self._totals["end_ns"]
        start_ns, end_ns = new[:2] if first is None else (min(first, new.start_ns), max(last, new.end_ns))
        if end_ns - start_ns > MAX_NS:
            raise InvalidInput(
                f"with {_text(new)}, flow {self.flow_id} would be longer than 292 years",
                field="timerange",
                value=_text(new),
            )
        index = bisect_left(self._starts, new.end_ns)
        # Segments do not overlap, so only the last one that starts before `new` ends can reach into it.
        before = self._placed[index - 1] if index else None
        if before is not None and before.end_ns > new.start_ns:
            if before == new:
                return False
            raise SegmentOverlap(
                f"{_text(new)} overlaps the segment {_text(before)} of flow {self.flow_id}",
                field="timerange",
                value=_text(new),
            )
        self._placed.insert(index, new)
        self._starts.insert(index, new.start_ns)
        return True

    def add(self, start_ns: int, end_ns: int, size_bytes: int) -> None:
        """Count a segment that was placed."""
        totals, length = self._totals, end_ns - start_ns
        totals["start_ns"] = start_ns if totals["start_ns"] is None else min(totals["start_ns"], start_ns)
        totals["end_ns"] = end_ns if totals["end_ns"] is None else max(totals["end_ns"], end_ns)
        totals["segment_count"] += 1
        totals["covered_ns"] += length
        totals["longest_ns"] = max(totals["longest_ns"], length)
        totals["size_bytes"] += size_bytes
        self._added.append(TimeRange(start_ns, end_ns))

    @property
    def changed(self) -> bool:
        """Whether a segment was added."""
        return bool(self._added)

    def change_of_gaps(self, transaction: Transaction) -> gaps.Change:
        """What becomes of the flow's gaps."""
        return gaps.on_adding(transaction, self.flow_id, self._before, gaps.extent(self._totals), self._added)

    def row(self, now_ns: int) -> dict[str, Any]:
        """The flow's row of `flow_timelines`."""
        totals = {name: self._totals[name] for name in EMPTY}
        return {"flow_id": self.flow_id, **totals, "segments_updated_ns": now_ns}


def load(
    transaction: Transaction, flow_id: str, totals: Mapping[str, Any], wanted: Iterable[tuple[int, int]]
) -> Timeline:
    """The timeline of a flow with every segment that shares time with one of the `wanted` intervals.

    Intervals after the flow's last segment or before its first, as a live feed adds them, cost no query.
    """
    existing: list[Placed] = []
    start_ns, end_ns = totals["start_ns"], totals["end_ns"]
    # What touches is made one, so that an array of consecutive segments is one query.
    for one in merge(starmap(TimeRange, wanted)):
        if start_ns is not None and one.start_ns < end_ns and one.end_ns > start_ns:
            window = {"flow_id": flow_id, "start_ns": one.start_ns, "end_ns": one.end_ns}
            existing.extend(Placed(**row) for row in transaction.rows(queries.placed, window))
    return Timeline(flow_id, totals, dict.fromkeys(existing))


def write(transaction: Transaction, timelines: Iterable[Timeline], now_ns: int) -> None:
    """Write the rows of the timelines that changed, and their gaps."""
    changed = [timeline for timeline in timelines if timeline.changed]
    rows = [timeline.row(now_ns) for timeline in changed]
    transaction.update(schema.FLOW_TIMELINES, schema.FLOW_TIMELINES.rows(rows))
    gaps.write(transaction, [timeline.change_of_gaps(transaction) for timeline in changed])


def subtract(
    transaction: Transaction, flow: Mapping[str, Any], removed: pa.Table, sizes: Mapping[int, int | None], now_ns: int
) -> None:
    """Write the row of a flow, and its gaps, after some of its segments were deleted.

    `flow` has what they added up to before, `removed` the segments that are gone (`start_ns`, `end_ns`,
    `object_key`), and `sizes` the bytes of their objects. What is left is not summed up again: a long flow loses
    its segments in many batches.
    """
    rows = removed.select(["start_ns", "end_ns", "object_key"]).to_pylist()
    bounds = transaction.rows(queries.bounds, {"flow_id": flow["id"]})[0]
    row = {
        "flow_id": flow["id"],
        **bounds,
        "segment_count": flow["segment_count"] - len(rows),
        "covered_ns": flow["covered_ns"] - sum(one["end_ns"] - one["start_ns"] for one in rows),
        "size_bytes": flow["size_bytes"] - sum(sizes[one["object_key"]] or 0 for one in rows),
        "segments_updated_ns": now_ns,
    }
    transaction.update(schema.FLOW_TIMELINES, schema.FLOW_TIMELINES.rows([row]))
    gone = [TimeRange(one["start_ns"], one["end_ns"]) for one in rows if one["start_ns"] < one["end_ns"]]
    gaps.write(transaction, [gaps.on_removing(transaction, flow["id"], gaps.extent(bounds), gone)])


def _text(placed: Placed) -> str:
    return str(TimeRange(placed.start_ns, placed.end_ns))
