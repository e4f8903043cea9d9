"""Joining the objects of flows into one file, without transcoding.

Times are those of the flow's timeline less the start of the export, and exact: where the flow's rate is known, samples
are put back on its grid, which 90 kHz time stamps had rounded (1024/44100 s, 1001/24000 s).

What is taken is decided by packet, so the ends of an export, and of a segment that uses part of an object, are only as
fine as decoding allows:

- At the start of the export, video begins with the key frame at or before it, and audio with the coded frame that
  sounds there and the one before. MP4 and MOV say that this lead-in is not to be shown; other containers cannot, so
  there the file begins with the key frame, and has no lead-in of audio.
- At the end of the export, pictures after it stay as far as pictures before it are predicted from them.
- Within the export there is no room for a lead-in: a segment that begins between two key frames of its object begins
  with the next key frame, and one that ends between them loses the last pictures that are predicted from pictures
  beyond. `Joined.notices` counts them. An edit at key frames loses nothing.
- The pictures of an open GOP that are shown before its key frame are taken if the segment before ends where this one
  begins and has the same `ts_offset`: then it is taken to be the object they are predicted from.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import IO, cast

import av
from av.container import Flags, OutputContainer
from av.error import FFmpegError

from tams_data.errors import InvalidInput, UnreadableMedia
from tams_data.essence.boxes import with_duration
from tams_data.essence.codecs import codec_name
from tams_data.essence.describe import AvStream, Kind, usable_streams
from tams_data.essence.inputs import Packet, readable, reason
from tams_data.essence.timing import TICKS_PER_SECOND, Grid, from_ns, to_ns
from tams_data.essence.units import AccessUnit, Clock
from tams_data.timerange import NS_PER_SECOND, TimeRange, format_timestamp

_FORMATS = {
    ".m4a": "mp4",
    ".m4v": "mp4",
    ".mka": "matroska",
    ".mkv": "matroska",
    ".mov": "mov",
    ".mp4": "mp4",
    ".ts": "mpegts",
}
_HIDES_LEAD_IN = ("mp4", "mov")
# The header waits for the first packets: only then does it say what of them is not to be shown.
_FRAGMENTED = {"movflags": "frag_keyframe+delay_moov+default_base_moof", "frag_duration": "1000000"}
_COARSEST_CLOCK = 10_000  # FFmpeg's MP4 muxer doubles a coarser one by itself

# A time stamp in the object may lie half a tick of 90 kHz before the time that the segment gives.
_SLACK_NS = NS_PER_SECOND // (2 * TICKS_PER_SECOND) + 1
_SAME_OFFSET_NS = 4 * _SLACK_NS


@dataclass(frozen=True, slots=True)
class Piece:
    """A flow segment: the bytes of its object, and where they belong. `body` is closed after use."""

    body: IO[bytes]
    timerange: TimeRange
    ts_offset_ns: int = 0


@dataclass(frozen=True, slots=True)
class Track:
    """A mono-essence flow.

    `pieces` are its segments in order, taken one by one; `step` as in `EssenceStream`. `position` counts the streams
    of its kind in an object, as `format_track_index` of TAMS does.
    """

    kind: Kind
    pieces: Iterable[Piece]
    step: Fraction | None = None
    language: str | None = None
    position: int = 0


@dataclass(slots=True)
class Joined:
    """What an export holds: its time on the flows' timeline without a lead-in, the packets of each track with their
    lead-in, and what had to be left out."""

    timerange: TimeRange
    frames: list[int]
    notices: list[str] = field(default_factory=list)


def join(tracks: Sequence[Track], output: Path, timerange: TimeRange | None = None) -> Joined:
    """Write the samples of flows between the ends of `timerange` (default: all) into a file, named by its extension.

    The file appears when it is complete. `InvalidInput` when the extension is unknown, the container cannot hold one of
    the codecs, or there is nothing in the range; `UnreadableMedia` when an object cannot be read.
    """
    container_format = _format_of(output)
    wanted = timerange or TimeRange.eternity()
    part = output.with_name(f"{output.name}.part")
    try:
        with ExitStack() as stack:
            joined = _write(_readers(tracks, wanted, stack), part, container_format, wanted)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return joined


def _format_of(output: Path) -> str:
    container_format = _FORMATS.get(output.suffix.lower())
    if container_format is None:
        known = ", ".join(sorted(_FORMATS))
        raise InvalidInput(f"{output.name}: the name must end in one of {known}", field="output", value=str(output))
    return container_format


def stream(tracks: Sequence[Track], timerange: TimeRange | None = None) -> Generator[bytes, None, None]:
    """Yield a fragmented MP4 of the samples of flows between the ends of `timerange` (default: all), while it is made.

    It begins and ends as the file of `join` does, and says how long the range is, unless that is open. No more is read
    than is asked for. Errors are those of `join`; those about the first objects come before anything is yielded.
    """
    wanted = timerange or TimeRange.eternity()
    sink = _Sink()
    with ExitStack() as stack:
        begun, start_ns = _begin(_readers(tracks, wanted, stack), wanted)
        options = {**_options(begun, "mp4"), **_FRAGMENTED}
        container = av.open(cast("IO[bytes]", sink), "w", format="mp4", options=options)
        stack.callback(_give_up, container)
        length = None if wanted.ends_open else from_ns(wanted.end_ns - start_ns)
        yield from _with_length(_chunks(container, begun, start_ns, sink), length)


def _chunks(container: OutputContainer, readers: Sequence[_TrackReader], start_ns: int, sink: _Sink) -> Iterator[bytes]:
    for _ in _copied(container, readers, start_ns):
        if made := sink.take():
            yield made
    with readable("the last samples"):
        container.close()
    yield sink.take()


def _give_up(container: OutputContainer) -> None:
    with suppress(FFmpegError):  # nobody waits for what it still holds
        container.close()


def _with_length(chunks: Iterator[bytes], length: Fraction | None) -> Iterator[bytes]:
    # The header is whole in the first chunk: it is written with the first fragment.
    first = next(chunks)
    yield first if length is None else with_duration(first, length)
    yield from chunks


class _Sink:
    """A file that is read as it is written."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since it was last taken."""
        taken, self._written = b"".join(self._written), []
        return taken


