"""`/tables` over Arrow tables of any kind, on a socket of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa
from werkzeug.serving import WSGIRequestHandler, make_server

from api import errors, tables
from api.openapi import Api
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.schema import Column, Table


class _Handler(WSGIRequestHandler):
    """Speaks HTTP/1.1, so that a body may end without the connection, and says nothing."""

    protocol_version = "HTTP/1.1"

    def log(self, *_given: object) -> None:  # type: ignore[override]
        """Nothing."""


@contextmanager
def serve(arrow: Mapping[str, pa.Table]) -> Iterator[str]:
    """The URL of a service that has these tables and nothing else."""
    database = DuckDB(None)
    with database.connected() as connection:
        for name, table in arrow.items():
            connection.create_table(name, table)
    with served(database, {name: table.schema for name, table in arrow.items()}) as url:
        yield url
    database.close()


@contextmanager
def served(database: Database, schemas: Mapping[str, pa.Schema]) -> Iterator[str]:
    """The URL of a service that has the tables of a database with these columns."""
    app = Api("tables")
    app.register_routes(tables.blueprint_of(database, {name: _table(name, one) for name, one in schemas.items()}))
    errors.register(app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _table(name: str, schema: pa.Schema) -> Table:
    columns = tuple(Column(field.name, field.type, f"The {field.name}", field.nullable) for field in schema)
    return Table(name, f"The {name}", columns, key=(schema.names[0],), order=(schema.names[0],))
