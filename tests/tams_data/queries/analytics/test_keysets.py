"""Keysets choose and count the rows that joining key by key would, on each engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data import schema
from tams_data.engines.base import UNBOUND, Database
from tams_data.queries.analytics.keysets import among, counted, keyset, outside
from tests.conftest import ENGINES
from tests.tams_data.builders import clear, insert, object_row, on_one_database

KEYS = st.integers(0, 200) | st.sampled_from([2**40, 2**53 + 1, 2**62, 2**63 - 1])
HELD = st.lists(st.tuples(KEYS, st.sampled_from(["a", "b", None])))


@pytest.fixture(scope="module", params=ENGINES)
def emptied(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database that each example fills anew."""
    database = ENGINES[request.param]()
    database.create_tables()
    yield database
    database.close()


def by_backend(tables):
    found = among(tables.objects, keyset(tables.object_instances, "object_key", "storage_id"))
    return found.select("key", "storage_id")


def with_instance(tables):
    return among(tables.objects, keyset(tables.object_instances, "object_key")).select("key")


def without_instance(tables):
    return outside(tables.objects, keyset(tables.object_instances, "object_key")).select("key")


def with_counts(tables):
    return counted(tables.objects.select("key"), tables.object_instances, "object_key")


@given(st.sets(KEYS), HELD)
@on_one_database
def test_keysets_choose_what_joins_choose(emptied, keys, held):
    clear(emptied)
    with emptied.transaction() as transaction:
        insert(transaction, schema.OBJECTS, *(object_row(key) for key in keys))
        rows = [{"object_key": key, "storage_id": storage_id, "created_ns": 0} for key, storage_id in held]
        insert(transaction, schema.OBJECT_INSTANCES, *rows)
    there = {key for key, _ in held} & keys
    found = [(row["key"], row["storage_id"]) for row in emptied.read(by_backend).to_pylist()]
    assert sorted(found, key=repr) == sorted({one for one in held if one[0] in keys}, key=repr)
    assert sorted(emptied.read(with_instance)["key"].to_pylist()) == sorted(there)
    assert sorted(emptied.read(without_instance)["key"].to_pylist()) == sorted(keys - there)
    times = Counter(key for key, _ in held)
    assert {row["key"]: row["count"] for row in emptied.read(with_counts).to_pylist()} == {
        key: times[key] for key in keys
    }


def test_keysets_compile_for_spark():
    """Ibis knows bit_or of a relative of it only."""
    assert "BIT_OR(" in ibis.to_sql(keyset(UNBOUND.segments, "object_key"), dialect="pyspark")
