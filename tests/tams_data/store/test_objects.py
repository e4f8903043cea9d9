"""Media objects: allocated for one flow, registered by their first segment, then used again without change."""

from __future__ import annotations

import pytest

from tams_data import schema
from tams_data.errors import FlowNotFound, FlowReadOnly, InvalidInput, ObjectConflict, ObjectNotFound
from tams_data.store.keys import KeySequence
from tams_data.store.objects import Allocation, allocation, registered
from tams_data.timerange import MAX_NS, TimeRange
from tests.tams_data.builders import (
    BACKEND,
    Commands,
    everything,
    flow,
    fragmented_flow,
    object_row,
    rows_of,
    segment,
    uncontrolled,
)


def objects(database) -> dict[str, dict[str, object]]:
    """The registered objects by id."""
    return {row["id"]: row for row in rows_of(database, schema.OBJECTS)}


def instances(database, object_id: str) -> list[tuple[str | None, str | None, str | None]]:
    """Where an object's bytes are: storage id, URL, label."""
    key = objects(database)[object_id]["key"]
    rows = [row for row in rows_of(database, schema.OBJECT_INSTANCES) if row["object_key"] == key]
    return [(row["storage_id"], row["url"], row["label"]) for row in rows]


@pytest.fixture
def two(commands: Commands) -> Commands:
    """Flows f and g, and i, which uses initialisation objects."""
    for given in (flow(id="f"), flow(id="g", container="audio/mp4"), fragmented_flow(id="i")):
        commands.put_flow(given)
    return commands


# --- allocation ------------------------------------------------------------------------------------------------------


def test_new_ids_are_given_out_and_content_types_are_those_of_the_container(database, two):
    allocated = two.allocate("g", count=3)
    assert len({one.object_id for one in allocated}) == 3
    assert {one.content_type for one in allocated} == {"audio/mp4"}
    rows = rows_of(database, schema.STORAGE_ALLOCATIONS)
    assert [(row["object_id"], row["content_type"]) for row in rows] == [
        (one.object_id, one.content_type) for one in allocated
    ]


def test_a_client_may_choose_ids_and_the_content_type(database, two):
    assert two.allocate("f", "b", "a", content_type="video/x") == [
        Allocation("b", "video/x"),
        Allocation("a", "video/x"),
    ]
    expected = {"flow_id": "f", "storage_id": BACKEND, "content_type": "video/x", "size_bytes": None}
    assert rows_of(database, schema.STORAGE_ALLOCATIONS) == [
        {"object_key": key, "object_id": one, "id_hash": schema.id_hash(one), "created_ns": two.now_ns, **expected}
        for key, one in [(1, "b"), (2, "a")]
    ]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        pytest.param(["new", "new"], "object id 'new' is given twice", id="given-twice"),
        pytest.param(["new", "allocated"], "object id 'allocated' is in use", id="allocated"),
        pytest.param(["registered"], "object id 'registered' is in use", id="registered"),
    ],
)
def test_an_id_that_is_taken_is_refused_and_nothing_is_allocated(database, two, ids, message):
    two.allocate("f", "allocated", "registered")
    two.add("f", segment("registered", 0, 10))
    before = everything(database)
    with pytest.raises(ObjectConflict, match=f"^{message}$") as raised:
        two.allocate("g", *ids)
    assert raised.value.field == "object_ids"
    assert everything(database) == before


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param(None, FlowNotFound, id="no-such-flow"),
        pytest.param({"read_only": True}, FlowReadOnly, id="read-only"),
        pytest.param({"container": None}, InvalidInput, id="no-container"),
    ],
)
def test_only_a_flow_that_takes_objects_gets_them(database, commands, given, error):
    if given is not None:
        commands.put_flow(flow(id="f", **given))
    before = everything(database)
    with pytest.raises(error):
        commands.allocate("f", "a")
    with pytest.raises(error):
        commands.add("f", uncontrolled("a", 0, 10))
    assert everything(database) == before


# --- uploads ---------------------------------------------------------------------------------------------------------


def test_the_size_of_an_upload_becomes_that_of_the_object(database, two):
    two.allocate("f", "a", "b")
    two.record_upload("a", 100)
    two.record_upload("a", 200)  # uploaded again before it is registered
    two.add("f", segment("a", 0, 10), segment("b", 10, 20))
    assert {name: row["size_bytes"] for name, row in objects(database).items()} == {"a": 200, "b": None}


