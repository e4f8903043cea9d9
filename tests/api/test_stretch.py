"""`/flows/{id}/stretch.mp4`: what a browser gets to play, and what is refused."""

from __future__ import annotations

import io
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import httpx
import pytest
from flask.testing import FlaskClient

from tams_data.client import TamsClient
from tams_data.timerange import TimeRange
from tams_data.transfer import stretch
from tams_data.transfer.ingest import IngestPlan, ingest
from tests.api.builders import Json, audio_flow, data_flow, fragmented_flow, multi_flow, new_id, video_flow
from tests.api.client import CheckedClient
from tests.tams_data.essence.making import SECOND, Recipe, Unit, make, pictures, units

START_NS = 1_767_261_637 * SECOND


@pytest.fixture(scope="module")
def ingested(service_url: str, tmp_path_factory: pytest.TempPathFactory):
    """Six seconds in a running service, in objects of two; the file, and what the ingest says."""
    path = make(tmp_path_factory.mktemp("stretch") / "clip.mp4", Recipe(seconds=6, gop=25))
    with TamsClient(service_url) as client:
        return path, ingest(client, path, IngestPlan(length_ns=2 * SECOND, start_ns=START_NS))


def from_start(start_ns: int, end_ns: int) -> str:
    """A time range of the clip."""
    return str(TimeRange(start_ns, end_ns).shift(START_NS))


def fetched(url: str, flow_id: str, **query: str) -> io.BytesIO:
    """A stretch, whole."""
    response = httpx.get(f"{url}/flows/{flow_id}/stretch.mp4", params=query)
    assert response.status_code == 200, response.text
    return io.BytesIO(response.content)


def payloads(found: list[Unit]) -> list[str]:
    return [unit.payload for unit in found]


# --- what is played --------------------------------------------------------------------------------------------------


def test_picture_and_sound_of_a_collection_are_those_that_went_in(service_url: str, ingested) -> None:
    path, report = ingested
    found = fetched(service_url, report.multi_id)
    assert [digest for _, digest in pictures(found)] == [digest for _, digest in pictures(path)]
    found.seek(0)
    assert payloads(units(found, "audio")) == payloads(units(path, "audio"))


def test_one_flow_is_one_track(service_url: str, ingested) -> None:
    path, report = ingested
    video, audio = report.flow_ids
    with av.open(fetched(service_url, video)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    response = httpx.get(f"{service_url}/flows/{audio}/stretch.mp4")
    assert response.headers["Content-Type"] == "audio/mp4"
    assert payloads(units(io.BytesIO(response.content), "audio")) == payloads(units(path, "audio"))


def test_a_stretch_begins_and_ends_where_it_was_asked_for(service_url: str, ingested) -> None:
    """At 0 is the picture of its start; what decoding that needs lies before, which players do not show."""
    path, report = ingested
    found = fetched(service_url, report.flow_ids[0], timerange=from_start(1_400_000_000, 4_400_000_000))
    shown = [(time, digest) for time, digest in pictures(found) if time >= 0]
    wanted = [digest for _, digest in pictures(path)][35:110]
    assert [digest for _, digest in shown][:75] == wanted
    assert len(shown) <= 77, "more than the pictures that others are predicted from"
    assert shown[0][0] == 0


def test_it_is_sent_in_fragments_that_say_how_long_all_is(service_url: str, ingested) -> None:
    _, report = ingested
    with httpx.stream("GET", f"{service_url}/flows/{report.multi_id}/stretch.mp4") as response:
        assert response.status_code == 200
        assert "Content-Length" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"
        data = response.read()
    assert data.count(b"moof") >= 6
    with av.open(io.BytesIO(data)) as container:
        seconds = [float((stream.duration or 0) * (stream.time_base or 0)) for stream in container.streams]
    assert seconds == pytest.approx([6, 6], abs=0.1)


def test_a_gap_stays_a_gap(service_url: str, ingested) -> None:
    """Two of the three objects, the one in the middle left out."""
    _, report = ingested
    with TamsClient(service_url) as tams:
        video = tams.find_flow(report.flow_ids[0])
        holed = {**video, "id": new_id(), "source_id": new_id()}
        tams.put_flow(holed)
        first, _, last = tams.segments(video["id"])
        kept = [{name: one[name] for name in ("object_id", "timerange", "ts_offset")} for one in (first, last)]
        assert tams.register(holed["id"], kept) == []
    times = [time for time, _ in pictures(fetched(service_url, holed["id"]))]
    assert (times[0], len(times)) == (0, 100)
    assert {round(b - a, 3) for a, b in pairwise(times)} == {Fraction(1, 25), Fraction(51, 25)}


FRAGMENTED = Recipe(
    seconds=2,
    gop=25,
    audio=None,
    x264="bframes=0:scenecut=0",
    options={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
)


def add_fragmented(client: CheckedClient, path: Path) -> Json:
    """A flow of one object and its initialisation object, from a file of `FRAGMENTED`."""
    data = path.read_bytes()
    at = data.index(b"moof") - 4
    essence = {"frame_width": 160, "frame_height": 90, "frame_rate": {"numerator": 25}, "init_segments": True}
    flow = client.create_flow(fragmented_flow(essence_parameters=essence))
    init, media = client.upload(flow["id"], data[:at]), client.upload(flow["id"], data[at:])
    client.register(flow["id"], {"object_id": media, "init_object_id": init, "timerange": "[0:0_2:0)"})
    return flow


def test_fragmented_objects_are_put_behind_their_initialisation(client: CheckedClient, tmp_path: Path) -> None:
    path = make(tmp_path / "clip.mp4", FRAGMENTED)
    flow = add_fragmented(client, path)
    response = client.get(f"/flows/{flow['id']}/stretch.mp4")
    assert (response.status_code, response.content_type) == (200, "video/mp4")
    assert [digest for _, digest in pictures(io.BytesIO(response.data))] == [digest for _, digest in pictures(path)]


def test_bytes_elsewhere_are_fetched(service_url: str, client: CheckedClient, ingested) -> None:
    """An object that another service has, at a URL."""
    path, report = ingested
    with TamsClient(service_url) as tams:
        first = next(iter(tams.segments(report.flow_ids[0])))
    flow = client.create_flow(video_flow())
    url = next(one["url"] for one in first["get_urls"] if one["presigned"])
    segment = {name: first[name] for name in ("timerange", "ts_offset")}
    client.register(flow["id"], {**segment, "object_id": "there", "get_urls": [{"label": "there", "url": url}]})
    response = client.get(f"/flows/{flow['id']}/stretch.mp4")
    assert response.status_code == 200, response.text
    shown, original = pictures(io.BytesIO(response.data)), pictures(path)
    assert [digest for _, digest in shown] == [digest for _, digest in original][: len(shown)]
    assert len(shown) == 50


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "query", "kind", "field"),
    [
        pytest.param(data_flow(), {}, "invalid-input", "format", id="data"),
        pytest.param(multi_flow(), {}, "invalid-input", "format", id="empty collection"),
        pytest.param(video_flow(codec="video/mpeg"), {}, "not-playable", "codec", id="codec"),
        pytest.param(audio_flow(codec="audio/ac3"), {}, "not-playable", "codec", id="codec of sound"),
        pytest.param(video_flow(), {}, "invalid-input", "timerange", id="empty flow"),
        pytest.param(video_flow(), {"timerange": "x"}, "invalid-time-range", "timerange", id="no range"),
        pytest.param(video_flow(), {"timerang": "_"}, "invalid-input", "timerang", id="misspelt"),
    ],
)
def test_what_cannot_be_played_is_refused(
    client: CheckedClient, flow: dict, query: dict, kind: str, field: str
) -> None:
    client.create_flow(flow)
    response = client.get(f"/flows/{flow['id']}/stretch.mp4", query_string=query)
    problem = response.json or {}
    assert (response.status_code, problem["type"].rpartition(":")[2], problem["field"]) == (400, kind, field)


