"""Fixtures for tests that talk to VAST: one emulator for all of them, and a bucket for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import vastdb
from vastdb.session import Session

from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[Emulator]:
    """An emulator that lasts as long as the tests do."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def vast_emulator(shared_emulator: Emulator) -> Iterator[Emulator]:
    """The emulator, without faults and with nothing counted yet."""
    shared_emulator.reset_counts()
    yield shared_emulator
    shared_emulator.faults.clear()


@pytest.fixture
def vast_bucket(vast_emulator: Emulator) -> str:
    """The name of an empty bucket."""
    name = f"bucket-{next(_numbers)}"
    vast_emulator.create_bucket(name)
    return name


@pytest.fixture
def vast_session(vast_emulator: Emulator) -> Iterator[Session]:
    """A session of the SDK."""
    with connected(vast_emulator.endpoint) as session:
        yield session


@contextmanager
def connected(endpoint: str, *, secret: str = SECRET_KEY, timeout: float | None = None) -> Iterator[Session]:
    """Connect the SDK to an emulator, and disconnect it after the block."""
    session = vastdb.connect(endpoint=endpoint, access=ACCESS_KEY, secret=secret, timeout=timeout)
    with session.api:
        yield session
