"""Filters by tag find what comparing the tags by hand finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.queries import flows, sources
from tams_data.schema import FLOWS, SOURCES, tag_term
from tests.tams_data.builders import flow_row, insert, on_one_database, scratch, source_row

NAMES, VALUES = st.sampled_from(["a", "b", ""]), st.sampled_from(["x", "y", ""])
TAGS = st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=3))
TAG = st.tuples(NAMES, st.none() | VALUES)
"""A name, or a name with a value."""

FILTERS = st.tuples(st.lists(st.lists(TAG, min_size=1, max_size=3), max_size=2), st.lists(TAG, max_size=2))
"""Groups of tags of which one is wanted, and tags of which none is."""


def has(tags: dict[str, str | list[str]], wanted: tuple[str, str | None]) -> bool:
    name, value = wanted
    if name not in tags:
        return False
    return value is None or value in ([tags[name]] if isinstance(tags[name], str) else tags[name])


def bound(any_of, none_of) -> dict[str, object]:
    """The values of a query, where a filter that is not asked for is left out."""
    given = {
        "any_tags": tuple(tuple(tag_term(*tag) for tag in group) for group in any_of),
        "no_tags": tuple(tag_term(*tag) for tag in none_of),
    }
    return {name: terms for name, terms in given.items() if terms}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param((flows.page, FLOWS, flow_row), id="flows"),
        pytest.param((sources.page, SOURCES, source_row), id="sources"),
    ],
)
@on_one_database
@given(everything=st.lists(TAGS, max_size=6), filters=FILTERS)
def test_rows_have_one_tag_of_each_group_and_none_of_the_unwanted(database, kind, everything, filters):
    query, table, row = kind
    any_of, none_of = filters
    with scratch(database) as transaction:
        insert(transaction, table, *(row(id=str(i), tags=tags) for i, tags in enumerate(everything)))
        found = transaction.read(query, bound(any_of, none_of), limit=10)["id"].to_pylist()
    assert found == [
        str(i)
        for i, tags in enumerate(everything)
        if all(any(has(tags, tag) for tag in group) for group in any_of) and not any(has(tags, tag) for tag in none_of)
    ]