def test_a_flow_that_is_not_there_has_no_stretch(client: CheckedClient) -> None:
    assert client.get(f"/flows/{new_id()}/stretch.mp4").status_code == 404


@pytest.mark.parametrize(
    ("timerange", "status"),
    [("[0:0_200:0)", 400), (None, 400), ("[0:0_120:1)", 400), ("[0:0_120:0)", 404), ("[300:0_310:0)", 400)],
)
def test_length_is_bounded_by_what_the_flow_has(client: CheckedClient, timerange: str | None, status: int) -> None:
    """404: that far it is taken; but no bytes were uploaded."""
    flow = client.create_flow(video_flow())
    client.add(flow["id"], "[0:0_100:0)", "[100:0_200:0)")
    query = {} if timerange is None else {"timerange": timerange}
    response = client.get(f"/flows/{flow['id']}/stretch.mp4", query_string=query)
    assert response.status_code == status, response.text


def test_more_segments_than_a_stretch_takes_are_refused(client: CheckedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "MOST_SEGMENTS", 2)
    flow = client.create_flow(video_flow())
    client.add(flow["id"], "[0:0_1:0)", "[1:0_2:0)", "[2:0_3:0)")
    response = client.get(f"/flows/{flow['id']}/stretch.mp4")
    assert (response.status_code, response.json["field"]) == (400, "timerange")
    assert client.get(f"/flows/{flow['id']}/stretch.mp4?timerange=[0:0_2:0)").status_code == 404


def test_an_object_that_is_too_large_is_refused(client: CheckedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "LARGEST_OBJECT", 4)
    flow = client.create_flow(video_flow())
    client.register(flow["id"], {"object_id": client.upload(flow["id"], b"media"), "timerange": "[0:0_1:0)"})
    response = client.get(f"/flows/{flow['id']}/stretch.mp4")
    assert (response.status_code, response.json["field"]) == (400, "object_id")


def test_an_object_that_is_no_media_is_told(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    client.register(flow["id"], {"object_id": client.upload(flow["id"], b"media"), "timerange": "[0:0_1:0)"})
    response = client.get(f"/flows/{flow['id']}/stretch.mp4")
    assert (response.status_code, response.json["type"].rpartition(":")[2]) == (400, "unreadable-media")


# --- a client that goes away -----------------------------------------------------------------------------------------


def test_a_client_that_goes_away_ends_the_work(client: CheckedClient, tmp_path) -> None:
    """As servers tell it: they close the answer, wherever it stands."""
    flow = add_fragmented(client, make(tmp_path / "clip.mp4", FRAGMENTED))
    response = FlaskClient(client.application).get(f"/flows/{flow['id']}/stretch.mp4")
    assert next(response.iter_encoded())[4:8] == b"ftyp"
    assert downloading()
    response.close()
    assert not downloading()


def downloading() -> list[str]:
    """The threads that fetch objects."""
    return [one.name for one in threading.enumerate() if one.name.startswith("tams-download")]
