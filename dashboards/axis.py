"""A time axis of integer nanoseconds: where its ticks are, what they say, and how a float can hold a place on it.

Browsers place things by float64, which holds whole numbers up to 2**53 exactly: 104 days of nanoseconds. So places on
the axis are told from an origin that lies near what is seen. A window of years may reach further: there a float is off
by less than a millionth of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from dashboards.clock import UTC, Clock
from tams_data.timerange import MAX_NS, MIN_NS, NS_PER_SECOND, TimeRange, tai_from_utc, utc_from_tai

SHORTEST_NS = 1_000_000
"""The shortest window: some pixels of it are less than a sample of sound."""

LONGEST_NS = 300 * 365 * 86400 * NS_PER_SECOND

_EXACT = 2**52
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MONDAY = datetime(1969, 12, 29, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LONG_MONTH_S = 31 * _DAY
_FRACTIONS_NS = tuple(digit * 10**power for power in range(9) for digit in (1, 2, 5))
_SECONDS = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY, 2 * _DAY, 7 * _DAY),
)
_TOLD_NS = (NS_PER_SECOND, NS_PER_SECOND // 1000, 1000)
_MONTHS = (1, 3, 6, 12, 24, 60, 120, 240, 600)


# --- windows ---------------------------------------------------------------------------------------------------------


def fitted(start_ns: int, end_ns: int) -> TimeRange:
    """Return a window near the wanted one: not too short or too long to be shown, within what int64 can hold.

    >>> fitted(5, 6).length_ns
    1000000
    """
    length_ns = min(max(end_ns - start_ns, SHORTEST_NS), LONGEST_NS)
    start_ns += (end_ns - start_ns - length_ns) // 2
    start_ns = min(max(start_ns, MIN_NS + 1), MAX_NS - 1 - length_ns)
    return TimeRange(start_ns, start_ns + length_ns)


def clamped(start_ns: int, end_ns: int) -> TimeRange:
    """Return the part of a range that lies within what a finite time range can say."""
    return TimeRange(max(start_ns, MIN_NS + 1), min(end_ns, MAX_NS - 1))


def with_margin(window: TimeRange) -> TimeRange:
    """Return a window in which all of another is seen, with a little room at both ends."""
    margin_ns = (window.end_ns - window.start_ns) // 40
    return fitted(window.start_ns - margin_ns, window.end_ns + margin_ns)


def zoomed(window: TimeRange, numerator: int, denominator: int) -> TimeRange:
    """Return a window of `numerator / denominator` the length around the same middle.

    >>> zoomed(TimeRange(0, 80_000_000), 1, 2)
    TimeRange(start_ns=20000000, end_ns=60000000)
    """
    length_ns = window.end_ns - window.start_ns
    change_ns = length_ns - length_ns * numerator // denominator
    return fitted(window.start_ns + change_ns // 2, window.end_ns - (change_ns - change_ns // 2))


def panned(window: TimeRange, numerator: int, denominator: int) -> TimeRange:
    """Return a window moved by a part of its length, later if that is above 0."""
    by_ns = (window.end_ns - window.start_ns) * numerator // denominator
    return fitted(window.start_ns + by_ns, window.end_ns + by_ns)


def resolution_ns(window: TimeRange, pixels: int) -> int:
    """Return how long one pixel is, rounded up: what is asked for in these steps never has more rows than pixels.

    >>> resolution_ns(TimeRange(0, 10_000_000), 999)
    10011
    """
    return max(1, -(-(window.end_ns - window.start_ns) // max(1, pixels)))


def origin_for(window: TimeRange, origin_ns: int) -> int:
    """Return the origin for a window: the present one as long as it holds every nanosecond there exactly."""
    if window.end_ns - window.start_ns >= _EXACT:
        return origin_ns
    near = all(abs(end - origin_ns) < _EXACT for end in (window.start_ns, window.end_ns))
    return origin_ns if near else window.start_ns


def instant(place: float, origin_ns: int) -> int:
    """Return the instant, ns TAI, at a place on the axis; beyond int64 the last one there is."""
    return min(max(origin_ns + round(place), MIN_NS + 1), MAX_NS - 1)


def ends_text(window: TimeRange, clock: Clock) -> str:
    """Return where a window begins and ends in words, as exact as a twentieth of it; one date where it is the same.

    >>> ends_text(TimeRange(1_000_000_001, 1061_000_000_002), Clock())
    '00:00:01 – 00:17:41 UTC'
    >>> ends_text(TimeRange(1767261637_000_000_000, 1767261637_040_000_000), Clock())
    '2026-01-01 10:00:00 – 10:00:00.04 UTC'
    """
    length_ns = window.end_ns - window.start_ns
    if length_ns >= 20 * _DAY * NS_PER_SECOND:
        return " – ".join(f"{_civil(ns, clock):%Y-%m-%d}" for ns in (window.start_ns, window.end_ns))
    step_ns = next((step for step in _TOLD_NS if step * 20 <= length_ns), 1)
    start, end = (clock.text(ns // step_ns * step_ns) for ns in (window.start_ns, window.end_ns))
    date, _, time = end.rpartition(" ")
    return f"{start} – {time if start.startswith(f'{date} ') else end} {clock.scale}"


# --- ticks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis, ns TAI, and its text."""

    ns: int
    text: str


