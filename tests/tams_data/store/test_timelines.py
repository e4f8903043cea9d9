"""No two segments of a flow share time, and a flow's timeline is what its segments add up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tams_data import schema
from tams_data.errors import InvalidInput, SegmentOverlap
from tams_data.queries import segments as queries
from tams_data.store import timelines
from tams_data.store.allocations import Allocations
from tams_data.store.segments import AddSegments, SegmentAdder
from tams_data.store.timelines import EMPTY, Placed, Timeline
from tams_data.timerange import MAX_NS, MIN_NS, TimeRange
from tests.tams_data.builders import Commands, everything, flow, on_one_database, rows_of, segment


@dataclass
class Oracle:
    """A flow's segments in a list, each compared with every other."""

    placed: list[Placed] = field(default_factory=list)

    def place(self, new: Placed) -> bool | None:
        """True when it is put on, False when it is there, None when it overlaps."""
        if new in self.placed:
            return False
        if any(new.start_ns < one.end_ns and one.start_ns < new.end_ns for one in self.placed):
            return None
        self.placed.append(new)
        return True

    def totals(self, sizes: dict[int, int]) -> dict[str, Any]:
        lengths = [one.end_ns - one.start_ns for one in self.placed]
        return {
            "start_ns": min((one.start_ns for one in self.placed), default=None),
            "end_ns": max((one.end_ns for one in self.placed), default=None),
            "segment_count": len(lengths),
            "covered_ns": sum(lengths),
            "longest_ns": max(lengths, default=0),
            "size_bytes": sum(sizes[one.object_key] for one in self.placed),
        }


PLACED = st.builds(
    lambda start, length, key, offset: Placed(start, start + length, key, offset),
    *(st.integers(-20, 20), st.integers(1, 8), st.integers(1, 2), st.sampled_from([0, 0, 5])),
)


def attempt(timeline: Timeline, new: Placed) -> bool | None:
    try:
        return timeline.place(new)
    except SegmentOverlap:
        return None


@given(st.lists(PLACED, max_size=30))
def test_segments_are_placed_as_comparing_each_with_every_other_says(wanted):
    timeline, oracle = Timeline("f", EMPTY, []), Oracle()
    for new in wanted:
        assert attempt(timeline, new) == oracle.place(new)


@given(st.lists(PLACED, max_size=20), st.lists(PLACED, max_size=20))
def test_segments_that_are_there_count_like_those_just_placed(before, wanted):
    oracle = Oracle()
    existing = [one for one in before if oracle.place(one)]
    timeline = Timeline("f", EMPTY, existing)
    for new in wanted:
        assert attempt(timeline, new) == oracle.place(new)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(Placed(10, 20, 1, 0), False, id="the-very-same"),
        pytest.param(Placed(10, 20, 2, 0), None, id="another-object"),
        pytest.param(Placed(10, 20, 1, 5), None, id="another-part-of-the-object"),
        pytest.param(Placed(10, 19, 1, 0), None, id="shorter"),
        pytest.param(Placed(9, 20, 1, 0), None, id="longer"),
        pytest.param(Placed(0, 10, 1, 0), True, id="touches-its-start"),
        pytest.param(Placed(20, 30, 1, 0), True, id="touches-its-end"),
        pytest.param(Placed(0, 11, 1, 0), None, id="by-its-first-nanosecond"),
        pytest.param(Placed(19, 30, 1, 0), None, id="by-its-last-nanosecond"),
        pytest.param(Placed(0, 30, 1, 0), None, id="around-it"),
        pytest.param(Placed(14, 15, 1, 0), None, id="inside-it"),
    ],
)
def test_beside_one_segment_another_is_placed_repeated_or_refused(new, expected):
    assert attempt(Timeline("f", EMPTY, [Placed(10, 20, 1, 0)]), new) is expected


def test_an_overlap_names_both_segments_and_the_flow():
    with pytest.raises(SegmentOverlap) as raised:
        Timeline("f", EMPTY, [Placed(0, 10, 1, 0)]).place(Placed(5, 15, 2, 0))
    assert str(raised.value) == "[0:5_0:15) overlaps the segment [0:0_0:10) of flow f"
    assert (raised.value.field, raised.value.value) == ("timerange", "[0:5_0:15)")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((MIN_NS + 1, MAX_NS - 1), None, id="one-segment"),
        pytest.param((MIN_NS + 1, MIN_NS + 2), (MAX_NS - 2, MAX_NS - 1), id="far-apart"),
    ],
)
def test_a_flow_longer_than_int64_can_count_is_refused(database, first, second):
    commands, given = Commands(database), flow()
    commands.put_flow(given)
    commands.allocate(given["id"], "a", "b")
    wanted = [segment(name, *bounds) for name, bounds in (("a", first), ("b", second)) if bounds is not None]
    verdicts = commands.add(given["id"], *wanted)
    assert [type(verdict) for verdict in verdicts] == [type(None)] * (len(wanted) - 1) + [InvalidInput]
    assert verdicts[-1].field == "timerange"
    assert len(rows_of(database, schema.SEGMENTS)) == len(wanted) - 1


# --- through the commands --------------------------------------------------------------------------------------------

SIZES = {"x": 100, "y": 1}

REQUEST = st.lists(
    st.tuples(st.integers(-10, 10), st.integers(1, 6), st.sampled_from("xy"), st.sampled_from([None, 0, 5])), max_size=5
)
GROUPS = st.lists(st.lists(st.tuples(st.sampled_from("fg"), REQUEST), min_size=1, max_size=3), max_size=4)
"""Groups of requests, each for one of two flows, with segments of two objects of that flow."""


