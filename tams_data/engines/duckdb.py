"""The embedded engine: one DuckDB file, one process.

Facts it is built on: a connection must not be used by two threads at once, a cursor for each thread may; readers
see a snapshot and never wait for the writer; only one process may open the file.

A disk that is full is met in two ways, and DuckDB 1.3.2 survives neither in memory:

- A commit that cannot write its log fails, and takes its rows back; but the next row that is appended then gets their
  text in front of its own.
- A checkpoint that cannot write fails for good: everything is refused from then on, and a file that is closed then
  with DuckDB's own checkpoint, as by default, loses every row.

What was committed is in the log, whole. So after either the database is opened anew from there, once nobody uses the
failed one any more, and DuckDB never makes that checkpoint.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import duckdb as ibis_duckdb

from tams_data import schema
from tams_data.engines import binding
from tams_data.engines.base import (
    BATCH_ROWS,
    Description,
    Query,
    Reader,
    Scan,
    Tables,
    TableSummary,
    Transaction,
    check_version,
)
from tams_data.engines.compiling import COMPILER, compiled
from tams_data.engines.fetching import Fetch, FetchingReader, R
from tams_data.engines.steps import filled
from tams_data.errors import DatabaseLocked, StoreUnavailable, TransactionConflict

if TYPE_CHECKING:
    from tams_data.scan.explain import Steps

_FEW = 100
"""Up to so many rows are sent as lists, which costs 0.7 ms a statement; an Arrow scan costs 2 ms to begin."""

_UNAVAILABLE = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.FatalException,
    duckdb.ConnectionException,  # closed
)

_NOT_WRITTEN = "Failed to commit: Could not"
"""How DuckDB says that a commit failed at the disk, in an error that otherwise is of conflicts."""

_ROOM_BYTES = 2**20
"""What must be free of a disk that was full, beside what a checkpoint may write, before anything is written again."""


@contextmanager
def _errors() -> Iterator[None]:
    """DuckDB's errors that are nobody's mistake, as the project's own."""
    try:
        yield
    except duckdb.TransactionException as error:
        kind = StoreUnavailable if _NOT_WRITTEN in str(error) else TransactionConflict
        raise kind(_said(error)) from error
    except _UNAVAILABLE as error:
        raise StoreUnavailable(_said(error)) from error
    except pa.ArrowException as error:  # what goes wrong while rows are streamed
        raise StoreUnavailable(_said(error)) from error


def _is_fatal(error: BaseException | None) -> bool:
    """Whether what DuckDB has in memory is of no use after an error: see above."""
    return isinstance(error, duckdb.FatalException) or (
        isinstance(error, duckdb.TransactionException) and _NOT_WRITTEN in str(error)
    )


def _said(error: Exception) -> str:
    """The first line of what an error says: a stack of DuckDB's own may follow."""
    return str(error).partition("\n")[0]


class _Cursor(FetchingReader):
    """Reads and writes through one DuckDB cursor, in whatever transaction it is in."""

    sorts = True

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor = cursor

    def batches(self, query: Query, /, **options: Hashable) -> Iterator[pa.RecordBatch]:
        sql = compiled(query, {}, **options).sql
        with _errors():
            yield from self.cursor.execute(sql).fetch_record_batch(BATCH_ROWS)

    def _fetched(
        self, query: Query, values: Mapping[str, binding.Value], options: Mapping[str, Hashable], fetch: Fetch[R]
    ) -> R:
        found = compiled(query, values, **options)
        with _errors(), self._registered(binding.relations(values)):
            return fetch(self.cursor.execute(found.sql, found.parameters(values)))

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

    name = "duckdb"
    sole_writer = True
    sorts = True

    def __init__(self, path: Path | None, *, memory_limit: str | None = None, read_only: bool = False) -> None:
        """Open the file, creating it and its folder when they are missing and it is not `read_only`.

        :raise DatabaseLocked: another process has it open, or this one has it open otherwise.
        :raise StoreUnavailable: it cannot be opened.
        """
        self.path = path
        self._opened = _Opened(path, memory_limit, read_only)

    def __repr__(self) -> str:
        return f"DuckDB({str(self.path) if self.path else ':memory:'})"

    def read(self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable) -> pa.Table:
        with self._opened.cursor() as cursor:
            return cursor.read(query, values, **options)

    def rows(
        self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable
    ) -> list[dict[str, Any]]:
        with self._opened.cursor() as cursor:
            return cursor.rows(query, values, **options)

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        with self._opened.cursor() as cursor, _snapshot(cursor):
            yield cursor

    @contextmanager
    def scanning(self) -> Iterator[Scan]:
        with self._opened.cursor(own=True) as cursor, _snapshot(cursor):
            yield cursor

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._writing() as cursor:
            yield cursor

    @contextmanager
    def _writing(self) -> Iterator[_Cursor]:
        self._opened.check_room()
        with self._opened.cursor() as cursor:
            with _errors():
                cursor.cursor.begin()
            try:
                yield cursor
            except BaseException:
                with suppress(duckdb.Error):  # what went wrong first is what the caller must see
                    cursor.cursor.rollback()
                raise
            with _errors():
                cursor.cursor.commit()
        self._opened.wrote()

    def create_tables(self) -> None:
        with self._writing() as cursor, _errors():
            cursor.cursor.execute(_create_table(schema.SCHEMA_VERSIONS))
            found = cursor.read(_versions)["version"].to_pylist()
            check_version(self, found)
            if schema.VERSION not in found:
                _bring_up_to_date(cursor, found)

    @contextmanager
    def connected(self) -> Iterator[ibis.BaseBackend]:
        with self._opened.cursor(own=True) as cursor, _errors():
            yield _connection(cursor, self.path)

    def describe(self) -> Description:
        with self._opened.cursor() as cursor, _errors():
            found = cursor.cursor.execute(_SUMMARIES).fetchall()
        tables = (
            TableSummary(name, schema.TABLES[name].names, (), rows, None if self.path is None else size)
            for name, rows, size in found
        )
        return Description(self.name, duckdb.__version__, tuple(tables))

    def ibis(self) -> ibis.BaseBackend:
        return _connection(self._opened.lasting_cursor(), self.path)

    def close(self) -> None:
        self._opened.close()


