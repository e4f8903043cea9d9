"""Answers as the SDK reads them: flatbuffers for lists and statistics, Arrow for columns and rows, XML for errors."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from xml.sax.saxutils import escape

import flatbuffers
import pyarrow as pa
from vastdb.vast_flatbuf.tabular import (
    GetProjectionTableStatsResponse,
    GetTableStatsResponse,
    ListProjectionsResponse,
    ListSchemasResponse,
    ListTablesResponse,
    ObjectDetails,
    VipRange,
)

from tests.vast_emulator.catalogue import Table
from tests.vast_emulator.column_types import one_leaf
from tests.vast_emulator.errors import Refused
from tests.vast_emulator.predicates import Query
from tests.vast_emulator.rows import Page

_COMPLETED = 2**32 - 2  # the stream that ends all streams of an answer
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"  # Arrow's, which ends one column
_SORTING_DONE = -(2**63)  # the highest bit of a score


@dataclass(frozen=True)
class Answer:
    """What goes back to the client; a body of several pieces is sent as they come."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""


def refusal(error: Refused) -> Answer:
    """Return what says that a request is not served, as S3 says it."""
    body = f"<Error><Code>{escape(error.code)}</Code><Message>{escape(str(error))}</Message></Error>"
    return Answer(error.status, {"Content-Type": "application/xml"}, body.encode())


@dataclass(frozen=True)
class Details:
    """A line of a list."""

    name: str
    properties: str = ""
    handle: int = 0
    rows: int = 0
    size: int = 0
    sorted: bool = False


@dataclass(frozen=True)
class Part:
    """The part of a list that a client asked for."""

    items: Sequence[Any]
    next_key: int
    truncated: bool
    total: int

    @property
    def headers(self) -> dict[str, str]:
        """What tells the client where the list goes on."""
        return {
            "tabular-next-key": str(self.next_key),
            "tabular-is-truncated": str(self.truncated).lower(),
            "tabular-list-count": str(self.total),
        }


_LISTS: Mapping[str, tuple[ModuleType, Callable[..., Any], str]] = {
    "schemas": (ListSchemasResponse, ListSchemasResponse.StartSchemasVector, "AddSchemas"),
    "tables": (ListTablesResponse, ListTablesResponse.StartTablesVector, "AddTables"),
    "projections": (ListProjectionsResponse, ListProjectionsResponse.StartProjectionsVector, "AddProjections"),
}


def listed(
    kind: str, part: Part, details: Sequence[Details], *, bucket: str, schema: str = "", table: str = ""
) -> Answer:
    """Return a list of schemas, tables or projections."""
    module, start_vector, add_vector = _LISTS[kind]
    builder = flatbuffers.Builder(1024)
    names = {"BucketName": bucket, "SchemaName": schema, "TableName": table}
    offsets = {name: builder.CreateString(text) for name, text in names.items()}
    lines = [_details(builder, one) for one in details]
    start_vector(builder, len(lines))
    for line in reversed(lines):
        builder.PrependUOffsetTRelative(line)
    vector = builder.EndVector()
    module.Start(builder)
    for name, offset in offsets.items():
        if add := getattr(module, f"Add{name}", None):  # a list of schemas has no name of a schema
            add(builder, offset)
    getattr(module, add_vector)(builder, vector)
    return Answer(headers=part.headers, body=_finished(builder, module))


def _details(builder: flatbuffers.Builder, details: Details) -> int:
    name = builder.CreateString(details.name)
    properties = builder.CreateString(details.properties)
    handle = builder.CreateString(str(details.handle))
    ObjectDetails.Start(builder)
    ObjectDetails.AddName(builder, name)
    ObjectDetails.AddProperties(builder, properties)
    ObjectDetails.AddHandle(builder, handle)
    ObjectDetails.AddNumRows(builder, details.rows)
    ObjectDetails.AddSizeInBytes(builder, details.size)
    ObjectDetails.AddSortingKeyEnabled(builder, details.sorted)
    ObjectDetails.AddSortingScore(builder, _SORTING_DONE if details.sorted else 0)
    ObjectDetails.AddAcummulativeRowInseritionCount(builder, details.rows)
    return int(ObjectDetails.End(builder))


