"""Joining: the samples and the times that went in come out, and what a part of them is."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import pytest

from tams_data.errors import InvalidInput, UnreadableMedia
from tams_data.essence import Piece, Track, join
from tams_data.timerange import TimeRange
from tests.tams_data.essence.making import NTSC, SECOND, Recipe, make, pictures, piece, tracks, units

TAI_NOW_NS = 1_767_261_637_123_456_789
FILM = Fraction(24000, 1001)


def times(found):
    """Presentation and decoding times of packets, from the first."""
    return [(unit.pts - found[0].pts, unit.dts - found[0].pts) for unit in found]


@pytest.mark.parametrize("start_ns", [0, TAI_NOW_NS])
@pytest.mark.parametrize(
    ("rate", "sample_rate"), [(Fraction(25), 48_000), (NTSC, 48_000), (NTSC, 44_100), (FILM, 44_100)]
)
@pytest.mark.parametrize("extension", ["mp4", "mov"])
def test_a_round_trip_gives_back_the_same(tmp_path, cut_up, extension, rate, sample_rate, start_ns):  # noqa: PLR0917
    """Cut to MPEG-TS and joined: the same packets, at exactly the same times, and the same pictures and lead-in."""
    recipe = Recipe(rate=rate, sample_rate=sample_rate, seconds=5)
    original = make(tmp_path / f"original.{extension}", recipe)
    joined = tmp_path / f"joined.{extension}"
    objects = cut_up(original, length_ns=2 * SECOND, start_ns=start_ns)
    assert [len(one) for one in objects] == [3, 3]
    told = join(tracks(objects), joined)
    assert told.notices == []
    for kind in ("video", "audio"):
        assert units(joined, kind) == units(original, kind)
    assert pictures(joined) == pictures(original)
    assert told.timerange.start_ns == start_ns


@pytest.mark.parametrize("extension", ["mkv", "ts"])
def test_other_containers_hold_the_same_within_their_clocks(tmp_path, cut_up, extension):
    original = make(tmp_path / "original.mp4", Recipe(rate=NTSC, sample_rate=44_100, seconds=3))
    joined = tmp_path / f"joined.{extension}"
    join(tracks(cut_up(original, length_ns=SECOND)), joined)
    wanted, found = units(original, "video"), units(joined, "video")
    assert [unit.payload for unit in found] == [unit.payload for unit in wanted]
    off = [abs((a.pts - found[0].pts) - (b.pts - wanted[0].pts)) for a, b in zip(found, wanted, strict=True)]
    assert max(off) <= Fraction(1, 1000)
    heard = [unit.payload for unit in units(original, "audio") if unit.pts >= 0]
    assert [unit.payload for unit in units(joined, "audio")] == heard


@pytest.mark.parametrize("start_ns", [0, TAI_NOW_NS])
def test_a_part_begins_and_ends_where_it_was_asked_for(tmp_path, cut_up, start_ns):
    """The pictures shown are those of the range, in the middle of GOPs; MP4 hides what decoding them needs before."""
    original, part = make(tmp_path / "original.mp4", Recipe(seconds=6, gop=50)), tmp_path / "part.mp4"
    objects = cut_up(original, length_ns=2 * SECOND, start_ns=start_ns)
    wanted = TimeRange(1_200_000_000, 4_800_000_000).shift(start_ns)
    told = join(tracks(objects), part, wanted)
    shown, all_of_it = pictures(part), pictures(original)
    from_start = all_of_it[30:120]
    assert [digest for _, digest in shown][:90] == [digest for _, digest in from_start]
    assert shown[0][0] == 0
    assert len(shown) <= 92, "more than the pictures that others are predicted from"
    assert told.timerange.start_ns == wanted.start_ns
    heard = units(part, "audio")
    assert [unit.pts >= 0 for unit in heard[:3]] == [False, False, True]
    assert heard[-1].pts < Fraction(36, 10)


def test_a_range_beyond_the_media_is_refused(tmp_path, cut_up):
    objects = cut_up(make(tmp_path / "x.mp4"), length_ns=2 * SECOND)
    with pytest.raises(InvalidInput, match=r"no segments in \[100:0_101:0\)"):
        join(tracks(objects), tmp_path / "part.mp4", TimeRange.parse("[100:0_101:0)"))
    assert not list(tmp_path.glob("part*"))


def test_a_range_that_begins_before_the_media_keeps_the_wait(tmp_path, cut_up):
    objects = cut_up(make(tmp_path / "x.mp4", Recipe(audio=None, seconds=2)), length_ns=SECOND, start_ns=3 * SECOND)
    join(tracks(objects), tmp_path / "late.mp4", TimeRange(0, 10 * SECOND))
    assert pictures(tmp_path / "late.mp4")[0][0] == 3


# --- segments that use part of an object -----------------------------------------------------------------------------


def part_of(one, start_ns, end_ns, at_ns):
    """A segment that uses `[start_ns, end_ns)` of an object's time on its flow, at another place."""
    one.body.seek(0)
    return Piece(one.body, TimeRange(at_ns, at_ns + end_ns - start_ns), one.ts_offset_ns + at_ns - start_ns)


