"""The embedded engine: one DuckDB file, one process.

Facts it is built on: a connection must not be used by two threads at once, a cursor for each thread may; readers
see a snapshot and never wait for the writer; only one process may open the file.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from time import time_ns

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from tams_data import schema
from tams_data.engines import binding
from tams_data.engines.base import Description, Query, Reader, Tables, TableSummary, Transaction
from tams_data.engines.compiling import COMPILER, batches_of, compiled
from tams_data.errors import DatabaseLocked, SchemaMismatch, StoreUnavailable, TransactionConflict

log = logging.getLogger(__name__)

_FEW = 100
"""Up to so many rows are sent as lists, which costs 0.7 ms a statement; an Arrow scan costs 2 ms to begin."""

_UNAVAILABLE = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.FatalException,
    duckdb.ConnectionException,  # closed
)


@contextmanager
def _errors() -> Iterator[None]:
    """DuckDB's errors that are nobody's mistake, as the project's own."""
    try:
        yield
    except duckdb.TransactionException as error:
        raise TransactionConflict(str(error)) from error
    except _UNAVAILABLE as error:
        raise StoreUnavailable(str(error)) from error


class _Cursor:
    """Reads and writes through one DuckDB cursor, in whatever transaction it is in."""

    sorts = True

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor = cursor

    def read(self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable) -> pa.Table:
        values = values or {}
        batches = [self._read(query, batch, options) for batch in batches_of(values)]
        return batches[0] if len(batches) == 1 else pa.concat_tables(batches)

    def _read(self, query: Query, values: Mapping[str, binding.Value], options: Mapping[str, Hashable]) -> pa.Table:
        found = compiled(query, values, **options)
        with _errors(), self._registered(binding.relations(values)):
            return self.cursor.execute(found.sql, found.parameters(values)).fetch_arrow_table()

    def insert(self, table: schema.Table, rows: pa.Table) -> None:
        names = ", ".join(f'"{name}"' for name in rows.column_names)
        self._write(f"INSERT INTO {_name(table)} ({names}) SELECT * FROM {{given}}", rows)

    def update(self, table: schema.Table, rows: pa.Table) -> None:
        changes = ", ".join(f'"{name}" = given."{name}"' for name in rows.column_names if name not in table.key)
        self._write(f"UPDATE {_name(table)} SET {changes} FROM {{given}} WHERE {_agrees(table, table.key)}", rows)

    def delete(self, table: schema.Table, keys: pa.Table) -> None:
        self._write(f"DELETE FROM {_name(table)} USING {{given}} WHERE {_agrees(table, keys.column_names)}", keys)

    def lock(self, *names: str) -> None:
        """Nothing: the store has one writer."""

    def _write(self, sql: str, given: pa.Table) -> None:
        """Execute `sql` with the rows of `given` in the place of `{given}`."""
        if given.num_rows == 0:
            return
        if given.num_rows <= _FEW:
            lists = [column.to_pylist() for column in given.columns]
            with _errors():
                self.cursor.execute(sql.format(given=_lists(given.schema)), lists)
        else:
            with _errors(), self._registered({"given": given}):
                self.cursor.execute(sql.format(given="given"))

    @contextmanager
    def _registered(self, relations: Mapping[str, pa.Table]) -> Iterator[None]:
        for name, table in relations.items():
            self.cursor.register(name, table)
        try:
            yield
        finally:
            for name in relations:
                self.cursor.unregister(name)


