"""The client: what it sends, what it makes of answers, and when it tries again. The server is a real one, made here."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tams_data.client import Allocation, FailedSegment, TamsClient
from tams_data.errors import RequestFailed
from tams_data.timerange import TimeRange
from tests.api.process import free_port

FLOW = "11111111-1111-4111-8111-111111111111"


@dataclass
class Answer:
    """What the server says; without a status it hangs up without a word."""

    status: int | None = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """A request as the server got it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class Server:
    """Answers requests from a list, in order, and remembers them."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[Seen], Answer]] = []
        self.seen: list[Seen] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = parse_qs(parts.query, keep_blank_values=True)
                seen = Seen(self.command, parts.path, query, headers, self.rfile.read(length))
                server.seen.append(seen)
                answer = server.answers.pop(0)
                self._send(answer(seen) if callable(answer) else answer)

            def _send(self, answer: Answer) -> None:
                self.close_connection = answer.status is None
                if answer.status is None:
                    return
                body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = handle_one  # noqa: N815  # the names http.server looks for

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers what the test says."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def client(server) -> Iterator[TamsClient]:
    """A client with a token, that tries each request up to three times."""
    with TamsClient(server.url + "/", "secret", retries=2) as connected:
        yield connected


# --- requests and answers --------------------------------------------------------------------------------------------


def test_flows_are_put_and_found(server, client):
    server.answers = [Answer(201, {}), Answer(200, {"id": FLOW}), Answer(404, {"detail": "no such flow"})]
    client.put_flow({"id": FLOW, "label": "x"})
    assert client.find_flow(FLOW, include_timerange=True) == {"id": FLOW}
    assert client.find_flow(FLOW) is None
    assert [(one.method, one.path) for one in server.seen] == [("PUT", f"/flows/{FLOW}")] + 2 * [
        ("GET", f"/flows/{FLOW}")
    ]
    assert json.loads(server.seen[0].body) == {"id": FLOW, "label": "x"}
    assert server.seen[1].query == {"include_timerange": ["true"]}
    assert all(one.headers["authorization"] == "Bearer secret" for one in server.seen)


@pytest.mark.parametrize("how", ["link", "key"])
def test_pages_are_followed(server, client, how):
    """By the `Link` header, which TAMS wants, or by `X-Paging-NextKey` alone; the filters stay."""

    def following(seen: Seen) -> dict[str, str]:
        if how == "key":
            return {"X-Paging-NextKey": "two"}
        return {"Link": f'<{server.url}{seen.path}?timerange=x&page=two>; rel="next"', "X-Paging-NextKey": "two"}

    server.answers = [lambda seen: Answer(200, [{"n": 1}, {"n": 2}], following(seen)), Answer(200, [{"n": 3}])]
    found = list(client.segments(FLOW, TimeRange.parse("[0:0_10:0)"), urls=False))
    assert [one["n"] for one in found] == [1, 2, 3]
    assert server.seen[0].query == {"limit": ["1000"], "timerange": ["[0:0_10:0)"], "accept_get_urls": [""]}
    assert server.seen[1].query["page"] == ["two"]
    assert "timerange" in server.seen[1].query


def test_segments_that_were_refused_are_returned(server, client):
    failure = {"object_id": "b", "timerange": "[1:0_2:0)", "error": {"type": "x", "summary": "overlaps", "time": "t"}}
    server.answers = [
        Answer(201, b""),
        Answer(200, {"failed_segments": [failure, {"object_id": "c"}]}),
    ]
    assert client.register(FLOW, [{"object_id": "a", "timerange": "[0:0_1:0)"}]) == []
    assert client.register(FLOW, []) == [
        FailedSegment("b", "[1:0_2:0)", "overlaps"),
        FailedSegment("c", None, "refused"),
    ]
    assert json.loads(server.seen[0].body) == [{"object_id": "a", "timerange": "[0:0_1:0)"}]


def test_objects_are_allocated_and_uploaded(server, client):
    """With what the service wants sent, and a length: presigned URLs refuse a chunked body."""
    put_url = {"url": f"{server.url}/media/a?signature=x", "content-type": "video/mp2t", "headers": {"x-a": "b"}}
    media_object = {"object_id": "a", "put_url": put_url, "presigned": True}
    server.answers = [Answer(201, {"media_objects": [media_object]}), Answer(200, b"")]
    (allocation,) = client.allocate(FLOW, ["a"])
    client.upload(allocation, io.BytesIO(b"x" * 600_000), 600_000)
    assert json.loads(server.seen[0].body) == {"object_ids": ["a"]}
    sent = server.seen[1]
    assert sent.body == b"x" * 600_000
    assert sent.headers["content-length"] == "600000"
    assert "transfer-encoding" not in sent.headers
    assert (sent.headers["content-type"], sent.headers["x-a"]) == ("video/mp2t", "b")


def url_of(server, host="127.0.0.1"):
    """A URL of an object on the server, or of the same under another name of this machine: another origin."""
    return server.url.replace("127.0.0.1", host) + "/media/a"


@pytest.mark.parametrize(
    ("presigned", "host", "sent"),
    [
        pytest.param(True, "127.0.0.1", False, id="presigned"),
        pytest.param(False, "127.0.0.1", True, id="the service itself"),
        pytest.param(False, "localhost", False, id="another origin"),
    ],
)
def test_credentials_go_to_the_service_only(server, client, presigned, host, sent):
    server.answers = [Answer(200, b""), Answer(200, b"media")]
    url = url_of(server, host)
    client.upload(Allocation("a", url, {}, presigned), io.BytesIO(b"x"), 1)
    client.download({"object_id": "a", "get_urls": [{"url": url, "presigned": presigned}]}, io.BytesIO())
    assert ["authorization" in one.headers for one in server.seen] == [sent, sent]


def test_presigned_urls_are_preferred(server, client):
    server.answers = [Answer(200, b"media")]
    urls = [{"url": f"{server.url}/plain"}, {"url": f"{server.url}/signed", "presigned": True}]
    sink = io.BytesIO()
    assert client.download({"object_id": "a", "get_urls": urls}, sink) == 5
    assert (sink.getvalue(), server.seen[0].path) == (b"media", "/signed")


def test_an_object_without_a_url_is_an_error(client):
    with pytest.raises(RequestFailed, match="'a' has no URL"):
        client.download({"object_id": "a"}, io.BytesIO())


def test_urls_relative_to_the_service_are_understood(server, client):
    server.answers = [Answer(200, b"")]
    client.upload(Allocation("a", "/media/a", {}, presigned=False), io.BytesIO(b"x"), 1)
    assert server.seen[0].path == "/media/a"
    assert "authorization" in server.seen[0].headers


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(Answer(400, {"detail": "label: too long"}), "400 Bad Request: label: too long", id="problem"),
        pytest.param(Answer(403, {"type": "x", "summary": "read-only"}), "403 Forbidden: read-only", id="TAMS"),
        pytest.param(Answer(500, b"out of order"), "500 Internal Server Error: out of order", id="text"),
        pytest.param(Answer(502, b"<html>", {"Content-Type": "text/html"}), "502 Bad Gateway$", id="page of a proxy"),
        pytest.param(Answer(400, [1]), "400 Bad Request$", id="other JSON"),
    ],
)
def test_an_error_says_what_the_service_said(server, client, answer, message):
    server.answers = [answer]
    with pytest.raises(RequestFailed, match=message) as caught:
        client.put_flow({"id": FLOW})
    assert caught.value.status == answer.status
    assert str(caught.value).startswith(f"PUT {server.url}/flows/{FLOW}: ")


def test_an_error_does_not_give_away_a_signature(server, client):
    server.answers = [Answer(403, b"expired")]
    with pytest.raises(RequestFailed) as caught:
        client.upload(Allocation("a", f"{server.url}/media/a?signature=secret", {}, presigned=True), io.BytesIO(b""), 0)
    assert "secret" not in str(caught.value)


def test_a_service_that_is_not_there_is_told():
    with (
        TamsClient(f"http://127.0.0.1:{free_port()}", retries=1) as client,
        pytest.raises(RequestFailed, match=r"no answer \(.*refused") as caught,
    ):
        client.find_flow(FLOW)
    assert caught.value.status is None


# --- trying again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(server, client, status):
    """It has not done what it was asked, so any request may be repeated; a wait it names is kept."""
    server.answers = [Answer(status, {}, {"Retry-After": "0"}), Answer(201, b"")]
    assert client.register(FLOW, []) == []
    assert len(server.seen) == 2


def test_a_service_that_stays_busy_is_given_up(server, client):
    server.answers = [Answer(503, {"detail": "locked"}, {"Retry-After": "0"}) for _ in range(3)]
    with pytest.raises(RequestFailed, match="locked") as caught:
        client.find_flow(FLOW)
    assert (caught.value.status, len(server.seen)) == (503, 3)


def test_a_lost_answer_is_asked_for_again_where_that_is_safe(server, client):
    server.answers = [Answer(None), Answer(200, {"id": FLOW}), Answer(None)]
    assert client.find_flow(FLOW) == {"id": FLOW}
    with pytest.raises(RequestFailed, match="no answer"):
        client.register(FLOW, [])
    assert [one.method for one in server.seen] == ["GET", "GET", "POST"]


def test_an_upload_that_is_repeated_begins_again(server, client):
    server.answers = [Answer(503, {}, {"Retry-After": "0"}), Answer(200, b"")]
    client.upload(Allocation("a", f"{server.url}/a", {}, presigned=False), io.BytesIO(b"whole"), 5)
    assert [one.body for one in server.seen] == [b"whole", b"whole"]


def test_a_download_that_breaks_off_begins_again(server, client):
    server.answers = [Answer(200, b"half", {"Content-Length": "8"}), Answer(200, b"whole")]
    server.answers[0] = lambda _: Answer(200, b"half", {"Content-Length": "8", "Connection": "close"})
    sink = io.BytesIO()
    client.download({"object_id": "a", "get_urls": [{"url": f"{server.url}/a"}]}, sink)
    assert sink.getvalue() == b"whole"
