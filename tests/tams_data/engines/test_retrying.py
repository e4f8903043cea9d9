"""Who meets other writers tries again for a time, and says so when that was in vain."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tams_data.engines.retrying import retried
from tams_data.errors import StoreUnavailable, TransactionConflict


def held(for_s: float) -> Callable[[], int]:
    """An attempt that is in conflict for so long; then it gives how many attempts there were."""
    until, attempts = time.monotonic() + for_s, 0

    def attempt() -> int:
        nonlocal attempts
        attempts += 1
        if time.monotonic() < until:
            raise TransactionConflict("another was first")
        return attempts

    return attempt


def test_what_meets_nobody_is_tried_once():
    assert retried(held(for_s=0)) == 1


def test_who_meets_a_slow_writer_waits_for_it():
    assert retried(held(for_s=1.2)) > 2


def test_who_meets_others_all_the_time_is_told():
    began = time.monotonic()
    with pytest.raises(TransactionConflict, match="another was first"):
        retried(held(for_s=60), patience_s=1)
    assert time.monotonic() - began >= 1


def test_other_errors_are_not_tried_again():
    attempts: list[None] = []

    def attempt() -> None:
        attempts.append(None)
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        retried(attempt)
    assert len(attempts) == 1