def _readers(tracks: Sequence[Track], wanted: TimeRange, stack: ExitStack) -> list[_TrackReader]:
    return [stack.enter_context(_TrackReader(n, track, wanted)) for n, track in enumerate(tracks)]


def _begin(readers: Sequence[_TrackReader], wanted: TimeRange) -> tuple[list[_TrackReader], int]:
    """Return the tracks that have something in the range, and the time at which the output begins."""
    begun = [reader for reader in readers if reader.begin()]
    if not begun:
        raise InvalidInput(f"there are no segments in {wanted}", field="timerange", value=str(wanted))
    return begun, min(reader.start_ns for reader in begun) if wanted.starts_open else wanted.start_ns


def _write(readers: Sequence[_TrackReader], part: Path, container_format: str, wanted: TimeRange) -> Joined:
    begun, start_ns = _begin(readers, wanted)
    with readable(str(part)):
        container = av.open(str(part), "w", format=container_format, options=_options(begun, container_format))
    joined = Joined(TimeRange.never(), [0] * len(readers))
    with container:
        for unit in _copied(container, begun, start_ns):
            joined.frames[unit.stream] += 1
            joined.timerange = joined.timerange.extend(TimeRange(to_ns(unit.pts), to_ns(unit.end)))
    shown = TimeRange(start_ns, joined.timerange.end_ns) if not joined.timerange.is_never else TimeRange.never()
    joined.timerange = joined.timerange.intersection(shown)
    joined.notices += [notice for reader in begun for notice in reader.notices]
    return joined


def _copied(container: OutputContainer, readers: Sequence[_TrackReader], start_ns: int) -> Iterator[AccessUnit]:
    """Write the access units of all tracks in decoding order, and yield each when it is written."""
    hides = container.format.name in _HIDES_LEAD_IN
    writers = {reader.number: _TrackWriter(container, reader, start_ns) for reader in readers}
    _write_header(container, readers)
    # FFmpeg turns it off for fragments; then AAC stays as MPEG-TS has it, which MP4 must not hold.
    container.flags |= cast("int", Flags.auto_bsf.value)
    for unit in heapq.merge(*(reader.units(start_ns, hides=hides) for reader in readers), key=_decoded_at):
        writers[unit.stream].write(unit)
        yield unit


def _write_header(container: OutputContainer, readers: Sequence[_TrackReader]) -> None:
    try:
        container.start_encoding()
    except FFmpegError as error:
        codecs = " and ".join(codec_name(reader.template.codec_context.codec) for reader in readers)
        raise InvalidInput(
            f"{container.format.name} cannot hold {codecs}: {reason(error)}",
            field="output",
            value=container.format.name,
        ) from error


def _decoded_at(unit: AccessUnit) -> Fraction:
    return unit.pts if unit.dts is None else unit.dts


