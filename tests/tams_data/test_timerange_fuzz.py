"""Whatever is given as a time range is read, and then the same by the column, or refused by name; nothing else happens.

What is drawn is near to what is right: texts of the specification with some characters changed, or any text at all.
"""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tams_data.errors import InvalidTimeRange, InvalidTimestamp
from tams_data.timerange import (
    TimeRange,
    format_column,
    format_timestamp,
    format_timestamp_column,
    parse_column,
    parse_timestamp,
    parse_timestamp_column,
)
from tests.strategies import time_range_texts, timestamps

EXAMPLES = [300, pytest.param(20_000, marks=pytest.mark.soak)]

MARKS = "[]()_:-+.0123456789 \t\n\r\0\u00b2\u0660\u06f5\uff11\u2212\u200b\u2028eE"

# No halves of surrogate pairs: text of Arrow, JSON and URLs is UTF-8, which has none.
CHARACTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from(MARKS)


@st.composite
def near(draw: st.DrawFn, right: st.SearchStrategy[str]) -> str:
    """A right text with a character or two put in, taken away, or replaced."""
    text = list(draw(right))
    for _ in range(draw(st.integers(0, 3))):
        at, size = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text[at : at + size] = draw(st.lists(CHARACTERS, max_size=2))
    return "".join(text)


ANYTHING = st.text(CHARACTERS) | st.text(MARKS, max_size=30) | st.from_regex(r"[\[(]?-?[0-9]{1,25}:[0-9]{1,12}.*")
RANGES = near(time_range_texts()) | ANYTHING
STAMPS = near(timestamps().map(format_timestamp)) | ANYTHING


def outcome(function, text):
    """What a function gives, or the error that it refuses with, as a value."""
    try:
        return function(text)
    except (InvalidTimeRange, InvalidTimestamp) as refused:
        return type(refused), str(refused), refused.field, refused.value


def range_by_column(text):
    start, end = parse_column(pa.array([text], pa.string()), field="x")
    return TimeRange(start[0].as_py(), end[0].as_py())


def stamp_by_column(text):
    return parse_timestamp_column(pa.array([text], pa.string()), field="x")[0].as_py()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_time_range_is_read_alike_or_refused_alike(examples):
    @settings(max_examples=examples, deadline=None)
    @given(RANGES)
    def read(text):
        found = outcome(lambda text: TimeRange.parse(text, field="x"), text)
        assert outcome(range_by_column, text) == found
        if isinstance(found, TimeRange):
            assert TimeRange.parse(str(found)) == found
            assert format_column(pa.array([found.start_ns]), pa.array([found.end_ns])).to_pylist() == [str(found)]
        else:
            assert (found[0], found[3]) == (InvalidTimeRange, text)

    read()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_timestamp_is_read_alike_or_refused_alike(examples):
    @settings(max_examples=examples, deadline=None)
    @given(STAMPS)
    def read(text):
        found = outcome(lambda text: parse_timestamp(text, field="x"), text)
        assert outcome(stamp_by_column, text) == found
        if isinstance(found, int):
            assert parse_timestamp(format_timestamp(found)) == found
            assert format_timestamp_column(pa.array([found])).to_pylist() == [format_timestamp(found)]
        else:
            assert (found[0], found[3]) == (InvalidTimestamp, text)

    read()


@pytest.mark.parametrize("text", ["[0:0_\ud800", "\udfff"])
def test_half_of_a_surrogate_pair_is_refused(text):
    with pytest.raises(InvalidTimeRange):
        TimeRange.parse(text)
