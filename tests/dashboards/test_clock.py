"""Times in UTC and TAI, by one switch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.clock import Clock, tai_from_unix
from tams_data.errors import InvalidTimestamp

SECOND = 10**9
TEN_UTC = 1_767_261_637 * SECOND  # 2026-01-01T10:00:00 UTC
LEAP = 1_483_228_836 * SECOND  # 2016-12-31T23:59:60 UTC
CIVIL_NS = st.integers(63_072_010 * SECOND, 9_000_000_000 * SECOND)


@pytest.mark.parametrize(
    ("scale", "ns", "text"),
    [
        ("UTC", TEN_UTC, "2026-01-01 10:00:00"),
        ("TAI", TEN_UTC, "2026-01-01 10:00:37"),
        ("UTC", TEN_UTC + 40_000_000, "2026-01-01 10:00:00.04"),
        ("UTC", LEAP, "2016-12-31 23:59:60"),
        ("TAI", LEAP, "2017-01-01 00:00:36"),
        ("UTC", 0, "00:00:00"),
        ("TAI", 90 * SECOND + 1, "00:01:30.000000001"),
        ("UTC", -SECOND, "−00:00:01"),
        ("UTC", None, "–"),
    ],
)
def test_a_time_is_told_on_the_scale_of_the_switch(scale: str, ns: int | None, text: str):
    assert Clock(scale=scale).text(ns) == text


def test_the_scale_is_named_where_it_is_asked_for_and_there_is_one():
    assert Clock().text(TEN_UTC, zone=True) == "2026-01-01 10:00:00 UTC"
    assert Clock().text(0, zone=True) == "00:00:00"


def test_what_the_store_noted_is_told_to_the_second_on_both_scales():
    noted = 1_767_261_600 * SECOND + 999_999_999
    assert Clock().wall_text(noted) == "2026-01-01 10:00:00"
    assert Clock(scale="TAI").wall_text(noted) == "2026-01-01 10:00:37"
    assert Clock().wall_text(None) == "–"


@given(CIVIL_NS, st.sampled_from(["UTC", "TAI"]))
def test_what_is_told_is_read_back(ns: int, scale: str):
    clock = Clock(scale=scale)
    assert clock.parse(clock.text(ns)) == ns


@given(st.integers(-10_000 * SECOND, 63_072_000 * SECOND))
def test_times_since_zero_are_read_back(ns: int):
    assert Clock().parse(Clock().text(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-01-01 10:00", TEN_UTC),
        ("2026-01-01T10:00:00Z", TEN_UTC),
        ("2026-01-01", TEN_UTC - 36_000 * SECOND),
        ("1767261637:5", TEN_UTC + 5),
        ("2016-12-31 23:59:60", LEAP),
    ],
)
def test_other_ways_to_write_a_time_are_read(text: str, ns: int):
    assert Clock().parse(text) == ns


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-01-01 25:00", "10:00"])
def test_a_text_that_is_no_time_is_named(text: str):
    with pytest.raises(InvalidTimestamp) as raised:
        Clock().parse(text)
    assert repr(text) in str(raised.value)


def test_unix_time_knows_no_leap_seconds():
    assert tai_from_unix(1_767_261_600 * SECOND + 7) == TEN_UTC + 7