def _connection(cursor: _Cursor, path: Path | None) -> Connection:
    with _errors():
        connection: Connection = Connection.from_connection(cursor.cursor)
    connection.place = str(path) if path else "in memory"
    return connection


class Connection(ibis_duckdb.Backend):  # type: ignore[misc]  # ibis's backends are untyped
    """An Ibis connection to the tables of the database."""

    compiler = COMPILER  # its own does not drop columns: see binding
    place = ""

    def __repr__(self) -> str:
        return f"<duckdb {self.place}>"

    def explain(self, expr: ir.Expr) -> Steps:
        """What DuckDB does for an expression, were it executed; filters that a scan takes are told with it."""
        from tams_data.scan.explain import Steps, operators  # noqa: PLC0415  # it loads pandas, which no service needs

        ((_, plan),) = self.con.execute(f"EXPLAIN (FORMAT json) {self.compile(expr)}").fetchall()
        return Steps(operators(plan))

    def _repr_html_(self) -> str:
        """The connection and its tables, for a notebook."""
        return f"<p>{escape(repr(self))}</p><p>{escape(', '.join(self.list_tables()))}</p>"


class _Opened:
    """The open file, and the cursors on it: one for each thread, and those that somebody has of his own.

    After a failure for which DuckDB refuses everything the file is opened anew, when nobody uses it any more.
    """

    def __init__(self, path: Path | None, memory_limit: str | None, read_only: bool) -> None:
        self._path, self._memory_limit, self._read_only = path, memory_limit, read_only
        self._lock = threading.Lock()
        self._users = 0
        self._failed = self._full = self._closed = False
        self._open()

    def _open(self) -> None:
        self._connection = _open(self._path, self._memory_limit, self._read_only)
        self._local = threading.local()

    @contextmanager
    def cursor(self, *, own: bool = False) -> Iterator[_Cursor]:
        """A cursor to use inside the block: the thread's, or one of its `own`, which is closed at the end.

        :raise StoreUnavailable: the database is closed, or it failed and others have still to notice.
        """
        self._enter()
        try:
            cursor = self._new_cursor() if own else self._cursor_of_thread()
            try:
                yield cursor
            finally:
                if own:
                    cursor.cursor.close()
        except StoreUnavailable as error:
            if _is_fatal(error.__cause__):
                self._failed = self._full = True
            raise
        finally:
            with self._lock:
                self._users -= 1

    def lasting_cursor(self) -> _Cursor:
        """A cursor that is its holder's until the database is closed, or fails."""
        self._enter()
        try:
            return self._new_cursor()
        finally:
            with self._lock:
                self._users -= 1

    def check_room(self) -> None:
        """Return unless the disk was full when something was written last, and still is.

        :raise StoreUnavailable: it is. To try would make the database fail again, and readers with it.
        """
        if self._full and self._path is not None:
            needed, free = _room(self._path)
            if free < needed:
                raise StoreUnavailable(f"the disk of {self._path} is full: {free} bytes are free of {needed} needed")

    def wrote(self) -> None:
        """Note that something was written."""
        self._full = False

    def close(self) -> None:
        """Write the log into the file, if that can be, and close it."""
        self._closed = True
        if not (self._failed or self._users or self._read_only or self._path is None):
            with suppress(duckdb.Error):  # the log has it all, and who opens the file next reads it
                self._connection.execute("CHECKPOINT")
        self._connection.close()

    def _enter(self) -> None:
        """Count one more user, of a database that works."""
        with self._lock:
            if self._failed and not self._closed:
                self._reopen()
            self._users += 1

    def _reopen(self) -> None:
        if self._path is None:
            raise StoreUnavailable("the database in memory has failed")
        if self._users:
            raise StoreUnavailable(f"the database {self._path} failed and is about to be opened anew")
        self._connection.close()  # and with it every cursor: one would keep the failed database, and a lock on its file
        self._open()
        self._failed = False

    def _cursor_of_thread(self) -> _Cursor:
        cursor: _Cursor | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._new_cursor()
        return cursor

    def _new_cursor(self) -> _Cursor:
        with _errors():
            return _Cursor(self._connection.cursor())


