"""Checks tell what fails, and are not made more often than every few seconds."""

from __future__ import annotations

import pytest

from tams_data.errors import MediaStoreFailed
from tams_data.store.checks import HOLD_S, Recently


def test_outcome_holds_for_some_seconds_whatever_it_is():
    now, outcomes = [0.0], iter([None, MediaStoreFailed("away"), None])

    def check():
        if (error := next(outcomes)) is not None:
            raise error

    recently = Recently(check, clock_s=lambda: now[0])
    told = []
    for now[0] in (0.0, HOLD_S - 0.1, HOLD_S, HOLD_S + 1, 2 * HOLD_S):
        told.append(str(recently()))
    assert told == ["None", "None", "away", "away", "None"]


def test_what_nobody_foresaw_is_not_hidden():
    def check():
        raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="ours"):
        Recently(check)()
