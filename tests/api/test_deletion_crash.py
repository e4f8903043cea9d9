"""`kill -9` in the middle of a long deletion: it goes on where it stood, and what it let go is gone in the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tams_data.engines.duckdb import DuckDB
from tams_data.errors import DatabaseLocked
from tams_data.queries import segments as queries
from tests.api.builders import Json, video_flow
from tests.api.process import Service, wait_until
from tests.api.test_crash import rows

AT_ONCE = 10
SECONDS = 400
DONE = SECONDS + 1
UPLOADED = 40


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that deletes few segments at once, started."""
    with Service(tmp_path, TAMS_DELETE_AT_ONCE=str(AT_ONCE)) as running:
        yield running


def segment(second: int, timerange: str | None = None) -> Json:
    return {"object_id": f"o{second}", "timerange": timerange or f"[{second}:0_{second + 1}:0)"}


def record(service: Service) -> tuple[Json, Json]:
    """Two flows: the first of many objects, some of which have bytes; the second uses every hundredth as well."""
    flow, other = video_flow(), video_flow()
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for one in (flow, other):
            client.put(f"/flows/{one['id']}", json=one).raise_for_status()
        ids = [f"o{second}" for second in range(SECONDS)]
        storage = client.post(f"/flows/{flow['id']}/storage", json={"object_ids": ids}).json()
        for one in storage["media_objects"][:: SECONDS // UPLOADED]:
            put = one["put_url"]
            client.put(put["url"], content=b"media", headers={"Content-Type": put["content-type"]}).raise_for_status()
        client.post(f"/flows/{flow['id']}/segments", json=list(map(segment, range(SECONDS)))).raise_for_status()
        shared = [segment(second) for second in range(0, SECONDS, 100)]
        client.post(f"/flows/{other['id']}/segments", json=shared).raise_for_status()
    return flow, other


def remaining(url: str) -> int:
    """The second at which what remains of a request starts; DONE when nothing does."""
    request = httpx.get(url, timeout=10).json()
    assert request["status"] != "error", request
    found = re.match(r"\[(\d+):", request["timerange_remaining"])
    return DONE if request["status"] == "done" else int(found[1]) if found else 0


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_killed_deletion_goes_on_and_leaves_nothing(service: Service, kills: int) -> None:
    flow, other = record(service)
    response = httpx.delete(f"{service.url}/flows/{flow['id']}", timeout=30)
    assert response.status_code == 202, response.text
    url = response.headers["Location"]
    for kill in range(kills):
        moved = SECONDS * (kill + 1) // (2 * kills)
        wait_until(lambda: remaining(url) >= moved, within_s=60, failing=service.logged)  # noqa: B023
        service.kill()
        check_tables(service, flow["id"])
        service.start(within_s=20)
    wait_until(lambda: remaining(url) == DONE, within_s=60, failing=service.logged)
    assert httpx.get(f"{service.url}/flows/{flow['id']}").status_code == 404
    left = httpx.get(f"{service.url}/flows/{other['id']}/segments").json()
    assert [one["object_id"] for one in left] == [f"o{second}" for second in range(0, SECONDS, 100)]
    assert httpx.get(left[0]["get_urls"][0]["url"]).content == b"media"
    files = service.folder / "data" / "media"
    wait_until(lambda: len(list(files.glob("??/??/*"))) == len(left), within_s=20, failing=service.logged)
    assert service.terminate(within_s=20) == 0
    check_tables(service, other["id"])
    database = opened(service)
    try:
        assert rows(database, "discarded_bytes") == []
        assert {row["id"] for row in rows(database, "objects")} == {one["object_id"] for one in left}
        assert {row["flow_id"] for row in rows(database, "segments")} == {other["id"]}
    finally:
        database.close()


def opened(service: Service) -> DuckDB:
    """The database of a service that has ended; the lock of a process outlives it for a moment."""
    found: list[DuckDB] = []

    def is_free() -> bool:
        with suppress(DatabaseLocked):
            found.append(DuckDB(service.folder / "data" / "tams.duckdb"))
        return bool(found)

    wait_until(is_free, within_s=20, failing=service.logged)
    return found[0]


def check_tables(service: Service, flow_id: str) -> None:
    """Whole batches are gone: the flow's totals are those of its segments, and every object is one that is used."""
    database = opened(service)
    try:
        totals = database.read(queries.timeline, {"flow_id": flow_id}).to_pylist()[0]
        for row in rows(database, "flow_timelines"):
            if row["flow_id"] == flow_id:
                assert {name: row[name] for name in totals} == totals
                assert row["segment_count"] % AT_ONCE in (0, SECONDS // 100)
        used = {row["object_key"] for row in rows(database, "segments")}
        assert {row["key"] for row in rows(database, "objects")} == used
    finally:
        database.close()
