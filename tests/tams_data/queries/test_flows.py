"""Lists of flows: filtered, sorted both ways, page by page, each flow with its timeline."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.queries import flows
from tams_data.schema import FLOW_COLLECTIONS, FLOW_TIMELINES, FLOWS, SEGMENTS
from tams_data.timerange import MAX_NS, MIN_NS
from tests.tams_data.builders import (
    AUDIO,
    VIDEO,
    Row,
    flow_row,
    insert,
    on_one_database,
    scratch,
    segment_row,
    timeline_row,
)


def ids(reader, values: dict[str, Any] | None = None, /, **options: Any) -> list[str]:
    return reader.read(flows.page, values or {}, limit=100, **options)["id"].to_pylist()


def in_order(rows: list[Row], sort_by: str, *, reverse: bool) -> list[str]:
    """The ids of rows as `sort_by` wants them."""
    keys = {
        "created": lambda row: (-row["created_ns"], row["id"]),
        "metadata_updated": lambda row: (-row["metadata_updated_ns"], row["id"]),
        "label": lambda row: (row["label"] is None, row["label"] or "", row["id"]),
    }
    return [row["id"] for row in sorted(rows, key=keys[sort_by], reverse=reverse)]


def place_of(row: Row, sort_by: str) -> tuple[int | str, ...]:
    """Where a row stands in a list: what the next page is asked for with."""
    if sort_by == "label":
        return int(row["label"] is None), row["label"] or "", row["id"]
    return row[f"{sort_by}_ns"], row["id"]


# --- order and pages -------------------------------------------------------------------------------------------------

LABELLED = [("1", "b", 10), ("2", None, 20), ("3", "a", 30), ("4", "b", 40), ("5", None, 40), ("6", "", 5)]


@pytest.mark.parametrize(
    ("sort_by", "reverse", "expected"),
    [
        pytest.param("created", False, "453216", id="newest-first-and-ties-by-id"),
        pytest.param("created", True, "612354", id="oldest-first-and-ties-by-id-the-other-way-round"),
        pytest.param("metadata_updated", False, "612345", id="changed-last-first"),
        pytest.param("metadata_updated", True, "543216", id="changed-last-last"),
        pytest.param("label", False, "631425", id="unlabelled-last"),
        pytest.param("label", True, "524136", id="unlabelled-first"),
    ],
)
def test_a_list_is_sorted_and_its_reverse_is_the_very_reverse(database, sort_by, reverse, expected):
    rows = [flow_row(id=i, label=la, created_ns=ns, metadata_updated_ns=-min(ns, 30)) for i, la, ns in LABELLED]
    with database.transaction() as transaction:
        insert(transaction, FLOWS, *rows)
    assert "".join(ids(database, sort_by=sort_by, reverse=reverse)) == expected


ROWS = st.lists(
    st.builds(
        flow_row,
        id=st.sampled_from("abcdefgh"),
        label=st.sampled_from([None, "", "x", "y"]),
        created_ns=st.integers(0, 2),
        metadata_updated_ns=st.integers(0, 2),
    ),
    max_size=8,
    unique_by=lambda row: row["id"],
)


@on_one_database
@given(rows=ROWS, sort_by=st.sampled_from(sorted(flows.ORDERS)), reverse=st.booleans(), limit=st.integers(1, 9))
def test_pages_walk_the_whole_list_in_order_and_once(database, rows, sort_by, reverse, limit):
    expected, walked = in_order(rows, sort_by, reverse=reverse), []
    by_id = {row["id"]: row for row in rows}
    options = {"sort_by": sort_by, "reverse": reverse, "limit": limit}
    with scratch(database) as transaction:
        insert(transaction, FLOWS, *rows)
        values: dict[str, Any] = {}
        while found := transaction.read(flows.page, values, **options)["id"].to_pylist():
            assert len(found) == min(limit, len(rows) - len(walked))
            walked += found
            values = {"after": place_of(by_id[found[-1]], sort_by)}
    assert walked == expected


# --- filters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", flows.EQUALS)
def test_a_list_can_be_filtered_by_a_column(database, column):
    one, other = (1, 2) if column.startswith("frame_") else ("x", "y")
    with database.transaction() as transaction:
        insert(transaction, FLOWS, flow_row(**{"id": "a", column: one}), flow_row(**{"id": "b", column: other}))
        insert(transaction, FLOWS, flow_row(id="c"))
    assert ids(database, {column: one}) == ["a"]
    assert ids(database, {column: other}) == ["b"]


def test_filters_are_all_to_be_met(database):
    with database.transaction() as transaction:
        for i, (format_, label) in enumerate([(VIDEO, "x"), (VIDEO, "y"), (AUDIO, "x")]):
            insert(transaction, FLOWS, flow_row(id=str(i), format=format_, label=label))
    assert ids(database, {"format": VIDEO, "label": "x"}) == ["0"]


@pytest.mark.parametrize(
    ("wanted", "expected"), [(True, ["yes"]), (False, ["no", "unsaid"]), (None, ["no", "unsaid", "yes"])]
)
def test_a_flow_that_does_not_say_so_has_no_init_segments(database, wanted, expected):
    with database.transaction() as transaction:
        for name, says in [("yes", True), ("no", False), ("unsaid", None)]:
            insert(transaction, FLOWS, flow_row(id=name, init_segments=says))
    assert ids(database, init_segments=wanted) == expected


CONTENT = [("early", 0, 10), ("late", 20, 30), ("long", 0, 30), ("empty", None, None)]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param((10, 20), ["long"], id="touching-is-not-sharing"),
        pytest.param((9, 10), ["early", "long"], id="last-nanosecond"),
        pytest.param((20, 21), ["late", "long"], id="first-nanosecond"),
        pytest.param((MIN_NS, MAX_NS), ["early", "late", "long"], id="eternity-leaves-out-flows-without-content"),
        pytest.param((30, MAX_NS), [], id="after-everything"),
    ],
)
def test_a_window_keeps_flows_whose_content_shares_time_with_it(database, window, expected):
    with database.transaction() as transaction:
        for name, start, end in CONTENT:
            insert(transaction, FLOWS, flow_row(id=name))
            insert(
                transaction,
                FLOW_TIMELINES,
                timeline_row(name, start_ns=start, end_ns=end, segment_count=int(start is not None)),
            )
    assert sorted(ids(database, {"start_ns": window[0], "end_ns": window[1]})) == expected
    assert ids(database, without_content=True) == ["empty"]


# --- collections -----------------------------------------------------------------------------------------------------

COLLECTED = [("p", 0, "b"), ("p", 1, "a"), ("q", 0, "a"), ("b", 0, "c")]


@pytest.fixture
def collected(database):
    """p collects b and a, q collects a, b collects c; d is on its own."""
    with database.transaction() as transaction:
        insert(transaction, FLOWS, *(flow_row(id=name) for name in "pqabcd"))
        rows = [{"flow_id": flow, "position": at, "member_id": member} for flow, at, member in COLLECTED]
        insert(transaction, FLOW_COLLECTIONS, *reversed(rows))
    return database


@pytest.mark.parametrize(
    ("parents", "expected"),
    [(["p"], ["a", "b"]), (["q"], ["a"]), (["p", "q"], ["a", "b"]), (["b", "q"], ["a", "c"]), (["a"], []), (["z"], [])],
)
def test_members_are_found_by_what_collects_them_each_once(collected, parents, expected):
    assert ids(collected, {"collected_by": parents}) == expected


def test_flows_at_the_top_are_no_member_of_any(collected):
    assert ids(collected, top_level=True) == ["d", "p", "q"]


def test_what_flows_collect_comes_in_the_order_of_each_collection(collected):
    rows = collected.read(flows.members, {"ids": ["q", "p"]}).to_pylist()
    assert [(row["flow_id"], row["position"], row["member_id"]) for row in rows] == [
        ("p", 0, "b"),
        ("p", 1, "a"),
        ("q", 0, "a"),
    ]


def test_what_collects_flows_is_found_from_the_member(collected):
    rows = collected.read(flows.collecting, {"ids": ["a", "c"]}).to_pylist()
    assert [(row["member_id"], row["flow_id"]) for row in rows] == [("a", "p"), ("a", "q"), ("c", "b")]


# --- rows ------------------------------------------------------------------------------------------------------------


def test_a_flow_comes_with_what_its_segments_add_up_to(database):
    row, totals = flow_row(id="f"), timeline_row("f", start_ns=0, end_ns=9, segment_count=2, segments_updated_ns=7)
    with database.transaction() as transaction:
        insert(transaction, FLOWS, row, flow_row(id="g"))
        insert(transaction, FLOW_TIMELINES, totals, timeline_row("g"))
        insert(transaction, SEGMENTS, segment_row("f", 0, 5))  # not looked at
    expected = FLOWS.rows([row]).to_pylist()[0] | FLOW_TIMELINES.rows([totals]).to_pylist()[0]
    del expected["flow_id"]
    assert database.read(flows.by_id, {"ids": ["f", "z"]}).to_pylist() == [expected]
    assert [r for r in database.read(flows.page, {}, limit=10).to_pylist() if r["id"] == "f"] == [expected]


def test_the_flows_of_a_source_are_counted_up_to_a_limit(database):
    with database.transaction() as transaction:
        insert(transaction, FLOWS, *(flow_row(id=name, source_id=name[0]) for name in ["s1", "s2", "t1"]))
    assert sorted(database.read(flows.of_source, {"source_id": "s"}, limit=5)["id"].to_pylist()) == ["s1", "s2"]
    assert database.read(flows.of_source, {"source_id": "s"}, limit=1).num_rows == 1
    assert database.read(flows.of_source, {"source_id": "u"}, limit=1).num_rows == 0
