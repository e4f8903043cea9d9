"""`/tables`: the tables of the store as Arrow, for analysts. An extension; TAMS has no such path."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from itertools import chain

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from flask import Response
from pydantic import BaseModel, Field

from api.models.answers import Tables
from api.openapi import Routes, answers, blueprint
from api.paging import json
from api.validation import Query, validated
from tams_data.engines.base import Database
from tams_data.errors import InvalidInput, TableNotFound
from tams_data.queries import tables as queries
from tams_data.scan.filters import InvalidFilter, predicate_of
from tams_data.scan.predicate import Predicate, never
from tams_data.schema import Table

CONTENT_TYPE = "application/vnd.apache.arrow.stream"

BATCH_ROWS = 65_536
"""Rows that are in memory at once, and are sent as one batch."""

_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_BROKEN = b"\xff\xff\xff\xff"
"""How a stream that cannot go on ends: with the beginning of a message, which no reader of Arrow takes for an end.

To break off is not enough: the server would end the response as if it were whole, and a reader is content without
`_END`.
"""


class TablePath(BaseModel):
    """A table."""

    name: str = Field(description="Name of the table")


class RowsQuery(Query):
    """Which columns of which rows."""

    columns: str | None = Field(None, description="Names of columns, a comma list in the order wanted; default: all")
    filter: str | None = Field(
        None,
        description="Only rows for which every condition of a JSON array holds. A condition is"
        ' `["start_ns", ">=", 0]` (`=`, `!=`, `<`, `<=`, `>`, `>=`), `["flow_id", "in", ["…", "…"]]`,'
        ' `["label", "is", "null"]` (`not null`), `{"any": […]}`, `{"all": […]}`, `true` or `false`; default: all rows',
    )


def _whole(connection: ibis.BaseBackend, name: str) -> ir.Table:
    return connection.table(name)


def blueprint_of(
    database: Database, tables: Mapping[str, Table], *, seen: Callable[[ibis.BaseBackend, str], ir.Table] = _whole
) -> Routes:
    """The routes that read these tables of a database, but for their secret columns.

    `seen` gives what may be shown of a table, by its name.
    """
    bp = blueprint("tables", "The store's tables as Arrow, for analysts: an extension of TAMS")

    @bp.get("/tables", responses=answers(ok=Tables))
    @validated
    def get_tables() -> Response:
        """The tables that can be read, with their columns: an extension of TAMS."""
        return json([_described(table) for table in tables.values()])

    @bp.get(
        "/tables/<name>",
        responses=answers(
            404,
            400,
            status_200={
                "description": "An Arrow IPC stream. When it cannot go on it ends within a message, never between two",
                "content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}},
            },
        ),
    )
    @validated
    def get_table(path: TablePath, query: RowsQuery) -> Response:
        """Rows of a table as a stream of Arrow batches, in no order: an extension of TAMS.

        They are of one state of the table, and are read as they are sent.

        :raise TableNotFound: there is no such table.
        :raise InvalidInput: a column is not there, or the filter is none of the table.
        """
        table = tables.get(path.name)
        if table is None:
            raise TableNotFound(f"there is no table {path.name!r}")
        schema = _chosen(table, query.columns)
        batches = _batches(database, table, schema.names, _predicate(table, query.filter), seen)
        response = Response(_stream(schema, _begun(batches)), content_type=CONTENT_TYPE)
        # Whether it was sent to its end, given up or never begun; what reads ends its transaction.
        response.call_on_close(batches.close)
        return response

    return bp


def _described(table: Table) -> dict[str, object]:
    columns = [
        {"name": one.name, "type": str(one.type), "description": one.description, "nullable": one.nullable}
        for one in table.columns
        if not one.secret
    ]
    return {"name": table.name, "description": table.description, "columns": columns}


def _chosen(table: Table, columns: str | None) -> pa.Schema:
    """The columns that are wanted."""
    names = table.readable.names if columns is None else columns.split(",")
    for name in names:
        if name not in table.readable.names:
            raise InvalidInput(f"table {table.name} has no column {name!r}", field="columns", value=name)
        if names.count(name) > 1:
            raise InvalidInput(f"column {name} is named more than once", field="columns", value=columns)
    return pa.schema([table.readable.field(name) for name in names], table.readable.metadata)


def _predicate(table: Table, text: str | None) -> Predicate:
    try:
        return () if text is None else predicate_of(table.readable, text)
    except InvalidFilter as error:
        raise InvalidInput(str(error), field=error.place, value=error.value) from error


def _batches(
    database: Database,
    table: Table,
    columns: list[str],
    predicate: Predicate,
    seen: Callable[[ibis.BaseBackend, str], ir.Table],
) -> Generator[pa.RecordBatch, None, None]:
    """The rows, read as they are asked for; nothing is read where no row can be found, as for the schema alone."""
    if never(predicate):
        return
    with database.connected() as connection:
        expression = queries.rows(seen(connection, table.name), columns, predicate)
        yield from connection.to_pyarrow_batches(expression, chunk_size=BATCH_ROWS)


def _begun(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, the first of which has been read: what goes wrong before it can still be answered as an error."""
    first = next(batches, None)
    return batches if first is None else chain([first], batches)


def _stream(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """The messages of an Arrow IPC stream."""
    yield schema.serialize().to_pybytes()
    try:
        for batch in batches:
            yield batch.cast(schema).serialize().to_pybytes()  # to the engines every column may hold nulls
    except Exception:  # whatever it is: to the reader it must not look like the end
        yield _BROKEN
        raise
    yield _END
