"""Groups of access units that cannot be parted: where an object may begin, and where it may not.

A video object can begin at any key frame. In decoding order a group is the key frame and all up to the next one. In an
open GOP some pictures are decoded after the key frame and shown before it; they belong to the key frame's group, which
so begins, on the timeline, with the first of them. Nothing is lost, objects do not overlap, and whoever decodes the
object before first gets every picture. Whoever begins with this object cannot decode those few pictures.

Each coded audio frame is a group. What is not presented goes with the group after it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction

from tams_data.errors import UnreadableMedia
from tams_data.essence.timing import to_ns
from tams_data.essence.units import AccessUnit
from tams_data.timerange import format_timestamp

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Group:
    """Access units in decoding order. `first` and `last` are when the first and the last one presented is shown."""

    units: list[AccessUnit]
    first: Fraction
    last: Fraction
    end: Fraction

    @classmethod
    def of(cls, units: list[AccessUnit]) -> Group:
        """Make a group of units, at least one of which is presented."""
        last = max((unit for unit in units if unit.shown is not None), key=lambda unit: unit.pts)
        shown = [unit.shown for unit in units if unit.shown is not None]
        return cls(units, min(shown), max(shown), last.end)


class Grouper:
    """Collects the access units of one stream, in decoding order, into groups."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._complete: Group | None = None
        self._collecting: list[AccessUnit] = []
        self._undecodable = 0

    def push(self, unit: AccessUnit) -> Group | None:
        """Take the next access unit; return a group once it is certain that an object may begin after it."""
        done = self._advance() if unit.is_key else None
        if unit.is_key or self._collecting:
            self._collecting.append(unit)
        else:
            self._undecodable += 1
        return done

    def finish(self) -> list[Group]:
        """Return what is left at the end of the stream."""
        last = [self._advance(), self._complete]
        if self._collecting and self._complete is not None:  # hidden units that nothing presented follows
            self._complete.units += self._collecting
        return [group for group in last if group is not None]

    def _advance(self) -> Group | None:
        """Close the group being collected; return the one before, unless the two turn out to be one."""
        if all(unit.shown is None for unit in self._collecting):
            return None
        if self._undecodable:
            log.warning("%s: %d pictures before the first key frame left out", self._name, self._undecodable)
            self._undecodable = 0
        group, before = Group.of(self._collecting), self._complete
        self._collecting = []
        _fill_decoding_times(group.units)
        if before is not None and group.first <= before.last:
            self._merge(before, group)
            return None
        self._complete = group
        return before

    def _merge(self, before: Group, group: Group) -> None:
        # Pictures of two groups interleave when shown: legal, if rare. A group that starts earlier than the one
        # before it is something else: the stream's clock was set back.
        if group.first < before.first:
            raise UnreadableMedia(
                f"{self._name}: time goes back from {format_timestamp(to_ns(before.last))}"
                f" to {format_timestamp(to_ns(group.first))} on the flow's timeline"
            )
        self._complete = Group.of(before.units + group.units)


def _fill_decoding_times(units: list[AccessUnit]) -> None:
    """Give a decoding time to units without: Matroska has none, and FFmpeg cannot tell the first few.

    Decoding times are the presentation times in order, less a delay: that of the units whose times are known, else the
    least with which each is decoded before it is shown.
    """
    timed = list(zip(sorted(unit.pts for unit in units), units, strict=True))
    known = [shown - unit.dts for shown, unit in timed if unit.dts is not None]
    delay = known[0] if known else max(shown - unit.pts for shown, unit in timed)
    for shown, unit in timed:
        if unit.dts is None:
            unit.dts = shown - delay
