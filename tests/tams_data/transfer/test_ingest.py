"""Ingest against a running service: what it makes there, and that doing it again does only what is missing."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tams_data.errors import InvalidInput, RequestFailed, UnreadableMedia
from tams_data.timerange import TimeRange
from tams_data.transfer.ids import derived_id
from tams_data.transfer.ingest import IngestPlan, ingest
from tests.tams_data.essence.making import SECOND, Recipe, make

ROOT = Path(__file__).parents[3]
PLAN = IngestPlan(length_ns=SECOND)


@pytest.fixture
def media(tmp_path, request):
    """A file that no other test has: the ids follow from its content."""
    path = make(tmp_path / "clip.mkv", Recipe(gop=25))
    with path.open("r+b") as file:
        data = file.read()
        file.seek(0)
        # The name of the writing application, of which a Matroska file may say anything.
        at = data.index(b"Lavf")
        file.seek(at)
        file.write(f"{abs(hash(request.node.name)) % 10_000:04}".encode())
    return path


def ranges(tams, flow_id):
    """The segments of a flow."""
    return [TimeRange.parse(segment["timerange"]) for segment in tams.segments(flow_id)]


def test_a_file_becomes_flows_of_its_streams_and_one_that_collects_them(tams, media):
    plan = IngestPlan(length_ns=SECOND, label="Match", description="Final", tags={"sport": "curling"})
    report = ingest(tams, media, plan)
    video, audio, multi = (tams.find_flow(flow_id) for flow_id in (*report.flow_ids, report.multi_id))
    assert [flow["label"] for flow in (video, audio, multi)] == ["Match video", "Match audio", "Match"]
    assert {flow["description"] for flow in (video, audio, multi)} == {"Final"}
    assert {flow["status"] for flow in (video, audio, multi)} == {"closed_complete"}
    assert all(flow["tags"] == {"sport": "curling"} for flow in (video, audio, multi))
    assert multi["flow_collection"] == [
        {"id": video["id"], "role": "video"},
        {"id": audio["id"], "role": "audio"},
    ]
    assert "container" not in multi
    assert len({flow["source_id"] for flow in (video, audio, multi)}) == 3
    assert video["segment_duration"] == {"numerator": 1, "denominator": 1}
    assert (report.objects, report.skipped) == (8, 0)
    assert str(report.timerange).startswith("[0:0_4:")


def test_segments_and_objects_are_there(tams, media):
    report = ingest(tams, media, PLAN)
    size = 0
    for flow_id in report.flow_ids:
        segments = list(tams.segments(flow_id))
        assert len(segments) == 4
        covered = ranges(tams, flow_id)
        assert all(a.end_ns == b.start_ns for a, b in pairwise(covered))
        for segment in segments:
            size += tams.download(segment, io.BytesIO())
    assert size == report.uploaded_bytes


def test_bit_rates_are_those_of_the_segments(tams, media):
    """App note 0013: bits of the objects by the time of the segments."""
    report = ingest(tams, media, PLAN)
    for flow_id in report.flow_ids:
        segments = list(tams.segments(flow_id))
        sizes = [tams.download(segment, io.BytesIO()) for segment in segments]
        lengths = [one.end_ns - one.start_ns for one in ranges(tams, flow_id)]
        flow = tams.find_flow(flow_id)
        assert flow["avg_bit_rate"] == sum(sizes) * 8 * SECOND // (sum(lengths) * 1000)
        singles = [size * 8 * SECOND // (length * 1000) for size, length in zip(sizes, lengths, strict=True)]
        assert flow["max_bit_rate"] == max(singles)


def test_the_same_again_does_nothing(tams, media):
    first = ingest(tams, media, PLAN)
    before = [tams.find_flow(flow_id) for flow_id in (*first.flow_ids, first.multi_id)]
    again = ingest(tams, media, PLAN)
    assert again.flow_ids == first.flow_ids
    assert (again.objects, again.skipped, again.uploaded_bytes) == (8, 8, 0)
    assert [tams.find_flow(flow_id) for flow_id in (*first.flow_ids, first.multi_id)] == before


def test_another_place_or_length_is_another_flow(tams, media):
    """A flow is immutable, and flows of one source share its timeline."""
    here, there, shorter = (
        ingest(tams, media, plan) for plan in (PLAN, IngestPlan(length_ns=SECOND, start_ns=SECOND), IngestPlan())
    )
    assert len({report.multi_id for report in (here, there, shorter)}) == 3
    sources = [tams.find_flow(report.flow_ids[0])["source_id"] for report in (here, there, shorter)]
    assert sources[0] != sources[1]
    assert sources[0] == sources[2]


def test_a_proxy_is_a_flow_of_the_same_source(tams, tmp_path, media):
    source_id = tams.find_flow(ingest(tams, media, PLAN).flow_ids[0])["source_id"]
    proxy = make(tmp_path / "proxy.mp4", Recipe(audio=None, size=(80, 46), seconds=2))
    plan = IngestPlan(source_ids={0: source_id}, generation=1, identity=f"proxy of {source_id}")
    report = ingest(tams, proxy, plan)
    flow = tams.find_flow(report.flow_ids[0])
    assert (flow["source_id"], flow["generation"], flow["label"]) == (source_id, 1, "proxy")
    assert report.multi_id is None


def test_progress_is_told(tams, media):
    told = []
    report = ingest(tams, media, PLAN, told.append)
    assert [one.objects for one in told] == list(range(1, 9))
    assert told[-1].uploaded_bytes == report.uploaded_bytes
    assert 4 * SECOND <= told[-1].done_ns <= told[-1].total_ns + SECOND


# --- what a killed ingest leaves -------------------------------------------------------------------------------------


def test_a_killed_ingest_is_finished_by_the_next(tams, tmp_path, media):
    """`kill -9` in the middle: nothing is lost, nothing doubled, and what was registered is not uploaded again."""
    path = make(tmp_path / "long.mp4", Recipe(seconds=10, gop=5, audio=None))
    plan = IngestPlan(length_ns=SECOND // 5, identity=f"killed {media.read_bytes()[:4096]!r}")
    script = (
        "import sys; from tams_data.client import TamsClient; from tams_data.transfer.ingest import *;"
        "ingest(TamsClient(sys.argv[1]), sys.argv[2], IngestPlan(length_ns=200_000_000, identity=sys.argv[3]))"
    )
    arguments = [sys.executable, "-c", script, tams.url, str(path), plan.identity]
    with subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        flow_id = derived_id(derived_id("ingest", plan.identity, 0), "flow", 0, plan.length_ns)
        wait_for(lambda: len(ranges(tams, flow_id)) >= 8 or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
    left = ranges(tams, flow_id)
    assert 8 <= len(left) < 50, "it was too fast to be killed"
    assert tams.find_flow(flow_id)["status"] == "ingesting"
    report = ingest(tams, path, plan)
    assert report.flow_ids == [flow_id]
    assert report.skipped >= len(left)
    assert [one.start_ns for one in ranges(tams, flow_id)] == [n * SECOND // 5 for n in range(50)]
    assert tams.find_flow(flow_id)["status"] == "closed_complete"


def test_what_a_killed_ingest_registers_late_stays(tams, media):
    plan = IngestPlan(length_ns=SECOND, label=media.read_bytes()[:4096].hex()[:64], identity=f"late {media}")
    late = [{"object_id": f"late {media}", "timerange": "[0:0_1:0)"}]

    def arrives(_):
        while late:
            (flow,) = tams.flows(label=f"{plan.label} video")
            (allocation,) = tams.allocate(flow["id"], [late[0]["object_id"]])
            tams.upload(allocation, io.BytesIO(b"late"), 4)
            assert not tams.register(flow["id"], [late.pop()])

    report = ingest(tams, media, plan, progress=arrives)
    first, *others = tams.segments(report.flow_ids[0])
    assert first["object_id"] == f"late {media}"
    assert len(others) == 3
    assert tams.find_flow(report.flow_ids[0])["status"] == "closed_complete"


def wait_for(condition):
    """Wait until a condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Stop(Exception):  # what a test does, not what goes wrong
    """Ends an ingest from within."""