def test_an_upload_needs_an_allocation_that_is_not_registered_yet(database, two):
    two.allocate("f", "a", "b")
    two.add("f", segment("a", 0, 10))
    assert allocation(database, "b").flow_id == "f"
    for object_id in ("a", "unknown"):
        message = f"^object '{object_id}' is not allocated, or is registered already$"
        with pytest.raises(ObjectConflict, match=message):
            allocation(database, object_id)
        with pytest.raises(ObjectConflict, match=message):
            two.record_upload(object_id, 1)


# --- registration ----------------------------------------------------------------------------------------------------


def test_the_first_segment_registers_its_object_and_uses_up_the_allocation(database, two):
    two.allocate("f", "a", "spare")
    (key, _) = [row["object_key"] for row in rows_of(database, schema.STORAGE_ALLOCATIONS)]
    two.record_upload("a", 7)
    two.add("f", segment("a", 0, 10, key_frame_count=2))
    of_all = {"size_bytes": 7, "first_flow_id": "f", "created_ns": two.now_ns, "key_frame_count": 2}
    expected = object_row(key, id="a", start_ns=0, end_ns=10, **of_all)
    assert rows_of(database, schema.OBJECTS) == schema.OBJECTS.rows([expected]).to_pylist()
    assert instances(database, "a") == [(BACKEND, None, None)]
    assert [row["object_id"] for row in rows_of(database, schema.STORAGE_ALLOCATIONS)] == ["spare"]


def test_an_object_that_was_not_allocated_needs_a_url(database, two):
    (refused,) = two.add("f", segment("a", 0, 10))
    assert (type(refused), refused.field) == (ObjectConflict, "object_id")
    assert two.add("f", uncontrolled("a", 0, 10)) == [None]
    assert instances(database, "a") == [(None, "https://elsewhere.example/a", "elsewhere")]


def test_an_allocated_object_may_be_elsewhere_too(database, two):
    two.allocate("f", "a")
    two.add("f", uncontrolled("a", 0, 10))
    assert set(instances(database, "a")) == {(BACKEND, None, None), (None, "https://elsewhere.example/a", "elsewhere")}


def test_an_object_is_meant_for_the_flow_it_was_allocated_for_until_it_is_registered(database, two):
    two.allocate("f", "a")
    (refused,) = two.add("g", segment("a", 0, 10))
    assert str(refused) == "object 'a' was not allocated for flow g"
    assert two.add("f", segment("a", 0, 10)) == [None]
    assert two.add("g", segment("a", 0, 10)) == [None]
    assert objects(database)["a"]["first_flow_id"] == "f"


@pytest.mark.parametrize(
    ("urls", "taken"),
    [
        pytest.param([("https://x/1", "one"), ("https://x/2", "two")], None, id="different"),
        pytest.param([("https://x/1", "one"), ("https://x/2", "one")], "one", id="given-twice"),
        pytest.param([("https://x/1", "local")], "local", id="that-of-a-storage-backend"),
    ],
)
def test_labels_tell_the_instances_of_an_object_apart(database, two, urls, taken):
    (verdict,) = two.add("f", segment("a", 0, 10, get_urls=urls))
    if taken is None:
        assert verdict is None
        assert instances(database, "a") == [(None, url, label) for url, label in urls]
    else:
        assert (type(verdict), str(verdict)) == (ObjectConflict, f"label '{taken}' is taken")
        assert objects(database) == {}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({}, (100, 110), id="that-of-the-segment"),
        pytest.param({"ts_offset_ns": 100}, (0, 10), id="less-the-offset"),
        pytest.param({"ts_offset_ns": -5}, (105, 115), id="less-a-negative-offset"),
        pytest.param({"object_timerange": TimeRange(90, 120)}, (90, 120), id="given"),
        pytest.param({"object_timerange": TimeRange(0, 10), "ts_offset_ns": 100}, (0, 10), id="given-with-an-offset"),
        pytest.param({"object_timerange": TimeRange(100, MAX_NS)}, (100, MAX_NS), id="open"),
        pytest.param({"object_timerange": TimeRange(101, 120)}, None, id="starts-too-late"),
        pytest.param({"object_timerange": TimeRange(0, 109)}, None, id="ends-too-early"),
        pytest.param({"object_timerange": TimeRange(0, 10)}, None, id="elsewhere"),
        pytest.param({"object_timerange": TimeRange.never()}, None, id="never"),
        pytest.param({"object_timerange": TimeRange(100, 110), "ts_offset_ns": 1}, None, id="moved-out-by-the-offset"),
    ],
)
def test_the_time_range_of_an_object_holds_that_of_its_segment(database, two, members, expected):
    (verdict,) = two.add("f", uncontrolled("a", 100, 110, **members))
    if expected is None:
        assert (type(verdict), verdict.field) == (ObjectConflict, "timerange")
        assert objects(database) == {}
    else:
        assert verdict is None
        assert (objects(database)["a"]["start_ns"], objects(database)["a"]["end_ns"]) == expected


