"""Files that end as they should, and files that do not: FFmpeg alone takes both for whole."""

from __future__ import annotations

import pytest

from tams_data.errors import UnreadableMedia
from tams_data.essence.inputs import FileInput, read_packets
from tests.tams_data.essence.making import Recipe, make

FORMATS = [
    pytest.param("ts", {}, id="transport stream"),
    pytest.param("m2ts", {"mpegts_m2ts_mode": "1"}, id="transport stream with times between"),
    pytest.param("mp4", {"movflags": "faststart"}, id="MP4"),
    pytest.param("mp4", {"movflags": "frag_keyframe+empty_moov"}, id="fragmented MP4"),
    pytest.param("mov", {"movflags": "faststart"}, id="QuickTime"),
    pytest.param("mkv", {}, id="Matroska"),
    pytest.param("mkv", {"live": "1"}, id="live Matroska"),
]


def read(path):
    """Read a file to its end; the number of packets."""
    source = FileInput(str(path))
    with source.open() as container:
        return sum(1 for _ in read_packets(source, container))


@pytest.mark.parametrize(("extension", "options"), FORMATS)
def test_a_whole_file_is_read_without_an_error(tmp_path, extension, options):
    path = make(tmp_path / f"x.{extension}", Recipe(options=options))
    assert read(path) >= 4 * 25 + 4 * 46


@pytest.mark.parametrize(("extension", "options"), FORMATS[:-1])
@pytest.mark.parametrize("bytes_lost", [1, 1000, 20_000])
def test_a_file_cut_short_is_told(tmp_path, extension, options, bytes_lost):
    path = make(tmp_path / f"x.{extension}", Recipe(options=options))
    path.write_bytes(path.read_bytes()[:-bytes_lost])
    with pytest.raises(UnreadableMedia, match=f"x.{extension}: .*cut short"):
        read(path)


@pytest.mark.parametrize(("extension", "options"), FORMATS[:-1])
@pytest.mark.parametrize("rubbish", [b"rubbish!" * 4000, bytes(192 * 188)], ids=["text", "zeros"])
def test_a_file_that_ends_in_something_else_is_told(tmp_path, extension, options, rubbish):
    path = make(tmp_path / f"x.{extension}", Recipe(options=options))
    path.write_bytes(path.read_bytes() + rubbish)
    with pytest.raises(UnreadableMedia, match=f"x.{extension}: .*(ends in something else|nothing that can be read)"):
        read(path)


def test_media_behind_a_hole_is_missed(tmp_path):
    """A Matroska file that cannot be read on from the middle ends too early for what it says of itself."""
    path = make(tmp_path / "x.mkv", Recipe(seconds=6))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(UnreadableMedia, match=r"its media end after \d+ ms, not \d+ ms"):
        read(path)
