"""Transactions tried again when another writer came first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from tams_data.errors import TransactionConflict

R = TypeVar("R")

ATTEMPTS = 8
"""How often a transaction is tried before its conflict is the caller's: within some 3 s."""

_FIRST_S, _MOST_S = 0.02, 0.5


def retried(attempt: Callable[[], R], attempts: int = ATTEMPTS) -> R:
    """The result of `attempt`, made again after a conflict, up to `attempts` times, each time later and at random.

    :raise TransactionConflict: there was one each time.
    """
    for number in range(attempts - 1):
        try:
            return attempt()
        except TransactionConflict:
            time.sleep(random.uniform(0, min(_MOST_S, _FIRST_S * 2**number)))  # noqa: S311  # nobody is to guess it
    return attempt()
