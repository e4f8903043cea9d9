"""Single pictures of a flow, decoded: what was to be seen at an instant of its timeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer

from tams_data.errors import UnreadableMedia
from tams_data.essence.describe import AvStream, usable_streams
from tams_data.essence.inputs import readable
from tams_data.essence.join import Piece, Track
from tams_data.essence.timing import TICKS_PER_SECOND, Grid, from_ns, to_ns
from tams_data.essence.units import Clock
from tams_data.timerange import NS_PER_SECOND

_ROUNDED = Fraction(1, 2 * TICKS_PER_SECOND)
"""Time stamps in an object may lie half a tick of 90 kHz after the time that they stand for."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that is shown from `time_ns` on, on its flow's timeline: `pixels` are rows of RGB, a byte each."""

    time_ns: int
    pixels: npt.NDArray[np.uint8]


def pictures_at(track: Track, instants: Iterable[int], *, width: int | None = None) -> Iterator[Picture]:
    """Yield the picture that a video track shows at each instant, ns, of its timeline, in order.

    An instant at which it has none is passed over. `width` scales pictures down to so many pixels across.

    :raise UnreadableMedia: an object cannot be read.
    """
    wanted = sorted(set(instants))
    for piece in track.pieces:
        with piece.body:
            yield from _of_piece(track, piece, [one for one in wanted if piece.timerange.contains_instant(one)], width)


def _of_piece(track: Track, piece: Piece, wanted: Sequence[int], width: int | None) -> Iterator[Picture]:
    if not wanted:
        return
    name = f"the object of segment {piece.timerange}"
    with readable(name), av.open(piece.body, "r") as container:
        stream = _stream(container, track.position, name)
        frames = _timed(track, piece, container, stream, name)
        yield from _shown(frames, [from_ns(one) for one in wanted], width)


def _stream(container: InputContainer, position: int, name: str) -> AvStream:
    streams = [one for one in usable_streams(container) if one.type == "video"]
    if len(streams) <= position:
        raise UnreadableMedia(f"{name} has {len(streams)} video streams, not {position + 1}")
    return streams[position]


def _timed(
    track: Track, piece: Piece, container: InputContainer, stream: AvStream, name: str
) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Yield the frames in the order in which they are shown, each with its time on the flow's timeline."""
    clock = Clock(name, from_ns(piece.ts_offset_ns), grid=_grid(track), expected=_expected(piece, container))
    times: dict[int | None, Fraction] = {}
    for packet in container.demux(stream):
        if packet.size:  # the last one, which is empty, has the decoder give what it still has
            times[packet.pts], _ = clock.times(packet)
        for frame in packet.decode():
            if frame.pts in times:  # a decoder that conceals damage may show what no packet had
                yield times.pop(frame.pts), frame


def _grid(track: Track) -> Grid | None:
    return Grid(track.step, tolerance=min(Fraction(1, 5_000), track.step / 4)) if track.step else None


def _expected(piece: Piece, container: InputContainer) -> int | None:
    if container.format.name != "mpegts":
        return None
    return (piece.timerange.start_ns - piece.ts_offset_ns) * TICKS_PER_SECOND // NS_PER_SECOND


def _shown(
    frames: Iterator[tuple[Fraction, av.VideoFrame]], wanted: Sequence[Fraction], width: int | None
) -> Iterator[Picture]:
    """Yield the last frame at or before each instant; what is wanted is in order, and so are the frames."""
    left = list(wanted)
    last: tuple[Fraction, av.VideoFrame] | None = None
    for time, frame in frames:
        while left and left[0] < time - _ROUNDED:
            if last is not None:
                yield _picture(*last, width)
            left.pop(0)
        if not left:
            return
        last = (time, frame)
    if last is not None:
        yield from (_picture(*last, width) for _ in left)


def _picture(time: Fraction, frame: av.VideoFrame, width: int | None) -> Picture:
    if width is not None and width < frame.width:
        frame = frame.reformat(width=width, height=max(1, round(Fraction(frame.height * width, frame.width))))
    return Picture(to_ns(time), frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
