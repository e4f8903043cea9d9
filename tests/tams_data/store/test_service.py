"""What is said of the service is kept by property."""

from __future__ import annotations

import pytest

from tams_data import schema
from tams_data.queries import service
from tests.tams_data.builders import rows_of


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([{}], {}, id="nothing-said"),
        pytest.param([{"name": "a"}], {"name": "a"}, id="one"),
        pytest.param(
            [{"name": "a"}, {"description": "b"}], {"name": "a", "description": "b"}, id="one-after-the-other"
        ),
        pytest.param([{"name": "a", "description": "b"}, {"name": "c"}], {"name": "c", "description": "b"}, id="anew"),
        pytest.param([{"name": "a"}, {"name": ""}], {"name": ""}, id="the-empty-text"),
    ],
)
def test_each_property_has_what_was_said_last(database, commands, said, expected):
    for properties in said:
        commands.describe_service(**properties)
    assert {row["property"]: row["value"] for row in database.read(service.info).to_pylist()} == expected


def test_when_a_property_was_set_is_kept(database, commands):
    commands.describe_service(name="a")
    (row,) = rows_of(database, schema.SERVICE_INFO)
    assert row["updated_ns"] == commands.now_ns
