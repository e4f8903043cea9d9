"""What of the timelines is covered, every figure worked out from the table in `paper`."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tams_data import schema
from tams_data.analytics import Analytics
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import InvalidInput
from tams_data.queries.analytics import ANALYSES
from tams_data.queries.analytics.times import ANALYSES as ANALYSES_OF_TIME
from tams_data.timerange import MAX_NS, MIN_NS, TimeRange
from tests.conftest import ENGINES
from tests.tams_data.builders import gap_rows
from tests.tams_data.queries.analytics.paper import AUDIO, DAY, HOUR, ON_AIR, ON_AIR_UTC, SECOND, TAPE, VIDEO


def seconds(ns):
    """Seconds on air."""
    return (ns - ON_AIR) / SECOND


def runs(rows):
    """Flow, seconds from and to, segments, seconds covered."""
    return [
        (one["flow_id"], seconds(one["start_ns"]), seconds(one["end_ns"]), one["segments"], one["covered_ns"] / SECOND)
        for one in rows.to_pylist()
    ]


def window(start_s, end_s):
    return TimeRange(ON_AIR + start_s * SECOND, ON_AIR + end_s * SECOND)


def test_the_timeline_tells_each_hole_of_the_resolution(analytics):
    assert runs(analytics.run("timeline", resolution_ns=1)) == [
        ("archive", -86400, -86300, 1, 100),
        ("archive", 0, 100, 1, 100),
        ("camera-a", 0, 30, 3, 30),
        ("camera-a-snd", 0, 30, 1, 30),
        ("camera-b", 0, 10, 1, 10),
        ("camera-b", 20, 40, 2, 20),
        ("camera-b-hi", 5, 35, 1, 30),
        ("captions", 0, 60, 1, 60),
        ("edit", 0, 25, 3, 25),
        ("elsewhere", 100, 102, 2, 2),
        ("elsewhere", 103, 104, 1, 1),
        ("proxy-a", 0, 30, 2, 30),
        ("stills", 0, 1e-9, 1, 1e-9),
        ("stills", 3600, 3600 + 1e-9, 1, 1e-9),
    ]


@pytest.mark.parametrize(
    ("resolution_ns", "expected"),
    [
        (10 * SECOND, [("camera-b", 0, 10, 1, 10), ("camera-b", 20, 40, 2, 20)]),
        (10 * SECOND + 1, [("camera-b", 0, 40, 3, 30)]),
        (DAY, [("camera-b", 0, 40, 3, 30)]),
    ],
)
def test_a_hole_shorter_than_the_resolution_is_passed_over(analytics, resolution_ns, expected):
    assert runs(analytics.run("timeline", flow_id="camera-b", resolution_ns=resolution_ns)) == expected


def test_the_timeline_of_a_window_is_cut_to_it(analytics):
    rows = analytics.run("timeline", timerange=window(8, 25), resolution_ns=SECOND, source_id="B")
    assert runs(rows) == [("camera-b", 8, 10, 1, 2), ("camera-b", 20, 25, 1, 5), ("camera-b-hi", 8, 25, 1, 17)]


@pytest.mark.parametrize(
    ("flow_id", "found"),
    [(["edit", "stills", "none"], ["edit", "stills"]), (["edit"], ["edit"]), ([], []), (("news", "none"), [])],
)
def test_flows_may_be_listed(analytics, flow_id, found):
    rows = analytics.run("timeline", flow_id=flow_id, resolution_ns=HOUR)
    assert rows["flow_id"].to_pylist() == found


def test_a_list_of_flows_that_would_be_run_in_parts_is_refused(analytics):
    with pytest.raises(InvalidInput, match="513 flows; at most 512"):
        analytics.run("timeline", flow_id=[f"flow {i}" for i in range(513)])


def test_the_timeline_ends_at_its_limit(analytics):
    assert runs(analytics.run("timeline", limit=2, resolution_ns=SECOND)) == [
        ("archive", -86400, -86300, 1, 100),
        ("archive", 0, 100, 1, 100),
    ]


def summary_of(rows):
    summary = ANALYSES["time-range-analysis"].summary
    assert summary is not None
    return summary(rows)


def test_the_whole_is_summed_up(analytics):
    rows = analytics.run("time-range-analysis")
    # camera-a 30 s, its sound 30, camera-b 30 and 30, proxy 30, edit 25, captions 60, archive 200, elsewhere 3, and
    # two ns of stills, in 21 segments; holes: archive 86300 s, stills an hour less a ns, camera-b 10 s, elsewhere 1 s
    total_ns = 438 * SECOND + 2
    assert rows.to_pylist() == [
        {
            "total_segments": 21,
            "average_duration_ns": round(total_ns / 21),
            "minimum_duration_ns": 1,
            "maximum_duration_ns": 100 * SECOND,
            "total_duration_ns": total_ns,
            "gaps": 4,
            "gap_ns": (86300 + 3600 + 10 + 1) * SECOND - 1,
        }
    ]
    assert summary_of(rows) == {
        "total_segments": 21,
        "average_duration_seconds": round(total_ns / 21) / SECOND,
        "min_duration_seconds": 1e-9,
        "max_duration_seconds": 100,
        "total_duration_seconds": total_ns / SECOND,
    }


@pytest.mark.parametrize("filters", [{"flow_id": "empty"}, {"timerange": TimeRange.never()}])
def test_of_no_segments_there_is_nothing_to_sum_up(analytics, filters):
    assert set(summary_of(analytics.run("time-range-analysis", **filters)).values()) == {0}


def covered(rows):
    """Seconds of the window, covered and in gaps, and how many gaps, by id."""
    return {
        one["id"]: (one["window_ns"] and one["window_ns"] / SECOND, one["covered_ns"] / SECOND, one["gaps"])
        for one in rows.to_pylist()
    }


def test_coverage_of_each_flow_in_a_window(analytics):
    """Seconds 10 to 35: what lies before the first segment is not covered and no gap."""
    assert covered(analytics.run("coverage", timerange=window(10, 35))) == {
        "camera-a": (25, 20, 0),
        "camera-a-snd": (25, 20, 0),
        "camera-b": (25, 15, 0),
        "camera-b-hi": (25, 25, 0),
        "proxy-a": (25, 20, 0),
        "edit": (25, 15, 0),
        "news": (25, 0, 0),
        "empty": (25, 0, 0),
        "captions": (25, 25, 0),
        "stills": (25, 0, 0),
        "archive": (25, 25, 0),
        "elsewhere": (25, 0, 0),
    }


def test_coverage_of_each_flow_without_a_window_is_from_its_start_to_its_end(analytics):
    found = covered(analytics.run("coverage"))
    assert found["camera-b"] == (40, 30, 1)
    assert found["archive"] == (86500, 200, 1)
    assert found["elsewhere"] == (4, 3, 1)
    assert found["empty"] == (None, 0, 0)
    assert len(found) == 12


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        # camera-b lacks 10 to 20 and ends at 40, camera-b-hi has 5 to 35
        ({"source_id": "B"}, {"B": (40, 40, 0)}),
        ({"source_id": "B", "timerange": window(-10, 50)}, {"B": (60, 40, 0)}),
        ({"source_id": "B", "codec": "video/h264"}, {"B": (40, 30, 1)}),
        ({"format": AUDIO}, {"camera-a-snd": (30, 30, 0), "elsewhere": (4, 3, 1)}),
        ({"flow_id": ["camera-a", "proxy-a"], "timerange": window(12, 14)}, {"A": (2, 2, 0)}),
    ],
)
def test_coverage_of_a_source_counts_time_once(analytics, filters, expected):
    assert covered(analytics.run("coverage", by="source", **filters)) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        # archive, 86300 s nothing, archive again to 100, elsewhere to 102 and from 103 to 104, stills at 3600
        ({}, (DAY / SECOND + 3600, 203, 3)),
        ({"timerange": window(0, 103)}, (103, 102, 0)),
        ({"timerange": window(200, 300)}, (100, 0, 0)),
        ({"storage_id": TAPE}, (30, 30, 0)),
    ],
)
def test_coverage_of_the_store_counts_time_once(analytics, filters, expected):
    found = covered(analytics.run("coverage", by="store", **filters))
    assert found == {"store": pytest.approx(expected, abs=1e-8)}


def test_a_store_without_flows_covers_nothing(analytics):
    assert covered(analytics.run("coverage", by="store", flow_id="none")) == {"store": (None, 0, 0)}


def test_the_least_covered_come_first_up_to_the_limit(analytics):
    assert analytics.run("coverage", limit=4)["id"].to_pylist() == ["empty", "news", "stills", "elsewhere"]


ALL_GAPS = [
    ("archive", -86300, 0, 86300 * SECOND),
    ("stills", 1e-9, 3600, HOUR - 1),
    ("camera-b", 10, 20, 10 * SECOND),
    ("elsewhere", 102, 103, SECOND),
]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ALL_GAPS),
        ({"limit": 2}, ALL_GAPS[:2]),
        ({"at_least_ns": 10 * SECOND}, ALL_GAPS[:3]),
        ({"at_least_ns": 10 * SECOND + 1}, ALL_GAPS[:2]),
        ({"timerange": window(-5, 15)}, []),
        ({"timerange": window(5, 25), "source_id": "B"}, [("camera-b", 10, 20, 10 * SECOND)]),
        # object 2 is on tape, object 6 between its two uses is not
        ({"storage_id": TAPE, "flow_id": "edit"}, [("edit", 10, 20, 10 * SECOND)]),
    ],
)
def test_gaps_lie_between_two_segments(analytics, parameters, expected):
    rows = analytics.run("gaps", **parameters).to_pylist()
    assert [(one["flow_id"], seconds(one["start_ns"]), seconds(one["end_ns"]), one["length_ns"]) for one in rows] == (
        expected
    )


def test_gaps_are_counted_by_the_order_of_their_length(analytics):
    assert [tuple(one.values()) for one in analytics.run("gap-lengths").to_pylist()] == [
        (SECOND, 2 * SECOND, 1),
        (10 * SECOND, 20 * SECOND, 1),
        (2000 * SECOND, 5000 * SECOND, 1),
        (50_000 * SECOND, 100_000 * SECOND, 1),
    ]


def test_segments_are_counted_by_the_order_of_their_length(analytics):
    assert [tuple(one.values()) for one in analytics.run("segment-lengths").to_pylist()] == [
        (1, 2, 2),  # stills
        (SECOND, 2 * SECOND, 3),  # elsewhere
        (5 * SECOND, 10 * SECOND, 1),  # the last of edit
        (10 * SECOND, 20 * SECOND, 10),  # 3 of camera-a, 3 of camera-b, 2 of proxy-a, 2 of edit
        (20 * SECOND, 50 * SECOND, 2),  # camera-a-snd, camera-b-hi
        (50 * SECOND, 100 * SECOND, 1),  # captions
        (100 * SECOND, 200 * SECOND, 2),  # archive
    ]


def test_discontinuities_are_gaps_and_jumps_of_the_offset(analytics):
    found = analytics.run("discontinuities").to_pylist()
    assert [(one["flow_id"], seconds(one["at_ns"]), one["gap_ns"], one["offset_jump_ns"]) for one in found] == [
        ("archive", 0, 86300 * SECOND, 0),
        ("camera-b", 20, 10 * SECOND, 0),
        ("edit", 10, 0, -15 * SECOND),  # from 5 s to -10 s
        ("edit", 20, 0, 25 * SECOND),  # from -10 s to 15 s
        ("elsewhere", 103, SECOND, 0),
        ("stills", 3600, HOUR - 1, 0),
    ]


def test_discontinuities_of_a_window_lie_in_it(analytics):
    found = analytics.run("discontinuities", flow_id="edit", timerange=window(12, 30), limit=1)
    assert [seconds(ns) for ns in found["at_ns"].to_pylist()] == [20]


def hours(rows):
    """Flows by hour of the clock, counted from the one in which the store went on air."""
    return {(one["hour_ns"] - ON_AIR_UTC) / HOUR: one["flows"] for one in rows.to_pylist()}


def test_a_flow_is_live_in_each_hour_of_the_clock_in_which_it_has_coverage(analytics):
    """In the first hour all but news and empty; an hour later the second still; a day before, archive."""
    assert hours(analytics.run("live-flows")) == {-24: 1, **dict.fromkeys(range(-23, 0), 0), 0: 10, 1: 1}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"limit": 3}, {-1: 0, 0: 10, 1: 1}),
        ({"bucket_ns": DAY}, {-34: 1, -10: 10}),
        ({"timerange": window(-20, 20)}, {0: 9}),  # elsewhere begins at 100
        ({"flow_id": "stills", "limit": 1}, {1: 1}),
        ({"flow_id": "empty"}, {}),
    ],
)
def test_live_flows_are_counted_by_the_stretch_asked_for(analytics, parameters, expected):
    assert hours(analytics.run("live-flows", **parameters)) == expected


def test_a_flow_that_stops_and_goes_on_within_a_stretch_is_live_once(analytics):
    found = analytics.run("live-flows", flow_id=["camera-b", "camera-a"], bucket_ns=20 * SECOND)
    assert found["flows"].to_pylist() == [2, 2]
    found = analytics.run("live-flows", flow_id="camera-b", bucket_ns=10 * SECOND)
    assert found["flows"].to_pylist() == [1, 0, 1, 1]
    found = analytics.run("live-flows", flow_id="camera-b", bucket_ns=SECOND)
    assert found["flows"].to_pylist() == [*[1] * 10, *[0] * 10, *[1] * 20]


def stored(database, segments):
    """Put segments, by flow, into an empty database: flows f and g of source S, the others of one each."""
    database.create_tables()
    sources = {"f": "S", "g": "S"}
    flow = {"format": VIDEO, "tags": "{}", "tag_terms": [], "created_ns": 0}
    flow |= {"metadata_version": "1", "metadata_updated_ns": 0}
    rows = [{"flow_id": name, "start_ns": s, "end_ns": e} for name, own in segments.items() for s, e in own]
    timelines = [
        {
            "flow_id": name,
            "start_ns": min((s for s, _ in own), default=None),
            "end_ns": max((e for _, e in own), default=None),
            "segment_count": len(own),
            # what the store never has, as it takes no segment without an end: any number that int64 holds
            "covered_ns": min(sum(e - s for s, e in own), MAX_NS),
            "longest_ns": 0,
            "size_bytes": 0,
        }
        for name, own in segments.items()
    ]
    with database.transaction() as transaction:
        flows = ({**flow, "id": name, "source_id": sources.get(name, name)} for name in segments)
        transaction.insert(schema.FLOWS, schema.FLOWS.rows(flows))
        transaction.insert(schema.FLOW_TIMELINES, schema.FLOW_TIMELINES.rows(timelines))
        gaps = (gap for name, own in segments.items() for gap in gap_rows(name, own))
        transaction.insert(schema.FLOW_GAPS, schema.FLOW_GAPS.rows(gaps))
        numbered = ({**one, "object_key": i, "created_ns": 0} for i, one in enumerate(rows))
        transaction.insert(schema.SEGMENTS, schema.SEGMENTS.rows(numbered))
    return Analytics(database)


@pytest.fixture(params=ENGINES)
def unbounded(request):
    """A flow without a start and an end, one with a hole, and one that is all time but for a hole."""
    database = ENGINES[request.param]()
    yield stored(
        database,
        {
            "f": [(MIN_NS, 0), (0, MAX_NS)],
            "g": [(MIN_NS + 1, 5), (10, MAX_NS - 1)],
            "h": [(MIN_NS + 1, MIN_NS + 2), (MAX_NS - 2, MAX_NS - 1)],
            "i": [(0, 10)],
        },
    )
    database.close()


@pytest.mark.parametrize("timerange", [None, TimeRange(MIN_NS, 7), TimeRange(7, MAX_NS), TimeRange(-HOUR, HOUR)])
def test_nothing_overflows_where_time_is_open(unbounded, timerange):
    for one in ANALYSES_OF_TIME:
        unbounded.run(one.name, timerange=timerange)
    for by in ("source", "store"):
        unbounded.run("coverage", by=by, timerange=timerange)


def test_what_int64_cannot_count_is_null_and_the_rest_is_there(unbounded):
    found = {one["id"]: (one["covered_ns"], one["gaps"]) for one in unbounded.run("coverage").to_pylist()}
    assert found == {"f": (None, 0), "g": (None, 1), "h": (None, 1), "i": (10, 0)}
    gaps = [(one["flow_id"], one["length_ns"]) for one in unbounded.run("gaps").to_pylist()]
    assert gaps == [("h", None), ("g", 5)]
    (row,) = unbounded.run("coverage", by="source", source_id="S", timerange=TimeRange(-HOUR, HOUR)).to_pylist()
    assert (row["window_ns"], row["covered_ns"], row["gaps"]) == (2 * HOUR, 2 * HOUR, 0)
    live = unbounded.run("live-flows", timerange=TimeRange(-HOUR, HOUR)).to_pylist()
    assert live == [{"hour_ns": -HOUR, "flows": 2}, {"hour_ns": 0, "flows": 3}]


def test_a_hole_in_a_long_flow_hides_nothing_and_doubles_nothing(database):
    own = [(n * SECOND, (n + 1) * SECOND) for n in range(5000) if n != 2500]
    rows = stored(database, {"f": own}).run("timeline", resolution_ns=1).to_pylist()
    assert [(one["segments"], one["covered_ns"]) for one in rows] == [
        (2500, 2500 * SECOND),
        (2499, 2499 * SECOND),
    ]


UNIT = 200 * SECOND


@st.composite
def timelines(draw):
    """Segments of some flows, in seconds, none before another has ended."""
    found = {}
    for flow in "fghi":
        at = draw(st.integers(0, 9))
        found[flow] = []
        for hole, length in draw(st.lists(st.tuples(st.sampled_from([0, 0, 1, 6, 40]), st.integers(1, 7)), max_size=9)):
            found[flow].append((at + hole, at + hole + length))
            at += hole + length
    return found


@given(timelines(), st.none() | st.tuples(st.integers(0, 20), st.integers(1, 60)))
@settings(max_examples=15, deadline=None)
def test_coverage_gaps_and_live_flows_are_what_counting_gives(segments, asked):
    """Unit by unit of time: which flows have it."""
    database = DuckDB(None)
    analytics = stored(database, {flow: [(s * UNIT, e * UNIT) for s, e in own] for flow, own in segments.items()})
    start, end = (0, 10**6) if asked is None else (asked[0], sum(asked))
    filters = {} if asked is None else {"timerange": TimeRange(start * UNIT, end * UNIT)}
    has = {flow: {n for s, e in own for n in range(max(s, start), min(e, end))} for flow, own in segments.items()}

    groups = {
        "flow": has,
        "source": {"S": has["f"] | has["g"], "h": has["h"], "i": has["i"]},
        "store": {"store": set().union(*has.values())},
    }
    for by, expected in groups.items():
        rows = analytics.run("coverage", by=by, **filters).to_pylist()
        assert {one["id"]: (one["covered_ns"], one["gap_ns"], one["gaps"]) for one in rows} == {
            name: (len(units) * UNIT, sum(b - a for a, b in holes(units)) * UNIT, len(holes(units)))
            for name, units in expected.items()
        }
    rows = analytics.run("gaps", **filters).to_pylist()
    assert sorted((one["flow_id"], one["start_ns"], one["end_ns"]) for one in rows) == [
        (flow, a * UNIT, b * UNIT) for flow, units in has.items() for a, b in holes(units)
    ]
    rows = analytics.run("timeline", resolution_ns=1, **filters).to_pylist()
    assert sorted((one["flow_id"], one["start_ns"] // UNIT, one["segments"], one["covered_ns"]) for one in rows) == [
        (flow, first, sum(s <= last and e > first for s, e in segments[flow]), (last + 1 - first) * UNIT)
        for flow, units in has.items()
        for first, last in runs_of(units)
    ]
    # 200 s go 18 times into an hour, and before 1972 UTC is taken to be TAI
    live = Counter(hour for units in has.values() for hour in {n // 18 for n in units})
    rows = analytics.run("live-flows", **filters).to_pylist()
    assert {one["hour_ns"] // HOUR: one["flows"] for one in rows if one["flows"]} == live
    assert [one["hour_ns"] // HOUR for one in rows] == (list(range(min(live), max(live) + 1)) if live else [])
    database.close()


def runs_of(units):
    """The first and the last of each run of successive numbers."""
    between = holes(units)
    firsts, lasts = [b for _, b in between], [a - 1 for a, _ in between]
    return list(zip([min(units), *firsts], [*lasts, max(units)], strict=True)) if units else []


def holes(units):
    """What lies between the first and the last of some numbers and is none of them, as ranges."""
    return [(a + 1, b) for a, b in pairwise(sorted(units)) if b > a + 1]
