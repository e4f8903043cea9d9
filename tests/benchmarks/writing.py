"""How fast segments are registered, over HTTP, by 16 clients at once."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.dataset import flow_id
from tests.benchmarks.report import Figure, ratio_at_least
from tests.benchmarks.service import Connection, service

CLIENTS = 16
PEER_SINGLE, PEER_SEGMENTS = 260, 4_400
"""What a TypeScript peer gave on a machine of this size: single posts, and segments in arrays, a second."""


def rates(*, seconds: int = 8) -> Iterator[Figure]:
    """Single posts with group commit and without, and arrays of 100."""
    alone, _ = _rate(each=1, seconds=seconds, TAMS_GROUP_COMMIT="1")
    grouped, _ = _rate(each=1, seconds=seconds)
    yield ratio_at_least("single posts, 16 clients", "posts/s", grouped, "group commit off", alone, least=5)
    yield Figure(
        "single posts, against a peer",
        grouped,
        "posts/s",
        "TypeScript peer",
        PEER_SINGLE,
        "more",
        grouped > PEER_SINGLE,
    )
    _, segments = _rate(each=100, seconds=seconds)
    wanted = f"at least 20,000; {segments / PEER_SEGMENTS:.1f} x the peer"
    yield Figure(
        "arrays of 100, 16 clients",
        segments,
        "segments/s",
        "TypeScript peer",
        PEER_SEGMENTS,
        wanted,
        segments >= 20_000,
    )


def _rate(*, each: int, seconds: int, **settings: str) -> tuple[float, float]:
    """Posts and segments a second, of `each` segments a post, on a new store."""
    with tempfile.TemporaryDirectory() as folder, service(Path(folder) / "bench.duckdb", **settings) as running:
        clients = [_Client(running.port, number, each, seconds) for number in range(CLIENTS)]
        for client in clients:
            client.prepare()
        began = time.monotonic()
        run_all(clients, began + seconds)
        posts = sum(client.posts for client in clients) / (time.monotonic() - began)
        return posts, posts * each


def run_all(clients: Sequence[_Client], until: float) -> None:
    """Have all of them post at once; what stops one of them stops the benchmark."""
    with ThreadPoolExecutor(len(clients)) as threads:
        for run in [threads.submit(client.run, until) for client in clients]:
            run.result()


class _Client:
    """Posts to one flow, as a recorder does: the next segment after the one before."""

    def __init__(self, port: int, number: int, each: int, seconds: int) -> None:
        self._connection, self._flow, self._each = Connection(port), flow_id(number), each
        # More than any store has taken in the time; nothing of making them is measured.
        self._count = seconds * (120 if each == 1 else 14)
        self._bodies: list[bytes] = []
        self.posts = 0

    def prepare(self) -> None:
        """Create the flow, have its objects allocated, and write the bodies."""
        self._connection.json("PUT", f"/flows/{self._flow}", _flow(self._flow))
        ids = [one for _ in range(-(-self._count * self._each // 1000)) for one in self._allocate()]
        for first in range(0, self._count * self._each, self._each):
            segments = [_segment(ids[i], i) for i in range(first, first + self._each)]
            self._bodies.append(json.dumps(segments[0] if self._each == 1 else segments).encode())

    def _allocate(self) -> Sequence[str]:
        answer = self._connection.json("POST", f"/flows/{self._flow}/storage", {"limit": 1000, "presigned": False})
        return [one["object_id"] for one in answer["media_objects"]]

    def run(self, until: float) -> None:
        self._connection.reopen()  # the service may have closed it while others were preparing
        for body in self._bodies:
            if time.monotonic() >= until:
                return
            status, answer = self._connection.request("POST", f"/flows/{self._flow}/segments", body)
            assert status == 201, (status, answer[:300])
            self.posts += 1


def _segment(object_id: str, number: int) -> dict[str, str]:
    return {"object_id": object_id, "timerange": f"[{number * 2}:0_{number * 2 + 2}:0)"}


def _flow(identifier: str) -> dict[str, object]:
    return {
        "id": identifier,
        "source_id": identifier,
        "format": "urn:x-nmos:format:video",
        "codec": "video/h264",
        "container": "video/mp2t",
        "essence_parameters": {"frame_width": 1920, "frame_height": 1080, "frame_rate": {"numerator": 25}},
    }
