"""The gaps of flows' timelines, kept true with every write of segments.

A gap is what no segment covers from the end of one to the start of the next. What a write does to them follows from
those near it and from where the timeline starts and ends: no other segment is looked at, and only the rows that change
are written. Who writes segments of a flow writes its row of `flow_timelines` in the same transaction. So two writers
that saw the same gaps of a flow are in conflict, and no lock is needed here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.queries import segments as queries
from tams_data.timerange import TimeRange, merge, without


def extent(totals: Mapping[str, Any]) -> TimeRange:
    """From the first to the last segment, by a row of `flow_timelines`; never, when there is none."""
    start_ns, end_ns = totals["start_ns"], totals["end_ns"]
    return TimeRange.never() if start_ns is None or start_ns >= end_ns else TimeRange(start_ns, end_ns)


def left_by_adding(
    gaps: Iterable[TimeRange], before: TimeRange, after: TimeRange, added: Iterable[TimeRange]
) -> list[TimeRange]:
    """What is in the place of `gaps` when segments were added, and the timeline grew from `before` to `after`.

    `gaps` are those that share time with one of `added`, and may be more.

    >>> whole, longer = TimeRange(0, 30), TimeRange(0, 50)
    >>> left_by_adding([TimeRange(10, 20)], whole, longer, [TimeRange(10, 15), TimeRange(40, 50)])
    [TimeRange(start_ns=15, end_ns=20), TimeRange(start_ns=30, end_ns=40)]
    """
    return without([*gaps, *without([after], [before])], added)


def left_by_removing(gaps: Iterable[TimeRange], after: TimeRange, removed: Iterable[TimeRange]) -> list[TimeRange]:
    """What is in the place of `gaps` when segments were removed, and the timeline is `after` what is left of it.

    `gaps` are those that touch one of `removed`, and may be more.

    >>> left_by_removing([TimeRange(10, 20), TimeRange(30, 40)], TimeRange(0, 50), [TimeRange(20, 30)])
    [TimeRange(start_ns=10, end_ns=40)]
    >>> left_by_removing([TimeRange(10, 20)], TimeRange(0, 10), [TimeRange(20, 30)])
    []
    """
    found = (gap.intersection(after) for gap in merge([*gaps, *removed]))
    return [gap for gap in found if not gap.is_never]


class Change(NamedTuple):
    """What becomes of the gaps of a flow."""

    flow_id: str
    gone: Collection[TimeRange]
    new: Collection[TimeRange]


def on_adding(
    transaction: Transaction, flow_id: str, before: TimeRange, after: TimeRange, added: Collection[TimeRange]
) -> Change:
    """What becomes of the gaps of a flow when segments are added; beyond its ends, without a look at those it has."""
    gaps = _near(transaction, flow_id, [one for one in added if before.overlaps(one)])
    return _change(flow_id, gaps, left_by_adding(gaps, before, after, added))


def on_removing(transaction: Transaction, flow_id: str, after: TimeRange, removed: Collection[TimeRange]) -> Change:
    """What becomes of the gaps of a flow when segments are removed."""
    gaps = _near(transaction, flow_id, removed)
    return _change(flow_id, gaps, left_by_removing(gaps, after, removed))


def write(transaction: Transaction, changes: Collection[Change]) -> None:
    """Write what becomes of the gaps of some flows."""
    table = schema.FLOW_GAPS
    gone = [{"flow_id": one.flow_id, "start_ns": gap.start_ns} for one in changes for gap in one.gone]
    transaction.delete(table, table.keys(gone))
    transaction.insert(
        table, table.records((one.flow_id, gap.start_ns, gap.end_ns) for one in changes for gap in one.new)
    )


def _change(flow_id: str, before: Iterable[TimeRange], after: Iterable[TimeRange]) -> Change:
    were, are = set(before), set(after)
    return Change(flow_id, were - are, are - were)


def _near(transaction: Transaction, flow_id: str, stretches: Iterable[TimeRange]) -> list[TimeRange]:
    """The gaps of a flow that touch or share time with one of the stretches."""
    places = merge(stretches)
    if not places:
        return []
    starts, ends = [one.start_ns for one in places], [one.end_ns for one in places]
    places_ns = pa.table({"from_ns": pa.array(starts, pa.int64()), "until_ns": pa.array(ends, pa.int64())})
    window = {"flow_id": flow_id, "start_ns": starts[0], "end_ns": ends[-1]}
    found = transaction.read(queries.gaps_near, {**window, "places": places_ns})
    return [TimeRange(*row.values()) for row in found.to_pylist()]
