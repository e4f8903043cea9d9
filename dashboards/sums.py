"""Sums over the rows of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def total(rows: pa.Table, column: str) -> int:
    """What a column adds up to; nothing where nothing is known."""
    return int(pc.sum(rows[column]).as_py() or 0)


def by(rows: pa.Table, name: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """For each value of `name`, what the `columns` add up to: the largest of the first one first."""
    sums = rows.group_by(name).aggregate([(column, "sum") for column in columns])
    sums = sums.rename_columns([one.removesuffix("_sum") for one in sums.column_names])
    found = [
        {key: 0 if value is None and key != name else value for key, value in one.items()} for one in sums.to_pylist()
    ]
    return sorted(found, key=lambda one: (-one[columns[0]], str(one[name])))


def one_row(rows: pa.Table) -> dict[str, Any]:
    """The only row of an answer, by column."""
    (row,) = rows.to_pylist()
    return dict(row)
