"""The schema version of a store, and rows of older versions brought forward."""

from __future__ import annotations

import ibis.expr.types as ir
import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Database, Reader, Tables
from tams_data.errors import SchemaMismatch


def version_of(reader: Reader) -> int:
    """The schema version of a store, 0 when it notes none."""
    found = reader.read(_highest)["version"][0].as_py()
    return int(found or 0)


def _highest(tables: Tables) -> ir.Table:
    return tables.schema_versions.aggregate(version=tables.schema_versions.version.max())


def check_version(database: Database) -> None:
    """Accept a store of the version that this software writes.

    :raise SchemaMismatch: there is no store, or it is of another version.
    """
    with database.connected() as connection:
        if schema.SCHEMA_VERSIONS.name not in connection.list_tables():
            raise SchemaMismatch(f"there is no store in {database!r}")
    found = version_of(database)
    if found > schema.VERSION:
        raise SchemaMismatch(
            f"{database!r} was written with schema version {found}; this software knows versions up to {schema.VERSION}"
        )
    if found < schema.VERSION:
        raise SchemaMismatch(
            f"{database!r} has schema version {found}, which is brought to {schema.VERSION} when the service starts"
        )


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
