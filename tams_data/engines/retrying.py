"""Transactions tried again when another writer came first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from tams_data.errors import TransactionConflict

R = TypeVar("R")

PATIENCE_S = 5
"""How long a transaction is tried again before its conflict is the caller's: longer than another one takes.

A time and no number of attempts: on a busy machine the others take longer, and attempts that meet them do not.
"""

_FIRST_S, _MOST_S = 0.02, 0.5


def retried(attempt: Callable[[], R], patience_s: int = PATIENCE_S) -> R:
    """The result of `attempt`, made again after a conflict, each time later and at random, for `patience_s` seconds.

    :raise TransactionConflict: there was one each time.
    """
    until_ns, longest_s = time.monotonic_ns() + patience_s * 10**9, _FIRST_S
    while True:
        try:
            return attempt()
        except TransactionConflict:
            if time.monotonic_ns() >= until_ns:
                raise
        time.sleep(random.uniform(0, longest_s))  # noqa: S311  # nobody is to guess it
        longest_s = min(2 * longest_s, _MOST_S)
