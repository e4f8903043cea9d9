"""Backups restored: all of one into an empty store of either engine, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from tams_data import schema
from tams_data.engines.base import BATCH_ROWS, Database, Transaction
from tams_data.errors import AlreadyExists, InvalidBackup
from tams_data.keeping import manifest as manifests
from tams_data.keeping.backup import OnProgress
from tams_data.keeping.manifest import Manifest
from tams_data.keeping.versions import brought_forward
from tams_data.queries import tables as queries
from tams_data.store import keys


def restore(database: Database, folder: Path, progress: OnProgress = lambda *_: None) -> Manifest:
    """Restore a backup into an empty store; give what it was. Rows of older schema versions are brought forward.

    Its files are checked before anything is written, and all is written or nothing.

    :raise InvalidBackup: the folder is no backup, or a file of it is not what was written.
    :raise SchemaMismatch: it is of a version that this software does not know.
    :raise AlreadyExists: the store is not empty.
    """
    manifest = manifests.read(folder)
    manifests.check_files(folder, manifest)
    database.create_tables()
    with database.transaction() as transaction:
        _check_empty(transaction)
        for table in _restored():
            if table.name in manifest.tables:
                _restore(transaction, table, folder, manifest, progress)
        keys.reserve_known(database, transaction)
    return manifest


def _restored() -> list[schema.Table]:
    """The tables that are restored: what versions a store has had is its own."""
    return [table for table in schema.TABLES.values() if table is not schema.SCHEMA_VERSIONS]


def _check_empty(transaction: Transaction) -> None:
    for table in _restored():
        count = transaction.read(queries.counted, table=table.name)["count"][0].as_py()
        if count:
            raise AlreadyExists(f"the store is not empty: it has {count} rows in {table.name}")


def _restore(
    transaction: Transaction, table: schema.Table, folder: Path, manifest: Manifest, progress: OnProgress
) -> None:
    said, count = manifest.tables[table.name], 0
    for batch in _batches(folder / said.file):
        transaction.insert(table, brought_forward(table, batch))
        count += batch.num_rows
        progress(table.name, count)
    if count != said.rows:
        raise InvalidBackup(f"{folder / said.file} has {count} rows, and the manifest says {said.rows}")


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(BATCH_ROWS)
    except (pa.ArrowException, OSError) as error:
        raise InvalidBackup(f"{path}: {error}") from error
