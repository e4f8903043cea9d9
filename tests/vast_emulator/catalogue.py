"""What there is: buckets, schemas, tables with their columns, and projections, as rows of DuckDB.

Names are rows, not names in DuckDB: a table keeps its rows in `rows.t<handle>` and a column in `c<number>`, so that
renaming and dropping touch one row here, and names that DuckDB would take for the same one stay apart.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa

from tests.vast_emulator.column_types import check_supported, sql_type
from tests.vast_emulator.errors import BadRequest, Conflict, NotFound
from tests.vast_emulator.transactions import Transaction, Transactions

ROW_ID = "$row_id"
EXTERNAL_ROW_ID = "vastdb_rowid"
"""The column by which a client brings row ids of its own."""

_TABLES = """
CREATE SCHEMA IF NOT EXISTS catalogue;
CREATE SCHEMA IF NOT EXISTS rows;
CREATE TABLE IF NOT EXISTS catalogue.buckets (name VARCHAR);
CREATE TABLE IF NOT EXISTS catalogue.schemas (handle BIGINT, bucket VARCHAR, name VARCHAR, properties VARCHAR);
CREATE TABLE IF NOT EXISTS catalogue.tables (
    handle BIGINT, bucket VARCHAR, schema VARCHAR, name VARCHAR, columns BLOB, sorted VARCHAR[],
    properties VARCHAR, external_row_ids BOOLEAN
);
CREATE TABLE IF NOT EXISTS catalogue.projections (
    handle BIGINT, table_handle BIGINT, name VARCHAR, sorted VARCHAR[], unsorted VARCHAR[], properties VARCHAR
);
"""

_COLUMN = b"column"  # metadata of a field: the name of its column in DuckDB


@dataclass(frozen=True)
class Column:
    """A column: what the client sees, and its name in DuckDB."""

    field: pa.Field
    stored_as: str

    @property
    def name(self) -> str:
        """The client's name for it."""
        return self.field.name


@dataclass(frozen=True)
class Schema:
    """A schema; those inside it carry its name and a slash in front of their own."""

    handle: int
    name: str
    properties: str


@dataclass(frozen=True)
class Table:
    """A table, as one transaction sees it."""

    handle: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    sorted: tuple[str, ...]
    properties: str
    external_row_ids: bool

    @property
    def rows(self) -> str:
        """The table of DuckDB that holds its rows."""
        return f"rows.t{self.handle}"

    @property
    def row_id(self) -> Column:
        """The column of row ids, which are wider in sorted tables."""
        return Column(pa.field(ROW_ID, pa.decimal128(38, 0) if self.sorted else pa.uint64()), "row_id")

    def column(self, name: str) -> Column:
        """Return the column of that name.

        :raise NotFound: when there is none
        """
        if name == ROW_ID:
            return self.row_id
        for column in self.columns:
            if column.name == name:
                return column
        raise NotFound(f"there is no column {name!r} in {self.name}", code="TabularColumnNotFound")


@dataclass(frozen=True)
class Projection:
    """A second copy of some columns of a table, sorted by the first of them."""

    handle: int
    name: str
    sorted: tuple[str, ...]
    unsorted: tuple[str, ...]
    properties: str


