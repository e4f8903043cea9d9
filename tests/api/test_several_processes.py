"""Two services on one VAST Database, each a process: what both are asked for at once keeps the rules of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.builders import video_flow
from tests.api.process import Service
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator

ROUNDS = 10


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The URLs of two services on one database."""
    folder = tmp_path_factory.mktemp("pair")
    with Emulator() as emulator:
        emulator.create_bucket("tams")
        settings = {
            "TAMS_DATABASE_URL": "vast://tams/shared",
            "VAST_ENDPOINT": emulator.endpoint,
            "VAST_ACCESS_KEY": ACCESS_KEY,
            "VAST_SECRET_KEY": SECRET_KEY,
        }
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
