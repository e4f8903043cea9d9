"""Small media for tests, encoded on the spot, and what is in a file, in a form that can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tams_data.essence import EssenceStream, MediaObject, Piece, Track, open_media
from tams_data.essence.nal import length_size, nal_type, nal_units

NTSC = Fraction(30000, 1001)
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Recipe:
    """What to encode. `gop` is in pictures."""

    rate: Fraction = Fraction(25)
    seconds: int = 4
    gop: int = 25
    video: str | None = "libx264"
    audio: str | None = "aac"
    sample_rate: int = 48_000
    size: tuple[int, int] = (160, 90)
    pix_fmt: str = "yuv420p"
    x264: str = "bframes=2:scenecut=0:open-gop=0"
    options: Mapping[str, str] = field(default_factory=dict)
    first_picture: int = 0
    drop: frozenset[int] = frozenset()
    attributes: Mapping[str, Any] = field(default_factory=dict)


_made: dict[tuple[str, str], bytes] = {}


def make(path: Path, recipe: Recipe | None = None) -> Path:
    """Encode a moving pattern and a tone into a file, named by its extension; the same only once in a test run."""
    recipe = recipe or Recipe()
    key = (path.suffix, repr(recipe))
    if key not in _made:
        _encode(path, recipe)
        _made[key] = path.read_bytes()
    path.write_bytes(_made[key])
    return path


def _encode(path: Path, recipe: Recipe) -> None:
    with av.open(str(path), "w", options=dict(recipe.options)) as container:
        video, audio = _video(container, recipe), _audio(container, recipe)
        samples = 0
        for number in range(int(recipe.seconds * recipe.rate)):
            if video is not None and number not in recipe.drop:
                container.mux(video.encode(_picture(number, recipe)))
            while audio is not None and samples < (number + 1) / recipe.rate * recipe.sample_rate:
                size = audio.codec_context.frame_size or 1024
                container.mux(audio.encode(_sound(samples, size, recipe)))
                samples += size
        for stream in (video, audio):
            if stream is not None:
                container.mux(stream.encode(None))


def _video(container: Any, recipe: Recipe) -> Any:
    if recipe.video is None:
        return None
    stream = container.add_stream(recipe.video, rate=recipe.rate, options=_encoder_options(recipe))
    stream.width, stream.height = recipe.size
    stream.pix_fmt = recipe.pix_fmt
    stream.codec_context.gop_size = recipe.gop
    for name, value in recipe.attributes.items():
        setattr(stream.codec_context, name, value)
    return stream


def _encoder_options(recipe: Recipe) -> dict[str, str]:
    if recipe.video == "libx264":
        return {"preset": "ultrafast", "x264-params": f"keyint={recipe.gop}:min-keyint={recipe.gop}:{recipe.x264}"}
    if recipe.video == "libx265":
        return {"preset": "ultrafast", "x265-params": f"keyint={recipe.gop}:min-keyint={recipe.gop}:log-level=none"}
    return {}


def _audio(container: Any, recipe: Recipe) -> Any:
    if recipe.audio is None:
        return None
    stream = container.add_stream(recipe.audio, rate=recipe.sample_rate)
    stream.layout = "stereo"
    return stream


def _picture(number: int, recipe: Recipe) -> av.VideoFrame:
    width, height = recipe.size
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([(x + y * c + number * 5) % 220 + 16 for c in (1, 2, 3)], axis=-1).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=recipe.pix_fmt)
    frame.pts, frame.time_base = number + recipe.first_picture, 1 / recipe.rate
    return frame


def _sound(position: int, size: int, recipe: Recipe) -> av.AudioFrame:
    at = np.arange(position, position + size) / recipe.sample_rate
    tone = (np.sin(2 * np.pi * 440 * at) * 8000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2)[None], format="s16", layout="stereo")
    frame.sample_rate = recipe.sample_rate
    first_sample = round(recipe.first_picture / recipe.rate * recipe.sample_rate)
    frame.pts, frame.time_base = position + first_sample, Fraction(1, recipe.sample_rate)
    return frame


# --- what is in a file -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """A packet: times in seconds, and a digest of its payload without what the container adds or keeps apart."""

    pts: Fraction
    dts: Fraction | None
    key: bool
    payload: str


def units(path: Path | Any, kind: str) -> list[Unit]:
    """The packets of the first stream of a kind, in the order in which they are stored."""
    with av.open(path if hasattr(path, "read") else str(path), "r") as container:
        stream = getattr(container.streams, kind)[0]
        return [
            Unit(
                packet.pts * packet.time_base,
                None if packet.dts is None else packet.dts * packet.time_base,
                packet.is_keyframe,
                hashlib.sha256(_payload(bytes(packet), stream)).hexdigest(),
            )
            for packet in container.demux(stream)
            if packet.size
        ]


def _payload(data: bytes, stream: Any) -> bytes:
    name = stream.codec_context.name
    if name == "aac":
        # MPEG-TS has an ADTS header of seven bytes before each frame, MP4 none.
        return data[7:] if data[0] == 0xFF and data[1] & 0xF0 == 0xF0 else data
    if name in ("h264", "hevc"):
        kept_apart = {"h264": {7, 8, 9}, "hevc": {32, 33, 34, 35, 39}}[name]  # parameter sets, delimiters
        parts = nal_units(data, length_size(name, stream.codec_context.extradata))
        return b"|".join(unit for unit in parts if nal_type(name, unit) not in kept_apart)
    return data


def pictures(path: Path | Any) -> list[tuple[Fraction, str]]:
    """The decoded pictures that a player shows: time and a digest of each."""
    with av.open(path if hasattr(path, "read") else str(path), "r") as container:
        return [
            (frame.pts * frame.time_base, hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest())
            for frame in container.decode(video=0)
        ]


# --- cutting and joining ---------------------------------------------------------------------------------------------


def tracks(objects: Iterable[list[MediaObject]]) -> list[Track]:
    """Objects as the tracks of an export."""
    return [Track(one[0].stream.kind, [piece(o) for o in one], one[0].stream.step) for one in objects if one]


def piece(one: MediaObject) -> Piece:
    """An object as a segment that uses all of it."""
    one.body.seek(0)
    return Piece(one.body, one.timerange, one.ts_offset_ns)


def streams(path: Path) -> tuple[EssenceStream, ...]:
    """What is said of the streams of a file."""
    return open_media(path).streams
