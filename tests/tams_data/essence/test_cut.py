"""Cutting: where objects begin and end, what is in them, and what is said of them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import pytest

from tams_data.errors import InvalidInput, UnreadableMedia
from tams_data.essence import cut, open_media
from tams_data.essence.nal import nal_type, nal_units
from tams_data.essence.timing import ROLLOVER_TICKS, TICKS_PER_SECOND, nearest_rollover, to_ns
from tams_data.timerange import TimeRange, format_timestamp, parse_timestamp
from tests.tams_data.essence.making import NTSC, SECOND, Recipe, make, pictures, units

TAI_NOW_NS = 1_767_261_637_123_456_789
ROLLOVER_NS = ROLLOVER_TICKS * SECOND // TICKS_PER_SECOND


def ranges(objects):
    """The timeranges of objects as text."""
    return [str(one.timerange) for one in objects]


def sample_times(one):
    """The flow times at which an object's time stamps put its samples, in presentation order."""
    expected = one.object_timerange.start_ns * TICKS_PER_SECOND // SECOND
    ticks = (int(unit.pts * TICKS_PER_SECOND) for unit in units(one.body, one.stream.kind))
    one.body.seek(0)
    # FFmpeg gives time stamps of the last minute before a rollover as negative ones.
    times = sorted(Fraction(nearest_rollover(tick, expected), TICKS_PER_SECOND) for tick in ticks)
    return [to_ns(time) + one.ts_offset_ns for time in times]


@pytest.mark.parametrize("start_ns", [0, TAI_NOW_NS, -5 * SECOND])
@pytest.mark.parametrize("extension", ["mp4", "ts", "mkv"])
@pytest.mark.parametrize("rate", [Fraction(25), NTSC])
def test_objects_touch_and_begin_where_their_time_stamps_say(tmp_path, extension, rate, start_ns, cut_up):
    """Segments neither overlap nor leave holes; the first sample is where the segment starts, to the nanosecond."""
    path = make(tmp_path / f"x.{extension}", Recipe(rate=rate, sample_rate=44_100, seconds=5))
    by_stream = cut_up(path, length_ns=SECOND, start_ns=start_ns)
    for objects in by_stream:
        assert len(objects) == 5
        assert all(a.timerange.end_ns == b.timerange.start_ns for a, b in pairwise(objects))
        for one in objects:
            presented = [time for time in sample_times(one) if time >= one.timerange.start_ns - 2]
            assert abs(presented[0] - one.timerange.start_ns) <= 1
            assert abs(one.timerange.end_ns - one.last_duration_ns - presented[-1]) <= 20_000
            assert one.object_timerange.shift(one.ts_offset_ns).end_ns == one.timerange.end_ns
    assert by_stream[0][0].timerange.start_ns == start_ns


def test_whole_seconds_are_exact(tmp_path, cut_up):
    (video, audio) = cut_up(make(tmp_path / "x.mp4"), length_ns=2 * SECOND)
    assert ranges(video) == ["[0:0_2:0)", "[2:0_4:0)"]
    assert ranges(audio) == ["[0:0_2:5333333)", "[2:5333333_4:10666666)"]
    assert [one.ts_offset_ns for one in video + audio] == [0, 0, 0, 0]
    assert [one.key_frame_count for one in video] == [2, 2]
    assert [one.sample_count for one in video] == [50, 50]
    assert [one.sample_count for one in audio] == [94 * 1024, 94 * 1024]
    assert [one.last_duration_ns for one in video] == [40_000_000, 40_000_000]
    assert [one.size for one in video] == [len(one.body.read()) for one in video]


def test_an_encoders_priming_is_in_the_object_and_not_in_the_segment(tmp_path, cut_up):
    """The first coded frame of AAC holds what the decoder needs, and nobody hears."""
    _, audio = cut_up(make(tmp_path / "x.mp4"), length_ns=2 * SECOND)
    assert str(audio[0].object_timerange) == "[-0:21333334_2:5333333)"
    assert str(audio[0].timerange) == "[0:0_2:5333333)"
    assert len(units(audio[0].body, "audio")) == audio[0].sample_count // 1024 + 1