def test_an_edit_at_key_frames_is_exact(tmp_path, cut_up):
    """Parts of the objects of two flows, end to end on a timeline of their own."""
    a = make(tmp_path / "a.mp4", Recipe(seconds=6, gop=25, audio=None))
    b = make(tmp_path / "b.mp4", Recipe(seconds=6, gop=25, audio=None, size=(176, 96)))
    (from_a,), (from_b,) = (cut_up(path, length_ns=2 * SECOND, start_ns=TAI_NOW_NS) for path in (a, b))
    t = TAI_NOW_NS
    edit = [
        part_of(from_a[0], t + SECOND, t + 2 * SECOND, 0),
        part_of(from_b[1], t + 2 * SECOND, t + 3 * SECOND, SECOND),
        part_of(from_a[2], t + 4 * SECOND, t + 6 * SECOND, 2 * SECOND),
    ]
    told = join([Track("video", edit, Fraction(1, 25))], tmp_path / "edit.mp4")
    shown = pictures(tmp_path / "edit.mp4")
    seen_a, seen_b = ([digest for _, digest in pictures(path)] for path in (a, b))
    assert [digest for _, digest in shown] == seen_a[25:50] + seen_b[50:75] + seen_a[100:150]
    assert {b[0] - a[0] for a, b in pairwise(shown)} == {Fraction(1, 25)}
    assert told.notices == []


def test_what_cannot_be_decoded_within_an_edit_is_left_out_and_told(tmp_path, cut_up):
    """A segment in the middle of which a GOP begins: there is no room for the pictures its first ones need."""
    path = make(tmp_path / "a.mp4", Recipe(seconds=4, gop=25, audio=None, x264="bframes=0:scenecut=0"))
    (objects,) = cut_up(path, length_ns=2 * SECOND)
    edit = [
        part_of(objects[0], 0, SECOND, 0),
        part_of(objects[1], 2 * SECOND + 400_000_000, 4 * SECOND, SECOND),
    ]
    told = join([Track("video", edit, Fraction(1, 25))], tmp_path / "edit.mp4")
    assert told.frames == [50]
    assert told.notices == ["15 pictures of [1:0_2:600000000) left out: pictures they are predicted from lie outside"]
    shown = [digest for _, digest in pictures(path)]
    assert [digest for _, digest in pictures(tmp_path / "edit.mp4")] == shown[:25] + shown[75:]


def test_leading_pictures_need_the_object_before(tmp_path, cut_up):
    """The pictures of an open GOP that precede its key frame are taken only behind the object they follow."""
    recipe = Recipe(gop=24, audio=None, x264="open-gop=1:bframes=3:b-adapt=0:scenecut=0", seconds=5)
    path = make(tmp_path / "x.mp4", recipe)
    (objects,) = cut_up(path, length_ns=SECOND)
    whole, alone = tmp_path / "whole.mp4", tmp_path / "alone.mp4"
    join([Track("video", [piece(one) for one in objects], Fraction(1, 25))], whole)
    assert pictures(whole) == pictures(path)
    (again,) = cut_up(path, length_ns=SECOND)
    leading = sum(unit.pts < later[0].pts for later in [units(again[2].body, "video")] for unit in later)
    told = join([Track("video", [piece(again[2])], Fraction(1, 25))], alone)
    assert leading > 0
    assert told.frames == [again[2].sample_count - leading]
    assert f"{leading} pictures" in told.notices[0]


