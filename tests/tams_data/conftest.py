"""A store's tables on every full engine, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tams_data.engines.base import Database
from tests.tams_data.builders import Commands


@pytest.fixture
def database(database: Database) -> Iterator[Database]:
    """A database of each engine, with the tables of the schema, all empty."""
    database.create_tables()
    yield database
    database.close()


@pytest.fixture
def commands(database: Database) -> Commands:
    """The commands of the store, each in a transaction of its own and without the writer's queue."""
    return Commands(database)