def _finished(builder: flatbuffers.Builder, module: ModuleType) -> bytes:
    builder.Finish(module.End(builder))
    return bytes(builder.Output())


def table_stats(table: Table, *, rows: int, size: int, address: str) -> Answer:
    """Return the statistics of a table, and the address of the one node that serves it."""
    builder = flatbuffers.Builder(1024)
    start_address = builder.CreateString(address)
    VipRange.Start(builder)
    VipRange.AddStartAddress(builder, start_address)
    VipRange.AddAddressCount(builder, 1)
    vip = VipRange.End(builder)
    GetTableStatsResponse.StartVipsVector(builder, 1)
    builder.PrependUOffsetTRelative(vip)
    vips = builder.EndVector()
    stats = GetTableStatsResponse
    stats.Start(builder)
    stats.AddNumRows(builder, rows)
    stats.AddSizeInBytes(builder, size)
    stats.AddIsExternalRowidAlloc(builder, table.external_row_ids)
    stats.AddVips(builder, vips)
    stats.AddSortingKeyEnabled(builder, bool(table.sorted))
    stats.AddSortingScore(builder, _SORTING_DONE if table.sorted else 0)
    stats.AddAcummulativeRowInseritionCount(builder, rows)
    return Answer(body=_finished(builder, stats))


def projection_stats(*, rows: int, size: int) -> Answer:
    """Return the statistics of a projection, which is always up to date."""
    builder = flatbuffers.Builder(64)
    stats = GetProjectionTableStatsResponse
    stats.Start(builder)
    stats.AddNumRows(builder, rows)
    stats.AddSizeInBytes(builder, size)
    stats.AddInitialSyncProgress(builder, 100)
    return Answer(body=_finished(builder, stats))


def columns(part: Part) -> Answer:
    """Return columns as the schema of an Arrow stream."""
    return Answer(headers=part.headers, body=pa.schema(part.items).serialize().to_pybytes())


def batch(rows: pa.RecordBatch) -> bytes:
    """Return rows as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return sink.getvalue().to_pybytes()


def rows(query: Query, pages: Iterable[Page]) -> Iterator[bytes]:
    """Yield pages as VAST sends them: one Arrow stream a leaf, in pieces that each carry the page's sub-split.

    Every piece says where the sub-split goes on, which counts once all leaves of the page have arrived.
    """
    for page in pages:
        for column in _leaf_columns(query, page.rows):
            yield from _pieces(page.sub_split, page.next_row_id, column)
    yield struct.pack("<L", _COMPLETED)


def estimate(row_groups: int) -> bytes:
    """Return as many rows as there are row groups, which is how VAST says how many it would read."""
    row_ids = pa.record_batch({"row_id": pa.nulls(row_groups)}).select([])
    return b"".join([*_pieces(0, 0, row_ids), struct.pack("<L", _COMPLETED)])


def _leaf_columns(query: Query, page: pa.Table) -> Iterator[pa.RecordBatch]:
    if not query.leaves:  # the number of rows is all there is to say
        yield pa.record_batch({"row_id": page.column("row_id").combine_chunks()}).select([])
    for leaf in query.leaves:
        stored = page.column(leaf.column.stored_as).combine_chunks()
        array = one_leaf(stored, leaf.column.field.type, leaf.path)
        yield pa.record_batch([array], names=[leaf.column.name])


def _pieces(sub_split: int, next_row_id: int, column: pa.RecordBatch) -> Iterator[bytes]:
    head = struct.pack("<LQ", sub_split, next_row_id)
    yield head
    yield column.schema.serialize().to_pybytes()
    if column.num_rows:
        yield head
        yield column.serialize().to_pybytes()
    yield head
    yield _END_OF_STREAM
