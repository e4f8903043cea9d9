"""Every request is named to its sender, counted to its last byte, and logged in one line without its query."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from flask import Flask, Response

from api.watching import context, requests
from api.watching.logs import JsonFormatter, TextFormatter
from api.watching.requests import Seen, Watched
from api.watching.traffic import Traffic
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.builders import new_id, video_flow
from tests.api.client import CheckedClient, as_object, client_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Lines(logging.Handler):
    """Log lines as they are written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(params=[JsonFormatter, TextFormatter])
def lines(request: pytest.FixtureRequest) -> Iterator[Lines]:
    handler = Lines(request.param())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def logging_client(store: Store, settings: Settings) -> CheckedClient:
    return client_of(store, settings.model_copy(update={"log_format": "json"}))


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "trace_id"),
    [
        pytest.param(f"00-{TRACE}-{SPAN}-01", TRACE, id="as the standard has it"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-more", TRACE, id="of a later version"),
        pytest.param(f"00-{TRACE}-{SPAN}-01-more", None, id="more than its version has"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", None, id="of the version that is none"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", None, id="no trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", None, id="no parent"),
        pytest.param(f"00-{TRACE.upper()}-{SPAN}-01", None, id="capitals"),
        pytest.param(f"00-{TRACE}-{SPAN}", None, id="cut off"),
        pytest.param("x" * 10_000, None, id="long"),
        pytest.param(None, None, id="none"),
    ],
)
def test_trace_goes_on_where_the_sender_began_it_or_begins_here(
    client: CheckedClient, given: str | None, trace_id: str | None
) -> None:
    response = client.get("/service", headers={} if given is None else {"traceparent": given})
    version, trace, span, flags = response.headers["traceparent"].split("-")
    assert (version, len(trace), len(span)) == ("00", 32, 16)
    assert trace == trace_id if trace_id else trace not in (TRACE, "0" * 32)
    assert span != SPAN
    assert flags == ("01" if trace_id else "00")


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1", True), ("a b", False), ("a\u00e4", False), ("x" * 129, False), ("", False)]
)
def test_request_keeps_the_id_its_sender_gave_if_it_can_be_logged(given: str, kept: bool) -> None:
    found = context.begin(None, given)
    assert found.request_id == (given if kept else found.trace_id)


@pytest.mark.parametrize("path", ["/service", "/nothing", f"/flows/{new_id()}", "/flows?limit=x"])
def test_every_answer_names_its_request(client: CheckedClient, path: str) -> None:
    assert client.get(path, headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] == "mine"


# --- log -------------------------------------------------------------------------------------------------------------


def test_request_is_one_line_with_what_it_was_and_took(logging_client: CheckedClient, lines: Lines) -> None:
    flow = logging_client.create_flow(video_flow())
    lines.lines.clear()
    response = logging_client.get(
        f"/flows/{flow['id']}?access_token=hush&include_timerange=true",
        headers={"traceparent": f"00-{TRACE}-{SPAN}-01"},
    )
    (line,) = lines.lines
    assert "hush" not in line
    assert f"/flows/{flow['id']}" in line
    if isinstance(lines.formatter, JsonFormatter):
        found = json.loads(line)
        assert found["route"] == "/flows/<flow_id>"
        assert (found["status"], found["bytes"], found["trace_id"]) == (200, len(response.data), TRACE)
        assert found["ms"] > 0
    else:
        assert line.startswith("GET ")
        assert f" 200 {len(response.data)} bytes" in line


def test_what_is_logged_while_a_request_is_answered_names_it(
    logging_client: CheckedClient, store: Store, lines: Lines
) -> None:
    store.database.close()
    logging_client.get("/service", headers={"X-Request-Id": "mine"})
    assert len(lines.lines) == 2
    assert all("mine" in line for line in lines.lines)


def test_probes_are_not_logged(logging_client: CheckedClient, lines: Lines) -> None:
    for path in ("/health", "/health/live", "/metrics"):
        assert logging_client.get(path).status_code == 200
    assert lines.lines == []


def test_an_error_is_one_object_with_its_traceback() -> None:
    record = logging.LogRecord("tams", logging.ERROR, __file__, 1, "no\nway %s", ("x",), None)
    try:
        raise ValueError("unforeseen")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["level"], found["message"]) == ("error", "no\nway x")
    assert "ValueError: unforeseen" in found["exception"]


# --- in flight -------------------------------------------------------------------------------------------------------


def streaming(traffic: Traffic, seen: list[Seen]) -> Flask:
    """An application that answers in three pieces, or fails after one."""
    app = Flask(__name__)
    requests.register(app, traffic, observe=seen.append)

    @app.get("/pieces")
    def pieces() -> Response:
        return Response(iter([b"one", b"two", b"three"]))

    @app.get("/broken")
    def broken() -> Response:
        def give() -> Iterator[bytes]:
            yield b"one"
            raise ValueError("broken")

        return Response(give())

    return app


def test_request_is_in_flight_to_the_last_byte_of_its_answer() -> None:
    traffic, seen = Traffic(), list[Seen]()
    response = streaming(traffic, seen).test_client().get("/pieces", buffered=False)
    assert (traffic.in_flight, seen) == (1, [])
    assert response.data == b"onetwothree"
    response.close()
    assert traffic.in_flight == 0
    assert [(one.route, one.status, one.sent_bytes) for one in seen] == [("/pieces", 200, 11)]


@pytest.mark.parametrize("read", [0, 1])
def test_request_whose_client_goes_away_ends(read: int) -> None:
    traffic, seen = Traffic(), list[Seen]()
    response = streaming(traffic, seen).test_client().get("/pieces", buffered=False)
    pieces = response.iter_encoded()
    for _ in range(read):
        next(pieces)
    response.close()
    assert (traffic.in_flight, len(seen)) == (0, 1)


def test_request_whose_answer_breaks_ends() -> None:
    traffic, seen = Traffic(), list[Seen]()
    response = streaming(traffic, seen).test_client().get("/broken", buffered=False)
    with pytest.raises(ValueError, match="broken"):
        response.get_data()
    response.close()
    assert (traffic.in_flight, len(seen)) == (0, 1)


def test_request_that_the_application_does_not_survive_ends() -> None:
    traffic = Traffic()

    def dead(environ: object, start_response: object) -> list[bytes]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Watched(dead, traffic)({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": io.BytesIO()}, print)
    assert traffic.in_flight == 0


def test_draining_service_lets_nobody_in_and_says_when_to_come_again(client: CheckedClient) -> None:
    traffic: Traffic = client.application.config["TAMS_TRAFFIC"]
    assert traffic.drain(within_s=0) == 0
    for path in ("/service", f"/flows/{new_id()}"):
        response = client.get(path)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert client.put(f"/flows/{new_id()}", json={}).status_code == 503
    health = as_object(client.get("/health"))
    assert (health["ready"], health["detail"]) == (False, "not ready: requests")
    assert client.get("/health/live").status_code == 200
    assert "tams_draining 1.0" in client.get("/metrics").text


def test_a_path_with_a_line_end_makes_no_line_of_its_own(logging_client: CheckedClient, lines: Lines) -> None:
    logging_client.get("/flows/%0A2026-01-01 ERROR a forged one%1B[2J")
    (record,) = lines.lines
    assert "forged" in record
    assert "\x1b" not in record
    assert all(line.startswith("    ") for line in record.split("\n")[1:])
