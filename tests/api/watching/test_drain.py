"""A service that is told to end: requests under way end as they would have, new ones are told to come again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.process import Service, wait_until
from tests.api.watching.upload import Upload

SLOW = {"TAMS_DRAIN_TIMEOUT": "60"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own, not started yet."""
    made = Service(tmp_path, **SLOW)
    yield made
    made.kill()


def tell_main(service: Service) -> None:
    service.process.send_signal(signal.SIGTERM)


def tell_all(service: Service) -> None:
    """As an init system does, which tells every process of a service."""
    os.killpg(service.process.pid, signal.SIGTERM)


def interrupt_all(service: Service) -> None:
    """As Ctrl-C does."""
    os.killpg(service.process.pid, signal.SIGINT)


def begin(service: Service, upload: Upload, count: int) -> None:
    """Send the first bytes, and see that the upload is under way: beside the request that asks."""
    upload.send(count)
    two = "tams_requests_in_flight 2.0"
    wait_until(lambda: two in httpx.get(f"{service.url}/metrics").text, within_s=20, failing=service.logged)


def is_draining(service: Service) -> bool:
    response = httpx.get(f"{service.url}/health", timeout=5)
    return response.status_code == 503 and "requests" in response.json()["detail"]


@pytest.mark.parametrize(
    "tell",
    [
        pytest.param(tell_main, marks=pytest.mark.soak),
        tell_all,
        pytest.param(interrupt_all, marks=pytest.mark.soak),
    ],
)
def test_upload_under_way_ends_while_new_requests_are_turned_away(
    service: Service, tell: Callable[[Service], None]
) -> None:
    service.start()
    with httpx.Client(base_url=service.url) as kept, Upload(service.url, b"x" * 100_000) as upload:
        assert kept.get("/service").status_code == 200
        begin(service, upload, 50_000)
        tell(service)
        wait_until(lambda: is_draining(service), within_s=20, failing=service.logged)
        for refused in (kept.get("/service"), httpx.get(f"{service.url}/flows"), kept.put("/flows/x", json={})):
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert refused.headers["Content-Type"] == "application/problem+json"
        assert httpx.get(f"{service.url}/health/live").status_code == 200
        upload.send(50_000)
        assert upload.status() == 200
    assert service.wait(within_s=20) == 0
    wait_until(service.group_is_gone, within_s=20, failing=lambda: "a worker outlives the service")
    assert "Traceback" not in service.logged()
    data = service.folder / "data"
    assert not (data / "tams.duckdb.wal").exists(), "the database was not checkpointed"
    service.start()
    segment = {"object_id": upload.object_id, "timerange": "[0:0_1:0)"}
    assert httpx.post(f"{service.url}/flows/{upload.flow_id}/segments", json=segment).status_code == 201
    (shown,) = httpx.get(f"{service.url}/flows/{upload.flow_id}/segments").json()
    assert len(httpx.get(shown["get_urls"][0]["url"]).content) == 100_000


def test_request_that_takes_too_long_is_broken_off(tmp_path: Path) -> None:
    settings = {"TAMS_DRAIN_TIMEOUT": "1", "TAMS_LOG_FORMAT": "json"}
    with Service(tmp_path, **settings) as service, Upload(service.url, b"x" * 1000) as upload:
        begin(service, upload, 500)
        assert service.terminate(within_s=15) == 0
        wait_until(service.group_is_gone, within_s=20, failing=lambda: "a worker outlives the service")
        lines = [json.loads(line) for line in service.logged().splitlines()]  # all of them are
        assert [one["message"] for one in lines if one["level"] == "warning"] == [
            "broken off, as not ended in time: 1 request"
        ]
        put = next(one for one in lines if one.get("method") == "PUT")
        assert (put["route"], put["status"]) == ("/flows/<flow_id>", 201)
        assert not (service.folder / "data" / "tams.duckdb.wal").exists()


def test_second_signal_ends_the_service_at_once(service: Service) -> None:
    service.start()
    with Upload(service.url, b"x" * 1000) as upload:
        begin(service, upload, 500)
        tell_main(service)
        wait_until(lambda: is_draining(service), within_s=20, failing=service.logged)
        service.terminate(within_s=20)
        wait_until(service.group_is_gone, within_s=20, failing=lambda: "a worker outlives the service")


@pytest.mark.soak
def test_service_in_the_background_ends_by_an_interrupt_too(service: Service) -> None:
    """A shell starts it with interrupts ignored, and so would whatever it starts."""
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        service.start()
    finally:
        signal.signal(signal.SIGINT, ignored)
    service.process.send_signal(signal.SIGINT)
    assert service.wait(within_s=20) == 0


@pytest.mark.soak
def test_service_that_is_still_starting_ends(service: Service) -> None:
    service.launch()
    wait_until((service.folder / "data").exists, within_s=20, failing=service.logged)
    service.terminate(within_s=20)
    wait_until(service.group_is_gone, within_s=20, failing=service.logged)


@pytest.mark.soak
def test_who_follows_the_store_live_is_let_go(service: Service) -> None:
    """They would stay for ever, and so would the service."""
    service.start()
    with httpx.stream("GET", f"{service.url}/events", timeout=60) as followed:
        assert followed.status_code == 200
        assert service.terminate(within_s=20) == 0
        followed.read()
