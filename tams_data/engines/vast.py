"""The engine for many processes: the tables are in VAST Database, reached through its SDK.

Queries are planned by the DuckDB of `tams_data.scan`, which sends columns and conditions to VAST and does the rest
with the rows that come. One VAST transaction covers a read, a snapshot or a transaction; inside it, what it has
written is read. VAST writes by row id, so an update and a delete find the rows of their keys first.

Snapshots do not see each other's writes, and only two writes of one row conflict: see `lock`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import time_ns
from typing import Any

import ibis
import pyarrow as pa
import requests
import urllib3
import vastdb
from vastdb import errors
from vastdb.config import BackoffConfig, SessionConfig
from vastdb.schema import Schema as VastSchema
from vastdb.session import Session
from vastdb.table_metadata import TableMetadata, TableType
from vastdb.transaction import Transaction as VastTransaction

from tams_data import schema
from tams_data.engines import binding
from tams_data.engines.base import (
    BATCH_ROWS,
    Description,
    Query,
    Reader,
    Scan,
    TableSummary,
    Transaction,
    check_version,
)
from tams_data.engines.compiling import compiled
from tams_data.engines.fetching import Fetch, FetchingReader, R
from tams_data.engines.retrying import retried
from tams_data.engines.steps import filled
from tams_data.errors import CommitUnconfirmed, StoreUnavailable, TransactionConflict
from tams_data.scan.explain import Recorder, TableScan
from tams_data.scan.predicate import OneOf
from tams_data.scan.rendering import chunks, rendered
from tams_data.scan.source import Snapshot
from tams_data.scan.vast import Backend, VastSnapshot, VastSource
from tams_data.settings import VastSettings

log = logging.getLogger(__name__)

_ROW_ID = "$row_id"

_LOCKS = 4095
"""Rows to lock names by, between the first and the last two. Two names on one row cost a retry now and then."""

_PATIENCE_S = 600
"""How long creating the tables is tried while another process is at it: it may fill some."""

_SORTED_TABLES = (5, 3)
"""The version of VAST that first has them; before, a table gets a semi-sorted projection."""

_UNAVAILABLE = (
    errors.ConnectionError,
    errors.HttpError,
    errors.Missing,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)

# The SDK writes what it raises to its log as well, which without any handler would go to stderr.
logging.getLogger("vastdb").addHandler(logging.NullHandler())


@contextmanager
def _errors() -> Iterator[None]:
    """VAST's errors that are nobody's mistake, as the project's own."""
    try:
        yield
    except errors.Conflict as error:
        raise TransactionConflict(f"VAST: {_said(error)}") from error
    except errors.BadRequest:
        raise
    except _UNAVAILABLE as error:
        raise StoreUnavailable(f"VAST: {_said(error)}") from error


def _said(error: Exception) -> str:
    """What an error of the SDK says, without the request that it carries."""
    if isinstance(error, errors.HttpError):
        return f"{type(error).__name__} {error.status} {error.code}: {error.message}"
    cause = error.cause if isinstance(error, errors.ConnectionError) else error
    return f"{type(error).__name__}: {cause}"


class _Reads(FetchingReader):
    """Reads in one transaction of VAST."""

    sorts = False

    def __init__(self, backend: Backend, snapshot: Snapshot) -> None:
        self._backend = backend
        self._snapshot = snapshot

    def _fetched(
        self, query: Query, values: Mapping[str, binding.Value], options: Mapping[str, Hashable], fetch: Fetch[R]
    ) -> R:
        found = compiled(query, values, **options)
        relations = binding.relations(values)
        with _errors(), self._backend.session(found.tables, self._snapshot, own=bool(relations)) as cursor:
            for name, table in relations.items():
                cursor.register(name, table)
            return fetch(cursor.execute(found.sql, found.parameters(values)))

    def batches(self, query: Query, /, **options: Hashable) -> Iterator[pa.RecordBatch]:
        found = compiled(query, {}, **options)
        with _errors(), self._backend.session(found.tables, self._snapshot, own=True) as cursor:
            yield from cursor.execute(found.sql).fetch_record_batch(BATCH_ROWS)


