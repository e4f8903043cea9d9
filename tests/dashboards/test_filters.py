"""The filters, and their way into a URL and back."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.filters import Filters
from tams_data.errors import InvalidTimeRange
from tests.strategies import time_ranges

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def through_a_url(filters: Filters) -> Filters:
    """Filters that were sent to a colleague."""
    received = Filters()
    received.read(dict(parse_qsl(urlencode(filters.parameters()))))
    return received


@given(
    source_id=st.none() | st.uuids().map(str),
    format=st.none() | st.sampled_from(["urn:x-nmos:format:video", "urn:x-nmos:format:multi"]),
    tags=st.dictionaries(TEXTS, TEXTS, max_size=3),
    window=time_ranges().filter(lambda one: not one.is_never),
)
def test_a_url_holds_every_filter(source_id, format, tags, window):  # noqa: A002  # named as the filter
    filters = Filters(
        source_id=source_id,
        format=format,
        tags=tags,
        start_ns=None if window.starts_open else window.start_ns,
        end_ns=None if window.ends_open else window.end_ns,
    )
    received = through_a_url(filters)
    assert received.parameters() == filters.parameters()
    assert received.window == window
    assert received.tags == tags


def test_without_filters_there_are_no_parameters():
    assert Filters().parameters() == {}


def test_what_a_url_does_not_name_is_no_filter():
    filters = Filters(source_id="a", tags={"one": "1"}, start_ns=0)
    filters.read({"format": "urn:x-nmos:format:audio", "scale": "TAI"})
    assert filters.parameters() == {"format": "urn:x-nmos:format:audio"}


def test_all_filters_can_be_taken_away():
    filters = Filters(source_id="a", format="b", tags={"one": "1"}, start_ns=0, end_ns=5)
    filters.clear()
    assert filters.parameters() == {}


@pytest.mark.parametrize("text", ["yesterday", "[5:0_1:0)", "()"])
def test_a_window_that_is_none_changes_nothing(text: str):
    filters = Filters(source_id="a")
    with pytest.raises(InvalidTimeRange, match=text.strip("[()") or "holds no time"):
        filters.read({"timerange": text, "source_id": "b"})
    assert filters.source_id == "a"
