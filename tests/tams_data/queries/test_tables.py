"""The rows of a predicate are the rows that `kept` keeps: what a source is asked for is what is filtered again."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

import ibis
import pyarrow as pa
import pytest

from tams_data.queries.tables import rows
from tams_data.scan.predicate import AllOf, AnyOf, Comparison, Condition, Constant, Is, OneOf, kept
from tests.tams_data.scan.data import TABLES

THINGS = TABLES["things"]
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
NAN = float("nan")


def over(name: str, operator: str, value: object) -> Comparison:
    """A comparison with a value of the column's type."""
    return Comparison((name,), operator, pa.scalar(value, THINGS.schema.field(name).type))


def one_of(name: str, *values: object) -> OneOf:
    """A list of values of the column's type."""
    return OneOf((name,), pa.array(values, THINGS.schema.field(name).type))


CONDITIONS: list[Condition] = [
    *(over("size", operator, value) for operator in OPERATORS for value in (0, 2**63 - 1, -(2**63))),
    *(over("label", operator, value) for operator in OPERATORS for value in ("", "abc", "ü")),
    *(over("rate", operator, value) for operator in OPERATORS for value in (1.5, 0.0, float("inf"))),
    *(over("live", operator, True) for operator in ("=", "!=")),
    *(over("seen", operator, THINGS["seen"][0].as_py()) for operator in OPERATORS),
    over("small", "<", 100),
    one_of("size", 0, 2**63 - 1, None),
    one_of("size"),
    one_of("label", "", "%_", "日本"),
    one_of("rate", NAN, 1.5),
    one_of("live", False),
    *(Is((name,), state) for name in ("size", "label", "terms") for state in ("NULL", "NOT NULL")),
    *(Is(("rate",), state) for state in ("NULL", "NOT NULL", "NAN", "NOT NAN")),
    Constant(True),
    Constant(False),
    AnyOf((over("size", "=", 0), Is(("label",), "NULL"))),
    AnyOf((over("size", "=", 0),)),
    AllOf((over("size", ">=", 0), AnyOf((over("label", "=", "a"), over("rate", ">", 1.0))))),
    AnyOf((Constant(False), AllOf((over("key", ">", 100), over("key", "<", 200))))),
    AnyOf(tuple(over("key", "=", i) for i in range(250))),
]


@pytest.fixture(scope="module")
def things() -> Iterator[ibis.Table]:
    """The table inside DuckDB."""
    connection = ibis.duckdb.connect()
    yield connection.create_table("things", THINGS)
    connection.disconnect()


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda one: str(one)[:60])
def test_the_rows_are_those_that_satisfy_the_predicate(condition: Condition, things: ibis.Table) -> None:
    (batch,) = THINGS.combine_chunks().to_batches()
    found = rows(things, ["key"], (condition,)).to_pyarrow()
    assert found.column_names == ["key"]
    assert sorted(found["key"].to_pylist()) == sorted(kept(batch, (condition,))["key"].to_pylist())


@pytest.mark.parametrize(
    ("operator", "numbers", "nan"),
    [
        ("=", False, True),
        ("!=", True, False),
        ("<", True, False),
        ("<=", True, True),
        (">", False, False),
        (">=", False, True),
    ],
)
def test_nan_is_greater_than_every_number_and_equal_to_itself(operator, numbers, nan, things: ibis.Table) -> None:
    """As to DuckDB, which says it by conditions of other kinds to whom it asks."""
    found = rows(things, ["rate"], (over("rate", operator, NAN),)).to_pyarrow()["rate"].to_pylist()
    rates = [one for one in THINGS["rate"].to_pylist() if one is not None]
    assert sum(map(isnan, found)) == nan * sum(map(isnan, rates))
    assert len(found) - sum(map(isnan, found)) == numbers * sum(not isnan(one) for one in rates)


def test_every_condition_must_hold(things: ibis.Table) -> None:
    found = rows(things, ["key", "flow"], (over("key", ">=", 5), over("key", "<", 8))).to_pyarrow()
    assert found.column_names == ["key", "flow"]
    assert sorted(found["key"].to_pylist()) == [5, 6, 7]


def test_without_conditions_all_rows_are_there(things: ibis.Table) -> None:
    assert rows(things, ["key"], ()).count().execute() == THINGS.num_rows
