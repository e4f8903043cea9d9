"""What a DuckDB cursor has found, taken out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import duckdb
import pyarrow as pa

R = TypeVar("R")

Fetch: TypeAlias = Callable[[duckdb.DuckDBPyConnection], R]


def as_table(found: duckdb.DuckDBPyConnection) -> pa.Table:
    """The rows as Arrow has them."""
    return found.fetch_arrow_table()


def as_rows(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows by the names of their columns: for few of them half the work of an Arrow table."""
    names = [name for name, *_ in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
