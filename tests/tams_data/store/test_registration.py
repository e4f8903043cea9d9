"""Objects are registered before any segment refers to them, and are then like any other."""

from __future__ import annotations

import pytest

from tams_data import schema
from tams_data.errors import AlreadyExists, FlowReadOnly, InvalidInput, ObjectConflict
from tams_data.timerange import TimeRange
from tests.tams_data.builders import everything, flow, fragmented_flow, rows_of, segment, uncontrolled

SECOND = TimeRange(0, 10**9)


@pytest.fixture
def registered(commands):
    """Flow f with an object o of one second that no segment uses."""
    commands.put_flow(flow(id="f"))
    commands.create_object("o", "f", timerange=SECOND, key_frame_count=2)
    return commands


def test_an_object_is_stored_with_its_urls(database, registered):
    (row,) = rows_of(database, schema.OBJECTS)
    assert (row["id"], row["id_hash"], row["is_init"]) == ("o", schema.id_hash("o"), False)
    assert (row["start_ns"], row["end_ns"], row["timerange"]) == (0, 10**9, None)
    assert (row["key_frame_count"], row["first_flow_id"], row["created_ns"]) == (2, "f", registered.now_ns)
    (instance,) = rows_of(database, schema.OBJECT_INSTANCES)
    assert (instance["object_key"], instance["storage_id"]) == (row["key"], None)
    assert (instance["url"], instance["label"]) == ("https://elsewhere.example/o", "elsewhere")


def test_segments_of_every_flow_use_it_by_its_id_alone(database, registered):
    registered.put_flow(flow(id="g"))
    for flow_id in "fg":
        assert registered.add(flow_id, segment("o", 0, 10**9)) == [None]
    assert len(rows_of(database, schema.OBJECTS)) == 1


def test_a_segment_beyond_it_is_refused(registered):
    (verdict,) = registered.add("f", segment("o", 0, 2 * 10**9))
    assert isinstance(verdict, ObjectConflict)


def test_it_goes_with_its_last_segment(database, registered):
    registered.add("f", segment("o", 0, 10**9))
    assert registered.delete("f", TimeRange.eternity()) == []
    assert rows_of(database, schema.OBJECTS) == []
    assert rows_of(database, schema.OBJECT_INSTANCES) == []


def test_without_a_time_range_it_is_an_initialisation_object(database, commands):
    commands.put_flow(fragmented_flow(id="f"))
    commands.create_object("init", "f")
    commands.create_object("o", "f", timerange=SECOND, init_object_id="init")
    init, media = rows_of(database, schema.OBJECTS)
    assert (init["is_init"], init["start_ns"], media["init_object_key"]) == (True, None, init["key"])
    assert commands.add("f", segment("o", 0, 10**9)) == [None]
    assert commands.add("f", uncontrolled("p", 10**9, 2 * 10**9, init_object_id="init")) == [None]


@pytest.mark.parametrize(
    ("members", "error", "field"),
    [
        pytest.param({"flow_id": "none"}, InvalidInput, "first_referenced_by_flow", id="no-flow"),
        pytest.param({"timerange": TimeRange.never()}, InvalidInput, "timerange", id="no-length"),
        pytest.param({"timerange": TimeRange.eternity()}, InvalidInput, "timerange", id="no-ends"),
        pytest.param({"init_object_id": "none"}, ObjectConflict, "init_object.id", id="no-init-object"),
        pytest.param({"init_object_id": "o"}, ObjectConflict, "init_object.id", id="init-object-is-media"),
        pytest.param(
            {"init_object_id": "init", "timerange": None}, ObjectConflict, "init_object.id", id="init-of-init"
        ),
        pytest.param({"get_urls": [("u", "local")]}, ObjectConflict, "get_urls.label", id="label-of-a-backend"),
        pytest.param({"get_urls": [("u", "a"), ("v", "a")]}, ObjectConflict, "get_urls.label", id="label-twice"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(database, registered, members, error, field):
    registered.create_object("init", "f")
    before = everything(database)
    with pytest.raises(error) as raised:
        registered.create_object("x", **{"flow_id": "f", "timerange": SECOND, **members})
    assert raised.value.field == field
    assert everything(database) == before


def test_an_id_that_is_registered_or_allocated_exists(database, registered):
    registered.allocate("f", "allocated")
    before = everything(database)
    for taken in ("o", "allocated"):
        with pytest.raises(AlreadyExists, match=taken):
            registered.create_object(taken, "f", timerange=SECOND)
    assert everything(database) == before


def test_a_read_only_flow_takes_no_objects(registered):
    registered.change_flow("f", read_only=True)
    with pytest.raises(FlowReadOnly):
        registered.create_object("x", "f", timerange=SECOND)
