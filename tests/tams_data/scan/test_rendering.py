"""Conditions become requests that vastdb serialises by itself, and what it would refuse or change stays local."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vastdb._internal import build_query_data_request
from vastdb.util import MAX_QUERY_DATA_REQUEST_SIZE

from tams_data.scan.predicate import AllOf, AnyOf, Comparison, Condition, Constant, Is, OneOf
from tams_data.scan.rendering import can_render, chunks, rendered

SCHEMA = pa.schema(
    {
        "n": pa.int64(),
        "i8": pa.int8(),
        "u64": pa.uint64(),
        "s": pa.string(),
        "b": pa.bool_(),
        "f": pa.float64(),
        "ts": pa.timestamp("us", "UTC"),
        "ns": pa.timestamp("ns"),
        "d": pa.date32(),
        "t": pa.time64("us"),
        "bin": pa.binary(),
        "dec": pa.decimal128(10, 2),
        "l": pa.list_(pa.int64()),
        "st": pa.struct({"x": pa.int64()}),
    }
)
TABLE = ibis.table(ibis.Schema.from_pyarrow(SCHEMA), name="t")
INSTANT = datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=timezone.utc)


def over(name: str, operator: str, value: object, kind: pa.DataType | None = None) -> Comparison:
    return Comparison((name,), operator, pa.scalar(value, kind or SCHEMA.field(name).type))


def one_of(name: str, *values: object) -> OneOf:
    return OneOf((name,), pa.array(values, SCHEMA.field(name).type))


def request(*conditions: Condition) -> bytes:
    """The request that vastdb makes of the conditions."""
    serialized: bytes = build_query_data_request(SCHEMA, rendered(TABLE, conditions), ["n"]).serialized
    return bytes(serialized)


def request_of(predicate: Any) -> bytes:
    """The request that vastdb makes of a predicate written by hand."""
    return bytes(build_query_data_request(SCHEMA, predicate, ["n"]).serialized)


@pytest.mark.parametrize(
    ("condition", "by_hand"),
    [
        pytest.param(over("n", "=", 5), TABLE.n == 5, id="equal"),
        pytest.param(over("n", "!=", 5), TABLE.n != 5, id="not-equal"),
        pytest.param(over("n", "<", 5), TABLE.n < 5, id="less"),
        pytest.param(over("n", "<=", -(2**63)), TABLE.n <= -(2**63), id="at-most"),
        pytest.param(over("n", ">", 2**63 - 1), TABLE.n > 2**63 - 1, id="greater"),
        pytest.param(over("n", ">=", 5), TABLE.n >= 5, id="at-least"),
        pytest.param(over("i8", ">", 5, pa.int64()), TABLE.i8 > 5, id="narrow-integer"),
        pytest.param(over("u64", "=", 2**64 - 1), TABLE.u64 == ibis.literal(2**64 - 1, "uint64"), id="unsigned"),
        pytest.param(over("s", ">=", "ü"), TABLE.s >= "ü", id="text"),
        pytest.param(over("b", "=", True), TABLE.b == True, id="bool"),  # noqa: E712
        pytest.param(over("f", "<", 1.5), TABLE.f < 1.5, id="float"),
        pytest.param(over("ts", ">", INSTANT), TABLE.ts > INSTANT, id="timestamp"),
        pytest.param(
            over("ns", ">", INSTANT.replace(tzinfo=None)), TABLE.ns > INSTANT.replace(tzinfo=None), id="nanoseconds"
        ),
        pytest.param(over("d", "=", date(2024, 2, 29)), TABLE.d == date(2024, 2, 29), id="date"),
        pytest.param(over("t", "=", time(10, 0)), TABLE.t == time(10, 0), id="time"),
        pytest.param(over("bin", "=", b"\x00"), TABLE.bin == b"\x00", id="binary"),
        pytest.param(one_of("n", 5, 9, 1), TABLE.n.isin([5, 9, 1]), id="in"),
        pytest.param(one_of("u64", 2**64 - 1), TABLE.u64 == ibis.literal(2**64 - 1, "uint64"), id="in-unsigned"),
        pytest.param(one_of("s", "b", None, "a"), TABLE.s.isin(["b", "a"]), id="in-without-its-null"),
        pytest.param(one_of("n", 4, 9, 3, 5), TABLE.n.between(3, 5) | TABLE.n.isin([9]), id="in-with-a-run"),
        pytest.param(one_of("n", 4, 3, 5), TABLE.n.between(3, 5), id="in-a-run"),
        pytest.param(Is(("s",), "NULL"), TABLE.s.isnull(), id="null"),
        pytest.param(Is(("s",), "NOT NULL"), ~TABLE.s.isnull(), id="not-null"),
        pytest.param(
            AnyOf((one_of("n", 5, 9), over("n", ">", 100), Is(("n",), "NULL"))),
            TABLE.n.isin([5, 9]) | (TABLE.n > 100) | TABLE.n.isnull(),
            id="or",
        ),
    ],
)
def test_a_condition_is_the_request_it_would_be_by_hand(condition, by_hand):
    assert can_render(SCHEMA, condition)
    assert request(condition) == request_of(by_hand)


def test_conditions_are_joined_by_and():
    together = request(over("n", ">", 5), one_of("s", "a", "b"))
    assert together == request_of((TABLE.n > 5) & TABLE.s.isin(["a", "b"]))


def test_no_condition_is_no_predicate():
    assert rendered(TABLE, ()) is None


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(over("n", "<", 1.5, pa.float64()), id="a-fraction-against-an-integer"),
        pytest.param(over("i8", "<", 1000, pa.int64()), id="an-integer-out-of-range"),
        pytest.param(over("f", ">", 1.5), id="nan-may-not-be-greater-to-vast"),
        pytest.param(over("f", ">=", 1.5), id="nan-may-not-be-at-least-to-vast"),
        pytest.param(over("f", "!=", 1.5), id="nan-may-not-be-unequal-to-vast"),
        pytest.param(over("ns", "=", 1_700_000_000_000_000_001), id="single-nanoseconds"),
        pytest.param(over("b", "<", True), id="bools-in-order"),
        pytest.param(over("dec", "=", Decimal("1.10")), id="decimal-goes-through-a-float"),
        pytest.param(OneOf(("l",), pa.array([[1]])), id="list"),
        pytest.param(Comparison(("st", "x"), ">", pa.scalar(1)), id="field-of-a-struct"),
        pytest.param(Is(("f",), "NAN"), id="nan"),
        pytest.param(Constant(False), id="constant"),
        pytest.param(AllOf((over("n", ">", 1), over("n", "<", 5))), id="and-as-one-condition"),
        pytest.param(AnyOf((over("n", ">", 1), over("s", "=", "a"))), id="or-across-columns"),
        pytest.param(AnyOf((over("n", "=", 1), AllOf((over("n", ">", 5), over("n", "<", 9))))), id="and-in-or"),
        pytest.param(AnyOf(tuple(over("n", "<", i) for i in range(101))), id="or-too-deep"),
    ],
)
def test_what_vastdb_would_refuse_or_change_stays_local(condition):
    assert not can_render(SCHEMA, condition)


def test_the_deepest_or_can_be_serialised():
    condition = AnyOf(tuple(over("n", "<", i) for i in range(100)))
    assert can_render(SCHEMA, condition)
    assert request(condition)


@given(st.sets(st.integers(-30, 30), min_size=1))
def test_runs_of_integers_select_what_the_list_selects(values):
    expression = rendered(TABLE, (one_of("n", *values),))
    numbers = ibis.memtable({"n": list(range(-40, 40))})
    found = numbers.filter(_on(numbers, expression)).n.to_pyarrow().to_pylist()
    assert sorted(found) == sorted(values)


def _on(numbers: ibis.Table, expression: Any) -> Any:
    """The expression over another table."""
    return expression.op().replace({TABLE.n.op(): numbers.n.op()}).to_expr()


def test_a_short_list_is_one_request():
    predicate = (over("n", ">", 5), one_of("s", "a", "b"))
    assert list(chunks(predicate)) == [predicate]


def test_a_long_list_is_divided_into_requests_that_vastdb_takes():
    ids = [f"{i:036d}" for i in range(30_000)]
    predicate = (over("n", ">", 5), one_of("s", *reversed(ids), *ids[:100]))
    parts = list(chunks(predicate))
    assert [part[1] for part in parts] == [over("n", ">", 5)] * 3
    assert [value for part in parts for value in part[0].values.to_pylist()] == ids
    assert max(len(request(*part)) for part in parts[:1]) < MAX_QUERY_DATA_REQUEST_SIZE


def test_a_second_long_list_is_left_to_the_filter_that_follows():
    long, longer = one_of("n", *range(0, 40_000, 2)), one_of("u64", *range(0, 60_000, 2))
    parts = list(chunks((long, longer)))
    assert {part[0].column for part in parts} == {("u64",)}
    assert {len(part) for part in parts} == {1}
