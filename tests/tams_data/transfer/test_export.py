"""Export from a running service: what was ingested comes out again, whole, in part, and as an edit."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tams_data.errors import FlowNotFound, InvalidInput, RequestFailed
from tams_data.timerange import TimeRange, format_timestamp, parse_timestamp
from tams_data.transfer.export import export
from tams_data.transfer.ids import derived_id
from tams_data.transfer.ingest import IngestPlan, ingest
from tests.tams_data.essence.making import NTSC, SECOND, Recipe, make, pictures, units

START_NS = 1_767_261_637 * SECOND


@pytest.fixture
def original(tmp_path):
    """A file of six seconds, at 29.97 pictures and 44.1 kHz: times that MPEG-TS cannot say."""
    return make(tmp_path / "original.mp4", Recipe(seconds=6, rate=NTSC, sample_rate=44_100, gop=30))


@pytest.fixture
def flows(tams, original):
    """The file in the store."""
    return ingest(tams, original, IngestPlan(length_ns=2 * SECOND, start_ns=START_NS))


def test_what_was_ingested_comes_out_the_same(tams, tmp_path, original, flows):
    """The whole way round, through the service: packets, their times, and the pictures."""
    exported = tmp_path / "exported.mp4"
    joined = export(tams, flows.multi_id, exported)
    for kind in ("video", "audio"):
        assert units(exported, kind) == units(original, kind)
    assert pictures(exported) == pictures(original)
    assert joined.timerange.start_ns == START_NS


def test_one_flow_is_one_track(tams, tmp_path, original, flows):
    exported = tmp_path / "exported.mp4"
    joined = export(tams, flows.flow_ids[1], exported)
    assert joined.frames == [len(units(original, "audio"))]
    assert units(exported, "audio") == units(original, "audio")


def test_a_range_takes_the_segments_in_it_only(tams, tmp_path, original, flows):
    exported = tmp_path / "exported.mp4"
    export(tams, flows.multi_id, exported, TimeRange(2 * SECOND + SECOND // 2, 4 * SECOND).shift(START_NS))
    shown = pictures(exported)
    wanted = [digest for time, digest in pictures(original) if Fraction(5, 2) <= time < 4]
    assert [digest for _, digest in shown][: len(wanted)] == wanted
    assert len(shown) <= len(wanted) + 2


def test_segments_may_use_objects_in_part_and_elsewhere(tams, tmp_path, original, flows):
    """An edit by reference: the last two seconds, then the first GOP, on a timeline of their own."""
    video = tams.find_flow(flows.flow_ids[0])
    edit = {**video, "id": derived_id("edit of", video["id"]), "source_id": derived_id("source of", video["id"])}
    tams.put_flow(edit)
    first, *_, last = tams.segments(video["id"])
    length_ns = last_length = TimeRange.parse(last["timerange"]).end_ns - TimeRange.parse(last["timerange"]).start_ns
    gop_ns = 30 * 1001 * SECOND // 30_000
    segments = [moved(last, 0, length_ns), moved(first, last_length, gop_ns)]
    assert tams.register(edit["id"], segments) == []
    exported = tmp_path / "edit.mp4"
    joined = export(tams, edit["id"], exported)
    shown = [digest for _, digest in pictures(original)]
    count = round(length_ns * NTSC / SECOND)
    assert [digest for _, digest in pictures(exported)] == shown[-count:] + shown[:30]
    assert joined.notices == []


def moved(segment, at_ns, length_ns):
    """The beginning of a segment, at another place."""
    start_ns = TimeRange.parse(segment["timerange"]).start_ns
    offset_ns = parse_timestamp(segment["ts_offset"]) + at_ns - start_ns
    return {
        "object_id": segment["object_id"],
        "timerange": str(TimeRange(at_ns, at_ns + length_ns)),
        "ts_offset": format_timestamp(offset_ns),
    }


def test_an_unknown_flow_is_told(tams, tmp_path):
    flow_id = derived_id("nobody")
    with pytest.raises(FlowNotFound, match=f"no flow {flow_id} at {tams.url}"):
        export(tams, flow_id, tmp_path / "x.mp4")


def test_a_range_with_nothing_in_it_is_told(tams, tmp_path, flows):
    with pytest.raises(InvalidInput, match=r"no segments in \[0:0_1:0\)"):
        export(tams, flows.multi_id, tmp_path / "x.mp4", TimeRange(0, SECOND))
    assert not (tmp_path / "x.mp4").exists()


def test_a_flow_of_data_is_told(tams, tmp_path):
    flow_id = derived_id("data", str(tmp_path))
    tams.put_flow(
        {
            "id": flow_id,
            "source_id": derived_id(flow_id),
            "format": "urn:x-nmos:format:data",
            "codec": "application/json",
            "essence_parameters": {},
        }
    )
    with pytest.raises(InvalidInput, match="neither video nor audio"):
        export(tams, flow_id, tmp_path / "x.mp4")


def test_an_object_that_cannot_be_had_is_told(tams, tmp_path, flows):
    """A segment whose only URL leads nowhere."""
    video = tams.find_flow(flows.flow_ids[0])
    elsewhere = {**video, "id": derived_id("elsewhere", video["id"]), "source_id": derived_id("else", video["id"])}
    tams.put_flow(elsewhere)
    segment = {
        "object_id": derived_id("object", video["id"]),
        "timerange": "[0:0_1:0)",
        "get_urls": [{"label": "nowhere", "url": f"{tams.url}/nowhere"}],
    }
    assert tams.register(elsewhere["id"], [segment]) == []
    with pytest.raises(RequestFailed, match="nowhere: 404"):
        export(tams, elsewhere["id"], tmp_path / "x.mp4")
    assert not list(tmp_path.glob("x.mp4*"))
