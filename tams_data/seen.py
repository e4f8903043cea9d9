"""A store's database as a restricted caller sees it: each query is asked on the tables of `queries.visible`."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import ibis
import pyarrow as pa

from tams_data.access import Caller, Scope
from tams_data.engines.base import Database, Described, Description, Query, Reader, Scan, Transaction
from tams_data.engines.binding import Value
from tams_data.engines.reader import counted
from tams_data.errors import NotPermitted
from tams_data.queries.visible import Restricted


class SeenReader:
    """Reads what a caller may read, or that part of it which the caller may write to.

    With `everywhere`, objects are looked at like all else: for queries that come from no flow. See `queries.visible`.
    """

    def __init__(
        self, reader: Reader, caller: Caller, permission: Scope = Scope.READ, *, everywhere: bool = False
    ) -> None:
        self.sorts = reader.sorts
        self._reader, self._everywhere = reader, everywhere
        self._seen_by = (caller.terms(permission), *caller.seen_by[1:])

    def read(self, query: Query, values: Mapping[str, Value] | None = None, /, **options: Hashable) -> pa.Table:
        """The rows of a query, as `Reader.read` gives them, of what is seen."""
        seen = Restricted(query, self._everywhere)
        return self._reader.read(seen, seen.bound(values, self._seen_by), **options)

    def rows(
        self, query: Query, values: Mapping[str, Value] | None = None, /, **options: Hashable
    ) -> list[dict[str, Any]]:
        """The rows of a query, as `Reader.rows` gives them, of what is seen."""
        seen = Restricted(query, self._everywhere)
        return self._reader.rows(seen, seen.bound(values, self._seen_by), **options)


class SeenTables(SeenReader):
    """What a caller sees of whatever can be described: the engine of the analyses, for one."""

    def __init__(self, described: Described, caller: Caller, *, everywhere: bool) -> None:
        super().__init__(described, caller, everywhere=everywhere)
        self._described, self._caller = described, caller

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """Several reads of one and the same state."""
        with self._described.snapshot() as reader:
            yield SeenReader(reader, self._caller, everywhere=self._everywhere)

    def describe(self) -> Description:
        """The engine, and its tables by how many of their rows are seen; not by what they weigh."""
        whole = self._described.describe()
        rows = SeenReader(self._described, self._caller, everywhere=True).read(counted)
        counts = dict(zip(rows["table_name"].to_pylist(), rows["row_count"].to_pylist(), strict=True))
        tables = [
            replace(one, row_count=counts[one.name], size_bytes=None) for one in whole.tables if one.name in counts
        ]
        return replace(whole, tables=tuple(tables))


class SeenDatabase(SeenTables):
    """What a caller sees of a database. It is written to through the commands of a store, and in no other way."""

    def __init__(self, database: Database, caller: Caller) -> None:
        super().__init__(database, caller, everywhere=False)
        self.name, self.sole_writer = database.name, database.sole_writer

    def scanning(self) -> AbstractContextManager[Scan]:
        """Refuse."""
        self._refuse()

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Refuse."""
        self._refuse()

    def create_tables(self) -> None:
        """Refuse."""
        self._refuse()

    def connected(self) -> AbstractContextManager[ibis.BaseBackend]:
        """Refuse."""
        self._refuse()

    def ibis(self) -> ibis.BaseBackend:
        """Refuse."""
        self._refuse()

    def close(self) -> None:
        """Leave it open: it is not the caller's."""

    def _refuse(self) -> NoReturn:
        raise NotPermitted(f"{self._caller.name} sees a part of the database, and has no other way to it")
