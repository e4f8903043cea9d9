"""Queries as SQL text for DuckDB, which plans them on every engine: each is compiled once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import ibis.expr.operations as ops
import ibis.expr.types as ir

from tams_data.engines import binding
from tams_data.engines.base import UNBOUND, Query

COMPILER = binding.BindCompiler()


@dataclass(frozen=True)
class Compiled:
    """A query: its text, with `$name` placeholders, their names, and the tables of the store that it reads."""

    sql: str
    tables: frozenset[str]
    names: frozenset[str]

    def parameters(self, values: Mapping[str, binding.Value]) -> dict[str, binding.Scalar]:
        """What to execute it with: of the values, those it has a place for."""
        return {name: one for name, one in binding.parameters(values).items() if name in self.names}


def compiled(query: Query, values: Mapping[str, binding.Value], **options: Hashable) -> Compiled:
    """What `read` executes."""
    shapes = tuple((name, binding.signature(value)) for name, value in values.items())
    return _compiled(query, tuple(sorted(options.items())), shapes)


def sql_of(query: Query, values: Mapping[str, binding.Value], **options: Hashable) -> str:
    """The SQL text that `read` executes, with `$name` placeholders."""
    return compiled(query, values, **options).sql


@lru_cache(maxsize=2048)
def _compiled(
    query: Query, options: tuple[tuple[str, Hashable], ...], shapes: tuple[tuple[str, Hashable], ...]
) -> Compiled:
    values = {name: binding.placeholders(name, shape) for name, shape in shapes}
    expression: ir.Table = query(UNBOUND, **values, **dict(options))
    names = {op.name for op in expression.op().find(ops.UnboundTable)}
    bound = frozenset(op.ident for op in expression.op().find(binding.Bind))
    return Compiled(COMPILER.to_sqlglot(expression).sql(dialect="duckdb"), frozenset(names - values.keys()), bound)


def batches_of(values: Mapping[str, binding.Value]) -> list[Mapping[str, binding.Value]]:
    """The values as they are, or a mapping for each 512 elements of the first list among them."""
    for name, value in values.items():
        if isinstance(value, list):
            most = binding.LIST_SIZES[-1]
            return [{**values, name: value[i : i + most]} for i in range(0, len(value), most)]
    return [values]
