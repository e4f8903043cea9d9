"""Faults of what the service stands on: told in one line at its start, answered 503 in flight, and over when they are.

All of it against real processes, on small disks that tests fill and take away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tams_data.engines.duckdb import DuckDB
from tams_data.keeping.verify import verify
from tests.api.builders import Json, video_flow
from tests.api.process import Service, wait_until
from tests.disks import SmallDisk, small_disk

URLS = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]


SIZES = [pytest.param(8, id="log"), pytest.param(24, id="checkpoint", marks=pytest.mark.soak)]
"""Megabytes: the disk is full when the log cannot be written, or when its 16 MB are to be written into the file."""


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "service" / "data", getattr(request, "param", 8)) as small:
        yield small


@pytest.fixture
def service(disk: SmallDisk, tmp_path: Path) -> Iterator[Service]:
    """A service whose data are on a small disk, not started."""
    one = Service(tmp_path / "service")
    yield one
    one.kill()


def told(service: Service) -> str:
    """The one line that a service says when it cannot start."""
    service.launch()
    assert service.wait(within_s=20) != 0
    lines = [line for line in service.logged().splitlines() if line.startswith("tams: ")]
    assert "Traceback" not in service.logged()
    assert len(lines) == 1, service.logged()
    return lines[0]


# --- at the start ----------------------------------------------------------------------------------------------------


def test_a_disk_that_cannot_be_written_is_told(service: Service, disk: SmallDisk) -> None:
    service.start()
    assert service.terminate(within_s=20) == 0
    disk.set_read_only(True)
    assert "Read-only file system" in told(service)
    disk.set_read_only(False)
    service.start()


def test_a_full_disk_is_told(service: Service, disk: SmallDisk) -> None:
    filler = disk.fill()
    assert "No space left on device" in told(service)
    filler.unlink()
    service.start()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    service = Service(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tams.duckdb").write_bytes(b"not a database" * 1000)
    assert "not a valid DuckDB database file" in told(service)


# --- in flight -------------------------------------------------------------------------------------------------------


def is_unavailable(response: httpx.Response) -> bool:
    """Whether an answer says to come again later; it is a problem, which tells no stack."""
    if response.status_code != 503:
        return False
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Stack Trace" not in response.text
    return True


class Recorder:
    """A client that registers second after second of a flow, with ids that fill a log fast."""

    def __init__(self, client: httpx.Client) -> None:
        self.flow, self.client, self.second = video_flow(), client, 0
        self.acknowledged: list[str] = []
        assert client.put(f"/flows/{self.flow['id']}", json=self.flow).status_code == 201

    def segments(self) -> list[Json]:
        seconds = range(self.second, self.second + 1000)
        self.second += 1000
        name = f"{self.flow['id']}-{'x' * 200}"
        return [
            {"object_id": f"{name}-{one}", "timerange": f"[{one}:0_{one + 1}:0)", "get_urls": URLS} for one in seconds
        ]

    def post(self) -> httpx.Response:
        segments = self.segments()
        response = self.client.post(f"/flows/{self.flow['id']}/segments", json=segments)
        if response.status_code == 201:
            self.acknowledged += [one["object_id"] for one in segments]
        return response

    def post_until_unavailable(self) -> None:
        for _ in range(200):
            response = self.post()
            if response.status_code != 201:
                assert is_unavailable(response), response.text
                return
        pytest.fail("the disk does not get full")

    def listed(self) -> int:
        flow = self.client.get(f"/flows/{self.flow['id']}?include_timerange=true")
        assert flow.status_code == 200, flow.text
        return self.client.get(f"/flows/{self.flow['id']}/segments?limit=1000").status_code


def upload(client: httpx.Client, flow_id: str) -> httpx.Response:
    """Have an object allocated, and send a megabyte for it."""
    storage = client.post(f"/flows/{flow_id}/storage", json={})
    if storage.status_code != 201:
        return storage
    put = storage.json()["media_objects"][0]["put_url"]
    return client.put(put["url"], content=bytes(2**20), headers={"Content-Type": put["content-type"]})


@pytest.mark.parametrize("disk", SIZES, indirect=True)
def test_a_disk_that_fills_up_stops_writes_only_and_they_go_on_when_there_is_room(
    service: Service, disk: SmallDisk
) -> None:
    service.start()
    with httpx.Client(base_url=service.url, timeout=30) as client:
        recorder = Recorder(client)
        assert recorder.post().status_code == 201
        recorder.post_until_unavailable()
        for _ in range(3):
            assert is_unavailable(recorder.post())
            assert recorder.listed() == 200
        assert is_unavailable(upload(client, recorder.flow["id"]))
        disk.set_size(128)
        wait_until(lambda: recorder.post().status_code == 201, within_s=20, failing=service.logged)
        assert upload(client, recorder.flow["id"]).status_code == 200
        assert client.get("/health").status_code == 200
    assert service.terminate(within_s=20) == 0
    check(disk.folder / "tams.duckdb", recorder.acknowledged)


@pytest.mark.soak
@pytest.mark.parametrize("disk", [8, 24], indirect=True)
def test_a_service_that_is_ended_while_its_disk_is_full_loses_nothing(service: Service, disk: SmallDisk) -> None:
    service.start()
    with httpx.Client(base_url=service.url, timeout=30) as client:
        recorder = Recorder(client)
        recorder.post_until_unavailable()
    service.terminate(within_s=20)
    disk.set_size(128)
    service.start()
    with httpx.Client(base_url=service.url, timeout=30) as client:
        recorder.client = client
        assert recorder.post().status_code == 201
    assert service.terminate(within_s=20) == 0
    check(disk.folder / "tams.duckdb", recorder.acknowledged)


def check(path: Path, acknowledged: list[str]) -> None:
    """All that was acknowledged is there, and nothing is wrong with the store."""
    database = DuckDB(path)
    try:
        ids = set(database.ibis().table("objects").select("id").to_pyarrow()["id"].to_pylist())
        assert set(acknowledged) <= ids
        assert list(verify(database)) == []
    finally:
        database.close()


def test_media_that_are_away_are_neither_lost_nor_deleted(tmp_path: Path) -> None:
    with Service(tmp_path) as service, httpx.Client(base_url=service.url, timeout=30) as client:
        media, away = tmp_path / "data" / "media", tmp_path / "away"
        flow = video_flow()
        client.put(f"/flows/{flow['id']}", json=flow).raise_for_status()
        storage = client.post(f"/flows/{flow['id']}/storage", json={"object_ids": ["one"]}).json()
        put = storage["media_objects"][0]["put_url"]
        client.put(put["url"], content=b"media", headers={"Content-Type": put["content-type"]}).raise_for_status()
        posted = client.post(f"/flows/{flow['id']}/segments", json={"object_id": "one", "timerange": "[0:0_1:0)"})
        assert posted.status_code == 201
        url = client.get(f"/flows/{flow['id']}/segments").json()[0]["get_urls"][0]["url"]
        media.rename(away)
        assert is_unavailable(client.get(url))
        assert is_unavailable(upload(client, flow["id"]))
        assert is_unavailable(client.get("/health"))
        assert client.get(f"/flows/{flow['id']}/segments").status_code == 200
        assert client.delete(f"/flows/{flow['id']}/segments?timerange=_").status_code == 204
        (file,) = away.glob("??/??/*")
        away.rename(media)
        file = media / file.relative_to(away)
        wait_until(lambda: not file.exists(), within_s=40, failing=service.logged)
        assert upload(client, flow["id"]).status_code == 200
        # what was found of a folder is held for some seconds
        wait_until(lambda: client.get("/health").status_code == 200, within_s=40, failing=service.logged)
