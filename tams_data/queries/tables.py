"""Rows of any table, by a predicate that somebody sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from tams_data.scan.predicate import (
    COMPARE,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Constant,
    Is,
    OneOf,
    Predicate,
    State,
)

_IS: Mapping[State, Callable[[Any], Any]] = {
    "NULL": lambda column: column.isnull(),
    "NOT NULL": lambda column: column.notnull(),
    "NAN": lambda column: column.isnan(),
    "NOT NAN": lambda column: ~column.isnan(),
}


def rows(table: ir.Table, columns: Sequence[str], predicate: Predicate) -> ir.Table:
    """The rows that satisfy a predicate, with these columns in this order.

    >>> t = ibis.memtable({"key": [1, 2, 3], "label": ["a", None, "c"]})
    >>> rows(t, ["label"], (Comparison(("key",), ">", pa.scalar(1)), Is(("label",), "NOT NULL"))).execute()
      label
    0     c
    """
    kept = table.filter([_holds(table, one) for one in predicate]) if predicate else table
    return kept.select(*columns)


def _holds(table: ir.Table, condition: Condition) -> ir.BooleanValue:
    match condition:
        case Comparison((name,), symbol, value):
            return COMPARE[symbol](table[name], ibis.literal(value.as_py(), table[name].type()))
        case OneOf((name,), values):
            return _is_one_of(table[name], values)
        case Is((name,), state):
            return _IS[state](table[name])
        case AllOf(conditions):
            return ibis.and_(*(_holds(table, one) for one in conditions))
        case AnyOf(conditions):
            return ibis.or_(*(_holds(table, one) for one in conditions))
        case Constant(holds):
            return ibis.literal(holds)
    raise AssertionError(f"{condition} is of a field inside a column")


def _is_one_of(column: ir.Column, values: pa.Array) -> ir.BooleanValue:
    kind = column.type()  # said, for Ibis would guess one for every value
    wanted = tuple(ops.Literal(one, kind) for one in values.drop_null().to_pylist())
    return ops.InValues(column, wanted).to_expr() if wanted else ibis.literal(False)


def columns(tables: Any, *, table: str, names: Sequence[str]) -> ir.Table:
    """Every row of a table of the store, with these columns."""
    return getattr(tables, table).select(*names)


def counted(tables: Any, *, table: str) -> ir.Table:
    """One row, `count`: how many rows a table of the store has."""
    return getattr(tables, table).aggregate(count=lambda t: t.count())
