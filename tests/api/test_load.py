"""Many clients at once: none gets an error, none waits much longer than the others, who writes neither, and memory
does not grow."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from statistics import median, quantiles

import httpx
import pytest

from tests.api.builders import Json, video_flow
from tests.api.process import Service

WINDOW = "/segments?timerange=[0:0_10:0)&accept_get_urls="
SEGMENTS = 200


@dataclass
class Answers:
    """What clients got: how long each answer took, ns, those of writes once more, and what was no success."""

    took_ns: list[int] = field(default_factory=list)
    writes_took_ns: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def p99_over_median(self) -> float:
        return quantiles(self.took_ns, n=100)[98] / median(self.took_ns)

    def writes_over_median(self) -> float:
        return median(self.writes_took_ns) / median(self.took_ns)


class Client:
    """A connection that is kept, and asks in turn for what clients ask for most, with a write in twenty requests.

    Each begins elsewhere in the turn, for clients do not all write at once.
    """

    def __init__(self, port: int, flow: Json, number: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._flow, self._number = flow, number

    def run(self, until_ns: int, into: Answers) -> None:
        try:
            for i, (method, path, body) in enumerate(islice(self._requests(), self._number % 20, None)):
                if time.monotonic_ns() > until_ns:
                    return
                self._ask(method, path, body, into, timed=i > 0)  # the first one pays for the connection
        finally:
            self._connection.close()

    def _ask(self, method: str, path: str, body: Json | None, into: Answers, *, timed: bool) -> None:
        began = time.perf_counter_ns()
        self._connection.request(method, path, body=None if body is None else json.dumps(body))
        response = self._connection.getresponse()
        content = response.read()
        if timed:
            took_ns = time.perf_counter_ns() - began
            into.took_ns.append(took_ns)
            if method != "GET":
                into.writes_took_ns.append(took_ns)
        if response.status not in (200, 201, 204):
            into.errors.append(f"{method} {path}: {response.status} {content[:200]!r}")

    def _requests(self) -> Iterator[tuple[str, str, Json | None]]:
        flow_path = f"/flows/{self._flow['id']}"
        while True:
            for _ in range(9):
                yield "GET", flow_path + WINDOW, None
                yield "GET", flow_path, None
            yield "GET", "/flows?limit=10", None
            yield "PUT", f"{flow_path}/tags/of-{self._number}", "x"  # type: ignore[misc]  # JSON, and no object


def filled(service: Service) -> Json:
    """A flow of some segments."""
    flow = video_flow()
    httpx.put(f"{service.url}/flows/{flow['id']}", json=flow).raise_for_status()
    urls = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]
    segments = [
        {"object_id": f"o{second}", "timerange": f"[{second}:0_{second + 1}:0)", "get_urls": urls}
        for second in range(SEGMENTS)
    ]
    httpx.post(f"{service.url}/flows/{flow['id']}/segments", json=segments).raise_for_status()
    return flow


def load(service: Service, flow: Json, *, connections: int, seconds: float) -> Answers:
    """What so many clients get within some seconds."""
    answers, until_ns = Answers(), time.monotonic_ns() + int(seconds * 1e9)
    with ThreadPoolExecutor(connections) as threads:
        clients = [Client(service.port, flow, number) for number in range(connections)]
        for one in [threads.submit(client.run, until_ns, answers) for client in clients]:
            one.result()
    return answers


def report(answers: Answers, seconds: float, memory: list[float]) -> str:
    took_ms = [one / 1e6 for one in answers.took_ns]
    return (
        f"{len(took_ms) / seconds:.0f} requests/s, median {median(took_ms):.1f} ms,"
        f" of writes {median(answers.writes_took_ns) / 1e6:.1f} ms,"
        f" p99 {quantiles(took_ms, n=100)[98]:.1f} ms, longest {max(took_ms):.0f} ms,"
        f" memory {', '.join(f'{one:.0f}' for one in memory)} MiB"
    )


@dataclass(frozen=True)
class Most:
    """What is borne of a load, as ratios."""

    growth: float
    """The memory of the second half of the time, over that of the first."""
    writes: float
    """How long writes take, over all requests: medians."""
    p99: float = 20
    """The slowest hundredth of requests, over their median."""


@pytest.mark.parametrize(
    ("connections", "seconds", "most"),
    [
        # It may end before free memory is given back, and has few writes.
        pytest.param(20, 3, Most(growth=1.3, writes=10), id="some, for a moment"),
        pytest.param(200, 60, Most(growth=1.05, writes=3), id="200, for a minute", marks=pytest.mark.soak),
    ],
)
def test_load_is_borne(
    service: Service, capsys: pytest.CaptureFixture[str], connections: int, seconds: float, most: Most
) -> None:
    flow = filled(service)
    load(service, flow, connections=connections, seconds=seconds / 3)  # threads and caches are there from then on
    with Watched(service, every_s=seconds / 20) as memory:
        answers = load(service, flow, connections=connections, seconds=seconds)
    with capsys.disabled():
        sys.stdout.write(f"\n{connections} connections: {report(answers, seconds, memory.found_mib)}\n")
    assert answers.errors == []
    assert answers.p99_over_median() <= most.p99
    assert answers.writes_over_median() <= most.writes
    assert memory.growth() <= most.growth


class Watched:
    """A service whose memory is looked at now and then. A context manager."""

    def __init__(self, service: Service, *, every_s: float) -> None:
        self._service, self._every_s, self._end = service, every_s, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.found_mib: list[float] = []

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(self._every_s):
            self.found_mib.append(self._service.memory_mib())

    def growth(self) -> float:
        """The memory of the second half of the time over that of the first: medians, for it goes up and down."""
        middle = len(self.found_mib) // 2
        return median(self.found_mib[middle:]) / median(self.found_mib[:middle])
