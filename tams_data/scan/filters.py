"""A predicate as text, for sources that are asked over a network: JSON, small and exact.

A filter is an array of conditions that all hold. A condition is one of

    ["start_ns", ">=", 1767261650000000000]     a column against a value: = != < <= > >=
    ["flow_id", "in", ["a", "b"]]               a column whose value is in a list
    ["label", "is", "null"]                     or "not null", "nan", "not nan"
    {"any": [condition, …]}                     one of these holds
    {"all": [condition, …]}                     all of these hold
    true, false                                 every row, or none

A value is JSON of the column's type: a number, text or a truth value; NaN and the infinities are the texts "NaN",
"Infinity" and "-Infinity"; a date or a timestamp is the count, since 1970, of days or of the unit of its column.
What cannot be said so exactly is not said: `can_say` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any, get_args

import orjson
import pyarrow as pa
import pyarrow.types as pt

from tams_data.scan.predicate import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Constant,
    Is,
    OneOf,
    Operator,
    Predicate,
    State,
)

MOST_CHARACTERS = 32_768
"""The longest text that is read. What servers take of a URL is twice as much."""

MOST_CONDITIONS = 256
MOST_LEVELS = 8

_OPERATORS: tuple[Operator, ...] = get_args(Operator)
_STATES: Mapping[str, State] = {one.lower(): one for one in get_args(State)}
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


class InvalidFilter(ValueError):
    """The text is no filter of the table: `place` leads to the part that is at fault, and `value` is that part."""

    def __init__(self, message: str, place: str, value: object) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
        self.value = value


# ---------------------------------------------------------------------- writing


def can_say(schema: pa.Schema, condition: Condition) -> bool:
    """Whether a condition on a table with this schema can be said exactly."""
    return _can_say(schema, condition, MOST_LEVELS) and _count(condition) <= MOST_CONDITIONS


def text_of(schema: pa.Schema, predicate: Predicate) -> str:
    """The text of conditions, each of which can be said."""
    return orjson.dumps([_said(schema, one) for one in predicate]).decode()


def _can_say(schema: pa.Schema, condition: Condition, levels: int) -> bool:
    match condition:
        case Comparison((name,), _, value):
            return value.is_valid and _is_kept(pa.array([value], value.type), schema.field(name).type)
        case OneOf((name,), values):
            return _is_kept(values, schema.field(name).type)
        case Is((name,), state):
            return state.endswith("NULL") or pt.is_floating(schema.field(name).type)
        case AllOf(conditions) | AnyOf(conditions):
            return levels > 1 and all(_can_say(schema, one, levels - 1) for one in conditions)
    return isinstance(condition, Constant)


def _is_kept(values: pa.Array, kind: pa.DataType) -> bool:
    """Whether values are the same values in a column's type, and have a form in JSON."""
    same = values.type == kind or (pt.is_integer(values.type) and pt.is_integer(kind))
    return same and _form_of(kind) is not None and _has_years(values)


def _has_years(values: pa.Array) -> bool:
    """Whether dates are in the years 1 to 9999: Python, and thus Ibis, has no others."""
    if not pt.is_temporal(values.type):
        return True
    try:
        values.to_pylist()
    except (OverflowError, ValueError):
        return False
    return True


def _count(condition: Condition) -> int:
    return 1 + (sum(map(_count, condition.conditions)) if isinstance(condition, AllOf | AnyOf) else 0)


def _said(schema: pa.Schema, condition: Condition) -> Any:
    match condition:
        case Comparison((name,), operator, value):
            return [name, operator, *_values_said(pa.array([value], value.type))]
        case OneOf((name,), values):
            return [name, "in", _values_said(values)]
        case Is((name,), state):
            return [name, "is", state.lower()]
        case AllOf(conditions):
            return {"all": [_said(schema, one) for one in conditions]}
        case AnyOf(conditions):
            return {"any": [_said(schema, one) for one in conditions]}
        case Constant(holds):
            return holds
    raise AssertionError(f"{condition} cannot be said")


def _values_said(values: pa.Array) -> list[Any]:
    if pt.is_temporal(values.type):
        values = values.cast(_counts(values.type))
    return [_number_said(one) if isinstance(one, float) else one for one in values.to_pylist()]


def _number_said(number: float) -> float | str:
    if isfinite(number):
        return number
    return "NaN" if number != number else ("Infinity" if number > 0 else "-Infinity")  # noqa: PLR0124  # NaN


# ---------------------------------------------------------------------- reading


