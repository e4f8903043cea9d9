"""`tams jobs` shows what goes on, of a service or of a database, and `tams worker` does it as a process of its own."""

from __future__ import annotations

import json
import signal

import httpx
import pytest
from click.testing import CliRunner

from api.cli import jobs, main
from tests.api.builders import new_id, video_flow
from tests.api.process import Service, Worker, wait_until
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator

JOBS = {"deleting", "copying", "sweeping", "measuring", "counting", "expiring", "collecting"}


def run(*arguments: str, **environment: str):
    return CliRunner().invoke(main, list(arguments), env=environment)


def test_jobs_of_a_service_are_listed(service_url: str) -> None:
    done = run("jobs", "--url", service_url)
    assert done.exit_code == 0, done.output
    header, *rows = done.stdout.splitlines()
    assert header.split()[:3] == ["JOB", "STATE", "WAITING"]
    assert {row.split()[0] for row in rows} >= JOBS
    assert {row.split()[1] for row in rows} <= {"idle", "running", "queued"}


def test_jobs_are_given_as_json(service_url: str) -> None:
    done = run("jobs", "--json", TAMS_PORT=service_url.rsplit(":", 1)[1])
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert found.keys() >= JOBS
    assert all(one["started"] for one in found.values())
    assert found["deleting"]["waiting"] == 0


def test_jobs_of_a_service_that_is_not_there_are_an_error_of_one_line() -> None:
    done = run("jobs", "--url", "http://127.0.0.1:1")
    assert done.exit_code == 1
    assert done.stderr.startswith("tams: GET http://127.0.0.1:1/jobs: ")


@pytest.mark.parametrize("url", ["", "duckdb://", "duckdb:////tmp/x.duckdb"])
def test_worker_leaves_an_embedded_database_to_the_service(url: str) -> None:
    done = run("worker", **({"TAMS_DATABASE_URL": url} if url else {}))
    assert done.exit_code == 1
    assert "`tams run` and `tams serve` carry out its jobs" in done.stderr


def test_a_worker_notes_a_signal_without_waiting_for_anything() -> None:
    """An event would have it wait for a lock, which the code that was interrupted may have."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        told = jobs._told_to_end()
        assert list(told) == []
        signal.raise_signal(signal.SIGTERM)
        assert list(told) == [signal.SIGTERM]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.soak
def test_workers_do_what_a_service_without_jobs_leaves_and_share_it(tmp_path) -> None:
    """A deletion of many batches, by two workers: all is deleted once, and both end when they are told to."""
    with Emulator() as emulator:
        emulator.create_bucket("tams")
        settings = {
            "TAMS_DATABASE_URL": "vast://tams/shared",
            "VAST_ENDPOINT": emulator.endpoint,
            "VAST_ACCESS_KEY": ACCESS_KEY,
            "VAST_SECRET_KEY": SECRET_KEY,
            "TAMS_DATA_DIR": str(tmp_path / "data"),
            "TAMS_DELETE_AT_ONCE": "5",
            "TAMS_JOBS": "0",
        }
        with Service(tmp_path / "service", **settings) as service:
            flow_id = recorded(service.url, segments=40)
            kept_id = recorded(service.url, segments=2)
            location = httpx.delete(f"{service.url}/flows/{flow_id}", timeout=60).headers["Location"]
            waiting = queued("deleting", **settings)
            assert (waiting["waiting"], waiting["failing"], "started" in waiting) == (1, 0, False)
            first, second = (Worker(tmp_path / name, **settings) for name in ("first", "second"))
            try:
                for worker in (first, second):
                    worker.launch()
                wait_until(lambda: status(location) == "done", within_s=60, failing=first.logged)
                assert httpx.get(f"{service.url}/flows/{flow_id}", timeout=60).status_code == 404
                left = httpx.get(f"{service.url}/flows/{kept_id}/segments", timeout=60).json()
                assert len(left) == 2
                assert queued("deleting", **settings)["waiting"] == 0
                for worker in (first, second):
                    assert worker.terminate(within_s=20) == 0
                    assert "Traceback" not in worker.logged()
            finally:
                first.kill()
                second.kill()


def recorded(url: str, *, segments: int) -> str:
    """A new flow of so many segments."""
    flow = video_flow()
    httpx.put(f"{url}/flows/{flow['id']}", json=flow, timeout=60).raise_for_status()
    urls = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]
    posted = [{"object_id": new_id(), "timerange": f"[{i}:0_{i + 1}:0)", "get_urls": urls} for i in range(segments)]
    httpx.post(f"{url}/flows/{flow['id']}/segments", json=posted, timeout=60).raise_for_status()
    return flow["id"]


def queued(job: str, **settings: str):
    """A job as `tams jobs` shows it of the database."""
    done = run("jobs", "--json", **settings)
    assert done.exit_code == 0, done.output
    return {one["name"]: one for one in json.loads(done.stdout)}[job]


def status(location: str) -> str:
    return httpx.get(location, timeout=60).json()["status"]
