"""Backups restored: all of one, into an empty store of either engine.

Rows are committed some at a time: in one transaction, the embedded engine would have ten million segments in memory.
Until the last is there the store has a schema version that no software knows, so nobody takes a part for the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time_ns

import pyarrow as pa
from pyarrow import parquet

from tams_data import schema
from tams_data.engines.base import Database, Transaction
from tams_data.engines.steps import filled
from tams_data.errors import AlreadyExists, InvalidBackup
from tams_data.formatting import count_of
from tams_data.keeping import manifest as manifests
from tams_data.keeping.backup import OnProgress
from tams_data.keeping.manifest import Manifest
from tams_data.keeping.versions import brought_forward
from tams_data.queries import tables as queries
from tams_data.store import keys, outbox

_ROWS = 2**18
"""Rows of one transaction."""


def restore(database: Database, folder: Path, progress: OnProgress = lambda *_: None) -> Manifest:
    """Restore a backup into an empty store; give what it was. Rows of older schema versions are brought forward.

    Its files are checked before anything is written. A store that a restore was broken off in is refused by whoever
    opens it; it is to be removed.

    :raise InvalidBackup: the folder is no backup, or a file of it is not what was written.
    :raise SchemaMismatch: it is of a version that this software does not know, or a restore was broken off before.
    :raise AlreadyExists: the store is not empty.
    """
    manifest = manifests.read(folder)
    manifests.check_files(folder, manifest)
    tables = [table for table in _restored() if table.name in manifest.tables]
    for table in tables:
        _check_file(folder, manifest, table)
    database.create_tables()
    with database.transaction() as transaction:
        _check_empty(transaction)
        transaction.insert(schema.SCHEMA_VERSIONS, _unfinished())
    for table in tables:
        _restore(database, table, folder / manifest.tables[table.name].file, progress)
    for table, rows in filled(database, [manifest.schema_version]):
        with database.transaction() as transaction:
            transaction.insert(table, rows)
    with database.transaction() as transaction:
        keys.reserve_known(database, transaction)
        outbox.reserve_known(database, transaction)
        transaction.delete(schema.SCHEMA_VERSIONS, _unfinished().select(["version"]))
    return manifest


def _unfinished() -> pa.Table:
    return schema.SCHEMA_VERSIONS.rows([{"version": schema.RESTORING, "applied_ns": time_ns()}])


def _restored() -> list[schema.Table]:
    """The tables that are restored: what versions a store has had is its own."""
    return [table for table in schema.TABLES.values() if table is not schema.SCHEMA_VERSIONS]


def _check_empty(transaction: Transaction) -> None:
    for table in _restored():
        count = transaction.read(queries.counted, table=table.name)["count"][0].as_py()
        if count:
            raise AlreadyExists(f"the store is not empty: it has {count_of(count, 'row')} in {table.name}")


def _check_file(folder: Path, manifest: Manifest, table: schema.Table) -> None:
    said = manifest.tables[table.name]
    with _reading(folder / said.file) as file:
        brought_forward(table, pa.RecordBatch.from_pylist([], file.schema_arrow))
        if file.metadata.num_rows != said.rows:
            raise InvalidBackup(
                f"{folder / said.file} has {file.metadata.num_rows} rows, and the manifest says {said.rows}"
            )


def _restore(database: Database, table: schema.Table, path: Path, progress: OnProgress) -> None:
    count = 0
    with _reading(path) as file:
        for batch in file.iter_batches(_ROWS):
            with database.transaction() as transaction:
                transaction.insert(table, brought_forward(table, batch))
            count += batch.num_rows
            progress(table.name, count)


@contextmanager
def _reading(path: Path) -> Iterator[parquet.ParquetFile]:
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise InvalidBackup(f"{path}: {error}") from error
