"""How rows come back: every one once, however a reader divides the table."""

from __future__ import annotations

import functools
import operator
import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from vastdb.config import QueryConfig
from vastdb.session import Session
from vastdb.table import Table
from vastdb.transaction import Transaction

from tests.vast_emulator.emulator import Emulator
from tests.vast_emulator.fixtures import connected

ROWS = 200_000
"""Three row groups and a bit."""

COLUMNS = pa.schema({"number": pa.int64(), "text": pa.string()})
DATA = pa.table({"number": range(ROWS), "text": [f"text {n % 1000}" for n in range(ROWS)]}, schema=COLUMNS)


@pytest.fixture(scope="module")
def large(shared_emulator: Emulator):
    """A table that the tests of this module only read, less some rows in the middle, in an open transaction."""
    shared_emulator.create_bucket("large")
    with connected(shared_emulator.endpoint) as session, session.transaction() as tx:
        table = tx.bucket("large").create_schema("schema").create_table("large", COLUMNS)
        table.insert(DATA)
        table.delete(pa.table({"$row_id": pa.array(range(70_000, 140_000), pa.uint64())}))
        yield table


def kept() -> pa.Table:
    """Return the rows of `large`."""
    return pa.concat_tables([DATA.slice(0, 70_000), DATA.slice(140_000)])


@pytest.mark.parametrize("row_groups", [1, 8])
@pytest.mark.parametrize(("splits", "sub_splits"), [(1, 1), (1, 4), (3, 2)])
@pytest.mark.parametrize("page", [10_000, 128 * 1024])
def test_every_row_comes_once_whatever_the_splits_and_pages(
    large: Table, splits: int, sub_splits: int, row_groups: int, page: int
):
    config = QueryConfig(
        num_splits=splits,
        num_sub_splits=sub_splits,
        num_row_groups_per_sub_split=row_groups,
        limit_rows_per_sub_split=page,
    )
    assert large.select(config=config).read_all().sort_by("number") == kept()


@pytest.mark.parametrize("page", [50, 128 * 1024])
def test_a_predicate_gives_the_same_rows_in_one_page_as_in_many(large: Table, page: int):
    config = QueryConfig(num_splits=2, limit_rows_per_sub_split=page, num_row_groups_per_sub_split=1)
    found = large.select(predicate=large["text"] == "text 7", config=config).read_all()
    assert found.sort_by("number") == kept().filter(pc.field("text") == "text 7")


def test_a_predicate_that_only_late_rows_meet_finds_them_page_by_page(large: Table):
    config = QueryConfig(limit_rows_per_sub_split=100, num_row_groups_per_sub_split=1)
    found = large.select(["number"], predicate=large["number"] >= ROWS - 1000, config=config).read_all()
    assert sorted(found.column("number").to_pylist()) == list(range(ROWS - 1000, ROWS))


def test_thousands_of_values_in_a_list(large: Table):
    wanted = random.Random(1).sample(range(ROWS), 5000)
    found = large.select(["number"], predicate=large["number"].isin(wanted)).read_all()
    assert sorted(found.column("number").to_pylist()) == sorted(n for n in wanted if not 70_000 <= n < 140_000)


def test_a_deep_or_of_ranges(large: Table):
    predicate = functools.reduce(operator.or_, (large["number"].between(n, n + 1) for n in range(0, 600, 3)))
    found = large.select(["number"], predicate=predicate).read_all()
    assert found.column("number").to_pylist() == [n for n in range(600) if n % 3 < 2]


def test_a_full_page_says_that_there_is_more(large: Table, vast_emulator: Emulator):
    config = QueryConfig(num_splits=1, num_sub_splits=1, limit_rows_per_sub_split=10)
    (reader,) = large.select_splits(["number"], predicate=large["number"] < 20, config=config)
    assert reader.read_all().num_rows == 20
    assert vast_emulator.counts().requests["query"] == 3  # the third finds nothing
    assert vast_emulator.counts().rows_out["query"] == 20


def test_only_the_columns_asked_for_cross_the_wire(large: Table, vast_emulator: Emulator):
    large.select(["number"]).read_all()
    size = kept().column("number").nbytes
    assert size < vast_emulator.counts().bytes_out["query"] < 1.01 * size


