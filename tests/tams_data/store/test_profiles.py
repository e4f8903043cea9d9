"""Profiles are created once."""

from __future__ import annotations

import json

import pytest

from tams_data import schema
from tams_data.errors import InvalidInput
from tests.tams_data.builders import VIDEO, everything, rows_of

FULL = {
    "id": "p",
    "label": "label",
    "description": "description",
    "tags": {"genre": ["news", "live"]},
    "flow_metadata": {"format": VIDEO, "codec": "video/h264", "essence_parameters": {"other": [1, None]}},
}


def test_a_new_profile_is_stored_as_given(database, commands):
    commands.create_profile(FULL, principal="ann")
    (row,) = rows_of(database, schema.PROFILES)
    assert {name: json.loads(row[name]) for name in ("tags", "flow_metadata")} == {
        name: FULL[name] for name in ("tags", "flow_metadata")
    }
    assert (row["id"], row["label"], row["description"]) == ("p", "label", "description")
    assert (row["format"], row["codec"], row["created_by"]) == (VIDEO, "video/h264", "ann")
    assert (row["created_ns"], row["tag_terms"]) == (commands.now_ns, schema.tag_terms(FULL["tags"]))


def test_a_client_may_say_who_created_a_profile(database, commands):
    commands.create_profile({**FULL, "created_by": "ben"}, principal="ann")
    assert rows_of(database, schema.PROFILES)[0]["created_by"] == "ben"


@pytest.mark.parametrize("given", [FULL, {**FULL, "label": "new"}], ids=["the-same", "another"])
def test_a_profile_is_never_replaced(database, commands, given):
    commands.create_profile(FULL)
    before = everything(database)
    with pytest.raises(InvalidInput) as raised:
        commands.create_profile(given)
    assert (raised.value.field, raised.value.value) == ("id", "p")
    assert everything(database) == before
