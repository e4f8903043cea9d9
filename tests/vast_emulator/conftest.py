"""The emulator's fixtures, and a table to try it on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest
from vastdb.session import Session
from vastdb.table import Table
from vastdb.transaction import Transaction

from tests.vast_emulator.fixtures import (  # noqa: F401 - fixtures are found here
    shared_emulator,
    vast_bucket,
    vast_emulator,
    vast_session,
)

COLUMNS = pa.schema({"number": pa.int64(), "text": pa.string()})


class Numbers:
    """A table of three rows, whose row ids are 0, 1 and 2, and how a transaction gets at it."""

    def __init__(self, session: Session, bucket: str) -> None:
        """Create it, and commit."""
        self.session = session
        self.bucket = bucket
        with session.transaction() as tx:
            table = tx.bucket(bucket).create_schema("schema").create_table("numbers", COLUMNS)
            table.insert(pa.table({"number": [10, 20, 30], "text": ["a", "b", None]}))

    def in_transaction(self, tx: Transaction) -> Table:
        """Return the table as `tx` sees it."""
        table = tx.bucket(self.bucket).schema("schema").table("numbers")
        assert table is not None
        return table

    def now(self) -> list[int]:
        """Return the numbers that are committed."""
        with self.session.transaction() as tx:
            return numbers_in(self.in_transaction(tx))


def numbers_in(table: Table) -> list[int]:
    """Return the numbers in a table."""
    return table.select(columns=["number"]).read_all().column("number").to_pylist()


@contextmanager
def rolled_back(session: Session) -> Iterator[Transaction]:
    """Open a transaction that is rolled back after the block."""
    with contextlib.suppress(_Enough), session.transaction() as tx:
        yield tx
        raise _Enough


class _Enough(Exception):
    """Makes the SDK roll back."""


@pytest.fixture
def numbers(vast_session: Session, vast_bucket: str) -> Numbers:  # noqa: F811 - the fixtures
    """A table of three numbers."""
    return Numbers(vast_session, vast_bucket)
