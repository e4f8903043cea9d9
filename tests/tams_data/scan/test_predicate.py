"""Conditions keep the rows that DuckDB would, and say what they are."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tams_data.scan.predicate import AllOf, AnyOf, Comparison, Constant, Is, OneOf, any_of, kept, never

NAN = float("nan")
BATCH = pa.RecordBatch.from_pydict(
    {
        "n": [1, 2, None, 4],
        "f": [1.0, NAN, None, -1.0],
        "s": ["a", None, "", "ü"],
        "t": [{"x": 1}, {"x": 2}, None, {"x": None}],
    }
)


def over(name: str, operator: str, value: object) -> Comparison:
    return Comparison((name,), operator, pa.scalar(value))


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        pytest.param(over("n", "=", 2), [1], id="equal"),
        pytest.param(over("n", "!=", 2), [0, 3], id="null-is-not-unequal"),
        pytest.param(over("n", "<=", 2), [0, 1], id="at-most"),
        pytest.param(over("f", ">", 0.0), [0, 1], id="nan-is-greater"),
        pytest.param(over("f", ">=", float("inf")), [1], id="nan-is-greater-than-infinity"),
        pytest.param(over("f", "<", 5.0), [0, 3], id="nan-is-not-less"),
        pytest.param(over("f", "!=", 1.0), [1, 3], id="nan-is-unequal"),
        pytest.param(over("s", ">=", ""), [0, 2, 3], id="text"),
        pytest.param(OneOf(("n",), pa.array([1, 4, 9])), [0, 3], id="in"),
        pytest.param(OneOf(("n",), pa.array([1, None])), [0], id="null-is-in-no-list"),
        pytest.param(OneOf(("n",), pa.array([1, 4], pa.int8())), [0, 3], id="in-a-list-of-a-narrower-type"),
        pytest.param(Is(("n",), "NULL"), [2], id="null"),
        pytest.param(Is(("n",), "NOT NULL"), [0, 1, 3], id="not-null"),
        pytest.param(Is(("f",), "NAN"), [1], id="nan"),
        pytest.param(Is(("f",), "NOT NAN"), [0, 3], id="not-nan"),
        pytest.param(AnyOf((over("n", "=", 1), Is(("s",), "NULL"))), [0, 1], id="any"),
        pytest.param(AnyOf((over("n", ">", 3), over("s", "=", ""))), [2, 3], id="any-with-a-null-beside"),
        pytest.param(AllOf((over("n", ">", 1), over("f", "<", 0.0))), [3], id="all"),
        pytest.param(AnyOf((Constant(False), over("n", "=", 1))), [0], id="any-with-a-constant"),
        pytest.param(Constant(True), [0, 1, 2, 3], id="true"),
        pytest.param(Constant(False), [], id="false"),
        pytest.param(Comparison(("t", "x"), ">", pa.scalar(1)), [1], id="field-of-a-struct"),
    ],
)
def test_the_rows_that_satisfy_a_condition_are_kept(condition, rows):
    expected = BATCH.take(pa.array(rows, pa.int64()))
    assert str(kept(BATCH, (condition,)).to_pylist()) == str(expected.to_pylist())  # as text: NaN is unlike itself


def test_every_condition_must_hold():
    assert kept(BATCH, (over("n", ">", 1), over("n", "<", 4)))["n"].to_pylist() == [2]


def test_a_batch_whose_rows_are_all_kept_is_not_copied():
    whole = BATCH.slice(0, 1)
    assert kept(whole, (over("n", "=", 1),)) is whole
    assert kept(whole, ()) is whole


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param(Constant(False), True, id="false"),
        pytest.param(OneOf(("n",), pa.array([], pa.int64())), True, id="in-nothing"),
        pytest.param(Constant(True), False, id="true"),
        pytest.param(over("n", "=", 1), False, id="comparison"),
    ],
)
def test_a_predicate_that_nothing_satisfies_is_known(condition, expected):
    assert never((over("n", ">", 1), condition)) is expected


def test_equalities_are_gathered_by_column_and_type():
    conditions = (over("n", "=", 1), over("s", "=", "a"), over("n", "=", 2), over("n", "=", 1.5))
    gathered = any_of(conditions)
    assert gathered == AnyOf((OneOf(("n",), pa.array([1, 2])), over("s", "=", "a"), over("n", "=", 1.5)))


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (over("n", ">=", 5), "n >= 5"),
        (over("s", "=", "it's"), 's = "it\'s"'),
        (OneOf(("n",), pa.array(range(3))), "n IN (0, 1, 2)"),
        (OneOf(("n",), pa.array(range(5000))), "n IN (0, 1, 2, 3, 4, … 4,995 more)"),
        (Is(("t", "x"), "NOT NULL"), "t.x IS NOT NULL"),
        (AnyOf((over("n", "=", 1), AllOf((over("n", ">", 5), over("n", "<", 9))))), "(n = 1 OR (n > 5 AND n < 9))"),
        (Constant(False), "FALSE"),
    ],
)
def test_a_condition_says_what_it_is(condition, text):
    assert str(condition) == text
