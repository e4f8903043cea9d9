"""How often a caller may ask: a bucket of tokens each, in this process."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from time import monotonic_ns

from tams_data.errors import TooManyRequests

_NS = 10**9
_BURST_S = 10
_MOST_CALLERS = 10_000


class Rates:
    """Takes so many requests a second from each caller, and ten seconds' worth at once from who was silent."""

    def __init__(self, per_second: float, *, clock: Callable[[], int] = monotonic_ns) -> None:
        """`clock` gives nanoseconds that never go back."""
        self._interval_ns = max(1, round(_NS / per_second))
        self._burst_ns = max(_BURST_S * _NS, self._interval_ns)
        self._clock, self._lock = clock, threading.Lock()
        self._empty_ns: dict[str, int] = {}
        """When the bucket of each caller would have been empty, had it been filled since."""

    def take(self, caller: str) -> None:
        """Count a request of a caller.

        :raise TooManyRequests: it is one too many.
        """
        now_ns = self._clock()
        with self._lock:
            if len(self._empty_ns) >= _MOST_CALLERS:
                self._forget(now_ns)
            then_ns = max(self._empty_ns.get(caller, 0), now_ns - self._burst_ns) + self._interval_ns
            if then_ns <= now_ns:
                self._empty_ns[caller] = then_ns
                return
        message = f"more than {_NS / self._interval_ns:g} requests a second"
        raise TooManyRequests(message, retry_after_s=math.ceil((then_ns - now_ns) / _NS))

    def _forget(self, now_ns: int) -> None:
        """Forget whose buckets are full again, and all others rather than no newcomer."""
        kept = {caller: at_ns for caller, at_ns in self._empty_ns.items() if at_ns > now_ns - self._burst_ns}
        self._empty_ns = kept if len(kept) < _MOST_CALLERS else {}
