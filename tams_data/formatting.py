"""Numbers and times as a person reads them. What is not known is a dash."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tams_data.timerange import FIRST_CIVIL_NS, NS_PER_SECOND, format_timestamp, format_utc

UNKNOWN = "–"

_BYTES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_BIT_RATES = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s")
_COUNTS = ("", "k", "M", "G", "T")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MINUTE = 60 * NS_PER_SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY
_LONG = ((_YEAR, "y"), (_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (NS_PER_SECOND, "s"))
_SHORT = ((NS_PER_SECOND, "s"), (1_000_000, "ms"), (1000, "µs"), (1, "ns"))


def bytes_text(count: int | None) -> str:
    """Bytes in decimal units, three digits.

    >>> bytes_text(0), bytes_text(999), bytes_text(1_234_567), bytes_text(None)
    ('0 B', '999 B', '1.23 MB', '–')
    """
    return UNKNOWN if count is None else _scaled(count, _BYTES)


def bit_rate_text(bits_per_second: int | None) -> str:
    """A bit rate in decimal units, three digits.

    >>> bit_rate_text(2_100_000)
    '2.1 Mbit/s'
    """
    return UNKNOWN if bits_per_second is None else _scaled(bits_per_second, _BIT_RATES)


def count_text(count: int | None) -> str:
    """A count with every digit, in groups of three.

    >>> count_text(10_000_000)
    '10,000,000'
    """
    return UNKNOWN if count is None else f"{count:,}"


def count_of(count: int, one: str) -> str:
    """A count of things, by the word for one of them.

    >>> count_of(1, "object"), count_of(0, "object"), count_of(12_000, "row")
    ('1 object', '0 objects', '12,000 rows')
    """
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def short_count_text(count: int | None) -> str:
    """A count in three digits, for where there is little room.

    >>> short_count_text(999), short_count_text(10_000_000)
    ('999', '10M')
    """
    return UNKNOWN if count is None else _scaled(count, _COUNTS).replace(" ", "")


def duration_text(ns: int | None) -> str:
    """A duration in its two largest units; below a minute in one unit, three digits.

    >>> [duration_text(one) for one in (0, 40_000_000, 4 * 10**9, 90 * 10**9, 93_784 * 10**9)]
    ['0 s', '40 ms', '4 s', '1 min 30 s', '1 d 2 h']
    >>> duration_text(-1500)
    '−1.5 µs'
    """
    if ns is None:
        return UNKNOWN
    if ns < 0:
        return f"−{duration_text(-ns)}"
    if ns < _MINUTE:
        size, unit = next((one for one in _SHORT if ns >= one[0]), _SHORT[0])
        # Rounding may not make a minute of what is less than one: 59.99 s stays 59.9 s.
        return f"{_three_digits(ns, size, down=size == NS_PER_SECOND)} {unit}"
    return _two_units(ns)


def percent_text(part: int | None, whole: int | None) -> str:
    """A part of a whole in per cent. Only all of it is 100 %, and only none of it is 0 %.

    >>> percent_text(1, 3), percent_text(999_999, 1_000_000), percent_text(1, 1_000_000), percent_text(1, 0)
    ('33.3 %', '99.9 %', '<0.1 %', '–')
    """
    if part is None or not whole:
        return UNKNOWN
    if 0 < part * 1000 < whole:
        return "<0.1 %"
    tenths = part * 1000 // whole if part < whole else round(part * 1000 / whole)
    return f"{tenths / 10:.3g} %" if tenths < 1000 else f"{tenths / 10:.0f} %"


def format_text(urn: str | None) -> str:
    """The last word of a content format's URN.

    >>> format_text("urn:x-nmos:format:video")
    'video'
    """
    return UNKNOWN if urn is None else urn.rpartition(":")[2]


def utc_text(ns: int | None) -> str:
    """The UTC time of a TAI timestamp, to the nanosecond where it needs that; before 1972 the timestamp itself.

    >>> utc_text(1767261650 * NS_PER_SECOND), utc_text(1767261650 * NS_PER_SECOND + 40_000_000), utc_text(0)
    ('2026-01-01 10:00:13 UTC', '2026-01-01 10:00:13.04 UTC', '0:0')
    """
    if ns is None:
        return UNKNOWN
    if ns < FIRST_CIVIL_NS:
        return format_timestamp(ns)  # a timeline that begins at 0:0 has no time of day
    whole, _, fraction = format_utc(ns).rstrip("Z").replace("T", " ").partition(".")
    digits = fraction.rstrip("0")
    return f"{whole}{f'.{digits}' if digits else ''} UTC"


def clock_text(unix_ns: int | None) -> str:
    """A clock time, ns since 1970 UTC, to the second.

    >>> clock_text(1767261613 * NS_PER_SECOND)
    '2026-01-01 10:00:13 UTC'
    """
    if unix_ns is None:
        return UNKNOWN
    return f"{_EPOCH + timedelta(seconds=unix_ns // NS_PER_SECOND):%Y-%m-%d %H:%M:%S} UTC"


def _two_units(ns: int) -> str:
    position = next(number for number, (size, _) in enumerate(_LONG) if ns >= size)
    (size, unit), (next_size, next_unit) = _LONG[position : position + 2]
    rest = ns % size // next_size
    return f"{ns // size} {unit}" + (f" {rest} {next_unit}" if rest else "")


def _scaled(count: int, units: tuple[str, ...]) -> str:
    if count < 0:
        return f"−{_scaled(-count, units)}"
    size, last = 1, len(units) - 1
    for number, unit in enumerate(units):
        # Half a unit of the third digit below the next: 999,999 is 1 MB, never 1000 kB.
        if number == last or count * 2000 < size * 1_999_000:
            return f"{_three_digits(count, size)} {unit}".strip()
        size *= 1000
    raise AssertionError("the last unit takes what is left")


def _three_digits(count: int, size: int, *, down: bool = False) -> str:
    """`count / size` with three digits, or all digits before the point, without zeros at the end."""
    whole = count // size
    places = 2 if whole < 10 else 1 if whole < 100 else 0
    scaled = count * 10**places
    number = scaled // size if down else (scaled + size // 2) // size
    text = f"{number / 10**places:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text