class DuckDB:
    """A store in one DuckDB file, or in memory when `path` is None."""

    sole_writer = True
    sorts = True

    def __init__(self, path: Path | None, *, memory_limit: str | None = None, read_only: bool = False) -> None:
        """Open the file, creating it and its folder when they are missing and it is not `read_only`.

        :raise DatabaseLocked: another process has it open, or this one has it open otherwise.
        :raise StoreUnavailable: it cannot be opened.
        """
        self.path, self._read_only = path, read_only
        self._connection = _open(path, memory_limit, read_only)
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"DuckDB({str(self.path) if self.path else ':memory:'})"

    def read(self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable) -> pa.Table:
        return self._cursor().read(query, values, **options)

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        cursor = self._cursor()
        with _errors():
            cursor.cursor.begin()
        try:
            yield cursor
        finally:
            with _errors():
                cursor.cursor.rollback()  # nothing was written: this only ends the snapshot

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        cursor = self._cursor()
        with _errors():
            cursor.cursor.begin()
        try:
            yield cursor
        except BaseException:
            with _errors():
                cursor.cursor.rollback()
            raise
        with _errors():
            cursor.cursor.commit()

    def create_tables(self) -> None:
        with self.transaction(), _errors():
            self._cursor().cursor.execute(_create_table(schema.SCHEMA_VERSIONS))
            found = self._cursor().read(_versions)["version"].to_pylist()
            if found and not 1 <= max(found) <= schema.VERSION:
                raise SchemaMismatch(
                    f"{self!r} was written with schema version {max(found)};"
                    f" this software knows versions up to {schema.VERSION}"
                )
            if schema.VERSION not in found:
                self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        """Add the tables, columns and indexes that are not there, and note the version."""
        cursor = self._cursor()
        for table in schema.TABLES.values():
            cursor.cursor.execute(_create_table(table))
            for column in table.columns:
                cursor.cursor.execute(f"ALTER TABLE {_name(table)} ADD COLUMN IF NOT EXISTS {_declared(column)}")
            for name in table.indexed:
                cursor.cursor.execute(f'CREATE INDEX IF NOT EXISTS "{table.name}_{name}" ON {_name(table)} ("{name}")')
        now = schema.SCHEMA_VERSIONS.rows([{"version": schema.VERSION, "applied_ns": time_ns()}])
        cursor.insert(schema.SCHEMA_VERSIONS, now)

    @contextmanager
    def connected(self) -> Iterator[ibis.BaseBackend]:
        backend = self.ibis()
        try:
            with _errors():
                yield backend
        finally:
            backend.disconnect()

    def describe(self) -> Description:
        with _errors():
            found = self._cursor().cursor.execute(_SUMMARIES).fetchall()
        tables = (
            TableSummary(name, schema.TABLES[name].names, (), rows, None if self.path is None else size)
            for name, rows, size in found
        )
        return Description("duckdb", duckdb.__version__, tuple(tables))

    def ibis(self) -> ibis.BaseBackend:
        with _errors():
            backend = ibis.duckdb.from_connection(self._connection.cursor())
        backend.compiler = COMPILER  # its own does not drop columns: see binding
        return backend

    def close(self) -> None:
        self._checkpoint()
        self._connection.close()

    def _checkpoint(self) -> None:
        """Bring what is committed into the file itself. Other threads' cursors would keep closing from doing it."""
        if self.path is None or self._read_only:
            return
        try:
            # Forced, or a reader whose client has gone to sleep would keep it waiting.
            self._connection.cursor().execute("FORCE CHECKPOINT")
        except duckdb.Error as error:  # closed already, or the disk is full: what is committed is in the log beside it
            log.info("the database is closed without a checkpoint: %s", error)

    def _cursor(self) -> _Cursor:
        cursor: _Cursor | None = getattr(self._local, "cursor", None)
        if cursor is None:
            with _errors():
                cursor = self._local.cursor = _Cursor(self._connection.cursor())
        return cursor


def _open(path: Path | None, memory_limit: str | None, read_only: bool) -> duckdb.DuckDBPyConnection:
    config: dict[str, str] = {"memory_limit": memory_limit} if memory_limit else {}
    if path is None:
        return duckdb.connect(config=config)
    try:
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.ConnectionException as error:
        raise DatabaseLocked(f"the database {path} is open in this process, otherwise: {error}") from error
    except duckdb.IOException as error:
        # "lock" alone may be part of the path, which the message repeats
        kind = DatabaseLocked if "Could not set lock" in str(error) else StoreUnavailable
        raise kind(f"cannot open the database {path}: {error}") from error
    except OSError as error:
        raise StoreUnavailable(f"cannot make the folder of the database {path}: {error}") from error


def _name(table: schema.Table) -> str:
    return f'"{table.name}"'


def _agrees(table: schema.Table, columns: tuple[str, ...] | list[str]) -> str:
    return " AND ".join(f'{_name(table)}."{column}" = given."{column}"' for column in columns)


@lru_cache(maxsize=256)
def _lists(columns: pa.Schema) -> str:
    """A relation `given` of these columns, whose rows are one list parameter a column."""
    types = ibis.Schema.from_pyarrow(columns)
    unnested = (
        f'unnest(${i}::{COMPILER.type_mapper.to_string(kind)}[]) AS "{name}"'
        for i, (name, kind) in enumerate(types.items(), start=1)
    )
    return f"(SELECT {', '.join(unnested)}) AS given"


def _create_table(table: schema.Table) -> str:
    columns = ", ".join(f"{_declared(column)}{'' if column.nullable else ' NOT NULL'}" for column in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {_name(table)} ({columns})"


def _declared(column: schema.Column) -> str:
    """A column with its type, as it is added to a table: DuckDB adds none with a constraint."""
    return f'"{column.name}" {COMPILER.type_mapper.to_string(ibis.dtype(column.type))}'


def _summary(name: str) -> str:
    """Name, rows and bytes of a table: the blocks of the file that hold it, which does not count the log."""
    blocks = f"SELECT unnest(list_append(additional_block_ids, block_id)) AS id FROM pragma_storage_info('{name}')"
    size = f"(SELECT count(DISTINCT id) FROM ({blocks})) * (SELECT max(block_size) FROM pragma_database_size())"
    return f"SELECT '{name}' AS name, (SELECT count(*) FROM \"{name}\") AS row_count, {size} AS size_bytes"


_SUMMARIES = " UNION ALL ".join(map(_summary, schema.TABLES)) + " ORDER BY name"


def _versions(tables: Tables) -> ir.Table:
    return tables.schema_versions.select("version")
