"""The filters that DuckDB pushes down, read out of the pyarrow expressions it makes of them.

A pyarrow `Expression` does not show its parts. Its Substrait form doubles with every OR, 50 MB for 18 values. Its
pickle form does not: an Arrow file whose schema metadata spell the expression out, one call, field, literal or
option at a time, and whose columns hold the literals. The form is not documented, so pyarrow is held to one version
and tests take every kind of expression through it.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from tams_data.scan.predicate import (
    AllOf,
    Comparison,
    Condition,
    Constant,
    Is,
    OneOf,
    Operator,
    Predicate,
    State,
    all_of,
    any_of,
)


class UnknownFilter(NotImplementedError):
    """DuckDB pushed down a filter of a kind that this version of it was not known to push."""


_OPERATORS: dict[str, Operator] = {
    "equal": "=",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}
_STATES: dict[str, State] = {"is_null": "NULL", "is_valid": "NOT NULL", "is_nan": "NAN"}
_INVERTED: dict[State, State] = {"NULL": "NOT NULL", "NOT NULL": "NULL", "NAN": "NOT NAN", "NOT NAN": "NAN"}


@dataclass
class _Column:
    """A reference to a column, or to a field inside one."""

    names: list[str]


@dataclass
class _Junction:
    """A chain of one connective. DuckDB nests it to the left, a level an operand: it grows in place instead."""

    name: str
    operands: list[_Part] = field(default_factory=list)


_Part: TypeAlias = "_Column | _Junction | Condition | pa.Scalar"


def decode(expression: pc.Expression) -> Predicate:
    """The conditions that an expression says all hold.

    :raise UnknownFilter: it has a part that DuckDB was not known to make.
    """
    _, (pickled,) = expression.__reduce__()
    batch = pa.ipc.open_file(pickled).get_batch(0)
    calls: list[list[_Part]] = [[]]
    for key, value in _metadata(batch.schema):
        if key == "call":
            calls.append([])
        elif key == "end":
            arguments = calls.pop()
            calls[-1].append(_called(value, arguments))
        elif key == "nested_field_ref":
            calls[-1].append(_Column([]))
        elif key == "field_ref":
            _refer(calls[-1], value)
        elif key in ("literal", "options"):
            calls[-1].append(batch.column(int(value))[0])
        else:
            raise UnknownFilter(f"{key} {value} in {_shortened(expression)}")
    ((whole,),) = calls
    return _conjuncts(_condition(whole))


def _refer(parts: list[_Part], name: str) -> None:
    """A nested reference is announced, then the names follow; a plain one is its name."""
    last = parts[-1] if parts else None
    if isinstance(last, _Column):
        last.names.append(name)
    else:
        parts.append(_Column([name]))


def _called(name: str, arguments: list[_Part]) -> _Part:
    """The part that is the call of a function."""
    match name, arguments:
        case (("and_kleene" | "or_kleene"), [left, right]):
            return _joined(name, left, right)
        case "invert", [Is(column, state)]:
            return Is(column, _INVERTED[state])
        case "is_in", [_Column(names), pa.StructScalar() as options]:
            return OneOf(tuple(names), options["value_set"].values)
        case _, [_Column(names), *_] if name in _STATES:
            return Is(tuple(names), _STATES[name])
        case _, [_Column(names), pa.Scalar() as value] if name in _OPERATORS:
            return Comparison(tuple(names), _OPERATORS[name], value)
    raise UnknownFilter(f"{name} of {arguments}")


def _joined(name: str, left: _Part, right: _Part) -> _Junction:
    junction = left if isinstance(left, _Junction) and left.name == name else _Junction(name, [left])
    junction.operands += right.operands if isinstance(right, _Junction) and right.name == name else [right]
    return junction


def _condition(part: _Part) -> Condition:
    if isinstance(part, _Junction):
        operands = tuple(_condition(one) for one in part.operands)
        return all_of(operands) if part.name == "and_kleene" else any_of(operands)
    if isinstance(part, pa.BooleanScalar):
        return Constant(part.as_py())
    if isinstance(part, (_Column, pa.Scalar)):
        raise UnknownFilter(f"{part} in the place of a condition")
    return part


def _conjuncts(condition: Condition) -> Predicate:
    conditions = condition.conditions if isinstance(condition, AllOf) else (condition,)
    return tuple(one for one in conditions if one != Constant(True))


def _shortened(expression: pc.Expression) -> str:
    return str(expression)[:200]


class _ArrowSchema(ctypes.Structure):
    """The head of a schema in Arrow's C data interface."""

    _fields_ = (("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_void_p))


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _metadata(schema: pa.Schema) -> Iterator[tuple[str, str]]:
    """The schema's metadata in order, a key as often as it is there: `schema.metadata` is a dict and keeps one of each.

    In the C data interface they are a count, then for each key and value its length and its bytes.
    """
    capsule: Any = schema.__arrow_c_schema__()
    address = _ArrowSchema.from_address(_pointer(capsule, b"arrow_schema")).metadata
    (count,) = struct.unpack("=i", ctypes.string_at(address, 4))
    address += 4
    for _ in range(count):
        pair = []
        for _ in range(2):
            (length,) = struct.unpack("=i", ctypes.string_at(address, 4))
            pair.append(ctypes.string_at(address + 4, length).decode())
            address += 4 + length
        yield pair[0], pair[1]
