"""Cutting media into objects, at key frames and without transcoding, in one pass and in the memory of a GOP.

The first video stream leads: its objects begin at the key frames nearest to whole multiples of the wanted length, so
that they do not drift away from it. The other streams follow: their objects begin with the first sample at or after
the leader's, so that the objects of a picture and its sound cover the same time, but for one coded audio frame.
Without video the first audio stream leads.

A follower waits for the leader as long as the interleaving of a file needs; beyond `_PATIENCE`, where the leader has a
hole, and when it has ended, the follower is cut at the multiples itself.

A segment ends where the flow's next sample begins. A hole of `_GAP` or more ends the object before it, at the end of
its last sample, and so shows as a gap on the timeline.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction

from tams_data.errors import InvalidInput
from tams_data.essence import codecs
from tams_data.essence.describe import AvStream, EssenceStream
from tams_data.essence.groups import Group, Grouper
from tams_data.essence.media import Media
from tams_data.essence.mpegts import MediaObject, ObjectWriter
from tams_data.essence.timing import from_ns
from tams_data.essence.units import AccessUnit, Place, Run
from tams_data.timerange import NS_PER_SECOND

DEFAULT_LENGTH_NS = 10 * NS_PER_SECOND
"""Long enough for an object of several megabytes, as TAMS advises; short enough to start reading anywhere."""

_GAP = Fraction(1)
_PATIENCE = Fraction(30)


def cut(media: Media, *, start_ns: int = 0, length_ns: int = DEFAULT_LENGTH_NS) -> Iterator[MediaObject]:
    """Yield the objects of all streams, each as soon as it is whole; those of one stream in order.

    `start_ns` is where on the flow's timeline the first picture goes, or the first sound if there is no video. The
    other streams stay as they are against it, so sound that begins before the first picture lies before `start_ns`.
    A run after a discontinuity follows the one before as closely as no stream overlaps. The caller closes the `body` of
    every object.

    `InvalidInput` from the call itself, before anything is read, when a stream cannot be carried in MPEG-TS.
    `UnreadableMedia` where the media breaks off: the objects that were whole have been yielded, and the one that was
    not never is.
    """
    _refuse_uncarried(media.streams)
    return _cut(media, start_ns, length_ns)


def _cut(media: Media, start_ns: int, length_ns: int) -> Iterator[MediaObject]:
    leading, start = _leading(media.streams), from_ns(start_ns)

    def place_first(firsts: Sequence[Fraction]) -> Fraction:
        return start - firsts[leading]

    place: Place = place_first
    for inputs in media.runs:
        with Run(inputs, media.streams, place) as run:
            cutting = _Cutting(run, media, from_ns(length_ns))
            yield from cutting.objects()
            place = cutting.place_next


def _refuse_uncarried(streams: Sequence[EssenceStream]) -> None:
    for stream in streams:
        if not codecs.in_mpeg_ts(stream.codec):
            raise InvalidInput(
                f"MPEG-TS cannot carry {stream.codec} ({stream.kind}, stream {stream.av_index}); transcode it first",
                field="codec",
                value=stream.codec,
            )


class _Marks:
    """The multiples of the wanted length, from the first sample of the run."""

    def __init__(self, length: Fraction) -> None:
        self._length = length
        self._start: Fraction | None = None
        self._next = Fraction(0)

    def nearest_is(self, group: Group) -> bool:
        """Whether the start of this group is nearer to the next mark than the start of the group after it."""
        if self._start is None:
            self.cut_at(group.first)
        return group.first >= self._next or self._next - group.first <= group.end - self._next

    def cut_at(self, time: Fraction) -> None:
        """Aim at the mark after a cut that was made at `time`."""
        if self._start is None:
            self._start = time
        multiple = (time - self._start) // self._length
        past = time - self._start - multiple * self._length
        self._next = self._start + (multiple + (2 if 2 * past > self._length else 1)) * self._length


class _StreamCutter:
    """The object of one stream that is being written."""

    def __init__(self, stream: EssenceStream, template: AvStream, name: str, length: Fraction) -> None:
        self.stream = stream
        self.grouper = Grouper(f"{name}: {stream.kind}")
        self.marks = _Marks(length)
        self.end: Fraction | None = None
        self._template = template
        self._name = name
        self._writer: ObjectWriter | None = None

    def add(self, group: Group, *, begin: bool) -> MediaObject | None:
        """Write a group, into a new object if it shall `begin` one; return the object before, if that is whole now."""
        whole = self._whole_before(group, begin=begin)
        if self._writer is None:
            self._writer = ObjectWriter(self.stream, self._template, group.first, self._name)
            self.marks.cut_at(group.first)
        self._writer.add(group)
        self.end = group.end
        return whole

    def finish(self) -> MediaObject | None:
        """Return the last object."""
        return None if self._writer is None else self._closed(self._writer, self._writer.end)

    def discard(self) -> None:
        """Give up the object that is being written."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def _whole_before(self, group: Group, *, begin: bool) -> MediaObject | None:
        writer = self._writer
        if writer is None:
            return None
        if group.first - writer.end >= _GAP:
            return self._closed(writer, writer.end)
        return self._closed(writer, group.first) if begin else None

    def _closed(self, writer: ObjectWriter, end: Fraction) -> MediaObject:
        self._writer = None
        return writer.close(end)