def test_an_offset_that_leads_out_of_int64_is_refused(two):
    (verdict,) = two.add("f", uncontrolled("a", 100, 110, ts_offset_ns=-MAX_NS))
    assert isinstance(verdict, InvalidInput)


@pytest.mark.parametrize(
    "timerange", [TimeRange.never(), TimeRange.eternity(), TimeRange(0, MAX_NS), TimeRange(-MAX_NS - 1, 0)], ids=str
)
def test_a_segment_has_two_ends(database, two, timerange):
    (verdict,) = two.add("f", uncontrolled("a", timerange.start_ns, timerange.end_ns))
    assert (type(verdict), verdict.field, verdict.value) == (InvalidInput, "timerange", str(timerange))
    assert objects(database) == {}


@pytest.mark.parametrize(("last_duration_ns", "field"), [(-1, "last_duration"), (0, None), (1, None)])
def test_a_duration_is_not_negative(two, last_duration_ns, field):
    (verdict,) = two.add("f", uncontrolled("a", 0, 10, last_duration_ns=last_duration_ns))
    assert (verdict and verdict.field) == field


# --- use again -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "field"),
    [
        pytest.param({}, None, id="nothing-said"),
        pytest.param({"object_timerange": TimeRange(0, 100)}, None, id="same-time-range"),
        pytest.param({"key_frame_count": 4}, None, id="same-key-frames"),
        pytest.param({"get_urls": [("https://elsewhere.example/a", "elsewhere")]}, None, id="same-url"),
        pytest.param({"object_timerange": TimeRange(0, 99)}, "object_timerange", id="another-time-range"),
        pytest.param({"object_timerange": TimeRange.never()}, "object_timerange", id="never"),
        pytest.param({"key_frame_count": 5}, "key_frame_count", id="other-key-frames"),
        pytest.param({"key_frame_count": 0}, "key_frame_count", id="no-key-frames"),
        pytest.param({"get_urls": [("https://x/a", "other")]}, "get_urls", id="another-url"),
        pytest.param({"get_urls": [("https://elsewhere.example/a", "other")]}, "get_urls", id="another-label"),
        pytest.param({"init_object_id": "init"}, "init_object_id", id="an-initialisation-object"),
        pytest.param({"ts_offset_ns": 10}, None, id="an-earlier-part"),
        pytest.param({"ts_offset_ns": -50}, None, id="its-last-part"),
        pytest.param({"ts_offset_ns": -51}, "timerange", id="reaches-beyond-its-end"),
        pytest.param({"ts_offset_ns": 41}, "timerange", id="reaches-before-its-start"),
    ],
)
@pytest.mark.parametrize("together", [False, True], ids=["later", "in-the-same-request"])
def test_an_object_that_is_used_again_stays_what_it_was(database, two, members, field, together):
    first = uncontrolled("a", 0, 100, key_frame_count=4)
    again = segment("a", 40, 50, **members)
    if together:
        verdicts = two.add_group(("f", [first]), ("g", [again]))
        assert verdicts[0] == [None]
        (verdict,) = verdicts[1]
    else:
        two.add("f", first)
        (verdict,) = two.add("g", again)
    assert (verdict and (type(verdict), verdict.field)) == (field and (ObjectConflict, field))
    row = objects(database)["a"]
    assert (row["start_ns"], row["end_ns"], row["key_frame_count"]) == (0, 100, 4)
    assert instances(database, "a") == [(None, "https://elsewhere.example/a", "elsewhere")]
    used = [row["flow_id"] for row in rows_of(database, schema.SEGMENTS)]
    assert used == (["f", "g"] if field is None else ["f"])


def test_a_repeated_request_with_urls_is_accepted_and_writes_nothing(database, two):
    assert two.add("f", uncontrolled("a", 0, 10)) == [None]
    before = everything(database)
    assert two.add("f", uncontrolled("a", 0, 10)) == [None]
    assert everything(database) == before


# --- initialisation objects ------------------------------------------------------------------------------------------


def test_an_initialisation_object_is_registered_with_the_first_segment_that_needs_it(database, two):
    two.allocate("i", "init", "a", "b")
    two.record_upload("init", 9)
    assert two.add("i", segment("a", 0, 10, init_object_id="init")) == [None]
    assert two.add("i", segment("b", 10, 20, init_object_id="init")) == [None]
    found = objects(database)
    assert {name: row["is_init"] for name, row in found.items()} == {"init": True, "a": False, "b": False}
    assert [found[name]["init_object_key"] for name in ("a", "b", "init")] == [found["init"]["key"]] * 2 + [None]
    assert (found["init"]["start_ns"], found["init"]["end_ns"], found["init"]["size_bytes"]) == (None, None, 9)
    assert instances(database, "init") == [(BACKEND, None, None)]
    assert rows_of(database, schema.STORAGE_ALLOCATIONS) == []


