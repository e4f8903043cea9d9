"""What transactions see of each other, and who has to give way."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa
import pytest
from vastdb import errors
from vastdb.session import Session
from vastdb.table import Table

from tests.vast_emulator.conftest import COLUMNS, Numbers, numbers_in, rolled_back
from tests.vast_emulator.emulator import Emulator
from tests.vast_emulator.fixtures import connected

Write = Callable[[Table, int], None]


def update(table: Table, row_id: int) -> None:
    """Change a number."""
    table.update(pa.table({"$row_id": pa.array([row_id], pa.uint64()), "number": [99]}))


def delete(table: Table, row_id: int) -> None:
    """Delete a row."""
    table.delete(pa.table({"$row_id": pa.array([row_id], pa.uint64())}))


def test_a_transaction_does_not_see_what_is_committed_after_it_began(numbers: Numbers):
    with numbers.session.transaction() as reader:
        table = numbers.in_transaction(reader)
        with numbers.session.transaction() as writer:
            numbers.in_transaction(writer).insert(pa.table({"number": [40], "text": ["d"]}))
            update(numbers.in_transaction(writer), 0)
        assert numbers_in(table) == [10, 20, 30]
        assert table.stats.num_rows == 3
    assert numbers.now() == [99, 20, 30, 40]


def test_the_snapshot_is_of_the_beginning_even_when_nothing_was_read(numbers: Numbers):
    with numbers.session.transaction() as reader:
        with numbers.session.transaction() as writer:
            delete(numbers.in_transaction(writer), 0)
        assert numbers_in(numbers.in_transaction(reader)) == [10, 20, 30]


def test_a_transaction_sees_what_it_wrote(numbers: Numbers):
    with numbers.session.transaction() as tx:
        table = numbers.in_transaction(tx)
        update(table, 0)
        delete(table, 1)
        assert numbers_in(table) == [99, 30]


def test_what_is_rolled_back_never_was(numbers: Numbers):
    with rolled_back(numbers.session) as tx:
        table = numbers.in_transaction(tx)
        update(table, 0)
        table.add_column(pa.schema({"more": pa.int8()}))
    with numbers.session.transaction() as tx:
        assert numbers_in(numbers.in_transaction(tx)) == [10, 20, 30]
        assert numbers.in_transaction(tx).arrow_schema == COLUMNS


@pytest.mark.parametrize("first", [update, delete])
@pytest.mark.parametrize("second", [update, delete])
def test_the_second_to_write_a_row_is_refused_while_the_first_is_open(numbers: Numbers, first: Write, second: Write):
    with numbers.session.transaction() as one:
        first(numbers.in_transaction(one), 1)
        with pytest.raises(errors.Conflict), numbers.session.transaction() as other:
            second(numbers.in_transaction(other), 1)
    assert numbers.now() == ([10, 99, 30] if first is update else [10, 30])


@pytest.mark.parametrize("first", [update, delete])
@pytest.mark.parametrize("second", [update, delete])
def test_the_second_to_write_a_row_is_refused_when_it_began_before_the_first_committed(
    numbers: Numbers, first: Write, second: Write
):
    with rolled_back(numbers.session) as late:
        with numbers.session.transaction() as early:
            first(numbers.in_transaction(early), 1)
        table = numbers.in_transaction(late)
        with pytest.raises(errors.Conflict):
            second(table, 1)
    assert numbers.now() == ([10, 99, 30] if first is update else [10, 30])


def test_different_rows_of_a_table_are_written_side_by_side(numbers: Numbers):
    with numbers.session.transaction() as one, numbers.session.transaction() as other:
        update(numbers.in_transaction(one), 0)
        delete(numbers.in_transaction(other), 2)
        numbers.in_transaction(one).insert(pa.table({"number": [40], "text": ["d"]}))
        numbers.in_transaction(other).insert(pa.table({"number": [50], "text": ["e"]}))
    assert numbers.now() == [99, 20, 40, 50]


def test_rows_are_free_again_after_a_commit_and_after_a_roll_back(numbers: Numbers):
    with numbers.session.transaction() as tx:
        update(numbers.in_transaction(tx), 0)
    with rolled_back(numbers.session) as tx:
        update(numbers.in_transaction(tx), 1)
    with numbers.session.transaction() as tx:
        delete(numbers.in_transaction(tx), 0)
        delete(numbers.in_transaction(tx), 1)
    assert numbers.now() == [30]


def test_of_two_that_create_one_name_the_second_is_refused(vast_session: Session, vast_bucket: str):
    with vast_session.transaction() as one:
        one.bucket(vast_bucket).create_schema("schema").create_table("numbers", COLUMNS)
        with pytest.raises(errors.Conflict), vast_session.transaction() as other:
            other.bucket(vast_bucket).create_schema("schema")
    with vast_session.transaction() as tx:
        assert tx.bucket(vast_bucket).schema("schema").tablenames() == ["numbers"]


def test_of_two_that_change_the_columns_of_a_table_the_second_is_refused(numbers: Numbers):
    with numbers.session.transaction() as one, rolled_back(numbers.session) as other:
        table = numbers.in_transaction(other)
        numbers.in_transaction(one).add_column(pa.schema({"more": pa.int8()}))
        with pytest.raises(errors.Conflict):
            table.rename_column("text", "words")


def test_a_transaction_that_ended_is_unknown(numbers: Numbers):
    api = numbers.session.api
    txid = int(api.begin_transaction().headers["tabular-txid"])
    api.get_transaction(txid)
    api.commit_transaction(txid)
    with pytest.raises(errors.NotFound):
        api.get_transaction(txid)
    with pytest.raises(errors.NotFound):
        api.commit_transaction(txid)


def test_the_transaction_of_a_client_that_died_does_not_hold_its_rows_for_ever(numbers: Numbers):
    with Emulator(idle_limit=0.05) as emulator, connected(emulator.endpoint) as session:
        emulator.create_bucket("bucket")
        table = Numbers(session, "bucket")
        dead = session.transaction().__enter__()
        update(table.in_transaction(dead), 0)
        time.sleep(0.1)
        with session.transaction() as alive:
            delete(table.in_transaction(alive), 0)
        assert table.now() == [20, 30]


def test_rows_may_be_written_while_the_same_transaction_reads(numbers: Numbers):
    with numbers.session.transaction() as tx:
        table = numbers.in_transaction(tx)
        for batch in table.select(internal_row_id=True):
            table.delete(batch)
    assert numbers.now() == []
