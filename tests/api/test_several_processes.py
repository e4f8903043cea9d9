"""Two services on one VAST Database, each a process: what both are asked for at once keeps the rules of the store."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from tams_data.engines.base import Database
from tams_data.engines.vast import Vast
from tams_data.keeping.verify import verify
from tests.api.builders import video_flow
from tests.api.following import Follower
from tests.api.process import Service
from tests.api.rivals import race, report
from tests.vast_emulator.access import access_to, settings_of
from tests.vast_emulator.emulator import Emulator

ROUNDS = 10


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """The cluster of the two services."""
    with Emulator() as running:
        running.create_bucket("tams")
        yield running


@pytest.fixture(scope="module")
def pair(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The URLs of two services on one database."""
    folder, settings = tmp_path_factory.mktemp("pair"), access_to(emulator)
    with Service(folder / "one", **settings) as one, Service(folder / "other", **settings) as other:
        yield [one.url, other.url]


def at_once(*requests: tuple[str, str, object]) -> list[httpx.Response]:
    """The answers to requests (method, URL, JSON body) that are sent at the same time."""
    with ThreadPoolExecutor(len(requests)) as threads:
        sent = [threads.submit(httpx.request, method, url, json=body, timeout=60) for method, url, body in requests]
        return [one.result() for one in sent]


def test_of_two_overlapping_segments_one_is_refused(pair: list[str]) -> None:
    flow = video_flow()
    assert httpx.put(f"{pair[0]}/flows/{flow['id']}", json=flow, timeout=60).status_code == 201
    for i in range(ROUNDS):
        urls = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]
        posts = [
            ("POST", f"{url}/flows/{flow['id']}/segments", {"object_id": f"{n}-{i}", "timerange": at, "get_urls": urls})
            for n, (url, at) in enumerate(zip(pair, (f"[{i}:0_{i + 1}:0)", f"[{i}:5_{i + 1}:0)"), strict=True))
        ]
        answers = at_once(*posts)
        assert Counter(one.status_code for one in answers) == {201: 1, 400: 1}, [one.text for one in answers]
    for url in pair:
        segments = httpx.get(f"{url}/flows/{flow['id']}/segments?accept_get_urls=", timeout=60).json()
        assert len(segments) == ROUNDS


def test_a_flow_is_created_once(pair: list[str]) -> None:
    for _ in range(ROUNDS):
        flow = video_flow()
        answers = at_once(*(("PUT", f"{url}/flows/{flow['id']}", flow) for url in pair))
        assert sorted(one.status_code for one in answers) == [201, 204]


def test_an_object_id_is_allocated_once(pair: list[str]) -> None:
    flow = video_flow()
    assert httpx.put(f"{pair[0]}/flows/{flow['id']}", json=flow, timeout=60).status_code == 201
    for i in range(ROUNDS):
        wanted = {"object_ids": [f"{flow['id']}-{i}"]}
        answers = at_once(*(("POST", f"{url}/flows/{flow['id']}/storage", wanted) for url in pair))
        assert sorted(one.status_code for one in answers) == [201, 400]


@pytest.mark.parametrize("seconds", [1, pytest.param(60, marks=pytest.mark.soak)])
def test_no_rule_is_broken_at_any_time_and_all_that_either_does_is_told(
    pair: list[str], emulator: Emulator, seconds: int
) -> None:
    with (
        Follower(pair[0]) as follower,
        closing(Vast(settings_of(emulator))) as database,
        Verifier(database) as verifier,
    ):
        rivals = race(*pair, count=6, seconds=seconds)
        verifier.check()
        follower.check(*pair)
        report(rivals, follower)
        assert [one.text for one in verify(database)] == []


class Verifier:
    """Checks a store again and again while it is written to. A context manager."""

    def __init__(self, database: Database) -> None:
        self._database, self._stop = database, threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Verifier:
        self._found = self._pool.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()

    def _run(self) -> tuple[int, list[str]]:
        """How often it was checked, and what was found, until there is something."""
        times, found = 0, []
        while not found and not (times and self._stop.is_set()):
            found = [one.text for one in verify(self._database)]
            times += 1
        return times, found

    def check(self) -> None:
        """Nothing was ever wrong."""
        self._stop.set()
        times, found = self._found.result(120)
        sys.stdout.write(f"\nchecked {times} times meanwhile")
        assert found == []