def predicate_of(schema: pa.Schema, text: str) -> Predicate:
    """The predicate that a text says of a table with this schema; its values are of the columns' types.

    :raise InvalidFilter: it is too long or too deep, no filter, or names a column that is not there or a value that
        is not of the column's type.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidFilter(f"{len(text)} characters are more than {MOST_CHARACTERS}", "filter", text)
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidFilter(f"not JSON: {error}", "filter", text) from error
    conditions = _conditions(schema, said, "filter", MOST_LEVELS)
    if sum(map(_count, conditions)) > MOST_CONDITIONS:
        raise InvalidFilter(f"more than {MOST_CONDITIONS} conditions", "filter", text)
    return conditions


def _conditions(schema: pa.Schema, said: Any, place: str, levels: int) -> Predicate:
    if not isinstance(said, list):
        raise InvalidFilter("not an array of conditions", place, said)
    return tuple(_condition(schema, one, f"{place}.{i}", levels) for i, one in enumerate(said))


def _condition(schema: pa.Schema, said: Any, place: str, levels: int) -> Condition:
    match said:
        case True | False:
            return Constant(said)
        case [str(name), str(operator), value]:
            return _of_column(schema, name, operator, value, place)
        case {"any": conditions, **rest} if not rest:
            return AnyOf(_nested(schema, conditions, f"{place}.any", levels))
        case {"all": conditions, **rest} if not rest:
            return AllOf(_nested(schema, conditions, f"{place}.all", levels))
    raise InvalidFilter('not [column, operator, value], {"any": […]}, {"all": […]}, true or false', place, said)


def _nested(schema: pa.Schema, said: Any, place: str, levels: int) -> Predicate:
    if levels == 1:
        raise InvalidFilter(f"more than {MOST_LEVELS} levels deep", place, said)
    conditions = _conditions(schema, said, place, levels - 1)
    if not conditions:
        raise InvalidFilter("no conditions", place, said)
    return conditions


def _of_column(schema: pa.Schema, name: str, operator: str, value: Any, place: str) -> Condition:
    if schema.get_field_index(name) < 0:
        raise InvalidFilter(f"there is no column {name!r}", f"{place}.0", name)
    kind, column = schema.field(name).type, (name,)
    if operator == "is":
        return _is(kind, column, value, f"{place}.2")
    if operator == "in":
        if not isinstance(value, list):
            raise InvalidFilter("not a list of values", f"{place}.2", value)
        parts = [None if one is None else _value(kind, one, f"{place}.2.{i}") for i, one in enumerate(value)]
        return OneOf(column, _array(kind, parts, f"{place}.2"))
    if operator not in _OPERATORS:
        raise InvalidFilter(f"{operator!r} is none of {', '.join(_OPERATORS)}, in, is", f"{place}.1", operator)
    return Comparison(column, operator, _array(kind, [_value(kind, value, f"{place}.2")], f"{place}.2")[0])


def _is(kind: pa.DataType, column: tuple[str], state: Any, place: str) -> Is:
    found = _STATES.get(state) if isinstance(state, str) else None
    if found is None or (found.endswith("NAN") and not pt.is_floating(kind)):
        raise InvalidFilter(f"{state!r} is nothing that a column of {kind} is asked for", place, state)
    return Is(column, found)


def _value(kind: pa.DataType, said: Any, place: str) -> Any:
    """The value, of which `_array` makes one of the type."""
    form = _form_of(kind)
    if form is None:
        raise InvalidFilter(f"a column of {kind} is compared with nothing", place, said)
    value = form(said)
    if value is None:
        raise InvalidFilter(f"{said!r} is not of the column's type, {kind}", place, said)
    return value


def _array(kind: pa.DataType, values: list[Any], place: str) -> pa.Array:
    array = pa.array(values, _counts(kind)).cast(kind) if pt.is_temporal(kind) else pa.array(values, kind)
    if not _has_years(array):
        raise InvalidFilter("not in the years 1 to 9999", place, values)
    return array


# ---------------------------------------------------------------------- the types of columns


def _form_of(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """What takes JSON for a value of a type: the value, or None when it is not of that type. None: no JSON is."""
    if pt.is_boolean(kind):
        return _truth
    if pt.is_string(kind) or pt.is_large_string(kind):
        return _text
    if pt.is_integer(kind):
        return partial(_whole, kind)
    if pt.is_date32(kind) or (pt.is_timestamp(kind) and kind.unit != "ns"):  # Python has no nanoseconds
        return partial(_whole, _counts(kind))
    return partial(_number, kind) if pt.is_float32(kind) or pt.is_float64(kind) else None


def _counts(kind: pa.DataType) -> pa.DataType:
    """What holds the count that a date or timestamp is."""
    return pa.int32() if pt.is_date32(kind) else pa.int64()


def _truth(said: Any) -> bool | None:
    return said if isinstance(said, bool) else None


def _text(said: Any) -> str | None:
    return said if isinstance(said, str) else None


def _whole(kind: pa.DataType, said: Any) -> int | None:
    if not isinstance(said, int) or isinstance(said, bool):
        return None
    signed = pt.is_signed_integer(kind)
    least, most = (-(1 << kind.bit_width - 1), 1 << kind.bit_width - 1) if signed else (0, 1 << kind.bit_width)
    return said if least <= said < most else None


def _number(kind: pa.DataType, said: Any) -> float | None:
    if said in _NOT_FINITE:
        return float(said)
    if not isinstance(said, int | float) or isinstance(said, bool):
        return None
    number = float(pa.scalar(float(said), kind).as_py())
    return number if number == said else None  # a float32 column is compared with what float32 holds
