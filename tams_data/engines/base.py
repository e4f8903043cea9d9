"""What every engine offers: a small interface between the rules of the store and the tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, TypeAlias

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from tams_data import schema
from tams_data.engines.binding import Value
from tams_data.errors import SchemaMismatch

Query: TypeAlias = Callable[..., ir.Table]
"""A function from tables and parameters to an expression, as in `tams_data.queries`."""

Tables: TypeAlias = Any
"""Tables by attribute: `UNBOUND` here, or the `tables` of any Ibis connection to a store."""

UNBOUND: Tables = SimpleNamespace(**{name: ibis.table(t.ibis, name=name) for name, t in schema.ALL.items()})
"""The store's tables without a connection: what queries are built on before an engine compiles them."""


class Reader(Protocol):
    """Runs queries against one state of the store."""

    sorts: bool
    """Whether the first of many rows in order cost no more than the first of few. Otherwise all of them come."""

    def read(self, query: Query, values: Mapping[str, Value] | None = None, /, **options: Hashable) -> pa.Table:
        """The rows of `query(tables, **values, **options)`.

        Each combination of query, options and names of values is compiled once. `values` are what changes from
        call to call; a list of values has at least one and may have any number (the query is run in batches of 512,
        so it must be one that filters by the list, not one that sorts or aggregates). An Arrow table becomes a
        table the query can join. Truth values are options.
        """
        ...

    def rows(
        self, query: Query, values: Mapping[str, Value] | None = None, /, **options: Hashable
    ) -> list[dict[str, Any]]:
        """The same rows by the names of their columns: what to take of a few that are looked at one by one."""
        ...


@dataclass(frozen=True)
class TableSummary:
    """A table as its engine counts it: `size_bytes` are those on its disks, None where it does not say."""

    name: str
    columns: tuple[str, ...]
    sorted_by: tuple[str, ...]
    row_count: int
    size_bytes: int | None


@dataclass(frozen=True)
class Description:
    """What an engine says of itself and of its tables, which are in order of name. Some need not be the store's."""

    engine: str
    version: str
    tables: tuple[TableSummary, ...]


class Described(Reader, Protocol):
    """A reader that can say what there is to read."""

    def describe(self) -> Description:
        """The engine and its tables, from what it knows of them without reading their rows, as far as it can.

        :raise StoreUnavailable: the engine cannot serve now.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Several reads of one and the same state, where the engine can."""
        ...


BATCH_ROWS = 65_536
"""Rows of a batch where rows are streamed: what is in memory at once."""


def check_version(store: object, found: list[int]) -> None:
    """Accept the schema versions that a store has had, or none.

    :raise SchemaMismatch: this software does not know the highest.
    """
    if schema.RESTORING in found:
        raise SchemaMismatch(f"a restore into {store!r} was broken off: remove it, and restore into an empty store")
    if found and not 1 <= max(found) <= schema.VERSION:
        raise SchemaMismatch(
            f"{store!r} was written with schema version {max(found)};"
            f" this software knows versions up to {schema.VERSION}"
        )


class Scan(Reader, Protocol):
    """Reads one state of the store for as long as it takes."""

    def batches(self, query: Query, /, **options: Hashable) -> Iterator[pa.RecordBatch]:
        """The rows of `query(tables, **options)`, up to `BATCH_ROWS` at a time: however many, few are in memory.

        They are read to their end, or closed, before the next are asked for. To the engines every column may hold
        nulls.

        :raise StoreUnavailable: the engine cannot go on.
        """
        ...


class Transaction(Reader, Protocol):
    """One transaction that writes. What it has written, it reads."""

    def insert(self, table: schema.Table, rows: pa.Table) -> None:
        """Add rows; columns are matched by name."""
        ...

    def update(self, table: schema.Table, rows: pa.Table) -> None:
        """Set the columns that `rows` has beside the table's key, in the rows with the same key."""
        ...

    def delete(self, table: schema.Table, keys: pa.Table) -> None:
        """Delete every row that agrees with a row of `keys` in all of its columns."""
        ...

    def lock(self, *names: str) -> None:
        """Be in conflict with every other transaction that locks one of these names while this one is open.

        For rules that rest on rows which another process may write and this transaction only reads. Nothing has to
        be done where there is but one writer.
        """
        ...


class Database(Described, Protocol):
    """A store's tables, wherever they are. Safe to use from several threads."""

    name: str
    """The engine's name, as in the scheme of its URLs."""

    sole_writer: bool
    """Whether no other process can write to the store while it is open here."""

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Several reads of one and the same state."""
        ...

    def scanning(self) -> AbstractContextManager[Scan]:
        """Many rows of one and the same state, streamed; writers do not wait for it.

        :raise StoreUnavailable: the engine cannot serve now.
        """
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A transaction: committed, durably, when the block ends; rolled back when it raises.

        :raise TransactionConflict: another writer changed the same rows; the whole may be tried again.
        :raise CommitUnconfirmed: it may have been committed or not.
        :raise StoreUnavailable: the engine cannot serve now.
        """
        ...

    def create_tables(self) -> None:
        """Create what is missing of the schema's tables.

        :raise SchemaMismatch: the store was written with a schema version this software does not know.
        """
        ...

    def connected(self) -> AbstractContextManager[ibis.BaseBackend]:
        """An Ibis connection for the length of the block: what has not been read to its end by then ends with it.

        :raise StoreUnavailable: the engine cannot serve now.
        """
        ...

    def ibis(self) -> ibis.BaseBackend:
        """An Ibis connection to the same tables, for analysis."""
        ...

    def close(self) -> None:
        """Release the database. Reads and transactions under way fail."""
        ...
