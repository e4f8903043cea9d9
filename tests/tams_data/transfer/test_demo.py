"""The demonstration in a running service; pictures are small here, all else is as a newcomer gets it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tams_data.client import TamsClient
from tams_data.timerange import TimeRange, tai_from_utc
from tams_data.transfer import demo
from tams_data.transfer.export import export
from tests.tams_data.essence.making import SECOND, pictures

START_NS = tai_from_utc(demo.START)


@pytest.fixture(scope="module")
def shown(service_url):
    """The flows that the demonstration says it made, by label."""
    with TamsClient(service_url) as client:
        assert not demo.is_complete(client)
        steps = []
        flows = demo.make(client, steps.append, size=(160, 90))
        assert steps[0] == "recording two cameras"
        return {flow.label: flow for flow in flows}


def test_cameras_proxy_and_edit_are_there(tams, shown):
    assert list(shown) == [
        "Camera A",
        "Camera B",
        "Edit",
        "Camera A audio",
        "Camera A proxy",
        "Camera A video",
        "Camera B audio",
        "Camera B video",
        "Edit audio",
        "Edit video",
    ]
    assert {flow["id"] for flow in tams.flows()} == {flow.id for flow in shown.values()}
    assert {flow["status"] for flow in tams.flows()} == {"closed_complete"}
    assert demo.is_complete(tams)


def test_the_cameras_are_at_the_time_of_day_in_their_pictures(shown):
    assert shown["Camera A video"].timerange == TimeRange(START_NS, START_NS + 60 * SECOND)
    assert shown["Camera A"].timerange.start_ns == START_NS
    assert str(shown["Edit"].timerange).startswith("[0:0_50:")


def test_the_proxy_is_of_the_source_of_its_camera(tams, shown):
    camera, proxy = (tams.find_flow(shown[label].id) for label in ("Camera A video", "Camera A proxy"))
    assert camera["source_id"] == proxy["source_id"]
    assert (camera["generation"], proxy["generation"]) == (0, 1)


def test_the_edit_has_no_objects_of_its_own(tams, shown):
    cameras = {
        segment["object_id"]
        for camera in ("A", "B")
        for kind in ("video", "audio")
        for segment in tams.segments(shown[f"Camera {camera} {kind}"].id)
    }
    for kind in ("video", "audio"):
        segments = list(tams.segments(shown[f"Edit {kind}"].id))
        covered = [TimeRange.parse(segment["timerange"]) for segment in segments]
        assert {segment["object_id"] for segment in segments} < cameras
        assert all(a.end_ns == b.start_ns for a, b in pairwise(covered))
        assert any(length.end_ns - length.start_ns < 3 * SECOND for length in covered), "objects are used in part"


def test_the_edit_shows_what_the_cameras_saw(tams, tmp_path, shown):
    """Picture by picture: each shot is that of its camera, at the time it was taken."""
    seen = {}
    for label in ("Camera A", "Camera B", "Edit"):
        path = tmp_path / f"{label}.mp4"
        assert export(tams, shown[label].id, path).notices == []
        seen[label] = [digest for _, digest in pictures(path)]
    shots = [seen[f"Camera {shot.camera}"][shot.from_s * 25 : shot.to_s * 25] for shot in demo.SHOTS]
    assert seen["Edit"] == [digest for shot in shots for digest in shot]


def test_making_it_again_changes_nothing(tams, shown):
    before = sorted(tams.flows(), key=lambda flow: flow["id"])
    again = demo.make(tams, size=(160, 90))
    assert {flow.label: flow for flow in again} == shown
    assert sorted(tams.flows(), key=lambda flow: flow["id"]) == before


def test_an_edit_that_was_not_finished_is_made_again(tams, shown):
    """The edit is made last, so that it tells whether all is there."""
    edit = tams.find_flow(demo.EDIT_ID)
    tams.put_flow({**edit, "status": "ingesting"})
    assert not demo.is_complete(tams)
    demo.make(tams, size=(160, 90))
    assert demo.is_complete(tams)
    assert len(list(tams.segments(shown["Camera A video"].id))) == 15
