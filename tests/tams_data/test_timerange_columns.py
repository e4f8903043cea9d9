"""Time ranges by the column: Arrow gives what the scalar functions give, Ibis what counting by hand gives."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mediatimestamp.constants import UTC_LEAP

from tams_data.errors import InvalidTimeRange, InvalidTimestamp
from tams_data.timerange import (
    FIRST_CIVIL_NS,
    MAX_NS,
    MIN_NS,
    NS_PER_SECOND,
    TimeRange,
    clip,
    condensed,
    covered_by,
    covered_ns,
    floor_ns,
    format_column,
    format_timestamp,
    format_timestamp_column,
    format_utc,
    gaps,
    islands,
    joined,
    length_from_ns,
    length_ns,
    length_to_ns,
    overlapping,
    parse_column,
    parse_timestamp,
    parse_timestamp_column,
    seams,
    utc_from_tai,
    utc_ns,
)
from tests.strategies import finite_time_ranges, time_range_texts, time_ranges, timestamps

INT64 = pa.int64()


def optional(strategy):
    return st.none() | strategy


def outcome(function, *args, error):
    """What a function returns, or the message it refuses with."""
    try:
        return function(*args)
    except error as refused:
        return str(refused)


def parse_one_by_one(texts):
    ranges = [None if text is None else TimeRange.parse(text) for text in texts]
    return [r and r.start_ns for r in ranges], [r and r.end_ns for r in ranges]


def parse_as_columns(texts):
    start, end = parse_column(pa.array(texts, pa.string()))
    assert start.type == end.type == INT64
    return start.to_pylist(), end.to_pylist()


class TestKernels:
    @given(st.lists(optional(time_range_texts()), max_size=4))
    @settings(max_examples=400)
    def test_parse_column_is_parse_row_by_row_refusals_included(self, texts):
        expected = outcome(parse_one_by_one, texts, error=InvalidTimeRange)
        assert outcome(parse_as_columns, texts, error=InvalidTimeRange) == expected

    @given(st.text(alphabet="[]()_:-0129\n", max_size=12))
    def test_parse_column_refuses_what_parse_refuses(self, text):
        expected = outcome(parse_one_by_one, [text], error=InvalidTimeRange)
        assert outcome(parse_as_columns, [text], error=InvalidTimeRange) == expected

    @given(st.lists(optional(time_ranges())))
    def test_format_column_is_str_row_by_row(self, ranges):
        start = pa.array([r and r.start_ns for r in ranges], INT64)
        end = pa.array([r and r.end_ns for r in ranges], INT64)
        assert format_column(start, end).to_pylist() == [None if r is None else str(r) for r in ranges]

    @given(st.lists(optional(timestamps())))
    def test_timestamps_are_formatted_and_parsed_as_row_by_row(self, stamps):
        texts = format_timestamp_column(pa.array(stamps, INT64))
        assert texts.type == pa.string()
        assert texts.to_pylist() == [None if ns is None else format_timestamp(ns) for ns in stamps]
        assert parse_timestamp_column(texts).to_pylist() == stamps

    @given(st.from_regex(r"-?(0|[1-9][0-9]{0,10}|922337203[67]):(0|[1-9][0-9]{0,8}|85477580[0-9])", fullmatch=True))
    @settings(max_examples=400)
    def test_parse_timestamp_column_refuses_what_parse_timestamp_refuses(self, text):
        expected = outcome(parse_timestamp, text, error=InvalidTimestamp)
        columns = outcome(parse_timestamp_column, pa.array([text]), error=InvalidTimestamp)
        assert (columns if isinstance(columns, str) else columns[0].as_py()) == expected

    @pytest.mark.parametrize(
        "text",
        ["9223372036:854775808", "-9223372036:854775809", "9223372037:0", "18446744073:709551616", "9999999999:0"],
    )
    def test_overflow_is_refused_and_never_wraps(self, text):
        for column, parse in [(text, parse_timestamp_column), (f"[0:0_{text})", parse_column)]:
            with pytest.raises((InvalidTimestamp, InvalidTimeRange), match=f"{text}.* outside int64"):
                parse(pa.array(["0:0", column]))

    @pytest.mark.parametrize(
        ("parse", "error"), [(parse_column, InvalidTimeRange), (parse_timestamp_column, InvalidTimestamp)]
    )
    def test_refusal_names_the_first_bad_text_of_any_chunk(self, parse, error):
        texts = pa.chunked_array([["0:0", None], ["1:0", "bad", "worse"], ["worst"]])
        with pytest.raises(error, match="'bad'") as caught:
            parse(texts, field="timerange")
        assert (caught.value.field, caught.value.value) == ("timerange", "bad")

    def test_format_column_refuses_an_end_before_its_start(self):
        with pytest.raises(InvalidTimeRange, match=re.escape("[10, 5) ns ends before it starts")):
            format_column(pa.array([0, 10]), pa.array([5, 5]))

    def test_format_column_writes_every_empty_range_as_never(self):
        assert format_column(pa.array([5, MIN_NS, MAX_NS]), pa.array([5, MIN_NS, MAX_NS])).to_pylist() == ["()"] * 3

    @pytest.mark.parametrize(
        "type_",
        [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
        ids=str,
    )
    def test_every_string_type_is_read(self, type_):
        texts = pa.chunked_array([pa.array(["[0:0_0:5)", None]).cast(type_), pa.array(["[0:5]"]).cast(type_)])
        start, end = parse_column(texts)
        assert (start.to_pylist(), end.to_pylist()) == ([0, None, 5], [5, None, 6])

    @pytest.mark.parametrize(
        "nothing",
        [
            pytest.param(pa.array([], pa.string()), id="no-rows"),
            pytest.param(pa.chunked_array([], pa.string()), id="no-chunks"),
            pytest.param(pa.nulls(2), id="untyped-nulls"),
        ],
    )
    def test_nothing_gives_int64_columns_of_nothing(self, nothing):
        expected = pa.nulls(len(nothing), INT64)
        assert parse_column(nothing) == (expected, expected)
        assert parse_timestamp_column(nothing) == expected

    def test_slices_of_a_column_are_read_from_their_offset(self):
        texts = pa.array(["bad", "[0:1]", "(0:0_0:5]", "bad"]).slice(1, 2)
        start, end = parse_column(texts)
        assert format_column(start, end).to_pylist() == ["[0:1]", "[0:1_0:6)"]

    def test_a_column_takes_a_few_microseconds_a_row_at_most(self):
        """The floor is a third of what one slow core does, so that only a change of method fails it."""
        rows, floor = 200_000, 300_000
        start = pa.array(range(0, rows * NS_PER_SECOND, NS_PER_SECOND))
        end = pa.array(range(NS_PER_SECOND, (rows + 1) * NS_PER_SECOND, NS_PER_SECOND))
        texts, stamps = format_column(start, end), format_timestamp_column(start)
        for work in (
            lambda: parse_column(texts),
            lambda: format_column(start, end),
            lambda: parse_timestamp_column(stamps),
            lambda: format_timestamp_column(start),
        ):
            assert rows / min(_seconds(work) for _ in range(3)) > floor


def _seconds(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


SCHEMA = ibis.schema({"flow_id": "string", "start_ns": "int64", "end_ns": "int64"})
SMALL_ROWS = st.lists(
    st.tuples(st.sampled_from("fg"), st.integers(-10, 25), st.integers(1, 6)).map(lambda n: (n[0], n[1], n[1] + n[2])),
    max_size=14,
)


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect()


def table(rows):
    return ibis.memtable([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def rows_of(con, expr):
    """The rows of an expression, in order, as tuples."""
    return sorted(tuple(row.values()) for row in con.to_pyarrow(expr).to_pylist())


def ranges_by_flow(rows):
    grouped = defaultdict(list)
    for flow, start, end in rows:
        grouped[flow].append((start, end))
    return grouped


def covered_set(ranges):
    return {ns for start, end in ranges for ns in range(start, end)}


def runs_of(numbers):
    """The runs of consecutive numbers in a set, half-open: coverage by counting."""
    starts = sorted(n for n in numbers if n - 1 not in numbers)
    ends = sorted(n + 1 for n in numbers if n + 1 not in numbers)
    return list(zip(starts, ends, strict=True))


def wide_runs(runs, resolution_ns):
    """The runs, in order, with those made one that less than the resolution lies between."""
    merged = []
    for start, end in runs:
        if merged and start - merged[-1][1] < resolution_ns:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class TestWindows:
    @given(st.lists(time_ranges().filter(lambda r: not r.is_never), max_size=6), finite_time_ranges())
    @settings(max_examples=40, deadline=None)
    def test_predicates_are_those_of_time_range(self, con, ranges, window):
        t = table((str(r), r.start_ns, r.end_ns) for r in ranges)
        bounds = window.start_ns, window.end_ns
        assert rows_of(con, overlapping(t, *bounds).select("flow_id")) == sorted(
            (str(r),) for r in ranges if window.overlaps(r)
        )
        assert rows_of(con, covered_by(t, *bounds).select("flow_id")) == sorted(
            (str(r),) for r in ranges if window.contains(r)
        )

    @given(st.lists(time_ranges().filter(lambda r: not r.is_never), max_size=6), finite_time_ranges())
    @settings(max_examples=40, deadline=None)
    def test_clip_is_the_intersection(self, con, ranges, window):
        t = table((str(r), r.start_ns, r.end_ns) for r in ranges)
        shared = [(str(r), window.intersection(r)) for r in ranges if window.overlaps(r)]
        expected = sorted((text, r.start_ns, r.end_ns) for text, r in shared)
        assert rows_of(con, clip(t, window.start_ns, window.end_ns)) == expected

    @given(st.lists(time_ranges().filter(lambda r: not r.is_never), min_size=1, max_size=6))
    @settings(max_examples=40, deadline=None)
    def test_length_is_that_of_time_range_where_int64_can_hold_it(self, con, ranges):
        t = table((str(r), r.start_ns, r.end_ns) for r in ranges)
        got = con.to_pyarrow(t.select("flow_id", length_ns=length_ns(t))).to_pylist()
        expected = {str(r): r.length_ns if r.length_ns and r.length_ns <= MAX_NS else None for r in ranges}
        assert {row["flow_id"]: row["length_ns"] for row in got} == expected

    def test_touching_is_not_overlapping(self, con):
        t = table([("a", 0, 10), ("b", 10, 20)])
        assert rows_of(con, overlapping(t, 10, 15)) == [("b", 10, 20)]

    def test_eternity_keeps_every_row(self, con):
        rows = [("a", 0, 10), ("b", MIN_NS, MAX_NS)]
        for keep in (overlapping, covered_by, clip):
            assert rows_of(con, keep(table(rows), MIN_NS, MAX_NS)) == rows

    def test_bounds_may_be_parameters(self, con):
        start, end = ibis.param("int64"), ibis.param("int64")
        t = con.create_table("windows", table([("a", 0, 10), ("b", 10, 20)]).to_pyarrow(), temp=True)
        for keep, expected in [(overlapping, ["b"]), (covered_by, []), (clip, ["b"])]:
            asked = keep(t, start, end).flow_id
            assert con.to_pyarrow(asked, params={start: 10, end: 15}).to_pylist() == expected

    def test_one_bound_may_be_an_expression(self, con):
        assert rows_of(con, overlapping(table([("a", 0, 10)]), 0, ibis.literal(5))) == [("a", 0, 10)]

    @pytest.mark.parametrize("keep", [overlapping, covered_by, clip])
    @pytest.mark.parametrize(("start_ns", "end_ns"), [(0, 0), (10, 5)])
    def test_an_empty_window_is_refused(self, keep, start_ns, end_ns):
        with pytest.raises(InvalidTimeRange, match=re.escape(f"[{start_ns}, {end_ns}) ns is empty")):
            keep(table([]), start_ns, end_ns)


class TestCoverage:
    @given(SMALL_ROWS)
    @settings(max_examples=40, deadline=None)
    def test_coverage_of_each_flow_is_what_counting_gives(self, con, rows):
        t, flows = table(rows), ranges_by_flow(rows)
        runs = {flow: runs_of(covered_set(ranges)) for flow, ranges in flows.items()}
        assert rows_of(con, islands(t)) == sorted(
            (flow, start, end, sum(start <= s < end for s, _ in flows[flow]))
            for flow, found in runs.items()
            for start, end in found
        )
        assert rows_of(con, gaps(t)) == sorted(
            (flow, end, start, start - end) for flow, found in runs.items() for (_, end), (start, _) in pairwise(found)
        )
        assert rows_of(con, covered_ns(t)) == sorted((flow, len(covered_set(r))) for flow, r in flows.items())

    @given(SMALL_ROWS)
    @settings(max_examples=40, deadline=None)
    def test_coverage_of_the_whole_table_is_what_counting_gives(self, con, rows):
        t, ranges = table(rows), [(start, end) for _, start, end in rows]
        found = runs_of(covered_set(ranges))
        assert rows_of(con, islands(t, by=())) == [
            (start, end, sum(start <= s < end for s, _ in ranges)) for start, end in found
        ]
        assert rows_of(con, gaps(t, by=())) == [(end, start, start - end) for (_, end), (start, _) in pairwise(found)]
        assert rows_of(con, covered_ns(t, by=())) == [(len(covered_set(ranges)),)]

    def test_many_rows_of_one_start_belong_to_one_island(self, con):
        """The engine may order them one way to mark the island and another way to number it."""
        rows = [("f", start, start + 1 + i % 9) for start in range(0, 2000, 10) for i in range(50)]
        assert rows_of(con, islands(table(rows))) == [("f", start, start + 9, 50) for start in range(0, 2000, 10)]

    def test_open_islands_are_found_and_cannot_be_counted(self, con):
        t = table([("f", MIN_NS, 0), ("f", 10, 20), ("f", 30, MAX_NS), ("g", 0, 5)])
        assert rows_of(con, gaps(t)) == [("f", 0, 10, 10), ("f", 20, 30, 10)]
        assert rows_of(con, covered_ns(t)) == [("f", None), ("g", 5)]
        assert rows_of(con, covered_ns(clip(t, -5, 35))) == [("f", 20), ("g", 5)]

    def test_lengths_beyond_int64_are_null_and_spoil_no_other_row(self, con):
        t = table([("long", MIN_NS + 1, MAX_NS - 1), ("sum", MIN_NS + 1, -1), ("sum", 1, MAX_NS - 1), ("f", 0, 5)])
        assert rows_of(con, covered_ns(t)) == [("f", 5), ("long", None), ("sum", None)]
        ends = table([("f", MIN_NS + 1, MIN_NS + 2), ("f", MAX_NS - 2, MAX_NS - 1)])
        assert rows_of(con, gaps(ends)) == [("f", MIN_NS + 2, MAX_NS - 2, None)]

    def test_groups_may_have_several_columns(self, con):
        t = table([("f", 0, 10), ("g", 10, 20)]).mutate(source_id=ibis.literal("s"))
        assert rows_of(con, islands(t, by=("source_id", "flow_id"))) == [("s", "f", 0, 10, 1), ("s", "g", 10, 20, 1)]
        assert rows_of(con, islands(t, by=("source_id",))) == [("s", 0, 20, 2)]


@st.composite
def timelines(draw):
    """Rows of some flows, none of which overlap, over one or many of the buckets they are condensed in."""
    unit = draw(st.sampled_from([1, 100 * NS_PER_SECOND, 700 * NS_PER_SECOND]))
    rows = []
    for flow in "abcdef":
        at = draw(st.integers(-30, 30))
        for hole, length in draw(st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 2, 9]), st.integers(1, 5)))):
            rows.append((flow, (at + hole) * unit, (at + hole + length) * unit))
            at += hole + length
    return rows, unit


def near_leap_seconds():
    """Nanoseconds within two seconds of a leap second."""
    leaps = st.sampled_from([tai_s for _, tai_s in UTC_LEAP])
    return st.builds(lambda tai_s, off: tai_s * NS_PER_SECOND + off, leaps, st.integers(-(10**9), 2 * 10**9))


class TestManyRows:
    @given(timelines(), st.integers(1, 12), st.sampled_from([0, 1]))
    @settings(max_examples=20, deadline=None)
    def test_rows_are_condensed_and_no_hole_of_the_resolution_is_missed_or_invented(self, con, drawn, units, more):
        rows, unit = drawn
        resolution_ns = units * unit + more
        expected = []
        for flow, ranges in ranges_by_flow(rows).items():
            for start, end in wide_runs(ranges, resolution_ns):
                lengths = [e - s for s, e in ranges if start <= s < end]
                expected.append((flow, start, end, len(lengths), sum(lengths)))
        found = joined(condensed(table(rows), resolution_ns), resolution_ns)
        assert rows_of(con, found) == sorted(expected)

    @given(timelines())
    @settings(max_examples=20, deadline=None)
    def test_condensed_rows_have_the_islands_and_gaps_of_all(self, con, drawn):
        t = table(drawn[0])
        fewer = condensed(t)
        for by in (("flow_id",), ()):
            assert rows_of(con, islands(fewer, by).drop("segments")) == rows_of(con, islands(t, by).drop("segments"))
        assert rows_of(con, seams(fewer)) == rows_of(con, gaps(t))
        assert con.to_pyarrow(fewer.segments.sum().fill_null(0)).as_py() == len(drawn[0])

    def test_a_stretch_without_a_hole_is_one_row(self, con):
        rows = [("f", i * NS_PER_SECOND, (i + 1) * NS_PER_SECOND) for i in range(800) if i != 300]
        assert rows_of(con, condensed(table(rows), NS_PER_SECOND + 1)) == [
            ("f", 0, 800 * NS_PER_SECOND, 799, 799 * NS_PER_SECOND)
        ]
        assert len(rows_of(con, condensed(table(rows), NS_PER_SECOND))) == 799

    @given(st.sets(timestamps(MIN_NS + 1, MAX_NS - 2), min_size=1, max_size=8), timestamps(1, MAX_NS))
    @settings(max_examples=20, deadline=None)
    def test_instants_anywhere_are_joined_as_in_python(self, con, instants, resolution_ns):
        expected = []
        for start, end in wide_runs([(ns, ns + 1) for ns in sorted(instants)], resolution_ns):
            count = sum(start <= ns < end for ns in instants)
            expected.append(("f", start, end, count, count if end - start <= MAX_NS else None))
        t = table(("f", ns, ns + 1) for ns in instants)
        assert rows_of(con, joined(condensed(t, resolution_ns), resolution_ns)) == expected

    @pytest.mark.parametrize("resolution_ns", [1, 2, 3, 2**62, MAX_NS])
    def test_open_rows_are_joined_and_not_counted(self, con, resolution_ns):
        t = table([("f", MIN_NS, MIN_NS + 4), ("f", MIN_NS + 4, MAX_NS), ("g", MIN_NS, MAX_NS), ("h", 5, MAX_NS)])
        assert rows_of(con, joined(condensed(t, resolution_ns), resolution_ns)) == [
            ("f", MIN_NS, MAX_NS, 2, None),
            ("g", MIN_NS, MAX_NS, 1, None),
            ("h", 5, MAX_NS, 1, None),
        ]
        assert rows_of(con, seams(table([("f", MIN_NS, MIN_NS + 4), ("f", 9, MAX_NS)]))) == [("f", MIN_NS + 4, 9, None)]

    @given(timelines(), st.data())
    @settings(max_examples=20, deadline=None)
    def test_seams_are_where_there_is_a_hole_or_a_change(self, con, drawn, data):
        rows = [(*row, data.draw(st.sampled_from([0, 0, 0, 7]))) for row in drawn[0]]
        expected = [
            (flow, end, start, before, after, start - end)
            for (flow, _, end, before), (later, start, _, after) in pairwise(rows)
            if flow == later and (end < start or before != after)
        ]
        schema = ibis.schema({**SCHEMA, "offset": "int64"})
        t = ibis.memtable([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)
        for asked in (t, condensed(t, alike=("offset",))):
            assert rows_of(con, seams(asked, of=("offset",))) == sorted(expected)


class TestColumns:
    @given(st.lists(timestamps(MIN_NS + 10**12, MAX_NS), min_size=1), st.integers(1, 10**12))
    @settings(max_examples=20, deadline=None)
    def test_floor_is_that_of_python(self, con, stamps, width_ns):
        t = ibis.memtable({"ns": pa.array(stamps, INT64).to_pylist()}, schema={"ns": "int64"})
        assert con.to_pyarrow(floor_ns(t.ns, width_ns)).to_pylist() == [ns // width_ns * width_ns for ns in stamps]

    @given(st.lists(st.integers(1, MAX_NS), min_size=1))
    @settings(max_examples=20, deadline=None)
    def test_lengths_lie_within_their_order(self, con, lengths):
        t = ibis.memtable({"ns": lengths}, schema={"ns": "int64"})
        t = t.mutate(from_ns=length_from_ns(t.ns))
        for row in con.to_pyarrow(t.mutate(to_ns=length_to_ns(t.from_ns))).to_pylist():
            assert row["from_ns"] <= row["ns"] <= row["to_ns"] <= MAX_NS
            assert row["ns"] < row["to_ns"] or row["to_ns"] == MAX_NS
            assert str(row["from_ns"]).rstrip("0") in "125"
            assert row["to_ns"] <= 2.5 * row["from_ns"]

    @given(st.lists(timestamps() | near_leap_seconds(), min_size=1))
    @settings(max_examples=40, deadline=None)
    def test_utc_is_that_of_one_timestamp(self, con, stamps):
        t = ibis.memtable({"ns": stamps}, schema={"ns": "int64"})
        found = con.to_pyarrow(utc_ns(t.ns)).to_pylist()
        microsecond, epoch = timedelta(microseconds=1), datetime(1970, 1, 1, tzinfo=timezone.utc)
        assert [ns // 1000 for ns in found] == [(utc_from_tai(ns) - epoch) // microsecond for ns in stamps]
        assert [ns % 1000 for ns in found] == [ns % 1000 for ns in stamps]

    def test_the_first_civil_instant_is_the_first_of_1972(self):
        assert format_utc(FIRST_CIVIL_NS) == "1972-01-01T00:00:00.000000000Z"
