"""Time ranges one at a time: text, algebra and civil time. mediatimestamp is the oracle for what both can do."""

from __future__ import annotations

import copy
import pickle
import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import mediatimestamp.immutable as mt
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tams_data.errors import InvalidTimeRange, InvalidTimestamp
from tams_data.timerange import (
    MAX_NS,
    MIN_NS,
    NS_PER_SECOND,
    TimeRange,
    format_timestamp,
    format_utc,
    merge,
    parse_timestamp,
    tai_from_utc,
    utc_from_tai,
)
from tests.strategies import bounds, time_range_texts, time_ranges, timestamps

S = NS_PER_SECOND
NEVER, ETERNITY = TimeRange.never(), TimeRange.eternity()
MAX_TEXT, MIN_TEXT = "9223372036:854775807", "-9223372036:854775808"

# TAMS 8.2, schemas/timestamp.json and schemas/timerange.json
TIMESTAMP_PATTERN = re.compile(r"-?(0|[1-9][0-9]*):(0|[1-9][0-9]{0,8})")
TIMERANGE_PATTERN = re.compile(
    r"(\[|\()?(-?(0|[1-9][0-9]*):(0|[1-9][0-9]{0,8}))?(_(-?(0|[1-9][0-9]*):(0|[1-9][0-9]{0,8}))?)?(\]|\))?"
)

WRONG_TEXT = [
    pytest.param("1:1234567890", id="ten-digit-nanoseconds"),
    pytest.param("01:0", id="leading-zero-in-seconds"),
    pytest.param("1:00", id="leading-zero-in-nanoseconds"),
    pytest.param("+1:0", id="plus-sign"),
    pytest.param("1:-5", id="sign-on-nanoseconds"),
    pytest.param("--1:0", id="two-signs"),
    pytest.param("1.5", id="decimal-fraction"),
    pytest.param("1", id="seconds-alone"),
    pytest.param(":5", id="nanoseconds-alone"),
    pytest.param("1:", id="colon-without-nanoseconds"),
    pytest.param("1:0\n", id="trailing-newline"),
    pytest.param(" 1:0", id="leading-space"),
    pytest.param("\u0661:\u0660", id="arabic-digits"),
    pytest.param("\uff11:\uff10", id="full-width-digits"),
    pytest.param("1\x00:0", id="nul"),
    pytest.param("now", id="word"),
]


def to_oracle(r: TimeRange) -> mt.TimeRange:
    if r.is_never:
        return mt.TimeRange.never()
    start = None if r.starts_open else mt.Timestamp.from_nanosec(r.start_ns)
    end = None if r.ends_open else mt.Timestamp.from_nanosec(r.end_ns)
    return mt.TimeRange(start, end, mt.TimeRange.INCLUDE_START)


def from_oracle(r: mt.TimeRange) -> TimeRange:
    """Read the oracle's range as an interval of integers: an exclusive start begins at the next nanosecond."""
    start = MIN_NS if r.start is None else r.start.to_nanosec() + (not r.includes_start())
    end = MAX_NS if r.end is None else r.end.to_nanosec() + r.includes_end()
    return NEVER if r.is_empty() or end <= start else TimeRange(start, end)


def reaches_the_limits(r: mt.TimeRange) -> bool:
    """Whether a bound that the text gives would read as open once it is half-open."""
    start = 0 if r.start is None else r.start.to_nanosec() + (not r.includes_start())
    end = 0 if r.end is None else r.end.to_nanosec() + r.includes_end()
    return not (MIN_NS < start < MAX_NS and MIN_NS < end < MAX_NS)