@settings(on_one_database, max_examples=25)
@given(GROUPS)
def test_groups_of_requests_in_any_order_are_placed_as_by_the_oracle(database, groups):
    commands = Commands(database)
    flows = {name: flow() for name in "fg"}
    oracles = {name: Oracle() for name in "fg"}
    keys = {}
    for name, given_flow in flows.items():
        commands.put_flow(given_flow)
        commands.allocate(given_flow["id"], *(f"{given_flow['id']}{one}" for one in "xy"))
        for one in "xy":
            commands.record_upload(f"{given_flow['id']}{one}", SIZES[one])
            keys[name, one] = len(keys) + 1
    sizes = {key: SIZES[one] for (_, one), key in keys.items()}

    for group in groups:
        requests, expected = [], []
        for name, wanted in group:
            flow_id = flows[name]["id"]
            requests.append((flow_id, [new_segment(flow_id, *one) for one in wanted]))
            expected.append(
                [oracles[name].place(Placed(s, s + n, keys[name, one], offset or 0)) for s, n, one, offset in wanted]
            )
        verdicts = commands.add_group(*requests)
        assert [[type(verdict) for verdict in request] for request in verdicts] == [
            [SegmentOverlap if outcome is None else type(None) for outcome in request] for request in expected
        ]

    for name, given_flow in flows.items():
        (row,) = [r for r in rows_of(database, schema.FLOW_TIMELINES) if r["flow_id"] == given_flow["id"]]
        assert {column: row[column] for column in EMPTY} == oracles[name].totals(sizes)
        stored = [r for r in rows_of(database, schema.SEGMENTS) if r["flow_id"] == given_flow["id"]]
        assert [(r["start_ns"], r["end_ns"], r["ts_offset_ns"] or 0) for r in stored] == sorted(
            (one.start_ns, one.end_ns, one.ts_offset_ns) for one in oracles[name].placed
        )


def new_segment(flow_id: str, start_ns: int, length_ns: int, name: str, offset_ns: int | None) -> Any:
    """A segment of an object that is long enough for any."""
    whole = TimeRange.eternity()
    end_ns = start_ns + length_ns
    return segment(f"{flow_id}{name}", start_ns, end_ns, ts_offset_ns=offset_ns, object_timerange=whole)


def test_a_short_segment_inside_a_long_one_does_not_hide_what_the_long_one_overlaps(commands):
    commands.put_flow(flow(id="f"))
    commands.allocate("f", "a", "b", "c")
    assert commands.add("f", segment("a", 7, 8)) == [None]
    long, short = commands.add("f", segment("b", 0, 10), segment("c", 2, 5))
    assert (type(long), short) == (SegmentOverlap, None)


@pytest.fixture
def recorded(database):
    """A flow with a segment of each of its objects a and b."""
    commands, given_flow = Commands(database), flow(id="f")
    commands.put_flow(given_flow)
    commands.allocate("f", "a", "b", "c")
    assert commands.add("f", segment("a", 0, 10), segment("b", 10, 20)) == [None, None]
    return commands


def test_a_repeated_request_is_accepted_and_writes_nothing(database, recorded):
    """Its first answer was lost, not its commit."""
    before = everything(database)
    assert recorded.add("f", segment("a", 0, 10), segment("b", 10, 20, ts_offset_ns=0)) == [None, None]
    assert everything(database) == before


def test_of_a_request_what_is_new_is_added_and_what_overlaps_is_named(database, recorded):
    verdicts = recorded.add("f", segment("a", 0, 10), segment("b", 15, 20), segment("c", 20, 30), segment("c", 20, 30))
    assert [type(verdict) for verdict in verdicts] == [type(None), SegmentOverlap, type(None), type(None)]
    assert [(r["start_ns"], r["end_ns"]) for r in rows_of(database, schema.SEGMENTS)] == [(0, 10), (10, 20), (20, 30)]


def test_a_timeline_says_when_segments_were_added_last(database, recorded):
    (before,) = rows_of(database, schema.FLOW_TIMELINES)
    assert before["segments_updated_ns"] == recorded.now_ns
    recorded.add("f", segment("c", 30, 40))
    (after,) = rows_of(database, schema.FLOW_TIMELINES)
    assert after["segments_updated_ns"] == recorded.now_ns > before["segments_updated_ns"]


@pytest.mark.parametrize("wanted", [[(20, 30)], [(-5, 0)], [(20, 25), (30, 35)]])
def test_segments_beyond_either_end_are_placed_without_a_look_at_the_others(database, recorded, wanted):
    """What a live feed adds costs no query: there is nothing to overlap."""
    reads = []

    class Watched:
        def rows(self, query, values):
            reads.append(query)
            return database.rows(query, values)

    (totals,) = rows_of(database, schema.FLOW_TIMELINES)
    timelines.load(Watched(), "f", totals, wanted)
    assert reads == []
    timelines.load(Watched(), "f", totals, [*wanted, (9, 11), (11, 12)])
    assert len(reads) == 1


def test_a_segment_without_two_ends_is_refused_without_a_look_at_the_others(database, recorded):
    """It would be a look at all of them."""
    reads = []

    class Watched:
        def __init__(self, transaction):
            self._transaction = transaction

        def __getattr__(self, name):
            return getattr(self._transaction, name)

        def rows(self, query, values, **options):
            reads.append(query)
            return self._transaction.rows(query, values, **options)

    adder = SegmentAdder(iter(range(100, 200)).__next__, (), Allocations())
    wanted = [segment("c", *bounds) for bounds in ((MIN_NS, MAX_NS), (15, MAX_NS), (5, 5))]
    with database.transaction() as transaction:
        (verdicts,) = adder(Watched(transaction), [AddSegments("f", wanted, 0)])
    assert [type(verdict) for verdict in verdicts] == [InvalidInput] * 3
    assert queries.placed not in reads
    assert reads
