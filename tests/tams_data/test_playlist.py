"""Playlists as text, read back by m3u8, which is not ours."""

from __future__ import annotations

from datetime import datetime, timezone
from urllib.parse import unquote

import m3u8
import pytest

from tams_data.playlist import Entry, Rendition, codec_string, media_playlist, multivariant_playlist
from tams_data.timerange import NS_PER_SECOND, tai_from_utc

SECOND = NS_PER_SECOND
MS = 10**6


def entry(key, start_s, end_s, offset_ns=0, init=None):
    """An object of whole seconds."""
    init_uri = None if init is None else f"init-{init}"
    return Entry(key, f"{key}.ts", start_s * SECOND, end_s * SECOND, offset_ns, init_uri, init)


def read(entries, **options):
    """The playlist of some objects, as m3u8 reads it."""
    return m3u8.loads(media_playlist(entries, **{"ended": True, **options}))


def test_objects_come_in_order_with_their_exact_durations():
    first = Entry("a", "https://x/a?b=c", 0, 1_920_000_001, 0)
    playlist = media_playlist([first, Entry("b", "b", 1_920_000_001, 4 * SECOND, 0)], ended=True)
    assert playlist.splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:3",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z",
        "#EXTINF:1.920000001,",
        "https://x/a?b=c",
        "#EXTINF:2.079999999,",
        "b",
        "#EXT-X-ENDLIST",
    ]


@pytest.mark.parametrize("uri", ["https://x/a\n#EXT-X-ENDLIST\nhttps://evil", "#EXT-X-ENDLIST", 'x"\r\n#EXT-X-GAP'])
def test_what_a_client_registered_as_a_url_is_one_line_and_no_tag(uri):
    found = read([Entry("a", uri, 0, SECOND, 0, init_uri=uri)], ended=False)
    assert not found.is_endlist
    (segment,) = found.segments
    assert segment.duration == 1
    assert unquote(segment.uri) == unquote(segment.init_section.uri) == uri


@pytest.mark.parametrize(
    ("second", "jumps"),
    [
        pytest.param(entry("b", 2, 4), False, id="goes on"),
        pytest.param(Entry("b", "b", 2 * SECOND + MS, 4 * SECOND, -MS), False, id="rounded"),
        pytest.param(entry("b", 3, 4), True, id="gap"),
        pytest.param(Entry("b", "b", 2 * SECOND + MS + 1, 4 * SECOND, 0), True, id="small gap"),
        pytest.param(entry("b", 1, 3), True, id="media twice"),
        pytest.param(entry("b", 2, 4, offset_ns=SECOND), True, id="other time stamps"),
        pytest.param(entry("b", 2, 4, init=1), True, id="initialisation"),
    ],
)
def test_a_jump_of_time_stamps_is_a_discontinuity(second, jumps):
    playlist = read([entry("a", 0, 2), second])
    assert [segment.discontinuity for segment in playlist.segments] == [False, jumps]
    dated = [segment.program_date_time is not None for segment in playlist.segments]
    assert dated == [True, jumps], "a date says where it goes on"


def test_dates_are_utc():
    """37 seconds behind TAI in 2026; a leap second, which players cannot read, repeats the one before."""
    start_ns = tai_from_utc(datetime(2026, 1, 1, 10, tzinfo=timezone.utc))
    leap_ns = tai_from_utc(datetime(2017, 1, 1, tzinfo=timezone.utc)) - SECOND + 250 * MS
    for ns, expected in ((start_ns, "2026-01-01T10:00:00.000Z"), (leap_ns, "2016-12-31T23:59:59.250Z")):
        assert f"#EXT-X-PROGRAM-DATE-TIME:{expected}\n" in media_playlist([Entry(1, "a", ns, ns + 1, 0)], ended=True)


def test_initialisation_objects_are_named_where_they_change():
    playlist = read([entry("a", 0, 2, init=1), entry("b", 2, 4, init=1), entry("c", 4, 6, init=2)])
    assert [segment.init_section.uri for segment in playlist.segments] == ["init-1", "init-1", "init-2"]
    assert [segment.discontinuity for segment in playlist.segments] == [False, False, True]
    assert (len(playlist.segment_map), int(playlist.version)) == (2, 6)