def test_a_segment_says_what_tams_wants(tmp_path, cut_up):
    by_stream = cut_up(make(tmp_path / "x.mp4"), length_ns=2 * SECOND, start_ns=TAI_NOW_NS)
    segment = by_stream[0][1].segment("an id")
    assert segment == {
        "object_id": "an id",
        "timerange": "[1767261639:123456789_1767261641:123456789)",
        "ts_offset": format_timestamp(by_stream[0][1].ts_offset_ns),
        "object_timerange": str(by_stream[0][1].object_timerange),
        "last_duration": "0:40000000",
        "key_frame_count": 2,
    }
    moved = TimeRange.parse(segment["object_timerange"]).shift(parse_timestamp(segment["ts_offset"]))
    assert moved == TimeRange.parse(segment["timerange"])


@pytest.mark.parametrize(
    ("gop", "length", "starts"),
    [
        pytest.param(25, "1", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], id="a GOP each"),
        pytest.param(48, "4", [0, 3.84, 7.68], id="nearest to multiples, so without drift"),
        pytest.param(40, "2", [0, 1.6, 3.2, 6.4, 8], id="nearer before or after"),
        pytest.param(100, "1", [0, 4, 8], id="GOPs longer than objects"),
        pytest.param(25, "100", [0], id="shorter than an object"),
    ],
)
def test_objects_begin_at_the_key_frames_nearest_to_multiples(tmp_path, gop, length, starts, cut_up):
    path = make(tmp_path / "x.mp4", Recipe(gop=gop, seconds=10))
    by_stream = cut_up(path, length_ns=int(length) * SECOND)
    video, audio = ([one.timerange.start_ns for one in objects] for objects in by_stream)
    assert video == [round(start * SECOND) for start in starts]
    # The sound of a picture is in the object of the same number, but for one coded frame.
    assert all(0 <= a - v < 22_000_000 for v, a in zip(video, audio, strict=True))


def test_sound_alone_is_cut_near_multiples(tmp_path, cut_up):
    (audio,) = cut_up(make(tmp_path / "x.mp4", Recipe(video=None, seconds=5)), length_ns=SECOND)
    off = [abs(one.timerange.start_ns - number * SECOND) for number, one in enumerate(audio)]
    assert len(audio) >= 5
    assert max(off) <= 11_000_000


def test_every_object_can_be_decoded_alone(tmp_path, cut_up):
    path = make(tmp_path / "x.mp4", Recipe(seconds=3))
    video, _ = cut_up(path, length_ns=SECOND)
    shown = [digest for one in video for _, digest in pictures(one.body)]
    assert shown == [digest for _, digest in pictures(path)]


# --- open GOPs -------------------------------------------------------------------------------------------------------


def open_gops(tmp_path, extension):
    """Pictures of which some are shown before the key frame that they are decoded after."""
    recipe = Recipe(gop=24, audio=None, x264="open-gop=1:bframes=3:b-adapt=0:scenecut=0", seconds=5)
    return make(tmp_path / f"x.{extension}", recipe)


@pytest.mark.parametrize("extension", ["mp4", "ts"])
def test_an_open_gop_begins_with_the_first_picture_shown(tmp_path, extension, cut_up):
    """Nothing is lost and nothing overlaps; the pictures before the key frame belong to its object."""
    path = open_gops(tmp_path, extension)
    (video,) = cut_up(path, length_ns=SECOND)
    assert len(video) > 3
    assert all(a.timerange.end_ns == b.timerange.start_ns for a, b in pairwise(video))
    assert sum(one.sample_count for one in video) == 125
    later = units(video[1].body, "video")
    assert later[0].key
    assert min(unit.pts for unit in later) < later[0].pts, "not an open GOP: the test tests nothing"
    assert [unit.payload for one in video for unit in units(rewound(one), "video")] == [
        unit.payload for unit in units(path, "video")
    ]


