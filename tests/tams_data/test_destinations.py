"""Requests of the service's own go to public addresses, and to what is allowed beside them; never anywhere else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep

import httpx
import pytest

from tams_data import destinations
from tams_data.destinations import PUBLIC, Destinations, GuardedTransport
from tams_data.errors import DestinationRefused, FetchFailed, InvalidSetting
from tams_data.media.remote import fetch

# --- the rule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        pytest.param("93.184.215.14", True, id="public"),
        pytest.param("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True, id="public-6"),
        pytest.param("127.0.0.1", False, id="loopback"),
        pytest.param("127.9.9.9", False, id="loopback-elsewhere"),
        pytest.param("::1", False, id="loopback-6"),
        pytest.param("10.1.2.3", False, id="private-a"),
        pytest.param("172.16.0.1", False, id="private-b"),
        pytest.param("192.168.1.1", False, id="private-c"),
        pytest.param("fd00::1", False, id="unique-local"),
        pytest.param("100.64.0.1", False, id="carrier"),
        pytest.param("169.254.169.254", False, id="link-local"),
        pytest.param("fe80::1%eth0", False, id="link-local-6"),
        pytest.param("224.0.0.1", False, id="multicast"),
        pytest.param("ff0e::1", False, id="multicast-6"),
        pytest.param("0.0.0.0", False, id="unspecified"),
        pytest.param("::", False, id="unspecified-6"),
        pytest.param("255.255.255.255", False, id="broadcast"),
        pytest.param("::ffff:127.0.0.1", False, id="mapped"),
        pytest.param("::ffff:93.184.215.14", True, id="mapped-public"),
        pytest.param("2002:7f00:1::", False, id="6to4"),
        pytest.param("64:ff9b::a00:1", False, id="nat64"),
        pytest.param("64:ff9b::5db8:d70e", True, id="nat64-public"),
        pytest.param("64:ff9b:1::a00:1", False, id="nat64-of-a-site"),
        pytest.param("::7f00:1", False, id="compatible"),
        pytest.param("::ffff:0:7f00:1", False, id="translated"),
        pytest.param("2606:2800:21f:cb07:0:5efe:a00:1", False, id="isatap"),
        pytest.param("fec0::1", False, id="site-local"),
        pytest.param("5f00::1", False, id="segment-routing"),
    ],
)
def test_only_public_addresses_are_allowed(address: str, allowed: bool) -> None:
    assert PUBLIC.allows("a.example", address) is allowed


@pytest.mark.parametrize(
    ("text", "host", "address", "allowed"),
    [
        pytest.param("10.0.0.0/8", "a.example", "10.1.2.3", True, id="a-network"),
        pytest.param("10.0.0.0/8", "a.example", "192.168.0.1", False, id="beside-the-network"),
        pytest.param("127.0.0.1", "a.example", "127.0.0.1", True, id="an-address"),
        pytest.param("::1, fd00::/8", "a.example", "fd00::1", True, id="a-list"),
        pytest.param("a.example", "A.example.", "10.0.0.1", True, id="a-host"),
        pytest.param("a.example", "b.a.example", "10.0.0.1", False, id="another-host"),
        pytest.param("*", "b.example", "127.0.0.1", True, id="everything"),
        pytest.param(None, "a.example", "10.0.0.1", False, id="nothing"),
    ],
)
def test_what_is_allowed_beside_is_what_the_setting_says(
    text: str | None, host: str, address: str, allowed: bool
) -> None:
    assert Destinations.parse(text).allows(host, address) is allowed


@pytest.mark.parametrize("text", ["10.0.0.0/40", "10.0.0.1/8", "1.2.3", ",", "http://a.example", "fe80::zz"])
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting):
        Destinations.parse(text)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://[::1]:8000/", "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://0/"],
)
def test_a_literal_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises(DestinationRefused) as refused:
        PUBLIC.check(url, field="url")
    assert (refused.value.field, refused.value.value) == ("url", url)


def test_a_name_is_refused_when_one_of_its_addresses_is(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["93.184.215.14", "10.0.0.1"])
    with pytest.raises(DestinationRefused, match=r"a\.example is at 10\.0\.0\.1"):
        PUBLIC.check("https://a.example/", field="url")


def test_a_name_that_nobody_knows_is_not_refused_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(destinations, "getaddrinfo", unknown)
    PUBLIC.check("https://a.example/", field="url")


# --- connections -----------------------------------------------------------------------------------------------------


class Receiver(BaseHTTPRequestHandler):
    """Tells by which name it was asked; moves on, or lets its answer trickle."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", f"http://{self.path.removeprefix('/to/')}/")
            self.end_headers()
            return
        if self.path == "/slow":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            for _ in range(50):
                self.wfile.write(b"x")
                sleep(0.05)
            return
        body = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def answers(monkeypatch: pytest.MonkeyPatch, *found: list[str]) -> list[str]:
    """Let every name have these addresses, one answer after the other; the names that were asked for."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        addresses = found[min(len(asked), len(found)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(destinations, "getaddrinfo", resolve)
    return asked


def client(allowed: Destinations, *, seconds: float = 5, follow: bool = False) -> httpx.Client:
    return httpx.Client(transport=GuardedTransport(allowed, seconds=seconds), follow_redirects=follow)


LOOPBACK = Destinations.parse("127.0.0.0/8")


def test_a_name_is_resolved_once_and_the_host_keeps_it(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    asked = answers(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    with client(LOOPBACK) as http:
        assert http.get(f"http://a.example:{port}/").text == f"a.example:{port}"
    assert asked == ["a.example"]


def test_a_name_that_changes_its_address_after_the_check_is_refused(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    url = f"http://a.example:{port}/"
    answers(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    PUBLIC.check(url, field="url")
    with client(PUBLIC) as http, pytest.raises(DestinationRefused):
        http.get(url)


def test_a_redirect_to_an_address_that_is_not_allowed_is_refused(port: int) -> None:
    allowed = Destinations.parse("127.0.0.1")
    with client(allowed, follow=True) as http, pytest.raises(DestinationRefused, match=r"127\.0\.0\.2"):
        http.get(f"http://127.0.0.1:{port}/to/127.0.0.2:{port}")


def test_an_answer_that_trickles_is_given_up(port: int) -> None:
    began = monotonic()
    with client(LOOPBACK, seconds=0.3) as http, pytest.raises(httpx.TimeoutException):
        http.get(f"http://127.0.0.1:{port}/slow")
    assert monotonic() - began < 2


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy")
    with client(LOOPBACK) as http:
        assert http.get(f"http://127.0.0.1:{port}/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/to/127.0.0.2"])
def test_bytes_are_not_fetched_from_where_no_requests_go(port: int, path: str) -> None:
    allowed = PUBLIC if path == "/" else Destinations.parse("127.0.0.1")
    with (
        pytest.raises(FetchFailed, match="sends no requests"),
        fetch(f"http://127.0.0.1:{port}{path}", most_bytes=99, destinations=allowed),
    ):
        pass


@pytest.mark.parametrize("host", ["xn--ls8h.la", "xn--a", "xn--"])
def test_bytes_at_a_host_that_idna_has_no_name_for_cannot_be_fetched(host: str) -> None:
    with (
        pytest.raises(FetchFailed, match="a URL that cannot be read"),
        fetch(f"https://{host}/", most_bytes=99, destinations=PUBLIC),
    ):
        pass
