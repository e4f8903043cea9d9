"""Media time: exact fractions of a second, and the two clocks they are written in.

Inside this package a time is a `Fraction` of seconds: 1001/30000 and 1024/44100 have no exact nanoseconds and no exact
90 kHz ticks, so rounding once, where a time leaves the package, keeps errors from adding up. A time leaves as TAMS
nanoseconds (a segment's timerange) or as 90 kHz ticks (a time stamp in MPEG-TS).
"""

from __future__ import annotations

from fractions import Fraction

from tams_data.timerange import NS_PER_SECOND

TICKS_PER_SECOND = 90_000
ROLLOVER_TICKS = 1 << 33
"""MPEG-TS time stamps have 33 bits (ISO/IEC 13818-1): they start again every 26.5 hours."""


def to_ns(seconds: Fraction) -> int:
    """Return the nanosecond in which a time lies: rounded down, as mediatimestamp's `Timestamp.from_count` does.

    >>> to_ns(Fraction(1001, 30000))
    33366666
    """
    return seconds.numerator * NS_PER_SECOND // seconds.denominator


def to_ticks(seconds: Fraction) -> int:
    """Return the nearest tick of MPEG-TS's 90 kHz clock, not reduced to 33 bits; halves go up.

    >>> to_ticks(Fraction(1024, 44100))
    2090
    """
    return (2 * seconds.numerator * TICKS_PER_SECOND + seconds.denominator) // (2 * seconds.denominator)


def from_ns(ns: int) -> Fraction:
    """Return nanoseconds as seconds."""
    return Fraction(ns, NS_PER_SECOND)


def nearest_rollover(ticks: int, expected: int) -> int:
    """Return the tick count nearest to `expected` whose low 33 bits are those of `ticks`.

    The time stamps of a stream say only their low 33 bits; where on the timeline they belong must be known from
    elsewhere: the segment's timerange, or the time stamp before (App note 0002).

    >>> nearest_rollover(5, expected=ROLLOVER_TICKS - 10) == ROLLOVER_TICKS + 5
    True
    >>> nearest_rollover(ROLLOVER_TICKS - 10, expected=0)
    -10
    """
    half = ROLLOVER_TICKS // 2
    return expected + (ticks - expected + half) % ROLLOVER_TICKS - half


class Grid:
    """The exact times of samples that come at a constant rate, told from times that a coarse clock has rounded.

    Matroska counts milliseconds and MPEG-TS 90 kHz ticks. Neither can say 1024/44100 s, and FFmpeg fills in the audio
    frames between two time stamps with a rounded length. A time within `tolerance` of a whole number of `step`s from
    the first is put exactly there. One that is further off is a real jump: it stands, and the grid starts anew at it.
    """

    def __init__(self, step: Fraction, tolerance: Fraction) -> None:
        self._step = step
        self._tolerance = tolerance
        self._anchor: Fraction | None = None

    def settle(self, observed: Fraction) -> Fraction:
        """Return the exact time of the next sample."""
        exact = self.snap(observed)
        if self._anchor is None or abs(exact - observed) > self._tolerance:
            self._anchor = observed
            return observed
        return exact

    def snap(self, observed: Fraction) -> Fraction:
        """Return the nearest time on the grid, wherever it is; `observed` itself while nothing has settled."""
        if self._anchor is None:
            return observed
        return self._anchor + round((observed - self._anchor) / self._step) * self._step
