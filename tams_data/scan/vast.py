"""`ibis.vast`: VAST Database as an Ibis backend.

    con = ibis.vast.connect("https://vast.example", access=…, secret=…, bucket="media", schema="tams")
    con = ibis.connect("vast://access:secret@vast.example/media/tams")

Scans go through the vastdb SDK: columns and conditions are sent to VAST, the splits of a large table are read in
parallel, and the rows stream. Every query is one transaction, and every error is vastdb's own. The SDK opens an ADBC
connection for each transaction where `adbc_driver_vastdb` is installed; nothing here needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from math import ceil
from typing import Any
from urllib.parse import ParseResult, unquote

import pyarrow as pa
import vastdb
from vastdb._table_interface import ITable
from vastdb.config import QueryConfig, SessionConfig
from vastdb.session import Session
from vastdb.table_metadata import TableMetadata, TableRef, TableType
from vastdb.transaction import Transaction

from tams_data.scan import backend
from tams_data.scan.predicate import Column, Comparison, Condition, OneOf, Operator, Predicate
from tams_data.scan.rendering import can_render, chunks, rendered

_FEW_SPLITS = 2
"""Up to so many splits, their number is said beforehand: vastdb starts a thread for each endpoint otherwise."""

_ROW_GROUP = 2**16
"""Rows in a row group of VAST."""


class VastSnapshot:
    """The tables of a schema in one transaction."""

    def __init__(self, tables: Mapping[str, TableMetadata], transaction: Transaction, query: QueryConfig) -> None:
        self.transaction = transaction
        self._tables = tables
        self._query = query

    def scan(self, name: str, columns: Sequence[str], predicate: Predicate) -> pa.RecordBatchReader:
        """The rows of a table, from one select, or several that each ask for a part of a long list of values."""
        metadata = self._tables[name]
        pushed = tuple(one for one in predicate if can_render(metadata.arrow_schema, one))
        schema = pa.schema([metadata.arrow_schema.field(column) for column in columns])
        return pa.RecordBatchReader.from_batches(schema, self._batches(metadata, list(columns), pushed))

    def metadata(self, name: str) -> TableMetadata:
        """What vastdb knows of a table."""
        return self._tables[name]

    def table(self, name: str) -> ITable:
        """A table as vastdb has it, in this transaction."""
        return self.transaction.table_from_metadata(self._tables[name])

    def _batches(self, metadata: TableMetadata, columns: list[str], predicate: Predicate) -> Iterator[pa.RecordBatch]:
        table = self.transaction.table_from_metadata(metadata)
        for part in chunks(predicate):
            yield from table.select(
                list(columns),  # vastdb appends to a list it is given
                predicate=rendered(metadata.ibis_table, part),
                config=self.config(metadata, part),
            )

    def config(self, metadata: TableMetadata, predicate: Predicate = ()) -> QueryConfig:
        """How a scan of a table is divided, by as many rows as it had when it was asked for.

        What is in one block of row groups is in one sub-split, and further ones would be asked for nothing. A scan
        for a stretch of a sorted table is one split, however many rows the table has: each more is one more request,
        of which all but one find nothing.
        """
        if self._query.num_splits is not None or metadata.stats is None:
            return self._query
        rows = metadata.stats.num_rows
        splits = 1 if _is_stretch(metadata, predicate) else rows // self._query.rows_per_split
        if splits > _FEW_SPLITS:
            return self._query
        blocks = ceil(rows / (_ROW_GROUP * self._query.num_row_groups_per_sub_split))
        sub_splits = min(self._query.num_sub_splits, max(1, blocks))
        return replace(self._query, num_splits=max(1, splits), num_sub_splits=sub_splits)


def _is_stretch(metadata: TableMetadata, predicate: Predicate) -> bool:
    """Whether a predicate seeks values of the columns a table is sorted by: of all of them, or of the first ones and
    then a range, of which one end is enough. What overlaps a window says but where starts end."""
    if metadata.table_type is not TableType.Elysium:
        return False
    for number, column in enumerate((field.name,) for field in metadata.sorted_columns):
        asked = _asked_of(column, predicate)
        if "=" not in asked:
            return number > 0 and bool(asked & {"<", "<=", ">", ">="})
    return True


def _asked_of(column: Column, predicate: Predicate) -> set[Operator]:
    """The operators by which a column is compared; a list of values is as good as one."""
    asked: set[Operator] = {one.operator for one in predicate if isinstance(one, Comparison) and one.column == column}
    listed = any(isinstance(one, OneOf) and one.column == column for one in predicate)
    return asked | {"="} if listed else asked


class VastSource:
    """The tables of one VAST schema. Safe to use from several threads."""

    def __init__(self, session: Session, bucket: str, schema: str, query: QueryConfig | None = None) -> None:
        """Read through `session`; `query` says how vastdb divides a scan.

        What vastdb knows of a table is asked for once, and again by every `schema(name)`.
        """
        self.bucket = bucket
        self.name = schema
        self.session = session
        self._query = query or QueryConfig()
        self._tables = _Tables(self)

    def __repr__(self) -> str:
        return f"VastSource({self.bucket}/{self.name})"

    def list_tables(self) -> list[str]:
        """The names of the schema's tables."""
        with self.transaction() as snapshot:
            names: list[str] = snapshot.transaction.bucket(self.bucket).schema(self.name).tablenames()
            return names

    def schema(self, name: str) -> pa.Schema:
        """The columns of a table, as they are now."""
        metadata = self._tables[name] = self.metadata(name)
        return metadata.arrow_schema

    def metadata(self, name: str) -> TableMetadata:
        """What vastdb needs to know of a table before it can select from it."""
        with self.transaction() as snapshot:
            return self._metadata(name, snapshot.transaction)

    def _metadata(self, name: str, transaction: Transaction) -> TableMetadata:
        metadata = TableMetadata(TableRef(self.bucket, self.name, name))
        metadata.load(transaction)
        return metadata

    def snapshot(self, transaction: Transaction) -> VastSnapshot:
        """The tables in a transaction that somebody else ends, as it sees them now."""
        return VastSnapshot(self._tables, transaction, self._query)

    def load(self, name: str, transaction: Transaction) -> None:
        """Ask anew for what is to be known of a table, in a transaction that may have created it."""
        self._tables[name] = self._metadata(name, transaction)

    def forget(self) -> None:
        """Know nothing of any table: a transaction that created some was rolled back."""
        self._tables.clear()

    def filters_by(self, schema: pa.Schema, condition: Condition) -> bool:
        """Whether VAST filters by it."""
        return can_render(schema, condition)

    @contextmanager
    def transaction(self) -> Iterator[VastSnapshot]:
        """A transaction that reads: it is committed however the block ends, for there is nothing to roll back."""
        transaction = self.session.transaction()
        transaction.__enter__()
        try:
            yield self.snapshot(transaction)
        except BaseException:
            with suppress(Exception):  # what went wrong first is what the reader must see
                transaction.__exit__(None, None, None)
            raise
        transaction.__exit__(None, None, None)

    def close(self) -> None:
        """Close the connections to VAST."""
        self.session.api.__exit__()


