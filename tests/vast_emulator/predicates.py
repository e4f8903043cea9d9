"""Queries as the SDK sends them, a relation of Arrow's compute IR in flatbuffers, as SQL for DuckDB."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from vastdb.vast_flatbuf.org.apache.arrow.computeir.flatbuf import (
    BinaryLiteral,
    BooleanLiteral,
    Call,
    DateLiteral,
    DecimalLiteral,
    Expression,
    FieldIndex,
    FieldRef,
    Float16Literal,
    Float32Literal,
    Float64Literal,
    Int8Literal,
    Int16Literal,
    Int32Literal,
    Int64Literal,
    ListLiteral,
    Literal,
    LiteralImpl,
    Relation,
    Source,
    StringLiteral,
    TimeLiteral,
    TimestampLiteral,
    UInt8Literal,
    UInt16Literal,
    UInt32Literal,
    UInt64Literal,
)
from vastdb.vast_flatbuf.org.apache.arrow.flatbuf import Field, Type

from tests.vast_emulator.catalogue import Column, Table
from tests.vast_emulator.column_types import Path, sql_type
from tests.vast_emulator.errors import BadRequest

FEW_VALUES = 100
"""As many go into an IN list one by one; a longer one is a parameter of its own."""


@dataclass(frozen=True)
class Leaf:
    """What a query asks for: a column, or a part of one whose type is nested."""

    column: Column
    path: Path


@dataclass(frozen=True)
class Place:
    """What a position in a request stands for."""

    leaf: Leaf
    sql: str
    type: pa.DataType


@dataclass(frozen=True)
class Query:
    """A request: what to send, of which rows."""

    leaves: tuple[Leaf, ...]
    where: str  # empty: of all
    parameters: list[Any]
    filtered: frozenset[str]  # the names of the columns that `where` looks at

    @property
    def columns(self) -> list[Column]:
        """The columns to read, each once."""
        return list(dict.fromkeys(leaf.column for leaf in self.leaves))


@functools.lru_cache(maxsize=64)  # a client sends the same request for each split and page
def decode(request: bytes, table: Table) -> Query:
    """Return what a request for rows of `table` asks for.

    :raise NotFound: when it names a column that the table does not have
    :raise BadRequest: when it calls a function that VAST does not have
    """
    source = _table(Source.Source, Relation.Relation.GetRootAs(request).Impl())
    schema = source.Schema()
    places: list[Place] = []
    for number in range(schema.FieldsLength()):
        field = schema.Fields(number)
        column = table.column(field.Name().decode())
        top = Place(Leaf(column, ()), column.stored_as, column.field.type)
        places.extend(_places(field, top))
    filter_sql = _Filter(places)
    where = filter_sql.sql(source.Filter())
    leaves = tuple(places[source.Projection(number).Position()].leaf for number in range(source.ProjectionLength()))
    return Query(leaves, where, filter_sql.parameters, frozenset(filter_sql.columns))


def _table(kind: Any, union: Any) -> Any:
    """Return what a union holds, as the `kind` of table that it is."""
    table = kind()
    table.Init(union.Bytes, union.Pos)
    return table


def _places(field: Field.Field, place: Place) -> Iterator[Place]:
    """Yield the place of a field and those of the fields inside it, in the order in which the SDK numbers them."""
    yield place
    if field.TypeType() == Type.Type.Map:
        entries = field.Children(0)
        yield place
        yield from _places(entries.Children(0), _inside(place, 0))
        yield from _places(entries.Children(1), _inside(place, 1))
        return
    for number in range(field.ChildrenLength()):
        child = field.Children(number)
        inside = _inside(place, number)
        if field.TypeType() == Type.Type.Struct_:
            inside = _member(inside, child.Name().decode(), place.type)
        yield from _places(child, inside)


def _inside(place: Place, number: int) -> Place:
    """Return a child's place; a predicate on the values of a list is one on the list."""
    return Place(Leaf(place.leaf.column, (*place.leaf.path, number)), place.sql, place.type)


def _member(place: Place, name: str, struct: pa.DataType) -> Place:
    sql = f"struct_extract({place.sql}, '{name.replace(chr(39), chr(39) * 2)}')"
    return Place(place.leaf, sql, struct.field(name).type)


_COMPARISONS = {
    "equal": "=",
    "not_equal": "<>",
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
}

_LITERALS: dict[int, Any] = {
    LiteralImpl.LiteralImpl.BooleanLiteral: BooleanLiteral.BooleanLiteral,
    LiteralImpl.LiteralImpl.Int8Literal: Int8Literal.Int8Literal,
    LiteralImpl.LiteralImpl.Int16Literal: Int16Literal.Int16Literal,
    LiteralImpl.LiteralImpl.Int32Literal: Int32Literal.Int32Literal,
    LiteralImpl.LiteralImpl.Int64Literal: Int64Literal.Int64Literal,
    LiteralImpl.LiteralImpl.UInt8Literal: UInt8Literal.UInt8Literal,
    LiteralImpl.LiteralImpl.UInt16Literal: UInt16Literal.UInt16Literal,
    LiteralImpl.LiteralImpl.UInt32Literal: UInt32Literal.UInt32Literal,
    LiteralImpl.LiteralImpl.UInt64Literal: UInt64Literal.UInt64Literal,
    LiteralImpl.LiteralImpl.Float16Literal: Float16Literal.Float16Literal,
    LiteralImpl.LiteralImpl.Float32Literal: Float32Literal.Float32Literal,
    LiteralImpl.LiteralImpl.Float64Literal: Float64Literal.Float64Literal,
    LiteralImpl.LiteralImpl.DateLiteral: DateLiteral.DateLiteral,
    LiteralImpl.LiteralImpl.TimeLiteral: TimeLiteral.TimeLiteral,
    LiteralImpl.LiteralImpl.TimestampLiteral: TimestampLiteral.TimestampLiteral,
    LiteralImpl.LiteralImpl.DecimalLiteral: DecimalLiteral.DecimalLiteral,
    LiteralImpl.LiteralImpl.StringLiteral: StringLiteral.StringLiteral,
    LiteralImpl.LiteralImpl.BinaryLiteral: BinaryLiteral.BinaryLiteral,
    LiteralImpl.LiteralImpl.ListLiteral: ListLiteral.ListLiteral,
}