@contextmanager
def _snapshot(cursor: _Cursor) -> Iterator[None]:
    """One state of the database for all that the cursor reads."""
    with _errors():
        cursor.cursor.begin()
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # nothing was written: this only ends the snapshot, if a failure has not
            cursor.cursor.rollback()


def _bring_up_to_date(cursor: _Cursor, versions: Collection[int]) -> None:
    """Add the tables, columns and indexes that are not there, fill what is to be filled, and note the version."""
    found = set(cursor.cursor.execute(_COLUMNS).fetchall())
    tables_found = {name for name, _ in found}
    for table in schema.TABLES.values():
        if table.name not in tables_found:
            cursor.cursor.execute(_create_table(table))
            found.update((table.name, column.name) for column in table.columns)
        for column in table.columns:
            if (table.name, column.name) not in found:
                cursor.cursor.execute(f"ALTER TABLE {_name(table)} ADD COLUMN IF NOT EXISTS {_declared(column)}")
        for name in table.indexed:
            cursor.cursor.execute(f'CREATE INDEX IF NOT EXISTS "{table.name}_{name}" ON {_name(table)} ("{name}")')
    for table, rows in filled(cursor, versions):
        cursor.insert(table, rows)
    now = schema.SCHEMA_VERSIONS.rows([{"version": schema.VERSION, "applied_ns": time_ns()}])
    cursor.insert(schema.SCHEMA_VERSIONS, now)


def _open(path: Path | None, memory_limit: str | None, read_only: bool) -> duckdb.DuckDBPyConnection:
    config: dict[str, str] = {"memory_limit": memory_limit} if memory_limit else {}
    if path is None:
        return duckdb.connect(config=config)
    is_new = not path.exists()
    try:
        if not read_only:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)  # the keys of webhooks are in it
        connection = duckdb.connect(str(path), read_only=read_only, config=config)
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        return connection
    except duckdb.ConnectionException as error:
        raise DatabaseLocked(f"the database {path} is open in this process, otherwise: {error}") from error
    except duckdb.IOException as error:
        # "lock" alone may be part of the path, which the message repeats
        locked = "Could not set lock" in str(error)
        if is_new and not locked:
            path.unlink(missing_ok=True)  # what could be written of a new one is no database
        if locked:
            raise DatabaseLocked(f"cannot open the database {path}: it is locked by {_holder(error)}") from error
        raise StoreUnavailable(f"cannot open the database {path}: {error}") from error
    except OSError as error:
        raise StoreUnavailable(f"cannot make the folder of the database {path}: {error}") from error


def _holder(error: duckdb.IOException) -> str:
    found = re.search(r"PID \d+", str(error))
    return f"another process, {found[0]}" if found else "another process"


def _room(path: Path) -> tuple[int, int]:
    """How many bytes a checkpoint of the file may need, and how many are free on its disk."""
    log = Path(f"{path}.wal")
    try:
        needed = _ROOM_BYTES + (2 * log.stat().st_size if log.exists() else 0)
        return needed, shutil.disk_usage(path.parent).free
    except OSError as error:
        raise StoreUnavailable(f"the folder of the database {path}: {error.strerror}") from error


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
    return f'"{column.name}" {_type(column.type)}'


@cache
def _type(arrow: pa.DataType) -> str:
    """DuckDB's name of a type: to have one said takes 0.1 ms, and there are few for hundreds of columns."""
    return str(COMPILER.type_mapper.to_string(ibis.dtype(arrow)))


def _summary(name: str) -> str:
    """Name, rows and bytes of a table: the blocks of the file that hold it, which does not count the log."""
    blocks = f"SELECT unnest(list_append(additional_block_ids, block_id)) AS id FROM pragma_storage_info('{name}')"
    size = f"(SELECT count(DISTINCT id) FROM ({blocks})) * (SELECT max(block_size) FROM pragma_database_size())"
    return f"SELECT '{name}' AS name, (SELECT count(*) FROM \"{name}\") AS row_count, {size} AS size_bytes"


_SUMMARIES = " UNION ALL ".join(map(_summary, schema.TABLES)) + " ORDER BY name"


_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"


def _versions(tables: Tables) -> ir.Table:
    return tables.schema_versions.select("version")
