"""Appends are written in whole columns and leave the very rows that the rules leave one segment after the other."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data import schema
from tams_data.engines.base import Database
from tams_data.store import segments as commands_of_segments
from tams_data.store.appends import Appends
from tams_data.timerange import MAX_NS, TimeRange
from tests.tams_data.builders import (
    Commands,
    clear,
    everything,
    flow,
    fragmented_flow,
    on_one_database,
    rows_of,
    segment,
    uncontrolled,
)

OBJECTS = "abcdefgh"


class Counted(Appends):
    """Counts the requests that were taken as appends."""

    taken = 0

    def take(self, flow_id, segments):
        verdicts = super().take(flow_id, segments)
        type(self).taken += verdicts is not None
        return verdicts


@pytest.fixture
def counted(monkeypatch) -> type[Counted]:
    """Counts in the place of the appends."""
    monkeypatch.setattr(Counted, "taken", 0)
    monkeypatch.setattr(commands_of_segments, "Appends", Counted)
    return Counted


@pytest.fixture
def recording(database, commands, counted) -> Commands:
    """Flow f reaches from 0 to 10, and has objects a to h allocated; flow i uses initialisation objects."""
    commands.put_flow(flow(id="f"))
    commands.put_flow(fragmented_flow(id="i"))
    commands.allocate("f", "z", *OBJECTS)
    commands.allocate("i", "j")
    commands.add("f", segment("z", 0, 10))
    counted.taken = 0
    return commands


@pytest.mark.parametrize(
    "new",
    [
        pytest.param([segment("a", 10, 20)], id="one"),
        pytest.param([segment("a", 10, 20), segment("b", 20, 25)], id="an-array"),
        pytest.param([segment("a", 15, 20), segment("b", 30, 35)], id="with-gaps"),
        pytest.param([segment("a", 10, 20, ts_offset_ns=-5, last_duration_ns=1)], id="with-an-offset"),
        pytest.param([segment("a", 10, 20, key_frame_count=2, sample_count=3, sample_offset=1)], id="with-counts"),
        pytest.param([segment("a", 10, 20, timerange_text="[0:10_0:19]")], id="with-a-text-of-its-own"),
    ],
)
def test_new_objects_in_order_after_the_end_are_an_append(recording, counted, new):
    assert recording.add("f", *new) == [None] * len(new)
    assert counted.taken == 1


@pytest.mark.parametrize(
    ("flow_id", "new"),
    [
        pytest.param("f", [segment("a", 20, 30), segment("b", 10, 20)], id="out-of-order"),
        pytest.param("f", [segment("a", 10, 20), segment("b", 19, 30)], id="overlapping"),
        pytest.param("f", [segment("a", 9, 20)], id="before-the-end"),
        pytest.param("f", [segment("z", 10, 20)], id="an-object-used-again"),
        pytest.param("f", [segment("a", 10, 20), segment("a", 20, 30)], id="one-object-twice"),
        pytest.param("f", [segment("j", 10, 20)], id="an-object-of-another-flow"),
        pytest.param("f", [uncontrolled("u", 10, 20)], id="an-object-elsewhere"),
        pytest.param("f", [segment("a", 10, 20, object_timerange=TimeRange(0, 99))], id="part-of-an-object"),
        pytest.param("f", [segment("a", 10, 20, last_duration_ns=-1)], id="a-negative-duration"),
        pytest.param("f", [segment("a", 10, MAX_NS)], id="without-an-end"),
        pytest.param("f", [segment("a", 10, 20, ts_offset_ns=-MAX_NS)], id="an-offset-out-of-int64"),
        pytest.param("f", [], id="nothing"),
        pytest.param("i", [segment("j", 0, 10)], id="a-flow-with-initialisation-objects"),
    ],
)
def test_anything_else_is_left_to_the_rules(recording, counted, flow_id, new):
    recording.add(flow_id, *new)
    assert counted.taken == 0


def test_what_follows_an_append_in_its_group_sees_it(recording, counted, database):
    verdicts = recording.add_group(
        ("f", [segment("a", 10, 20)]),
        ("f", [segment("b", 15, 25)]),
        ("f", [segment("c", 20, 30)]),
        ("f", [segment("a", 10, 20)]),
    )
    assert [[type(one).__name__ for one in verdict] for verdict in verdicts] == [
        ["NoneType"],
        ["SegmentOverlap"],
        ["NoneType"],
        ["NoneType"],
    ]
    assert counted.taken == 2
    (timeline,) = [row for row in rows_of(database, schema.FLOW_TIMELINES) if row["flow_id"] == "f"]
    assert (timeline["start_ns"], timeline["end_ns"], timeline["segment_count"]) == (0, 30, 3)


OFFSETS = st.none() | st.integers(-3, 3)
NEW = st.tuples(st.sampled_from(OBJECTS), st.integers(0, 30), st.integers(1, 5), OFFSETS)


@on_one_database
@given(requests=st.lists(st.tuples(st.sampled_from("fg"), st.lists(NEW, max_size=4)), max_size=5))
def test_appends_and_rules_leave_the_same_rows(database, requests):
    told = [
        (name, [segment(one, start, start + length, ts_offset_ns=offset) for one, start, length, offset in new])
        for name, new in requests
    ]
    appended, judged = rows_after(database, told), rows_without_appends(database, told)
    assert appended == judged


def rows_after(database: Database, requests) -> dict[str, object]:
    """Every row after these requests, one after the other, on two flows with a few objects each."""
    clear(database)
    commands = Commands(database)
    for name, objects in (("f", OBJECTS[:5]), ("g", OBJECTS[5:])):
        commands.put_flow(flow(id=name, source_id="s", metadata_version="1"))
        commands.allocate(name, *objects)
        commands.record_upload(objects[0], 7)
    for name, new in requests:
        commands.add(name, *new)
    return everything(database)


def rows_without_appends(database: Database, requests) -> dict[str, object]:
    """The same, with no request taken as an append."""
    with mock.patch.object(Appends, "take", return_value=None):
        return rows_after(database, requests)
