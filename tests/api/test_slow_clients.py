"""Clients that send slowly, or take slowly what they asked for, keep few threads, and none for ever."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from api.intake import Intake
from api.silence import set_timeouts
from tams_data.errors import TooManyBodies
from tests.api.builders import Json, video_flow
from tests.api.process import Service, wait_until

THREADS = 8
TIMEOUT_S = 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of few threads, that does not wait long."""
    settings = {"TAMS_THREADS": str(THREADS), "TAMS_CLIENT_TIMEOUT": str(TIMEOUT_S), "TAMS_EVENT_LISTENERS": "1"}
    with Service(tmp_path_factory.mktemp("slow"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30) as connected:
        yield connected


@pytest.fixture(scope="module")
def flow(client: httpx.Client) -> Json:
    made = video_flow()
    assert client.put(f"/flows/{made['id']}", json=made).status_code == 201
    return made


def allocated(client: httpx.Client, flow: Json) -> tuple[str, str]:
    """The URL to upload a new object to, and its content type."""
    answer = client.post(f"/flows/{flow['id']}/storage", json={})
    put = answer.json()["media_objects"][0]["put_url"]
    return put["url"], put["content-type"]


def upload(client: httpx.Client, to: tuple[str, str], content: bytes = b"media") -> httpx.Response:
    return client.put(to[0], content=content, headers={"Content-Type": to[1]})


def begun(service: Service, method: str, target: str, content_type: str, sent: bytes) -> socket.socket:
    """A request of a hundred bytes, of which these are sent."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost:{service.port}\r\nContent-Type: {content_type}\r\n"
    connection.sendall(f"{head}Content-Length: 100\r\n\r\n".encode() + sent)
    return connection


def is_busy(answer: httpx.Response) -> bool:
    return (
        answer.status_code == 503
        and answer.json()["type"].endswith("too-many-bodies")
        and bool(int(answer.headers["Retry-After"]))
    )


def finish(connection: socket.socket) -> int:
    """Send what is left of a hundred bytes, ten of which are sent."""
    connection.sendall(b" " * 90)
    return int(connection.recv(1000).split()[1])


def test_slow_uploads_keep_out_uploads_and_nobody_else(service: Service, client: httpx.Client, flow: Json) -> None:
    with ExitStack() as held:
        slow = []
        for _ in range(THREADS // 2):
            url, content_type = allocated(client, flow)
            target = "{0.path}?{0.query}".format(urlsplit(url))
            slow.append(held.enter_context(begun(service, "PUT", target, content_type, b"x" * 10)))
        one = allocated(client, flow)
        wait_until(lambda: is_busy(upload(client, one)), within_s=20, failing=service.logged)
        assert client.get("/flows").status_code == 200
        assert client.put(f"/flows/{flow['id']}/label", json="x").status_code == 204
        assert finish(slow[0]) == 200
        wait_until(lambda: upload(client, one).status_code == 200, within_s=20, failing=service.logged)
    wait_until(lambda: not is_busy(upload(client, one)), within_s=20, failing=service.logged)


def test_slow_bodies_keep_out_bodies_and_nobody_else(service: Service, client: httpx.Client, flow: Json) -> None:
    one = allocated(client, flow)
    path = f"/flows/{flow['id']}/label"
    with ExitStack() as held:
        slow = [
            held.enter_context(begun(service, "PUT", path, "application/json", b'"a"       '))
            for _ in range(THREADS // 4)
        ]
        wait_until(lambda: is_busy(client.put(path, json="b")), within_s=20, failing=service.logged)
        assert client.get("/flows").status_code == 200
        assert upload(client, one).status_code == 200
        assert finish(slow[0]) == 204
        wait_until(lambda: client.put(path, json="c").status_code == 204, within_s=20, failing=service.logged)


def test_who_takes_nothing_of_an_answer_is_cut_off(service: Service, client: httpx.Client, flow: Json) -> None:
    """There are as many of them as threads: the service answers again when they are gone."""
    one = allocated(client, flow)
    content = bytes(30_000_000)
    assert upload(client, one, content).status_code == 200
    path = urlsplit(one[0]).path
    with ExitStack() as held:
        for _ in range(THREADS):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=30))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{service.port}\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert client.get("/flows").status_code == 200
    taken = client.get(path)
    assert taken.content == content


def test_connections_inherit_when_they_end() -> None:
    """Whose client is gone answers no probe."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        set_timeouts(listening, 60)
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            found = [
                accepted.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
            assert found == [60_000, 30, 10, 3]
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("kind", ["upload", "body"])
def test_even_one_thread_takes_one_body(kind: str) -> None:
    intake = Intake(1)
    for _ in range(2):
        with getattr(intake, kind)(), pytest.raises(TooManyBodies), getattr(intake, kind)():
            pass


@pytest.mark.parametrize(
    ("sent", "closes"),
    [
        (bytes(100_000), "close"),
        (iter([bytes(1000)]), "close"),
        (b"few", None),
    ],
    ids=["much", "of unknown length", "little"],
)
def test_a_client_is_told_that_its_connection_ends_with_a_body_that_is_not_read(
    service: Service, sent: bytes | Iterator[bytes], closes: str | None
) -> None:
    """It would send its next request on it, and never get an answer."""
    with httpx.Client(base_url=service.url) as client:
        refused = client.put("/media/nothing", content=sent)
        assert refused.status_code >= 400
        assert refused.headers.get("Connection") == closes
        assert client.get("/health/live").status_code == 200


def test_a_connection_goes_on_after_a_body_that_was_read_and_refused(service: Service, flow: Json) -> None:
    with httpx.Client(base_url=service.url) as client:
        refused = client.put(f"/flows/{flow['id']}", json={**flow, "format": "x" * 100_000})
        assert refused.status_code == 400
        assert "Connection" not in refused.headers
