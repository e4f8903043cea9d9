"""Playlists: what is read of them, and where it goes on the timeline."""

from __future__ import annotations

import functools
import http.server
import threading
from itertools import pairwise

import av
import pytest

from tams_data.errors import UnreadableMedia
from tams_data.essence import open_media
from tams_data.essence.hls import is_playlist, load
from tests.tams_data.essence.making import SECOND, Recipe, make, units


def segmented(folder, recipe=None, *, name="index", kind="mpegts"):
    """A playlist of segments of a second, as FFmpeg makes them, beside the media it was made of."""
    folder.mkdir(exist_ok=True)
    original = make(folder / f"{name}.mp4", recipe or Recipe(gop=25, seconds=4))
    options = {"hls_time": "1", "hls_list_size": "0", "hls_segment_type": kind, "hls_playlist_type": "vod"}
    if kind == "fmp4":
        options["hls_fmp4_init_filename"] = f"{name}-init.mp4"
    options["hls_segment_filename"] = str(folder / f"{name}-%d.{'ts' if kind == 'mpegts' else 'm4s'}")
    playlist = folder / f"{name}.m3u8"
    with av.open(str(original)) as source, av.open(str(playlist), "w", format="hls", options=options) as output:
        tracks = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream.index]
                output.mux(packet)
    return playlist, original


def payloads(objects, kind):
    """What is in the objects, in order."""
    return [unit.payload for one in objects for unit in units(one.body, kind)]


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_segments_are_one_stream(tmp_path, cut_up, kind):
    """All that was segmented, without a seam: segments of MPEG-TS, and an initialisation section with fragments."""
    playlist, original = segmented(tmp_path / "vod", kind=kind)
    media = open_media(playlist)
    assert media.duration_ns // SECOND == 4
    video, audio = cut_up(media, length_ns=2 * SECOND)
    assert [str(one.timerange) for one in video] == ["[0:0_2:0)", "[2:0_4:0)"]
    assert payloads(video, "video") == [unit.payload for unit in units(original, "video")]
    heard = [unit.payload for unit in units(original, "audio")]
    assert payloads(audio, "audio")[-len(heard) + 1 :] == heard[1:]


def test_a_discontinuity_goes_on_without_a_gap(tmp_path, cut_up):
    """A second recording with time stamps of its own begins where the first one ends."""
    folder = tmp_path / "vod"
    first, _ = segmented(folder, name="first")
    second, _ = segmented(folder, name="second")
    media_lines = [
        [line for line in one.read_text().splitlines() if line.startswith("#EXTINF") or line.endswith(".ts")]
        for one in (first, second)
    ]
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", *media_lines[0], "#EXT-X-DISCONTINUITY", *media_lines[1]]
    both = folder / "both.m3u8"
    both.write_text("\n".join([*lines, "#EXT-X-ENDLIST"]))
    video, audio = cut_up(both, length_ns=2 * SECOND)
    assert len(video) == 4
    assert audio[1].timerange.end_ns == audio[2].timerange.start_ns, "the sound is longer, and decides"
    # Sound and pictures of a run stay together: the sound has 21 ms of priming before, which MPEG-TS cannot hide.
    assert abs(video[2].timerange.start_ns - audio[2].timerange.start_ns - 21_333_333) <= 1
    for objects in (video, audio):
        gaps = [b.timerange.start_ns - a.timerange.end_ns for a, b in pairwise(objects)]
        assert all(0 <= gap < 50_000_000 for gap in gaps)


def multivariant(folder, *lines):
    """A multivariant playlist."""
    path = folder / "master.m3u8"
    path.write_text("\n".join(["#EXTM3U", *lines]))
    return path


def test_the_best_variant_is_taken(tmp_path):
    folder = tmp_path / "vod"
    segmented(folder, Recipe(seconds=1, size=(64, 48)), name="low")
    segmented(folder, Recipe(seconds=1, size=(320, 180)), name="high")
    master = multivariant(
        folder,
        "#EXT-X-STREAM-INF:BANDWIDTH=100000",
        "low.m3u8",
        "#EXT-X-STREAM-INF:BANDWIDTH=900000",
        "high.m3u8",
    )
    (video, _) = open_media(master).streams
    assert video.technical["essence_parameters"]["frame_width"] == 320


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_sound_of_its_own_playlist_belongs_to_the_pictures(tmp_path, cut_up, kind):
    folder = tmp_path / "vod"
    segmented(folder, Recipe(audio=None), name="pictures", kind=kind)
    segmented(folder, Recipe(video=None), name="sound", kind=kind)
    master = multivariant(
        folder,
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="other",DEFAULT=NO,URI="nowhere.m3u8"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="main",DEFAULT=YES,URI="sound.m3u8"',
        '#EXT-X-STREAM-INF:BANDWIDTH=900000,AUDIO="a"',
        "pictures.m3u8",
    )
    video, audio = cut_up(master, length_ns=2 * SECOND)
    assert [one.stream.kind for one in (video[0], audio[0])] == ["video", "audio"]
    assert len(video) == len(audio) == 2
    assert abs(video[1].timerange.start_ns - audio[1].timerange.start_ns) < 50_000_000


