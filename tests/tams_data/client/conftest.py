"""A server that is not ours, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tams_data.client import TamsClient
from tests.tams_data.client.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers what the test says."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def client(server) -> Iterator[TamsClient]:
    """A client with a token, that tries each request up to three times."""
    with TamsClient(server.url + "/", "secret", retries=2) as connected:
        yield connected
