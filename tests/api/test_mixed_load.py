"""Everything at once, and then the end: kills, faults of VAST and races leave a store that breaks no rule."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tams_data import media
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.engines.vast import Vast
from tams_data.errors import DatabaseLocked
from tams_data.keeping.verify import verify, verify_media
from tams_data.settings import Settings
from tests.api.following import Follower
from tests.api.load import Client, check_held, make_library, run_all
from tests.api.process import Service, wait_until
from tests.api.rivals import race, report
from tests.vast_emulator.access import access_to, settings_of
from tests.vast_emulator.emulator import Emulator
from tests.vast_emulator.faults import Storm

CLIENTS = 6


def clients_of(url: str, count: int = CLIENTS) -> list[Client]:
    library = make_library(url)
    return [Client(url, seed, library) for seed in range(count)]


def total(clients: list[Client]) -> int:
    return sum(one.acknowledged for one in clients)


def check(database: Database, folder: Path, clients: list[Client]) -> None:
    """All that was acknowledged is there, and no rule is broken, by rows or by bytes."""
    check_held(database, clients)
    assert [one.text for one in verify(database)] == []
    stores = media.connect(Settings(data_dir=folder / "data", _env_file=None))
    assert [one.text for one in verify_media(database, {one.backend.id: one for one in stores})] == []


@contextmanager
def at_rest(service: Service) -> Iterator[Database]:
    """The database of a service that was ended; the lock of a process may outlive it for a moment."""
    path, found = service.folder / "data" / "tams.duckdb", []

    def is_free() -> bool:
        with suppress(DatabaseLocked):
            found.append(DuckDB(path, read_only=True))
        return bool(found)

    wait_until(is_free, within_s=20, failing=service.logged)
    try:
        yield found[0]
    finally:
        found[0].close()


@pytest.mark.parametrize(("rounds", "most"), [(2, 60), pytest.param(100, 250, marks=pytest.mark.soak)])
def test_a_service_that_is_killed_again_and_again_keeps_its_rules_and_its_word(
    tmp_path: Path, rounds: int, most: int
) -> None:
    moments = random.Random(rounds)
    with Service(tmp_path) as service:
        clients = clients_of(service.url)
        for _ in range(rounds):
            wanted = total(clients) + moments.randint(20, most)
            end = run_all(clients, until=lambda: total(clients) >= wanted)  # noqa: B023
            service.kill()
            end()
            with at_rest(service) as database:
                check(database, tmp_path, clients)
            service.start(within_s=30)
        sys.stdout.write(f"\n{rounds} kills, {total(clients)} writes acknowledged\n")


# --- VAST ------------------------------------------------------------------------------------------------------------

ONE_IN = 100
"""Of so many requests to the cluster one is hit by a fault; a command of the store takes some twenty."""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(idle_limit=5) as running:
        running.create_bucket("tams")
        yield running


@pytest.mark.parametrize(
    ("rounds", "writes"), [(1, 10), pytest.param(30, 100, marks=pytest.mark.soak)], ids=["once", "soak"]
)
def test_a_cluster_that_fails_now_and_then_keeps_its_rules_and_its_word(
    tmp_path: Path, emulator: Emulator, rounds: int, writes: int
) -> None:
    """Cut streams, 503, conflicts, lost answers to commits; and in between the service is killed."""
    with Service(tmp_path, **access_to(emulator)) as service, ExitStack() as ending:
        clients = clients_of(service.url, 4)
        database = Vast(settings_of(emulator))
        ending.callback(database.close)
        met: Counter[str] = Counter()
        for number in range(rounds):
            wanted = total(clients) + writes
            storm = Storm(ONE_IN, seed=number)
            emulator.faults.rage(storm)
            end = run_all(clients, until=lambda: total(clients) >= wanted)  # noqa: B023
            if number % 2:
                service.kill()
            end()
            emulator.faults.clear()
            if number % 2:
                service.start(within_s=60)
            check(database, tmp_path, clients)
            met.update(storm.met)
        sys.stdout.write(f"\n{rounds} storms, {total(clients)} writes acknowledged, faults met: {dict(met)}\n")


# --- races -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.soak)])
def test_sixteen_clients_at_the_same_few_flows_break_no_rule_and_all_they_do_is_told(
    tmp_path: Path, seconds: int
) -> None:
    with Service(tmp_path) as service, Follower(service.url) as follower:
        rivals = race(service.url, seconds=seconds)
        follower.check(service.url)
        report(rivals, follower)
        assert service.terminate(within_s=15) == 0
        with at_rest(service) as database:  # rivals register objects whose bytes nobody sends
            assert [one.text for one in verify(database)] == []