class TestTimestampText:
    @pytest.mark.parametrize(
        ("text", "ns"),
        [
            pytest.param("0:0", 0, id="zero"),
            pytest.param("-0:0", 0, id="minus-zero"),
            pytest.param("-0:5", -5, id="minus-5-ns"),
            pytest.param("-1:500000000", -1_500_000_000, id="sign-covers-nanoseconds"),
            pytest.param("1694429247:40000000", 1694429247_040000000, id="schema-example"),
            pytest.param("0:999999999", 999_999_999, id="nine-digits"),
            pytest.param(MAX_TEXT, MAX_NS, id="int64-maximum"),
            pytest.param(MIN_TEXT, MIN_NS, id="int64-minimum"),
        ],
    )
    def test_parse_gives_nanoseconds(self, text, ns):
        assert parse_timestamp(text) == ns

    @pytest.mark.parametrize("text", WRONG_TEXT)
    def test_wrong_text_is_refused_by_name(self, text):
        with pytest.raises(InvalidTimestamp, match=re.escape(repr(text))) as caught:
            parse_timestamp(text, field="ts_offset")
        assert (caught.value.field, caught.value.value) == ("ts_offset", text)

    @pytest.mark.parametrize("text", ["", "_", "()", "[1:0]"])
    def test_a_range_is_no_timestamp(self, text):
        with pytest.raises(InvalidTimestamp, match="is not a TAMS timestamp"):
            parse_timestamp(text)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("9223372036:854775808", id="one-past-the-maximum"),
            pytest.param("-9223372036:854775809", id="one-before-the-minimum"),
            pytest.param("9999999999:0", id="ten-digit-seconds"),
            pytest.param("18446744073:709551616", id="wraps-round-to-zero"),
            pytest.param("1" * 5000 + ":0", id="more-digits-than-python-converts"),
        ],
    )
    def test_outside_int64_is_refused(self, text):
        with pytest.raises(InvalidTimestamp, match="outside int64"):
            parse_timestamp(text)

    def test_absurdly_long_text_is_cut_in_the_message(self):
        with pytest.raises(InvalidTimestamp, match=r"\(1000000 characters\)") as caught:
            parse_timestamp("x" * 1_000_000)
        assert len(str(caught.value)) < 250

    @given(timestamps())
    def test_format_and_parse_are_inverse(self, ns):
        assert parse_timestamp(format_timestamp(ns)) == ns

    @given(timestamps())
    def test_format_is_the_oracles(self, ns):
        assert format_timestamp(ns) == str(mt.Timestamp.from_nanosec(ns))

    @given(st.from_regex(TIMESTAMP_PATTERN, fullmatch=True, alphabet="-:0123456789"))
    def test_parse_agrees_with_the_oracle_on_the_schemas_pattern(self, text):
        assume(len(text) < 30)
        expected = mt.Timestamp.from_sec_nsec(text).to_nanosec()
        if MIN_NS <= expected <= MAX_NS:
            assert parse_timestamp(text) == expected
        else:
            with pytest.raises(InvalidTimestamp, match="outside int64"):
                parse_timestamp(text)


