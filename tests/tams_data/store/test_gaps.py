"""The gaps that are kept of a timeline are what its segments leave, whatever is put on it and taken off it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tams_data import schema
from tams_data.queries import segments as queries
from tams_data.store.allocations import Allocations
from tams_data.store.gaps import left_by_adding, left_by_removing
from tams_data.store.outbox import Outbox
from tams_data.store.segments import AddSegments, SegmentAdder
from tams_data.timerange import MAX_NS, MIN_NS, TimeRange
from tests.tams_data.builders import (
    Commands,
    everything,
    flow,
    gap_rows,
    gaps_between,
    on_one_database,
    rows_of,
    segment,
    uncontrolled,
)


def after(at: int, steps: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Start and end of segments in order, by the hole before each and its length."""
    for hole, length in steps:
        yield at + hole, at + hole + length
        at += hole + length


def spans_of(steps: list[tuple[int, int]]) -> list[TimeRange]:
    return [TimeRange(*ends) for ends in after(-10, steps)]


SPANS = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 2, 5]), st.integers(1, 4)), max_size=12).map(spans_of)
"""Segments that do not overlap, by hole before and length, from -10 on."""


def gaps_of(spans: list[TimeRange]) -> list[TimeRange]:
    """Nanosecond by nanosecond: runs of what no segment has, between the first and the last that one has."""
    covered = {ns for one in spans for ns in range(one.start_ns, one.end_ns)}
    found: list[list[int]] = []
    for ns in range(min(covered, default=0), max(covered, default=0)):
        if ns not in covered:
            if found and found[-1][1] == ns:
                found[-1][1] = ns + 1
            else:
                found.append([ns, ns + 1])
    return [TimeRange(start, end) for start, end in found]


def extent_of(spans: list[TimeRange]) -> TimeRange:
    found = TimeRange.never()
    for one in spans:
        found = found.extend(one)
    return found


def apart(data: st.DataObject, spans: list[TimeRange]) -> tuple[list[TimeRange], list[TimeRange]]:
    """The segments in two parts, in any order."""
    chosen = data.draw(st.lists(st.booleans(), min_size=len(spans), max_size=len(spans)))
    parts = [[one for one, is_first in zip(spans, chosen, strict=True) if is_first is part] for part in (True, False)]
    return parts[0], data.draw(st.permutations(parts[1]))


def replaced(gaps: list[TimeRange], near: list[TimeRange], left: list[TimeRange]) -> list[TimeRange]:
    return sorted({*gaps} - {*near} | {*left}, key=lambda one: one.start_ns)


@given(SPANS, st.data())
def test_what_is_added_leaves_the_gaps_that_counting_gives(spans, data):
    there, added = apart(data, spans)
    gaps = gaps_of(there)
    near = [gap for gap in gaps if any(gap.overlaps(one) for one in added)]
    left = left_by_adding(near, extent_of(there), extent_of(spans), added)
    assert replaced(gaps, near, left) == gaps_of(spans)


@given(SPANS, st.data())
def test_what_is_removed_leaves_the_gaps_that_counting_gives(spans, data):
    left_over, removed = apart(data, spans)
    gaps = gaps_of(spans)
    near = [gap for gap in gaps if any(gap.is_contiguous_with(one) for one in removed)]
    left = left_by_removing(near, extent_of(left_over), removed)
    assert replaced(gaps, near, left) == gaps_of(left_over)


@given(SPANS, st.data())
def test_gaps_that_are_not_near_may_be_given_and_come_back(spans, data):
    there, others = apart(data, spans)
    assert left_by_adding(gaps_of(there), extent_of(there), extent_of(spans), others) == gaps_of(spans)
    assert left_by_removing(gaps_of(spans), extent_of(there), others) == gaps_of(there)


def test_a_gap_may_be_as_long_as_a_flow():
    first, last = TimeRange(MIN_NS + 1, MIN_NS + 2), TimeRange(-3, -2)
    whole = first.extend(last)
    assert left_by_adding([], first, whole, [last]) == [TimeRange(MIN_NS + 2, -3)]
    assert left_by_removing([TimeRange(MIN_NS + 2, -3)], first, [last]) == []
    assert left_by_adding([], TimeRange.never(), TimeRange(-1, MAX_NS - 2), [TimeRange(-1, MAX_NS - 2)]) == []


# --- through the commands --------------------------------------------------------------------------------------------


def kept(database: Any, flow_id: str = "f") -> list[tuple[int, int]]:
    return [
        (row["start_ns"], row["end_ns"]) for row in rows_of(database, schema.FLOW_GAPS) if row["flow_id"] == flow_id
    ]


