"""The bit rates of a flow's segments, as App note 0013 defines them, in 1000 bit/s."""

from __future__ import annotations

from collections import deque

from tams_data.timerange import NS_PER_SECOND


class BitRates:
    """Takes the segments of a flow in order, and knows its average and its maximum bit rate.

    The maximum is HLS's peak segment bit rate: the highest of any run of segments in a row that lasts between half and
    one and a half times the segment duration; and of any single segment that is longer.

    >>> rates = BitRates(segment_duration_ns=10 * NS_PER_SECOND)
    >>> for size in (1_000_000, 3_000_000, 2_000_000):
    ...     rates.add(size, 10 * NS_PER_SECOND)
    >>> rates.average, rates.maximum
    (1600, 2400)
    """

    def __init__(self, segment_duration_ns: int) -> None:
        self._shortest_ns = segment_duration_ns // 2
        self._longest_ns = segment_duration_ns * 3 // 2
        self._bytes = self._ns = 0
        self._recent: deque[tuple[int, int]] = deque()
        self._peak = 0

    def add(self, size: int, duration_ns: int) -> None:
        """Take the next segment: bytes and nanoseconds."""
        self._bytes += size
        self._ns += duration_ns
        self._recent.append((size, duration_ns))
        while len(self._recent) > 1 and sum(ns for _, ns in self._recent) > self._longest_ns:
            self._recent.popleft()
        self._peak = max(self._peak, self._highest_recent())

    @property
    def average(self) -> int:
        """The average bit rate; 0 before the first segment."""
        return _rate(self._bytes, self._ns)

    @property
    def maximum(self) -> int:
        """The maximum bit rate; the average while the segments together are too short to tell."""
        return self._peak or self.average

    def _highest_recent(self) -> int:
        size = duration_ns = highest = 0
        for segment_size, segment_ns in reversed(self._recent):
            size += segment_size
            duration_ns += segment_ns
            if duration_ns >= self._shortest_ns:
                highest = max(highest, _rate(size, duration_ns))
        return highest


def _rate(size: int, duration_ns: int) -> int:
    return size * 8 * NS_PER_SECOND // (duration_ns * 1000) if duration_ns else 0