def test_a_gap_stays_a_gap(tmp_path, cut_up):
    (objects,) = cut_up(make(tmp_path / "x.mp4", Recipe(seconds=3, audio=None)), length_ns=SECOND)
    join([Track("video", [piece(objects[0]), piece(objects[2])], Fraction(1, 25))], tmp_path / "gap.mp4")
    shown = [time for time, _ in pictures(tmp_path / "gap.mp4")]
    assert (shown[24], shown[25]) == (Fraction(24, 25), 2)


def test_times_without_a_rate_are_those_of_the_object(tmp_path, cut_up):
    """A variable rate: times are as fine as MPEG-TS can say."""
    path = make(tmp_path / "x.mp4", Recipe(audio=None, drop=frozenset(range(1, 90, 3))))
    objects = cut_up(path, length_ns=2 * SECOND)
    join(tracks(objects), tmp_path / "joined.mp4")
    assert [time for time, _ in pictures(tmp_path / "joined.mp4")] == [time for time, _ in pictures(path)]


# --- errors ----------------------------------------------------------------------------------------------------------


def test_an_unknown_kind_of_file_is_refused_before_anything_is_read(tmp_path):
    def never():
        raise AssertionError("nothing may be read")
        yield

    with pytest.raises(InvalidInput, match=r"x\.gif: the name must end in one of .*\.mp4") as caught:
        join([Track("video", never())], tmp_path / "x.gif")
    assert caught.value.field == "output"


def test_a_container_that_cannot_hold_the_codec_is_refused(tmp_path, cut_up):
    objects = cut_up(make(tmp_path / "x.mkv", Recipe(audio="libopus")), length_ns=2 * SECOND)
    with pytest.raises(InvalidInput, match="mov cannot hold h264 and opus"):
        join(tracks(objects), tmp_path / "x.mov")
    assert not list(tmp_path.glob("x.mov*"))


def test_sound_that_is_partly_priming_begins_where_it_is_heard(tmp_path, cut_up):
    """Opus starts with 6.5 ms that nobody hears, in a coded frame of 20 ms."""
    (audio,) = cut_up(make(tmp_path / "x.mkv", Recipe(audio="libopus", video=None)), length_ns=2 * SECOND)
    assert audio[0].timerange.start_ns == 0
    assert audio[0].object_timerange.start_ns == -7_000_000  # as fine as Matroska's clock
    told = join(tracks([audio]), tmp_path / "y.mp4")
    assert told.timerange.start_ns == 0
    assert units(tmp_path / "y.mp4", "audio")[0].pts == Fraction(-7, 1000)


def test_an_object_that_is_no_media_is_told_by_its_segment(tmp_path):
    body = (tmp_path / "rubbish").open("w+b")
    body.write(b"rubbish " * 1000)
    body.seek(0)
    with pytest.raises(UnreadableMedia, match=r"the object of segment \[0:0_1:0\): Invalid data"):
        join([Track("video", [Piece(body, TimeRange(0, SECOND))])], tmp_path / "x.mp4")
    assert body.closed
    assert not list(tmp_path.glob("x*"))


def test_an_object_without_the_kind_of_stream_is_told(tmp_path, cut_up):
    (_, audio) = cut_up(make(tmp_path / "x.mp4"), length_ns=10 * SECOND)
    with pytest.raises(UnreadableMedia, match="has 0 video streams, not 1"):
        join([Track("video", [piece(audio[0])])], tmp_path / "y.mp4")


def test_the_language_is_written(tmp_path, cut_up):
    (_, audio) = cut_up(make(tmp_path / "x.mp4"), length_ns=10 * SECOND)
    join([Track("audio", [piece(audio[0])], language="bfi")], tmp_path / "y.mp4")
    with av.open(str(tmp_path / "y.mp4")) as container:
        assert container.streams.audio[0].language == "bfi"
