"""Whether what a store needs works, for whoever asks every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from tams_data.errors import TamsDataError

HOLD_S = 5
"""For how long an outcome is told again: many may ask, and a bucket is a request away."""


def failure(check: Callable[[], object]) -> TamsDataError | None:
    """Why a check fails; None when it does not."""
    try:
        check()
    except TamsDataError as error:
        return error
    return None


class Recently:
    """A check whose outcome holds for some seconds. Safe to use from several threads."""

    def __init__(self, check: Callable[[], object], *, clock_s: Callable[[], float] = monotonic) -> None:
        self._check, self._clock_s = check, clock_s
        self._lock = threading.Lock()
        self._until_s = float("-inf")
        self._failure: TamsDataError | None = None

    def __call__(self) -> TamsDataError | None:
        """Why the check fails, or failed some seconds ago; None when it does not."""
        with self._lock:
            if self._clock_s() >= self._until_s:
                self._failure = failure(self._check)
                self._until_s = self._clock_s() + HOLD_S
            return self._failure
