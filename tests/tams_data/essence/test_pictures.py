"""Pictures at instants: those that a player would show then, whatever the clock of the container can say."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tams_data.errors import UnreadableMedia
from tams_data.essence.pictures import pictures_at
from tams_data.timerange import TimeRange
from tests.tams_data.essence.making import NTSC, SECOND, Recipe, make, pictures, tracks

START_NS = 1_767_261_637 * SECOND


def digests(path) -> list[str]:
    """The pictures of a file, as they are before they become RGB."""
    return [digest for _, digest in pictures(path)]


@pytest.fixture(params=[Fraction(25), NTSC], ids=["25", "29.97"])
def rate(request) -> Fraction:
    return request.param


@pytest.fixture
def video(tmp_path, cut_up, rate):
    """Five seconds of video in objects of two, on a flow's timeline."""
    original = make(tmp_path / "original.mp4", Recipe(rate=rate, seconds=5))
    return tracks(cut_up(original, length_ns=2 * SECOND, start_ns=START_NS))[0]


def numbers(found, rate: Fraction) -> list[int]:
    """Which pictures they are, by their times."""
    return [round(Fraction(one.time_ns - START_NS, SECOND) * rate) for one in found]


def instant(number: int, rate: Fraction, *, after_ns: int = 0) -> int:
    """When a picture begins to be shown, in the nanosecond in which that is."""
    return START_NS + int(number / rate * SECOND) + after_ns


def test_each_instant_has_the_picture_that_is_shown_then(video, rate) -> None:
    wanted = [0, 1, 7, 30, 49, 50, 51, 60, 110]
    step_ns = int(SECOND / rate)
    instants = [instant(number, rate, after_ns=after) for number in wanted for after in (1, step_ns // 2)]
    assert numbers(pictures_at(video, instants), rate) == [number for number in wanted for _ in range(2)]


def test_they_are_the_pictures_of_the_original(tmp_path, cut_up) -> None:
    original = make(tmp_path / "original.mp4", Recipe(seconds=4))
    track = tracks(cut_up(original, length_ns=2 * SECOND))[0]
    found = list(pictures_at(track, [number * SECOND // 25 for number in range(100)]))
    assert [one.pixels.shape for one in found] == [(90, 160, 3)] * 100
    assert len({hashlib.sha256(one.pixels.tobytes()).hexdigest() for one in found}) == len(set(digests(original)))


def test_where_there_is_nothing_there_is_no_picture(video) -> None:
    assert list(pictures_at(video, [START_NS - 1, START_NS + 60 * SECOND])) == []


def test_a_segment_that_uses_a_part_of_its_object_shows_that_part(video, rate) -> None:
    """Moved to another place, as an edit does."""
    first = video.pieces[0]
    by_ns = 100 * SECOND
    part = TimeRange(START_NS + SECOND, START_NS + 2 * SECOND).shift(by_ns)
    edited = replace(first, timerange=part, ts_offset_ns=first.ts_offset_ns + by_ns)
    found = list(pictures_at(replace(video, pieces=[edited]), [part.start_ns - 1, part.start_ns + SECOND // 2]))
    (number,) = numbers(found, rate)
    assert number == int((100 + Fraction(3, 2)) * rate)


@pytest.mark.parametrize(("width", "shape"), [(80, (45, 80, 3)), (4000, (90, 160, 3)), (None, (90, 160, 3))])
def test_a_picture_can_be_scaled_down_and_is_never_made_larger(video, width, shape) -> None:
    (found,) = pictures_at(video, [START_NS + 1], width=width)
    assert found.pixels.shape == shape
    assert found.pixels.dtype == np.uint8


def test_what_is_no_media_is_said_to_be_none(video) -> None:
    first = video.pieces[0]
    first.body.truncate(10)
    first.body.seek(0)
    with pytest.raises(UnreadableMedia, match="the object of segment"):
        list(pictures_at(replace(video, pieces=[first]), [START_NS + 1]))
