"""The schema version of a store, and rows of older versions brought forward."""

from __future__ import annotations

import ibis.expr.types as ir
import pyarrow as pa

from tams_data import schema
from tams_data.engines import base
from tams_data.engines.base import Database, Reader, Tables
from tams_data.errors import SchemaMismatch


def check_version(database: Database, reader: Reader) -> None:
    """Accept a store of the version that this software writes.

    :raise SchemaMismatch: it is of another version.
    """
    versions = reader.read(_versions)["version"].to_pylist()
    base.check_version(database, versions)
    if schema.VERSION not in versions:
        found = max(versions, default="none")
        raise SchemaMismatch(
            f"{database!r} has schema version {found}, and is brought to {schema.VERSION} when the service starts"
        )


def _versions(tables: Tables) -> ir.Table:
    return tables.schema_versions.select("version")


def check_store(database: Database) -> None:
    """Accept a database that has a store in it, of the version that this software writes.

    :raise SchemaMismatch: it has none, or one of another version.
    """
    with database.connected() as connection:
        if schema.SCHEMA_VERSIONS.name not in connection.list_tables():
            raise SchemaMismatch(f"there is no store in {database!r}")
    check_version(database, database)


def brought_forward(table: schema.Table, rows: pa.RecordBatch) -> pa.Table:
    """Rows of any version up to the present one in the columns of the present one: new columns are null.

    :raise SchemaMismatch: they are not of such a version, for they have another column, or lack one that has no nulls.
    """
    unknown = set(rows.schema.names) - set(table.names)
    lacking = {column.name for column in table.columns if not column.nullable} - set(rows.schema.names)
    if unknown or lacking:
        named = ", ".join(sorted(unknown or lacking))
        raise SchemaMismatch(f"rows of {table.name} {'have' if unknown else 'lack'} the columns {named}")
    arrays = [
        rows.column(name) if name in rows.schema.names else pa.nulls(rows.num_rows, table.arrow.field(name).type)
        for name in table.names
    ]
    return pa.table(arrays, names=list(table.names)).cast(table.arrow)
