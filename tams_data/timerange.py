"""Time ranges: the one place that reads, writes and computes on TAMS time.

A TAMS timestamp is a signed count of nanoseconds, and every interval of integers can be written half-open. So a
time range is two int64: `start_ns`, inclusive, and `end_ns`, exclusive. `[a_b]` is `[a, b+1)`, `(a_b)` is `[a+1, b)`,
the instant `[a]` is `[a, a+1)`: an exclusive timestamp leaves itself out and keeps its neighbour (App note 0012).
`MIN_NS` and `MAX_NS` stand for an end that is open, so a finite bound lies strictly between them: in the years 1678
to 2262. Empty ranges are all the same range, "never". Nothing here is ever a float.

    scalar   TimeRange, parse_timestamp, format_timestamp, merge, without
    Arrow    parse_column, format_column, parse_timestamp_column, format_timestamp_column
    Ibis     overlapping, covered_by, clip, lies_within, length_ns, span_ns, islands, gaps, covered_ns
             condensed, joined, seams: for many rows that do not overlap
             floor_ns, length_from_ns, length_to_ns
    civil    utc_from_tai, tai_from_utc, format_utc, utc_ns

The text of a time range, as TAMS 8.2 (timerange schema), App notes 0008 and 0012 define it:

    [a_b]  [a_b)  (a_b]  (a_b)      a marker for each end; a missing one reads as inclusive
    [a_  (a_  _b]  _b)              an end without a timestamp is open, and a marker there means nothing
    [a]  a                          an instant; the bare form is discouraged; never with `(` or `)`
    _                               eternity
    ()                              never; also the empty text, and any markers with nothing between them

where a timestamp is `seconds:nanoseconds`, either without leading zeros, with one sign for the whole.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

import ibis
import ibis.expr.types as ir
import mediatimestamp.immutable as mt
import pyarrow as pa
import pyarrow.compute as pc
from mediatimestamp.constants import UTC_LEAP

from tams_data.errors import InvalidTimeRange, InvalidTimestamp

NS_PER_SECOND = 1_000_000_000
MIN_NS = -(2**63)
MAX_NS = 2**63 - 1

Nanoseconds: TypeAlias = "int | ir.IntegerValue"
"""A bound of a query: a number, or an expression (a parameter, a placeholder) whose value comes later."""


# --- grammar ---------------------------------------------------------------------------------------------------------


def _timestamp_grammar(name: str, seconds_digits: str) -> str:
    return rf"(?P<{name}_s>-?(?:0|[1-9][0-9]{seconds_digits})):(?P<{name}_ns>0|[1-9][0-9]{{0,8}})"


def _range_grammar(seconds_digits: str) -> str:
    start, end = _timestamp_grammar("start", seconds_digits), _timestamp_grammar("end", seconds_digits)
    # The end is nested in the group of "_": side by side, "[1:0-2:0)" would parse.
    # RE2 has a one-pass engine for up to four groups, three times as fast. So the markers are not captured.
    return rf"[\[(]?(?:{start})?(?:_(?:{end})?)?[\])]?"


# Ten digits of seconds hold every int64, and no more than ten are what _signed_ns can check.
_INT64_SECONDS, _ANY_SECONDS = "{0,9}", "*"
_TIMESTAMP_TEXT, _RANGE_TEXT = _timestamp_grammar("time", _INT64_SECONDS), _range_grammar(_INT64_SECONDS)
_TIMESTAMP, _RANGE = re.compile(_TIMESTAMP_TEXT), re.compile(_RANGE_TEXT)
_LONG_TIMESTAMP = re.compile(_timestamp_grammar("time", _ANY_SECONDS))
_LONG_RANGE = re.compile(_range_grammar(_ANY_SECONDS))

_OUTSIDE = "lies outside int64 nanoseconds (the years 1678 to 2262)"


def _quoted(text: str, longest: int = 120) -> str:
    return repr(text) if len(text) <= longest else f"{text[:longest]!r}... ({len(text)} characters)"


def _bad_timestamp(text: str, field: str | None) -> InvalidTimestamp:
    reason = _OUTSIDE if _LONG_TIMESTAMP.fullmatch(text) else "is not a TAMS timestamp (seconds:nanoseconds)"
    return InvalidTimestamp(f"{_quoted(text)} {reason}", field=field, value=text)


def _bad_range(text: str, reason: str, field: str | None) -> InvalidTimeRange:
    return InvalidTimeRange(f"{_quoted(text)} {reason}", field=field, value=text)


def _unreadable_range(text: str, field: str | None) -> InvalidTimeRange:
    reason = _OUTSIDE if _LONG_RANGE.fullmatch(text) else "is not a TAMS time range"
    return _bad_range(text, reason, field)


# --- timestamps ------------------------------------------------------------------------------------------------------


def _to_ns(seconds: str, nanoseconds: str) -> int:
    # The sign is that of the whole timestamp, not of its seconds: "-0:5" is 5 ns before the epoch.
    if seconds[0] == "-":
        return int(seconds) * NS_PER_SECOND - int(nanoseconds)
    return int(seconds) * NS_PER_SECOND + int(nanoseconds)


def parse_timestamp(text: str, *, field: str | None = None) -> int:
    """Return the nanoseconds of a TAMS timestamp (TAMS 8.2, timestamp schema).

    Every int64 is accepted. Anything else raises `InvalidTimestamp`, which names the text and carries `field`.

    >>> parse_timestamp("1694429247:40000000")
    1694429247040000000
    >>> parse_timestamp("-0:5")
    -5
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise _bad_timestamp(text, field)
    ns = _to_ns(*match.groups())
    if not MIN_NS <= ns <= MAX_NS:
        raise _bad_timestamp(text, field)
    return ns


def format_timestamp(ns: int) -> str:
    """Return the text of a timestamp: sign, seconds, nanoseconds. `parse_timestamp` reads it back.

    >>> format_timestamp(1_500_000_000), format_timestamp(-5)
    ('1:500000000', '-0:5')
    """
    if ns >= 0:
        return f"{ns // NS_PER_SECOND}:{ns % NS_PER_SECOND}"
    return f"-{-ns // NS_PER_SECOND}:{-ns % NS_PER_SECOND}"


