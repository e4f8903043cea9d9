"""Media objects in MPEG-TS: one stream each, on a clock of 33 bits.

The time stamps in an object are the low 33 bits of the flow's own time, in 90 kHz ticks, and `ts_offset` is the rest
(App note 0002): a multiple of 26.5 hours, and the part of a tick that a time stamp cannot say. So the time stamps run
on from object to object, and `media_object_ts + ts_offset = segment_ts` holds to the nanosecond for the first sample.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import av
from av.error import FFmpegError

from tams_data.errors import UnreadableMedia
from tams_data.essence.describe import AvStream, EssenceStream
from tams_data.essence.groups import Group
from tams_data.essence.inputs import Packet, reason
from tams_data.essence.nal import with_parameter_sets
from tams_data.essence.timing import ROLLOVER_TICKS, TICKS_PER_SECOND, to_ns, to_ticks
from tams_data.essence.units import AccessUnit
from tams_data.timerange import TimeRange, format_timestamp

_IN_MEMORY = 8 << 20
_TIME_BASE = Fraction(1, TICKS_PER_SECOND)
_OPTIONS = {
    "mpegts_copyts": "1",  # write the time stamps given, not shifted ones
    "avoid_negative_ts": "disabled",
    # Microseconds. The clock reference runs ahead of the time stamps by this much, and FFmpeg may gather audio frames
    # into packets for half of it: objects of small audio frames are a third smaller.
    "max_delay": "500000",
}


@dataclass(slots=True)
class MediaObject:
    """A media object and what a flow segment says of it (TAMS 8.2, flow-segment-post).

    `body` is a file positioned at its start; closing it deletes it. `timerange` is on the flow's timeline and holds
    the samples that are presented; `object_timerange` is on the object's, and holds those before it too.
    """

    stream: EssenceStream
    body: IO[bytes] = field(repr=False)
    size: int
    timerange: TimeRange
    object_timerange: TimeRange
    ts_offset_ns: int
    last_duration_ns: int
    sample_count: int
    key_frame_count: int

    def segment(self, object_id: str) -> dict[str, Any]:
        """Return the segment that registers the object under `object_id`.

        Sample counts are left out: TAMS 8.2 deprecates them in favour of `object_timerange`.
        """
        return {
            "object_id": object_id,
            "timerange": str(self.timerange),
            "ts_offset": format_timestamp(self.ts_offset_ns),
            "object_timerange": str(self.object_timerange),
            "last_duration": format_timestamp(self.last_duration_ns),
            "key_frame_count": self.key_frame_count,
        }


class ObjectWriter:
    """Writes groups of one stream into a media object. `close` or `discard` ends it."""

    def __init__(self, stream: EssenceStream, template: AvStream, first: Fraction, name: str) -> None:
        self._stream = stream
        self._name = name
        self._template = template
        self.first = first
        self._earliest = first
        self._last = self._end = self._latest_end = first
        self._shift = to_ticks(first) // ROLLOVER_TICKS * ROLLOVER_TICKS
        self._samples = self._keys = self._units = 0
        # Closed by whoever takes the object.
        self._body = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._container = av.open(self._body, "w", format="mpegts", options=_OPTIONS)
        self._track = self._container.add_stream_from_template(template)

    @property
    def end(self) -> Fraction:
        """Where the last sample written so far ends."""
        return self._end

    def add(self, group: Group) -> None:
        """Write a group. `UnreadableMedia` when FFmpeg refuses a packet, as it does one that is not what it claims."""
        for unit in group.units:
            packet = self._packet(unit)
            self._count(unit)  # before the packet is given away
            try:
                self._container.mux_one(packet)
            except FFmpegError as error:
                at = format_timestamp(to_ns(unit.pts))
                raise UnreadableMedia(f"{self._name}: {self._stream.kind} at {at}: {reason(error)}") from error
        self._last, self._end = group.last, group.end

    def close(self, end: Fraction) -> MediaObject:
        """Return the object as a segment up to `end`: where the flow's next sample begins."""
        self._container.close()
        size = self._body.tell()
        self._body.seek(0)
        offset_ns = self._offset_ns()
        object_end = max(end, self._latest_end)
        return MediaObject(
            stream=self._stream,
            body=self._body,
            size=size,
            timerange=TimeRange(to_ns(self.first), to_ns(end)),
            object_timerange=TimeRange(to_ns(self._earliest), to_ns(object_end)).shift(-offset_ns),
            ts_offset_ns=offset_ns,
            last_duration_ns=to_ns(end) - to_ns(self._last),
            sample_count=self._samples,
            key_frame_count=self._keys,
        )

    def discard(self) -> None:
        """Give up the object and its temporary file."""
        with suppress(FFmpegError):  # of an object that FFmpeg refused to complete
            self._container.close()
        self._body.close()

    def _offset_ns(self) -> int:
        written = Fraction(to_ticks(self.first) - self._shift, TICKS_PER_SECOND)
        return to_ns(self.first) - to_ns(written)

    def _packet(self, unit: AccessUnit) -> Packet:
        packet = unit.packet if self._units else self._first_packet(unit.packet)
        packet.pts = to_ticks(unit.pts) - self._shift
        packet.dts = to_ticks(unit.pts if unit.dts is None else unit.dts) - self._shift
        packet.time_base = _TIME_BASE
        packet.stream = self._track
        return packet

    def _first_packet(self, packet: Packet) -> Packet:
        data = bytes(packet)
        decodable = with_parameter_sets(self._stream.codec, data, self._template.codec_context.extradata)
        if decodable == data:
            return packet
        first = av.Packet(decodable)
        first.is_keyframe = packet.is_keyframe
        return first

    def _count(self, unit: AccessUnit) -> None:
        self._units += 1
        self._keys += unit.is_key
        self._earliest = min(self._earliest, unit.pts)
        self._latest_end = max(self._latest_end, unit.end)
        if unit.shown is not None:
            self._samples += self._stream.samples_in(unit.duration)
