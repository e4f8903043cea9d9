"""Numbers as a person reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data import formatting

MINUTE, HOUR, DAY = 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
LEAST_OF_UNIT = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15, "EB": 10**18}


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1005, "1.01 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (10_275_892, "10.3 MB"),
        (10**13, "10 TB"),
        (2**63 - 1, "9.22 EB"),
        (-1500, "−1.5 kB"),
        (None, "–"),
    ],
)
def test_bytes_are_told_in_three_digits(count: int | None, text: str):
    assert formatting.bytes_text(count) == text


@given(st.integers(0, 2**63 - 1))
def test_bytes_are_told_to_half_a_per_cent(count: int):
    number, unit = formatting.bytes_text(count).split()
    assert abs(float(number) * LEAST_OF_UNIT[unit] - count) <= count * 0.00501
    assert float(number) < 1000 or unit == "EB"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 s"),
        (1, "1 ns"),
        (1500, "1.5 µs"),
        (40_000_000, "40 ms"),
        (4 * 10**9, "4 s"),
        (MINUTE - 1, "59.9 s"),
        (MINUTE, "1 min"),
        (90 * 10**9, "1 min 30 s"),
        (HOUR + 59 * 10**9, "1 h"),
        (25 * HOUR, "1 d 1 h"),
        (400 * DAY, "1 y 35 d"),
        (-MINUTE, "−1 min"),
        (None, "–"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(ns: int | None, text: str):
    assert formatting.duration_text(ns) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (1, 10_000, "<0.1 %"),
        (1, 3, "33.3 %"),
        (9999, 10_000, "99.9 %"),
        (10, 10, "100 %"),
        (11, 10, "110 %"),
        (1, 0, "–"),
        (None, 5, "–"),
    ],
)
def test_only_all_of_it_is_100_per_cent(part: int | None, whole: int, text: str):
    assert formatting.percent_text(part, whole) == text


def test_rates_counts_and_formats_are_told_in_their_units():
    assert formatting.bit_rate_text(2_100_000) == "2.1 Mbit/s"
    assert formatting.count_text(10_000_000) == "10,000,000"
    assert formatting.short_count_text(12_345) == "12.3k"
    assert formatting.format_text("urn:x-tam:format:image") == "image"
    unknown = (formatting.bit_rate_text, formatting.count_text, formatting.short_count_text, formatting.format_text)
    assert {one(None) for one in unknown} == {"–"}
