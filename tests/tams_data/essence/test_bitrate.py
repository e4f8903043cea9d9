"""Bit rates as App note 0013 defines them."""

from __future__ import annotations

import pytest

from tams_data.essence import BitRates

S = 1_000_000_000


@pytest.mark.parametrize(
    ("segments", "average", "maximum"),
    [
        pytest.param([], 0, 0, id="none"),
        pytest.param([(1_000_000, 10 * S)], 800, 800, id="one"),
        pytest.param([(1_000_000, 10 * S), (3_000_000, 10 * S)], 1600, 2400, id="highest single"),
        pytest.param([(1_000_000, 4 * S), (9_000_000, 4 * S), (1_000_000, 4 * S)], 7333, 10_000, id="run of short"),
        pytest.param([(500_000, 2 * S)], 2000, 2000, id="too short to tell: the average"),
        pytest.param([(1_000_000, 10 * S), (30_000_000, 40 * S)], 4960, 6000, id="single long one"),
    ],
)
def test_average_and_maximum(segments, average, maximum):
    rates = BitRates(segment_duration_ns=10 * S)
    for size, duration_ns in segments:
        rates.add(size, duration_ns)
    assert (rates.average, rates.maximum) == (average, maximum)
