"""A contact sheet from a running service: the right pictures, and no more fetched than they need."""

from __future__ import annotations

import pytest

from tams_data.errors import FlowNotFound, InvalidInput
from tams_data.timerange import TimeRange
from tams_data.transfer.contact_sheet import contact_sheet, middles
from tams_data.transfer.ids import derived_id
from tams_data.transfer.ingest import IngestPlan, ingest
from tests.tams_data.essence.making import SECOND, Recipe, make

START_NS = 1_767_261_637 * SECOND
WHOLE = TimeRange(START_NS, START_NS + 6 * SECOND)


@pytest.fixture
def flows(tams, tmp_path):
    """Six seconds of video and audio in the store, in objects of two."""
    original = make(tmp_path / "original.mp4", Recipe(seconds=6))
    return ingest(tams, original, IngestPlan(length_ns=2 * SECOND, start_ns=START_NS))


@pytest.fixture
def fetched(tams, monkeypatch):
    """The time ranges of the segments whose objects are fetched."""
    ranges: list[str] = []
    download = tams.download

    def noting(of, *more):
        ranges.append(of["timerange"])
        return download(of, *more)

    monkeypatch.setattr(tams, "download", noting)
    return ranges


def test_there_is_a_picture_from_the_middle_of_each_part(tams, flows):
    found = contact_sheet(tams, flows.multi_id, WHOLE, count=3, width=80)
    assert [one.time_ns - START_NS for one in found] == [SECOND, 3 * SECOND, 5 * SECOND]
    assert {one.pixels.shape for one in found} == {(45, 80, 3)}


def test_only_objects_that_hold_a_picture_are_fetched(tams, flows, fetched):
    contact_sheet(tams, flows.flow_ids[0], WHOLE, count=1)
    assert fetched == [str(TimeRange(START_NS + 2 * SECOND, START_NS + 4 * SECOND))]


def test_where_the_flow_has_nothing_there_is_no_picture(tams, flows):
    wider = TimeRange(START_NS - 6 * SECOND, WHOLE.end_ns)
    assert len(contact_sheet(tams, flows.flow_ids[0], wider, count=6)) == 3


def test_sound_has_no_pictures(tams, flows):
    with pytest.raises(InvalidInput, match="no video"):
        contact_sheet(tams, flows.flow_ids[1], WHOLE, count=1)


def test_a_flow_that_is_not_there_is_named(tams):
    absent = derived_id("no such flow", "multi")
    with pytest.raises(FlowNotFound, match=absent):
        contact_sheet(tams, absent, WHOLE, count=1)


@pytest.mark.parametrize(("timerange", "count"), [(TimeRange.eternity(), 3), (TimeRange(0, 10), 0)])
def test_a_range_without_ends_and_no_picture_at_all_are_refused(timerange, count):
    with pytest.raises(InvalidInput, match="at least one, of a range with two ends"):
        middles(timerange, count)