class TestReading:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            pytest.param("[0:0_10:0)", TimeRange(0, 10 * S), id="half-open"),
            pytest.param("[0:0_10:0]", TimeRange(0, 10 * S + 1), id="inclusive"),
            pytest.param("(0:0_10:0)", TimeRange(1, 10 * S), id="exclusive"),
            pytest.param("(0:0_10:0]", TimeRange(1, 10 * S + 1), id="open-then-closed"),
            pytest.param("0:0_10:0", TimeRange(0, 10 * S + 1), id="no-markers-read-inclusive"),
            pytest.param("[0:0_10:0", TimeRange(0, 10 * S + 1), id="closing-marker-missing"),
            pytest.param("0:0_10:0)", TimeRange(0, 10 * S), id="opening-marker-missing"),
            pytest.param("[-1:0_-0:5)", TimeRange(-S, -5), id="negative"),
            pytest.param("[5:0]", TimeRange(5 * S, 5 * S + 1), id="instant"),
            pytest.param("5:0", TimeRange(5 * S, 5 * S + 1), id="bare-timestamp"),
            pytest.param("[5:0", TimeRange(5 * S, 5 * S + 1), id="instant-half-marked"),
            pytest.param("[5:0_5:0]", TimeRange(5 * S, 5 * S + 1), id="instant-in-the-long-form"),
            pytest.param("[0:0_", TimeRange(0, MAX_NS), id="open-end"),
            pytest.param("(5:0_", TimeRange(5 * S + 1, MAX_NS), id="open-end-after"),
            pytest.param("[0:0_)", TimeRange(0, MAX_NS), id="marker-at-an-open-end-means-nothing"),
            pytest.param("_10:0)", TimeRange(MIN_NS, 10 * S), id="open-start"),
            pytest.param("_10:0", TimeRange(MIN_NS, 10 * S + 1), id="open-start-unmarked"),
            pytest.param("(_10:0]", TimeRange(MIN_NS, 10 * S + 1), id="marker-at-an-open-start-means-nothing"),
            pytest.param("_", ETERNITY, id="eternity"),
            pytest.param("[_)", ETERNITY, id="eternity-with-markers"),
            pytest.param("(_", ETERNITY, id="eternity-with-one-marker"),
            pytest.param("()", NEVER, id="never"),
            pytest.param("", NEVER, id="empty-text"),
            pytest.param("[]", NEVER, id="markers-alone"),
            pytest.param("[", NEVER, id="one-marker-alone"),
            pytest.param("(5:0_5:0)", NEVER, id="exclusive-both-sides-of-one-timestamp"),
            pytest.param("[5:0_5:0)", NEVER, id="end-excludes-the-start"),
            pytest.param("(5:0_5:0]", NEVER, id="start-excludes-the-end"),
            pytest.param("(5:0_5:1)", NEVER, id="no-nanosecond-between"),
            pytest.param("(-9223372036:854775808_0:0)", TimeRange(MIN_NS + 1, 0), id="after-the-first-nanosecond"),
        ],
    )
    def test_parse_gives_the_half_open_interval(self, text, expected):
        assert TimeRange.parse(text) == expected

    @pytest.mark.parametrize("text", WRONG_TEXT)
    @pytest.mark.parametrize("around", ["[{}_2:0)", "[{}", "_{})"])
    def test_wrong_text_is_refused_by_name(self, text, around):
        whole = around.format(text)
        with pytest.raises(InvalidTimeRange, match=re.escape(repr(whole)) + " is not a TAMS time range") as caught:
            TimeRange.parse(whole, field="timerange")
        assert (caught.value.field, caught.value.value) == ("timerange", whole)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            pytest.param("[1:0-2:0)", "is not a TAMS time range", id="dash-for-underscore"),
            pytest.param("[1:02:0)", "is not a TAMS time range", id="no-underscore"),
            pytest.param("[1:0_2:0_3:0)", "is not a TAMS time range", id="three-timestamps"),
            pytest.param("[[1:0_2:0)", "is not a TAMS time range", id="two-markers"),
            pytest.param("]1:0_2:0[", "is not a TAMS time range", id="markers-the-wrong-way"),
            pytest.param("[1:0_2:0)\n", "is not a TAMS time range", id="newline-after"),
            pytest.param("\n", "is not a TAMS time range", id="newline-alone"),
            pytest.param("[1:0 _2:0)", "is not a TAMS time range", id="space-inside"),
            pytest.param("(1:0)", "cannot exclude", id="exclusive-instant"),
            pytest.param("(1:0]", "cannot exclude", id="instant-excluded-before"),
            pytest.param("[1:0)", "cannot exclude", id="instant-excluded-after"),
            pytest.param("1:0)", "cannot exclude", id="bare-instant-excluded"),
            pytest.param("[2:0_1:0)", "ends before it starts", id="end-before-start"),
            pytest.param("[0:1_0:0]", "ends before it starts", id="end-one-nanosecond-before-start"),
            pytest.param("[0:0_9223372036:854775808)", "outside int64", id="end-past-the-maximum"),
            pytest.param("[0:0_9223372036:854775807]", "outside int64", id="inclusive-maximum"),
            pytest.param("[0:0_9223372036:854775807)", "outside int64", id="maximum-would-read-as-open"),
            pytest.param("[0:0_9223372036:854775806]", "outside int64", id="inclusive-end-would-read-as-open"),
            pytest.param("[-9223372036:854775808_0:0)", "outside int64", id="minimum-would-read-as-open"),
            pytest.param("(9223372036:854775806_", "outside int64", id="nothing-after-the-last-nanosecond"),
            pytest.param("_-9223372036:854775808)", "outside int64", id="nothing-before-the-first-nanosecond"),
            pytest.param("[9223372036:854775806]", "outside int64", id="last-instant"),
            pytest.param("[0:0_99999999999999999999:0)", "outside int64", id="twenty-digit-seconds"),
            pytest.param(f"[{'9' * 5000}:0_", "outside int64", id="more-digits-than-python-converts"),
        ],
    )
    def test_refusal_names_the_text_and_the_reason(self, text, reason):
        with pytest.raises(InvalidTimeRange, match=reason) as caught:
            TimeRange.parse(text)
        assert repr(text)[:100] in str(caught.value)
        assert len(str(caught.value)) < 250

    @given(time_range_texts())
    @example("(0:0_0:1)")
    def test_parse_agrees_with_the_oracle(self, text):
        """Where it refuses, the oracle reads `()` or an instant, or the range reaches the limits of int64."""
        oracle = mt.TimeRange.from_str(text)
        try:
            parsed = TimeRange.parse(text)
        except InvalidTimeRange:
            one_timestamp = "_" not in text
            assert oracle.is_empty() or one_timestamp or reaches_the_limits(oracle)
        else:
            assert parsed == from_oracle(oracle)

    @given(st.text(alphabet="[]()_:-0129\n", max_size=12))
    def test_parse_accepts_nothing_outside_the_schemas_pattern(self, text):
        try:
            TimeRange.parse(text)
        except InvalidTimeRange:
            return
        assert TIMERANGE_PATTERN.fullmatch(text)


