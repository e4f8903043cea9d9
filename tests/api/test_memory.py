"""Memory that is free goes back to the system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.memory import trimming


@pytest.mark.skipif(trimming() is None, reason="this C library has no memory to give back")
def test_memory_below_what_is_still_used_is_given_back() -> None:
    trim = trimming()
    assert trim is not None
    trim(0)
    pieces = [bytes(60_000) for _ in range(4_000)]  # too small for pages of their own
    del pieces[:-1]
    held = resident_mib()
    trim(0)
    assert held - resident_mib() > 100


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