def test_rows_of_a_projection_come_in_its_order_page_by_page(vast_session: Session, vast_bucket: str):
    with vast_session.transaction() as tx:
        table = new_table(tx, vast_bucket, pa.schema({"a": pa.int64(), "b": pa.int64()}))
        table.create_projection("by_b", ["b"], ["a"])
        shuffled = random.Random(1).sample(range(1000), 1000)
        table.insert(pa.table({"a": range(1000), "b": shuffled}))
        config = QueryConfig(num_sub_splits=1, limit_rows_per_sub_split=30, semi_sorted_projection_name="by_b")
        found = table.select(["b"], predicate=table["b"] < 100, config=config).read_all()
    assert found.column("b").to_pylist() == list(range(100))


def new_table(tx: Transaction, bucket: str, columns: pa.Schema) -> Table:
    """Create a table in a schema of its own."""
    return tx.bucket(bucket).create_schema("schema").create_table("table", columns)


EXTREMES = {
    pa.int64(): [-(2**63), 2**63 - 1, None],
    pa.uint64(): [0, 2**64 - 1, None],
    pa.float64(): [float("-inf"), -0.0, float("inf"), None],
    pa.float16(): [0.5, -2.0, None],
    pa.string(): ["", "\0", "ä\U0001f600", None],
    pa.binary(): [b"", b"\xff\0", None],
    pa.time64("ns"): [0, 86_399_999_999_999, None],
    pa.timestamp("ns"): [-(2**63) + 1, 2**63 - 1, None],
    pa.timestamp("us", tz="UTC"): [-1, 1, None],
    pa.decimal128(38, 9): [0, None],
    pa.list_(pa.string()): [[], ["a", None], None],
    pa.list_(pa.timestamp("ns")): [[], [1, None], None],
    pa.map_(pa.string(), pa.list_(pa.string())): [[], [("a", ["b", None])], [("c", None)], None],
    pa.struct({"x": pa.time32("s"), "y": pa.struct({"z": pa.string()})}): [{"x": 1, "y": {"z": "a"}}, {}, None],
}


@pytest.mark.parametrize("arrow_type", EXTREMES, ids=str)
def test_values_come_back_as_they_went(vast_session: Session, vast_bucket: str, arrow_type: pa.DataType):
    sent = pa.table({"value": pa.array(EXTREMES[arrow_type], arrow_type)})
    with vast_session.transaction() as tx:
        table = new_table(tx, vast_bucket, sent.schema)
        table.insert(sent)
        assert table.arrow_schema == sent.schema
        assert table.select().read_all() == sent


def test_names_that_differ_in_case_are_different_columns(vast_session: Session, vast_bucket: str):
    sent = pa.table({"name": [1], "Name": [2], 'a "b"': [3]})
    with vast_session.transaction() as tx:
        table = new_table(tx, vast_bucket, sent.schema)
        table.insert(sent)
        assert table.select(predicate=table["Name"] == 2).read_all() == sent


def test_a_column_that_was_added_after_one_was_dropped_is_empty(vast_session: Session, vast_bucket: str):
    with vast_session.transaction() as tx:
        table = new_table(tx, vast_bucket, COLUMNS)
        table.insert(DATA.slice(0, 2))
        table.drop_column(pa.schema([COLUMNS.field("text")]))
        table.add_column(pa.schema([COLUMNS.field("text")]))
        assert table.select().read_all().to_pydict() == {"number": [0, 1], "text": [None, None]}


def test_a_sorted_table_says_so_and_keeps_its_key(vast_session: Session, vast_bucket: str):
    with vast_session.transaction() as tx:
        tx.bucket(vast_bucket).create_schema("schema").create_table("table", COLUMNS, sorting_key=["text", "number"])
    with vast_session.transaction() as tx:
        table = tx.bucket(vast_bucket).schema("schema").table("table")
        assert table.sorted_table
        assert [column.name for column in table._metadata.sorted_columns] == ["text", "number"]
        table.insert(DATA.slice(0, 10))
        found = table.select(["number"], predicate=table["text"] == "text 7", internal_row_id=True).read_all()
        assert found.schema.field("$row_id").type == pa.decimal128(38, 0)
        table.delete(found)
        assert table.select().read_all().num_rows == 9
