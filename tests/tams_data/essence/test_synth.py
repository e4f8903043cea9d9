"""The made-up programme: that it is what it is said to be."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from tams_data.essence.font import text_mask
from tams_data.essence.synth import CAMERA_A, CAMERA_B, GOP_FRAMES, RATE, Rendition, Take, record
from tests.tams_data.essence.making import streams, units


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Four seconds of both cameras, and a proxy."""
    folder = tmp_path_factory.mktemp("synth")
    paths = {name: folder / f"{name}.mp4" for name in ("a", "b", "proxy")}
    record(CAMERA_A, Take(4), Rendition(paths["a"], 320, 180), Rendition(paths["proxy"], 160, 90, audio=False))
    record(CAMERA_B, Take(4), Rendition(paths["b"], 320, 180))
    return paths


def test_gops_are_closed_and_have_b_frames(files):
    found = units(files["a"], "video")
    assert [n for n, unit in enumerate(found) if unit.key] == [0, GOP_FRAMES]
    assert len(found) == 4 * RATE
    assert any(later.pts < earlier.pts for earlier, later in pairwise(found))
    assert all(unit.pts >= found[GOP_FRAMES].pts for unit in found[GOP_FRAMES:])


def test_the_streams_are_said_to_be_what_they_are(files):
    video, audio = streams(files["a"])
    essence = video.technical["essence_parameters"]
    assert (video.step, audio.step) == (Fraction(1, 25), Fraction(1024, 48_000))
    assert (essence["colorspace"], essence["transfer_characteristic"]) == ("BT709", "SDR")
    assert [stream.kind for stream in streams(files["proxy"])] == ["video"]


def luma(path, number):
    """The luma plane of a picture."""
    with av.open(str(path)) as container:
        for n, frame in enumerate(container.decode(video=0)):
            if n == number:
                return frame.to_ndarray()[: frame.height].astype(int)
    raise AssertionError(f"no picture {number}")


@pytest.mark.parametrize("number", [0, 51])
def test_the_clock_is_in_the_picture(files, number):
    """The dots of the timecode are bright, and dark round about."""
    dots = text_mask(Take(4).timecode(number), 2)
    height, width = dots.shape
    left, top = (320 - 11 * 12) // 2, (180 - 21) // 2 * 2
    area = luma(files["a"], number)[top : top + height, left : left + width]
    assert area[dots].mean() > 180
    assert area[~dots].mean() < 80


def test_the_cameras_look_different(files):
    assert np.abs(luma(files["a"], 10) - luma(files["b"], 10)).mean() > 10


def test_the_pictures_move(files):
    assert np.abs(luma(files["a"], 10) - luma(files["a"], 20)).mean() > 1


def test_a_pip_sounds_at_the_full_second(files):
    with av.open(str(files["a"])) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)[0]
    level = [np.abs(sound[at : at + 2400]).max() for at in (48_000, 48_000 + 24_000)]
    assert level[0] > 3 * level[1]


def test_the_timecode_counts_pictures():
    take = Take(seconds=60, clock_s=86_399)
    assert [take.timecode(number) for number in (0, 24, 25)] == ["23:59:59:00", "23:59:59:24", "24:00:00:00"]


def test_a_character_that_the_font_lacks_is_an_error():
    with pytest.raises(KeyError):
        text_mask("ä", 1)