def test_an_object_that_begins_with_an_open_gop_has_parameter_sets(tmp_path, cut_up):
    """FFmpeg puts them before IDR pictures only, and a decoder needs them to begin anywhere."""
    (video,) = cut_up(open_gops(tmp_path, "mp4"), length_ns=SECOND)
    for one in video:
        with av.open(one.body, "r") as container:
            first = bytes(next(container.demux(video=0)))
        types = [nal_type("h264", unit) for unit in nal_units(first)]
        assert {7, 8} <= set(types)


def rewound(one):
    """The file of an object, at its start."""
    one.body.seek(0)
    return one.body


# --- 33 bits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before_s", [1, 3, 90_000])
def test_time_stamps_roll_over(tmp_path, before_s, cut_up):
    """The clock of MPEG-TS starts again within an object, between two, or long after."""
    start_ns = 7 * ROLLOVER_NS - before_s * SECOND
    by_stream = cut_up(make(tmp_path / "x.mp4"), length_ns=2 * SECOND, start_ns=start_ns)
    for objects in by_stream:
        for one in objects:
            assert 0 <= one.object_timerange.end_ns < ROLLOVER_NS + 10 * SECOND
            assert -ROLLOVER_NS < one.timerange.start_ns - one.ts_offset_ns < ROLLOVER_NS
    starts = [one.timerange.start_ns for one in by_stream[0]]
    assert starts == [start_ns, start_ns + 2 * SECOND]


def test_an_input_may_roll_over(tmp_path, cut_up):
    """A recording that was on when its 33 bits ran out is one stream all the same."""
    first = (ROLLOVER_TICKS - 2 * TICKS_PER_SECOND) * 25 // TICKS_PER_SECOND
    options = {"mpegts_copyts": "1", "avoid_negative_ts": "disabled"}
    path = make(tmp_path / "x.ts", Recipe(first_picture=first, seconds=5, options=options))
    video, audio = cut_up(path, length_ns=SECOND)
    assert [one.sample_count for one in video] == [25] * 5
    assert all(a.timerange.end_ns == b.timerange.start_ns for o in (video, audio) for a, b in pairwise(o))


# --- what recordings are like ----------------------------------------------------------------------------------------


def test_a_hole_is_a_gap_on_the_timeline(tmp_path, cut_up):
    """Three seconds without pictures: the object before ends with its last picture, and the sound goes on."""
    recipe = Recipe(seconds=12, drop=frozenset(range(150, 225)))
    video, audio = cut_up(make(tmp_path / "x.mp4", recipe), length_ns=4 * SECOND)
    assert ranges(video) == ["[0:0_4:0)", "[4:0_6:0)", "[9:0_12:0)"]
    assert len(audio) == 4
    assert all(a.timerange.end_ns == b.timerange.start_ns for a, b in pairwise(audio))


def test_pictures_before_the_first_key_frame_are_left_out(tmp_path, caplog, cut_up):
    """A recording that begins in the middle of a GOP."""
    whole = make(tmp_path / "whole.ts", Recipe(gop=50, audio=None, seconds=4))
    late = tmp_path / "late.ts"
    with av.open(str(whole)) as source, av.open(str(late), "w") as output:
        track = output.add_stream_from_template(source.streams.video[0])
        for packet in [packet for packet in source.demux() if packet.size][10:]:
            packet.stream = track
            output.mux(packet)
    (video,) = cut_up(late, length_ns=SECOND)
    assert sum(one.sample_count for one in video) == 50
    assert "40 pictures before the first key frame left out" in caplog.text


def test_sound_that_is_far_from_its_pictures_does_not_wait_for_ever(tmp_path, cut_up):
    """Pictures end after two seconds; the sound of the next minute is cut by itself."""
    recipe = Recipe(seconds=62, drop=frozenset(range(50, 62 * 25 - 1)), gop=25, x264="bframes=0:scenecut=0")
    video, audio = cut_up(make(tmp_path / "x.mkv", recipe), length_ns=10 * SECOND)
    assert [one.sample_count for one in video] == [50, 1]
    assert [round(one.timerange.start_ns / SECOND) for one in audio] == [0, 10, 20, 30, 40, 50, 60, 62]
    assert all(a.timerange.end_ns == b.timerange.start_ns for a, b in pairwise(audio))