def _bytes(literal: Any) -> bytes:
    return bytes(literal.Value(number) & 255 for number in range(literal.ValueLength()))  # some are signed


def _decimal(literal: Any, arrow_type: pa.DataType) -> Decimal:
    return Decimal(int.from_bytes(_bytes(literal), "little", signed=True)).scaleb(-arrow_type.scale)


def _half(literal: Any, _: pa.DataType) -> float:
    return float(np.uint16(literal.Value()).view(np.float16))


def _list(literal: Any, arrow_type: pa.DataType) -> list[Any]:
    value_type = arrow_type.value_type
    return [_value(literal.Values(number), value_type) for number in range(literal.ValuesLength())]


_VALUES: dict[int, Callable[[Any, pa.DataType], Any]] = {
    LiteralImpl.LiteralImpl.DecimalLiteral: _decimal,
    LiteralImpl.LiteralImpl.Float16Literal: _half,
    LiteralImpl.LiteralImpl.BinaryLiteral: lambda literal, _: _bytes(literal),
    LiteralImpl.LiteralImpl.ListLiteral: _list,
}


def _value(literal: Literal.Literal, arrow_type: pa.DataType) -> Any:
    kind = literal.ImplType()
    held = _table(_LITERALS[kind], literal.Impl())
    read = _VALUES.get(kind)
    return read(held, arrow_type) if read else held.Value()


class _Filter:
    """Turns expressions into SQL, and gathers their parameters."""

    def __init__(self, places: list[Place]) -> None:
        self.parameters: list[Any] = []
        self.columns: set[str] = set()
        self._places = places

    def sql(self, expression: Expression.Expression | None) -> str:
        """Return a condition; empty text is the one that all rows meet."""
        if expression is None:
            return ""
        call = _table(Call.Call, expression.Impl())
        name = call.Name().decode()
        arguments = [call.Arguments(number) for number in range(call.ArgumentsLength())]
        if name == "and":
            return self._all(arguments)
        if name == "or":
            return self._any(arguments)
        return self._test(name, *arguments)

    def _all(self, arguments: list[Expression.Expression]) -> str:
        conditions = [sql for argument in arguments if (sql := self.sql(argument))]
        return " AND ".join(conditions)

    def _any(self, arguments: list[Expression.Expression]) -> str:
        """Join with OR; values that a column may equal, of which there are thousands, become one list."""
        by_equality = itertools.groupby(arguments, key=_is_equality)
        parts = [part for equal, group in by_equality for part in self._alternatives(equal, list(group))]
        return f"({' OR '.join(parts)})"

    def _alternatives(self, equal: bool, arguments: list[Expression.Expression]) -> list[str]:
        if not equal or len(arguments) == 1:
            return [f"({self.sql(argument)})" for argument in arguments]
        # An OR is over one column: the SDK refuses any other.
        calls = [_table(Call.Call, argument.Impl()) for argument in arguments]
        place = self._place(calls[0].Arguments(0))
        return [self._one_of(place, [self._literal(call.Arguments(1), place) for call in calls])]

    def _one_of(self, place: Place, values: list[Any]) -> str:
        name = sql_type(place.type)
        if len(values) > FEW_VALUES:
            self.parameters.append(values)
            return f"{place.sql} IN (SELECT unnest(CAST(? AS {name}[])))"
        self.parameters.extend(values)
        return f"{place.sql} IN ({', '.join([f'CAST(? AS {name})'] * len(values))})"

    def _test(self, name: str, on: Expression.Expression, *rest: Expression.Expression) -> str:
        place = self._place(on)
        if name == "is_null":
            return f"{place.sql} IS NULL"
        if name == "is_valid":
            return f"{place.sql} IS NOT NULL"
        value = self._literal(rest[0], place)
        self.parameters.append(value)
        if name == "match_substring":
            return f"contains({place.sql}, ?)"
        if name not in _COMPARISONS:
            raise BadRequest(f"there is no function {name!r}")
        if isinstance(value, bytes) and place.type == pa.string():
            return f"encode({place.sql}) {_COMPARISONS[name]} ?"
        return f"{place.sql} {_COMPARISONS[name]} CAST(? AS {sql_type(place.type)})"

    def _place(self, expression: Expression.Expression) -> Place:
        reference = _table(FieldRef.FieldRef, expression.Impl())
        place = self._places[_table(FieldIndex.FieldIndex, reference.Ref()).Position()]
        self.columns.add(place.leaf.column.name)
        return place

    @staticmethod
    def _literal(expression: Expression.Expression, place: Place) -> Any:
        value = _value(_table(Literal.Literal, expression.Impl()), place.type)
        if not isinstance(value, bytes) or place.type != pa.string():
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value  # the end of a range of prefixes, which need not be text


def _is_equality(expression: Expression.Expression) -> bool:
    return bool(_table(Call.Call, expression.Impl()).Name() == b"equal")