def check_gaps(database: Any) -> None:
    """All that are kept are what the rows of segments leave."""
    assert rows_of(database, schema.FLOW_GAPS) == gaps_between(rows_of(database, schema.SEGMENTS))


@pytest.fixture
def recorded(commands: Commands) -> Commands:
    """A flow with segments at 0, 10, 40 and 70, each of 10 ns."""
    commands.put_flow(flow(id="f"))
    commands.allocate("f", *"abcdefgh")
    assert commands.add("f", segment("a", 0, 10), segment("b", 10, 20)) == [None, None]
    assert commands.add("f", segment("c", 40, 50), segment("d", 70, 80)) == [None, None]
    assert kept(commands.database) == [(20, 40), (50, 70)]
    return commands


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "expected"),
    [
        pytest.param(80, 90, [(20, 40), (50, 70)], id="follows-the-last"),
        pytest.param(85, 90, [(20, 40), (50, 70), (80, 85)], id="leaves-a-hole"),
        pytest.param(-5, 0, [(20, 40), (50, 70)], id="before-the-first"),
        pytest.param(-5, -1, [(-1, 0), (20, 40), (50, 70)], id="before-the-first-with-a-hole"),
        pytest.param(20, 40, [(50, 70)], id="fills-a-hole"),
        pytest.param(20, 30, [(30, 40), (50, 70)], id="at-its-start"),
        pytest.param(30, 40, [(20, 30), (50, 70)], id="at-its-end"),
        pytest.param(25, 30, [(20, 25), (30, 40), (50, 70)], id="in-its-middle"),
    ],
)
def test_one_more_segment_leaves(recorded, start_ns, end_ns, expected):
    assert recorded.add("f", segment("e", start_ns, end_ns)) == [None]
    assert kept(recorded.database) == expected


def test_several_segments_in_several_holes_and_beyond_both_ends(recorded):
    """By the rules one by one: the first is no append."""
    new = [("e", 25, 30), ("f", -20, -10), ("g", 60, 70), ("h", 85, 90)]
    assert recorded.add("f", *(segment(*one) for one in new)) == [None] * 4
    assert kept(recorded.database) == [(-10, 0), (20, 25), (30, 40), (50, 60), (80, 85)]


def test_requests_of_one_group_see_the_gaps_of_each_other(recorded):
    """An append that leaves a hole, and a segment in this hole."""
    verdicts = recorded.add_group(("f", [segment("e", 100, 110)]), ("f", [segment("f", 85, 90)]))
    assert verdicts == [[None], [None]]
    assert kept(recorded.database) == [(20, 40), (50, 70), (80, 85), (90, 100)]


@pytest.mark.parametrize(
    ("timerange", "expected"),
    [
        pytest.param(TimeRange(0, 10), [(20, 40), (50, 70)], id="the-first"),
        pytest.param(TimeRange(70, 80), [(20, 40)], id="the-last-and-the-gap-before-it"),
        pytest.param(TimeRange(40, 80), [], id="all-after-a-gap"),
        pytest.param(TimeRange(0, 20), [(50, 70)], id="all-before-a-gap"),
        pytest.param(TimeRange(10, 20), [(10, 40), (50, 70)], id="beside-a-gap"),
        pytest.param(TimeRange(40, 50), [(20, 70)], id="between-two-gaps"),
        pytest.param(TimeRange(0, 80), [], id="all"),
    ],
)
def test_deletions_leave(recorded, timerange, expected):
    recorded.delete("f", timerange)
    assert kept(recorded.database) == expected


def test_uses_of_an_object_are_deleted_here_and_there(recorded):
    parts = [segment("e", start, start + 5, ts_offset_ns=start - 20) for start in (20, 60, 90)]
    assert recorded.add("f", segment("f", 25, 40), *parts) == [None] * 4
    assert kept(recorded.database) == [(50, 60), (65, 70), (80, 90)]
    recorded.delete("f", TimeRange.eternity(), "e")
    assert kept(recorded.database) == [(20, 25), (50, 70)]


def test_a_flow_goes_with_its_gaps_and_leaves_those_of_others(recorded):
    recorded.put_flow(flow(id="g"))
    recorded.allocate("g", "other", "another")
    recorded.add("g", segment("other", 0, 10), segment("another", 30, 40))
    recorded.delete_flow("f")
    assert rows_of(recorded.database, schema.FLOW_GAPS) == gap_rows("g", [(0, 10), (30, 40)])


def test_what_is_refused_or_repeated_changes_no_gap(recorded):
    before = everything(recorded.database)
    first, second = recorded.add("f", segment("a", 0, 10), segment("e", 45, 60))
    assert first is None
    assert second is not None
    assert everything(recorded.database) == before


