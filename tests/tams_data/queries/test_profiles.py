"""Lists of profiles."""

from __future__ import annotations

from typing import Any

import pytest

from tams_data.queries import profiles
from tams_data.schema import PROFILES
from tests.tams_data.builders import insert, profile_row


def ids(reader, values: dict[str, Any] | None = None, /, limit: int = 100) -> str:
    return "".join(reader.read(profiles.page, values or {}, limit=limit)["id"].to_pylist())


def test_a_list_has_the_newest_first_and_ties_by_id_in_pages_as_well(database):
    created = {"a": 10, "b": 30, "c": 10, "d": 40, "e": 30}
    with database.transaction() as transaction:
        insert(transaction, PROFILES, *(profile_row(id=name, created_ns=ns) for name, ns in created.items()))
    assert ids(database) == "dbeac"
    walked = page = ids(database, limit=2)
    while page := ids(database, {"after": (created[page[-1]], page[-1])}, limit=2):
        walked += page
    assert walked == "dbeac"


@pytest.mark.parametrize("column", profiles.EQUALS)
def test_a_list_can_be_filtered_by_a_column(database, column):
    with database.transaction() as transaction:
        insert(transaction, PROFILES, profile_row(**{"id": "a", column: "x"}), profile_row(**{"id": "b", column: "y"}))
    assert ids(database, {column: "x"}) == "a"


def test_a_profile_is_found_by_its_id(database):
    rows = PROFILES.rows([profile_row(id=name, label=name) for name in "ab"]).to_pylist()
    with database.transaction() as transaction:
        insert(transaction, PROFILES, *rows)
    assert database.read(profiles.by_id, {"profile_id": "b"}).to_pylist() == [rows[1]]
    assert database.read(profiles.by_id, {"profile_id": "z"}).to_pylist() == []