# --- time ranges -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The nanoseconds from `start_ns` up to, and without, `end_ns`.

    A start of `MIN_NS` and an end of `MAX_NS` are open. Any empty range is the one value `TimeRange.never()`, so
    equal ranges are equal values. An end before the start, or a bound outside int64, raises `InvalidTimeRange`.

    The operations are mediatimestamp's, with its answers for "never": it overlaps nothing, touches nothing, and is
    contained in every range but itself.

    >>> TimeRange(0, 10 * NS_PER_SECOND)
    TimeRange(start_ns=0, end_ns=10000000000)
    >>> TimeRange(7, 7) == TimeRange.never()
    True
    """

    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if MIN_NS <= self.start_ns < self.end_ns <= MAX_NS:
            return
        if self.start_ns != self.end_ns:
            raise _bad_bounds(self.start_ns, self.end_ns)
        object.__setattr__(self, "start_ns", 0)
        object.__setattr__(self, "end_ns", 0)

    @classmethod
    def parse(cls, text: str, *, field: str | None = None) -> TimeRange:
        """Read the text of a time range; the module docstring has the grammar.

        `(a_a)`, `[a_a)`, and `(a_b)` with no nanosecond between, are never.

        `InvalidTimeRange` names the text and carries `field`. It refuses text outside the grammar, an instant with
        an exclusive marker, an end before its start, and a timestamp outside int64, or so near its limits that the
        bound would read as open. App note 0008 suggests reading an end before its start as never; but then a
        client's mistake would look like an empty store.

        >>> TimeRange.parse("[0:0_10:0)")
        TimeRange(start_ns=0, end_ns=10000000000)
        >>> TimeRange.parse("[0:0_10:0]") == TimeRange.parse("[0:0_10:1)")
        True
        >>> TimeRange.parse("(5:0_").ends_open
        True
        >>> TimeRange.parse("[2:0_1:0)")
        Traceback (most recent call last):
        tams_data.errors.InvalidTimeRange: '[2:0_1:0)' ends before it starts
        """
        timestamps = _timestamps_in(text, field)
        if timestamps is None:
            return cls(0, 0)
        first, last = timestamps
        start = MIN_NS if first is None else first + (text[0] == "(")
        end = MAX_NS if last is None else last + (text[-1] != ")")
        if (first is not None and _reads_open(start)) or (last is not None and _reads_open(end)):
            raise _bad_range(text, _OUTSIDE, field)
        if first is not None and last is not None and last < first:
            raise _bad_range(text, "ends before it starts", field)
        return cls(start, end) if start < end else cls(0, 0)

    @classmethod
    def never(cls) -> TimeRange:
        """The range that holds no time, `()`."""
        return cls(0, 0)

    @classmethod
    def eternity(cls) -> TimeRange:
        """The range that holds all time, `_`."""
        return cls(MIN_NS, MAX_NS)

    def __str__(self) -> str:
        """Return the canonical text: `_`, `()`, `[a_`, `_b)`, `[a]` for a single nanosecond, or else `[a_b)`.

        >>> str(TimeRange(-5, 10 * NS_PER_SECOND)), str(TimeRange(0, 1)), str(TimeRange(0, MAX_NS))
        ('[-0:5_10:0)', '[0:0]', '[0:0_')
        """
        start, end = self.start_ns, self.end_ns
        if start == end:
            return "()"
        if start == MIN_NS or end == MAX_NS:
            before = "" if start == MIN_NS else f"[{format_timestamp(start)}"
            return f"{before}_" if end == MAX_NS else f"{before}_{format_timestamp(end)})"
        if end - start == 1:
            return f"[{format_timestamp(start)}]"
        return f"[{format_timestamp(start)}_{format_timestamp(end)})"

    def _repr_html_(self) -> str:
        """The text and the civil time it stands for, for a notebook."""
        text = f"<code>{self}</code>"
        if self.is_never or self.is_eternity:
            return f"{text}, {'never' if self.is_never else 'eternity'}"
        start = "any time" if self.starts_open else _civil(self.start_ns)
        end = "any time" if self.ends_open else _civil(self.end_ns)
        return f"{text}, from {start} until {end}"

    @property
    def is_never(self) -> bool:
        """Whether the range holds no time."""
        return self.start_ns == self.end_ns

    @property
    def is_eternity(self) -> bool:
        """Whether the range holds all time."""
        return self.starts_open and self.ends_open

    @property
    def starts_open(self) -> bool:
        """Whether the range has no first nanosecond."""
        return self.start_ns == MIN_NS

    @property
    def ends_open(self) -> bool:
        """Whether the range has no last nanosecond."""
        return self.end_ns == MAX_NS

    @property
    def length_ns(self) -> int | None:
        """The nanoseconds in the range, or None when an end is open. An instant counts 1, never counts 0."""
        return None if self.starts_open or self.ends_open else self.end_ns - self.start_ns

    def overlaps(self, other: TimeRange) -> bool:
        """Whether the ranges share a nanosecond. Ranges that only touch share none.

        >>> TimeRange(0, 10).overlaps(TimeRange(10, 20))
        False
        """
        # never is (0, 0): the comparison of bounds alone would find it inside [-1, 1).
        return max(self.start_ns, other.start_ns) < min(self.end_ns, other.end_ns)

    def contains(self, other: TimeRange) -> bool:
        """Whether all of `other` lies in this range. Never lies in every range, and contains none."""
        if self.is_never or other.is_never:
            return not self.is_never
        return self.start_ns <= other.start_ns and other.end_ns <= self.end_ns

    def contains_instant(self, ns: int) -> bool:
        """Whether the nanosecond `ns` lies in this range."""
        return self.start_ns <= ns < self.end_ns

    def is_earlier_than(self, other: TimeRange) -> bool:
        """Whether this range ends before `other` starts; touching counts. Never is earlier than nothing."""
        return not self.is_never and not other.is_never and self.end_ns <= other.start_ns

    def is_later_than(self, other: TimeRange) -> bool:
        """Whether this range starts after `other` ends; touching counts. Never is later than nothing."""
        return other.is_earlier_than(self)

    def is_contiguous_with(self, other: TimeRange) -> bool:
        """Whether the ranges overlap or touch, so that both together are one range."""
        if self.is_never or other.is_never:
            return False
        return self.start_ns <= other.end_ns and other.start_ns <= self.end_ns

    def intersection(self, other: TimeRange) -> TimeRange:
        """Return what both ranges share: never, when that is nothing.

        >>> str(TimeRange.parse("[0:0_10:0)").intersection(TimeRange.parse("[5:0_")))
        '[5:0_10:0)'
        """
        start, end = max(self.start_ns, other.start_ns), min(self.end_ns, other.end_ns)
        return TimeRange(start, end) if start < end else TimeRange.never()

    def union(self, other: TimeRange) -> TimeRange:
        """Return the one range that is both. `InvalidTimeRange` when time lies between them, or one is never."""
        if not self.is_contiguous_with(other):
            raise InvalidTimeRange(f"{self} and {other} are not contiguous: their union is not one time range")
        return self.extend(other)

    def extend(self, other: TimeRange) -> TimeRange:
        """Return the shortest range that contains both, with whatever lies between them."""
        if self.is_never or other.is_never:
            return other if self.is_never else self
        return TimeRange(min(self.start_ns, other.start_ns), max(self.end_ns, other.end_ns))

    def shift(self, offset_ns: int) -> TimeRange:
        """Return the range moved by `offset_ns`. Open ends stay open, and never stays never.

        `InvalidTimeRange` when a finite bound would leave int64, or become an open end.

        >>> str(TimeRange.parse("[0:0_").shift(-NS_PER_SECOND))
        '[-1:0_'
        """
        if self.is_never:
            return self
        start = self.start_ns if self.starts_open else self.start_ns + offset_ns
        end = self.end_ns if self.ends_open else self.end_ns + offset_ns
        if (not self.starts_open and _reads_open(start)) or (not self.ends_open and _reads_open(end)):
            raise InvalidTimeRange(f"{self} moved by {offset_ns} ns {_OUTSIDE}", value=str(self))
        return TimeRange(start, end)


def _timestamps_in(text: str, field: str | None) -> tuple[int | None, int | None] | None:
    """Return the two timestamps as written, None for an open end; None for both where the text means never."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise _unreadable_range(text, field)
    start_s, start_ns, end_s, end_ns = match.groups()
    first = None if start_s is None else _to_ns(start_s, start_ns)
    if "_" in text:
        return first, None if end_s is None else _to_ns(end_s, end_ns)
    if first is None:
        return None
    if "(" in text or ")" in text:
        raise _bad_range(text, "is an instant, which cannot exclude its one timestamp", field)
    return first, first


