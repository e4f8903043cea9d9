"""Conditions as vastdb takes them: the Ibis expressions of which it makes its requests, and no others.

vastdb sends a conjunction, each of whose parts is a disjunction on one column. Of what it would refuse, or send as
something else, nothing is rendered: the value must be of the column's type as it is (`n < 1.5` on an integer column
becomes `n < 1`), NOT NULL is the negation of `isnull`, and a literal stands on the right.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator
from functools import reduce
from itertools import pairwise
from math import ceil
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.types as pt

from tams_data.scan.predicate import COMPARE, AnyOf, Comparison, Condition, Is, OneOf, Operator, Predicate

_REQUEST = 2 << 20
"""Bytes of values that one request carries, at most. vastdb refuses one of 4.5 MiB, and this is an estimate."""

_EACH = 128
"""Bytes that a value in a list takes in a request beside its own."""

_ALTERNATIVES = 100
"""Operands of an OR that are rendered: vastdb takes expressions apart by recursion."""

_ORDERED: tuple[Callable[[pa.DataType], bool], ...] = (
    pt.is_integer,
    pt.is_string,
    pt.is_binary,
    pt.is_date32,
    pt.is_time,
    pt.is_timestamp,
)


def can_render(schema: pa.Schema, condition: Condition) -> bool:
    """Whether vastdb can be asked for the rows that satisfy a condition, and surely gives all of them."""
    match condition:
        case Comparison((name,), symbol, value):
            kind = schema.field(name).type
            return symbol in _operators(kind) and _exact(value, kind)
        case OneOf((name,), values):
            kind = schema.field(name).type
            return "=" in _operators(kind) and _exact(values, kind)
        case Is((_,), state):
            return state in ("NULL", "NOT NULL")
        case AnyOf(conditions):
            one_column = len({getattr(one, "column", None) for one in conditions}) == 1
            small = len(conditions) <= _ALTERNATIVES and sum(map(_size, conditions)) <= _REQUEST
            return one_column and small and all(can_render(schema, one) for one in conditions)
    return False


def rendered(table: ir.Table, predicate: Predicate) -> ir.BooleanColumn | None:
    """Conditions that can be rendered, as one expression over the table; None when there are none."""
    return reduce(operator.and_, (_expression(table, one) for one in predicate)) if predicate else None


def chunks(predicate: Predicate) -> Iterator[Predicate]:
    """The predicate, or the predicates into which its longest list of values divides it, no row satisfying two.

    The list is sorted, so that each part seeks a narrow range. A second list that is too long for one request is
    left out: its rows are filtered when they have come.
    """
    longest = max((one for one in predicate if isinstance(one, OneOf)), key=_size, default=None)
    if longest is None or _size(longest) <= _REQUEST:
        yield predicate
        return
    rest = tuple(one for one in predicate if one is not longest and _size(one) <= _REQUEST)
    values = longest.values.unique().sort()
    length = ceil(len(values) / ceil(_size(longest) / _REQUEST))
    for start in range(0, len(values), length):
        yield (OneOf(longest.column, values[start : start + length]), *rest)


def _operators(kind: pa.DataType) -> Collection[Operator]:
    """The comparisons that VAST makes of a type in the way DuckDB does."""
    if pt.is_boolean(kind):
        return ("=", "!=")
    if pt.is_float32(kind) or pt.is_float64(kind):
        return ("=", "<", "<=")  # to DuckDB NaN is greater than every number; of VAST this is not known
    return tuple(COMPARE) if any(is_ordered(kind) for is_ordered in _ORDERED) else ()


def _exact(values: pa.Scalar | pa.Array, kind: pa.DataType) -> bool:
    """Whether the values are of the column's type, and Python, as which vastdb gets them, can hold them."""
    try:
        _python(values.cast(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _python(values: pa.Scalar | pa.Array) -> Any:
    """A value, or the values of a list without its nulls, which are in no list."""
    if pt.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", values.type.tz))  # a datetime has no nanoseconds
    return values.drop_null().to_pylist() if isinstance(values, pa.Array) else values.as_py()


def _size(condition: Condition) -> int:
    """About how many bytes the list of values, if it is one, takes in a request."""
    return condition.values.nbytes + _EACH * len(condition.values) if isinstance(condition, OneOf) else 0


def _expression(table: ir.Table, condition: Condition) -> ir.BooleanColumn:
    match condition:
        case Comparison((name,), symbol, value):
            column = table[name]
            return COMPARE[symbol](column, ibis.literal(_python(value), column.type()))
        case OneOf((name,), values):
            return _one_of(table[name], values)
        case Is((name,), state):
            return table[name].isnull() if state == "NULL" else ~table[name].isnull()
        case AnyOf(conditions):
            return reduce(operator.or_, (_expression(table, one) for one in conditions))
    raise AssertionError(f"{condition} cannot be rendered")


def _one_of(column: ir.Column, values: pa.Array) -> ir.BooleanColumn:
    """Membership of a list; the runs of consecutive integers in it become ranges.

    vastdb spends 0.1 ms on every value of a list. Keys that were given out together are often sought together.
    """
    singles = _python(values)
    ranges: list[tuple[int, int]] = []
    if pt.is_integer(values.type):
        runs = _runs(singles)
        ranges = [(first, last) for first, last in runs if last - first >= 2][:_ALTERNATIVES]
        covered = {value for first, last in ranges for value in range(first, last + 1)}
        singles = [value for value in singles if value not in covered]
    parts = [column.between(first, last) for first, last in ranges]
    if singles:
        kind = column.type()  # said, for Ibis would not take a large unsigned integer for one
        parts.append(ops.InValues(column, tuple(ops.Literal(value, kind) for value in singles)).to_expr())
    return reduce(operator.or_, parts)


def _runs(values: list[int]) -> list[tuple[int, int]]:
    """The first and last of each run of consecutive integers.

    >>> _runs([7, 1, 2, 3, 9])
    [(1, 3), (7, 7), (9, 9)]
    """
    ordered = sorted(set(values))
    breaks = [i for i, (one, following) in enumerate(pairwise(ordered), 1) if following != one + 1]
    return [(ordered[i], ordered[j - 1]) for i, j in pairwise([0, *breaks, len(ordered)])]
