"""Sources are created before their flows or with them, and changed one property at a time."""

from __future__ import annotations

import json

import pytest

from tams_data import schema
from tams_data.errors import AlreadyExists, InvalidInput, PropertyNotFound, SourceNotFound
from tests.tams_data.builders import AUDIO, VIDEO, everything, flow, rows_of

SOURCE = {"id": "s", "format": VIDEO, "label": "label", "description": "text", "tags": {"a": "b", "c": ["d", "e"]}}


def source(database):
    (row,) = rows_of(database, schema.SOURCES)
    return row


# --- create ----------------------------------------------------------------------------------------------------------


def test_a_source_is_stored_as_given(database, commands):
    commands.create_source(SOURCE, principal="ann")
    row = source(database)
    assert {name: row[name] for name in ("id", "format", "label", "description")} == {
        name: SOURCE[name] for name in ("id", "format", "label", "description")
    }
    assert json.loads(row["tags"]) == SOURCE["tags"]
    assert row["tag_terms"] == schema.tag_terms(SOURCE["tags"])
    assert (row["created_by"], row["updated_by"]) == ("ann", "ann")
    assert (row["created_ns"], row["updated_ns"]) == (commands.now_ns, commands.now_ns)


def test_a_source_can_say_who_made_it(database, commands):
    commands.create_source({**SOURCE, "created_by": "ben"}, principal="ann")
    assert (source(database)["created_by"], source(database)["updated_by"]) == ("ben", "ben")


def test_a_source_that_exists_is_not_created_again(database, commands):
    commands.put_flow(flow(source_id="s"))
    before = everything(database)
    with pytest.raises(AlreadyExists, match="source s"):
        commands.create_source(SOURCE)
    assert everything(database) == before


def test_a_source_created_alone_keeps_what_describes_it_and_goes_with_its_last_flow(database, commands):
    commands.create_source(SOURCE)
    before = source(database)
    for name in "fg":
        commands.put_flow(flow(id=name, source_id="s", label="of the flow"))
    assert source(database) == before
    commands.delete_flow("f")
    assert source(database) == before
    commands.delete_flow("g")
    assert rows_of(database, schema.SOURCES) == []


def test_a_source_created_alone_decides_the_format_of_its_flows(commands):
    commands.create_source(SOURCE)
    with pytest.raises(InvalidInput) as raised:
        commands.put_flow(flow(source_id="s", format=AUDIO))
    assert raised.value.field == "format"


# --- change ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["label", "description"])
@pytest.mark.parametrize("value", ["new", "", None])
def test_a_property_is_set_by_itself(database, commands, name, value):
    commands.create_source(SOURCE, principal="ann")
    before = source(database)
    commands.change_source("s", **{name: value}, principal="ben")
    stamp = {"updated_ns": commands.now_ns, "updated_by": "ben"}
    assert source(database) == {**before, name: value, **stamp}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({"a": "x"}, {"a": "x", "c": ["d", "e"]}, id="replaced"),
        pytest.param({"a": ["b"]}, {"a": ["b"], "c": ["d", "e"]}, id="a-list-of-the-same"),
        pytest.param({"z": []}, {"a": "b", "c": ["d", "e"], "z": []}, id="added"),
        pytest.param({"c": None}, {"a": "b"}, id="taken-away"),
    ],
)
def test_a_tag_is_set_beside_the_others(database, commands, tags, expected):
    commands.create_source(SOURCE)
    commands.change_source("s", tags=tags)
    row = source(database)
    assert json.loads(row["tags"]) == expected
    assert sorted(row["tag_terms"]) == sorted(schema.tag_terms(expected))
    assert row["updated_ns"] == commands.now_ns


@pytest.mark.parametrize("change", [{"label": "label"}, {"tags": {"a": "b"}}, {}])
def test_a_change_that_changes_nothing_writes_nothing(database, commands, change):
    commands.create_source(SOURCE, principal="ann")
    before = everything(database)
    commands.change_source("s", **change, principal="ben")
    assert everything(database) == before


def test_a_tag_that_is_not_there_is_not_taken_away(database, commands):
    commands.create_source(SOURCE)
    before = everything(database)
    with pytest.raises(PropertyNotFound, match="'z'"):
        commands.change_source("s", tags={"a": "x", "z": None})
    assert everything(database) == before


def test_a_source_that_is_not_there_is_not_changed(commands):
    with pytest.raises(SourceNotFound, match="none"):
        commands.change_source("none", label="x")