class _Writes(_Reads):
    """Reads and writes in one transaction of VAST."""

    _snapshot: VastSnapshot

    def insert(self, table: schema.Table, rows: pa.Table) -> None:
        if rows.num_rows:
            with _errors():
                self._snapshot.table(table.name).insert(rows.select([n for n in table.names if n in rows.column_names]))

    def update(self, table: schema.Table, rows: pa.Table) -> None:
        found, given = self._agreeing(table, rows, table.key)
        changed = [name for name in rows.column_names if name not in table.key]
        if found.num_rows and changed:
            columns = {_ROW_ID: found[_ROW_ID], **{name: given[name] for name in changed}}
            fields = [found.schema.field(_ROW_ID), *(given.schema.field(name) for name in changed)]
            with _errors():
                self._snapshot.table(table.name).update(pa.table(columns, schema=pa.schema(fields)))

    def delete(self, table: schema.Table, keys: pa.Table) -> None:
        found, _ = self._agreeing(table, keys, keys.column_names)
        if found.num_rows:
            with _errors():
                self._snapshot.table(table.name).delete(found)

    def lock(self, *names: str) -> None:
        slots = sorted({1 + schema.id_hash(name) % _LOCKS for name in names})
        if slots:
            rows = [{"slot": slot, "number": 0} for slot in slots]
            self.update(schema.WRITE_LOCKS, schema.WRITE_LOCKS.rows(rows))

    def _agreeing(self, table: schema.Table, given: pa.Table, columns: Sequence[str]) -> tuple[pa.Table, pa.Table]:
        """The row ids of the rows that agree with one of `given` in these columns, and for each the one it is."""
        found = self._candidates(table, given, columns)
        wanted = {key: i for i, key in enumerate(_keys(given, columns))}
        matches = [(i, wanted[key]) for i, key in enumerate(_keys(found, columns)) if key in wanted]
        rows, of = zip(*matches, strict=True) if matches else ((), ())
        return found.take(pa.array(rows, pa.int64())), given.take(pa.array(of, pa.int64()))

    def _candidates(self, table: schema.Table, given: pa.Table, columns: Sequence[str]) -> pa.Table:
        """`columns` and the row ids of all rows whose every column has a value that some row of `given` has."""
        metadata = self._snapshot.metadata(table.name)
        predicate = tuple(OneOf((name,), _distinct(given[name])) for name in columns)
        vast_table = self._snapshot.table(table.name)
        parts = []
        with _errors():
            for part in chunks(predicate if given.num_rows else ()) if given.num_rows else ():
                reader = vast_table.select(
                    list(columns),
                    predicate=rendered(metadata.ibis_table, part),
                    config=self._snapshot.config(metadata, part),
                    internal_row_id=True,
                )
                parts.append(reader.read_all())
        return pa.concat_tables(parts) if parts else pa.table({name: [] for name in (*columns, _ROW_ID)})


class Vast:
    """A store in one schema of VAST Database. Other processes may have it open, and write to it."""

    name = "vast"
    sole_writer = False
    sorts = False

    def __init__(self, settings: VastSettings) -> None:
        """Connect.

        :raise StoreUnavailable: the cluster cannot be reached, or does not know the keys.
        """
        self._settings = settings
        with _errors():
            self._session = _session(settings)
        self._source = VastSource(self._session, settings.bucket, settings.schema_name)
        self._backend = Backend.over(self._source)
        self._closed = False

    def __repr__(self) -> str:
        return f"Vast({self._settings.bucket}/{self._settings.schema_name})"

    def read(self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable) -> pa.Table:
        with self.snapshot() as reader:
            return reader.read(query, values, **options)

    def rows(
        self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable
    ) -> list[dict[str, Any]]:
        with self.snapshot() as reader:
            return reader.rows(query, values, **options)

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        with self._begun() as transaction:
            yield _Reads(self._backend, self._source.snapshot(transaction))

    @contextmanager
    def scanning(self) -> Iterator[Scan]:
        with self._begun() as transaction:
            yield _Reads(self._backend, self._source.snapshot(transaction))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._begun() as transaction:
            yield _Writes(self._backend, self._source.snapshot(transaction))

    @contextmanager
    def _begun(self) -> Iterator[VastTransaction]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        self._check_open()
        transaction = self._session.transaction()
        with _errors():
            transaction.__enter__()
        try:
            yield transaction
        except BaseException as error:
            with suppress(Exception):  # what went wrong first is what the caller must see; VAST ends it in time
                transaction.__exit__(type(error), error, error.__traceback__)
            raise
        try:
            with _errors():
                transaction.__exit__(None, None, None)
        except TransactionConflict:
            raise
        except StoreUnavailable as error:
            raise CommitUnconfirmed(f"{error}; whether it committed is not known") from error

    def create_tables(self) -> None:
        try:
            self._create_tables()
        except TransactionConflict:
            log.warning("another process creates the tables of %r, or brings them forward: it is waited for", self)
            retried(self._create_tables, _PATIENCE_S)

    def _create_tables(self) -> None:
        try:
            with self._begun() as transaction, _errors():
                bucket = transaction.bucket(self._settings.bucket)
                place = bucket.create_schema(self._settings.schema_name, fail_if_exists=False)
                found = set(place.tablenames())
                versions = self._versions(place) if schema.SCHEMA_VERSIONS.name in found else []
                if schema.VERSION not in versions:
                    self._bring_up_to_date(transaction, place, found, versions)
        except BaseException:
            self._source.forget()
            raise

    def _versions(self, place: VastSchema) -> list[int]:
        """The versions that the tables have had.

        :raise SchemaMismatch: this software does not know the highest.
        """
        table = place.table(schema.SCHEMA_VERSIONS.name)
        versions: list[int] = table.select(["version"]).read_all()["version"].to_pylist()
        check_version(self, versions)
        return versions

    def _bring_up_to_date(
        self, transaction: VastTransaction, place: VastSchema, found: set[str], versions: Collection[int]
    ) -> None:
        """Add the tables and columns that are not there, fill what is to be filled, and note the version."""
        for table in schema.ALL.values():
            if table.name in found:
                _add_columns(place, table)
            else:
                _create_table(self._session, place, table)
            self._source.load(table.name, transaction)
        writes = _Writes(self._backend, self._source.snapshot(transaction))
        there = _slots(place) if schema.WRITE_LOCKS.name in found else ()
        slots = sorted(set(range(_LOCKS + 3)).difference(there))
        writes.insert(schema.WRITE_LOCKS, schema.WRITE_LOCKS.columns_of(len(slots), slot=slots, number=0))
        writes.lock("schema")  # two processes must not both note the version
        for table, rows in filled(writes, versions):
            writes.insert(table, rows)
        now = schema.SCHEMA_VERSIONS.rows([{"version": schema.VERSION, "applied_ns": time_ns()}])
        writes.insert(schema.SCHEMA_VERSIONS, now)

    @contextmanager
    def connected(self) -> Iterator[ibis.BaseBackend]:
        self._check_open()
        with _errors():
            yield self._backend  # what it reads is in transactions that end with their readers

    def ibis(self) -> ibis.BaseBackend:
        self._check_open()
        source = VastSource(self._session, self._settings.bucket, self._settings.schema_name)
        return Backend.over(source)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._backend.disconnect()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self!r} is closed")

    def explain(
        self, query: Query, values: Mapping[str, binding.Value] | None = None, /, **options: Hashable
    ) -> tuple[TableScan, ...]:
        """What VAST is asked for by `read`, and which conditions it is not: see `scan.explain`."""
        recorder = Recorder(self._source)
        _Reads(self._backend, recorder).read(query, values, **options)
        return tuple(recorder.scans)

    def list_schemas(self) -> list[str]:
        """The names of the schemas in the bucket."""
        with self._begun() as transaction, _errors():
            return [one.name for one in transaction.bucket(self._settings.bucket).schemas()]

    def list_tables(self) -> list[str]:
        """The names of the tables in the store's schema, others than the store's among them."""
        return [one.name for one in self.describe().tables]

    def describe(self) -> Description:
        with self._begun() as transaction, _errors():
            place = transaction.bucket(self._settings.bucket).schema(self._settings.schema_name)
            snapshot = self._source.snapshot(transaction)
            names = place.tablenames()
            for name in names:
                self._source.load(name, transaction)
            summaries = [_summary(snapshot.metadata(name)) for name in names]
        version = ".".join(map(str, self._session.features.vast_version))
        return Description(self.name, version, tuple(sorted(summaries, key=lambda one: one.name)))

    def drop_tables(self) -> None:
        """Drop the schema with every table in it, others than the store's among them; nothing when there is none."""
        with self._begun() as transaction, _errors():
            bucket = transaction.bucket(self._settings.bucket)
            place = bucket.schema(self._settings.schema_name, fail_if_missing=False)
            if place is not None:
                for table in place.tables():
                    table.drop()
                place.drop()
        self._source.forget()


