"""What is said of streams, held against the schemas of the specification."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import av
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tams_data.errors import UnreadableMedia
from tams_data.essence import open_media
from tests.tams_data.essence.making import NTSC, Recipe, make, streams

SCHEMAS = Path(__file__).parents[4] / "shared" / "tams-spec" / "schemas"


@pytest.fixture(scope="module")
def flow_put():
    """The specification's schema of a flow."""
    if not SCHEMAS.is_dir():
        pytest.skip(f"the TAMS specification is not at {SCHEMAS}")
    resources = [
        (path.name, Resource(json.loads(path.read_text()), specification=DRAFT202012))
        for path in SCHEMAS.glob("*.json")
    ]
    registry = Registry().with_resources(resources)
    return Draft202012Validator(registry.contents("flow-put.json"), registry=registry)


RECIPES = [
    pytest.param("mp4", Recipe(), id="h264 aac mp4"),
    pytest.param("ts", Recipe(rate=NTSC, sample_rate=44_100), id="h264 aac ts"),
    pytest.param("mkv", Recipe(rate=NTSC, sample_rate=44_100), id="h264 aac mkv"),
    pytest.param("ts", Recipe(video="mpeg2video", audio="mp2"), id="mpeg2 mp2 ts"),
    pytest.param("mp4", Recipe(video="libx265", audio="ac3", seconds=1), id="hevc ac3 mp4"),
    pytest.param("mkv", Recipe(video="mpeg4", audio="libopus"), id="mpeg4 opus mkv"),
    pytest.param("mov", Recipe(video="libx264", audio="pcm_s24le"), id="h264 pcm mov"),
    pytest.param("avi", Recipe(video="mjpeg", audio="libmp3lame", pix_fmt="yuvj422p"), id="jpeg mp3 avi"),
    pytest.param("mp4", Recipe(drop=frozenset(range(1, 90, 3))), id="variable rate"),
]


@pytest.mark.parametrize(("extension", "recipe"), RECIPES)
def test_descriptions_are_valid_flows(tmp_path, flow_put, extension, recipe):
    for stream in streams(make(tmp_path / f"x.{extension}", recipe)):
        flow = {"id": str(uuid4()), "source_id": str(uuid4()), **stream.technical}
        assert [error.message for error in flow_put.iter_errors(flow)] == []


def test_h264_and_aac_are_described(tmp_path):
    bt709 = {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "sample_aspect_ratio": Fraction(1)}
    video, audio = streams(make(tmp_path / "x.mp4", Recipe(attributes=bt709)))
    bit_rates = [technical.pop("avg_bit_rate") for technical in (dict(video.technical), dict(audio.technical))]
    assert all(rate > 0 for rate in bit_rates)
    essence = video.technical["essence_parameters"]
    avc = essence["avc_parameters"]
    assert video.technical["format"] == "urn:x-nmos:format:video"
    assert (video.technical["codec"], video.technical["container"]) == ("video/h264", "video/mp2t")
    assert (
        essence.items()
        >= {
            "frame_width": 160,
            "frame_height": 90,
            "frame_rate": {"numerator": 25, "denominator": 1},
            "bit_depth": 8,
            "component_type": "YCbCr",
            "horiz_chroma_subs": 2,
            "vert_chroma_subs": 2,
            "colorspace": "BT709",
            "transfer_characteristic": "SDR",
            "aspect_ratio": {"numerator": 16, "denominator": 9},
            "pixel_aspect_ratio": {"numerator": 1, "denominator": 1},
        }.items()
    )
    assert avc["profile"] in (66, 77, 100)
    assert 9 <= avc["level"] <= 62
    assert audio.technical["essence_parameters"] == {
        "sample_rate": 48_000,
        "channels": 2,
        "codec_parameters": {"coded_frame_size": 1024, "mp4_oti": 2},
    }
    assert (video.step, audio.step) == (Fraction(1, 25), Fraction(1024, 48_000))


@pytest.mark.parametrize(
    ("trc", "colorspace", "expected"),
    [
        pytest.param(16, 9, ("BT2100", "PQ"), id="HDR10"),
        pytest.param(18, 9, ("BT2100", "HLG"), id="HLG"),
        pytest.param(14, 9, ("BT2020", "SDR"), id="UHD SDR"),
        pytest.param(6, 6, ("BT601", "SDR"), id="SD"),
        pytest.param(2, 2, (None, None), id="not said"),
    ],
)
def test_colours_are_named_as_tams_does(tmp_path, trc, colorspace, expected):
    recipe = Recipe(audio=None, seconds=1, attributes={"color_trc": trc, "colorspace": colorspace})
    essence = streams(make(tmp_path / "x.mp4", recipe))[0].technical["essence_parameters"]
    assert (essence.get("colorspace"), essence.get("transfer_characteristic")) == expected


@pytest.mark.parametrize("extension", ["mp4", "ts", "mkv"])
@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), NTSC, Fraction(50)])
def test_a_constant_rate_is_found(tmp_path, extension, rate):
    video = streams(make(tmp_path / f"x.{extension}", Recipe(rate=rate, audio=None, seconds=2)))[0]
    assert video.step == 1 / rate
    assert video.technical["essence_parameters"]["frame_rate"] == {
        "numerator": rate.numerator,
        "denominator": rate.denominator,
    }


def test_a_variable_rate_is_told(tmp_path):
    video = streams(make(tmp_path / "x.mp4", Recipe(audio=None, drop=frozenset(range(1, 90, 3)))))[0]
    essence = video.technical["essence_parameters"]
    assert essence["vfr"] is True
    assert "frame_rate" not in essence
    assert video.step is None


def test_a_lost_picture_does_not_make_the_rate_variable(tmp_path):
    assert streams(make(tmp_path / "x.mp4", Recipe(audio=None, drop=frozenset({7, 60}))))[0].step == Fraction(1, 25)


def test_uncompressed_sound_has_its_own_terms(tmp_path):
    (audio,) = streams(make(tmp_path / "x.wav", Recipe(video=None, audio="pcm_s16le")))
    assert audio.technical["codec"] == "audio/x-raw-int"
    assert audio.technical["essence_parameters"] == {
        "sample_rate": 48_000,
        "channels": 2,
        "bit_depth": 16,
        "unc_parameters": {"unc_type": "interleaved"},
    }
    assert "container" not in audio.technical


def test_subtitles_are_left_out_with_a_notice(tmp_path):
    pictures, words = make(tmp_path / "x.mp4", Recipe(seconds=1, audio=None)), tmp_path / "x.srt"
    words.write_text("1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as output, av.open(str(pictures)) as first, av.open(str(words)) as second:
        tracks = [output.add_stream_from_template(one.streams[0]) for one in (first, second)]
        for source, track in zip((first, second), tracks, strict=True):
            for packet in source.demux():
                if packet.size:
                    packet.stream = track
                    output.mux(packet)
    media = open_media(path)
    assert [stream.kind for stream in media.streams] == ["video"]
    assert media.notices == (f"{path}: stream 1 left out: subtitle is not stored",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "No such file", id="missing"),
        pytest.param(b"", "Invalid data", id="empty"),
        pytest.param(b"not media at all" * 100, "Invalid data", id="text"),
    ],
)
def test_what_is_no_media_is_refused(tmp_path, content, message):
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableMedia, match=message) as caught:
        open_media(path)
    assert str(path) in str(caught.value)
    assert caught.value.__cause__ is not None
