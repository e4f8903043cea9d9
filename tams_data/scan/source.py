"""What a place must offer to be queried: tables that it can scan, filtered as far as it is able."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import pyarrow as pa

from tams_data.scan.predicate import Condition, Predicate


class Snapshot(Protocol):
    """One state of a source, inside a transaction. Used from several threads at once."""

    def scan(self, name: str, columns: Sequence[str], predicate: Predicate) -> pa.RecordBatchReader:
        """The rows of a table, with these columns in this order, as a stream.

        The rows that satisfy the predicate are among them. Others may be, for all are filtered again: what the
        source cannot filter by, it ignores.
        """
        ...


class Source(Protocol):
    """Tables that can be scanned. Its errors are its own: they reach whoever runs a query as they are."""

    def list_tables(self) -> list[str]:
        """The names of its tables, in any order."""
        ...

    def schema(self, name: str) -> pa.Schema:
        """The columns of a table, with the types that a scan gives them in."""
        ...

    def filters_by(self, schema: pa.Schema, condition: Condition) -> bool:
        """Whether a scan of a table with this schema filters by the condition: `explain` asks."""
        ...

    def transaction(self) -> AbstractContextManager[Snapshot]:
        """A transaction that reads; it ends with the block, whether or not that raises."""
        ...

    def close(self) -> None:
        """Release what it holds, connections for one. Scans under way may fail."""
        ...
