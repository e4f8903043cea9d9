"""Lists of sources, and their collections, which follow from those of their flows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.queries import sources
from tams_data.schema import FLOW_COLLECTIONS, FLOWS, SOURCES
from tests.tams_data.builders import flow_row, insert, on_one_database, scratch, source_row


def ids(reader, values: dict[str, Any] | None = None, /, **options: Any) -> list[str]:
    return reader.read(sources.page, values or {}, limit=100, **options)["id"].to_pylist()


@pytest.mark.parametrize(
    ("sort_by", "expected"),
    [
        pytest.param("created", "4312", id="newest-first-and-ties-by-id"),
        pytest.param("updated", "2341", id="changed-last-first-and-ties-by-id"),
        pytest.param("label", "3142", id="unlabelled-last"),
    ],
)
def test_a_list_is_sorted_and_its_reverse_is_the_very_reverse(database, sort_by, expected):
    rows = [("1", "b", 10, 1), ("2", None, 10, 4), ("3", "a", 30, 2), ("4", "b", 40, 2)]
    with database.transaction() as transaction:
        insert(transaction, SOURCES, *(source_row(id=i, label=la, created_ns=c, updated_ns=u) for i, la, c, u in rows))
    assert "".join(ids(database, sort_by=sort_by)) == expected
    assert "".join(ids(database, sort_by=sort_by, reverse=True)) == expected[::-1]


ROWS = st.lists(
    st.builds(
        source_row,
        id=st.sampled_from("abcdef"),
        label=st.sampled_from([None, "", "x"]),
        created_ns=st.integers(0, 2),
        updated_ns=st.integers(0, 2),
    ),
    max_size=6,
    unique_by=lambda row: row["id"],
)


@on_one_database
@given(rows=ROWS, sort_by=st.sampled_from(sorted(sources.ORDERS)), reverse=st.booleans(), limit=st.integers(1, 7))
def test_pages_walk_the_same_list_as_one_big_page(database, rows, sort_by, reverse, limit):
    options = {"sort_by": sort_by, "reverse": reverse}
    walked: list[str] = []
    by_id = {row["id"]: row for row in rows}
    with scratch(database) as transaction:
        insert(transaction, SOURCES, *rows)
        whole = ids(transaction, **options)
        values: dict[str, Any] = {}
        while found := transaction.read(sources.page, values, limit=limit, **options)["id"].to_pylist():
            walked += found
            last = by_id[found[-1]]
            label = (int(last["label"] is None), last["label"] or "", last["id"])
            values = {"after": label if sort_by == "label" else (last[f"{sort_by}_ns"], last["id"])}
    assert walked == whole
    assert sorted(walked) == sorted(by_id)


@pytest.mark.parametrize("column", sources.EQUALS)
def test_a_list_can_be_filtered_by_a_column(database, column):
    with database.transaction() as transaction:
        insert(transaction, SOURCES, source_row(**{"id": "a", column: "x"}), source_row(**{"id": "b", column: "y"}))
    assert ids(database, {column: "x"}) == ["a"]


def test_sources_are_found_by_their_ids(database):
    rows = SOURCES.rows([source_row(id=name, label=name) for name in "ab"]).to_pylist()
    with database.transaction() as transaction:
        insert(transaction, SOURCES, *rows)
    assert database.read(sources.by_id, {"ids": ["b", "z"]}).to_pylist() == [rows[1]]


@pytest.fixture
def collected(database):
    """Flows are named after their sources: S of p1 and p2, T of q1, A of a1 and a2, B of b1, C of c1; D has none."""
    flows = [("p1", "S"), ("p2", "S"), ("q1", "T"), ("a1", "A"), ("a2", "A"), ("b1", "B"), ("c1", "C")]
    rows = [
        ("p1", 0, "b1", "left"),
        ("p1", 1, "a1", "right"),
        ("p2", 0, "a2", "right"),  # the same member and role as p1's, and earlier
        ("p2", 1, "b1", None),  # the same member in another role
        ("q1", 0, "a1", None),
        ("b1", 0, "c1", None),
    ]
    names = ("flow_id", "position", "member_id", "role")
    with database.transaction() as transaction:
        insert(transaction, SOURCES, *(source_row(id=name) for name in "STABCD"))
        insert(transaction, FLOWS, *(flow_row(id=flow, source_id=source) for flow, source in flows))
        insert(transaction, FLOW_COLLECTIONS, *(dict(zip(names, row, strict=True)) for row in reversed(rows)))
    return database


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["S"], [("S", "A", "right"), ("S", "B", "left"), ("S", "B", None)]),
        (["T", "B"], [("B", "C", None), ("T", "A", None)]),
        (["A"], []),
    ],
)
def test_a_source_collects_the_sources_of_what_its_flows_collect_in_their_order(collected, wanted, expected):
    rows = collected.read(sources.members, {"ids": wanted}).to_pylist()
    assert [(row["source_id"], row["member_id"], row["role"]) for row in rows] == expected


def test_what_collects_a_source_is_named_once(collected):
    rows = collected.read(sources.collecting, {"ids": ["A", "B", "C"]}).to_pylist()
    assert [(row["member_id"], row["source_id"]) for row in rows] == [("A", "S"), ("A", "T"), ("B", "S"), ("C", "B")]


@pytest.mark.parametrize(
    ("parents", "expected"), [(["S"], ["A", "B"]), (["T"], ["A"]), (["S", "B"], ["A", "B", "C"]), (["D"], [])]
)
def test_members_are_found_by_what_collects_them_each_once(collected, parents, expected):
    assert ids(collected, {"collected_by": parents}) == expected


def test_sources_at_the_top_are_no_member_of_any(collected):
    assert ids(collected, top_level=True) == ["D", "S", "T"]
