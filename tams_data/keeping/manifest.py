"""A backup as it lies in a folder: a Parquet file for each table, and `manifest.json`, which says what they must be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tams_data import schema
from tams_data.errors import InvalidBackup, SchemaMismatch

NAME = "manifest.json"
FORMAT = 1
"""The version of the format; a number that is not known is refused."""

_CHUNK = 2**20


class BackedUpTable(BaseModel):
    """The file of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(pattern=r"^[a-z_]+\.parquet$")
    rows: int = Field(ge=0)
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What is in a backup: `instant_ns`, ns UTC, is when the store was as it says."""

    model_config = ConfigDict(frozen=True)

    format: int
    software: str
    engine: str
    schema_version: int
    instant_ns: int
    instant: str
    tables: Mapping[str, BackedUpTable]

    @property
    def rows(self) -> int:
        """How many rows there are in all tables."""
        return sum(table.rows for table in self.tables.values())


def read(folder: Path) -> Manifest:
    """The manifest of a backup, which this software can restore.

    :raise InvalidBackup: the folder has none, or one that cannot be read.
    :raise SchemaMismatch: it is of a newer version of the format or of the schema.
    """
    path = folder / NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidBackup(f"{folder} is no backup: {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidBackup(f"{path}: {'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}") from error
    if manifest.format != FORMAT:
        raise SchemaMismatch(f"{folder} has format {manifest.format}; this software knows format {FORMAT}")
    if not 1 <= manifest.schema_version <= schema.VERSION:
        raise SchemaMismatch(
            f"{folder} is of schema version {manifest.schema_version};"
            f" this software knows versions up to {schema.VERSION}"
        )
    if unknown := sorted(manifest.tables.keys() - schema.TABLES.keys()):
        raise SchemaMismatch(f"{folder} has a table {unknown[0]}, which this software does not know")
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Accept the files of a backup when they are what the manifest says.

    :raise InvalidBackup: one is not there, or has other bytes.
    """
    for table in manifest.tables.values():
        path = folder / table.file
        try:
            found = sha256_of(path)
        except OSError as error:
            raise InvalidBackup(f"{path}: {error.strerror}") from error
        if found != table.sha256:
            raise InvalidBackup(f"{path} has SHA-256 {found}, and {table.sha256} when it was written")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