def test_an_id_that_a_killed_ingest_took_is_no_obstacle(tams, media):
    """It may have bytes or not, or half of them: another id is taken."""

    def stop(_):
        raise Stop

    with pytest.raises(Stop):
        ingest(tams, media, PLAN, stop)
    flow_id = ingest_ids(tams, media, PLAN)[0]
    taken = derived_id(flow_id, 3 * SECOND, 0)
    tams.allocate(flow_id, [taken])
    report = ingest(tams, media, PLAN)
    segments = list(tams.segments(flow_id))
    assert len(segments) == 4
    assert segments[-1]["object_id"] == derived_id(flow_id, 3 * SECOND, 1)
    assert tams.download(segments[-1], io.BytesIO()) > 0
    assert report.objects == 8


def ingest_ids(tams, path, plan):
    """The flows of an ingest, whether it has been done or not."""
    from tams_data.essence import open_media  # noqa: PLC0415

    origin = derived_id("ingest", open_media(path).fingerprint(), plan.start_ns)
    return [derived_id(origin, "flow", number, plan.length_ns) for number in range(2)]


# --- errors ----------------------------------------------------------------------------------------------------------


def test_media_that_breaks_off_leaves_what_was_whole(tams, tmp_path):
    whole = make(tmp_path / "whole.ts", Recipe(seconds=8, gop=25))
    broken = tmp_path / "broken.ts"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    with pytest.raises(UnreadableMedia, match=r"cut short; what came before is in the store: \d+ objects?"):
        ingest(tams, broken, PLAN)
    for flow_id in ingest_ids(tams, broken, PLAN):
        assert len(ranges(tams, flow_id)) >= 3
        assert tams.find_flow(flow_id)["status"] == "closed_complete"


def test_a_flow_that_may_not_be_written_is_told(tams, media):
    report = ingest(tams, media, IngestPlan(length_ns=2 * SECOND))
    flow_id = ingest_ids(tams, media, PLAN)[0]
    like = tams.find_flow(report.flow_ids[0])
    tams.put_flow({**like, "id": flow_id, "read_only": True})
    with pytest.raises(RequestFailed, match="read-only") as caught:
        ingest(tams, media, PLAN)
    assert caught.value.status == 403


def test_a_file_that_is_not_there_makes_no_flow(tams, tmp_path):
    before = len(list(tams.flows()))
    with pytest.raises(UnreadableMedia, match="No such file"):
        ingest(tams, tmp_path / "missing.mp4")
    assert len(list(tams.flows())) == before


def test_media_that_mpeg_ts_cannot_carry_makes_no_flow(tams, tmp_path):
    before = len(list(tams.flows()))
    with pytest.raises(InvalidInput, match="MPEG-TS cannot carry pcm_s16le"):
        ingest(tams, make(tmp_path / "x.wav", Recipe(video=None, audio="pcm_s16le")))
    assert len(list(tams.flows())) == before
