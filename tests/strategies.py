"""Hypothesis strategies for TAMS time, shared by the tests."""

from __future__ import annotations

from hypothesis import strategies as st

from tams_data.timerange import MAX_NS, MIN_NS, NS_PER_SECOND, TimeRange, format_timestamp

NOW_NS = 1694429247 * NS_PER_SECOND


def timestamps(min_ns: int = MIN_NS, max_ns: int = MAX_NS) -> st.SearchStrategy[int]:
    """Nanoseconds: around zero, around a second, around now, anywhere, and next to the limits.

    Small numbers come often, so that two of them are often equal or neighbours.
    """
    spans = [
        (-20, 20),
        (-3 * NS_PER_SECOND, 3 * NS_PER_SECOND),
        (NOW_NS, NOW_NS + 10 * NS_PER_SECOND),
        (min_ns, max_ns),
        (min_ns, min_ns + 3),
        (max_ns - 3, max_ns),
    ]
    return st.one_of([st.integers(max(low, min_ns), min(high, max_ns)) for low, high in spans])


def bounds() -> st.SearchStrategy[int]:
    """Nanoseconds that can bound a time range: int64's limits stand for open ends."""
    return timestamps(MIN_NS + 1, MAX_NS - 1)


def finite_time_ranges() -> st.SearchStrategy[TimeRange]:
    """Time ranges with two ends and at least a nanosecond between them."""
    pairs = st.tuples(bounds(), bounds()).filter(lambda pair: pair[0] != pair[1])
    return pairs.map(lambda pair: TimeRange(min(pair), max(pair)))


def time_ranges() -> st.SearchStrategy[TimeRange]:
    """Time ranges of every kind: finite, instants, open at either end, eternity and never."""
    return st.one_of(
        finite_time_ranges(),
        timestamps(MIN_NS + 1, MAX_NS - 2).map(lambda ns: TimeRange(ns, ns + 1)),
        bounds().map(lambda ns: TimeRange(ns, MAX_NS)),
        bounds().map(lambda ns: TimeRange(MIN_NS, ns)),
        st.sampled_from([TimeRange.eternity(), TimeRange.never()]),
    )


@st.composite
def time_range_texts(draw: st.DrawFn) -> str:
    """Texts of the pattern in the TAMS timerange schema, those that mean nothing included.

    They may end before they start, exclude their one timestamp, or reach the limits of int64.
    """
    stamps = timestamps().map(format_timestamp)
    stamp = st.one_of(st.just(""), stamps)
    end = st.one_of(st.just(""), stamp.map(lambda text: f"_{text}"))
    opening, closing = st.sampled_from(["", "[", "("]), st.sampled_from(["", "]", ")"])
    return draw(opening) + draw(stamp) + draw(end) + draw(closing)
