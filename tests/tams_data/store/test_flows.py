"""Flows are created and replaced whole, with their source and their collection, and deleted without a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tams_data import schema
from tams_data.errors import AlreadyExists, FlowNotFound, FlowReadOnly, Forbidden, InvalidInput, VersionMismatch
from tams_data.store.discards import Orphan
from tests.tams_data.builders import (
    AUDIO,
    BACKEND,
    MULTI,
    VIDEO,
    Commands,
    everything,
    flow,
    fragmented_flow,
    rows_of,
    segment,
    uncontrolled,
)

FULL = {
    "id": "f",
    "source_id": "s",
    "format": VIDEO,
    "codec": "video/h264",
    "container": "video/mp2t",
    "label": "label",
    "description": "description",
    "tags": {"genre": ["news", "live"], "site": "x"},
    "status": "ingesting",
    "generation": 1,
    "read_only": False,
    "max_bit_rate": 6000,
    "avg_bit_rate": 5000,
    "segment_duration": {"numerator": 6006, "denominator": 1001},
    "essence_parameters": {"frame_width": 1920, "frame_height": 1080, "init_segments": False, "other": [1, None]},
    "container_mapping": {"track_index": 0},
}

CHANGES = {
    "codec": "video/h265",
    "container": "video/mp4",
    "label": "new",
    "description": "new",
    "tags": {"genre": "news"},
    "status": "closed_complete",
    "generation": 2,
    "read_only": None,
    "max_bit_rate": 1,
    "avg_bit_rate": 1,
    "segment_duration": {"numerator": 6},
    "essence_parameters": {"frame_width": 1280, "frame_height": 720},
    "container_mapping": {"track_index": 1},
}


def flow_of(database, flow_id: str = "f") -> dict[str, Any]:
    (row,) = [row for row in rows_of(database, schema.FLOWS) if row["id"] == flow_id]
    return row


def source_of(database, source_id: str = "s") -> dict[str, Any]:
    (row,) = [row for row in rows_of(database, schema.SOURCES) if row["id"] == source_id]
    return row


def members_of(database, flow_id: str) -> list[tuple[str, str | None]]:
    rows = [row for row in rows_of(database, schema.FLOW_COLLECTIONS) if row["flow_id"] == flow_id]
    return [(row["member_id"], row["role"]) for row in rows]


# --- create ----------------------------------------------------------------------------------------------------------


def test_a_new_flow_is_stored_as_given(database, commands):
    assert commands.put_flow(FULL, principal="ann") is True
    row = flow_of(database)
    given_as_json = ("segment_duration", "essence_parameters", "container_mapping", "tags")
    assert {name: json.loads(row[name]) for name in given_as_json} == {name: FULL[name] for name in given_as_json}
    plain = [name for name in FULL if name not in given_as_json]
    assert {name: row[name] for name in plain} == {name: FULL[name] for name in plain}
    assert (row["frame_width"], row["frame_height"], row["init_segments"]) == (1920, 1080, False)
    assert row["tag_terms"] == schema.tag_terms(FULL["tags"])
    assert (row["created_by"], row["updated_by"], row["profile_id"]) == ("ann", "ann", None)
    assert (row["created_ns"], row["metadata_updated_ns"]) == (commands.now_ns, commands.now_ns)
    assert row["metadata_version"]


def test_a_new_flow_has_an_empty_timeline(database, commands):
    commands.put_flow(FULL)
    totals = {"segment_count": 0, "covered_ns": 0, "longest_ns": 0, "size_bytes": 0}
    unknown = {"start_ns": None, "end_ns": None, "segments_updated_ns": None}
    assert rows_of(database, schema.FLOW_TIMELINES) == [{"flow_id": "f", **totals, **unknown}]


def test_the_first_flow_of_a_source_creates_it_and_describes_it(database, commands):
    commands.put_flow(FULL, principal="ann")
    first = source_of(database)
    expected = {"id": "s", "format": VIDEO, "label": "label", "description": "description"}
    assert {name: first[name] for name in expected} == expected
    assert (first["tags"], first["tag_terms"]) == (flow_of(database)["tags"], flow_of(database)["tag_terms"])
    assert (first["created_ns"], first["updated_ns"], first["created_by"]) == (commands.now_ns, commands.now_ns, "ann")
    commands.put_flow({**FULL, "id": "g", "label": "other"}, principal="ben")
    assert source_of(database) == first


@pytest.mark.parametrize(
    ("given", "principal", "expected"),
    [
        pytest.param({}, None, (None, None), id="nobody"),
        pytest.param({}, "ann", ("ann", "ann"), id="who-sends-it"),
        pytest.param({"created_by": "ben"}, "ann", ("ben", "ann"), id="who-is-said-to-have-created-it"),
        pytest.param({"updated_by": "cat"}, "ann", ("ann", "cat"), id="who-is-said-to-have-changed-it"),
    ],
)
def test_a_flow_says_who_made_it(database, commands, given, principal, expected):
    commands.put_flow({**FULL, **given}, principal=principal)
    row = flow_of(database)
    assert (row["created_by"], row["updated_by"]) == expected


# --- replace ---------------------------------------------------------------------------------------------------------


def test_a_repeated_request_writes_nothing(database, commands):
    commands.put_flow(FULL, principal="ann")
    before = everything(database)
    assert commands.put_flow(FULL, principal="ben") is False
    assert everything(database) == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_metadata_is_a_new_version(database, commands, name):
    commands.put_flow(FULL, principal="ann")
    before = flow_of(database)
    assert commands.put_flow({**FULL, name: CHANGES[name]}, principal="ben") is False
    after = flow_of(database)
    assert after["metadata_version"] != before["metadata_version"]
    assert (after["metadata_updated_ns"], after["updated_by"]) == (commands.now_ns, "ben")
    assert (after["created_ns"], after["created_by"]) == (before["created_ns"], "ann")
    derived = {"tags": {"tag_terms"}, "essence_parameters": {"frame_width", "frame_height", "init_segments"}}
    stamps = {"metadata_version", "metadata_updated_ns", "updated_by"}
    assert {key for key in after if after[key] != before[key]} == {name, *derived.get(name, ()), *stamps}


@pytest.mark.parametrize("name", [name for name in CHANGES if FULL[name] is not None])
def test_what_a_request_does_not_say_is_no_longer_so(database, commands, name):
    commands.put_flow(FULL)
    commands.put_flow({key: value for key, value in FULL.items() if key != name})
    assert flow_of(database)[name] == ("{}" if name == "tags" else None)


def test_a_flow_keeps_its_timeline_and_its_source_when_it_is_replaced(database, commands):
    commands.put_flow(FULL)
    commands.add("f", uncontrolled("a", 0, 10))
    before = (rows_of(database, schema.FLOW_TIMELINES), rows_of(database, schema.SOURCES))
    commands.put_flow({**FULL, "label": "new", "tags": {}})
    assert (rows_of(database, schema.FLOW_TIMELINES), rows_of(database, schema.SOURCES)) == before


@pytest.mark.parametrize(
    ("named", "changed", "expected"),
    [
        pytest.param("1", False, "1", id="same-and-nothing-changed"),
        pytest.param(None, False, "1", id="unsaid-and-nothing-changed"),
        pytest.param("2", False, "2", id="new-and-nothing-else-changed"),
        pytest.param("2", True, "2", id="new-and-changed"),
        pytest.param("1", True, None, id="same-and-changed"),
        pytest.param(None, True, None, id="unsaid-and-changed"),
        pytest.param("", True, None, id="empty-and-changed"),
    ],
)
def test_a_client_may_name_the_version_and_a_change_never_keeps_it(database, commands, named, changed, expected):
    commands.put_flow({**FULL, "metadata_version": "1"})
    assert flow_of(database)["metadata_version"] == "1"
    commands.put_flow({**FULL, "metadata_version": named, "label": "new" if changed else "label"})
    version = flow_of(database)["metadata_version"]
    assert version == expected if expected else version not in ("", "1")


# --- read-only -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        pytest.param({"read_only": False}, True, id="lifted"),
        pytest.param({"read_only": None}, True, id="no-longer-said"),
        pytest.param({}, False, id="nothing-changed"),
        pytest.param({"label": "new"}, False, id="another-change"),
        pytest.param({"tags": {"site": "x"}}, False, id="tags"),
        pytest.param({"flow_collection": [{"id": "member"}]}, False, id="collection"),
        pytest.param({"read_only": False, "label": "new"}, False, id="lifted-with-another-change"),
        pytest.param({"read_only": False, "flow_collection": [{"id": "member"}]}, False, id="lifted-with-a-collection"),
    ],
)
def test_a_read_only_flow_takes_only_the_change_that_lifts_this(database, commands, change, accepted):
    commands.put_flow(flow(id="member"))
    commands.put_flow({**FULL, "read_only": True})
    before = everything(database)
    if accepted:
        assert commands.put_flow({**FULL, "read_only": True, **change}) is False
        assert flow_of(database)["read_only"] is change["read_only"]
        assert commands.put_flow({**FULL, "label": "new"}) is False
    else:
        with pytest.raises(FlowReadOnly, match=r"^flow f is read-only$"):
            commands.put_flow({**FULL, "read_only": True, **change})
        assert everything(database) == before


def test_a_flow_can_be_made_read_only_with_other_changes(database, commands):
    commands.put_flow(FULL)
    commands.put_flow({**FULL, "read_only": True, "label": "new"})
    assert (flow_of(database)["read_only"], flow_of(database)["label"]) == (True, "new")


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        pytest.param({"source_id": "t"}, "source_id", id="moves-to-another-source"),
        pytest.param({"id": "g", "format": AUDIO}, "format", id="contradicts-the-format-of-its-source"),
        pytest.param({"format": AUDIO}, "format", id="changes-its-format"),
        pytest.param({"profile_id": "p"}, "profile_id", id="an-unknown-profile"),
        pytest.param({"flow_collection": [{"id": "z"}]}, "flow_collection", id="collects-a-flow-that-is-not-there"),
        pytest.param({"flow_collection": [{"id": "f"}]}, "flow_collection", id="collects-itself"),
        pytest.param({"id": "g", "flow_collection": [{"id": "g"}]}, "flow_collection", id="new-and-collects-itself"),
    ],
)
def test_a_flow_that_contradicts_the_store_is_refused_and_nothing_is_written(database, commands, given, field):
    commands.put_flow(FULL)
    before = everything(database)
    with pytest.raises(InvalidInput) as raised:
        commands.put_flow({**FULL, **given})
    assert raised.value.field == field
    assert everything(database) == before


# --- profiles --------------------------------------------------------------------------------------------------------

OF_PROFILE = ("format", "codec", "container", "avg_bit_rate", "segment_duration", "essence_parameters")


@pytest.fixture
def made(commands: Commands) -> Commands:
    """Profile p has the technical metadata of FULL; flow f is made from it."""
    commands.create_profile({"id": "p", "flow_metadata": {name: FULL[name] for name in OF_PROFILE}})
    commands.put_flow({"id": "f", "source_id": "s", "label": "label", "profile_id": "p"})
    return commands


def test_a_flow_has_the_columns_that_its_profile_has(database, made):
    made.put_flow({**FULL, "id": "g", "source_id": "t"})
    columns = (*OF_PROFILE, "frame_width", "frame_height", "init_segments")
    assert {name: flow_of(database)[name] for name in columns} == {
        name: flow_of(database, "g")[name] for name in columns
    }
    assert (flow_of(database)["profile_id"], flow_of(database, "g")["profile_id"]) == ("p", None)


def test_the_same_flow_of_the_same_profile_is_no_change(database, made):
    before = everything(database)
    made.put_flow({"id": "f", "source_id": "s", "label": "label", "profile_id": "p"})
    assert everything(database) == before


@pytest.mark.parametrize("name", [name for name in OF_PROFILE if name != "format"])
def test_a_flow_keeps_what_is_its_profiles(database, made, name):
    given = {**{one: FULL[one] for one in OF_PROFILE}, "id": "f", "source_id": "s", "label": "label"}
    before = everything(database)
    made.put_flow(given)
    assert everything(database) == before
    with pytest.raises(InvalidInput) as raised:
        made.put_flow({**given, name: CHANGES[name]})
    assert raised.value.field == name
    assert everything(database) == before
    made.put_flow({**given, name: CHANGES[name], "profile_id": ""})
    assert flow_of(database)["profile_id"] is None


# --- create alone, and replace one version ---------------------------------------------------------------------------


def test_a_flow_that_exists_is_not_created_again(database, commands):
    commands.create_flow(FULL, principal="ann")
    assert flow_of(database)["created_by"] == "ann"
    before = everything(database)
    with pytest.raises(AlreadyExists, match="flow f"):
        commands.create_flow({**FULL, "label": "new"})
    assert everything(database) == before


def test_a_flow_of_another_version_is_not_replaced(database, commands):
    commands.put_flow({**FULL, "metadata_version": "1"})
    commands.put_flow({**FULL, "label": "second", "metadata_version": "2"}, only_version="1")
    before = everything(database)
    with pytest.raises(VersionMismatch, match="metadata_version 2, not 1"):
        commands.put_flow({**FULL, "label": "third"}, only_version="1")
    with pytest.raises(VersionMismatch):
        commands.put_flow({**FULL, "id": "g"}, only_version="1")
    assert everything(database) == before


# --- change one property ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("label", value) for value in ("new", "", None)),
        *(("description", value) for value in ("new", None)),
        *(("max_bit_rate", value) for value in (0, 9, None)),
        *(("avg_bit_rate", value) for value in (0, 9, None)),
        ("read_only", True),
    ],
)
def test_a_property_is_set_by_itself_and_that_is_a_new_version(database, commands, name, value):
    commands.put_flow(FULL, principal="ann")
    before = flow_of(database)
    commands.change_flow("f", **{name: value}, principal="ben")
    after = flow_of(database)
    assert after["metadata_version"] != before["metadata_version"]
    stamped = {"metadata_updated_ns": commands.now_ns, "updated_by": "ben"}
    assert after == {**before, name: value, **stamped, "metadata_version": after["metadata_version"]}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({"site": "y"}, {"genre": ["news", "live"], "site": "y"}, id="replaced"),
        pytest.param({"/": []}, {**FULL["tags"], "/": []}, id="added"),
        pytest.param({"genre": None}, {"site": "x"}, id="taken-away"),
    ],
)
def test_a_tag_is_set_beside_the_others_and_that_is_a_new_version(database, commands, tags, expected):
    commands.put_flow(FULL)
    before = flow_of(database)
    commands.change_flow("f", tags=tags)
    after = flow_of(database)
    assert json.loads(after["tags"]) == expected
    assert sorted(after["tag_terms"]) == sorted(schema.tag_terms(expected))
    assert after["metadata_version"] != before["metadata_version"]


@pytest.mark.parametrize(
    "change", [{}, {"label": "label"}, {"tags": {"site": "x"}}, {"tags": {"none": None}}, {"flow_collection": []}]
)
def test_a_change_that_changes_nothing_writes_nothing(database, commands, change):
    commands.put_flow(FULL, principal="ann")
    before = everything(database)
    commands.change_flow("f", **change, principal="ben")
    assert everything(database) == before


@pytest.mark.parametrize(
    "change",
    [
        {"label": "new"},
        {"label": "label"},
        {"tags": {"site": None}},
        {"flow_collection": []},
        {"read_only": False, "label": "new"},
        {"read_only": False, "tags": {"site": "y"}},
        {},
    ],
)
def test_a_read_only_flow_takes_no_change_of_a_property(database, commands, change):
    commands.put_flow({**FULL, "read_only": True})
    before = everything(database)
    with pytest.raises(FlowReadOnly):
        commands.change_flow("f", **change)
    assert everything(database) == before


def test_a_read_only_flow_takes_whether_it_is(database, commands):
    commands.put_flow({**FULL, "read_only": True})
    before = everything(database)
    commands.change_flow("f", read_only=True)
    assert everything(database) == before
    commands.change_flow("f", read_only=False)
    commands.change_flow("f", label="new")
    assert (flow_of(database)["read_only"], flow_of(database)["label"]) == (False, "new")


def test_a_flow_that_is_not_there_is_not_changed(commands):
    with pytest.raises(FlowNotFound):
        commands.change_flow("none", label="x")


@pytest.mark.parametrize(("value", "error"), [(1, InvalidInput), (5000, InvalidInput), (None, Forbidden)])
def test_what_a_flow_has_from_a_profile_is_not_changed(database, commands, value, error):
    commands.put_flow(FULL)
    with database.transaction() as transaction:
        link = {"id": "f", "profile_id": "p"}
        transaction.update(schema.FLOWS, schema.FLOWS.part(("id", "profile_id"), [link]))
    before = everything(database)
    with pytest.raises(error, match="avg_bit_rate from profile p"):
        commands.change_flow("f", avg_bit_rate=value)
    assert everything(database) == before
    commands.change_flow("f", max_bit_rate=1, label="new")
    assert (flow_of(database)["max_bit_rate"], flow_of(database)["profile_id"]) == (1, "p")


# --- collections -----------------------------------------------------------------------------------------------------


@pytest.fixture
def collected(commands: Commands) -> Commands:
    """Flow m, of its own source, collects a and b."""
    for name in "abc":
        commands.put_flow(flow(id=name))
    commands.put_flow(multi(("a", "video"), ("b", None)))
    return commands


def multi(*members: tuple[str, str | None]) -> dict[str, Any]:
    collection = [{"id": name, **({"role": role} if role else {})} for name, role in members]
    return {"id": "m", "source_id": "ms", "format": MULTI, "flow_collection": collection}


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([("b", None), ("a", "video")], id="another-order"),
        pytest.param([("a", "picture"), ("b", None)], id="another-role"),
        pytest.param([("a", "video"), ("b", None), ("c", "x")], id="one-more"),
        pytest.param([("a", "video")], id="one-less"),
        pytest.param([("a", "video"), ("a", "proxy")], id="one-twice"),
        pytest.param([], id="none"),
    ],
)
def test_a_collection_is_replaced_whole_and_that_is_a_new_version(database, collected, members):
    before = flow_of(database, "m")["metadata_version"]
    collected.put_flow(multi(*members))
    assert members_of(database, "m") == members
    assert flow_of(database, "m")["metadata_version"] != before


def test_the_same_collection_is_no_change(database, collected):
    before = everything(database)
    collected.put_flow(multi(("a", "video"), ("b", None)))
    assert everything(database) == before


def test_how_a_member_is_in_the_container_is_kept(database, collected):
    given = multi(("a", None))
    given["flow_collection"][0]["container_mapping"] = {"track_index": 2}
    collected.put_flow(given)
    (row,) = rows_of(database, schema.FLOW_COLLECTIONS)
    assert json.loads(row["container_mapping"]) == {"track_index": 2}


def test_a_collection_is_set_by_itself(database, collected):
    before = flow_of(database, "m")
    collected.change_flow("m", flow_collection=[{"id": "c", "role": "x"}, {"id": "a"}])
    assert members_of(database, "m") == [("c", "x"), ("a", None)]
    assert flow_of(database, "m")["metadata_version"] != before["metadata_version"]
    collected.change_flow("m", label="new")
    assert members_of(database, "m") == [("c", "x"), ("a", None)]
    collected.change_flow("m", flow_collection=None)
    assert members_of(database, "m") == []


@pytest.mark.parametrize("member", ["m", "none"])
def test_a_flow_collects_neither_itself_nor_what_is_not_there(database, collected, member):
    before = everything(database)
    with pytest.raises(InvalidInput) as raised:
        collected.change_flow("m", flow_collection=[{"id": "a"}, {"id": member}])
    assert (raised.value.field, raised.value.value) == ("flow_collection", member)
    assert everything(database) == before


# --- delete ----------------------------------------------------------------------------------------------------------


def test_deleting_the_only_flow_leaves_nothing(database, commands):
    empty = everything(database)
    commands.put_flow(fragmented_flow(id="f"))
    commands.allocate("f", "init", "a", "spare")
    commands.add("f", segment("a", 0, 10, init_object_id="init"), uncontrolled("b", 10, 20, init_object_id="init"))
    orphans = commands.delete_flow("f")
    assert sorted(orphans, key=lambda one: one.object_id) == [
        Orphan("a", BACKEND),
        Orphan("init", BACKEND),
        Orphan("spare", BACKEND),
    ]
    noted = {Orphan(row["object_id"], row["storage_id"]) for row in rows_of(database, schema.DISCARDED_BYTES)}
    assert noted == set(orphans)
    assert {**everything(database), "discarded_bytes": [], "events": []} == empty


def test_a_source_goes_with_its_last_flow(database, commands):
    commands.put_flow(FULL)
    commands.put_flow({**FULL, "id": "g"})
    commands.delete_flow("f")
    assert source_of(database)["id"] == "s"
    commands.delete_flow("g")
    assert rows_of(database, schema.SOURCES) == []


def test_a_deleted_flow_leaves_the_collections_it_is_in_which_are_then_new_versions(database, collected):
    before = {name: flow_of(database, name) for name in "abcm"}
    collected.delete_flow("a")
    assert members_of(database, "m") == [("b", None)]
    after = flow_of(database, "m")
    assert after["metadata_version"] != before["m"]["metadata_version"]
    assert after["metadata_updated_ns"] == collected.now_ns
    assert [flow_of(database, name) for name in "bc"] == [before["b"], before["c"]]


def test_a_collection_that_lost_a_member_is_the_same_when_it_is_put_without_it(database, collected):
    collected.delete_flow("a")
    before = everything(database)
    collected.put_flow(multi(("b", None)))
    assert everything(database) == before


def test_deleting_a_flow_deletes_its_collection_and_not_the_members(database, collected):
    collected.delete_flow("m")
    assert rows_of(database, schema.FLOW_COLLECTIONS) == []
    assert [row["id"] for row in rows_of(database, schema.FLOWS)] == ["a", "b", "c"]


def test_objects_that_other_flows_refer_to_outlive_the_flow(database, commands):
    commands.put_flow(flow(id="f"))
    commands.put_flow(flow(id="g"))
    commands.allocate("f", "shared", "own")
    commands.allocate("g", "theirs")
    commands.add("f", segment("shared", 0, 10), segment("own", 10, 20))
    commands.add("g", segment("shared", 0, 10))
    assert commands.delete_flow("f") == [Orphan("own", BACKEND)]
    assert [row["id"] for row in rows_of(database, schema.OBJECTS)] == ["shared"]
    assert [row["flow_id"] for row in rows_of(database, schema.SEGMENTS)] == ["g"]
    assert [row["object_id"] for row in rows_of(database, schema.STORAGE_ALLOCATIONS)] == ["theirs"]
    assert commands.delete_flow("g") == [Orphan("shared", BACKEND), Orphan("theirs", BACKEND)]


@pytest.mark.parametrize(("read_only", "error"), [(None, FlowNotFound), (True, FlowReadOnly)])
def test_a_flow_that_is_not_there_or_read_only_is_not_deleted(database, commands, read_only, error):
    if read_only:
        commands.put_flow({**FULL, "read_only": True})
    before = everything(database)
    with pytest.raises(error):
        commands.delete_flow("f")
    assert everything(database) == before


def test_a_deleted_flow_can_be_put_again_as_a_new_one(database, commands):
    commands.put_flow(FULL)
    commands.add("f", uncontrolled("a", 0, 10))
    commands.delete_flow("f")
    assert commands.put_flow(FULL) is True
    assert commands.add("f", uncontrolled("a", 5, 15)) == [None]
    assert [(row["start_ns"], row["end_ns"]) for row in rows_of(database, schema.SEGMENTS)] == [(5, 15)]