class _Tables(dict[str, TableMetadata]):
    """What is known of tables, asked for when it is first wanted."""

    def __init__(self, source: VastSource) -> None:
        super().__init__()
        self._source = source

    def __missing__(self, name: str) -> TableMetadata:
        metadata = self[name] = self._source.metadata(name)
        return metadata


class Backend(backend.Backend):
    """An Ibis connection to the tables of one VAST schema."""

    name = "vast"
    source: VastSource

    def do_connect(  # type: ignore[override]
        self,
        endpoint: str | None = None,
        *,
        access: str | None = None,
        secret: str | None = None,
        bucket: str,
        schema: str,
        data_endpoints: Sequence[str] | None = None,
        ssl_verify: bool | str = True,
        timeout: float | None = None,
        query: QueryConfig | None = None,
    ) -> None:
        """Connect to the tables of `bucket`/`schema`.

        Parameters
        ----------
        endpoint
            URL of the VAST cluster; by default that of `AWS_S3_ENDPOINT_URL`.
        access
            Access key; by default `AWS_ACCESS_KEY_ID`.
        secret
            Secret key; by default `AWS_SECRET_ACCESS_KEY`.
        bucket
            Bucket of the database.
        schema
            Schema in the bucket; one inside another is `outer/inner`.
        data_endpoints
            URLs that scans read from, a thread each; by default those the cluster names. One that is given twice
            gets two threads.
        ssl_verify
            Whether the cluster's certificate is verified, or the path of the authorities to trust.
        timeout
            Seconds to wait for an answer; by default as long as it takes.
        query
            How vastdb divides scans into splits.
        """
        endpoints = list(data_endpoints) if data_endpoints else None
        session = vastdb.connect(
            access=access,
            secret=secret,
            endpoint=endpoint,
            ssl_verify=ssl_verify,
            timeout=timeout,
            config=SessionConfig(data_endpoints=endpoints),
        )
        super().do_connect(VastSource(session, bucket, schema, query))

    @classmethod
    def over(cls, source: VastSource) -> Backend:
        """A connection to the tables of a source that there is already."""
        connection = cls()
        backend.Backend.do_connect(connection, source)
        return connection

    @cached_property
    def db_identity(self) -> str:
        """The place and the access key, without the secret."""
        session = self.source.session
        return f"vast {session._context.endpoint} {session.access} {self.source.bucket} {self.source.name}"

    def __repr__(self) -> str:
        return f"<vast {self.source.bucket}/{self.source.name}>"

    def _from_url(self, url: ParseResult, **options: Any) -> Backend:
        """Connect to `vast://access:secret@host:port/bucket/schema`, or `vast://bucket/schema?endpoint=https://host`.

        The keys are percent-encoded, and may be left to the environment. Options are those of `connect`, and
        `tls=false` for a cluster that speaks plain HTTP.

        :raise ValueError: the bucket or the schema is missing.
        """
        host = url.netloc.rpartition("@")[2]
        path = url.path.strip("/")
        if "endpoint" in options:
            options.pop("tls", None)
            bucket, schema = host, path
        else:
            scheme = "https" if _truth(options.pop("tls", "true")) else "http"
            options["endpoint"] = f"{scheme}://{host}"
            bucket, _, schema = path.partition("/")
        if not bucket or not schema:
            raise ValueError(f"vast://{host}{url.path}: not vast://access:secret@host/bucket/schema")
        given = {"access": url.username, "secret": url.password}
        keys = {name: unquote(key) for name, key in given.items() if key}
        connection: Backend = self.connect(**{**keys, **_typed(options), "bucket": bucket, "schema": schema})
        return connection


def _typed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a URL, which are text, as what `connect` takes."""
    return {
        name: _OPTIONS[name](value) if name in _OPTIONS and isinstance(value, str) else value
        for name, value in options.items()
    }


def _truth(text: str) -> bool | str:
    """A truth value, or the text itself."""
    return {"true": True, "false": False}.get(text.lower(), text)


_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "ssl_verify": _truth,
    "timeout": float,
    "data_endpoints": lambda text: text.split(","),
}
