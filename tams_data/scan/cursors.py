"""Cursors of DuckDB on which tables of a source are registered, lent for one query after the other.

To register a table takes DuckDB a millisecond, more than to plan most queries; so a cursor keeps its tables, and gets
new scans for them with each query. It keeps the plans of its queries as well, for to plan takes longer than to run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from threading import Lock

import duckdb
import pyarrow as pa

from tams_data.scan.dataset import Scan, ScanDataset

_MOST_IDLE = 64
"""Cursors that wait to be lent; of more, those that waited longest are closed."""

MOST_PREPARED = 64
"""Queries that a cursor keeps prepared; of more, the one that was used longest ago is let go."""


class TableCursor:
    """A cursor, and the tables that are registered on it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schemas: Mapping[str, pa.Schema]) -> None:
        self.schemas = schemas
        self.duckdb = connection.cursor()
        self._datasets = {name: ScanDataset(schema) for name, schema in schemas.items()}
        for name, dataset in self._datasets.items():
            self.duckdb.register(name, dataset)
        self._prepared: OrderedDict[str, str] = OrderedDict()
        self._names = map("query_{}".format, count())

    def begin(self, scans: Mapping[str, Scan]) -> None:
        """Have the tables scanned by these from now on."""
        for name, dataset in self._datasets.items():
            dataset.begin(scans[name])

    def run(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run a query that means the same whenever it is run, planned the first time."""
        if sql not in self._prepared:
            self._prepare(sql)
        self._prepared.move_to_end(sql)
        return self.duckdb.execute(f"EXECUTE {self._prepared[sql]}")

    def _prepare(self, sql: str) -> None:
        name = next(self._names)
        self.duckdb.execute(f"PREPARE {name} AS {sql}")
        self._prepared[sql] = name
        if len(self._prepared) > MOST_PREPARED:
            _, dropped = self._prepared.popitem(last=False)
            self.duckdb.execute(f"DEALLOCATE {dropped}")

    @property
    def error(self) -> Exception | None:
        """The first error of a scan since `begin`."""
        return next((one.error for one in self._datasets.values() if one.error is not None), None)

    def end(self) -> None:
        """End the scans that were not read to their end."""
        for dataset in self._datasets.values():
            dataset.end()

    def close(self) -> None:
        """Close the cursor, and then its scans: DuckDB may still be reading them."""
        self.duckdb.close()
        self.end()


class Cursors:
    """Lends cursors of one connection. Safe to use from several threads."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._idle: list[TableCursor] = []
        self._lock = Lock()

    @contextmanager
    def lent(
        self, schemas: Mapping[str, pa.Schema], scans: Mapping[str, Scan], *, own: bool = False
    ) -> Iterator[TableCursor]:
        """A cursor with tables of these schemas and no others, which `scans` read inside the block.

        One that fails is closed, as is an `own` one: nobody else has had it, or will.
        """
        cursor = (None if own else self._taken(schemas)) or TableCursor(self._connection, schemas)
        cursor.begin(scans)
        try:
            yield cursor
        except BaseException:
            cursor.close()
            raise
        if own:
            cursor.close()
        else:
            cursor.end()
            self._put_back(cursor)

    def _taken(self, schemas: Mapping[str, pa.Schema]) -> TableCursor | None:
        with self._lock:
            for i in reversed(range(len(self._idle))):
                if self._idle[i].schemas == schemas:
                    return self._idle.pop(i)
        return None

    def _put_back(self, cursor: TableCursor) -> None:
        with self._lock:
            self._idle.append(cursor)
            dropped = self._idle.pop(0) if len(self._idle) > _MOST_IDLE else None
        if dropped is not None:
            dropped.close()
