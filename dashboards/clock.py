"""How times are told: in UTC or TAI, by one switch for all that shows a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import param

from tams_data.errors import InvalidTimestamp
from tams_data.formatting import UNKNOWN
from tams_data.timerange import NS_PER_SECOND, format_utc, parse_timestamp, tai_from_utc

UTC, TAI = "UTC", "TAI"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECOND = timedelta(seconds=1)
_CIVIL = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?Z?")
_SINCE_ZERO = re.compile(r"(−|-)?(\d+):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_FIRST_CIVIL_NS = tai_from_utc(datetime(1972, 1, 1, tzinfo=timezone.utc))


class Clock(param.Parameterized):
    """The switch. What shows a time depends on `scale` and takes its text from here."""

    scale = param.Selector[str](default=UTC, objects=[UTC, TAI], doc="Time scale in which times are shown")

    def text(self, ns: int | None, *, zone: bool = False) -> str:
        """The time of a TAI timestamp, ns, without zeros at its end; with `zone`, the scale behind it.

        A timeline may begin at 0:0, like that of an edit. UTC as it is has been since 1972, so what lies before is
        no time of day, and is told as hours, minutes and seconds since 0:0 on both scales.

        >>> Clock().text(1767261650_040_000_000), Clock(scale="TAI").text(1767261650_040_000_000, zone=True)
        ('2026-01-01 10:00:13.04', '2026-01-01 10:00:50.04 TAI')
        >>> Clock().text(90_000_000_000)
        '00:01:30'
        """
        if ns is None:
            return UNKNOWN
        if ns < _FIRST_CIVIL_NS:
            return _since_zero(ns)
        date, _, time = (format_utc(ns) if self.scale == UTC else _tai(ns)).rstrip("Z").partition("T")
        text = f"{date} {time.rstrip('0').rstrip('.') if '.' in time else time}"
        return f"{text} {self.scale}" if zone else text

    def wall_text(self, unix_ns: int | None, *, zone: bool = False) -> str:
        """The same, to the second, of a time that the store itself has noted: ns since 1970 UTC.

        >>> Clock().wall_text(1767261613_999_000_000)
        '2026-01-01 10:00:13'
        """
        if unix_ns is None:
            return UNKNOWN
        return self.text(tai_from_unix(unix_ns // NS_PER_SECOND * NS_PER_SECOND), zone=zone)

    def parse(self, text: str) -> int:
        """The TAI timestamp, ns, of a time as `text` writes it, of a date alone, or of a TAMS timestamp.

        :raise InvalidTimestamp: it is none of these, or there is no such time.

        >>> Clock().parse("2026-01-01 10:00:13.04"), Clock().parse("00:01:30"), Clock().parse("90:0")
        (1767261650040000000, 90000000000, 90000000000)
        """
        if (civil := _CIVIL.fullmatch(text.strip())) is not None:
            return self._civil_ns(text, *civil.groups())
        if (elapsed := _SINCE_ZERO.fullmatch(text.strip())) is not None:
            sign, hours, minutes, seconds, fraction = elapsed.groups()
            ns = (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * NS_PER_SECOND + _fraction_ns(fraction)
            return -ns if sign else ns
        return parse_timestamp(text.strip())

    def _civil_ns(self, text: str, date: str, time: str | None, second: str | None, fraction: str | None) -> int:
        leap = second == "60"
        try:
            when = datetime.fromisoformat(f"{date}T{time or '00:00'}:{'59' if leap else second or '00'}+00:00")
        except ValueError as error:
            raise InvalidTimestamp(f"{text!r} is no time: {error}", value=text) from error
        seconds_ns = tai_from_utc(when) if self.scale == UTC else (when - _EPOCH) // _SECOND * NS_PER_SECOND
        return seconds_ns + leap * NS_PER_SECOND + _fraction_ns(fraction)


def _fraction_ns(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0"))


def tai_from_unix(unix_ns: int) -> int:
    """The TAI timestamp, ns, of a time that counts from 1970 UTC without leap seconds."""
    microseconds, rest = divmod(unix_ns, 1000)
    return tai_from_utc(_EPOCH + timedelta(microseconds=microseconds)) + rest


def _tai(ns: int) -> str:
    seconds, rest = divmod(ns, NS_PER_SECOND)
    return f"{(_EPOCH + timedelta(seconds=seconds)).strftime('%Y-%m-%dT%H:%M:%S')}.{rest:09}"


def _since_zero(ns: int) -> str:
    seconds, rest = divmod(abs(ns), NS_PER_SECOND)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{'−' if ns < 0 else ''}{hours:02}:{minute:02}:{second:02}"
    return f"{text}.{rest:09}".rstrip("0") if rest else text
