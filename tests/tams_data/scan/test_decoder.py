"""Every filter that DuckDB is known to push down is read out of the pyarrow expression it arrives as."""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import reduce
from operator import and_, or_

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.scan.decoder import UnknownFilter, decode
from tams_data.scan.predicate import AllOf, AnyOf, Comparison, Constant, Is, OneOf

n, s, f = (pc.field(name) for name in ("n", "s", "f"))


def over(name: str, operator: str, value: object) -> Comparison:
    return Comparison((name,), operator, pa.scalar(value))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param(n == 1, (over("n", "=", 1),), id="equal"),
        pytest.param(n != 1, (over("n", "!=", 1),), id="not-equal"),
        pytest.param(n < 1, (over("n", "<", 1),), id="less"),
        pytest.param(n <= 1, (over("n", "<=", 1),), id="at-most"),
        pytest.param(n > 1, (over("n", ">", 1),), id="greater"),
        pytest.param(n >= 1, (over("n", ">=", 1),), id="at-least"),
        pytest.param(
            (n > 1) & (s == "x") & (n < 9), (over("n", ">", 1), over("s", "=", "x"), over("n", "<", 9)), id="and"
        ),
        pytest.param(
            (s == "x") & ((n > 1) & (n < 9)),
            (over("s", "=", "x"), over("n", ">", 1), over("n", "<", 9)),
            id="and-in-and",
        ),
        pytest.param((n < 1) | (n > 9), (AnyOf((over("n", "<", 1), over("n", ">", 9))),), id="or"),
        pytest.param(
            (n < 1) | ((n > 9) & (n < 12)),
            (AnyOf((over("n", "<", 1), AllOf((over("n", ">", 9), over("n", "<", 12))))),),
            id="and-in-or",
        ),
        pytest.param(n.isin([1, 2]), (OneOf(("n",), pa.array([1, 2])),), id="in"),
        pytest.param((n == 1) | (n == 2), (OneOf(("n",), pa.array([1, 2])),), id="equalities-become-a-list"),
        pytest.param(
            (n == 1) | (n > 9) | (n == 2),
            (AnyOf((OneOf(("n",), pa.array([1, 2])), over("n", ">", 9))),),
            id="equalities-among-others",
        ),
        pytest.param(n.is_null(), (Is(("n",), "NULL"),), id="null"),
        pytest.param(n.is_valid(), (Is(("n",), "NOT NULL"),), id="not-null"),
        pytest.param(~n.is_null(), (Is(("n",), "NOT NULL"),), id="null-inverted"),
        pytest.param(f.is_nan(), (Is(("f",), "NAN"),), id="nan"),
        pytest.param(~f.is_nan(), (Is(("f",), "NOT NAN"),), id="nan-inverted"),
        pytest.param(pc.scalar(True), (), id="true"),
        pytest.param((n > 1) & pc.scalar(True), (over("n", ">", 1),), id="true-beside-another"),
        pytest.param(pc.scalar(False), (Constant(False),), id="false"),
        pytest.param(pc.field("a", "b") > 1, (Comparison(("a", "b"), ">", pa.scalar(1)),), id="field-of-a-struct"),
        pytest.param(
            (pc.field("a", "b") > 1) & (n > 1),
            (Comparison(("a", "b"), ">", pa.scalar(1)), over("n", ">", 1)),
            id="field-of-a-struct-beside-a-column",
        ),
    ],
)
def test_an_expression_is_read(expression, expected):
    assert decode(expression) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(7, -(2**63), 1.5, float("inf"), True, "", "ü'\n\"", b"\x00\xff", date(2024, 2, 29)),
        datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=timezone.utc),
        pa.scalar(1709168523000000001, pa.timestamp("ns")),
        pa.scalar(3, pa.int8()),
        pa.scalar(2**64 - 1, pa.uint64()),
    ],
    ids=str,
)
def test_a_value_keeps_its_type_and_every_bit(value):
    scalar = value if isinstance(value, pa.Scalar) else pa.scalar(value)
    ((comparison),) = decode(n == pc.scalar(scalar))
    assert comparison.value.equals(scalar)
    assert comparison.value.type == scalar.type


@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_a_column_keeps_its_name(name):
    assert decode(pc.field(name) > 1) == (Comparison((name,), ">", pa.scalar(1)),)


@pytest.mark.parametrize("depth", [2, 5000])
def test_a_deep_chain_of_equalities_is_one_list(depth):
    ((found),) = decode(reduce(or_, [i == n for i in range(depth)]))
    assert found == OneOf(("n",), pa.array(range(depth)))


def test_a_deep_chain_of_and_is_as_many_conditions():
    assert len(decode(reduce(and_, [i != n for i in range(5000)]))) == 5000


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(n + 1 > 2, id="arithmetic"),
        pytest.param(n > s, id="two-columns"),
        pytest.param(pc.scalar(1) < n, id="literal-on-the-left"),
        pytest.param(n.cast("string") == "1", id="cast"),
        pytest.param(~(n > 1), id="negation"),
        pytest.param(n, id="bare-column"),
    ],
)
def test_what_duckdb_does_not_push_is_refused(expression):
    """Better than to leave out a filter that nobody applies again."""
    with pytest.raises(UnknownFilter):
        decode(expression)
