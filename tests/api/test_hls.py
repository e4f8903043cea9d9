"""`/flows/{id}/hls.m3u8`: which segments are listed, and with which URLs; and what a player makes of it."""

from __future__ import annotations

from itertools import pairwise
from urllib.parse import urljoin

import av
import httpx
import m3u8
import pytest

from api import hls
from tams_data.client import TamsClient
from tams_data.transfer.ingest import IngestPlan, ingest
from tests.api.builders import audio_flow, data_flow, fragmented_flow, multi_flow, video_flow
from tests.api.client import CheckedClient
from tests.tams_data.essence.making import SECOND, Recipe, make, pictures, units


def playlist_of(client: CheckedClient, flow_id: str, **query: str) -> m3u8.M3U8:
    """The playlist of a flow, as m3u8 reads it."""
    response = client.get(f"/flows/{flow_id}/hls.m3u8", query_string=query)
    assert response.status_code == 200, response.text
    assert response.content_type == "application/vnd.apple.mpegurl"
    return m3u8.loads(response.text)


def durations(playlist: m3u8.M3U8) -> list[float]:
    return [segment.duration for segment in playlist.segments]


def test_segments_are_listed_with_urls_that_need_no_credentials(client: CheckedClient) -> None:
    """And that end like what they hold, which FFmpeg insists on."""
    flow = client.create_flow(video_flow())
    object_id = client.upload(flow["id"], b"media")
    client.register(flow["id"], {"object_id": object_id, "timerange": "[0:0_2:0)"})
    (segment,) = playlist_of(client, flow["id"]).segments
    assert segment.uri.startswith(f"http://localhost/media/{object_id}/media.ts?")
    assert "signature=" in segment.uri
    path = segment.uri.removeprefix("http://localhost")
    answer = client.get(path)
    assert (answer.status_code, answer.data, answer.content_type) == (200, b"media", "video/mp2t")
    assert client.get(path.replace("signature=", "signature=x")).status_code == 403