class _Kept:
    """What was read of the catalogue since the last commit that changed it; it is read with every request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = 0
        self._found: dict[tuple[object, ...], list[Any]] = {}

    def rows(self, transaction: Transaction, sql: str, *values: object) -> list[Any]:
        """Return what a transaction finds, which may have changed the catalogue itself, or see an older one."""
        with self._lock:
            if transaction.catalogue > self._since:
                self._since, self._found = transaction.catalogue, {}
            found = self._found
            is_current = transaction.catalogue == self._since and not transaction.writes.names
        if not is_current:
            return transaction.cursor.execute(sql, values).fetchall()
        if (sql, values) not in found:
            found[sql, values] = transaction.cursor.execute(sql, values).fetchall()
        return found[sql, values]


class Catalogue:
    """Reads and changes what there is, in a transaction given."""

    def __init__(self, database: duckdb.DuckDBPyConnection, transactions: Transactions) -> None:
        """Prepare `database`, unless it is already."""
        database.execute(_TABLES)
        used = "SELECT handle FROM catalogue.{}"
        every = " UNION ALL ".join(used.format(name) for name in ("schemas", "tables", "projections"))
        ((largest,),) = database.execute(f"SELECT coalesce(max(handle), 0) FROM ({every})").fetchall()
        self._handles = itertools.count(largest + 1)
        self._transactions = transactions
        self._kept = _Kept()

    # Schemas

    def schemas(self, transaction: Transaction, bucket: str, parent: str) -> list[Schema]:
        """Return the schemas right inside `parent`, by their own names; an empty parent is the bucket."""
        prefix = f"{parent}/" if parent else ""
        found = transaction.cursor.execute(
            "SELECT handle, substr(name, ?), properties FROM catalogue.schemas "
            "WHERE bucket = ? AND starts_with(name, ?) ORDER BY handle",
            [len(prefix) + 1, bucket, prefix],
        ).fetchall()
        return [Schema(*row) for row in found if "/" not in row[1]]

    def schema(self, transaction: Transaction, bucket: str, name: str) -> Schema:
        """Return the schema of that whole name.

        :raise NotFound: when there is none
        """
        found = transaction.cursor.execute(
            "SELECT handle, name, properties FROM catalogue.schemas WHERE bucket = ? AND name = ?", [bucket, name]
        ).fetchone()
        if found is None:
            raise NotFound(f"there is no schema {name!r} in {bucket!r}", code="TabularSchemaNotFound")
        return Schema(*found)

    def create_schema(self, transaction: Transaction, bucket: str, name: str, properties: str) -> None:
        """Create a schema.

        :raise Conflict: when there is one of that name
        """
        self._take_schema_name(transaction, bucket, name)
        row = [next(self._handles), bucket, name, properties]
        transaction.cursor.execute("INSERT INTO catalogue.schemas VALUES (?, ?, ?, ?)", row)

    def _take_schema_name(self, transaction: Transaction, bucket: str, name: str) -> None:
        self._transactions.claim(transaction, ("schema", bucket, name))
        known = transaction.cursor.execute(
            "SELECT 1 FROM catalogue.schemas WHERE bucket = ? AND name = ?", [bucket, name]
        ).fetchone()
        if known:
            raise Conflict(f"there is a schema {name!r}", code="TabularSchemaAlreadyExists")

    def alter_schema(self, transaction: Transaction, bucket: str, name: str, new_name: str, properties: str) -> None:
        """Rename a schema, with what is inside, or give it other properties; empty text leaves either as it is."""
        old = self.schema(transaction, bucket, name)
        self._transactions.claim(transaction, ("schema", bucket, name))
        if properties:
            transaction.cursor.execute(
                "UPDATE catalogue.schemas SET properties = ? WHERE handle = ?", [properties, old.handle]
            )
        if new_name:
            self._take_schema_name(transaction, bucket, new_name)
            for table, column in (("schemas", "name"), ("tables", "schema")):
                transaction.cursor.execute(
                    f"UPDATE catalogue.{table} SET {column} = $new || substr({column}, $rest) "
                    f"WHERE bucket = $bucket AND ({column} = $old OR starts_with({column}, $old || '/'))",
                    {"new": new_name, "old": name, "rest": len(name) + 1, "bucket": bucket},
                )

    def drop_schema(self, transaction: Transaction, bucket: str, name: str) -> None:
        """Drop an empty schema.

        :raise Conflict: when there are tables or schemas in it
        """
        old = self.schema(transaction, bucket, name)
        if self.tables(transaction, bucket, name) or self.schemas(transaction, bucket, name):
            raise Conflict(f"schema {name!r} is not empty", code="TabularSchemaNotEmpty")
        self._transactions.claim(transaction, ("schema", bucket, name))
        transaction.cursor.execute("DELETE FROM catalogue.schemas WHERE handle = ?", [old.handle])

    # Tables

    def tables(self, transaction: Transaction, bucket: str, schema: str) -> list[Table]:
        """Return the tables of a schema."""
        return self._tables(transaction, "bucket = ? AND schema = ?", bucket, schema)

    def table(self, transaction: Transaction, bucket: str, schema: str, name: str) -> Table:
        """Return a table.

        :raise NotFound: when there is none
        """
        found = self._tables(transaction, "bucket = ? AND schema = ? AND name = ?", bucket, schema, name)
        if not found:
            raise NotFound(f"there is no table {name!r} in {bucket}/{schema}", code="TabularTableNotFound")
        return found[0]

    def _tables(self, transaction: Transaction, where: str, *values: str) -> list[Table]:
        found = self._kept.rows(
            transaction,
            "SELECT handle, schema, name, columns, sorted, properties, external_row_ids "
            f"FROM catalogue.tables WHERE {where} ORDER BY handle",
            *values,
        )
        return [
            Table(handle, schema, name, _columns_from(columns), tuple(sorting), properties, external)
            for handle, schema, name, columns, sorting, properties, external in found
        ]

    def create_table(
        self,
        transaction: Transaction,
        path: tuple[str, str, str],
        columns: pa.Schema,
        *,
        sorting: Sequence[int],
    ) -> None:
        """Create a table at `path`, which is bucket, schema and name; `sorting` are positions in `columns`.

        :raise NotFound: when there is no such schema
        :raise Conflict: when there is a table of that name
        :raise BadRequest: when VAST has no such type, or there is no such position
        """
        bucket, schema, name = path
        self.schema(transaction, bucket, schema)
        self._take_table_name(transaction, bucket, schema, name)
        for field in columns:
            check_supported(field)
        table = Table(next(self._handles), schema, name, _numbered(columns, 0), (), "", external_row_ids=False)
        table = replace(table, sorted=_names_at(table, sorting))
        definitions = "".join(f", {c.stored_as} {sql_type(c.field.type)}" for c in table.columns)
        transaction.cursor.execute(f"CREATE TABLE {table.rows} (row_id UBIGINT{definitions})")
        transaction.cursor.execute(
            "INSERT INTO catalogue.tables VALUES (?, ?, ?, ?, ?, ?::VARCHAR[], '', false)",
            [table.handle, bucket, schema, name, _columns_bytes(table.columns), list(table.sorted)],
        )

    def _take_table_name(self, transaction: Transaction, bucket: str, schema: str, name: str) -> None:
        self._transactions.claim(transaction, ("table", bucket, schema, name))
        if self._tables(transaction, "bucket = ? AND schema = ? AND name = ?", bucket, schema, name):
            raise Conflict(f"there is a table {name!r}", code="TabularTableAlreadyExists")

    def rename_table(self, transaction: Transaction, bucket: str, table: Table, new_path: str) -> None:
        """Give a table the schema and the name that `new_path` says."""
        schema, _, name = new_path.rpartition("/")
        self.schema(transaction, bucket, schema)
        self._take_table_name(transaction, bucket, schema, name)
        self._change(transaction, table, schema=schema, name=name)

    def sort_table(self, transaction: Transaction, table: Table, sorting: Sequence[int]) -> None:
        """Make a table a sorted one.

        :raise BadRequest: when it is sorted, or there is no such position
        """
        if table.sorted:
            raise BadRequest(f"table {table.name!r} has a sorting key")
        self._change(transaction, table, sorted=list(_names_at(table, sorting)))

    def set_properties(self, transaction: Transaction, table: Table, properties: str) -> None:
        """Give a table other properties."""
        self._change(transaction, table, properties=properties)

    def note_external_row_ids(self, transaction: Transaction, table: Table) -> None:
        """Note that a client brought row ids of its own."""
        if not table.external_row_ids:
            self._change(transaction, table, external_row_ids=True)

    def drop_table(self, transaction: Transaction, table: Table) -> None:
        """Drop a table, its rows and its projections."""
        self._transactions.claim(transaction, ("table", table.handle))
        transaction.cursor.execute("DELETE FROM catalogue.tables WHERE handle = ?", [table.handle])
        transaction.cursor.execute("DELETE FROM catalogue.projections WHERE table_handle = ?", [table.handle])
        transaction.cursor.execute(f"DROP TABLE {table.rows}")

    def _change(self, transaction: Transaction, table: Table, **values: object) -> None:
        self._transactions.claim(transaction, ("table", table.handle))
        assignments = ", ".join(f"{name} = ${name}" for name in values)
        transaction.cursor.execute(
            f"UPDATE catalogue.tables SET {assignments} WHERE handle = $handle", {**values, "handle": table.handle}
        )

    # Columns

    def add_columns(self, transaction: Transaction, table: Table, columns: pa.Schema) -> None:
        """Add columns; rows that are there have null in them.

        :raise BadRequest: when VAST has no such type, or the table has a column of that name
        """
        for field in columns:
            check_supported(field)
            if any(column.name == field.name for column in table.columns):
                raise BadRequest(f"there is a column {field.name!r}", code="TabularColumnAlreadyExists")
        described = transaction.cursor.execute(f"DESCRIBE {table.rows}").fetchall()
        added = _numbered(columns, len(described) - 1)  # after those that were dropped; row ids have no number
        self._change_columns(transaction, table, (*table.columns, *added))
        for column in added:
            transaction.cursor.execute(
                f"ALTER TABLE {table.rows} ADD COLUMN {column.stored_as} {sql_type(column.field.type)}"
            )

    def rename_column(self, transaction: Transaction, table: Table, name: str, new_name: str) -> None:
        """Rename a column.

        :raise NotFound: when there is none of that name
        :raise BadRequest: when there is one of the new name
        """
        old = table.column(name)
        if any(column.name == new_name for column in table.columns):
            raise BadRequest(f"there is a column {new_name!r}", code="TabularColumnAlreadyExists")
        renamed = replace(old, field=old.field.with_name(new_name))
        self._change_columns(transaction, table, tuple(renamed if c is old else c for c in table.columns))

    def drop_columns(self, transaction: Transaction, table: Table, names: Sequence[str]) -> None:
        """Drop columns; DuckDB keeps what was in them, out of sight.

        :raise NotFound: when there is no such column
        """
        dropped = [table.column(name) for name in names]
        self._change_columns(transaction, table, tuple(c for c in table.columns if c not in dropped))

    def _change_columns(self, transaction: Transaction, table: Table, columns: tuple[Column, ...]) -> None:
        self._change(transaction, table, columns=_columns_bytes(columns))

    # Projections

    def projections(self, transaction: Transaction, table: Table) -> list[Projection]:
        """Return the projections of a table."""
        found = self._kept.rows(
            transaction,
            "SELECT handle, name, sorted, unsorted, properties FROM catalogue.projections "
            "WHERE table_handle = ? ORDER BY handle",
            table.handle,
        )
        return [Projection(handle, name, tuple(by), tuple(rest), text) for handle, name, by, rest, text in found]

    def projection(self, transaction: Transaction, table: Table, name: str) -> Projection:
        """Return a projection of a table.

        :raise NotFound: when there is none
        """
        for projection in self.projections(transaction, table):
            if projection.name == name:
                return projection
        raise NotFound(f"there is no projection {name!r} of {table.name}", code="TabularProjectionNotFound")

    def create_projection(
        self, transaction: Transaction, table: Table, name: str, sorting: Sequence[str], unsorted: Sequence[str]
    ) -> None:
        """Create a projection.

        :raise NotFound: when the table has no such column
        :raise Conflict: when there is a projection of that name
        """
        for column in (*sorting, *unsorted):
            table.column(column)
        self._take_projection_name(transaction, table, name)
        row = [next(self._handles), table.handle, name, list(sorting), list(unsorted)]
        transaction.cursor.execute(
            "INSERT INTO catalogue.projections VALUES (?, ?, ?, ?::VARCHAR[], ?::VARCHAR[], '')", row
        )

    def _take_projection_name(self, transaction: Transaction, table: Table, name: str) -> None:
        self._transactions.claim(transaction, ("projection", table.handle, name))
        if any(projection.name == name for projection in self.projections(transaction, table)):
            raise Conflict(f"there is a projection {name!r}", code="TabularProjectionAlreadyExists")

    def alter_projection(
        self, transaction: Transaction, table: Table, name: str, new_name: str, properties: str
    ) -> None:
        """Rename a projection, or give it other properties; empty text leaves either as it is."""
        old = self.projection(transaction, table, name)
        if new_name:
            self._take_projection_name(transaction, table, new_name)
        self._transactions.claim(transaction, ("projection", old.handle))
        transaction.cursor.execute(
            "UPDATE catalogue.projections SET name = ?, properties = ? WHERE handle = ?",
            [new_name or old.name, properties or old.properties, old.handle],
        )

    def drop_projection(self, transaction: Transaction, table: Table, name: str) -> None:
        """Drop a projection."""
        old = self.projection(transaction, table, name)
        self._transactions.claim(transaction, ("projection", old.handle))
        transaction.cursor.execute("DELETE FROM catalogue.projections WHERE handle = ?", [old.handle])


def _numbered(columns: pa.Schema, first: int) -> tuple[Column, ...]:
    """Return columns with their names in DuckDB; what metadata they came with is not kept."""
    return tuple(Column(field.remove_metadata(), f"c{number}") for number, field in enumerate(columns, start=first))


def _names_at(table: Table, positions: Sequence[int]) -> tuple[str, ...]:
    if any(not 0 <= position < len(table.columns) for position in positions):
        raise BadRequest(f"there are {len(table.columns)} columns to sort by, not {max(positions)}")
    return tuple(table.columns[position].name for position in positions)


def _columns_bytes(columns: Sequence[Column]) -> bytes:
    fields = [column.field.with_metadata({_COLUMN: column.stored_as.encode()}) for column in columns]
    return pa.schema(fields).serialize().to_pybytes()


@functools.lru_cache(maxsize=1024)
def _columns_from(columns: bytes) -> tuple[Column, ...]:
    fields = pa.ipc.read_schema(pa.py_buffer(columns))
    return tuple(Column(field.remove_metadata(), field.metadata[_COLUMN].decode()) for field in fields)
