"""What the tests of the API may ask for beside a client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tams_data.store.store import Store
from tests.api.backends import STORAGE_IDS, TAGS, Elsewhere
from tests.api.client import CheckedClient, client_of
from tests.conftest import ENGINES, settings_in


@pytest.fixture(scope="module", params=ENGINES)
def backends(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedClient]:
    """A client of a service with the storage backends of `tests.api.backends`, shared by the tests of a module."""
    store = Store(ENGINES[request.param](), {STORAGE_IDS[name]: Elsewhere(name) for name in TAGS})
    yield client_of(store, settings_in(tmp_path_factory.mktemp("backends")))
    store.close()
