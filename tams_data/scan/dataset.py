"""A table as DuckDB sees it: a pyarrow dataset whose scans are a source's."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from tams_data.scan.decoder import decode
from tams_data.scan.predicate import Predicate, kept, never

Scan: TypeAlias = Callable[[Sequence[str], Predicate], pa.RecordBatchReader]
"""Scans one table for columns and a predicate, giving at least the rows that satisfy it."""


class Stream(Iterator[pa.RecordBatch]):
    """The batches of one scan. It may be closed while a thread of DuckDB waits for the next: that is waited for."""

    def __init__(self, batches: Generator[pa.RecordBatch, None, None]) -> None:
        self._batches = batches
        self._lock = Lock()

    def __next__(self) -> pa.RecordBatch:
        with self._lock:
            return next(self._batches)

    def close(self) -> None:
        """End the scan, if it has not come to its end."""
        with self._lock:
            self._batches.close()


@dataclass(frozen=True)
class Scanner:
    """What DuckDB asks of a scanner: a reader."""

    schema: pa.Schema
    batches: Stream

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows, as they come."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches)


def _unread(*_asked: object) -> pa.RecordBatchReader:
    raise RuntimeError("a table was scanned when no query was under way")


class ScanDataset(ds.Dataset):  # type: ignore[misc]  # pyarrow is untyped
    """A table, during one query after the other. DuckDB asks for a scanner for every occurrence of it in a query,
    from a thread of its own.

    `error` is the first error of a query's scans: DuckDB keeps but the text. The base class is not initialised, for
    there is nothing in Arrow behind it; DuckDB asks for the schema and scanners only.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.error: Exception | None = None
        self._schema = schema
        self._scan: Scan = _unread
        self._begun: list[Stream] = []

    def begin(self, scan: Scan) -> None:
        """Have the table read by `scan`, which belongs to the transaction of a query."""
        self.error, self._scan = None, scan

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table."""
        return self._schema

    def scanner(self, columns: Sequence[str], filter: pc.Expression | None = None) -> Scanner:  # noqa: A002
        """The rows that satisfy the filter: exactly, for DuckDB does not apply again what it pushed down."""
        try:
            predicate = decode(filter) if filter is not None else ()
            schema = pa.schema([self._schema.field(name) for name in columns])
            reader = None if never(predicate) else self._scan(columns, predicate)
        except Exception as error:
            self.error = self.error or error
            raise
        batches = Stream(self._rows(reader, schema, predicate))
        self._begun.append(batches)
        return Scanner(schema, batches)

    def end(self) -> None:
        """End the query's scans that were not read to their end, and refuse others."""
        self._scan = _unread
        for batches in self._begun:
            batches.close()
        self._begun = []

    def _rows(
        self, reader: pa.RecordBatchReader | None, schema: pa.Schema, predicate: Predicate
    ) -> Generator[pa.RecordBatch, None, None]:
        try:
            for batch in reader or ():
                rows = kept(batch, predicate)
                if rows.num_rows:
                    yield pa.RecordBatch.from_arrays(rows.columns, schema=schema)
        except Exception as error:
            self.error = self.error or error
            raise
