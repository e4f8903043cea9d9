"""The rows of tables: written as Arrow, read in pages.

Rows are read the way VAST divides them: row groups of 65,536 row ids, some of them in a row a block, and the blocks
dealt out among the sub-splits of all splits. A sub-split is read from a row id on, for as many rows as a page may have.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tests.vast_emulator.catalogue import EXTERNAL_ROW_ID, ROW_ID, Catalogue, Projection, Table
from tests.vast_emulator.column_types import stored
from tests.vast_emulator.errors import BadRequest
from tests.vast_emulator.predicates import Query
from tests.vast_emulator.transactions import RowIds, Transaction, Transactions

ROW_GROUP = 2**16
END = 2**48 - 1
"""The row id that says that a sub-split has no more rows."""

WIDTH_OF_TEXT = 16
"""Bytes that a value of no fixed width counts for, in the size of a table."""


@dataclass(frozen=True)
class Split:
    """Which rows a request is for."""

    number: int
    splits: int
    sub_splits: int
    row_groups: int  # in a block

    @property
    def block(self) -> int:
        """Row ids in one block."""
        return self.row_groups * ROW_GROUP

    @property
    def parts(self) -> int:
        """Sub-splits of all splits: every one of them gets one block in turn."""
        return self.splits * self.sub_splits

    def part(self, sub_split: int) -> int:
        """Return which of all `parts` a sub-split of this split is."""
        return self.number * self.sub_splits + sub_split

    def start(self, sub_split: int, row_id: int) -> int:
        """Return the first row id of a sub-split from `row_id` on."""
        ahead = (self.part(sub_split) - row_id // self.block) % self.parts
        return row_id if ahead == 0 else (row_id // self.block + ahead) * self.block


@dataclass(frozen=True)
class Page:
    """Rows of a sub-split, and where it goes on."""

    sub_split: int
    rows: pa.Table
    next_row_id: int


class Rows:
    """Reads and writes the rows of tables, in a transaction given."""

    def __init__(self, catalogue: Catalogue, transactions: Transactions) -> None:
        """Keep row ids, which belong to no transaction."""
        self._catalogue = catalogue
        self._transactions = transactions
        self._next_row_ids: dict[int, int] = {}
        self._lock = threading.Lock()

    # Writing

    def insert(self, transaction: Transaction, table: Table, batch: pa.RecordBatch) -> RowIds:
        """Insert rows; columns that `batch` does not have are null.

        :raise NotFound: when the table has no such column
        :raise BadRequest: TabularMismatchColumnType, when a column is of another type
        """
        columns = _stored(table, batch)
        if EXTERNAL_ROW_ID in batch.schema.names:
            row_ids = batch.column(EXTERNAL_ROW_ID).to_numpy().astype(np.uint64)
            self._catalogue.note_external_row_ids(transaction, table)
        else:
            row_ids = self._new_row_ids(transaction, table, batch.num_rows)
            if shown := [column for column in table.columns if column.name == EXTERNAL_ROW_ID]:
                columns[shown[0].stored_as] = pa.array(row_ids.astype(np.int64))
        columns["row_id"] = pa.array(row_ids)
        with _registered(transaction, columns):
            transaction.cursor.execute(f"INSERT INTO {table.rows} BY NAME SELECT * FROM written")
        return row_ids

    def _new_row_ids(self, transaction: Transaction, table: Table, count: int) -> RowIds:
        with self._lock:
            first = self._next_row_ids.get(table.handle)
            if first is None:  # the table was not written to since the database was opened
                first = _largest_row_id(transaction, table) + 1
            self._next_row_ids[table.handle] = first + count
        return np.arange(first, first + count, dtype=np.uint64)

    def update(self, transaction: Transaction, table: Table, batch: pa.RecordBatch) -> None:
        """Change some columns of the rows that the first column of `batch` names.

        :raise Conflict: when another transaction wrote one of the rows
        :raise BadRequest: when a column is of another type, or the table is sorted by it
        """
        row_ids = _row_ids(batch)
        columns = _stored(table, batch.drop_columns([ROW_ID]))
        if kept := set(table.sorted).intersection(batch.schema.names):
            raise BadRequest(f"{table.name} is sorted by {kept}", code="TabularUpdateOfSortedColumn")
        self._transactions.claim_rows(transaction, table.handle, row_ids)
        assignments = ", ".join(f"{name} = written.{name}" for name in columns)
        columns["row_id"] = pa.array(row_ids)
        with _registered(transaction, columns):
            transaction.cursor.execute(
                f"UPDATE {table.rows} AS t SET {assignments} FROM written WHERE t.row_id = written.row_id"
            )

    def delete(self, transaction: Transaction, table: Table, batch: pa.RecordBatch) -> None:
        """Delete the rows that the first column of `batch` names.

        :raise Conflict: when another transaction wrote one of the rows
        """
        row_ids = _row_ids(batch)
        if not row_ids.size:
            return
        self._transactions.claim_rows(transaction, table.handle, row_ids)
        with _registered(transaction, {"row_id": pa.array(row_ids)}):
            transaction.cursor.execute(
                # The bounds let DuckDB pass by what lies outside of them.
                f"DELETE FROM {table.rows} WHERE row_id BETWEEN ? AND ? AND row_id IN (SELECT row_id FROM written)",
                [int(row_ids.min()), int(row_ids.max())],
            )

    # Reading

    def count(self, transaction: Transaction, table: Table) -> int:
        """Return how many rows there are."""
        ((rows,),) = transaction.cursor.execute(f"SELECT count(*) FROM {table.rows}").fetchall()
        return int(rows)

    def pages(
        self,
        transaction: Transaction,
        table: Table,
        query: Query,
        split: Split,
        *,
        starts: Mapping[int, int],
        limit: int,
        projection: Projection | None,
    ) -> Iterator[Page]:
        """Yield one page of each sub-split in `starts`: at most `limit` rows from the row id given.

        A page that is full says that there is more, as if what follows were not known.
        """
        scan = _Scan(transaction, table, query, split, limit, projection)
        if query.where and projection is None and (found := scan.all_at_once(starts)) is not None:
            yield from found
            return
        bound = _largest_row_id(transaction, table) + 1
        for sub_split, start in starts.items():
            yield scan.page(sub_split, start, bound)


@dataclass(frozen=True)
class _Scan:
    """One request for rows, as queries of DuckDB."""

    transaction: Transaction
    table: Table
    query: Query
    split: Split
    limit: int
    projection: Projection | None

    def all_at_once(self, starts: Mapping[int, int]) -> list[Page] | None:
        """Return the last page of every sub-split if one query gives them all: they are less than one may have."""
        block, parts = self.split.block, self.split.parts
        condition, values = "row_id >= ?", [min(starts.values())]
        if self.split.splits > 1:
            condition += f" AND (row_id // {block}) % {parts} BETWEEN ? AND ?"
            values += [self.split.part(0), self.split.part(self.split.sub_splits - 1)]
        rows = self._read(condition, values, rest=f"LIMIT {self.limit}")
        if rows.num_rows == self.limit:
            return None
        row_ids = rows.column("row_id").to_numpy()
        if np.any(row_ids[1:] < row_ids[:-1]):
            rows = rows.sort_by("row_id")
            row_ids = rows.column("row_id").to_numpy()
        part = (row_ids // block) % parts
        return [
            Page(sub_split, _only(rows, (part == self.split.part(sub_split)) & (row_ids >= start)), END)
            for sub_split, start in starts.items()
        ]

    def page(self, sub_split: int, start: int, bound: int) -> Page:
        """Return a page of a sub-split, read block by block; no row id is `bound` or larger."""
        pages: list[pa.Table] = []
        missing = self.limit
        position = self.split.start(sub_split, start)
        while missing and position < bound:
            rows = self._block(position, missing)
            if not rows.num_rows:
                position = self._next_match(sub_split, position)
                continue
            pages.append(rows)
            missing -= rows.num_rows
            if missing:
                position = self.split.start(sub_split, self._end_of_block(position))
            else:
                position = self._position_after(position, rows)
        rows = pa.concat_tables(pages) if pages else self._read("false", [])
        return Page(sub_split, rows, END if missing else position)

    def _end_of_block(self, position: int) -> int:
        return (position // self.split.block + 1) * self.split.block

    def _block(self, position: int, limit: int) -> pa.Table:
        """Return the rows of one block from `position` on.

        A projection has no row ids to go by: there the position counts the rows that were read of the block.
        """
        last = self._end_of_block(position) - 1
        if self.projection is None:
            return self._read("row_id BETWEEN ? AND ?", [position, last], rest=f"ORDER BY row_id LIMIT {limit}")
        order = ", ".join(self.table.column(name).stored_as for name in self.projection.sorted)
        offset = position % self.split.block
        return self._read(
            "row_id BETWEEN ? AND ?",
            [position - offset, last],
            rest=f"ORDER BY {order}, row_id LIMIT {limit} OFFSET {offset}",
        )

    def _position_after(self, position: int, rows: pa.Table) -> int:
        if self.projection is not None:
            return position + rows.num_rows
        return int(rows.column("row_id")[-1].as_py()) + 1

    def _next_match(self, sub_split: int, position: int) -> int:
        """Return the first row id behind a block that the query asks for, END when there is none."""
        where, parameters = self._where("row_id >= ? AND (row_id // ?) % ? = ?")
        values = [self._end_of_block(position), self.split.block, self.split.parts, self.split.part(sub_split)]
        found = self.transaction.cursor.execute(
            f"SELECT min(row_id) FROM {self.table.rows} WHERE {where}", [*values, *parameters]
        ).fetchone()
        if found is None or found[0] is None:
            return END
        # Where a projection counts, it counts from the block's beginning.
        return int(found[0]) if self.projection is None else int(found[0]) // self.split.block * self.split.block

    def _read(self, condition: str, values: Sequence[int], rest: str = "") -> pa.Table:
        names = [column.stored_as for column in self.query.columns if column.name != ROW_ID]
        where, parameters = self._where(condition)
        return self.transaction.cursor.execute(
            f"SELECT {', '.join([*names, 'row_id'])} FROM {self.table.rows} WHERE {where} {rest}",
            [*values, *parameters],
        ).fetch_arrow_table()

    def _where(self, condition: str) -> tuple[str, list[object]]:
        if not self.query.where:
            return condition, []
        return f"{condition} AND {self.query.where}", self.query.parameters


def _only(rows: pa.Table, wanted: np.ndarray) -> pa.Table:
    return rows if wanted.all() else rows.filter(pa.array(wanted))


def _largest_row_id(transaction: Transaction, table: Table) -> int:
    found = transaction.cursor.execute(f"SELECT max(row_id) FROM {table.rows}").fetchone()
    return -1 if found is None or found[0] is None else int(found[0])


def _row_ids(batch: pa.RecordBatch) -> RowIds:
    if ROW_ID not in batch.schema.names:
        raise BadRequest(f"there is no {ROW_ID} in the request")
    return batch.column(ROW_ID).cast(pa.uint64()).to_numpy()


def _stored(table: Table, batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """Return the columns of `batch` as DuckDB keeps them, by their names there."""
    columns = {}
    for field, array in zip(batch.schema, batch.columns, strict=True):
        column = table.column(field.name)
        if field.remove_metadata() != column.field:
            raise BadRequest(f"{field} is not {column.field}", code="TabularMismatchColumnType")
        columns[column.stored_as] = stored(array, field.type)
    return columns


@contextmanager
def _registered(transaction: Transaction, columns: Mapping[str, pa.Array]) -> Iterator[None]:
    """Let the SQL of a block read `columns` under the name `written`."""
    transaction.cursor.register("written", pa.table(dict(columns)))
    try:
        yield
    finally:
        transaction.cursor.unregister("written")


def size_in_bytes(table: Table, rows: int) -> int:
    """Return about how many bytes so many rows of a table take."""
    widths = (c.field.type.bit_width // 8 or 1 if _is_fixed(c.field.type) else WIDTH_OF_TEXT for c in table.columns)
    return rows * sum(widths)


def _is_fixed(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(arrow_type) or pa.types.is_decimal(arrow_type))
