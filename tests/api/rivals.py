"""Clients that do anything to the same few flows at once."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from urllib.parse import quote

import httpx

from tests.api.builders import multi_flow, video_flow
from tests.api.following import Follower
from tests.api.load import URLS, make_library, timerange
from tests.api.process import wait_until


class Rival:
    """Does anything to the same few flows as all others, and minds no refusal."""

    def __init__(self, url: str, seed: int, flows: list[dict], library: list[str]) -> None:
        self.url, self.choices, self.flows, self.library = url, random.Random(seed), flows, library
        self.statuses: dict[int, int] = {}
        self.failures: list[str] = []
        self.busy: list[str] = []

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
            # Several processes may be in each other's way again and again: the client is to come again then.
            told = self.busy if "transaction-conflict" in response.text and "Retry-After" in response.headers else None
            (self.failures if told is None else told).append(
                f"{response.request.method} {response.request.url}: {response.text[:300]}"
            )


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
    failures = [text for one in rivals for text in one.failures]
    assert not failures, "\n".join(failures[:10])
    assert len(urls) > 1 or not any(one.busy for one in rivals), "a sole writer is never in its own way"
    return rivals


def report(rivals: list[Rival], follower: Follower) -> None:
    """Say how much was done, to who reads the output of tests that pass."""
    statuses: Counter[int] = Counter()
    for one in rivals:
        statuses.update(one.statuses)
    sys.stdout.write(f"\n{len(rivals)} clients: answers {dict(sorted(statuses.items()))}, {follower.count} events\n")
    sys.stdout.writelines(f"{text}\n" for one in rivals for text in one.busy)