def _options(readers: Iterable[_TrackReader], container_format: str) -> dict[str, str]:
    if container_format not in _HIDES_LEAD_IN:
        return {}
    options = {"movflags": "faststart"}
    video = next((reader for reader in readers if reader.track.kind == "video"), None)
    if video is not None:
        options["video_track_timescale"] = str(video.time_base.denominator)
    return options


# --- one flow --------------------------------------------------------------------------------------------------------


class _TrackReader:
    """Reads the pieces of a track, one after another. A context manager that closes the piece in hand."""

    def __init__(self, number: int, track: Track, wanted: TimeRange) -> None:
        self.number = number
        self.track = track
        self.notices: list[str] = []
        self.template: AvStream = None
        self.start_ns = 0
        self._wanted = wanted
        self._pieces = iter(track.pieces)
        self._opened: _Opened | None = None
        self._grid = Grid(track.step, tolerance=_tolerance(track)) if track.step else None

    def __enter__(self) -> _TrackReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened.close()

    def begin(self) -> bool:
        """Open the first piece in the wanted range, and set `template` and `start_ns`; False when there is none."""
        self._opened = self._next()
        if self._opened is None:
            return False
        self.template = self._opened.stream
        self.start_ns = self._opened.window.start_ns
        return True

    @property
    def time_base(self) -> Fraction:
        """A clock that can say every time of the track."""
        if self.track.kind == "audio":
            return Fraction(1, self.template.codec_context.sample_rate)
        if self.track.step is None:
            return Fraction(1, TICKS_PER_SECOND)
        rate = self.track.step.denominator
        return Fraction(1, rate * ceil(Fraction(_COARSEST_CLOCK, rate)))

    def units(self, start_ns: int, *, hides: bool) -> Iterator[AccessUnit]:
        """Yield the access units to be written, in decoding order. `begin` must have been called."""
        before: Piece | None = None
        while (opened := self._opened) is not None:
            units = opened.units()
            self._opened = self._next()
            opened.close()
            window = opened.window
            ends = _Ends(
                follows=before is not None and _follows(before, opened.piece),
                leads_in=before is None and window.start_ns <= start_ns,
                runs_out=self._opened is None,
                hides=hides,
            )
            taken = _trim_video(units, window, ends) if self.track.kind == "video" else _trim_audio(units, window, ends)
            self._note_missing(units, taken, window)
            yield from taken
            before = opened.piece

    def _next(self) -> _Opened | None:
        for piece in self._pieces:
            window = piece.timerange.intersection(self._wanted)
            if not window.is_never:
                return _Opened(self, piece, window, self._grid)
            piece.body.close()
        return None

    def _note_missing(self, units: Sequence[AccessUnit], taken: Sequence[AccessUnit], window: TimeRange) -> None:
        missing = len(_inside(units, window)) - len(_inside(taken, window))
        if missing:
            self.notices.append(
                f"{missing} pictures of {window} left out: pictures they are predicted from lie outside"
            )


def _tolerance(track: Track) -> Fraction:
    # As coarse as the clock of MPEG-TS, and FFmpeg's counting between its time stamps; never half a step.
    return min(Fraction(1, 5_000), (track.step or Fraction(1)) / 4)


def _follows(before: Piece, piece: Piece) -> bool:
    same_offset = abs(before.ts_offset_ns - piece.ts_offset_ns) <= _SAME_OFFSET_NS
    return same_offset and before.timerange.end_ns == piece.timerange.start_ns


class _Opened:
    """A piece whose object is open."""

    def __init__(self, reader: _TrackReader, piece: Piece, window: TimeRange, grid: Grid | None) -> None:
        self.piece = piece
        self.window = window
        self._number = reader.number
        self._track = reader.track
        self._grid = grid
        self._name = f"the object of segment {piece.timerange}"
        try:
            with readable(self._name):
                self._container = av.open(piece.body, "r")
            self.stream = self._find_stream()
        except UnreadableMedia:
            piece.body.close()
            raise

    def units(self) -> list[AccessUnit]:
        """Return all access units of the object, on the flow's timeline."""
        clock = Clock(self._name, from_ns(self.piece.ts_offset_ns), grid=self._grid, expected=self._expected())
        with readable(self._name):
            packets = [packet for packet in self._container.demux(self.stream) if packet.size]
        return [self._unit(packet, *clock.times(packet)) for packet in packets]

    def close(self) -> None:
        """Close the object and its file."""
        self._container.close()
        self.piece.body.close()

    def _unit(self, packet: Packet, pts: Fraction, dts: Fraction | None) -> AccessUnit:
        duration = self._track.step or Fraction(packet.duration or 0) * packet.time_base
        return AccessUnit(self._number, packet, pts, dts, duration, shown=pts)

    def _expected(self) -> int | None:
        if self._container.format.name != "mpegts":
            return None
        return (self.piece.timerange.start_ns - self.piece.ts_offset_ns) * TICKS_PER_SECOND // NS_PER_SECOND

    def _find_stream(self) -> AvStream:
        track = self._track
        streams = [stream for stream in usable_streams(self._container) if stream.type == track.kind]
        if len(streams) <= track.position:
            raise UnreadableMedia(f"{self._name} has {len(streams)} {track.kind} streams, not {track.position + 1}")
        return streams[track.position]


