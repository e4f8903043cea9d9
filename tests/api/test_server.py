"""The service as a process: it starts, ends, comes back with its data, and never shares its data folder."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tests.api import specification
from tests.api.builders import Json, video_flow
from tests.api.client import OF_ONE_REQUEST
from tests.api.process import Service, wait_until
from tests.api.test_objects import ANY_IDS

URLS = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own that is not started yet."""
    service = Service(tmp_path)
    yield service
    service.kill()


def put_flow(url: str) -> Json:
    """A new flow of the service at a URL."""
    flow = video_flow()
    response = httpx.put(f"{url}/flows/{flow['id']}", json=flow)
    assert response.status_code == 201, response.text
    found: Json = response.json()
    return found


def add_segments(url: str, flow_id: str, *timeranges: str) -> None:
    """Segments whose objects are elsewhere."""
    segments = [{"object_id": f"{flow_id}/{one}", "timerange": one, "get_urls": URLS} for one in timeranges]
    response = httpx.post(f"{url}/flows/{flow_id}/segments", json=segments)
    assert response.status_code == 201, response.text


def timeranges(url: str, flow_id: str) -> list[str]:
    """The time ranges of the segments of a flow."""
    return [one["timerange"] for one in httpx.get(f"{url}/flows/{flow_id}/segments").json()]


# --- what only a network shows ---------------------------------------------------------------------------------------


def test_answers_over_the_network_are_as_the_specification_has_them(service_url: str) -> None:
    flow = put_flow(service_url)
    add_segments(service_url, flow["id"], "[0:0_1:0)", "[1:0_2:0)")
    for path in ("/", "/service", "/flows", f"/flows/{flow['id']}", f"/flows/{flow['id']}/segments?limit=1"):
        get, head = httpx.get(service_url + path), httpx.head(service_url + path)
        assert (get.status_code, head.status_code, head.content) == (200, 200, b"")
        varying = ("date", "server", *OF_ONE_REQUEST)
        assert {k: v for k, v in head.headers.items() if k not in varying} == {
            k: v for k, v in get.headers.items() if k not in varying
        }
        if (spec := specification.load()) is not None:
            spec.check("GET", path, get.status_code, dict(get.headers), get.content)


def test_link_leads_to_the_next_page(service_url: str) -> None:
    flow = put_flow(service_url)
    add_segments(service_url, flow["id"], "[0:0_1:0)", "[1:0_2:0)")
    first = httpx.get(f"{service_url}/flows/{flow['id']}/segments?limit=1")
    following = httpx.get(first.links["next"]["url"])
    assert [one["timerange"] for one in following.json()] == ["[1:0_2:0)"]
    assert first.links["next"]["url"].startswith(f"{service_url}/flows/")


def test_object_id_may_be_any_text_over_the_network(service_url: str) -> None:
    flow = put_flow(service_url)
    segments = [
        {"object_id": object_id, "timerange": f"[{i}:0_{i + 1}:0)", "get_urls": URLS}
        for i, object_id in enumerate(ANY_IDS)
    ]
    assert httpx.post(f"{service_url}/flows/{flow['id']}/segments", json=segments).status_code == 201
    for object_id in ANY_IDS:
        # Dots too: a path segment of nothing else is resolved away before it is sent (RFC 3986, 5.2.4).
        status, answer = raw_get(service_url, f"/objects/{quote(object_id, safe='').replace('.', '%2E')}")
        assert status == 200, object_id
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["id"] == object_id


def test_object_is_uploaded_and_read_over_the_network(service_url: str) -> None:
    flow, content = put_flow(service_url), bytes(range(256)) * 1000
    (one,) = httpx.post(f"{service_url}/flows/{flow['id']}/storage").json()["media_objects"]
    put = one["put_url"]
    uploaded = httpx.put(put["url"], content=content, headers={"Content-Type": put["content-type"]})
    assert uploaded.status_code == 200
    segment = {"object_id": one["object_id"], "timerange": "[0:0_1:0)"}
    assert httpx.post(f"{service_url}/flows/{flow['id']}/segments", json=segment).status_code == 201
    (shown,) = httpx.get(f"{service_url}/flows/{flow['id']}/segments").json()
    assert [httpx.get(url["url"]).content for url in shown["get_urls"]] == [content, content]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param("/flows?label=\xff", 400, id="a query that is not UTF-8"),
        pytest.param("/flows/\xff", 400, id="a path that is not UTF-8"),
        pytest.param("/flows?label=%ff", 200, id="an escape that is not UTF-8"),
        pytest.param("/flows?label=%00", 200, id="a null byte"),
        pytest.param(f"/flows?label={'x' * 30_000}", 200, id="a long query"),
        pytest.param("/flows/../service", 404, id="dots"),
    ],
)
def test_odd_targets_are_answered(service_url: str, target: str, status: int) -> None:
    assert raw_get(service_url, target)[0] == status
    assert httpx.get(f"{service_url}/service").status_code == 200


