"""What is remembered of allocations is what their rows say, through claims, uploads and roll-backs."""

from __future__ import annotations

import pytest

from tams_data import schema
from tams_data.store.allocations import Allocations, find_allocated
from tests.tams_data.builders import NOW_NS, rows_of, scratch


def record(key: int, name: str):
    return schema.STORAGE_ALLOCATIONS.record(
        object_key=key,
        object_id=name,
        id_hash=schema.id_hash(name),
        flow_id="f",
        storage_id="s",
        content_type="video/mp2t",
        size_bytes=None,
        created_ns=NOW_NS,
    )


@pytest.fixture(params=[0, 2, 100], ids=["nothing-remembered", "few-remembered", "all-remembered"])
def allocations(request) -> Allocations:
    return Allocations(request.param)


def test_an_allocation_is_found_until_it_is_claimed(database, allocations):
    a, b, c = (record(i, name) for i, name in enumerate("abc"))
    with database.transaction() as transaction:
        allocations.add(transaction, [a])
        allocations.add(transaction, [b, c])
        assert allocations.find(transaction, ["a", "b", "c", "none"]) == {"a": a, "b": b, "c": c}
        allocations.claim(transaction, [b])
    assert allocations.find(database, ["a", "b", "c"]) == {"a": a, "c": c}
    assert [row["object_id"] for row in rows_of(database, schema.STORAGE_ALLOCATIONS)] == ["a", "c"]


def test_the_size_of_an_upload_is_found_with_the_allocation(database, allocations):
    with database.transaction() as transaction:
        allocations.add(transaction, [record(1, "a")])
        allocations.set_size(transaction, record(1, "a"), 99)
    assert allocations.find(database, ["a"])["a"].size_bytes == 99
    assert find_allocated(database, ["a"])["a"].size_bytes == 99


def test_what_was_rolled_back_is_not_remembered(database, allocations):
    with database.transaction() as transaction:
        allocations.add(transaction, [record(1, "a"), record(2, "b")])
    with scratch(database) as transaction:
        allocations.add(transaction, [record(3, "c")])
        allocations.claim(transaction, [record(1, "a")])
        allocations.set_size(transaction, record(2, "b"), 5)
    allocations.forget()
    found = allocations.find(database, ["a", "b", "c"])
    assert found == {"a": record(1, "a"), "b": record(2, "b")}


def test_what_a_flow_may_register_is_found_by_the_flow(database, allocations):
    with database.transaction() as transaction:
        allocations.add(transaction, [record(1, "a"), record(2, "b")])
    assert allocations.of_flow(database, "f") == [record(1, "a"), record(2, "b")]
    assert allocations.of_flow(database, "g") == []
