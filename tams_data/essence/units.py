"""Access units on a flow's timeline: coded pictures and coded audio frames, each with its exact time.

An input has a timeline of its own, which is moved as a whole, so that sound and pictures stay together. What the input
holds but does not present lies before its first sample: an encoder's priming in front of the first sound, the pictures
that an edit list skips, the leading pictures of an open GOP that nothing comes before.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import TypeAlias

from av.container import InputContainer

from tams_data.errors import UnreadableMedia
from tams_data.essence.codecs import codec_name
from tams_data.essence.describe import AvStream, EssenceStream, usable_streams
from tams_data.essence.inputs import Input, Packet, read_packets, readable
from tams_data.essence.timing import Grid, nearest_rollover

_PARSED = Fraction(1, 10_000)
"""How far FFmpeg is off for audio frames between two time stamps: it counts on in rounded ticks (seconds)."""


@dataclass(slots=True)
class AccessUnit:
    """One coded picture, or one coded audio frame. Times are seconds on the flow's timeline.

    `shown` is where its presentation begins: later than `pts` for sound of which the first part is priming, and None
    for what decoders need, or used to need, and nobody sees or hears. `dts` is None where the input does not say.
    """

    stream: int
    packet: Packet
    pts: Fraction
    dts: Fraction | None
    duration: Fraction
    shown: Fraction | None

    @property
    def end(self) -> Fraction:
        """Where the next sample would begin."""
        return self.pts + self.duration

    @property
    def is_key(self) -> bool:
        """Whether decoding can begin here."""
        key: bool = self.packet.is_keyframe
        return key


class Clock:
    """Tells the times of a stream's packets, `offset` seconds later than the stream does.

    `expected` is a tick near the first time stamp, for a stream whose time stamps say only their low 33 bits. `name` is
    what messages call the stream.
    """

    def __init__(self, name: str, offset: Fraction, *, grid: Grid | None, expected: int | None = None) -> None:
        self._name = name
        self._offset = offset
        self._grid = grid
        self._expected = expected

    def times(self, packet: Packet) -> tuple[Fraction, Fraction | None]:
        """Return presentation and decoding time. `UnreadableMedia` without a presentation time."""
        if packet.pts is None:
            raise UnreadableMedia(f"{self._name}: a packet without a presentation time; put it in a container first")
        pts = self._time(packet.pts, packet.time_base)
        dts = None if packet.dts is None else self._time(packet.dts, packet.time_base)
        if self._grid is None:
            return pts, dts
        return self._grid.settle(pts), dts if dts is None else self._grid.snap(dts)

    def _time(self, ticks: int, time_base: Fraction) -> Fraction:
        if self._expected is not None:
            ticks = self._expected = nearest_rollover(ticks, self._expected)
        return ticks * time_base + self._offset


def grid_for(time_base: Fraction, step: Fraction | None) -> Grid | None:
    """Return the grid of a stream, unless its rate is unknown, or its clock can say every time exactly."""
    if step is None or (step / time_base).denominator == 1:
        return None
    return Grid(step, tolerance=time_base + _PARSED)


Place: TypeAlias = Callable[[Sequence[Fraction]], Fraction]
"""From when each stream begins on its own timeline to how much later that is on the flow's, in seconds."""


class Run:
    """The opened inputs of one run: streams on one timeline.

    A context manager. `UnreadableMedia` when an input cannot be opened, or holds other streams than `streams` says.
    """

    def __init__(self, inputs: Sequence[Input], streams: Sequence[EssenceStream], place: Place) -> None:
        self._inputs = inputs
        self._streams = streams
        self._place = place
        self._stack = ExitStack()
        self._containers: list[InputContainer] = []
        self.templates: list[AvStream] = []

    def __enter__(self) -> Run:
        with ExitStack() as stack:
            for source in self._inputs:
                with readable(source.name):
                    self._containers.append(stack.enter_context(source.open()))
            self.templates = [self._template(stream) for stream in self._streams]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def units(self) -> Iterator[AccessUnit]:
        """Yield the access units of all streams, interleaved as they are stored; errors as in `read_packets`."""
        offset = self._place([_first_time(template) for template in self.templates])
        readers = {(s.input, s.av_index): self._reader(s, offset) for s in self._streams}
        for number, packet in self._packets():
            reader = readers.get((number, packet.stream.index))
            if reader is not None:
                yield reader.unit(packet)

    def _reader(self, stream: EssenceStream, offset: Fraction) -> _StreamReader:
        av_stream = self.templates[stream.index]
        rolls_over = self._containers[stream.input].format.name == "mpegts"
        expected = av_stream.start_time if rolls_over else None
        name = f"{self._inputs[stream.input].name}: {stream.kind}"
        clock = Clock(name, offset, grid=grid_for(av_stream.time_base, stream.step), expected=expected)
        return _StreamReader(stream, clock, _first_time(av_stream) + offset)

    def _template(self, stream: EssenceStream) -> AvStream:
        source, container = self._inputs[stream.input], self._containers[stream.input]
        for candidate in usable_streams(container):
            if candidate.index == stream.av_index and codec_name(candidate.codec_context.codec) == stream.codec:
                return candidate
        raise UnreadableMedia(f"{source.name}: stream {stream.av_index} is not {stream.codec}, as it was at the start")

    def _packets(self) -> Iterator[tuple[int, Packet]]:
        """Yield packets with the number of their input. Several inputs are read side by side, as their times go."""
        readings = [
            _numbered(number, source, container)
            for number, (source, container) in enumerate(zip(self._inputs, self._containers, strict=True))
        ]
        return readings[0] if len(readings) == 1 else heapq.merge(*readings, key=_stored_time)


def _numbered(number: int, source: Input, container: InputContainer) -> Iterator[tuple[int, Packet]]:
    for packet in read_packets(source, container):
        yield number, packet


def _stored_time(numbered: tuple[int, Packet]) -> Fraction:
    packet = numbered[1]
    ticks: int | None = packet.pts if packet.dts is None else packet.dts
    time: Fraction = (ticks or 0) * packet.time_base
    return time


def _first_time(stream: AvStream) -> Fraction:
    first: Fraction = (stream.start_time or 0) * stream.time_base
    return first


class _StreamReader:
    """Makes access units of a stream's packets."""

    def __init__(self, stream: EssenceStream, clock: Clock, first: Fraction) -> None:
        self._stream = stream
        self._clock = clock
        self._first = first

    def unit(self, packet: Packet) -> AccessUnit:
        pts, dts = self._clock.times(packet)
        duration = self._stream.step or (packet.duration or 0) * packet.time_base
        # FFmpeg's start time of a stream leaves out priming and what an edit list skips. It is as coarse as the clock.
        hidden = packet.is_discard or pts + duration - self._first <= packet.time_base
        shown = None if hidden else max(pts, self._first)
        return AccessUnit(self._stream.index, packet, pts, dts, duration, shown)
