"""A source over Arrow tables, which notes what it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import sleep

import pyarrow as pa

from tams_data.scan.predicate import Condition, Predicate, kept


@dataclass(frozen=True)
class Asked:
    """One scan, as the source was asked for it; the predicate by the text of its conditions."""

    table: str
    columns: tuple[str, ...]
    predicate: tuple[str, ...]


@dataclass
class MemorySource:
    """Tables in memory. A `lax` one ignores predicates; `failing` is raised after the first batch of a scan."""

    tables: Mapping[str, pa.Table]
    lax: bool = False
    failing: Exception | None = None
    rows_per_batch: int = 2
    seconds_per_batch: float = 0
    asked: list[Asked] = field(default_factory=list)
    open: int = 0
    transactions: int = 0
    batches: int = 0

    def list_tables(self) -> list[str]:
        return list(self.tables)

    def schema(self, name: str) -> pa.Schema:
        return self.tables[name].schema

    def filters_by(self, schema: pa.Schema, condition: Condition) -> bool:  # noqa: ARG002
        return not self.lax

    @contextmanager
    def transaction(self) -> Iterator[MemorySource]:
        self.transactions += 1
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1

    def scan(self, name: str, columns: Sequence[str], predicate: Predicate) -> pa.RecordBatchReader:
        assert self.open, "scanned outside a transaction"
        self.asked.append(Asked(name, tuple(columns), tuple(map(str, predicate))))
        table = self.tables[name].select(list(columns))
        return pa.RecordBatchReader.from_batches(table.schema, self._batches(table, () if self.lax else predicate))

    def _batches(self, table: pa.Table, predicate: Predicate) -> Iterator[pa.RecordBatch]:
        for batch in table.to_batches(max_chunksize=self.rows_per_batch):
            assert self.open, "read after its transaction"
            self.batches += 1
            sleep(self.seconds_per_batch)
            yield kept(batch, predicate)
            if self.failing is not None:
                raise self.failing

    def close(self) -> None:
        self.tables = {}