def raw_get(url: str, target: str) -> tuple[int, bytes]:
    """Get a target as it is: clients of HTTP tidy paths up. The status and the whole answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found is not None, answer[:200]
    return int(found[1]), answer


# --- starting and ending ---------------------------------------------------------------------------------------------


def test_sigterm_ends_the_service_and_it_comes_back_with_its_data(stopped: Service) -> None:
    stopped.start()
    flow = put_flow(stopped.url)
    add_segments(stopped.url, flow["id"], "[0:0_1:0)", "[1:0_2:0)")
    storage = httpx.get(f"{stopped.url}/service/storage-backends").json()
    flow = httpx.get(f"{stopped.url}/flows/{flow['id']}").json()
    key = httpx.get(f"{stopped.url}/flows/{flow['id']}/segments?limit=1").headers["X-Paging-NextKey"]

    assert stopped.terminate(within_s=20) == 0
    wait_until(stopped.group_is_gone, within_s=20, failing=lambda: "a worker outlives the service")
    assert "Traceback" not in stopped.logged()

    stopped.start()
    assert httpx.get(f"{stopped.url}/flows/{flow['id']}").json() == flow
    assert timeranges(stopped.url, flow["id"]) == ["[0:0_1:0)", "[1:0_2:0)"]
    assert httpx.get(f"{stopped.url}/service/storage-backends").json() == storage
    assert httpx.get(f"{stopped.url}/flows/{flow['id']}/segments?page={key}").status_code == 200
    add_segments(stopped.url, flow["id"], "[2:0_3:0)")


def test_sigterm_ends_the_service_while_clients_stay_connected(stopped: Service) -> None:
    stopped.start()
    with httpx.Client(base_url=stopped.url) as client:
        assert client.get("/service").status_code == 200
        assert stopped.terminate(within_s=20) == 0


def test_service_that_was_killed_leaves_nothing_that_holds_its_data(stopped: Service) -> None:
    """Its worker sees that it is gone, and lets go of the database and of the port."""
    stopped.start()
    flow = put_flow(stopped.url)
    add_segments(stopped.url, flow["id"], "[0:0_1:0)")
    stopped.kill_main()
    wait_until(stopped.group_is_gone, within_s=20, failing=lambda: "a worker outlives the service")
    stopped.start()
    assert timeranges(stopped.url, flow["id"]) == ["[0:0_1:0)"]


def test_second_service_on_the_same_data_says_why_it_ends(service: Service, tmp_path: Path) -> None:
    second = Service(tmp_path, TAMS_DATA_DIR=str(service.folder / "data"))
    second.launch()
    assert second.wait(within_s=20) != 0
    said = [line for line in second.logged().splitlines() if line.startswith("tams: ")]
    assert len(said) == 1
    assert "tams.duckdb" in said[0]
    assert "lock" in said[0]
    assert "Traceback" not in second.logged()
    assert httpx.get(f"{service.url}/service").status_code == 200


@pytest.mark.parametrize("command", ["serve", "run"])
def test_second_service_on_the_same_port_says_so_and_gets_no_requests(
    service: Service, tmp_path: Path, command: str
) -> None:
    second = Service(tmp_path, TAMS_PORT=str(service.port))
    second.command = command
    second.launch()
    assert second.wait(within_s=20) != 0
    assert f"TAMS_PORT={service.port}: Address already in use" in second.logged()
    assert len(second.logged().splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param({"TAMS_ALLOWED_DESTINATIONS": "10.0.0.1/8"}, "TAMS_ALLOWED_DESTINATIONS", id="no network"),
        pytest.param({"TAMS_PORT": "none"}, "TAMS_PORT", id="port is no number"),
        pytest.param({"TAMS_PAGE_LIMIT": "0"}, "TAMS_PAGE_LIMIT", id="page without items"),
        pytest.param({"TAMS_URL_TIMEOUT": "9999999"}, "TAMS_URL_TIMEOUT", id="URLs outlive allocations"),
        pytest.param({"TAMS_DATABASE_URL": "sqlite:///x"}, "TAMS_DATABASE_URL", id="engine that is none"),
    ],
)
def test_bad_setting_is_named_in_one_line(tmp_path: Path, settings: dict[str, str], named: str) -> None:
    service = Service(tmp_path, **settings)
    service.launch()
    assert service.wait(within_s=20) != 0
    said = [line for line in service.logged().splitlines() if line.startswith("tams: ")]
    assert len(said) == 1
    assert named in said[0]
    assert "Traceback" not in service.logged()


def test_data_that_a_newer_service_wrote_is_left_alone(stopped: Service) -> None:
    stopped.start()
    assert stopped.terminate(within_s=20) == 0
    database = DuckDB(stopped.folder / "data" / "tams.duckdb")
    with database.transaction() as transaction:
        newer = schema.SCHEMA_VERSIONS.rows([{"version": schema.VERSION + 1, "applied_ns": 0}])
        transaction.insert(schema.SCHEMA_VERSIONS, newer)
    database.close()
    stopped.launch()
    assert stopped.wait(within_s=20) != 0
    assert f"schema version {schema.VERSION + 1}" in stopped.logged()
