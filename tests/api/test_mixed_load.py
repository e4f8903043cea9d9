"""Everything at once, and then the end: kills, faults of VAST and races leave a store that breaks no rule."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tams_data import media
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.engines.vast import Vast
from tams_data.errors import DatabaseLocked
from tams_data.keeping.verify import verify, verify_media
from tams_data.settings import Settings, VastSettings
from tests.api.builders import multi_flow, video_flow
from tests.api.following import Follower
from tests.api.load import URLS, Client, check_held, make_library, run_all, timerange
from tests.api.process import Service, wait_until
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator
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

    wait_until(is_free, within_s=10, failing=service.logged)
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
    access = {"VAST_ENDPOINT": emulator.endpoint, "VAST_ACCESS_KEY": ACCESS_KEY, "VAST_SECRET_KEY": SECRET_KEY}
    settings = VastSettings(
        endpoint=emulator.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY, bucket="tams", _env_file=None
    )
    with Service(tmp_path, TAMS_DATABASE_URL="vast://tams/tams", **access) as service, ExitStack() as closing:
        clients = clients_of(service.url, 4)
        database = Vast(settings)
        closing.callback(database.close)
        for number in range(rounds):
            wanted = total(clients) + writes
            emulator.faults.rage(Storm(ONE_IN, seed=number))
            end = run_all(clients, until=lambda: total(clients) >= wanted)  # noqa: B023
            if number % 2:
                service.kill()
            end()
            emulator.faults.clear()
            if number % 2:
                service.start(within_s=60)
            check(database, tmp_path, clients)


# --- races -----------------------------------------------------------------------------------------------------------


class Rival:
    """Does anything to the same few flows as all others, and minds no refusal."""

    def __init__(self, url: str, seed: int, flows: list[dict], library: list[str]) -> None:
        self.url, self.choices, self.flows, self.library = url, random.Random(seed), flows, library
        self.statuses: dict[int, int] = {}
        self.failures: list[str] = []

    def run(self, stop: threading.Event) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not stop.is_set():
                self._step(client)

    def _step(self, client: httpx.Client) -> None:
        choices = self.choices
        flow = choices.choice(self.flows)
        path = f"/flows/{flow['id']}"
        second, object_id = choices.randint(0, 40), f"{flow['id']}/{choices.randint(0, 60)}"
        segment = {"object_id": object_id, "timerange": timerange(second, choices.randint(1, 3)), "get_urls": URLS}
        reused = {"object_id": choices.choice(self.library), "timerange": timerange(second), "ts_offset": f"{second}:0"}
        requests = [
            lambda: client.post(f"{path}/segments", json=segment),
            lambda: client.post(f"{path}/segments", json=[segment, reused]),
            lambda: client.post(f"{path}/segments", json=reused),
            lambda: client.delete(f"{path}/segments", params={"timerange": timerange(second, choices.randint(1, 20))}),
            lambda: client.post(f"{path}/storage", json={"object_ids": [f"{object_id}/allocated"]}),
            lambda: client.post(f"{path}/segments", json={**reused, "object_id": f"{object_id}/allocated"}),
            lambda: client.put(path, json={**flow, "label": str(second)}),
            lambda: client.put(f"{path}/label", json=str(second)),
            lambda: client.delete(path) if second < 5 else client.get(path),
            lambda: client.post(
                f"/objects/{quote(object_id, safe='')}/instances",
                json={"url": "https://b.example/b", "label": str(second % 3)},
            ),
            lambda: client.put("/flows/" + self.flows[0]["id"] + "/read_only", json=second == 0),
        ]
        response = choices.choice(requests)()
        self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
        if response.status_code >= 500:
            self.failures.append(f"{response.request.method} {response.request.url}: {response.text[:300]}")


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


def race(*urls: str, count: int = 16, seconds: float) -> list[Rival]:
    """Rivals who have run for some seconds, each at the next of the services."""
    members = [video_flow() for _ in range(3)]
    collecting = multi_flow(flow_collection=[{"id": one["id"], "role": "video"} for one in members[1:]])
    for one in (*members, collecting):
        assert httpx.put(f"{urls[0]}/flows/{one['id']}", json=one, timeout=60).status_code == 201
    library = [one for one in make_library(urls[0], 1) for _ in range(2)]
    rivals = [Rival(urls[seed % len(urls)], seed, [*members, collecting], library) for seed in range(count)]
    stop = threading.Event()
    threads = [threading.Thread(target=one.run, args=(stop,), daemon=True) for one in rivals]
    for thread in threads:
        thread.start()
    until_ns = time.monotonic_ns() + int(seconds * 1e9)
    wait_until(
        lambda: time.monotonic_ns() > until_ns and sum(one.statuses.get(201, 0) for one in rivals) > count,
        within_s=seconds + 60,
        failing=lambda: f"too little is written: {[one.statuses for one in rivals]}",
    )
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert [text for one in rivals for text in one.failures] == []
    return rivals


def report(rivals: list[Rival], follower: Follower) -> None:
    """Say how much was done, to who reads the output of tests that pass."""
    statuses: Counter[int] = Counter()
    for one in rivals:
        statuses.update(one.statuses)
    sys.stdout.write(f"\n{len(rivals)} clients: answers {dict(sorted(statuses.items()))}, {follower.count} events\n")