def _reads_open(ns: int) -> bool:
    """Whether a bound is outside int64, or at its limits, which stand for open ends."""
    return not MIN_NS < ns < MAX_NS


def _bad_bounds(start_ns: int, end_ns: int) -> InvalidTimeRange:
    reason = "ends before it starts" if end_ns < start_ns else _OUTSIDE
    return InvalidTimeRange(f"[{start_ns}, {end_ns}) ns {reason}", value=(start_ns, end_ns))


def merge(ranges: Iterable[TimeRange]) -> list[TimeRange]:
    """Return the same time as the fewest ranges, earliest first: overlapping and touching ones become one.

    For ranges in hand; `islands` does it for tables.

    >>> [str(r) for r in merge([TimeRange(20, 30), TimeRange(0, 5), TimeRange(5, 10), TimeRange.never()])]
    ['[0:0_0:10)', '[0:20_0:30)']
    """
    merged: list[TimeRange] = []
    for r in sorted((r for r in ranges if not r.is_never), key=lambda r: r.start_ns):
        if merged and merged[-1].is_contiguous_with(r):
            merged[-1] = merged[-1].extend(r)
        else:
            merged.append(r)
    return merged


def without(ranges: Iterable[TimeRange], taken: Iterable[TimeRange]) -> list[TimeRange]:
    """Return the time that is in `ranges` and in none of `taken`, as the fewest ranges, earliest first.

    >>> [str(r) for r in without([TimeRange(0, 10), TimeRange(20, 30)], [TimeRange(5, 6), TimeRange(8, 25)])]
    ['[0:0_0:5)', '[0:6_0:8)', '[0:25_0:30)']
    """
    cuts = merge(taken)
    starts, ends = [cut.start_ns for cut in cuts], [cut.end_ns for cut in cuts]
    left = []
    for one in merge(ranges):
        first, last = bisect_right(ends, one.start_ns), bisect_left(starts, one.end_ns)
        parts = zip([one.start_ns, *ends[first:last]], [*starts[first:last], one.end_ns], strict=True)
        left += [TimeRange(start, end) for start, end in parts if start < end]
    return left


# --- Arrow: whole columns --------------------------------------------------------------------------------------------
#
# The kernels compute with masks and leave every refusal to the scalar functions: a row that a mask calls bad is given
# to the scalar parser, which raises. So there is one set of messages, and the two cannot drift apart unnoticed.


def parse_timestamp_column(texts: pa.Array | pa.ChunkedArray, *, field: str | None = None) -> pa.Int64Array:
    """Return the nanoseconds of a column of timestamps; the column form of `parse_timestamp`.

    Nulls stay null. `InvalidTimestamp` names the first text that is not a timestamp.

    >>> parse_timestamp_column(pa.array(["1:0", None, "-0:5"])).to_pylist()
    [1000000000, None, -5]
    """
    return _join([_parse_timestamps(chunk, field) for chunk in _string_chunks(texts)], pa.int64())


def parse_column(texts: pa.Array | pa.ChunkedArray, *, field: str | None = None) -> tuple[pa.Int64Array, pa.Int64Array]:
    """Return `(start_ns, end_ns)` of a column of time ranges; the column form of `TimeRange.parse`.

    Nulls stay null. `InvalidTimeRange` names the first text that is not a time range.

    >>> start_ns, end_ns = parse_column(pa.array(["[0:0_10:0)", "[5:0]", None, "()"]))
    >>> start_ns.to_pylist(), end_ns.to_pylist()
    ([0, 5000000000, None, 0], [10000000000, 5000000001, None, 0])
    """
    pairs = [_parse_ranges(chunk, field) for chunk in _string_chunks(texts)]
    return _join([start for start, _ in pairs], pa.int64()), _join([end for _, end in pairs], pa.int64())


