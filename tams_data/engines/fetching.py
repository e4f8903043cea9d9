"""Readers over DuckDB, which plans and runs queries on every engine: what it has found, as a table or row by row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias, TypeVar

import duckdb
import pyarrow as pa

from tams_data.engines import binding
from tams_data.engines.base import Query
from tams_data.engines.compiling import batches_of

R = TypeVar("R")

Fetch: TypeAlias = Callable[[duckdb.DuckDBPyConnection], R]
"""Takes what was found out of the cursor that found it."""


class FetchingReader(ABC):
    """`read` and `rows` of a `Reader`, for those that say how a query is run."""

    def read(self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable) -> pa.Table:
        batches = [self._fetched(query, batch, options, _as_table) for batch in batches_of(values or {})]
        return batches[0] if len(batches) == 1 else pa.concat_tables(batches)

    def rows(
        self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable
    ) -> list[dict[str, Any]]:
        return [row for batch in batches_of(values or {}) for row in self._fetched(query, batch, options, _as_rows)]

    @abstractmethod
    def _fetched(
        self, query: Query, values: Mapping[str, binding.Value], options: Mapping[str, Hashable], fetch: Fetch[R]
    ) -> R:
        """What `fetch` makes of the cursor on which the query has run, with values that fit into one."""


def _as_table(found: duckdb.DuckDBPyConnection) -> pa.Table:
    return found.fetch_arrow_table()


def _as_rows(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """For few rows half the work of an Arrow table."""
    names = [name for name, *_ in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
