"""NAL units in both wrappings."""

from __future__ import annotations

import av
import pytest

from tams_data.essence.nal import (
    AvcProfile,
    avc_profile,
    length_size,
    nal_type,
    nal_units,
    parameter_sets,
    with_parameter_sets,
)
from tests.tams_data.essence.making import Recipe, make

CODECS = [
    pytest.param("h264", "libx264", {7, 8}, id="h264"),
    pytest.param("hevc", "libx265", {32, 33, 34}, id="hevc"),
]


def first_packet(path):
    """The first packet of a file, and the extradata of its stream."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return bytes(next(container.demux(stream))), stream.codec_context.extradata


@pytest.mark.parametrize(("codec", "encoder", "types"), CODECS)
@pytest.mark.parametrize("extension", ["mp4", "ts"])
def test_parameter_sets_are_found_in_both_wrappings(tmp_path, codec, encoder, types, extension):
    _, extradata = first_packet(make(tmp_path / f"x.{extension}", Recipe(video=encoder, audio=None, seconds=1)))
    assert length_size(codec, extradata) == {"mp4": 4, "ts": 0}[extension]
    assert types <= {nal_type(codec, unit) for unit in parameter_sets(codec, extradata)}


@pytest.mark.parametrize(("codec", "encoder", "types"), CODECS)
def test_an_access_unit_gets_the_parameter_sets_it_lacks(tmp_path, codec, encoder, types):
    data, extradata = first_packet(make(tmp_path / "x.mp4", Recipe(video=encoder, audio=None, seconds=1)))
    size = length_size(codec, extradata)
    added = with_parameter_sets(codec, data, extradata)
    assert types <= {nal_type(codec, unit) for unit in nal_units(added, size)}
    assert added.endswith(data)
    assert with_parameter_sets(codec, added, extradata) == added


def test_other_codecs_stay_as_they_are():
    assert with_parameter_sets("mpeg2video", b"\x00\x00\x01\xb3data", b"anything") == b"\x00\x00\x01\xb3data"


@pytest.mark.parametrize(
    ("data", "size", "expected"),
    [
        pytest.param(b"\0\0\0\1ab\0\0\1cd", 0, [b"ab", b"cd"], id="start codes of both lengths"),
        pytest.param(b"\0\0\1ab\0\0\0\0\0\1cd\0\0", 0, [b"ab", b"cd"], id="zeros around"),
        pytest.param(b"", 0, [], id="nothing"),
        pytest.param(b"no start code", 0, [], id="no start code"),
        pytest.param(b"\0\0\0\2ab\0\0\0\1c", 4, [b"ab", b"c"], id="lengths"),
        pytest.param(b"\0\0\0\2ab\0\0", 4, [b"ab"], id="cut short"),
    ],
)
def test_nal_units_are_split(data, size, expected):
    assert nal_units(data, size) == expected


def test_profile_and_level_come_from_the_parameter_set():
    assert avc_profile(bytes.fromhex("0000000167640c1faabb0000000168eb")) == AvcProfile(0x64, 0x0C, 0x1F)
    assert avc_profile(None) is None
    assert avc_profile(bytes.fromhex("0000000168eb")) is None
