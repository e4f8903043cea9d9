"""What a step forward fills is found some flows at a time, and is what the segments of all flows say."""

from __future__ import annotations

import pytest

from tams_data import schema
from tams_data.engines import steps
from tams_data.engines.base import Database
from tams_data.engines.steps import filled
from tests.tams_data.builders import gaps_between, insert, rows_of, segment_row

FLOWS = {"a": 2, "b": 1, "c": 7, "d": 3, "e": 1}
"""How many segments each has, with a hole after each."""


@pytest.mark.parametrize(
    ("most", "parts"),
    [
        pytest.param(4, [1, 6, 2], id="one-longer-than-a-part"),
        pytest.param(1, [1, 6, 2], id="each-longer-than-a-part"),
        pytest.param(14, [9], id="all-in-one"),
    ],
)
def test_gaps_are_found_in_parts(
    database: Database, monkeypatch: pytest.MonkeyPatch, most: int, parts: list[int]
) -> None:
    monkeypatch.setattr(steps, "_SEGMENTS", most)
    rows = [segment_row(name, 10 * n, 10 * n + 8) for name, count in FLOWS.items() for n in range(count)]
    with database.transaction() as transaction:
        insert(transaction, schema.SEGMENTS, *rows)
    found = list(filled(database, [4]))
    assert {table.name for table, _ in found} == {"flow_gaps"}
    assert sorted(part.num_rows for _, part in found if part.num_rows) == sorted(parts)
    with database.transaction() as transaction:
        for table, part in found:
            transaction.insert(table, part)
    assert rows_of(database, schema.FLOW_GAPS) == gaps_between(rows)


@pytest.mark.parametrize("versions", [[], [5], [3, 4, 5], [1, 6]])
def test_nothing_is_filled_in_a_new_store_or_one_that_has_the_table(database: Database, versions: list[int]) -> None:
    with database.transaction() as transaction:
        insert(transaction, schema.SEGMENTS, segment_row("f", 0, 10), segment_row("f", 20, 30))
    assert list(filled(database, versions)) == []
