"""What the SDK's own tests need besides pytest, when they run against the emulator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest


class Check:
    """The part of pytest-check that the SDK's tests use; these stop at the first failure."""

    @staticmethod
    def greater(left: object, right: object, message: str = "") -> None:
        """Assert that `left` is greater."""
        assert left > right, message

    @staticmethod
    def is_true(value: object) -> None:
        """Assert that `value` is true."""
        assert value


@pytest.fixture
def check() -> Check:
    """Stand in for the fixture of pytest-check."""
    return Check()


@pytest.fixture(autouse=True)
def background_work_is_done(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no test sleep: they wait minutes for what a cluster sorts in the background, and the emulator does not."""
    with pytest.MonkeyPatch.context() as patch:
        if getattr(request.module, "time", None) is time:
            patch.setattr(request.module, "time", SimpleNamespace(time=time.time, sleep=lambda _: None))
        yield