# --- what to take ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ends:
    """How a piece begins and ends: after the piece it continues; with room for a lead-in; as the last one."""

    follows: bool
    leads_in: bool
    runs_out: bool
    hides: bool


def _time_ns(unit: AccessUnit) -> int:
    return to_ns(unit.pts) + _SLACK_NS


def _inside(units: Iterable[AccessUnit], window: TimeRange) -> list[AccessUnit]:
    return [unit for unit in units if window.contains_instant(_time_ns(unit))]


def _trim_audio(units: Sequence[AccessUnit], window: TimeRange, ends: _Ends) -> Sequence[AccessUnit]:
    if not (ends.leads_in and ends.hides):
        return _inside(units, window)
    before = [unit for unit in units if _time_ns(unit) < window.start_ns]
    sounds_at_start = bool(before) and to_ns(before[-1].end) > window.start_ns + _SLACK_NS
    return before[-2 if sounds_at_start else -1 :] + _inside(units, window)


def _trim_video(units: Sequence[AccessUnit], window: TimeRange, ends: _Ends) -> Sequence[AccessUnit]:
    entry = _entry(units, window, ends)
    if entry is None:
        return []
    continues = ends.follows and entry == 0
    key = units[entry]
    decodable = [unit for unit in units[entry:] if continues or unit.pts >= key.pts]
    outside = [n for n, unit in enumerate(decodable) if _time_ns(unit) >= window.end_ns]
    if not outside:
        return decodable
    inside = [n for n, unit in enumerate(decodable) if _time_ns(unit) < window.end_ns]
    return decodable[: inside[-1] + 1 if ends.runs_out and inside else outside[0]]


def _entry(units: Sequence[AccessUnit], window: TimeRange, ends: _Ends) -> int | None:
    """Return where to begin decoding: the last key frame at or before the start, or the first one after it."""
    keys = [n for n, unit in enumerate(units) if unit.is_key]
    at_start = [n for n in keys if to_ns(units[n].pts) <= window.start_ns + _SLACK_NS]
    if at_start and (ends.leads_in or _time_ns(units[at_start[-1]]) >= window.start_ns):
        return at_start[-1]
    if ends.follows and _time_ns(units[0]) >= window.start_ns:
        return 0
    return next((n for n in keys if _time_ns(units[n]) >= window.start_ns), None)


# --- output ----------------------------------------------------------------------------------------------------------


class _TrackWriter:
    """Writes access units into a stream of the output, on its timeline."""

    def __init__(self, container: OutputContainer, reader: _TrackReader, start_ns: int) -> None:
        self._container = container
        self._start = from_ns(start_ns)
        self._time_base = reader.time_base
        self._last_dts: int | None = None
        name = codec_name(reader.template.codec_context.codec)
        try:
            self._stream = container.add_stream_from_template(reader.template)
        except (ValueError, FFmpegError) as error:
            raise InvalidInput(
                f"{container.format.name} cannot hold {name}: {error}", field="output", value=container.format.name
            ) from error
        if reader.track.language:
            self._stream.metadata["language"] = reader.track.language

    def write(self, unit: AccessUnit) -> None:
        """Write an access unit. `UnreadableMedia` when FFmpeg refuses it."""
        packet = unit.packet
        packet.pts = self._ticks(unit.pts - self._start)
        packet.dts = self._decoding_ticks(packet.pts if unit.dts is None else self._ticks(unit.dts - self._start))
        packet.duration = self._ticks(unit.duration)
        packet.time_base = self._time_base
        packet.stream = self._stream
        try:
            self._container.mux(packet)
        except FFmpegError as error:
            raise UnreadableMedia(f"sample at {format_timestamp(to_ns(unit.pts))}: {reason(error)}") from error

    def _decoding_ticks(self, ticks: int) -> int:
        # Where two encoders meet, one may look further ahead than the other: decoding times must still go up.
        if self._last_dts is not None:
            ticks = max(ticks, self._last_dts + 1)
        self._last_dts = ticks
        return ticks

    def _ticks(self, seconds: Fraction) -> int:
        return round(seconds / self._time_base)