class Watched:
    """A transaction, and what is read and written in it."""

    def __init__(self, transaction: Any) -> None:
        self._transaction, self.read_of, self.written = transaction, [], []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def read(self, query: Any, *args: Any, **options: Any) -> Any:
        self.read_of.append(query)
        return self._transaction.read(query, *args, **options)

    def rows(self, query: Any, *args: Any, **options: Any) -> Any:
        self.read_of.append(query)
        return self._transaction.rows(query, *args, **options)

    def insert(self, table: schema.Table, rows: Any) -> None:
        if rows.num_rows:
            self.written.append(table.name)
        self._transaction.insert(table, rows)

    def delete(self, table: schema.Table, keys: Any) -> None:
        if keys.num_rows:
            self.written.append(table.name)
        self._transaction.delete(table, keys)


@pytest.mark.parametrize(
    ("wanted", "writes", "reads"),
    [
        pytest.param([segment("e", 80, 90), segment("f", 90, 95)], [], 0, id="a-live-feed"),
        pytest.param([segment("e", 81, 90)], ["flow_gaps"], 0, id="a-live-feed-with-a-hole"),
        pytest.param([segment("e", -10, 0), segment("f", 80, 90)], [], 0, id="beyond-both-ends"),
        pytest.param([segment("e", 20, 40)], ["flow_gaps"], 1, id="all-of-a-hole"),
        pytest.param([segment("e", 20, 30), segment("f", 52, 55)], ["flow_gaps", "flow_gaps"], 1, id="in-two-holes"),
    ],
)
def test_gaps_are_read_and_written_where_they_change(database, recorded, wanted, writes, reads):
    """What a live feed adds costs nothing more."""
    adder = SegmentAdder(iter(range(100, 200)).__next__, (), Allocations())
    with database.transaction() as transaction:
        watched = Watched(transaction)
        announcer = Outbox(database).begin(watched)
        assert adder(announcer, [AddSegments("f", wanted, 0)]) == [[None] * len(wanted)]
    assert [name for name in watched.written if name == "flow_gaps"] == writes
    assert watched.read_of.count(queries.gaps_near) == reads
    check_gaps(database)


def test_a_deletion_reads_the_gaps_near_it(database, recorded):
    near = pa.table({"from_ns": pa.array([10, 70], pa.int64()), "until_ns": pa.array([20, 80], pa.int64())})
    for places, expected in ((near, [(20, 40), (50, 70)]), (near.slice(0, 1), [(20, 40)])):
        window = {"flow_id": "f", "start_ns": 10, "end_ns": places["until_ns"][-1].as_py()}
        found = database.read(queries.gaps_near, {**window, "places": places}).to_pylist()
        assert [tuple(row.values()) for row in found] == expected


STEP = st.one_of(
    st.tuples(st.just("add"), st.lists(st.tuples(st.integers(-20, 40), st.integers(1, 5)), min_size=1, max_size=4)),
    st.tuples(st.just("append"), st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=4)),
    st.tuples(st.just("delete"), st.tuples(st.integers(-25, 45), st.integers(1, 30))),
    st.tuples(st.just("delete-object"), st.integers(0, 3)),
    st.tuples(st.just("delete-flow"), st.none()),
)


@settings(on_one_database, max_examples=10)
@given(st.lists(STEP, max_size=12))
def test_any_steps_leave_the_gaps_of_the_rows(database, steps):
    commands, given_flow = Commands(database), flow()
    for number, (kind, what) in enumerate(steps):
        commands.put_flow(given_flow)
        take(commands, given_flow["id"], number, kind, what)
        check_gaps(database)


def take(commands: Commands, flow_id: str, number: int, kind: str, what: Any) -> None:
    """Take one step. Objects are used by every fourth segment, but for those of appends."""
    if kind == "add":
        whole = TimeRange.eternity()
        used = {start: f"{flow_id}-{start % 4}" for start, _ in what}
        commands.add(
            flow_id, *(uncontrolled(used[start], start, start + n, object_timerange=whole) for start, n in what)
        )
    elif kind == "append":
        (row,) = commands.database.read(queries.totals, {"flow_id": flow_id}).to_pylist()
        new = [segment(f"{flow_id}-{number}-{i}", *ends) for i, ends in enumerate(after(row["end_ns"] or 0, what))]
        commands.allocate(flow_id, *(one.object_id for one in new))
        assert commands.add(flow_id, *new) == [None] * len(new)
    elif kind == "delete":
        commands.delete(flow_id, TimeRange(what[0], sum(what)))
    elif kind == "delete-object":
        commands.delete(flow_id, TimeRange.eternity(), f"{flow_id}-{what}")
    else:
        commands.delete_flow(flow_id)