def test_parts_of_an_object_are_the_object_once():
    """But not when it comes again later, or elsewhere."""
    listed = read([entry("a", 0, 4), entry("a", 0, 4), entry("b", 4, 8), entry("a", 8, 12, 8 * SECOND)]).segments
    assert [segment.uri for segment in listed] == ["a.ts", "b.ts", "a.ts"]
    assert [segment.duration for segment in listed] == [4, 4, 4]


def test_a_flow_that_grows_has_no_end():
    playlist = read([entry("a", 0, 2)], ended=False, number=7, run=3, least_target_ns=4 * SECOND)
    assert (playlist.is_endlist, playlist.playlist_type) == (False, None)
    assert (playlist.media_sequence, playlist.discontinuity_sequence, playlist.target_duration) == (7, 3, 4)


def test_nothing_is_a_playlist_as_well():
    playlist = read([])
    assert (len(playlist.segments), playlist.target_duration, playlist.is_endlist) == (0, 1, True)


def test_a_note_is_for_people():
    assert len(read([entry("a", 0, 2)], note="more to come").segments) == 1


# --- several flows ---------------------------------------------------------------------------------------------------


def video(**members):
    """A video of Full HD."""
    essence = {
        "frame_width": 1920,
        "frame_height": 1080,
        "frame_rate": {"numerator": 30000, "denominator": 1001},
        "avc_parameters": {"profile": 77, "flags": 0x40, "level": 30},
    }
    flow = {"codec": "video/h264", "essence_parameters": essence, **members}
    return Rendition("../v/hls.m3u8", flow, "video", 5_000_000)


def audio(name, **members):
    """Stereo AAC."""
    flow = {"codec": "audio/aac", "essence_parameters": {"channels": 2}, **members}
    return Rendition(f"../{len(name)}/hls.m3u8", flow, name, 128_000 + len(name))


def test_a_video_comes_with_every_audio():
    english = audio("main", tags={"language_code": "en"})
    playlist = m3u8.loads(multivariant_playlist([video()], [english, audio("other")]))
    (variant,) = playlist.playlists
    told = variant.stream_info
    assert (variant.uri, told.bandwidth, told.codecs) == ("../v/hls.m3u8", 5_128_005, "avc1.4D401E,mp4a.40.2")
    assert (told.resolution, told.frame_rate) == ((1920, 1080), 29.97)
    listed = [(one.name, one.language, one.default, one.channels, one.uri) for one in variant.media]
    assert listed == [
        ("main", "en", "YES", "2", "../4/hls.m3u8"),
        ("other", None, "NO", "2", "../5/hls.m3u8"),
    ]


def test_audio_alone_is_a_variant():
    (variant,) = m3u8.loads(multivariant_playlist([], [audio("a")])).playlists
    assert (variant.uri, variant.stream_info.codecs, variant.media) == ("../1/hls.m3u8", "mp4a.40.2", [])


def test_codecs_are_all_told_or_none():
    playlist = m3u8.loads(multivariant_playlist([video(codec="video/h265")], [audio("a")]))
    assert playlist.playlists[0].stream_info.codecs is None


def test_names_in_a_group_differ_and_are_quoted():
    playlist = m3u8.loads(multivariant_playlist([video()], [audio('a "b"\n#EXT'), audio('a "b"\n#EXT')]))
    assert [one.name for one in playlist.media] == ["a 'b'#EXT", "a 'b'#EXT (2)"]


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        pytest.param({"codec": "audio/aac"}, "mp4a.40.2", id="AAC"),
        pytest.param(
            {"codec": "audio/aac", "essence_parameters": {"codec_parameters": {"mp4_oti": 5}}}, "mp4a.40.5", id="HE"
        ),
        pytest.param({"codec": "audio/ac3"}, "ac-3", id="AC-3"),
        pytest.param({"codec": "video/h264", "essence_parameters": {}}, None, id="AVC of no profile"),
        pytest.param(
            {"codec": "video/h264", "essence_parameters": {"avc_parameters": {"profile": 300, "flags": 0, "level": 1}}},
            None,
            id="AVC of no such profile",
        ),
        pytest.param({"codec": "video/raw"}, None, id="other"),
        pytest.param({}, None, id="none"),
    ],
)
def test_codec_strings(flow, expected):
    assert codec_string(flow) == expected
