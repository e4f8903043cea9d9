"""Tables: their order, what a search finds, their pages, and what is downloaded."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from dashboards.clock import Clock
from dashboards.table import Column, Rows, Table

SIZES = [5_000, None, 2**53 + 1, 2**53]
ROWS = pa.table(
    {
        "label": ["Camera B", "Edit", None, "Camera A"],
        "format": ["urn:x-nmos:format:video", "urn:x-nmos:format:multi", "urn:x-nmos:format:audio", None],
        "size_bytes": pa.array(SIZES, pa.int64()),
        "start_ns": pa.array([1_767_261_637 * 10**9, 0, None, 4 * 10**9], pa.int64()),
        "not_shown": ["secret", "b", "c", "d"],
    }
)
COLUMNS = [
    Column("label", "Flow"),
    Column("format", "Format", "format"),
    Column("size_bytes", "Size", "bytes"),
    Column("start_ns", "From", "time"),
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(clock: Clock) -> Table:
    made = Table(clock, page_size=3)
    made.fill(Rows("flows", ROWS, COLUMNS))
    return made


def labels(table: Table) -> list[str]:
    return [cells[0] for cells in table.cells]


def test_a_table_shows_its_rows_as_they_came_in_words(table: Table):
    assert table.cells == [
        ["Camera B", "video", "5 kB", "2026-01-01 10:00:00"],
        ["Edit", "multi", "–", "00:00:00"],
        ["–", "audio", "9.01 PB", "–"],
    ]
    assert table.headings == [
        ["label", "Flow", False],
        ["format", "Format", False],
        ["size_bytes", "Size", True],
        ["start_ns", "From (UTC)", False],
    ]
    assert (table.found, table.total) == (4, 4)


def test_a_table_sorts_by_exact_values_with_the_unknown_last(table: Table):
    table.page_size = 4
    table.param.update(sort_by="size_bytes", descending=True)
    assert table.rows["size_bytes"].to_pylist() == [2**53 + 1, 2**53, 5_000, None]
    table.descending = False
    assert table.rows["size_bytes"].to_pylist() == [5_000, 2**53, 2**53 + 1, None]
    table.sort_by = ""
    assert table.rows["size_bytes"].to_pylist() == SIZES


def test_a_column_that_is_not_there_sorts_nothing(table: Table):
    table.sort_by = "no such column"
    assert table.rows == ROWS


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("camera", ["Camera B", "Camera A"]),
        ("CAMERA a", ["Camera B", "Camera A"]),
        ("10:00", ["Camera B"]),
        ("9.01 pb audio", ["–"]),
        ("secret", []),
    ],
)
def test_a_search_finds_rows_that_show_all_of_its_words(table: Table, search: str, found: list[str]):
    table.page_size = 4
    table.search = search
    assert sorted(labels(table)) == sorted(found)
    assert table.found == len(found)


def test_pages_turn_and_a_search_leaves_none_that_is_empty(table: Table):
    table.page = 1
    assert labels(table) == ["Camera A"]
    table.search = "edit"
    assert table.page == 0
    assert labels(table) == ["Edit"]


def test_new_rows_keep_the_search_the_order_and_the_page(table: Table):
    table.param.update(search="camera", sort_by="label")
    table.fill(Rows("flows", pa.concat_tables([ROWS, ROWS]), COLUMNS))
    assert table.rows["label"].to_pylist() == ["Camera A", "Camera A", "Camera B", "Camera B"]
    table.page = 1
    table.fill(Rows("flows", pa.concat_tables([ROWS, ROWS]), COLUMNS))
    assert labels(table) == ["Camera B"]


def test_the_clock_names_its_scale_in_the_heading(table: Table, clock: Clock):
    clock.scale = "TAI"
    table.fill(Rows("flows", ROWS, COLUMNS))
    assert table.headings[3][1] == "From (TAI)"
    assert table.cells[0][3] == "2026-01-01 10:00:37"


def test_a_download_has_what_the_search_finds_in_order_with_every_column(table: Table):
    table.param.update(search="camera", sort_by="label")
    expected = ROWS.take([3, 0])
    assert pyarrow.parquet.read_table(pa.BufferReader(table.parquet())).equals(expected)
    read = pyarrow.csv.read_csv(pa.BufferReader(table.csv()))
    assert read.column_names == ROWS.column_names
    assert read["size_bytes"].to_pylist() == [2**53, 5_000]


def test_an_empty_table_has_a_page_without_rows(clock: Clock):
    table = Table(clock)
    table.fill(Rows("flows", ROWS.slice(0, 0), COLUMNS))
    assert (table.cells, table.found, table.page) == ([], 0, 0)
