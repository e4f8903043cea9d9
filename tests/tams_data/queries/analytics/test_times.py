"""What of the timelines is covered, every figure worked out from the table in `paper`."""

from __future__ import annotations

import pytest

from tams_data.errors import InvalidInput
from tams_data.timerange import TimeRange
from tests.tams_data.queries.analytics.paper import DAY, HOUR, ON_AIR, SECOND


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