def _slots(place: VastSchema) -> list[int]:
    slots: list[int] = place.table(schema.WRITE_LOCKS.name).select(["slot"]).read_all()["slot"].to_pylist()
    return slots


def _summary(table: TableMetadata) -> TableSummary:
    sorted_by = table.sorted_columns if table.table_type is TableType.Elysium else ()
    return TableSummary(
        table.ref.table,
        tuple(table.arrow_schema.names),
        tuple(field.name for field in sorted_by),
        table.stats.num_rows if table.stats else 0,
        table.stats.size_in_bytes if table.stats else 0,
    )


def _session(settings: VastSettings) -> Session:
    endpoints = settings.data_endpoints.split(",") if settings.data_endpoints else None
    verify = {"true": True, "false": False}.get(settings.tls_verify.lower(), settings.tls_verify)
    return vastdb.connect(
        endpoint=settings.endpoint,
        access=settings.access_key,
        secret=settings.secret_key.get_secret_value(),
        ssl_verify=verify,
        timeout=settings.timeout,
        backoff_config=BackoffConfig(max_tries=settings.retries),
        config=SessionConfig(data_endpoints=endpoints),
    )


def _create_table(session: Session, place: VastSchema, table: schema.Table) -> None:
    """Create a table whose rows are kept in the order of its key, by which they are found and never change."""
    if session.features.vast_version >= _SORTED_TABLES:
        place.create_table(table.name, table.arrow, sorting_key=list(table.key))
    else:
        rest = [name for name in table.names if name not in table.key]
        place.create_table(table.name, table.arrow).create_projection("by_key", list(table.key), rest)


def _add_columns(place: VastSchema, table: schema.Table) -> None:
    """Add the columns that a newer version brings."""
    there = place.table(table.name)
    new = [field for field in table.arrow if field.name not in there.arrow_schema.names]
    if new:
        there.add_column(pa.schema(new))


def _keys(rows: pa.Table, columns: Sequence[str]) -> list[tuple[object, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in columns), strict=True))


def _distinct(values: pa.ChunkedArray) -> pa.Array:
    return values.unique().drop_null()
