"""Memory that many threads have freed, and glibc keeps for them: it goes back to the system now and then.

Each thread frees into an arena of its own or of a few, where the pages between what is still used stay. With 64 threads
that was half of what a busy service took, and it grew for minutes.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from time import sleep

_EVERY_S = 5
"""It takes some 20 ms of one processor of a service that is busy, next to nothing of one that is not."""


def give_back_now_and_then() -> None:
    """Give free memory back from now on, on a thread of its own. It returns at once; without glibc it does nothing."""
    if (trim := trimming()) is not None:
        threading.Thread(target=_give_back, args=(trim,), name="tams-memory", daemon=True).start()


def trimming() -> Callable[[int], int] | None:
    """What gives the system all pages that are free but for some bytes at the end; None where there is no glibc."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, as of Alpine or macOS; TypeError is Windows
        return None
    return trim


def _give_back(trim: Callable[[int], int]) -> None:
    while True:
        sleep(_EVERY_S)
        trim(0)
