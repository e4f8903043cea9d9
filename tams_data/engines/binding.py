"""Placeholders in Ibis expressions: a query is compiled once and bound to new values at each call.

Building and compiling an expression costs 5 to 8 ms of Python, more than most queries of the API take to run. Ibis's
own parameters are inlined as literals when an expression is compiled; these stay placeholders in the SQL text, and
the engine plans each execution with the values as constants, so that zone maps and pushdown still work.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import ibis
import ibis.expr.datashape as ds
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import SQLGlotCompiler
from ibis.backends.sql.compilers.databricks import DatabricksCompiler
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler
from ibis.backends.sql.compilers.pyspark import PySparkCompiler

# Spark has bit_or since 3.0, which ibis 10.8 only knows of Databricks: for analysts who run our queries on Spark.
PySparkCompiler.visit_BitOr = DatabricksCompiler.visit_BitOr

Scalar: TypeAlias = str | int
Value: TypeAlias = "Scalar | list[int] | list[str] | tuple[Value, ...] | pa.Table"
"""What a query may be bound to: a value, a list of any length (`isin`), a tuple of a fixed shape, a table to join."""

LIST_SIZES = (1, 8, 32, 128, 512)
"""How many placeholders a list gets: the next of these, so that few shapes are compiled for lists of any length."""


class Bind(ops.Value):  # type: ignore[misc]  # ibis's operations are untyped
    """A named placeholder of one type."""

    ident: str
    dtype: dt.DataType
    shape = ds.scalar

    @property
    def name(self) -> str:
        """The name Ibis gives the expression."""
        return self.ident


class BindCompiler(DuckDBCompiler):  # type: ignore[misc]
    """Ibis's DuckDB compiler, with `Bind` compiled to a named parameter."""

    __slots__ = ()

    def visit_Bind(self, op: Bind, **given: Any) -> sge.Expression:  # noqa: ARG002, N802  # Ibis's way to call it
        """`$ident`."""
        return sge.Parameter(this=sge.Var(this=given["ident"]))

    # ibis 10.8 has `* EXCLUDE (…)` written by a name that sqlglot 28 does not know: it drops nothing. The general
    # form names the columns that stay.
    visit_DropColumns = SQLGlotCompiler.visit_DropColumns  # noqa: N815


@dataclass(frozen=True)
class Many:
    """The signature of a list: the type of its elements and how many placeholders it gets."""

    kind: type
    size: int


def signature(value: Value) -> Any:
    """What of a value decides the compiled text: its type, and for a list its padded size.

    >>> signature(("a", [1, 2, 3]))
    (<class 'str'>, Many(kind=<class 'int'>, size=8))
    """
    if isinstance(value, list):
        return Many(type(value[0]), next(size for size in LIST_SIZES if size >= len(value)))
    if isinstance(value, pa.Table):
        return value.schema
    if isinstance(value, tuple):
        return tuple(signature(one) for one in value)
    return type(value)


def placeholders(name: str, shape: Hashable) -> Any:
    """Placeholders in the place of a value with this signature: one, a tuple of them, or a table of that name."""
    if isinstance(shape, pa.Schema):
        return ibis.table(ibis.Schema.from_pyarrow(shape), name=name)
    if isinstance(shape, Many):
        return tuple(_bind(f"{name}_{i}", shape.kind) for i in range(shape.size))
    if isinstance(shape, tuple):
        return tuple(placeholders(f"{name}_{i}", one) for i, one in enumerate(shape))
    return _bind(name, shape)


def relations(values: Mapping[str, Value]) -> dict[str, pa.Table]:
    """The tables among the values, which a compiled query refers to by their names."""
    return {name: value for name, value in values.items() if isinstance(value, pa.Table)}


def parameters(values: Mapping[str, Value]) -> dict[str, Scalar]:
    """The parameters to execute a compiled query with; a list is padded by repeating its first element.

    >>> parameters({"after": (7, "x"), "keys": [4, 5, 6, 7, 8, 9, 10]})["keys_7"]
    4
    """
    return {name: one for key, value in values.items() for name, one in _flat(key, value)}


def _flat(name: str, value: Value) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, list):
        size = next(size for size in LIST_SIZES if size >= len(value))
        padded = value + [value[0]] * (size - len(value))
        yield from ((f"{name}_{i}", one) for i, one in enumerate(padded))
    elif isinstance(value, tuple):
        for i, one in enumerate(value):
            yield from _flat(f"{name}_{i}", one)
    elif not isinstance(value, pa.Table):
        yield name, value


def _bind(name: str, kind: object) -> ir.Value:
    return Bind(ident=name, dtype=dt.int64 if kind is int else dt.string).to_expr()
