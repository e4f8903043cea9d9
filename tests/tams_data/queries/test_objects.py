"""Objects are found by hash and key, with their instances and the flows that refer to them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.queries import objects
from tams_data.schema import FLOWS, OBJECT_INSTANCES, OBJECTS, SEGMENTS, STORAGE_ALLOCATIONS, id_hash, tag_term
from tests.tams_data.builders import (
    BACKEND,
    NOW_NS,
    flow_row,
    insert,
    object_row,
    on_one_database,
    scratch,
    segment_row,
)


def hashes(*ids: str) -> dict[str, pa.Table]:
    return {"hashes": pa.table({"id_hash": pa.array([id_hash(one) for one in ids], pa.int64())})}


def allocation_row(key: int, object_id: str, flow_id: str = "f") -> dict[str, object]:
    return {
        "object_key": key,
        "object_id": object_id,
        "id_hash": id_hash(object_id),
        "flow_id": flow_id,
        "storage_id": BACKEND,
        "content_type": "video/mp2t",
        "created_ns": NOW_NS,
    }


@pytest.fixture
def filled(database):
    """Objects 1 to 5, of which 4 is the initialisation object of 1 and 2."""
    with database.transaction() as transaction:
        rows = [object_row(key, init_object_key=4 if key < 3 else None, is_init=key == 4) for key in range(1, 6)]
        insert(transaction, OBJECTS, *rows)
    return database


def test_keys_are_found_by_the_hashes_of_ids(filled):
    found = filled.read(objects.keys_by_hash, hashes("object-2", "object-5", "object-9", "object-5"))
    assert sorted(found["key"].to_pylist()) == [2, 5]


def test_two_objects_whose_hashes_agree_are_both_found(database):
    """Whoever looks up compares the ids."""
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, *(object_row(key, id=f"{key}", id_hash=7) for key in (1, 2)))
    wanted = {"hashes": pa.table({"id_hash": pa.array([7], pa.int64())})}
    assert sorted(database.read(objects.keys_by_hash, wanted)["key"].to_pylist()) == [1, 2]


def test_objects_are_found_by_their_keys(filled):
    rows = filled.read(objects.by_key, {"keys": [3, 1, 9]}).to_pylist()
    assert sorted((row["key"], row["id"]) for row in rows) == [(1, "object-1"), (3, "object-3")]


def test_an_object_is_shown_with_what_its_segments_show_of_it(filled):
    (row,) = filled.read(objects.shown, {"keys": [1]}).to_pylist()
    assert row == {
        "key": 1,
        "id": "object-1",
        "start_ns": None,
        "end_ns": None,
        "timerange": None,
        "key_frame_count": None,
        "init_object_key": 4,
    }


def test_instances_are_found_by_the_keys_of_their_objects(filled):
    rows = [
        {"object_key": 1, "storage_id": BACKEND, "created_ns": 1},
        {"object_key": 1, "url": "https://elsewhere.example/1", "label": "elsewhere", "created_ns": 2},
        {"object_key": 2, "storage_id": BACKEND, "created_ns": 3},
    ]
    with filled.transaction() as transaction:
        insert(transaction, OBJECT_INSTANCES, *rows)
    found = filled.read(objects.instances, {"keys": [1, 3]}).to_pylist()
    assert sorted(found, key=lambda row: row["created_ns"]) == OBJECT_INSTANCES.rows(rows[:2]).to_pylist()


def test_allocations_are_found_by_hash_and_by_flow(database):
    with database.transaction() as transaction:
        rows = [allocation_row(1, "a"), allocation_row(2, "b"), allocation_row(3, "c", "g")]
        insert(transaction, STORAGE_ALLOCATIONS, *rows)
    assert sorted(database.read(objects.allocated, hashes("b", "c", "z"))["object_key"].to_pylist()) == [2, 3]
    assert sorted(database.read(objects.allocated_for, {"flow_id": "f"})["object_key"].to_pylist()) == [1, 2]


def keys(*given: int) -> pa.Table:
    """Keys as a table to join."""
    return pa.table({"key": pa.array(given, pa.int64())})


def test_initialisation_objects_that_are_needed_are_told_from_those_that_are_not(filled):
    assert filled.read(objects.needing_init, {"keys": keys(1, 4, 5)})["init_object_key"].to_pylist() == [4]
    assert filled.read(objects.needing_init, {"keys": keys(1, 5)})["init_object_key"].to_pylist() == []


@pytest.mark.parametrize(
    ("registered", "allocated", "last"),
    [
        pytest.param([], [], None, id="empty-store"),
        pytest.param([1, 5], [], 5, id="registered"),
        pytest.param([], [4, 2], 4, id="allocated"),
        pytest.param([1, 5], [7], 7, id="allocated-last"),
        pytest.param([8], [7], 8, id="registered-last"),
    ],
)
def test_the_last_key_is_the_highest_given_out(database, registered, allocated, last):
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, *(object_row(key) for key in registered))
        insert(transaction, STORAGE_ALLOCATIONS, *(allocation_row(key, str(key)) for key in allocated))
    assert database.read(objects.last_key).to_pylist() == [{"key": last}]


# --- referring flows -------------------------------------------------------------------------------------------------


@on_one_database
@given(
    uses=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 5)), max_size=12),
    key=st.integers(1, 5),
    limit=st.integers(1, 5),
)
def test_flows_that_refer_to_an_object_are_walked_in_order_and_once(database, uses, key, limit):
    """An initialisation object, 4 here, is referred to by the segments of the objects 1 and 2, which need it."""
    with scratch(database) as transaction:
        rows = [object_row(n, init_object_key=4 if n < 3 else None, is_init=n == 4) for n in range(1, 6)]
        insert(transaction, OBJECTS, *rows)
        insert(transaction, FLOWS, *(flow_row(id=name) for name in "dcba"))
        insert(transaction, SEGMENTS, *(segment_row(name, i, i + 1, object_key=n) for i, (name, n) in enumerate(uses)))
        walked: list[str] = []
        values: dict[str, object] = {"key": key}
        options = {"is_init": key == 4, "limit": limit}
        while found := transaction.read(objects.referring_flows, values, **options)["id"].to_pylist():
            walked += found
            values = {"key": key, "after": (found[-1],)}
    assert walked == sorted({name for name, n in uses if (n in (1, 2) if key == 4 else n == key)})


def test_referring_flows_can_be_those_with_a_tag(database):
    with database.transaction() as transaction:
        insert(transaction, FLOWS, flow_row(id="a", tags={"site": "x"}), flow_row(id="b", tags={"site": "y"}))
        insert(transaction, SEGMENTS, segment_row("a", 0, 1), segment_row("b", 0, 1))
    values = {"key": 1, "any_tags": ((tag_term("site", "y"),),)}
    assert database.read(objects.referring_flows, values, is_init=False, limit=5)["id"].to_pylist() == ["b"]
    values = {"key": 1, "no_tags": (tag_term("site", "y"),)}
    assert database.read(objects.referring_flows, values, is_init=False, limit=5)["id"].to_pylist() == ["a"]
