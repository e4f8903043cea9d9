"""The time axis: windows of any length, places that a float holds exactly, and ticks at round civil times."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import axis
from dashboards.clock import TAI, UTC, Clock
from tams_data.timerange import MAX_NS, MIN_NS, NS_PER_SECOND, TimeRange, tai_from_utc

DAY_NS = 86400 * NS_PER_SECOND
instants = st.integers(MIN_NS + 1, MAX_NS - 1)
lengths = st.integers(axis.SHORTEST_NS, 100 * 365 * DAY_NS)
scales = st.sampled_from([UTC, TAI])


def at(*civil: int) -> int:
    """A UTC time as ns TAI."""
    return tai_from_utc(datetime(*civil, tzinfo=timezone.utc))  # type: ignore[arg-type, misc]


def of(*starts_and_length: int) -> TimeRange:
    """A window from a UTC time on, the last number being how long it is in ns."""
    *civil, length_ns = starts_and_length
    return TimeRange(at(*civil), at(*civil) + length_ns)


# --- windows ---------------------------------------------------------------------------------------------------------


@given(instants, st.integers(0, 2**62))
def test_a_window_is_never_too_short_or_outside(start_ns: int, length_ns: int) -> None:
    window = axis.fitted(start_ns, min(start_ns + length_ns, MAX_NS - 1))
    assert axis.SHORTEST_NS <= window.end_ns - window.start_ns <= axis.LONGEST_NS
    assert MIN_NS < window.start_ns < window.end_ns < MAX_NS


@given(st.integers(-(10**18), 10**18), st.integers(2 * axis.SHORTEST_NS, 10**17))
def test_zooming_out_undoes_zooming_in(start_ns: int, length_ns: int) -> None:
    window = TimeRange(start_ns, start_ns + length_ns // 4 * 4)
    assert axis.zoomed(axis.zoomed(window, 1, 2), 2, 1) == window


def test_moving_keeps_the_length() -> None:
    window = TimeRange(10 * NS_PER_SECOND, 14 * NS_PER_SECOND)
    assert axis.panned(window, -1, 2) == window.shift(-2 * NS_PER_SECOND)


@pytest.mark.parametrize(
    ("length_ns", "pixels", "expected"),
    [(1_000_000, 1000, 1000), (1_000_001, 1000, 1001), (40_000_000, 1190, 33_614), (5, 1000, 1), (10, 0, 10)],
)
def test_a_step_is_a_pixel(length_ns: int, pixels: int, expected: int) -> None:
    assert axis.resolution_ns(TimeRange(0, length_ns), pixels) == expected


@given(lengths, st.integers(1, 4000))
def test_there_are_no_more_steps_than_pixels(length_ns: int, pixels: int) -> None:
    assert axis.resolution_ns(TimeRange(0, length_ns), pixels) * pixels >= length_ns


# --- places ----------------------------------------------------------------------------------------------------------


@given(
    st.integers(MIN_NS // 2, MAX_NS // 2), st.integers(axis.SHORTEST_NS, 50 * DAY_NS), st.integers(0, 10**6), instants
)
def test_every_nanosecond_has_a_place_of_its_own(start_ns: int, length_ns: int, part: int, before_ns: int) -> None:
    """Wherever the origin was before, also where floats of the timestamps themselves are 256 ns apart."""
    window = TimeRange(start_ns, start_ns + length_ns)
    origin_ns = axis.origin_for(window, before_ns)
    ns = start_ns + length_ns * part // 10**6
    places = [float(one - origin_ns) for one in (ns - 1, ns, ns + 1)]
    assert [axis.instant(place, origin_ns) for place in places] == [ns - 1, ns, ns + 1]


def test_the_origin_stays_while_it_is_near() -> None:
    window = of(2026, 1, 1, 10, 60 * NS_PER_SECOND)
    assert axis.origin_for(window, window.start_ns - 30 * DAY_NS) == window.start_ns - 30 * DAY_NS
    assert axis.origin_for(window, 0) == window.start_ns


def test_places_beyond_all_time_are_its_ends() -> None:
    assert axis.instant(1e300, 0) == MAX_NS - 1
    assert axis.instant(-1e300, 0) == MIN_NS + 1


# --- ticks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "scale", "texts"),
    [
        pytest.param(
            of(2026, 1, 1, 10, 40_000_000),
            UTC,
            ["10:00:00.00", "10:00:00.01", "10:00:00.02", "10:00:00.03"],
            id="a-frame",
        ),
        pytest.param(of(2026, 1, 1, 10, 40_000), UTC, [f"10:00:00.0000{n}" for n in range(4)], id="microseconds"),
        pytest.param(
            of(2026, 1, 1, 10, 4 * NS_PER_SECOND), TAI, [f"10:00:{n}" for n in range(37, 41)], id="seconds-of-tai"
        ),
        pytest.param(
            of(2025, 12, 31, 23, 59, 2 * 60 * NS_PER_SECOND),
            UTC,
            ["23:59:00", "23:59:30", "2026-01-01", "00:00:30"],
            id="midnight-is-a-date",
        ),
        pytest.param(
            of(2016, 12, 31, 23, 59, 58, 4 * NS_PER_SECOND),
            UTC,
            ["23:59:58", "23:59:59", "2017-01-01"],
            id="a-leap-second-is-no-step",
        ),
        pytest.param(of(2026, 3, 1, 4 * DAY_NS), UTC, [f"2026-03-0{n}" for n in range(1, 5)], id="days"),
        pytest.param(of(2026, 1, 15, 100 * DAY_NS), UTC, ["2026-02", "2026-03", "2026-04"], id="months"),
        pytest.param(TimeRange(1, 100 * DAY_NS), UTC, ["1970-02", "1970-03", "1970-04"], id="a-nanosecond-late"),
        pytest.param(of(2019, 6, 1, 1400 * DAY_NS), UTC, ["2020", "2021", "2022", "2023"], id="years"),
        pytest.param(TimeRange(-(10**9), 3 * 10**9), UTC, ["−00:00:01", "00:00:00", "00:00:01", "00:00:02"], id="zero"),
    ],
)
def test_ticks_are_round_times(window: TimeRange, scale: str, texts: list[str]) -> None:
    assert [tick.text for tick in axis.ticks(window, Clock(scale=scale), most=4)] == texts


@given(st.integers(MIN_NS // 4, MAX_NS // 4), lengths, st.integers(2, 30), scales)
def test_ticks_lie_in_the_window_and_are_few(start_ns: int, length_ns: int, most: int, scale: str) -> None:
    window = TimeRange(start_ns, start_ns + length_ns)
    found = [tick.ns for tick in axis.ticks(window, Clock(scale=scale), most=most)]
    assert all(window.contains_instant(ns) for ns in found)
    assert all(a < b for a, b in pairwise(found))
    assert len(found) <= most + 2  # one at each end, and years are not of one length


@given(st.integers(0, MAX_NS // 4), st.integers(axis.SHORTEST_NS, 20 * DAY_NS), scales)
def test_a_window_has_ticks(start_ns: int, length_ns: int, scale: str) -> None:
    """At least every second one that there could be: steps are 1, 2, 5, or at most four times the one before."""
    window = TimeRange(start_ns, start_ns + length_ns)
    assert len(axis.ticks(window, Clock(scale=scale), most=12)) >= 2


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (of(2026, 1, 1, 10, 60 * NS_PER_SECOND), "2026-01-01 10:00:00 – 10:01:00 UTC"),
        (of(2026, 1, 1, 23, 2 * 3600 * NS_PER_SECOND), "2026-01-01 23:00:00 – 2026-01-02 01:00:00 UTC"),
        (of(2026, 1, 1, 10, 40_000_000), "2026-01-01 10:00:00 – 10:00:00.04 UTC"),
        (of(2020, 1, 1, 400 * DAY_NS), "2020-01-01 – 2021-02-04"),
    ],
)
def test_a_window_is_told_as_exactly_as_it_is_wide(window: TimeRange, text: str) -> None:
    assert axis.ends_text(window, Clock()) == text
