"""Whole columns of time ranges."""

from __future__ import annotations

from collections.abc import Iterator

import mediatimestamp.immutable as mt
import numpy as np
import pyarrow as pa

from tams_data.timerange import NS_PER_SECOND, format_column, parse_column
from tests.benchmarks.report import Figure, median_ms

COUNT = 1_000_000


def rates() -> Iterator[Figure]:
    """Text to nanoseconds and back, against the BBC's library one text at a time."""
    starts = np.random.default_rng(1).integers(0, 2_000_000_000, COUNT) * NS_PER_SECOND
    bounds = pa.array(starts), pa.array(starts + 2 * NS_PER_SECOND)
    texts = format_column(*bounds)
    few = texts.slice(0, 10_000).to_pylist()
    library = len(few) / median_ms(lambda _: [mt.TimeRange.from_str(text) for text in few], rounds=3, warm=1) * 1000
    for name, call in (
        ("time ranges read, whole column", lambda _: parse_column(texts)),
        ("time ranges written, whole column", lambda _: format_column(*bounds)),
    ):
        rate = COUNT / median_ms(call, rounds=5, warm=1) * 1000
        wanted = f"at least 1,000,000; {rate / library:.0f} x"
        yield Figure(name, rate, "texts/s", "mediatimestamp", library, wanted, rate >= 1_000_000)