def test_byte_ranges_are_read(tmp_path, cut_up):
    """One file of segments; a range without an offset goes on where the one before ended."""
    folder = tmp_path / "vod"
    playlist, original = segmented(folder)
    parts = [(folder / f"index-{n}.ts").read_bytes() for n in range(4)]
    (folder / "all.ts").write_bytes(b"".join(parts))
    lines = ["#EXTM3U", "#EXT-X-VERSION:4", "#EXT-X-TARGETDURATION:1"]
    for number, part in enumerate(parts):
        lines += ["#EXTINF:1,", f"#EXT-X-BYTERANGE:{len(part)}{'@0' if number == 0 else ''}", "all.ts"]
    playlist.write_text("\n".join([*lines, "#EXT-X-ENDLIST"]))
    video, _ = cut_up(playlist, length_ns=2 * SECOND)
    assert payloads(video, "video") == [unit.payload for unit in units(original, "video")]


@pytest.fixture
def served(tmp_path):
    """A folder, and the URL under which it is served."""
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        """Say nothing."""


def test_playlists_and_files_come_over_http(served, cut_up):
    folder, url = served
    segmented(folder / "vod")
    (from_playlist, _), (from_file, _) = (
        cut_up(open_media(f"{url}/vod/index{name}"), length_ns=SECOND) for name in (".m3u8", "-0.ts")
    )
    assert payloads(from_playlist[:1], "video") == payloads(from_file, "video")


def test_what_is_missing_on_a_server_is_told(served):
    folder, url = served
    segmented(folder / "vod")
    (folder / "vod" / "index-0.ts").unlink()
    with pytest.raises(UnreadableMedia, match=r"index-0\.ts.*404"):
        open_media(f"{url}/vod/index.m3u8")


def test_a_segment_that_is_missing_ends_the_ingest_after_what_was_whole(tmp_path, cut_up):
    folder = tmp_path / "vod"
    playlist, _ = segmented(folder, Recipe(gop=25, seconds=8))
    media = open_media(playlist)
    (folder / "index-6.ts").unlink()
    with pytest.raises(UnreadableMedia, match=r"index-6\.ts: No such file"):
        cut_up(media, length_ns=2 * SECOND)


def test_a_live_playlist_gives_what_it_lists_with_a_notice(tmp_path):
    playlist, _ = segmented(tmp_path / "vod")
    playlist.write_text(playlist.read_text().replace("#EXT-X-ENDLIST", ""))
    assert "is live" in open_media(playlist).notices[0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param(["not a playlist"], "not an HLS playlist", id="text"),
        pytest.param(["#EXTM3U"], "no segments", id="empty"),
        pytest.param(
            ["#EXTM3U", '#EXT-X-KEY:METHOD=AES-128,URI="key"', "#EXTINF:1,", "a.ts", "#EXT-X-ENDLIST"],
            r"a\.ts is encrypted \(AES-128\)",
            id="encrypted",
        ),
        pytest.param(
            ["#EXTM3U", "#EXTINF:1,", "missing.ts", "#EXT-X-ENDLIST"], r"missing\.ts: No such file", id="missing"
        ),
    ],
)
def test_playlists_that_cannot_be_read_are_refused(tmp_path, lines, message):
    path = tmp_path / "index.m3u8"
    path.write_text("\n".join(lines))
    with pytest.raises(UnreadableMedia, match=message):
        open_media(path)


def test_a_missing_playlist_is_told(tmp_path):
    with pytest.raises(UnreadableMedia, match=r"index\.m3u8: No such file"):
        load(str(tmp_path / "index.m3u8"))


@pytest.mark.parametrize(
    ("location", "expected"),
    [("a/b.m3u8", True), ("A.M3U8", True), ("https://x/y.m3u8?a=b.mp4", True), ("a.mp4", False), ("https://x/", False)],
)
def test_playlists_are_known_by_their_name(location, expected):
    assert is_playlist(location) is expected


def test_a_fingerprint_follows_the_content(tmp_path):
    """The same media elsewhere has the same fingerprint; a changed byte gives another."""
    playlist, original = segmented(tmp_path / "vod")
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(original.read_bytes())
    assert open_media(moved).fingerprint() == open_media(original).fingerprint()
    before = open_media(playlist).fingerprint()
    last = tmp_path / "vod" / "index-3.ts"
    last.write_bytes(last.read_bytes()[:-1] + b"x")
    assert open_media(playlist).fingerprint() != before