def format_timestamp_column(ns: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Return the text of a column of timestamps; the column form of `format_timestamp`. Nulls stay null.

    >>> format_timestamp_column(pa.array([1_500_000_000, None, -5])).to_pylist()
    ['1:500000000', None, '-0:5']
    """
    return _timestamp_texts(_join(_chunks(ns), pa.int64()))


def format_column(start_ns: pa.Array | pa.ChunkedArray, end_ns: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Return the canonical text of a column of time ranges; the column form of `str(TimeRange(start_ns, end_ns))`.

    A null in either column makes a null. `InvalidTimeRange` names the first pair that ends before it starts.

    >>> format_column(pa.array([0, 5, None, 0, 0]), pa.array([10, 6, None, 0, MAX_NS])).to_pylist()
    ['[0:0_0:10)', '[0:5]', None, '()', '[0:0_']
    """
    start, end = _join(_chunks(start_ns), pa.int64()), _join(_chunks(end_ns), pa.int64())
    _refuse_disorder(start, end)
    starts_open, ends_open = pc.equal(start, MIN_NS), pc.equal(end, MAX_NS)
    start_text = pc.binary_join_element_wise("[", _timestamp_texts(start), "")
    text = pc.binary_join_element_wise(
        pc.if_else(starts_open, "", start_text),
        pc.if_else(ends_open, "", pc.binary_join_element_wise(_timestamp_texts(end), ")", "")),
        "_",
    )
    length = pc.subtract(end, start)  # may wrap round, but to 0 or 1 only when it is 0 or 1
    instant = pc.and_(pc.equal(length, 1), pc.invert(pc.or_(starts_open, ends_open)))
    text = _replace_where(instant, text, lambda: pc.binary_join_element_wise(start_text, "]", ""))
    return _replace_where(pc.equal(length, 0), text, lambda: "()")


def _parse_timestamps(texts: pa.Array, field: str | None) -> pa.Int64Array:
    seconds, nanoseconds = _extract(texts, _TIMESTAMP_TEXT)
    ns, fits = _signed_ns(seconds, nanoseconds)
    bad = _any_of(_unmatched(texts, seconds), pc.invert(fits))
    _refuse(texts, bad, lambda text: parse_timestamp(text, field=field))
    return ns


def _parse_ranges(texts: pa.Array, field: str | None) -> tuple[pa.Int64Array, pa.Int64Array]:
    start_s, start_ns, end_s, end_ns = _extract(texts, _RANGE_TEXT)
    dash = pc.match_substring(texts, "_")
    has_start = pc.not_equal(start_s, "")
    instant = pc.and_not(has_start, dash)
    has_end = pc.or_(pc.not_equal(end_s, ""), instant)
    after, through = pc.starts_with(texts, "("), pc.invert(pc.ends_with(texts, ")"))

    first, first_fits = _signed_ns(start_s, start_ns)
    written_end, last_fits = _signed_ns(end_s, end_ns)
    last = pc.if_else(instant, first, written_end)
    start, start_fits = _finite_bound(first, after)
    end, end_fits = _finite_bound(last, through)

    bad_start = pc.and_not(has_start, pc.and_(first_fits, start_fits))
    bad_end = pc.and_not(has_end, pc.and_(last_fits, end_fits))
    disorder = pc.and_(pc.and_(has_start, has_end), pc.less(last, first))
    exclusive_instant = pc.and_(instant, pc.or_(after, pc.invert(through)))
    bad = _any_of(_unmatched(texts, start_s), bad_start, bad_end, disorder, exclusive_instant)
    _refuse(texts, bad, lambda text: TimeRange.parse(text, field=field))

    start = pc.if_else(has_start, start, pa.scalar(MIN_NS, pa.int64()))
    end = pc.if_else(has_end, end, pa.scalar(MAX_NS, pa.int64()))
    return _without_empty(start, end, never=pc.invert(pc.or_(has_start, dash)))


def _extract(texts: pa.Array, grammar: str) -> list[pa.StringArray]:
    """Return the groups of the grammar: null where the text does not match, "" where a group took no part."""
    # Struct children keep their own validity; flatten() adds that of the struct. RE2's `$` is the end of the text,
    # not a newline before it.
    groups: list[pa.StringArray] = pc.extract_regex(texts, f"^(?:{grammar})$").flatten()
    return groups


def _signed_ns(seconds: pa.StringArray, nanoseconds: pa.StringArray) -> tuple[pa.Int64Array, pa.BooleanArray]:
    """Return the nanoseconds, 0 for the empty text, and whether they fit in int64 (if not, they wrapped round)."""
    whole, part = _int64(seconds), _int64(nanoseconds)
    negative = pc.starts_with(seconds, "-")
    scaled = pc.multiply(whole, NS_PER_SECOND)
    ns = pc.if_else(negative, pc.subtract(scaled, part), pc.add(scaled, part))
    # Ten digits of seconds are below 2**64 ns, so they wrap at most once, and that always turns the sign.
    return ns, pc.if_else(negative, pc.less_equal(ns, 0), pc.greater_equal(ns, 0))


def _int64(digits: pa.StringArray) -> pa.Int64Array:
    return pc.cast(pc.if_else(pc.equal(digits, ""), "0", digits), pa.int64())


def _finite_bound(ns: pa.Int64Array, step: pa.BooleanArray) -> tuple[pa.Int64Array, pa.BooleanArray]:
    """Return `ns`, one later where `step`, and whether that is a bound that does not read as open."""
    bound = pc.add(ns, pc.cast(step, pa.int64()))  # MAX_NS wraps to MIN_NS, which is refused as well
    return bound, pc.and_(pc.greater(bound, MIN_NS), pc.less(bound, MAX_NS))


def _without_empty(
    start: pa.Int64Array, end: pa.Int64Array, never: pa.BooleanArray
) -> tuple[pa.Int64Array, pa.Int64Array]:
    empty = pc.or_(never, pc.less_equal(end, start))
    zero = pa.scalar(0, pa.int64())
    return pc.if_else(empty, zero, start), pc.if_else(empty, zero, end)


def _timestamp_texts(ns: pa.Int64Array) -> pa.StringArray:
    whole = pc.divide(ns, NS_PER_SECOND)  # truncates toward zero, as the text does
    part = pc.abs(pc.subtract(ns, pc.multiply(whole, NS_PER_SECOND)))
    seconds = pc.cast(whole, pa.string())
    minus_zero = pc.and_(pc.equal(whole, 0), pc.less(ns, 0))
    seconds = _replace_where(minus_zero, seconds, lambda: "-0")
    return pc.binary_join_element_wise(seconds, pc.cast(part, pa.string()), ":")


def _replace_where(
    mask: pa.BooleanArray, texts: pa.StringArray, replacement: Callable[[], pa.StringArray | str]
) -> pa.StringArray:
    # Building and choosing strings is the dearest step, and the exceptional forms are mostly absent.
    return pc.if_else(mask, replacement(), texts) if pc.any(mask).as_py() else texts


def _any_of(*masks: pa.BooleanArray) -> pa.BooleanArray:
    combined = masks[0]
    for mask in masks[1:]:
        combined = pc.or_kleene(combined, mask)  # Kleene: an unmatched text has nulls in the other masks
    return combined


def _unmatched(texts: pa.Array, group: pa.StringArray) -> pa.BooleanArray:
    return pc.and_(pc.is_valid(texts), pc.is_null(group))


def _refuse(texts: pa.Array, bad: pa.BooleanArray, parse: Callable[[str], object]) -> None:
    first = pc.index(bad, True).as_py()
    if first < 0:
        return
    text = texts[first].as_py()
    parse(text)
    raise AssertionError(f"the column kernel refuses {text!r}, the scalar parser does not")


def _refuse_disorder(start: pa.Int64Array, end: pa.Int64Array) -> None:
    first = pc.index(pc.less(end, start), True).as_py()
    if first >= 0:
        raise _bad_bounds(start[first].as_py(), end[first].as_py())


def _chunks(column: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return column.chunks if isinstance(column, pa.ChunkedArray) else [column]


def _string_chunks(texts: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    # Dictionaries, string views and columns of nulls come from engines, and extract_regex takes none of them.
    plain = (pa.types.is_string(texts.type), pa.types.is_large_string(texts.type))
    return [chunk if any(plain) else pc.cast(chunk, pa.string()) for chunk in _chunks(texts)]


def _join(chunks: Sequence[pa.Array], type_: pa.DataType) -> pa.Array:
    return chunks[0].cast(type_) if len(chunks) == 1 else pa.chunked_array(chunks, type=type_).combine_chunks()


# --- Ibis: tables with start_ns and end_ns ---------------------------------------------------------------------------
#
# Rows must hold ranges as TimeRange does, and none that is never. The expressions use nothing peculiar to one engine.

_BUCKET_NS = 900 * NS_PER_SECOND
"""Hundreds of segments of a live feed start in it: few buckets, and little to read again for the one with a hole."""


def overlapping(t: ir.Table, start_ns: Nanoseconds, end_ns: Nanoseconds) -> ir.Table:
    """Keep the rows that share time with `[start_ns, end_ns)`.

    Touching is not overlapping: a segment that ends at 10 s is absent from a window that starts at 10 s. Two
    numbers of which the second is not greater raise `InvalidTimeRange`: nothing overlaps "never", so the caller
    answers it without a query. Expressions cannot be checked here, and must hold a window that is not empty.

    >>> t = ibis.memtable({"id": ["a", "b"], "start_ns": [0, 10], "end_ns": [10, 20]})
    >>> overlapping(t, 10, 15).id.to_pyarrow().to_pylist()
    ['b']
    """
    _check_window(start_ns, end_ns)
    return t.filter(t.start_ns < end_ns, t.end_ns > start_ns)


def covered_by(t: ir.Table, start_ns: Nanoseconds, end_ns: Nanoseconds) -> ir.Table:
    """Keep the rows that lie wholly in `[start_ns, end_ns)`: those a deletion of the window deletes (TAMS 8.2).

    Bounds as in `overlapping`.

    >>> t = ibis.memtable({"id": ["a", "b"], "start_ns": [0, 10], "end_ns": [10, 20]})
    >>> covered_by(t, 5, 20).id.to_pyarrow().to_pylist()
    ['b']
    """
    _check_window(start_ns, end_ns)
    return t.filter(t.start_ns >= start_ns, t.end_ns <= end_ns)


def clip(t: ir.Table, start_ns: Nanoseconds, end_ns: Nanoseconds) -> ir.Table:
    """Keep the rows that share time with `[start_ns, end_ns)`, cut to what they share. Bounds as in `overlapping`.

    >>> t = ibis.memtable({"start_ns": [0, 10], "end_ns": [10, 20]})
    >>> clip(t, 5, 15).order_by("start_ns").to_pyarrow().to_pylist()
    [{'start_ns': 5, 'end_ns': 10}, {'start_ns': 10, 'end_ns': 15}]
    """
    return overlapping(t, start_ns, end_ns).mutate(
        start_ns=ibis.greatest(t.start_ns, start_ns), end_ns=ibis.least(t.end_ns, end_ns)
    )


def length_ns(t: ir.Table) -> ir.IntegerColumn:
    """Return the nanoseconds of each row: null when an end is open, or when int64 cannot count them (292 years).

    >>> t = ibis.memtable({"start_ns": [0, 0], "end_ns": [10, MAX_NS]})
    >>> length_ns(t).to_pyarrow().to_pylist()
    [10, None]
    """
    return span_ns(t.start_ns, t.end_ns).name("length_ns")


def span_ns(start_ns: Nanoseconds, end_ns: Nanoseconds) -> ir.IntegerValue:
    """Return the nanoseconds from one instant to another that is no earlier: null as in `length_ns`.

    >>> t = ibis.memtable({"a": [0, 0], "b": [10, MAX_NS]})
    >>> span_ns(t.a, t.b).to_pyarrow().to_pylist()
    [10, None]
    """
    start_ns, end_ns = (ibis.literal(one, "int64") if isinstance(one, int) else one for one in (start_ns, end_ns))
    # end - start would stop the whole query at the first row it overflows on, and MAX_NS plus a start up to 0 cannot.
    countable = (end_ns <= ibis.least(start_ns, 0) + MAX_NS) & (start_ns > MIN_NS) & (end_ns < MAX_NS)
    # Two comparisons tell that of nearly all rows, the years 1823 to 2116, for a quarter of the time.
    near = (start_ns > -(2**62)) & (end_ns < 2**62)
    length = end_ns - start_ns
    return ibis.cases((near, length), (countable, length), else_=ibis.null("int64"))


def lies_within(
    start_ns: ir.IntegerValue,
    end_ns: ir.IntegerValue,
    *,
    offset_ns: ir.IntegerValue,
    within: tuple[ir.IntegerValue, ir.IntegerValue],
) -> ir.BooleanValue:
    """Tell whether a time range, `offset_ns` earlier, lies inside another: as a segment does on its object's timeline.

    >>> t = ibis.memtable({"start_ns": [10, MAX_NS - 1], "end_ns": [20, MAX_NS], "a": [0, 0], "b": [10, 10]})
    >>> found = [lies_within(t.start_ns, t.end_ns, offset_ns=by, within=(t.a, t.b)) for by in (t.b, -t.b)]
    >>> t.select(on_it=found[0], after_it=found[1]).to_pyarrow().to_pylist()
    [{'on_it': True, 'after_it': False}, {'on_it': False, 'after_it': False}]
    """
    near = ibis.and_(*(one.between(-(2**62), 2**62) for one in (start_ns, end_ns, offset_ns)))
    wide = [one.cast("decimal(38, 0)") for one in (start_ns, end_ns, offset_ns, *within)]
    return ibis.ifelse(near, _lies_within(start_ns, end_ns, offset_ns, *within), _lies_within(*wide))


def _lies_within(start_ns: Any, end_ns: Any, offset_ns: Any, first_ns: Any, last_ns: Any) -> ir.BooleanValue:
    return (start_ns - offset_ns >= first_ns) & (end_ns - offset_ns <= last_ns)


_HALF = 31
_LOW = 2**_HALF - 1


def total_ns(lengths: ir.IntegerColumn) -> ir.IntegerScalar:
    """Return the sum of lengths, 0 of none; null when int64 cannot count it: 300 flows of one year, for one.

    >>> t = ibis.memtable({"a": [1, 2], "b": [MAX_NS, 1]})
    >>> t.aggregate(a=total_ns(t.a), b=total_ns(t.b)).to_pyarrow().to_pylist()
    [{'a': 3, 'b': None}]
    """
    # In two halves, neither of which leaves int64: a sum that does is wrong on some engines, and an error on others.
    high, low = (lengths >> _HALF).sum().coalesce(0), (lengths & _LOW).sum().coalesce(0)
    countable = high <= (MAX_NS - low.cast("int64")) >> _HALF
    return ibis.ifelse(countable, high, ibis.null("int64")) * 2**_HALF + low


def islands(t: ir.Table, by: Sequence[str] = ("flow_id",)) -> ir.Table:
    """Return the longest runs of time without a hole, for each value of the columns `by`.

    Columns: those of `by`, then `start_ns`, `end_ns`, and `segments`, the rows the run is made of. Rows that touch
    belong to one run. Rows may overlap, and `by=()` merges the whole table: so several flows of one source show
    what the source has. The order of the result is undefined.

    >>> t = ibis.memtable({"flow_id": ["f", "f", "f"], "start_ns": [0, 10, 30], "end_ns": [10, 20, 40]})
    >>> islands(t).order_by("start_ns").drop("flow_id").to_pyarrow().to_pylist()
    [{'start_ns': 0, 'end_ns': 20, 'segments': 2}, {'start_ns': 30, 'end_ns': 40, 'segments': 1}]
    """
    numbered = _numbered(t.select(*by, "start_ns", "end_ns"), by)
    runs = numbered.group_by(*by, "island").aggregate(
        start_ns=numbered.start_ns.min(), end_ns=numbered.end_ns.max(), segments=numbered.count()
    )
    return runs.select(*by, "start_ns", "end_ns", "segments")


def condensed(
    t: ir.Table,
    resolution_ns: Nanoseconds = 1,
    by: Sequence[str] = ("flow_id",),
    *,
    alike: Sequence[str] = (),
    read_again: ir.Table | None = None,
) -> ir.Table:
    """Return fewer rows with the same holes of `resolution_ns` or longer, for each value of the columns `by`.

    Columns: those of `by`, then `start_ns`, `end_ns`, `segments`, the rows it stands for, `covered_ns`, the sum of
    their lengths, and those of `alike`, in which all of them agree. Rows of one value of `by` must not overlap, as
    those of a flow never do. A row of the result that stands for several has no hole of the resolution in it; the
    others are those of `t`, with a `covered_ns` that is null when int64 cannot count it.

    The cost is one pass over the rows that sorts nothing, and another for those near a hole. What is sorted after
    that, to find the holes, is little. The other pass reads `read_again` where that is given: what `t` was filtered
    from by the columns `by` alone, so that its filter need not be repeated.

    >>> t = ibis.memtable({"flow_id": ["f", "f", "f"], "start_ns": [0, 12, 30], "end_ns": [10, 20, 40]})
    >>> condensed(t, 13).drop("flow_id").to_pyarrow().to_pylist()
    [{'start_ns': 0, 'end_ns': 40, 'segments': 3, 'covered_ns': 28}]
    """
    # A bucket of what starts in a stretch of time shows its own holes: they are what its rows leave of its length. If
    # that is less than the resolution, no hole is that long. It always is in buckets of the resolution's own width,
    # as all holes lie between their first start and their last. The holes between buckets stay as they are.
    width_ns = ibis.greatest(resolution_ns, _BUCKET_NS)
    rows = _in_buckets(t, by, width_ns, alike)
    buckets = rows.group_by(*by, "bucket").aggregate(
        start_ns=rows.start_ns.min(),
        end_ns=rows.end_ns.max(),
        segments=rows.count(),
        covered_ns=rows.length_ns.sum(),
        **{name: rows[name].min() for name in alike},
        **{f"last_{name}": rows[name].max() for name in alike},
    )
    closed = _hides_no_hole(buckets, resolution_ns)
    for name in alike:
        closed &= buckets[name] == buckets[f"last_{name}"]
    columns = (*by, "start_ns", "end_ns", "segments", "covered_ns", *alike)
    holed = buckets.filter(~closed).select(**{f"holed_{name}": buckets[name] for name in (*by, "bucket")})
    again = rows if read_again is None else _in_buckets(read_again, by, width_ns, alike)
    near = again.semi_join(holed, [again[name] == holed[f"holed_{name}"] for name in (*by, "bucket")])
    near = near.mutate(segments=ibis.literal(1, "int64"), covered_ns=near.length_ns)
    stretches = buckets.filter(closed).select(*columns)
    # a union wants equal types, and for Ibis what went through a join may be null
    return stretches.union(near.select(*columns).cast(stretches.schema()))


def _in_buckets(t: ir.Table, by: Sequence[str], width_ns: Nanoseconds, kept: Sequence[str]) -> ir.Table:
    """The rows with their `length_ns`, and the `bucket` of `width_ns` that they start in."""
    # A view: Ibis would compare a column that is computed of a join with itself when it is joined once more.
    t = t.view()
    # Division of integers is by floats on most engines, and the remainder has the sign of the start: so a bucket is
    # known by its bound next to zero, and those after zero by one more, lest two of them share the zero.
    bucket = t.start_ns - t.start_ns % width_ns + ibis.ifelse(t.start_ns < 0, 0, 1)
    return t.select(*by, "start_ns", "end_ns", *kept, length_ns=length_ns(t), bucket=bucket)


def _hides_no_hole(t: ir.Table, resolution_ns: Nanoseconds) -> ir.BooleanValue:
    """Whether what `covered_ns` leaves of a row's length is less than the resolution, so that no hole in it is longer.

    False where int64 cannot count the length, and where more is covered than there is: rows overlap, as they never
    should, and could make up for a hole.

    >>> t = ibis.memtable({"start_ns": [0, 0, 0, 0], "end_ns": [9, 9, MAX_NS, 9], "covered_ns": [9, 7, 7, 10]})
    >>> _hides_no_hole(t, 2).to_pyarrow().to_pylist()
    [True, False, False, False]
    """
    missing_ns = length_ns(t) - t.covered_ns
    return ((missing_ns >= 0) & (missing_ns < resolution_ns)).fill_null(False)


def joined(t: ir.Table, resolution_ns: Nanoseconds = 1, by: Sequence[str] = ("flow_id",)) -> ir.Table:
    """Return what lies between holes of `resolution_ns` or longer in rows as `condensed` gives them.

    Columns: those of `by`, then `start_ns`, `end_ns`, `segments`, and `covered_ns`, null when int64 cannot count the
    length of the whole. Of a window there are at most (its length / resolution) + 1. No hole is missed and none is
    invented: with a resolution of 1 these are the islands. The order of the result is undefined.

    >>> t = ibis.memtable({"flow_id": ["f", "f", "f"], "start_ns": [0, 12, 30], "end_ns": [10, 20, 40]})
    >>> joined(condensed(t, 5), 5).order_by("start_ns").drop("flow_id").to_pyarrow().to_pylist()
    [{'start_ns': 0, 'end_ns': 20, 'segments': 2, 'covered_ns': 18}, {'start_ns': 30, 'end_ns': 40, 'segments': 1, \
'covered_ns': 10}]
    """
    numbered = _numbered(t, by, resolution_ns)
    runs = numbered.group_by(*by, "island").aggregate(
        start_ns=numbered.start_ns.min(),
        end_ns=numbered.end_ns.max(),
        segments=numbered.segments.sum(),
        covered_ns=numbered.covered_ns.sum(),
    )
    # What does not overlap covers no more than the whole is long: where that can be counted, so can the sum.
    covered = ibis.ifelse(length_ns(runs).notnull(), runs.covered_ns, ibis.null("int64"))
    return runs.select(*by, "start_ns", "end_ns", "segments", covered_ns=covered)


def seams(t: ir.Table, by: Sequence[str] = ("flow_id",), *, of: Sequence[str] = ()) -> ir.Table:
    """Return what lies between neighbours, for each value of the columns `by`, where there is a hole or a change.

    Columns: those of `by`, then `start_ns`, the end of the earlier row, `end_ns`, the start of the later, their
    distance `length_ns`, null when int64 cannot count it, and for each column in `of` its value in both rows, with
    `_before` and `_after` added to its name. Rows must not overlap, and what touches and agrees in `of` has no seam.
    So without `of` these are the `gaps`, for one sort in the place of three. The order of the result is undefined.

    >>> t = ibis.memtable({"flow_id": ["f", "f", "f"], "start_ns": [0, 10, 30], "end_ns": [10, 20, 40]})
    >>> seams(t).drop("flow_id").to_pyarrow().to_pylist()
    [{'start_ns': 20, 'end_ns': 30, 'length_ns': 10}]
    """
    in_order = ibis.window(group_by=by, order_by="start_ns")
    before = {f"{name}_before": t[name].lag().over(in_order) for name in of}
    after = {f"{name}_after": t[name] for name in of}
    pairs = t.select(*by, start_ns=t.end_ns.lag().over(in_order), end_ns=t.start_ns, **before, **after)
    found = pairs.start_ns < pairs.end_ns
    for name in of:
        found |= pairs.start_ns.notnull() & (pairs[f"{name}_before"] != pairs[f"{name}_after"])
    kept = pairs.filter(found)
    return kept.select(*by, "start_ns", "end_ns", *before, *after, length_ns=length_ns(kept))


def floor_ns(ns: ir.IntegerValue, width_ns: Nanoseconds) -> ir.IntegerValue:
    """Return the last multiple of `width_ns` that is not later. What lies within `width_ns` of `MIN_NS` has none.

    >>> t = ibis.memtable({"ns": [25, -5, -20]})
    >>> floor_ns(t.ns, 10).to_pyarrow().to_pylist()
    [20, -10, -20]
    """
    # the remainder has the sign of the number, and integer division is by floats on most engines
    return ns - (ns % width_ns + width_ns) % width_ns


_LENGTHS = [digit * 10**power for power in range(19) for digit in (1, 2, 5) if digit * 10**power <= MAX_NS]


def length_from_ns(length_ns: ir.IntegerValue) -> ir.IntegerValue:
    """Return the greatest of 1, 2, 5, 10, 20, 50 ns and so on that is no longer than a length; null for none.

    >>> t = ibis.memtable({"ns": [1, 9, 2_000_000_000]})
    >>> length_from_ns(t.ns).to_pyarrow().to_pylist()
    [1, 5, 2000000000]
    """
    return ibis.cases(*((length_ns >= one, one) for one in reversed(_LENGTHS)), else_=ibis.null("int64"))


def length_to_ns(from_ns: ir.IntegerValue) -> ir.IntegerValue:
    """Return the length that follows one of `length_from_ns`: at most `MAX_NS`.

    >>> length_to_ns(ibis.memtable({"ns": [1, 5]}).ns).to_pyarrow().to_pylist()
    [2, 10]
    """
    return ibis.cases(*zip([from_ns == one for one in _LENGTHS], [*_LENGTHS[1:], MAX_NS], strict=True))


def _numbered(t: ir.Table, by: Sequence[str], hole_ns: Nanoseconds = 1) -> ir.Table:
    """Number, in `island`, what lies between holes of `hole_ns` or longer, for each value of the columns `by`."""
    before = ibis.window(group_by=by, order_by="start_ns", rows=(None, -1))
    # The end of all earlier rows, not of the row before: a long row may reach past several short ones.
    reach = t.end_ns.max().over(before)
    # Not `start - reach`, which int64 cannot hold for a hole of 292 years. Nothing starts at MAX_NS, so what reaches
    # so far that the sum would not fit joins whatever follows.
    joins = t.start_ns < ibis.least(reach, MAX_NS - hole_ns) + hole_ns
    marked = t.mutate(opens=ibis.ifelse(joins, 0, 1))
    # A range frame, where rows of one start count together: in which order they come is left to the engine, and need
    # not be the order in which one of them was marked.
    until = ibis.window(group_by=by, order_by="start_ns", range=(None, 0))
    return marked.mutate(island=marked.opens.sum().over(until))


def gaps(t: ir.Table, by: Sequence[str] = ("flow_id",)) -> ir.Table:
    """Return the holes between the islands of a table, for each value of the columns `by`.

    Columns: those of `by`, then `start_ns`, `end_ns`, `length_ns`. What comes before the first island and after the
    last is no gap. The order of the result is undefined.

    >>> t = ibis.memtable({"flow_id": ["f", "f", "f"], "start_ns": [0, 10, 30], "end_ns": [10, 20, 40]})
    >>> gaps(t).drop("flow_id").to_pyarrow().to_pylist()
    [{'start_ns': 20, 'end_ns': 30, 'length_ns': 10}]
    """
    runs = islands(t, by)
    following = runs.start_ns.lead().over(ibis.window(group_by=by, order_by="start_ns"))
    holes = runs.select(*by, start_ns=runs.end_ns, end_ns=following)
    holes = holes.filter(holes.end_ns.notnull())
    return holes.mutate(length_ns=length_ns(holes))


def covered_ns(t: ir.Table, by: Sequence[str] = ("flow_id",)) -> ir.Table:
    """Return how much time the rows cover, for each value of the columns `by`; time covered twice counts once.

    Columns: those of `by`, then `covered_ns`, null when int64 cannot count it: when an end is open, first of all.
    Clip to a window to make it finite. With `by=()` there is one row, even for an empty table: 0.

    >>> t = ibis.memtable({"flow_id": ["f", "f"], "start_ns": [0, 5], "end_ns": [10, 20]})
    >>> covered_ns(t).to_pyarrow().to_pylist()
    [{'flow_id': 'f', 'covered_ns': 20}]
    """
    runs = islands(t, by)
    lengths = runs.select(*by, length_ns=length_ns(runs))
    # sum() passes over nulls, and would count an open island as none
    countable = lengths.length_ns.count() == lengths.count()
    total = ibis.ifelse(countable, total_ns(lengths.length_ns), ibis.null("int64"))
    return lengths.aggregate(covered_ns=total, by=list(by))


def _check_window(start_ns: Nanoseconds, end_ns: Nanoseconds) -> None:
    if isinstance(start_ns, int) and isinstance(end_ns, int) and end_ns <= start_ns:
        raise InvalidTimeRange(
            f"the window [{start_ns}, {end_ns}) ns is empty: nothing lies in it", value=(start_ns, end_ns)
        )


# --- civil time ------------------------------------------------------------------------------------------------------
#
# TAMS time is TAI; people read UTC, which leap seconds hold back (37 s since 2017). The table of leap seconds is
# mediatimestamp's. Before 1972, when UTC had none, the two are taken to be equal, as mediatimestamp does.

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def utc_from_tai(ns: int) -> datetime:
    """Return the UTC time of a TAI timestamp, as an aware datetime.

    A datetime holds microseconds, so the last three digits are dropped (toward the past), and it has no second 60, so
    a leap second repeats second 59. `format_utc` keeps both.

    >>> utc_from_tai(1694429247 * NS_PER_SECOND).isoformat()
    '2023-09-11T10:46:50+00:00'
    """
    seconds, nanoseconds, sign, _ = mt.Timestamp.from_nanosec(ns).to_unix()
    return _EPOCH + (sign * (seconds * NS_PER_SECOND + nanoseconds) // 1000) * _MICROSECOND


def tai_from_utc(when: datetime) -> int:
    """Return the TAI timestamp of a civil time, in nanoseconds.

    `InvalidTimestamp` when `when` is naive (it does not say which instant it means) or outside int64 nanoseconds.

    >>> tai_from_utc(datetime(2023, 9, 11, 10, 46, 50, tzinfo=timezone.utc)) // NS_PER_SECOND
    1694429247
    """
    if when.utcoffset() is None:
        raise InvalidTimestamp(f"{when.isoformat()} has no time zone", value=when)
    unix_ns = (when - _EPOCH) // _MICROSECOND * 1000
    seconds, nanoseconds = divmod(abs(unix_ns), NS_PER_SECOND)
    ns = mt.Timestamp.from_unix(seconds, nanoseconds, unix_sign=-1 if unix_ns < 0 else 1).to_nanosec()
    if not MIN_NS <= ns <= MAX_NS:
        raise InvalidTimestamp(f"{when.isoformat()} {_OUTSIDE}", value=when)
    return ns


def format_utc(ns: int) -> str:
    """Return the UTC time of a TAI timestamp in ISO 8601, to the nanosecond; a leap second is second 60.

    >>> format_utc(1694429247 * NS_PER_SECOND)
    '2023-09-11T10:46:50.000000000Z'
    """
    return mt.Timestamp.from_nanosec(ns).to_iso8601_utc()


FIRST_CIVIL_NS = tai_from_utc(datetime(1972, 1, 1, tzinfo=timezone.utc))
"""The first timestamp that can be a time of day: UTC as it is has been since 1972, and a timeline may begin at 0:0."""


def _civil(ns: int) -> str:
    """The UTC time of a timestamp, or itself where it is no time of day."""
    return format_utc(ns) if ns >= FIRST_CIVIL_NS else format_timestamp(ns)


def utc_ns(tai_ns: ir.IntegerValue) -> ir.IntegerValue:
    """Return the nanoseconds since 1970 UTC of TAI timestamps, as POSIX counts them: a leap second repeats the 59th.

    >>> t = ibis.memtable({"ns": [1694429247 * NS_PER_SECOND]})
    >>> utc_ns(t.ns).to_pyarrow().to_pylist()
    [1694429210000000000]
    """
    since = [(leap_s * NS_PER_SECOND, (leap_s + 1 - unix_s) * NS_PER_SECOND) for unix_s, leap_s in UTC_LEAP]
    return tai_ns - ibis.cases(*((tai_ns >= from_ns, held_back_ns) for from_ns, held_back_ns in since), else_=0)
