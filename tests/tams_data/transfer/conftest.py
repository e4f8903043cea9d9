"""A client of a running service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tams_data.client import TamsClient


@pytest.fixture
def tams(service_url: str) -> Iterator[TamsClient]:
    """A client of the service that the tests of a module share."""
    with TamsClient(service_url) as client:
        yield client