def test_a_gap_and_another_offset_are_discontinuities(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    client.add(flow["id"], "[0:0_1:0)", "[1:0_3:0)", "[5:0_6:0)")
    (other,) = client.allocate(flow["id"])
    client.register(flow["id"], {"object_id": other, "timerange": "[6:0_7:0)", "ts_offset": "6:0"})
    playlist = playlist_of(client, flow["id"])
    assert durations(playlist) == [1, 2, 1, 1]
    assert [segment.discontinuity for segment in playlist.segments] == [False, False, True, True]
    dates = [segment.program_date_time for segment in playlist.segments]
    assert [date.second for date in dates if date is not None] == [0, 5, 6]


def test_a_range_takes_the_segments_in_it(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    client.add(flow["id"], "[-1:0_1:0)", "[1:0_3:0)", "[3:0_6:0)")
    assert durations(playlist_of(client, flow["id"], timerange="[1:0_3:0)")) == [2]
    assert durations(playlist_of(client, flow["id"], timerange="()")) == []


def test_an_object_used_in_part_is_listed_whole(client: CheckedClient) -> None:
    """With its own duration, and the date of its own start; parts that follow each other are listed once."""
    camera, edit = client.create_flow(video_flow()), client.create_flow(video_flow())
    (used,) = client.add(camera["id"], "[10:0_14:0)")
    (next_,) = client.add(camera["id"], "[14:0_18:0)")
    client.register(
        edit["id"],
        {"object_id": used, "timerange": "[0:0_1:0)", "ts_offset": "-12:0"},
        {"object_id": used, "timerange": "[1:0_2:0)", "ts_offset": "-12:0"},
        {"object_id": next_, "timerange": "[2:0_3:0)", "ts_offset": "-12:0"},
    )
    first, second = playlist_of(client, edit["id"]).segments
    assert (first.duration, second.duration, second.discontinuity) == (4, 4, False)
    assert first.program_date_time.isoformat() == "1969-12-31T23:59:58+00:00"


def test_an_object_without_ends_counts_as_its_segment(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    (object_id,) = client.allocate(flow["id"])
    segment = {"object_id": object_id, "timerange": "[0:0_2:0)", "object_timerange": "_"}
    client.register(flow["id"], segment)
    assert durations(playlist_of(client, flow["id"])) == [2]


def test_initialisation_objects_are_named(client: CheckedClient) -> None:
    flow = client.create_flow(fragmented_flow())
    init, media = client.allocate(flow["id"]) + client.allocate(flow["id"])
    client.register(flow["id"], {"object_id": media, "init_object_id": init, "timerange": "[0:0_2:0)"})
    (segment,) = playlist_of(client, flow["id"]).segments
    assert f"/media/{init}/media.mp4?" in segment.init_section.uri
    assert f"/media/{media}/media.m4s?" in segment.uri


def test_a_url_elsewhere_is_left_as_it_is(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    urls = [{"label": "x", "url": "https://example.com/a?b=c"}]
    client.register(flow["id"], {"object_id": "elsewhere", "timerange": "[0:0_2:0)", "get_urls": urls})
    assert [segment.uri for segment in playlist_of(client, flow["id"]).segments] == ["https://example.com/a?b=c"]


# --- flows that grow, and long ones ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "query", "ends"),
    [
        pytest.param("closed_complete", {}, True, id="complete"),
        pytest.param(None, {}, True, id="nothing said"),
        pytest.param("ingesting", {}, False, id="growing"),
        pytest.param("ingesting", {"timerange": "[1:0_"}, False, id="growing from then on"),
        pytest.param("ingesting", {"timerange": "[0:0_1:0)"}, True, id="a range that is there"),
        pytest.param("ingesting", {"timerange": "[0:0_9:0)"}, False, id="a range that is to come"),
    ],
)
def test_a_playlist_ends_unless_the_flow_grows(client: CheckedClient, status: str, query: dict, ends: bool) -> None:
    flow = client.create_flow(video_flow(**({"status": status} if status else {})))
    client.add(flow["id"], "[0:0_1:0)", "[1:0_2:0)")
    playlist = playlist_of(client, flow["id"], **query)
    assert (playlist.is_endlist, playlist.playlist_type) == (ends, "vod" if ends else None)


def test_a_flow_that_grows_shows_its_last_segments(client: CheckedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers stay with the segments: those that are no longer listed count, and so do the gaps between them."""
    monkeypatch.setattr(hls, "MOST_LIVE_SEGMENTS", 3)
    flow = client.create_flow(video_flow(status="ingesting"))
    client.add(flow["id"], "[0:0_1:0)", "[1:0_2:0)", "[5:0_6:0)")
    seen = [numbered(playlist_of(client, flow["id"]))]
    for timerange in ("[6:0_7:0)", "[7:0_8:0)", "[9:0_10:0)", "[10:0_11:0)"):
        client.add(flow["id"], timerange)
        seen.append(numbered(playlist_of(client, flow["id"])))
    assert [run for _, run in seen[0].values()] == [0, 0, 1]
    assert [run for _, run in seen[-1].values()] == [1, 2, 2]
    for earlier, later in pairwise(seen):
        assert len(later) == 3
        shared = earlier.keys() & later.keys()
        assert len(shared) == 2
        assert {key: earlier[key] for key in shared} == {key: later[key] for key in shared}


def test_numbers_stay_where_parts_of_an_object_are_listed_once(
    client: CheckedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls, "MOST_LIVE_SEGMENTS", 3)
    flow = client.create_flow(video_flow(status="ingesting"))
    (whole,) = client.allocate(flow["id"])
    part = {"object_id": whole, "object_timerange": "[0:0_3:0)"}
    client.register(flow["id"], *({**part, "timerange": f"[{n}:0_{n + 1}:0)"} for n in range(3)))
    seen = [numbered(playlist_of(client, flow["id"]))]
    for n in range(3, 8):
        client.add(flow["id"], f"[{n}:0_{n + 1}:0)")
        seen.append(numbered(playlist_of(client, flow["id"])))
    assert [list(one) for one in seen] == [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    for earlier, later in pairwise(seen):
        shared = earlier.keys() & later.keys()
        assert {key: earlier[key] for key in shared} == {key: later[key] for key in shared}


def numbered(playlist: m3u8.M3U8) -> dict[int, tuple[str, int]]:
    """By its number, each segment's object and the number of its run."""
    run = playlist.discontinuity_sequence or 0
    found = {}
    for number, segment in enumerate(playlist.segments, playlist.media_sequence):
        run += segment.discontinuity
        found[number] = (segment.uri.partition("?")[0], run)
    return found


def test_a_long_flow_says_where_to_go_on(client: CheckedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls, "MOST_SEGMENTS", 2)
    flow = client.create_flow(video_flow())
    client.add(flow["id"], "[0:0_1:0)", "[1:0_3:0)")
    assert "timerange=" not in client.get(f"/flows/{flow['id']}/hls.m3u8").text
    client.add(flow["id"], "[3:0_6:0)")
    text = client.get(f"/flows/{flow['id']}/hls.m3u8").text
    assert "# No more than 2 segments are listed; ask for the others with timerange=[3:0_\n" in text
    assert durations(m3u8.loads(text)) == [1, 2]
    assert durations(playlist_of(client, flow["id"], timerange="[3:0_")) == [3]


# --- collections -----------------------------------------------------------------------------------------------------


def test_a_collection_is_a_playlist_of_playlists(client: CheckedClient) -> None:
    """Whose addresses are relative, and keep what was asked for."""
    video, audio = video_flow(max_bit_rate=5000), audio_flow(avg_bit_rate=128)
    members = [{"id": client.create_flow(one)["id"], "role": role} for one, role in ((video, "v"), (audio, "main"))]
    members.append({"id": client.create_flow(data_flow())["id"]})
    multi = client.create_flow(multi_flow(flow_collection=members))
    playlist = playlist_of(client, multi["id"], timerange="[0:0_9:0)", access_token="a b")
    (variant,), (sound,) = playlist.playlists, playlist.media
    assert (variant.stream_info.bandwidth, variant.stream_info.resolution) == (5_128_000, (1920, 1080))
    assert sound.name == "main"
    base = f"http://localhost/flows/{multi['id']}/hls.m3u8"
    query = "?timerange=%5B0%3A0_9%3A0%29&access_token=a+b"
    assert urljoin(base, variant.uri) == f"http://localhost/flows/{video['id']}/hls.m3u8{query}"
    assert urljoin(base, sound.uri) == f"http://localhost/flows/{audio['id']}/hls.m3u8{query}"


def test_a_collection_with_objects_of_its_own_is_one_playlist(client: CheckedClient) -> None:
    member = client.create_flow(video_flow(container=None))
    multi = client.create_flow(multi_flow(container="video/mp2t", flow_collection=[{"id": member["id"]}]))
    client.add(multi["id"], "[0:0_1:0)")
    assert durations(playlist_of(client, multi["id"])) == [1]


@pytest.mark.parametrize(
    ("flow", "query", "field"),
    [
        pytest.param(data_flow(), {}, "format", id="data"),
        pytest.param(multi_flow(), {}, "flow_collection", id="empty collection"),
        pytest.param(video_flow(), {"timerange": "x"}, "timerange", id="range"),
        pytest.param(video_flow(), {"timerang": "_"}, "timerang", id="misspelt"),
    ],
)
def test_what_cannot_be_played_is_refused(client: CheckedClient, flow: dict, query: dict, field: str) -> None:
    client.create_flow(flow)
    response = client.get(f"/flows/{flow['id']}/hls.m3u8", query_string=query)
    assert (response.status_code, response.json["field"]) == (400, field)


def test_a_flow_that_is_not_there_has_no_playlist(client: CheckedClient) -> None:
    assert client.get(f"/flows/{video_flow()['id']}/hls.m3u8").status_code == 404


# --- players ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ingested(service_url: str, tmp_path_factory: pytest.TempPathFactory):
    """Six seconds in a running service, in objects of two; the file, and what the ingest says."""
    path = make(tmp_path_factory.mktemp("hls") / "clip.mp4", Recipe(seconds=6, gop=25))
    with TamsClient(service_url) as client:
        return path, ingest(client, path, IngestPlan(length_ns=2 * SECOND, start_ns=1_767_261_637 * SECOND))


def test_a_player_sees_what_went_in(service_url: str, ingested) -> None:
    """FFmpeg, through PyAV: every picture, in order, and every packet of sound."""
    path, report = ingested
    video, audio = (f"{service_url}/flows/{flow_id}/hls.m3u8" for flow_id in report.flow_ids)
    assert [digest for _, digest in pictures(video)] == [digest for _, digest in pictures(path)]
    assert [unit.payload for unit in units(audio, "audio")] == [unit.payload for unit in units(path, "audio")]


def test_a_player_sees_pictures_and_sound_of_a_collection(service_url: str, ingested) -> None:
    path, report = ingested
    url = f"{service_url}/flows/{report.multi_id}/hls.m3u8"
    with av.open(url) as container:
        assert sorted(stream.type for stream in container.streams) == ["audio", "video"]
    assert [digest for _, digest in pictures(url)] == [digest for _, digest in pictures(path)]
    (variant,) = m3u8.loads(httpx.get(url).text).playlists
    assert variant.stream_info.codecs.startswith("avc1.")
    assert variant.stream_info.codecs.endswith(",mp4a.40.2")


def test_dates_are_the_time_of_day(service_url: str, ingested) -> None:
    _, report = ingested
    playlist = m3u8.loads(httpx.get(f"{service_url}/flows/{report.flow_ids[0]}/hls.m3u8").text)
    assert playlist.segments[0].program_date_time.isoformat() == "2026-01-01T10:00:00+00:00"
    assert [segment.discontinuity for segment in playlist.segments] == [False, False, False]