class TestWriting:
    @pytest.mark.parametrize(
        ("r", "text"),
        [
            pytest.param(TimeRange(0, 10 * S), "[0:0_10:0)", id="half-open"),
            pytest.param(TimeRange(-5, 5), "[-0:5_0:5)", id="across-zero"),
            pytest.param(TimeRange(7, 8), "[0:7]", id="single-nanosecond-is-an-instant"),
            pytest.param(TimeRange(0, MAX_NS), "[0:0_", id="open-end"),
            pytest.param(TimeRange(MIN_NS, 0), "_0:0)", id="open-start"),
            pytest.param(TimeRange(MAX_NS - 1, MAX_NS), "[9223372036:854775806_", id="last-nanosecond-is-open"),
            pytest.param(TimeRange(MIN_NS, MIN_NS + 1), "_-9223372036:854775807)", id="first-nanosecond-is-open"),
            pytest.param(ETERNITY, "_", id="eternity"),
            pytest.param(NEVER, "()", id="never"),
        ],
    )
    def test_str_is_the_canonical_text(self, r, text):
        assert str(r) == text

    @given(time_ranges())
    def test_parse_reads_back_what_str_writes(self, r):
        assert TimeRange.parse(str(r)) == r

    @given(time_ranges())
    def test_text_is_the_oracles_but_for_instants(self, r):
        if r.length_ns == 1:
            assert str(r) == f"[{format_timestamp(r.start_ns)}]"
        else:
            assert str(r) == str(to_oracle(r))

    @given(time_ranges())
    def test_text_matches_the_schemas_pattern(self, r):
        assert TIMERANGE_PATTERN.fullmatch(str(r))


class TestValue:
    @pytest.mark.parametrize("ns", [0, 5, -5, MIN_NS, MAX_NS])
    def test_every_empty_range_is_never(self, ns):
        assert TimeRange(ns, ns) == NEVER
        assert (TimeRange(ns, ns).start_ns, TimeRange(ns, ns).end_ns) == (0, 0)

    @pytest.mark.parametrize(
        ("start_ns", "end_ns", "reason"),
        [
            pytest.param(10, 0, "ends before it starts", id="end-before-start"),
            pytest.param(0, MAX_NS + 1, "outside int64", id="end-past-int64"),
            pytest.param(MIN_NS - 1, 0, "outside int64", id="start-before-int64"),
        ],
    )
    def test_wrong_bounds_are_refused_by_name(self, start_ns, end_ns, reason):
        with pytest.raises(InvalidTimeRange, match=reason) as caught:
            TimeRange(start_ns, end_ns)
        assert f"[{start_ns}, {end_ns})" in str(caught.value)

    def test_it_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            NEVER.start_ns = 5

    @given(time_ranges())
    def test_it_survives_copy_and_pickle(self, r):
        assert pickle.loads(pickle.dumps(r)) == copy.deepcopy(r) == r

    @given(time_ranges())
    def test_kinds_are_the_oracles(self, r):
        oracle = to_oracle(r)
        assert r.is_never == oracle.is_empty()
        assert r.is_eternity == oracle.unbounded()
        assert r.starts_open != oracle.bounded_before()
        assert r.ends_open != oracle.bounded_after()

    @given(time_ranges())
    def test_length_is_the_oracles(self, r):
        oracle = to_oracle(r)
        assert r.length_ns == (oracle.length.to_nanosec() if oracle.finite() else None)