class _Follower:
    """A stream whose groups wait until the leader has decided where objects begin."""

    def __init__(self, cutter: _StreamCutter) -> None:
        self.cutter = cutter
        self._waiting: deque[Group] = deque()
        self._begins: deque[Fraction] = deque()
        self._reached: Fraction | None = None

    def push(self, group: Group, decided: Fraction | None) -> Iterator[MediaObject]:
        """Take a group; yield what becomes whole up to the time that is decided."""
        self._waiting.append(group)
        if decided is not None:
            yield from self.follow(decided)
        while self._waiting and self._waiting[-1].first - self._waiting[0].first > _PATIENCE:
            yield from self._place(self._waiting.popleft(), self.cutter.marks)

    def begin(self, time: Fraction) -> None:
        """Begin an object with the first sample at or after `time`, unless that has been passed already."""
        if self._reached is None or time > self._reached:
            self._begins.append(time)

    def follow(self, decided: Fraction) -> Iterator[MediaObject]:
        """Place the groups before `decided`, up to where the leader has decided."""
        while self._waiting and self._waiting[0].first < decided:
            yield from self._place(self._waiting.popleft(), None)

    def follow_marks(self, until: Fraction | None = None) -> Iterator[MediaObject]:
        """Place the groups before `until`, or all, by the multiples: no leader decides on them."""
        while self._waiting and (until is None or self._waiting[0].first < until):
            yield from self._place(self._waiting.popleft(), self.cutter.marks)

    def _place(self, group: Group, marks: _Marks | None) -> Iterator[MediaObject]:
        begin = marks is not None and marks.nearest_is(group)
        while self._begins and self._begins[0] <= group.first:
            self._begins.popleft()
            begin = True
        whole = self.cutter.add(group, begin=begin)
        self._reached = group.first
        if whole is not None:
            yield whole


class _Cutting:
    """Cuts one run."""

    def __init__(self, run: Run, media: Media, length: Fraction) -> None:
        self._run = run
        self._cutters = [
            _StreamCutter(stream, template, media.name, length)
            for stream, template in zip(media.streams, run.templates, strict=True)
        ]
        self._leader = self._cutters[_leading(media.streams)]
        self._followers = {c.stream.index: _Follower(c) for c in self._cutters if c is not self._leader}
        self._decided: Fraction | None = None

    def place_next(self, firsts: Sequence[Fraction]) -> Fraction:
        """Say where the next run goes: as early as none of its streams begins before the same one of this run ends."""
        pairs = zip(self._cutters, firsts, strict=True)
        return max(cutter.end - first for cutter, first in pairs if cutter.end is not None)

    def objects(self) -> Iterator[MediaObject]:
        """Yield the objects of the run."""
        try:
            for unit in self._run.units():
                yield from self._take(unit)
            yield from self._finish()
        finally:
            for cutter in self._cutters:
                cutter.discard()

    def _take(self, unit: AccessUnit) -> Iterator[MediaObject]:
        group = self._cutters[unit.stream].grouper.push(unit)
        if group is None:
            return
        if unit.stream == self._leader.stream.index:
            yield from self._lead(group)
        else:
            yield from self._followers[unit.stream].push(group, self._decided)

    def _lead(self, group: Group) -> Iterator[MediaObject]:
        after_hole = self._decided is not None and group.first - self._decided >= _GAP
        begin = after_hole or self._leader.marks.nearest_is(group)
        whole = self._leader.add(group, begin=begin)
        if whole is not None:
            yield whole
        self._decided = group.end
        for follower in self._followers.values():
            if after_hole:
                yield from follower.follow_marks(group.first)
            if begin:
                follower.begin(group.first)
            yield from follower.follow(group.end)

    def _finish(self) -> Iterator[MediaObject]:
        for group in self._leader.grouper.finish():
            yield from self._lead(group)
        for follower in self._followers.values():
            for group in follower.cutter.grouper.finish():
                yield from follower.push(group, self._decided)
            yield from follower.follow_marks()
        for cutter in self._cutters:
            whole = cutter.finish()
            if whole is not None:
                yield whole


def _leading(streams: Sequence[EssenceStream]) -> int:
    return next((stream.index for stream in streams if stream.kind == "video"), 0)
