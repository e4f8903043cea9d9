"""Made-up programmes: two cameras on one scene, with a clock in the picture, for demonstrations without media at hand.

A ball bounces through hills at dusk, and a pip sounds each time it touches the ground, at every full second. Camera A
sees all of it; camera B follows the ball from near. Both see the same instant at the same time, so cutting from one to
the other shows whether the cut is right, and the pip shows whether sound and picture belong together. The clock in the
picture is the time on the flow's timeline.

The pictures are drawn in Y'CbCr, plane by plane: converting each from RGB would cost more than all the drawing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tams_data.essence.font import text_mask

RATE = 25
SAMPLE_RATE = 48_000
GOP_FRAMES = 2 * RATE

_AUDIO_FRAME = 1024
_PIP_HZ = 1000
_CROSSING_FRAMES = 10 * RATE
_BT709 = 1  # in FFmpeg's lists of primaries, transfer characteristics and matrix coefficients alike

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour in Y'CbCr, 8 bits, video range."""

    y: int
    u: int = 128
    v: int = 128


WHITE, GREY, RED = Colour(235), Colour(150), Colour(90, 100, 226)


@dataclass(frozen=True, slots=True)
class Camera:
    """How a camera sees the scene: `zoom` 1 is locked on the whole of it, more follows the ball. Colours go from the
    top to the bottom of the sky, and from the farthest hills to the ground."""

    name: str
    caption: str
    sky: tuple[Colour, Colour]
    land: tuple[Colour, ...]
    ball: Colour
    zoom: int
    tones_hz: tuple[int, int]


CAMERA_A = Camera(
    name="CAMERA A",
    caption="WIDE",
    sky=(Colour(46, 156, 116), Colour(184, 120, 150)),
    land=(Colour(104, 142, 122), Colour(74, 138, 116), Colour(44, 132, 116)),
    ball=Colour(196, 50, 152),
    zoom=1,
    tones_hz=(440, 554),
)
CAMERA_B = Camera(
    name="CAMERA B",
    caption="CLOSE",
    sky=(Colour(64, 124, 160), Colour(204, 76, 160)),
    land=(Colour(120, 104, 156), Colour(84, 110, 150), Colour(50, 118, 140)),
    ball=Colour(196, 50, 152),
    zoom=3,
    tones_hz=(330, 415),
)


@dataclass(frozen=True, slots=True)
class Rendition:
    """A file to encode: where, how large, and how good (x264's constant rate factor: more is worse)."""

    path: Path
    width: int = 960
    height: int = 540
    crf: int = 23
    audio: bool = True


@dataclass(frozen=True, slots=True)
class Take:
    """How long a camera records, and what its clock shows at the first picture, in seconds of the day."""

    seconds: int = 60
    clock_s: int = 10 * 3600

    @property
    def pictures(self) -> int:
        """The number of pictures."""
        return self.seconds * RATE

    def timecode(self, picture: int) -> str:
        """Return what the clock shows: hours, minutes, seconds and pictures.

        >>> Take().timecode(52)
        '10:00:02:02'
        """
        seconds = self.clock_s + picture // RATE
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{picture % RATE:02}"


def record(camera: Camera, take: Take, *renditions: Rendition) -> None:
    """Encode what a camera sees into files: H.264 with B-frames and closed GOPs of two seconds, and AAC in stereo.

    The scene is drawn once, in the size of the first rendition; the others are scaled from it.
    """
    scene = _Scene(camera, renditions[0].width, renditions[0].height)
    with ExitStack() as stack:
        recorders = [stack.enter_context(_Recorder(rendition)) for rendition in renditions]
        for number in range(take.pictures):
            picture = scene.picture(number, take)
            for recorder in recorders:
                recorder.add_picture(picture, number)
                recorder.add_sound(camera, until=Fraction(number + 1, RATE))


class _Recorder:
    """Encodes pictures and sound into one file. A context manager that completes the file."""

    def __init__(self, rendition: Rendition) -> None:
        self._size = rendition.width, rendition.height
        self._container = av.open(str(rendition.path), "w")
        self._video = self._container.add_stream("libx264", rate=RATE, options=_x264(rendition.crf))
        self._video.width, self._video.height = self._size
        self._video.pix_fmt = "yuv420p"
        context = self._video.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        self._audio: Any = self._add_audio() if rendition.audio else None
        self._samples = 0

    def __enter__(self) -> _Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._container.close()

    def _add_audio(self) -> Any:
        stream = self._container.add_stream("aac", rate=SAMPLE_RATE)
        stream.layout = "stereo"
        return stream

    def add_picture(self, picture: Plane, number: int) -> None:
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        if (frame.width, frame.height) != self._size:
            frame = frame.reformat(width=self._size[0], height=self._size[1], interpolation="AREA")
        frame.pts, frame.time_base = number, Fraction(1, RATE)
        self._container.mux(self._video.encode(frame))

    def add_sound(self, camera: Camera, until: Fraction) -> None:
        while self._audio is not None and self._samples < until * SAMPLE_RATE:
            frame = av.AudioFrame.from_ndarray(_sound(camera, self._samples), format="fltp", layout="stereo")
            frame.sample_rate = SAMPLE_RATE
            frame.pts, frame.time_base = self._samples, Fraction(1, SAMPLE_RATE)
            self._samples += _AUDIO_FRAME
            self._container.mux(self._audio.encode(frame))

    def _flush(self) -> None:
        self._container.mux(self._video.encode(None))
        if self._audio is not None:
            self._container.mux(self._audio.encode(None))


