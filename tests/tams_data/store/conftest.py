"""A store that several processes write to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tams_data.engines.vast import Vast
from tests import vast_engine


@pytest.fixture
def databases() -> Iterator[tuple[Vast, Vast]]:
    """Two connections to one store on VAST, each of which stands for a process."""
    settings = vast_engine.settings()
    one, other = Vast(settings), Vast(settings)
    one.create_tables()
    yield one, other
    one.drop_tables()
    one.close()
    other.close()
