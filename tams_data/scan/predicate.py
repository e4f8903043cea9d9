"""What rows a scan is asked for: a small neutral form of filters, and their exact application to Arrow batches.

A predicate is a tuple of conditions, all of which hold. A source filters by as many of them as it can; `kept` then
applies all of them exactly, as DuckDB means them: a comparison with null keeps no row, and NaN is greater than every
number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
COMPARE: Mapping[Operator, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""The operators as functions of what has Python's own: columns of Ibis, for one."""

State: TypeAlias = Literal["NULL", "NOT NULL", "NAN", "NOT NAN"]
Column: TypeAlias = tuple[str, ...]
"""A column by its name, or a field inside a struct column by the names that lead to it."""


@dataclass(frozen=True)
class Comparison:
    """A column against one value, which is not null."""

    column: Column
    operator: Operator
    value: pa.Scalar

    def __str__(self) -> str:
        return f"{'.'.join(self.column)} {self.operator} {_text(self.value)}"


@dataclass(frozen=True)
class OneOf:
    """A column whose value is in a list. Null is in none."""

    column: Column
    values: pa.Array

    def __str__(self) -> str:
        shown = [_text(value) for value in self.values[:_SHOWN]]
        more = len(self.values) - _SHOWN
        return f"{'.'.join(self.column)} IN ({', '.join(shown)}{f', … {more:,} more' if more > 0 else ''})"


@dataclass(frozen=True)
class Is:
    """A column that is null, or NaN, or is not."""

    column: Column
    state: State

    def __str__(self) -> str:
        return f"{'.'.join(self.column)} IS {self.state}"


@dataclass(frozen=True)
class Constant:
    """What holds for every row, or for none."""

    holds: bool

    def __str__(self) -> str:
        return str(self.holds).upper()


@dataclass(frozen=True)
class AllOf:
    """Conditions that all hold."""

    conditions: Predicate

    def __str__(self) -> str:
        return f"({' AND '.join(map(str, self.conditions))})"


@dataclass(frozen=True)
class AnyOf:
    """Conditions of which one holds."""

    conditions: Predicate

    def __str__(self) -> str:
        return f"({' OR '.join(map(str, self.conditions))})"


Condition: TypeAlias = "Comparison | OneOf | Is | Constant | AllOf | AnyOf"
Predicate: TypeAlias = "tuple[Condition, ...]"

_SHOWN = 5
_COMPARE: Mapping[Operator, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_IS: Mapping[State, Callable[[Any], Any]] = {
    "NULL": pc.is_null,
    "NOT NULL": pc.is_valid,
    "NAN": pc.is_nan,
    "NOT NAN": lambda column: pc.invert(pc.is_nan(column)),
}


def all_of(conditions: Predicate) -> Condition:
    """The conditions as one."""
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)


def any_of(conditions: Predicate) -> Condition:
    """A condition that holds where one of these does, with equalities on one column gathered into a list.

    A thousand equalities in a row would be a thousand passes over every batch.
    """
    equal: dict[tuple[Column, pa.DataType], list[pa.Scalar]] = {}
    rest: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, Comparison) and condition.operator == "=":
            equal.setdefault((condition.column, condition.value.type), []).append(condition.value)
        else:
            rest.append(condition)
    gathered = (_equal_to(column, values, kind) for (column, kind), values in equal.items())
    together: Predicate = (*gathered, *rest)
    return together[0] if len(together) == 1 else AnyOf(together)


def never(predicate: Predicate) -> bool:
    """Whether no row can satisfy it, whatever the rows are."""
    return any(
        (isinstance(one, Constant) and not one.holds) or (isinstance(one, OneOf) and not len(one.values))
        for one in predicate
    )


def kept(batch: pa.RecordBatch, predicate: Predicate) -> pa.RecordBatch:
    """The rows for which every condition holds; the batch itself when these are all."""
    if not predicate:
        return batch
    mask = _mask(batch, all_of(predicate))
    if isinstance(mask, pa.Scalar):
        return batch if mask.as_py() else batch.slice(0, 0)
    return batch if mask.true_count == len(mask) else batch.filter(mask)


def _mask(batch: pa.RecordBatch, condition: Condition) -> Any:
    """True, false or null for each row, or one of them for all."""
    if isinstance(condition, Constant):
        return pa.scalar(condition.holds)
    if isinstance(condition, AllOf):
        return reduce(pc.and_kleene, (_mask(batch, one) for one in condition.conditions))
    if isinstance(condition, AnyOf):
        return reduce(pc.or_kleene, (_mask(batch, one) for one in condition.conditions))
    values = _values(batch, condition.column)
    if isinstance(condition, Is):
        return _IS[condition.state](values)
    if isinstance(condition, OneOf):
        return pc.is_in(values, value_set=condition.values.cast(values.type), skip_nulls=True)
    return _compared(values, condition)


def _compared(values: pa.Array, condition: Comparison) -> pa.Array:
    mask = _COMPARE[condition.operator](values, condition.value)
    if condition.operator in (">", ">=") and pa.types.is_floating(values.type):
        return pc.or_(mask, pc.is_nan(values))  # Arrow has NaN greater than nothing
    return mask


def _values(batch: pa.RecordBatch, column: Column) -> pa.Array:
    name, *fields = column
    return pc.struct_field(batch.column(name), fields) if fields else batch.column(name)


def _equal_to(column: Column, values: list[pa.Scalar], kind: pa.DataType) -> Condition:
    return Comparison(column, "=", values[0]) if len(values) == 1 else OneOf(column, pa.array(values, kind))


def _text(value: pa.Scalar) -> str:
    return repr(value.as_py()) if pa.types.is_string(value.type) else str(value)
