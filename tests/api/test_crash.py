"""`kill -9` while clients write: what was acknowledged is there, what was not can be sent again, and all adds up."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.queries import segments as queries
from tests.api.builders import Json, video_flow
from tests.api.process import Service, wait_until
from tests.tams_data.builders import gaps_between, rows_of

FLOWS = 3
CLIENTS = 6
PER_ARRAY = 5
URLS = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]


@dataclass(eq=False)
class Writer:
    """A client that registers segments, one or several at a time, until the service is gone.

    All writers of a flow write next to each other: number n of them takes every n-th second.
    """

    url: str
    flow_id: str
    first_second: int
    acknowledged: list[Json] = field(default_factory=list)
    in_flight: list[Json] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Register segments until the service is gone."""
        second = self.first_second
        with httpx.Client(base_url=self.url, timeout=30) as client:
            for number in range(100_000):
                count = PER_ARRAY if number % 3 == 0 else 1
                seconds = [second + i * CLIENTS for i in range(count)]
                second += count * CLIENTS
                try:
                    self._register(client, seconds, allocated=number % 2 == 0)
                except httpx.TransportError:
                    return

    def _register(self, client: httpx.Client, seconds: list[int], *, allocated: bool) -> None:
        object_ids = [f"{self.flow_id}/{uuid4()}" for _ in seconds]
        if allocated:
            client.post(f"/flows/{self.flow_id}/storage", json={"object_ids": object_ids}).raise_for_status()
        segments = [
            {"object_id": one, "timerange": f"[{second}:0_{second + 1}:0)", **({} if allocated else {"get_urls": URLS})}
            for one, second in zip(object_ids, seconds, strict=True)
        ]
        self.in_flight = segments
        response = client.post(f"/flows/{self.flow_id}/segments", json=segments if len(segments) > 1 else segments[0])
        if response.status_code == 201:
            self.acknowledged.extend(segments)
        else:
            self.refused.append(response.text)
        self.in_flight = []