def ticks(window: TimeRange, clock: Clock, *, most: int) -> list[Tick]:
    """Return up to about `most` ticks at round times of the clock's scale.

    >>> ticks(TimeRange(0, 10**10), Clock(), most=3)
    [Tick(ns=0, text='00:00:00'), Tick(ns=5000000000, text='00:00:05')]
    """
    length_ns = window.end_ns - window.start_ns
    fraction_ns = next((step for step in _FRACTIONS_NS if length_ns <= step * most), None)
    if fraction_ns is not None:
        places = range(-(-window.start_ns // fraction_ns) * fraction_ns, window.end_ns, fraction_ns)
        return list(_times(places, clock, digits=len(str(NS_PER_SECOND // fraction_ns - 1))))
    step_s = next((step for step in _SECONDS if length_ns <= step * most * NS_PER_SECOND), None)
    if step_s is None:
        return list(_months(window, clock, most))
    if step_s >= _DAY:
        return [Tick(ns, f"{_civil(ns, clock):%Y-%m-%d}") for ns in _steps(window, clock, step_s)]
    return list(_times(_steps(window, clock, step_s), clock, digits=0))


def _steps(window: TimeRange, clock: Clock, step_s: int) -> Iterator[int]:
    """Yield whole multiples of a step in civil time, counted from a Monday's midnight: across leap seconds as well."""
    step = timedelta(seconds=step_s)
    when = _MONDAY + (_civil(window.start_ns, clock) - _MONDAY) // step * step
    while (ns := _tai(when, clock)) < window.end_ns:
        if ns >= window.start_ns:
            yield ns
        when += step


def _months(window: TimeRange, clock: Clock, most: int) -> Iterator[Tick]:
    """Yield the beginnings of months or years."""
    length_s = (window.end_ns - window.start_ns) // NS_PER_SECOND
    step = next((step for step in _MONTHS if length_s <= step * _LONG_MONTH_S * most), _MONTHS[-1])
    first, last = (_civil(ns, clock) for ns in (window.start_ns, window.end_ns - 1))
    for month in range(_month_number(first) // step * step, _month_number(last) + 1, step):
        when = datetime(month // 12, month % 12 + 1, 1, tzinfo=timezone.utc)
        if (ns := _tai(when, clock)) >= window.start_ns:  # `first` has lost what is less than a microsecond
            yield Tick(ns, f"{when:%Y}" if step >= 12 else f"{when:%Y-%m}")


def _month_number(when: datetime) -> int:
    return when.year * 12 + when.month - 1


def _times(places: Iterable[int], clock: Clock, *, digits: int) -> Iterator[Tick]:
    """Yield ticks of times of day; midnight is told by its date."""
    for ns in places:
        date, _, time = clock.text(ns).rpartition(" ")
        whole, _, fraction = time.partition(".")
        if date and whole == "00:00:00" and not fraction:
            yield Tick(ns, date)
        else:
            yield Tick(ns, f"{whole}.{fraction.ljust(digits, '0')}" if digits else whole)


def _civil(ns: int, clock: Clock) -> datetime:
    """A time of the clock's scale, to the microsecond; TAI as if it were UTC."""
    return utc_from_tai(ns) if clock.scale == UTC else _EPOCH + ns // 1000 * _MICROSECOND


def _tai(when: datetime, clock: Clock) -> int:
    return tai_from_utc(when) if clock.scale == UTC else (when - _EPOCH) // _MICROSECOND * 1000