@pytest.mark.parametrize(
    ("flow_id", "new", "field"),
    [
        pytest.param("i", segment("new", 20, 30, init_object_id="init"), None, id="registered"),
        pytest.param("i", segment("new", 20, 30, init_object_id="spare"), None, id="allocated"),
        pytest.param("i", segment("new", 20, 30), "init_object_id", id="missing-on-a-new-object"),
        pytest.param("i", segment("a", 20, 30, ts_offset_ns=20), None, id="missing-on-an-object-that-has-one"),
        pytest.param("i", segment("a", 20, 30, ts_offset_ns=20, init_object_id="init"), None, id="the-one-it-has"),
        pytest.param(
            "i", segment("a", 20, 30, ts_offset_ns=20, init_object_id="spare"), "init_object_id", id="another"
        ),
        pytest.param("i", segment("new", 20, 30, init_object_id="nowhere"), "init_object_id", id="unknown"),
        pytest.param("i", segment("new", 20, 30, init_object_id="a"), "init_object_id", id="a-media-object"),
        pytest.param("i", segment("new", 20, 30, init_object_id="new"), "init_object_id", id="itself"),
        pytest.param("i", segment("new", 20, 30, init_object_id="of-f"), "init_object_id", id="meant-for-another-flow"),
        pytest.param("i", segment("init", 20, 30), "object_id", id="as-a-media-object"),
        pytest.param("f", segment("of-f", 0, 10, init_object_id="init"), "init_object_id", id="flow-without-them"),
        pytest.param("f", segment("a", 0, 10), None, id="use-again-in-a-flow-without-them"),
        pytest.param("j", uncontrolled("new-j", 0, 10, init_object_id="init"), None, id="use-again-in-another-flow"),
    ],
)
def test_initialisation_objects_are_for_objects_that_need_them(database, two, flow_id, new, field):
    two.put_flow(fragmented_flow(id="j"))
    two.allocate("i", "init", "a", "new", "spare")
    two.allocate("f", "of-f")
    two.add("i", segment("a", 0, 10, init_object_id="init"))
    before = everything(database)
    (verdict,) = two.add(flow_id, new)
    assert (verdict and (type(verdict), verdict.field)) == (field and (ObjectConflict, field))
    assert (everything(database) == before) is (field is not None)


def test_an_object_cannot_be_both_within_one_request(two):
    two.allocate("i", "a", "b", "c")
    verdicts = two.add(
        "i",
        segment("a", 0, 10, init_object_id="b"),
        segment("b", 10, 20, init_object_id="c"),
        segment("c", 20, 30, init_object_id="a"),
    )
    assert [type(verdict) for verdict in verdicts] == [type(None), ObjectConflict, ObjectConflict]


# --- keys and look-ups -----------------------------------------------------------------------------------------------


def test_keys_ascend_and_go_on_where_they_stood(database, two):
    two.allocate("f", "a")
    two.add("f", segment("a", 0, 10), uncontrolled("b", 10, 20))
    two.allocate("f", "c")
    again = Commands(database)
    again.allocate("f", "d")
    again.add("f", segment("d", 20, 30))
    found = objects(database)
    assert found["a"]["key"] < found["b"]["key"] < allocation(database, "c").object_key < found["d"]["key"]


def test_the_first_key_of_a_store_is_1(database):
    new_key = KeySequence.of(database)
    assert [new_key(), new_key()] == [1, 2]


@pytest.mark.parametrize("count", [1, 32, 33, 600])
def test_any_number_of_objects_is_found_by_their_ids(database, two, count):
    ids = [f"object-{i}" for i in range(count)]
    two.allocate("f", *ids)
    assert two.add("f", *(segment(one, i, i + 1) for i, one in enumerate(ids))) == [None] * count
    assert sorted(objects(database)) == sorted(ids)
    assert rows_of(database, schema.STORAGE_ALLOCATIONS) == []
    assert two.add("g", *(segment(one, i, i + 1) for i, one in enumerate(ids))) == [None] * count
    assert len(objects(database)) == count


def test_an_object_is_found_when_it_is_registered(database, two):
    two.allocate("f", "a", "spare")
    two.add("f", segment("a", 0, 10))
    assert registered(database, "a")["key"] == 1
    for missing in ("spare", "unknown"):
        with pytest.raises(ObjectNotFound, match=f"^no object '{missing}'$"):
            registered(database, missing)
