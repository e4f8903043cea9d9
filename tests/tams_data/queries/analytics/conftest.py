"""The store on paper, on each engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tams_data.analytics import Analytics
from tests.conftest import ENGINES
from tests.tams_data.queries.analytics import paper


@pytest.fixture(scope="module", params=ENGINES)
def analytics(request: pytest.FixtureRequest) -> Iterator[Analytics]:
    """The analyses of the store on paper, a day after it went on air."""
    database = ENGINES[request.param]()
    paper.fill(database)
    yield Analytics(database, clock=lambda: paper.ON_AIR_UTC + paper.DAY)
    database.close()