PAIRS = st.tuples(time_ranges(), time_ranges())
NEIGHBOURS = st.tuples(st.integers(-3, 3), st.integers(0, 3), st.integers(-3, 3), st.integers(0, 3)).map(
    lambda n: (TimeRange(n[0], n[0] + n[1]), TimeRange(n[2], n[2] + n[3]))
)


class TestAlgebra:
    @given(PAIRS | NEIGHBOURS)
    def test_comparisons_are_the_oracles(self, pair):
        a, b = pair
        x, y = to_oracle(a), to_oracle(b)
        assert a.overlaps(b) == x.overlaps_with_timerange(y)
        assert a.contains(b) == x.contains_subrange(y)
        assert a.is_contiguous_with(b) == x.is_contiguous_with_timerange(y)
        assert a.is_earlier_than(b) == x.is_earlier_than_timerange(y)
        assert a.is_later_than(b) == x.is_later_than_timerange(y)

    @given(PAIRS | NEIGHBOURS)
    def test_intersection_and_hull_are_the_oracles(self, pair):
        a, b = pair
        x, y = to_oracle(a), to_oracle(b)
        assert a.intersection(b) == from_oracle(x.intersect_with(y))
        assert a.extend(b) == from_oracle(x.extend_to_encompass_timerange(y))

    @given(PAIRS | NEIGHBOURS)
    def test_union_is_the_oracles_and_refuses_what_it_refuses(self, pair):
        a, b = pair
        try:
            expected = to_oracle(a).union_with_timerange(to_oracle(b))
        except ValueError:
            with pytest.raises(InvalidTimeRange, match="not contiguous"):
                a.union(b)
        else:
            assert a.union(b) == from_oracle(expected)

    @given(time_ranges(), timestamps(MIN_NS, MAX_NS - 1))
    def test_contains_instant_is_the_oracles(self, r, ns):
        assert r.contains_instant(ns) == (mt.Timestamp.from_nanosec(ns) in to_oracle(r))

    @pytest.mark.parametrize(
        ("text", "offset_ns", "expected"),
        [
            pytest.param("[0:0_10:0)", 5 * S, "[5:0_15:0)", id="later"),
            pytest.param("[0:0_10:0)", -5 * S, "[-5:0_5:0)", id="earlier"),
            pytest.param("[0:0_", 5 * S, "[5:0_", id="open-end-stays-open"),
            pytest.param("_0:0)", 5 * S, "_5:0)", id="open-start-stays-open"),
            pytest.param("_", 5 * S, "_", id="eternity-stays"),
            pytest.param("()", MAX_NS, "()", id="never-stays"),
        ],
    )
    def test_shift_moves_the_bounds_that_are_finite(self, text, offset_ns, expected):
        assert str(TimeRange.parse(text).shift(offset_ns)) == expected

    @pytest.mark.parametrize(
        ("r", "offset_ns"),
        [
            pytest.param(TimeRange(0, 10), MAX_NS, id="out-of-int64"),
            pytest.param(TimeRange(0, 10), MAX_NS - 10, id="end-becomes-open"),
            pytest.param(TimeRange(0, 10), MIN_NS, id="start-becomes-open"),
            pytest.param(TimeRange(0, MAX_NS), MAX_NS, id="start-reaches-the-open-end"),
        ],
    )
    def test_shift_refuses_to_leave_int64(self, r, offset_ns):
        with pytest.raises(InvalidTimeRange, match=re.escape(f"{r} moved by {offset_ns} ns")):
            r.shift(offset_ns)

    @given(time_ranges(), bounds())
    def test_shift_back_undoes_shift(self, r, offset_ns):
        try:
            moved = r.shift(offset_ns)
        except InvalidTimeRange:
            assume(False)
        assert moved.shift(-offset_ns) == r
        assert moved.length_ns == r.length_ns


