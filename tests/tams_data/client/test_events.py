"""Events are heard as they happen, each once and in order, whatever becomes of the connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tams_data.client import TamsClient
from tams_data.client.shapes import StoreEvent
from tams_data.errors import RequestFailed
from tests.api.builders import video_flow
from tests.api.process import Service, free_port
from tests.tams_data.client.server import Answer, Seen

STREAM = {"Content-Type": "text/event-stream", "Connection": "close"}


def event(id_: int, end: str = "\n\n") -> str:
    body = {"event_timestamp": "t", "event_type": "flows/deleted", "event": {"flow_id": str(id_)}}
    return f"id: {id_}\ndata: {json.dumps(body)}{end}"


def stream(*parts: str, broken: bool = False) -> Callable[[Seen], Answer]:
    """A stream of these parts, which ends as it should, or in the middle."""
    content = "".join(parts).encode()
    length = {"Content-Length": str(len(content) + 1)} if broken else {}
    return lambda _: Answer(200, content, {**STREAM, **length})


def ids(found: Iterator[StoreEvent], count: int) -> list[str]:
    return [one.id for one in islice(found, count)]


def last_event_ids(seen: list[Seen]) -> list[str | None]:
    return [one.headers.get("last-event-id") for one in seen]


def test_events_are_read_with_their_places_and_filters_are_sent(server, client):
    server.answers = [stream("retry: 1000\nid: 6\n\n", event(7), ":\nid: 8\n\n", event(9, "\r\n\r\n"))]
    found = list(islice(client.events("5", flow_ids="x"), 2))
    assert found == [StoreEvent(str(id_), "flows/deleted", "t", {"flow_id": str(id_)}) for id_ in (7, 9)]
    assert server.seen[0].query == {"flow_ids": ["x"]}
    assert server.seen[0].headers["authorization"] == "Bearer secret"
    assert server.seen[0].headers["accept"] == "text/event-stream"
    assert last_event_ids(server.seen) == ["5"]


@pytest.mark.parametrize(
    ("first", "resumed"),
    [
        pytest.param(stream(event(7)), "7", id="it ends"),
        pytest.param(stream(event(7), broken=True), "7", id="it breaks off"),
        pytest.param(stream(event(7), event(8, "")), "7", id="it ends within an event"),
        pytest.param(stream(event(7), event(8, "\n"), broken=True), "7", id="it breaks off within an event"),
        pytest.param(stream(event(7), ":\nid: 9\n\n"), "9", id="it ends after a place alone"),
    ],
)
def test_a_stream_goes_on_where_it_stood(server, client, first, resumed):
    server.answers = [first, Answer(503, {}, {"Retry-After": "0"}), Answer(None), stream(event(20))]
    assert ids(client.events(), 2) == ["7", "20"]
    assert last_event_ids(server.seen) == [None, resumed, resumed, resumed]


def test_who_has_heard_nothing_goes_on_from_where_listening_began(server, client):
    server.answers = [stream("retry: 1000\nid: 41\n\n", broken=True), stream(event(42))]
    assert ids(client.events(), 1) == ["42"]
    assert last_event_ids(server.seen) == [None, "41"]


@pytest.mark.parametrize("label", ["a\u2028b", "a\x85b", "a\x0bb\x0c", "\u00fc: \u2029"])
def test_a_text_may_have_what_some_take_for_the_end_of_a_line(server, client, label):
    body = {"event_timestamp": "t", "event_type": "flows/updated", "event": {"flow": {"label": label}}}
    server.answers = [stream(f"id: 1\ndata: {json.dumps(body, ensure_ascii=False)}\n\n")]
    (found,) = islice(client.events(), 1)
    assert found.event["flow"]["label"] == label


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_told_at_once(server, client, status):
    server.answers = [Answer(status, {"detail": "not so"})]
    with pytest.raises(RequestFailed, match="not so") as caught:
        next(client.events())
    assert (caught.value.status, len(server.seen)) == (status, 1)


def test_a_service_that_stays_away_is_given_up():
    with (
        TamsClient(f"http://127.0.0.1:{free_port()}") as client,
        pytest.raises(RequestFailed, match=r"no answer \(.*refused"),
    ):
        next(client.events(patience_s=0.3))


def test_a_service_that_stays_busy_is_given_up(server, client):
    server.otherwise = Answer(503, {"detail": "too many"}, {"Retry-After": "0"})
    with pytest.raises(RequestFailed, match="too many"):
        next(client.events(patience_s=0.2))


@pytest.mark.parametrize("data", ["{", "[]", '{"event": {}}'])
def test_what_is_no_event_is_told(server, client, data):
    server.answers = [stream(f"id: 1\ndata: {data}\n\n")]
    with pytest.raises(RequestFailed, match="event '1' cannot be read"):
        next(client.events())


def test_events_of_a_service_are_heard_through_its_restart(tmp_path: Path):
    """With text that other readers of lines would break at."""
    with Service(tmp_path) as service, TamsClient(service.url) as client:
        heard: Iterator[Any] = client.events("0", events="flows/created")
        wanted = [video_flow(label=f"{number}\u2028\x85") for number in range(3)]
        for number, flow in enumerate(wanted):
            if number == 2:
                service.kill()
                service.start()
            client.put_flow(flow)
            assert next(heard).event["flow"] == {**flow, **_added_by_the_service(client, flow)}


def _added_by_the_service(client: TamsClient, flow: dict[str, Any]) -> dict[str, Any]:
    found = client.find_flow(flow["id"]) or {}
    return {name: value for name, value in found.items() if name not in flow}
