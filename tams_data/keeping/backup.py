"""Backups written: into a folder of another name, flushed to the disk, and renamed when all is there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, TypeAlias
from uuid import uuid4

import pyarrow as pa
from pyarrow import parquet

from tams_data import __version__
from tams_data.errors import AlreadyExists, BackupFailed
from tams_data.keeping import manifest as manifests
from tams_data.keeping.contents import Contents, Head, TableRows
from tams_data.keeping.manifest import BackedUpTable, Manifest
from tams_data.media.files import sync_folder

OnProgress: TypeAlias = Callable[[str, int], object]
"""Is told the name of a table, and how many of its rows are done."""


def write(folder: Path, contents: Contents, progress: OnProgress = lambda *_: None) -> Manifest:
    """Write a backup into `folder`, which is not there yet. Of one that is broken off nothing has that name.

    :raise AlreadyExists: the folder is there, and not empty.
    :raise BackupFailed: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyExists(f"{folder} is there already: a backup is written into a new folder")
    with _naming(folder):
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with _temporary(folder.absolute()) as place:
            tables = {rows[0].name: _write_table(place, rows, progress) for rows in contents.tables}
            manifest = _manifest(contents.head, tables)
            with (place / manifests.NAME).open("wb") as file:
                file.write(manifest.model_dump_json(indent=2).encode() + b"\n")
                _flush(file)
            sync_folder(place)
            place.rename(folder.absolute())
            sync_folder(folder.absolute().parent)
    return manifest


def _manifest(head: Head, tables: dict[str, BackedUpTable]) -> Manifest:
    return Manifest(
        format=manifests.FORMAT,
        software=__version__,
        engine=head.engine,
        schema_version=head.schema_version,
        instant_ns=head.instant_ns,
        instant=datetime.fromtimestamp(head.instant_ns // 10**9, timezone.utc).isoformat(),
        tables=tables,
    )


def _write_table(place: Path, rows: TableRows, progress: OnProgress) -> BackedUpTable:
    table, batches = rows
    path, count = place / f"{table.name}.parquet", 0
    with path.open("xb") as file:
        hashing = _Hashing(file)
        with parquet.ParquetWriter(hashing, table.arrow, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
                count += batch.num_rows
                progress(table.name, count)
        _flush(file)
        return BackedUpTable(file=path.name, rows=count, size_bytes=file.tell(), sha256=hashing.sha256())


class _Hashing:
    """A file to write to that knows the SHA-256 of what was written."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def write(self, data: Any) -> int:
        self._digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self._file.tell()

    def sha256(self) -> str:
        return self._digest.hexdigest()


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A folder beside, which is gone at the end unless it has the other's name then."""
    place = folder.with_name(f".{folder.name}.{uuid4().hex}.partial")
    place.mkdir(mode=0o700)  # the keys of webhooks are in it
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise BackupFailed(f"the backup {folder} cannot be written: {error}") from error