class TestMerge:
    @given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)).map(lambda n: TimeRange(n[0], sum(n)))))
    def test_merge_keeps_the_time_in_the_fewest_ranges(self, ranges):
        merged = merge(ranges)
        covered = {ns for r in merged for ns in range(r.start_ns, r.end_ns)}
        assert covered == {ns for r in ranges for ns in range(r.start_ns, r.end_ns)}
        assert all(a.end_ns < b.start_ns for a, b in pairwise(merged))
        assert NEVER not in merged

    def test_open_ends_swallow_what_they_cover(self):
        assert merge([TimeRange(50, 60), TimeRange(10, MAX_NS), TimeRange(0, 10)]) == [TimeRange(0, MAX_NS)]


class TestCivilTime:
    @pytest.mark.parametrize(
        ("text", "utc"),
        [
            pytest.param("1694429247:0", "2023-09-11T10:46:50.000000000Z", id="schema-example"),
            pytest.param("1694429247:40000000", "2023-09-11T10:46:50.040000000Z", id="fraction"),
            pytest.param("1483228835:999999999", "2016-12-31T23:59:59.999999999Z", id="before-the-leap-second"),
            pytest.param("1483228836:500000000", "2016-12-31T23:59:60.500000000Z", id="in-the-leap-second"),
            pytest.param("1483228837:0", "2017-01-01T00:00:00.000000000Z", id="after-the-leap-second"),
            pytest.param("0:0", "1970-01-01T00:00:00.000000000Z", id="epoch"),
            pytest.param("-0:1", "1969-12-31T23:59:59.999999999Z", id="before-the-epoch"),
            pytest.param("-1:0", "1969-12-31T23:59:59.000000000Z", id="a-second-before-the-epoch"),
        ],
    )
    def test_format_utc_applies_leap_seconds(self, text, utc):
        assert format_utc(parse_timestamp(text)) == utc

    def test_datetime_repeats_second_59_in_a_leap_second(self):
        before, within = parse_timestamp("1483228835:250000000"), parse_timestamp("1483228836:250000000")
        assert utc_from_tai(within) == utc_from_tai(before) == datetime(2016, 12, 31, 23, 59, 59, 250000, timezone.utc)

    @given(timestamps())
    def test_datetime_is_the_text_without_its_last_three_digits(self, ns):
        text = format_utc(ns)
        assume(":60." not in text)
        assert utc_from_tai(ns).strftime("%Y-%m-%dT%H:%M:%S.%f") == text[:-4]
        assert utc_from_tai(ns).utcoffset() == timedelta(0)

    @given(
        st.datetimes(
            datetime.fromisoformat("1973-01-01"), datetime.fromisoformat("2262-01-01"), timezones=st.timezones()
        )
    )
    def test_datetime_goes_to_tai_and_back(self, when):
        # Compared in UTC: Python calls a local time that a clock change skips or repeats equal to nothing.
        assert utc_from_tai(tai_from_utc(when)) == when.astimezone(timezone.utc)

    @given(
        st.datetimes(
            datetime.fromisoformat("1678-01-01"), datetime.fromisoformat("1971-12-31"), timezones=st.just(timezone.utc)
        )
    )
    def test_before_1972_tai_and_utc_are_equal(self, when):
        ns = tai_from_utc(when)
        assert utc_from_tai(ns) == when
        assert ns == (when - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1) * 1000

    def test_the_zone_decides_the_instant(self):
        noon = datetime(2023, 9, 11, 12, 46, 50, tzinfo=timezone(timedelta(hours=2)))
        assert tai_from_utc(noon) == 1694429247 * S

    def test_naive_datetime_is_refused(self):
        with pytest.raises(InvalidTimestamp, match="2023-09-11T10:46:50 has no time zone"):
            tai_from_utc(datetime.fromisoformat("2023-09-11T10:46:50"))

    @pytest.mark.parametrize("year", [1500, 2300])
    def test_datetime_outside_int64_is_refused(self, year):
        with pytest.raises(InvalidTimestamp, match=f"{year}-01-01T00:00:00.* outside int64"):
            tai_from_utc(datetime(year, 1, 1, tzinfo=timezone.utc))
