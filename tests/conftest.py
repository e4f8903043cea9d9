"""What tests of every part may ask for: a store, a client of its API, and the service as a process."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tams_data import media
from tams_data.destinations import Destinations
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests import demo_store, s3, vast_engine
from tests.api.client import CheckedClient, client_of
from tests.api.process import Service

ENGINES: Mapping[str, Callable[[], Database]] = {"duckdb": lambda: DuckDB(None), "vast": vast_engine.database}
"""An empty database of each engine."""


LOOPBACK = Destinations.parse("127.0.0.0/8")
"""Where servers of the tests are."""

_WRITING = (
    "flows",
    "segments",
    "objects",
    "instances",
    "storage",
    "deletion_requests",
    "events",
    "webhooks",
    "accesses",
)
_READING = ("paging", "app", "tables", "analytics")

_ON_VAST: Mapping[str, int | None] = {
    "tests/tams_data/engines": None,
    "tests/test_benchmarks.py": None,
    **{f"tests/api/test_{name}.py": 1 for name in (*_WRITING, *_READING)},
}
"""Where tests run on VAST as well, and how many cases of each test; None: all. The rest, and property tests, do with
`--vast=all`: what the API makes of the rows is the same on both engines, and is tested on one."""


_LONGEST = (
    "tests/vast_emulator/test_sdk.py",
    "tests/dashboards/test_browser",
    "tests/api/test_schemathesis.py",
    "tests/api/test_several_processes.py",
    "tests/api/test_segments.py",
    "tests/api/test_flows.py",
    "tests/test_notebooks.py",
    "tests/api/test_server.py",
    "tests/api/test_deletion_requests.py",
    "tests/docs/test_blocks.py",
    "tests/api/test_mixed_load.py",
    "tests/api/access/test_tenants.py",
)
"""Files that take half a minute or more: they come first, so that those who share the tests end at the same time."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--vast", choices=("some", "all", "none"), default="some", help="which tests run on VAST as well")


_MADE_UP = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Ids that each process makes up anew are no part of the name of a test: two that share tests compare the names."""
    return _MADE_UP.sub("id", val) if isinstance(val, str) and _MADE_UP.search(val) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `--vast` says: on the emulator a query takes ten times as long as on DuckDB.

    The files that take long come first.
    """
    items.sort(key=lambda item: _place(item.nodeid))
    if (wanted := config.getoption("--vast")) == "all":
        return
    cases: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        leave = _is_on_vast(item) and (wanted == "none" or not _among_some(item, cases))
        (dropped if leave else kept).append(item)
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def _place(nodeid: str) -> int:
    return next((place for place, one in enumerate(_LONGEST) if nodeid.startswith(one)), len(_LONGEST))


def _is_on_vast(item: pytest.Item) -> bool:
    """Whether it has the engine as a parameter of one of its fixtures."""
    values = getattr(getattr(item, "callspec", None), "params", {}).values()
    return any(isinstance(value, str) and value == "vast" for value in values)  # some values refuse to be compared


def _among_some(item: pytest.Item, cases: Counter[str]) -> bool:
    name = item.nodeid.partition("[")[0]
    cases[name] += 1
    most = next((most for place, most in _ON_VAST.items() if name.startswith(place)), 0)
    is_property = hasattr(getattr(item, "obj", None), "hypothesis")
    return (most is None or cases[name] <= most) and not is_property


@pytest.fixture(scope="session", autouse=True)
def settings_of_the_tests() -> Iterator[None]:
    """Tests see the defaults, whatever is set where they run, and reach servers of this machine without a proxy.

    Where none is named, `requests` looks through the whole environment twice for each request.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("TAMS_", "VAST_")):
                patch.delenv(name)
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session", autouse=True)
def power_that_stays_on() -> Iterator[None]:
    """Files of the tests are not made safe from a loss of power, for which each would wait for the disk some times.

    What survives the end of a process is tested with the service as a process, which does sync.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 service, which the tests share; each has buckets of its own."""
    with s3.serve() as endpoint:
        yield endpoint


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The defaults, with a data folder of the test's own."""
    return settings_in(tmp_path)


def settings_in(folder: Path) -> Settings:
    """The defaults, with a data folder in `folder`."""
    return Settings(data_dir=folder / "data", _env_file=None)


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database, on each engine. Whoever opens a store on it closes both."""
    return ENGINES[request.param]()


@pytest.fixture
def store(database: Database, settings: Settings) -> Iterator[Store]:
    """An empty store, on each engine, whose media are in the test's data folder."""
    opened = Store(database, {one.backend.id: one for one in media.connect(settings)}, destinations=LOOPBACK)
    yield opened
    opened.close()


@pytest.fixture
def client(store: Store, settings: Settings) -> CheckedClient:
    """A client of the API over `store`; every answer it gets is checked."""
    return client_of(store, settings)


@pytest.fixture(scope="module", params=ENGINES)
def shared_client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedClient]:
    """A client of a store that the tests of a module share: for those that put it together once and then only read."""
    settings = settings_in(tmp_path_factory.mktemp("shared"))
    opened = Store(ENGINES[request.param](), {one.backend.id: one for one in media.connect(settings)})
    yield client_of(opened, settings)
    opened.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as a process, empty when the first test of a module asks for it."""
    with Service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A data folder with the demo in it, at its full size; nobody has it open. It is made once for all processes."""
    base = tmp_path_factory.getbasetemp()
    return demo_store.data_folder(base if worker_id == "master" else base.parent, tmp_path_factory.mktemp("demo-data"))


@pytest.fixture(scope="session")
def full_demo(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the demo in it, at its full size. Tests leave it as it is."""
    with demo_store.served(demo_data, tmp_path_factory.mktemp("full-demo")) as running:
        yield running


@pytest.fixture(scope="module")
def service_url(service: Service) -> str:
    """Where `service` answers."""
    return service.url
