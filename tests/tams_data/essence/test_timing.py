"""Seconds, nanoseconds and ticks, and the grid of a constant rate."""

from __future__ import annotations

from fractions import Fraction

import mediatimestamp.immutable as mt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.essence.timing import ROLLOVER_TICKS, TICKS_PER_SECOND, Grid, from_ns, nearest_rollover, to_ns, to_ticks

HALF = ROLLOVER_TICKS // 2
RATES = [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(44100, 1024), Fraction(48000, 1024)]


@given(count=st.integers(0, 10**9), rate=st.sampled_from(RATES))
def test_nanoseconds_are_those_of_mediatimestamp(count, rate):
    """The BBC's library is what other TAMS clients count with."""
    assert to_ns(count / rate) == mt.Timestamp.from_count(count, rate.numerator, rate.denominator).to_nanosec()


@given(ns=st.integers(-(2**63), 2**63 - 1))
def test_nanoseconds_survive_as_seconds(ns):
    assert to_ns(from_ns(ns)) == ns


@given(ticks=st.integers(-(2**50), 2**50), near=st.integers(1 - HALF, HALF))
def test_the_low_33_bits_say_where_they_belong_near_an_expected_time(ticks, near):
    assert nearest_rollover(ticks % ROLLOVER_TICKS, expected=ticks + near) == ticks


@pytest.mark.parametrize("rate", RATES)
def test_a_grid_restores_what_ticks_have_rounded(rate):
    """Ten minutes of samples, whose times went through 90 kHz."""
    grid = Grid(1 / rate, tolerance=Fraction(1, TICKS_PER_SECOND))
    exact = [Fraction(7) + number / rate for number in range(int(rate) * 600)]
    assert [grid.settle(Fraction(to_ticks(time), TICKS_PER_SECOND)) for time in exact] == exact


def test_a_grid_starts_anew_at_a_jump():
    grid = Grid(Fraction(1, 25), tolerance=Fraction(1, 1000))
    times = [Fraction(0), Fraction(1, 25), Fraction(3, 10), Fraction(34, 100), Fraction(3801, 10000)]
    assert [grid.settle(time) for time in times] == [*times[:4], Fraction(38, 100)]


def test_a_grid_without_a_time_snaps_to_none():
    assert Grid(Fraction(1, 25), tolerance=Fraction(1)).snap(Fraction(1, 3)) == Fraction(1, 3)