def _x264(crf: int) -> dict[str, str]:
    gop = f"keyint={GOP_FRAMES}:min-keyint={GOP_FRAMES}:scenecut=0:open-gop=0:bframes=2"
    # Two cameras are recorded at once: a thread each costs less than threads within each.
    return {"preset": "superfast", "crf": str(crf), "x264-params": gop, "threads": "1"}


def _sound(camera: Camera, position: int) -> NDArray[np.float32]:
    """Return a frame of both channels: a quiet tone each, and a pip at the full second."""
    at = (np.arange(position, position + _AUDIO_FRAME) % SAMPLE_RATE) / SAMPLE_RATE
    pip = 0.35 * np.sin(2 * np.pi * _PIP_HZ * at) * np.exp(-40 * at)
    channels = [0.06 * np.sin(2 * np.pi * tone * at) + pip for tone in camera.tones_hz]
    return np.array(channels, dtype=np.float32)


# --- drawing ---------------------------------------------------------------------------------------------------------


class _Scene:
    """The scene through one camera."""

    def __init__(self, camera: Camera, width: int, height: int) -> None:
        self._camera = camera
        self._width, self._height = width, height
        self._unit = max(1, height // 120)  # a dot of the small text, in pixels
        self._ground = height * 5 // 6
        self._radius = height // 18 * (2 if camera.zoom > 1 else 1)
        self._panorama = _panorama(camera, width * 2, height, self._ground)
        self._ball, self._ball_light = _ball(self._radius)

    def picture(self, number: int, take: Take) -> Plane:
        """Return a picture as FFmpeg's yuv420p: the luma plane, then both chroma planes, in one array."""
        canvas = _Canvas(self._width, self._height)
        across = self._across(number)
        pan = across * self._camera.zoom if self._camera.zoom > 1 else number // 2
        canvas.paste(self._panorama, pan - pan % 2)
        self._draw_ball(canvas, across, number)
        self._draw_text(canvas, number, take)
        return canvas.data

    def _across(self, number: int) -> int:
        """Return how far the ball has come: to the right and back, over the width of the wide picture."""
        phase = number % (2 * _CROSSING_FRAMES)
        there = min(phase, 2 * _CROSSING_FRAMES - phase)
        return self._width * there // _CROSSING_FRAMES * 3 // 4 + self._width // 8

    def _draw_ball(self, canvas: _Canvas, across: int, number: int) -> None:
        second = number % RATE
        # A parabola that touches the ground at every full second, in whole pixels.
        height = self._height // 2 * 4 * second * (RATE - second) // RATE**2
        x = self._width // 2 if self._camera.zoom > 1 else across
        y = self._ground - self._radius - height * (4 if self._camera.zoom > 1 else 5) // 5
        self._draw_shadow(canvas, x, height)
        canvas.shade(self._ball, self._ball_light, x - self._radius, y - self._radius, self._camera.ball)

    def _draw_shadow(self, canvas: _Canvas, x: int, height: int) -> None:
        half = self._radius * (2 * self._height - height) // (2 * self._height) // 2 * 2
        canvas.darken(x - half, self._ground - 2, 2 * half, 2 * self._unit + 2)

    def _draw_text(self, canvas: _Canvas, number: int, take: Take) -> None:
        unit, width, height = self._unit, self._width, self._height
        margin = 6 * unit
        canvas.label(f"{self._camera.name} - {self._camera.caption}", margin, margin, unit, WHITE)
        if number % RATE < RATE // 2:
            canvas.label("REC", width - 18 * unit - margin, margin, unit, RED)
        timecode = take.timecode(number)
        canvas.label(timecode, (width - len(timecode) * 12 * unit) // 2, height - 21 * unit, unit * 2, WHITE)
        canvas.fill(0, height - 2 * unit, width * (number + 1) // take.pictures, 2 * unit, GREY)


class _Canvas:
    """A picture in yuv420p. Places and sizes are in pixels, and even."""

    def __init__(self, width: int, height: int) -> None:
        self.data = np.empty((height * 3 // 2, width), dtype=np.uint8)
        self.planes = _planes(self.data, width, height)

    def paste(self, panorama: tuple[Plane, ...], pan: int) -> None:
        """Fill the picture with the part of a panorama that begins at `pan`; the panorama wraps round."""
        for plane, source, scale in zip(self.planes, panorama, (1, 2, 2), strict=True):
            start = pan // scale % source.shape[1]
            right = min(plane.shape[1], source.shape[1] - start)
            plane[:, :right] = source[:, start : start + right]
            plane[:, right:] = source[:, : plane.shape[1] - right]

    def fill(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """Fill a rectangle."""
        for plane, value, scale in self._channels(colour):
            plane[y // scale : (y + height) // scale, x // scale : (x + width) // scale] = value

    def darken(self, x: int, y: int, width: int, height: int) -> None:
        """Halve the light in a rectangle."""
        area = self.planes[0][max(y, 0) : y + height, max(x, 0) : x + width]
        area //= 2

    def label(self, text: str, x: int, y: int, dot: int, colour: Colour) -> None:
        """Write a line of text on a dark strip."""
        mask = _cached_text(text, dot)
        x, y = x // 2 * 2, y // 2 * 2
        self.darken(x - 2 * dot, y - 2 * dot, mask.shape[1] + 3 * dot, mask.shape[0] + 4 * dot)
        self._stamp(mask, x, y, colour)

    def shade(self, mask: Mask, light: NDArray[np.int16], x: int, y: int, colour: Colour) -> None:
        """Draw a shape in a colour with more or less light on it; it must lie within the picture."""
        x, y = x // 2 * 2, y // 2 * 2
        self._stamp(mask, x, y, colour)
        area = self.planes[0][y : y + mask.shape[0], x : x + mask.shape[1]]
        area[mask] = (colour.y + light[mask]).clip(16, 235).astype(np.uint8)

    def _stamp(self, mask: Mask, x: int, y: int, colour: Colour) -> None:
        for plane, value, scale in self._channels(colour):
            part = mask[::scale, ::scale]
            plane[y // scale :, x // scale :][: part.shape[0], : part.shape[1]][part] = value

    def _channels(self, colour: Colour) -> Iterator[tuple[Plane, int, int]]:
        return zip(self.planes, (colour.y, colour.u, colour.v), (1, 2, 2), strict=True)


@lru_cache(maxsize=256)
def _cached_text(text: str, dot: int) -> Mask:
    return text_mask(text, dot)


def _planes(data: Plane, width: int, height: int) -> tuple[Plane, Plane, Plane]:
    luma, chroma = width * height, (height // 2, width // 2)
    first, second = np.split(data.reshape(-1)[luma:], 2)
    return data[:height], first.reshape(chroma), second.reshape(chroma)


def _panorama(camera: Camera, width: int, height: int, ground: int) -> tuple[Plane, ...]:
    """Draw sky, hills and ground, so that the right end continues at the left."""
    layer = _layers(camera, width, height, ground)
    down = np.linspace(0, 1, height)[:, None] + np.zeros((1, width))
    planes = []
    for channel, scale in (("y", 1), ("u", 2), ("v", 2)):
        top, bottom = (getattr(colour, channel) for colour in camera.sky)
        plane = top + (bottom - top) * down**0.7
        for depth, colour in enumerate(camera.land, start=1):
            plane[layer == depth] = getattr(colour, channel)
        planes.append(plane[::scale, ::scale].astype(np.uint8))
    return tuple(planes)


def _layers(camera: Camera, width: int, height: int, ground: int) -> NDArray[np.int8]:
    """Return for each pixel which layer of land it shows, from the farthest, or 0 for the sky."""
    rows = np.arange(height)[:, None]
    turn = 2 * np.pi * np.arange(width) / width
    layers = np.zeros((height, width), dtype=np.int8)
    for depth in range(1, len(camera.land)):
        waves = np.sin(turn * (2 + depth) + depth) + 0.5 * np.sin(turn * (5 * depth + 3))
        layers[rows >= ground - height * 0.11 * camera.zoom**0.5 * (waves + 3.2 - depth)] = depth
    layers[rows[:, 0] >= ground] = len(camera.land)
    return layers


def _ball(radius: int) -> tuple[Mask, NDArray[np.int16]]:
    """Return where a ball is, and how the light falls on it, from above and from the left."""
    y, x = np.mgrid[-radius:radius, -radius:radius] / radius
    mask = x**2 + y**2 <= 1
    light = -60 * np.hypot(x + 0.35, y + 0.4) + 30
    return mask, light.astype(np.int16)
