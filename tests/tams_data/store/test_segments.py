"""Segments are added with what a client says of them, and deleted with the objects that only they used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data import schema
from tams_data.errors import FlowNotFound, FlowReadOnly
from tams_data.queries import segments as queries
from tams_data.store.discards import Orphan
from tams_data.timerange import MAX_NS, MIN_NS, TimeRange
from tests.tams_data.builders import (
    BACKEND,
    Commands,
    everything,
    flow,
    fragmented_flow,
    on_one_database,
    rows_of,
    segment,
    timeline_row,
    uncontrolled,
)


def starts(database, flow_id: str = "f") -> list[int]:
    return [row["start_ns"] for row in rows_of(database, schema.SEGMENTS) if row["flow_id"] == flow_id]


def object_ids(database) -> set[str]:
    return {row["id"] for row in rows_of(database, schema.OBJECTS)}


# --- add -------------------------------------------------------------------------------------------------------------


def test_a_segment_is_stored_as_given(database, commands):
    commands.put_flow(flow(id="f"))
    said = {"ts_offset_ns": -5, "last_duration_ns": 2, "sample_offset": 3, "sample_count": 4}
    texts = {"timerange_text": "[0:0_0:9]", "object_timerange_text": "[0:5_0:14]"}
    commands.add("f", uncontrolled("a", 0, 10, object_timerange=TimeRange(5, 15), **said, **texts))
    (row,) = rows_of(database, schema.SEGMENTS)
    (used,) = rows_of(database, schema.OBJECTS)
    where = {"flow_id": "f", "start_ns": 0, "end_ns": 10, "object_key": used["key"], "created_ns": commands.now_ns}
    assert row == {**where, **said, "timerange": "[0:0_0:9]"}
    assert used["timerange"] == "[0:5_0:14]"


def test_requests_of_a_group_are_each_answered_for_their_own_flow(database, commands):
    commands.put_flow(flow(id="f"))
    commands.put_flow(flow(id="g", read_only=True))
    commands.put_flow(flow(id="h", container=None))
    verdicts = commands.add_group(
        ("none", [uncontrolled("a", 0, 10)]),
        ("f", [uncontrolled("b", 0, 10)]),
        ("g", [uncontrolled("c", 0, 10)]),
        ("h", [uncontrolled("d", 0, 10)]),
        ("f", [uncontrolled("e", 10, 20), uncontrolled("x", 15, 25)]),
        ("f", []),
    )
    answered = [
        type(one).__name__ if not isinstance(one, list) else [type(v).__name__ for v in one] for one in verdicts
    ]
    assert answered == [
        "FlowNotFound",
        ["NoneType"],
        "FlowReadOnly",
        "InvalidInput",
        ["NoneType", "SegmentOverlap"],
        [],
    ]
    assert object_ids(database) == {"b", "e"}


def test_an_object_is_registered_once_in_a_group(database, commands):
    for name in "fg":
        commands.put_flow(flow(id=name))
    commands.allocate("f", "a")
    assert commands.add_group(("f", [segment("a", 0, 10)]), ("g", [segment("a", 0, 10)])) == [[None], [None]]
    assert object_ids(database) == {"a"}


def test_an_object_is_not_registered_by_a_segment_that_is_refused(database, commands):
    commands.put_flow(flow(id="f"))
    commands.allocate("f", "a", "b")
    commands.add("f", segment("a", 0, 10))
    commands.add("f", segment("b", 5, 15))
    assert object_ids(database) == {"a"}
    assert [row["object_id"] for row in rows_of(database, schema.STORAGE_ALLOCATIONS)] == ["b"]


# --- delete ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(commands: Commands) -> Commands:
    """Flow f: object a from 0 to 10 and from 30 to 40, b from 10 to 20, c from 20 to 30."""
    commands.put_flow(flow(id="f"))
    commands.put_flow(flow(id="g"))
    commands.allocate("f", "a", "b", "c")
    for size, name in enumerate("abc", 1):
        commands.record_upload(name, size)
    again = segment("a", 30, 40, ts_offset_ns=30)
    assert commands.add("f", segment("a", 0, 10), segment("b", 10, 20), segment("c", 20, 30), again) == [None] * 4
    return commands


@pytest.mark.parametrize(
    ("window", "object_id", "left", "orphans"),
    [
        pytest.param((10, 20), None, [0, 20, 30], ["b"], id="one-exactly"),
        pytest.param((9, 31), None, [0, 30], ["b", "c"], id="those-wholly-inside"),
        pytest.param((11, 20), None, [0, 10, 20, 30], [], id="part-of-one"),
        pytest.param((MIN_NS, MAX_NS), None, [], ["a", "b", "c"], id="eternity"),
        pytest.param((0, 10), None, [10, 20, 30], [], id="the-object-is-used-elsewhere-in-the-flow"),
        pytest.param((MIN_NS, MAX_NS), "a", [10, 20], ["a"], id="all-of-one-object"),
        pytest.param((0, 20), "a", [10, 20, 30], [], id="of-one-object-inside-a-window"),
        pytest.param((0, 20), "c", [0, 10, 20, 30], [], id="of-an-object-that-is-outside-the-window"),
        pytest.param((0, 20), "unknown", [0, 10, 20, 30], [], id="of-an-unknown-object"),
        pytest.param((5, 5), None, [0, 10, 20, 30], [], id="never"),
        pytest.param((100, 200), None, [0, 10, 20, 30], [], id="where-nothing-is"),
        pytest.param((20, MAX_NS), None, [0, 10], ["c"], id="open-end"),
    ],
)
def test_segments_wholly_inside_a_window_are_deleted_with_the_objects_only_they_used(
    recorded, window, object_id, left, orphans
):
    database = recorded.database
    before = everything(database)
    found = recorded.delete("f", TimeRange(*window), object_id)
    assert starts(database) == left
    assert sorted(found, key=lambda one: one.object_id) == [Orphan(name, BACKEND) for name in orphans]
    assert object_ids(database) == set("abc") - set(orphans)
    keys = {row["key"] for row in rows_of(database, schema.OBJECTS)}
    assert {row["object_key"] for row in rows_of(database, schema.OBJECT_INSTANCES)} == keys
    if len(left) == 4:
        assert everything(database) == before, "what deletes nothing changes nothing"


def test_the_timeline_is_counted_again(database, recorded):
    recorded.delete("f", TimeRange(0, 20))
    of_f = {"start_ns": 20, "end_ns": 40, "segment_count": 2, "covered_ns": 20, "longest_ns": 10, "size_bytes": 4}
    stamp = {"segments_updated_ns": recorded.now_ns}
    assert rows_of(database, schema.FLOW_TIMELINES)[0] == timeline_row("f", **of_f, **stamp)
    recorded.delete("f", TimeRange.eternity())
    row = timeline_row("f", start_ns=None, end_ns=None, segments_updated_ns=recorded.now_ns)
    assert rows_of(database, schema.FLOW_TIMELINES)[0] == row


@on_one_database
@given(
    lengths=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=8),
    start=st.integers(-2, 30),
    length=st.integers(1, 30),
)
def test_after_a_deletion_the_timeline_is_what_is_left(database, lengths, start, length):
    commands, given_flow = Commands(database), flow()
    flow_id, end, placed = given_flow["id"], 0, []
    for gap, duration in lengths:
        placed.append((end + gap, end + gap + duration))
        end = placed[-1][1]
    commands.put_flow(given_flow)
    commands.add(flow_id, *(uncontrolled(f"{flow_id}{i}", *one) for i, one in enumerate(placed)))
    commands.delete(flow_id, TimeRange(start, start + length))
    left = [one for one in placed if not (start <= one[0] and one[1] <= start + length)]
    assert starts(database, flow_id) == [one[0] for one in left]
    (row,) = [row for row in rows_of(database, schema.FLOW_TIMELINES) if row["flow_id"] == flow_id]
    assert (row["start_ns"], row["end_ns"]) == ((left[0][0], left[-1][1]) if left else (None, None))
    assert (row["segment_count"], row["covered_ns"]) == (len(left), sum(b - a for a, b in left))
    assert row["longest_ns"] >= max((b - a for a, b in left), default=0)


def test_an_object_is_kept_while_another_flow_refers_to_it(database, recorded):
    recorded.add("g", segment("b", 0, 10, ts_offset_ns=-10))
    assert recorded.delete("f", TimeRange(10, 20)) == []
    assert object_ids(database) == set("abc")
    assert recorded.delete("g", TimeRange.eternity()) == [Orphan("b", BACKEND)]
    assert object_ids(database) == set("ac")


def test_an_uncontrolled_object_leaves_no_bytes_to_delete(database, recorded):
    recorded.add("g", uncontrolled("elsewhere", 0, 10))
    assert recorded.delete("g", TimeRange.eternity()) == []
    assert object_ids(database) == set("abc")


def test_an_initialisation_object_goes_with_the_last_object_that_needs_it(database, commands):
    commands.put_flow(fragmented_flow(id="f"))
    commands.allocate("f", "init", "other", "a", "b", "c")
    commands.add("f", segment("a", 0, 10, init_object_id="init"), segment("b", 10, 20, init_object_id="init"))
    commands.add("f", segment("c", 20, 30, init_object_id="other"))
    assert commands.delete("f", TimeRange(0, 10)) == [Orphan("a", BACKEND)]
    assert object_ids(database) == {"init", "other", "b", "c"}
    assert commands.delete("f", TimeRange(10, 20)) == [Orphan("b", BACKEND), Orphan("init", BACKEND)]
    assert object_ids(database) == {"other", "c"}
    assert {row["object_key"] for row in rows_of(database, schema.OBJECT_INSTANCES)} == {
        row["key"] for row in rows_of(database, schema.OBJECTS)
    }


def test_segments_of_initialisation_objects_are_none(database, commands):
    """An initialisation object is not what a segment holds, so deleting by its id deletes nothing."""
    commands.put_flow(fragmented_flow(id="f"))
    commands.allocate("f", "init", "a")
    commands.add("f", segment("a", 0, 10, init_object_id="init"))
    assert commands.delete("f", TimeRange.eternity(), "init") == []
    assert starts(database) == [0]


@pytest.mark.parametrize("count", [513, 1100])
def test_many_segments_are_deleted_with_their_objects(database, commands, count):
    """More than one query takes keys for."""
    commands.put_flow(flow(id="f"))
    ids = [f"o{i}" for i in range(count)]
    commands.allocate("f", *ids)
    commands.add("f", *(segment(one, i, i + 1) for i, one in enumerate(ids)))
    orphans = commands.delete("f", TimeRange(0, count - 1))
    assert sorted(one.object_id for one in orphans) == sorted(ids[:-1])
    assert starts(database) == [count - 1]
    assert object_ids(database) == {ids[-1]}


@pytest.mark.parametrize(("members", "error"), [(None, FlowNotFound), ({"read_only": True}, FlowReadOnly)])
def test_segments_of_a_flow_that_is_not_there_or_read_only_are_not_deleted(database, commands, members, error):
    if members:
        commands.put_flow(flow(id="f"))
        commands.add("f", uncontrolled("a", 0, 10))
        commands.put_flow({**flow(id="f", source_id=_source_of(database)), **members})
    before = everything(database)
    with pytest.raises(error):
        commands.delete("f", TimeRange.eternity())
    assert everything(database) == before


def _source_of(database) -> str:
    return rows_of(database, schema.FLOWS)[0]["source_id"]


def test_deleted_time_can_be_used_again(database, recorded):
    recorded.delete("f", TimeRange(10, 20))
    assert recorded.add("f", uncontrolled("new", 10, 20)) == [None]
    rows = database.read(queries.page, {"flow_id": "f", "start_ns": 0, "end_ns": 100}, limit=9).to_pylist()
    assert [(row["start_ns"], row["end_ns"]) for row in rows] == [(0, 10), (10, 20), (20, 30), (30, 40)]
