"""What a backup is made from: every row of every table at one instant, from the store itself or over HTTP.

Over HTTP it is one answer: a line of JSON with the `Head`, an Arrow stream for each table in the order of the schema
module, and a line of JSON with the number of rows of each, without which it is not whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from time import time_ns
from typing import IO, Any, TypeAlias

import orjson
import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Database, Scan
from tams_data.errors import InvalidBackup, SchemaMismatch
from tams_data.keeping.versions import check_version
from tams_data.queries import tables as queries
from tams_data.store import outbox

CONTENT_TYPE = "application/vnd.tams-data.backup"

_LONGEST_LINE = 2**16

TableRows: TypeAlias = tuple[schema.Table, Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Head:
    """What rows are of: the engine they come from, its schema version, and the instant, ns UTC."""

    engine: str
    schema_version: int
    instant_ns: int


@dataclass(frozen=True)
class Contents:
    """The rows of a store. Those of each table are read to their end before the next table is."""

    head: Head
    tables: Iterator[TableRows]


def contents_of(database: Database, scan: Scan) -> Contents:
    """The rows of the state that `scan` reads.

    :raise SchemaMismatch: the store was written with another schema version than this software writes.
    """
    check_version(database, scan)
    head = Head(database.name, schema.VERSION, time_ns())
    return Contents(head, ((table, _rows(database, scan, table)) for table in schema.TABLES.values()))


def _rows(database: Database, scan: Scan, table: schema.Table) -> Iterator[pa.RecordBatch]:
    for batch in scan.batches(queries.columns, table=table.name, names=table.names):
        yield batch.cast(table.arrow)  # to the engines every column may hold nulls
    if table is schema.EVENTS and not database.sole_writer:
        yield from outbox.sequenced(scan).to_batches()  # where they come to next


def sent(contents: Contents) -> Iterator[bytes]:
    """Contents as what is sent."""
    yield _line(asdict(contents.head))
    counts: dict[str, int] = {}
    for table, batches in contents.tables:
        counts[table.name] = 0
        yield table.arrow.serialize().to_pybytes()
        for batch in batches:
            counts[table.name] += batch.num_rows
            yield batch.serialize().to_pybytes()
        yield _END
    yield _line(counts)


_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""How an Arrow stream ends."""


def received(file: IO[bytes]) -> Contents:
    """The contents that are sent in a file, read from it as they are asked for.

    :raise InvalidBackup: it is none, or ends before its end; also while its tables are read.
    :raise SchemaMismatch: they are of a store whose schema this software does not have.
    """
    head = Head(**_read_line(file))
    if head.schema_version != schema.VERSION:
        raise SchemaMismatch(
            f"the service has schema version {head.schema_version}, and this software {schema.VERSION}: use the same"
        )
    return Contents(head, _received(file))


def _received(file: IO[bytes]) -> Iterator[TableRows]:
    counts: dict[str, int] = {}
    for table in schema.TABLES.values():
        counts[table.name] = 0
        yield table, _counted(table, file, counts)
    if _read_line(file) != counts:
        raise InvalidBackup("what the service sent is not what it says that it sent")


def _counted(table: schema.Table, file: IO[bytes], counts: dict[str, int]) -> Iterator[pa.RecordBatch]:
    try:
        with pa.ipc.open_stream(file) as reader:
            if not reader.schema.equals(table.arrow):
                raise SchemaMismatch(f"the service has other columns in {table.name} than this software")
            for batch in reader:
                counts[table.name] += batch.num_rows
                yield batch
    except (pa.ArrowException, OSError) as error:
        raise InvalidBackup(f"what the service sent ends within {table.name}: {error}") from error


def _line(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def _read_line(file: IO[bytes]) -> dict[str, Any]:
    line = file.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise InvalidBackup("what the service sent is not whole: it broke off, and its log says why")
    found: dict[str, Any] = orjson.loads(line)
    return found