@pytest.mark.parametrize("extension", ["mp4", "ts", "mkv"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) * 3 // 4], id="truncated"),
        pytest.param(lambda data: data + b"rubbish!" * 5000, id="rubbish behind"),
        pytest.param(
            lambda data: data[: len(data) * 3 // 4] + b"rubbish!" * (len(data) // 32), id="rubbish at the end"
        ),
    ],
)
def test_what_was_whole_comes_before_the_error(tmp_path, extension, damage, cut_up):
    recipe = Recipe(seconds=8, options={"movflags": "faststart"} if extension == "mp4" else {})
    whole, broken = make(tmp_path / f"whole.{extension}", recipe), tmp_path / f"broken.{extension}"
    broken.write_bytes(damage(whole.read_bytes()))
    expected = [ranges(objects) for objects in cut_up(whole, length_ns=SECOND)]
    found = [[] for _ in expected]
    media = open_media(broken)
    with pytest.raises(UnreadableMedia, match=r"broken\."):  # noqa: PT012  # the objects before the error count
        for one in cut(media, length_ns=SECOND):
            found[one.stream.index].append(str(one.timerange))
            one.body.close()
    assert all(len(ranges) >= 3 for ranges in found)
    assert all(ranges == whole[: len(ranges)] for ranges, whole in zip(found, expected, strict=True))


def test_time_that_goes_back_is_refused(tmp_path, cut_up):
    """Two recordings in one file: where the second belongs, nobody can say."""
    one = make(tmp_path / "one.ts", Recipe(audio=None)).read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(one + one)
    with pytest.raises(UnreadableMedia, match="time goes back from 3:960000000 to 0:0"):
        cut_up(both, length_ns=SECOND)


@pytest.mark.parametrize(("audio", "codec"), [("pcm_s16le", "pcm_s16le"), ("flac", "flac")])
def test_what_mpeg_ts_cannot_carry_is_refused(tmp_path, audio, codec):
    media = open_media(make(tmp_path / "x.mkv", Recipe(audio=audio)))
    with pytest.raises(InvalidInput, match=f"MPEG-TS cannot carry {codec} .audio, stream 1.") as caught:
        next(cut(media))
    assert (caught.value.field, caught.value.value) == ("codec", codec)


@pytest.mark.parametrize(
    ("video", "audio"),
    [("libx265", "ac3"), ("mpeg2video", "mp2"), ("libx264", "libopus"), ("mpeg4", "libmp3lame"), ("libx265", "eac3")],
)
def test_other_codecs_are_carried(tmp_path, video, audio, cut_up):
    path = make(tmp_path / "x.mkv", Recipe(video=video, audio=audio, seconds=2, gop=12))
    by_stream = cut_up(path, length_ns=SECOND)
    for objects, kind in zip(by_stream, ("video", "audio"), strict=True):
        cut_payloads = [unit.payload for one in objects for unit in units(one.body, kind)]
        assert cut_payloads == [unit.payload for unit in units(path, kind)]


def test_a_cut_that_is_given_up_leaves_no_files_open(tmp_path):
    """Closing the generator discards the objects that are being written; a leak would be a ResourceWarning."""
    cutting = cut(open_media(make(tmp_path / "x.mp4")), length_ns=SECOND)
    next(cutting).body.close()
    cutting.close()


def test_a_stream_without_times_is_refused(tmp_path, cut_up):
    """H.264 outside any container: when a picture is shown, only a container says."""
    with pytest.raises(UnreadableMedia, match=r"x\.h264: video: a packet without a presentation time"):
        cut_up(make(tmp_path / "x.h264", Recipe(audio=None)))


def test_sound_before_the_first_picture_lies_before_the_start(tmp_path, cut_up):
    """What MPEG-TS begins with: sound with its priming, which only other containers can hide."""
    video, audio = cut_up(make(tmp_path / "x.ts"), start_ns=10 * SECOND)
    assert video[0].timerange.start_ns == 10 * SECOND
    assert 10 * SECOND - audio[0].timerange.start_ns == 21_333_334
