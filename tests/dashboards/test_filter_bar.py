"""The filter bar: what is typed becomes filters, and filters are written into the fields."""

from __future__ import annotations

import pytest

from dashboards.clock import Clock
from dashboards.filter_bar import FilterBar, tags_of, tags_text
from dashboards.filters import Filters
from tams_data.errors import InvalidInput

SECOND = 10**9
TEN_UTC = 1_767_261_637 * SECOND
A, B = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"


@pytest.fixture
def filters() -> Filters:
    return Filters()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bar(filters: Filters, clock: Clock) -> FilterBar:
    return FilterBar(filters, clock, sources={A: "Camera A", B: "Camera B"})


@pytest.mark.parametrize(
    ("typed", "parameters"),
    [
        ({"source": "Camera B"}, {"source_id": B}),
        ({"source": A.upper()}, {"source_id": A}),
        ({"format": "urn:x-nmos:format:audio"}, {"format": "urn:x-nmos:format:audio"}),
        ({"tag": "demo=bouncing ball; camera=A,B"}, {"tag.demo": "bouncing ball", "tag.camera": "A,B"}),
        ({"start": "2026-01-01 10:00"}, {"timerange": "[1767261637:0_"}),
        ({"start": "0:0", "end": "00:01:30"}, {"timerange": "[0:0_90:0)"}),
    ],
)
def test_what_is_typed_is_filtered_by(bar: FilterBar, filters: Filters, typed: dict, parameters: dict):
    bar.param.update(**typed)
    assert filters.parameters() == parameters
    assert bar.problem == ""
    assert bar.count == len(parameters)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"source": "Camera C"}, "no source is called 'Camera C'"),
        ({"tag": "demo"}, "'demo' is not name=value"),
        ({"start": "soon"}, "'soon' is not a TAMS timestamp (seconds:nanoseconds)"),
        ({"start": "10:0", "end": "00:00:05"}, "'00:00:05' is not after '10:0'"),
    ],
)
def test_what_cannot_be_used_is_told_of_and_changes_nothing(
    bar: FilterBar, filters: Filters, typed: dict, problem: str
):
    bar.format = "urn:x-nmos:format:video"
    bar.param.update(**typed)
    assert bar.problem == problem
    assert filters.parameters() == {"format": "urn:x-nmos:format:video"}


def test_what_is_mended_is_used(bar: FilterBar, filters: Filters):
    bar.tag = "demo"
    bar.tag = "demo=ball"
    assert bar.problem == ""
    assert filters.tags == {"demo": "ball"}


def test_filters_are_written_into_the_fields(bar: FilterBar, filters: Filters):
    filters.read({"source_id": A, "tag.demo": "ball", "timerange": "[1767261637:0_1767261638:0)"})
    assert (bar.source, bar.tag) == ("Camera A", "demo=ball")
    assert (bar.start, bar.end) == ("2026-01-01 10:00:00", "2026-01-01 10:00:01")
    assert bar.count == 3


def test_the_label_of_a_source_is_written_when_it_becomes_known(clock: Clock):
    filters = Filters(source_id=A)
    bar = FilterBar(filters, clock)
    assert bar.source == A
    bar.sources = {A: "Camera A"}
    assert bar.source == "Camera A"
    assert filters.source_id == A


def test_the_switch_writes_the_same_instant_on_the_other_scale(bar: FilterBar, filters: Filters, clock: Clock):
    bar.start = "2026-01-01 10:00:00"
    bar.scale = "TAI"
    assert clock.scale == "TAI"
    assert bar.start == "2026-01-01 10:00:37"
    assert filters.start_ns == TEN_UTC


def test_a_recent_time_ends_open(bar: FilterBar, filters: Filters):
    bar.recent = "Last hour"
    assert filters.start_ns is not None
    assert filters.end_ns is None
    assert bar.recent == ""
    assert bar.start != ""


def test_clear_takes_all_filters_away_and_leaves_the_clock(bar: FilterBar, filters: Filters, clock: Clock):
    bar.param.update(scale="TAI", tag="demo=ball", start="0:0")
    bar.cleared += 1
    assert filters.parameters() == {}
    assert (bar.tag, bar.start, clock.scale) == ("", "", "TAI")


@pytest.mark.parametrize("text", ["=value", "name=", "a=1; b"])
def test_a_piece_that_is_no_tag_is_named(text: str):
    with pytest.raises(InvalidInput, match="is not name=value"):
        tags_of(text)


def test_tags_are_written_as_they_are_read():
    tags = {"demo": "bouncing ball", "camera": "A,B"}
    assert tags_of(tags_text(tags)) == tags