@dataclass
class Recording:
    """The flows that the writers write, and what must be in them."""

    service: Service
    flow_ids: list[str]
    acknowledged: dict[str, dict[str, str]]
    """By flow, the object ids of the segments by their time range."""

    @classmethod
    def begin(cls, service: Service) -> Recording:
        """Put the flows."""
        flows = [video_flow() for _ in range(FLOWS)]
        for flow in flows:
            assert httpx.put(f"{service.url}/flows/{flow['id']}", json=flow).status_code == 201
        ids = [flow["id"] for flow in flows]
        return cls(service, ids, {one: {} for one in ids})

    def storm(self, *, first_second: int, until: int) -> list[Writer]:
        """Have all clients write, and kill the service when `until` segments are acknowledged."""
        writers = [Writer(self.service.url, self.flow_ids[i % FLOWS], first_second + i) for i in range(CLIENTS)]
        threads = [threading.Thread(target=one.run, daemon=True) for one in writers]
        for thread in threads:
            thread.start()
        wait_until(
            lambda: sum(len(one.acknowledged) for one in writers) >= until or any(one.refused for one in writers),
            within_s=60,
            failing=lambda: f"too few writes are acknowledged:\n{self.service.logged()}",
        )
        self.service.kill()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert [text for one in writers for text in one.refused] == []
        return writers

    def take_over(self, writers: list[Writer]) -> None:
        """Expect what the writers were told is there."""
        for writer in writers:
            self.expect(writer.flow_id, writer.acknowledged)

    def expect(self, flow_id: str, segments: list[Json]) -> None:
        """Expect these segments from now on."""
        self.acknowledged[flow_id] |= {one["timerange"]: one["object_id"] for one in segments}

    def check(self, writers: list[Writer]) -> None:
        """All that was acknowledged is there, once; of the rest, whole requests of those in flight, or nothing."""
        for flow_id in self.flow_ids:
            listed = list(self.listed(flow_id))
            found = dict(listed)
            assert len(found) == len(listed), "a segment is there twice"
            expected = self.acknowledged[flow_id]
            assert {timerange: found.get(timerange) for timerange in expected} == expected
            unknown = found.keys() - expected.keys()
            for writer in writers:
                if writer.flow_id == flow_id and writer.in_flight:
                    request = {one["timerange"]: one["object_id"] for one in writer.in_flight}
                    there = request.keys() & unknown
                    assert there in (set(), request.keys()), "a request was written in part"
                    assert {timerange: found[timerange] for timerange in there} == {t: request[t] for t in there}
                    unknown -= there
            assert unknown == set()
            self.check_timeline(flow_id, [timerange for timerange, _ in listed])

    def check_timeline(self, flow_id: str, timeranges: list[str]) -> None:
        """In order, no two at once, and from first to last what the flow says."""
        seconds = [int(one[1:].split(":")[0]) for one in timeranges]
        assert seconds == sorted(set(seconds))
        flow = httpx.get(f"{self.service.url}/flows/{flow_id}?include_timerange=true").json()
        assert flow["timerange"] == f"[{seconds[0]}:0_{seconds[-1] + 1}:0)"

    def listed(self, flow_id: str) -> Iterator[tuple[str, str]]:
        """Time range and object id of every segment of a flow."""
        url: str | None = f"{self.service.url}/flows/{flow_id}/segments?limit=1000&accept_get_urls="
        while url is not None:
            response = httpx.get(url)
            yield from ((one["timerange"], one["object_id"]) for one in response.json())
            url = response.links.get("next", {}).get("url")

    def retry(self, writers: list[Writer]) -> None:
        """Send again what was not acknowledged, as its clients would."""
        for writer in writers:
            if writer.in_flight:
                path = f"{self.service.url}/flows/{writer.flow_id}/segments"
                body = writer.in_flight if len(writer.in_flight) > 1 else writer.in_flight[0]
                response = httpx.post(path, json=body)
                assert response.status_code == 201, response.text
                self.expect(writer.flow_id, writer.in_flight)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own, started."""
    with Service(tmp_path) as running:
        yield running


@pytest.mark.parametrize("rounds", [2, pytest.param(30, marks=pytest.mark.soak)])
def test_killed_service_keeps_every_write_that_it_acknowledged(service: Service, rounds: int) -> None:
    recording = Recording.begin(service)
    moments = random.Random(rounds)  # the same numbers of writes each time; what the kill meets differs
    for number in range(rounds):
        writers = recording.storm(first_second=number * 10**6, until=moments.randint(20, 250))
        recording.take_over(writers)
        service.start()
        recording.check(writers)
        recording.retry(writers)
        recording.check([])
    assert service.terminate(within_s=20) == 0
    check_tables(service.folder / "data" / "tams.duckdb", recording.acknowledged)


def check_tables(path: Path, acknowledged: dict[str, dict[str, str]]) -> None:
    """What no answer shows: totals, object keys and allocations agree with the segments."""
    database = DuckDB(path)
    try:
        timelines = {row["flow_id"]: row for row in rows(database, "flow_timelines")}
        for flow_id, segments in acknowledged.items():
            totals = database.read(queries.timeline, {"flow_id": flow_id}).to_pylist()[0]
            kept = timelines[flow_id]
            assert {name: kept[name] for name in totals} == totals
            assert kept["segment_count"] == len(segments)
        assert rows_of(database, schema.FLOW_GAPS) == gaps_between(rows(database, "segments"))
        objects = rows(database, "objects")
        keys = [row["key"] for row in objects]
        assert len(set(keys)) == len(keys)
        assert {row["object_key"] for row in rows(database, "segments")} == set(keys)
        ids = [row["id"] for row in objects]
        assert sorted(ids) == sorted(one for segments in acknowledged.values() for one in segments.values())
        allocations = rows(database, "storage_allocations")
        assert {row["object_id"] for row in allocations}.isdisjoint(ids)
        assert {row["object_key"] for row in allocations}.isdisjoint(keys)
    finally:
        database.close()


def rows(database: DuckDB, table: str) -> list[dict[str, Any]]:
    """All rows of a table of the schema."""
    assert table in schema.TABLES
    found: list[dict[str, Any]] = database.ibis().table(table).to_pyarrow().to_pylist()
    return found
