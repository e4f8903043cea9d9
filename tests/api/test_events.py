"""Events: their bodies are the specification's, and `/events` streams them to who listens."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tams_data.media.urls import ObjectUrls, UrlChoice
from tams_data.store import events
from tams_data.store.outbox import events_after
from tams_data.store.store import Store
from tests.api.builders import Json, audio_flow, fragmented_flow, multi_flow, new_id, video_flow
from tests.api.client import CheckedClient
from tests.api.process import Service, wait_until
from tests.api.specification import check_event
from tests.tams_data.store.receiver import Receiver

# --- bodies ----------------------------------------------------------------------------------------------------------


def bodies(store: Store) -> list[Json]:
    """Every event as it is sent to who wants everything."""
    store.jobs.run_due()
    choice = UrlChoice(verbose=True)
    urls = ObjectUrls(store.media, choice, base_url="http://tams.example")
    found = events_after(store.database, 0, limit=1000)
    return [
        json.loads(events.body_of(store.database, one, get_urls=urls.get_urls, with_object_timerange=True))
        for one in found
    ]


def test_bodies_are_the_specifications(client: CheckedClient, store: Store) -> None:
    """Of every event, of flows and segments with all that they may have."""
    tags = {"a": "b", "c": ["d"]}
    video = client.create_flow(video_flow(tags=tags, label="x", description="y", generation=1))
    audio = client.create_flow(audio_flow())
    members = [{"id": one["id"], "role": "r"} for one in (video, audio)]
    multi = client.create_flow(multi_flow(flow_collection=members))
    fragmented = client.create_flow(fragmented_flow())
    init_id, object_id = client.allocate(fragmented["id"], "init", "object")
    client.register(
        fragmented["id"],
        {
            "object_id": object_id,
            "init_object_id": init_id,
            "timerange": "[1:0_2:0)",
            "object_timerange": "[0:0_5:0)",
            "ts_offset": "1:0",
            "last_duration": "0:40000000",
            "key_frame_count": 2,
            "sample_offset": 1,
            "sample_count": 25,
        },
    )
    client.add(video["id"], "[0:0_1:0)", "[1:0_2:0)")
    client.put(f"/sources/{video['source_id']}/label", json="z")
    client.put(f"/flows/{video['id']}/tags/e", json="f")
    client.delete(f"/flows/{video['id']}/segments?timerange=[1:0_2:0)")
    for one in (video, multi):
        assert client.delete(f"/flows/{one['id']}").status_code == 204
    told = bodies(store)
    for body in told:
        check_event(body)
    assert {body["event_type"] for body in told} == set(events.TYPES)
    added = next(body["event"] for body in told if body["event"].get("flow_id") == fragmented["id"])
    (shown,) = client.segments(fragmented["id"], include_object_timerange="true", accept_get_urls="")
    (segment,) = added["segments"]
    urls = [*segment.pop("get_urls"), *segment["init_object"].pop("get_urls")]
    assert [one["controlled"] for one in urls] == [True] * 4
    assert segment == shown
    assert next(b["event"]["flow"] for b in told if b["event_type"] == "flows/created") == {
        name: value for name, value in video.items() if name != "timerange"
    }


def test_mechanisms_are_announced(client: CheckedClient) -> None:
    response = client.get("/service")
    assert response.json is not None
    assert [one["name"] for one in response.json["event_stream_mechanisms"]] == ["webhooks", "server-sent-events"]


# --- the stream ------------------------------------------------------------------------------------------------------


class Stream:
    """What a listener hears."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def begun(self) -> None:
        """Wait until the stream is there."""
        assert next(self._lines) == "retry: 1000"

    def events(self, count: int) -> list[tuple[int, Json]]:
        """The next events with their ids."""
        found: list[tuple[int, Json]] = []
        id_ = -1
        while len(found) < count:
            name, _, value = next(self._lines).partition(": ")
            if name == "id":
                id_ = int(value)
            elif name == "data":
                found.append((id_, json.loads(value)))
        return found


@contextmanager
def listening(url: str, headers: dict[str, str] | None = None, **query: str) -> Iterator[Stream]:
    with httpx.stream("GET", f"{url}/events", params=query, headers=headers or {}, timeout=60) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        stream = Stream(response)
        stream.begun()
        yield stream


def put(url: str, flow: Json) -> None:
    assert httpx.put(f"{url}/flows/{flow['id']}", json=flow, timeout=60).status_code in (201, 204)


LISTENERS = 8


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with room for a few listeners."""
    with Service(tmp_path_factory.mktemp("events"), TAMS_EVENT_LISTENERS=str(LISTENERS)) as running:
        yield running


def test_who_listens_hears_what_happens_and_goes_on_where_it_stood(service_url: str) -> None:
    flow = video_flow()
    with listening(service_url) as stream:
        put(service_url, flow)
        (first, created_source), (second, created) = stream.events(2)
    check_event(created_source)
    check_event(created)
    assert (created_source["event_type"], created["event_type"]) == ("sources/created", "flows/created")
    assert created["event"]["flow"]["id"] == flow["id"]
    put(service_url, {**flow, "label": "x"})
    for resumed in ({"headers": {"Last-Event-ID": str(first)}}, {"after": str(first)}):
        with listening(service_url, **resumed) as stream:  # type: ignore[arg-type]
            again, updated = stream.events(2)
        assert again == (second, created)
        assert updated[1]["event_type"] == "flows/updated"


def test_the_stream_begins_with_its_place(service_url: str) -> None:
    """So that who has heard nothing yet misses nothing when the connection is lost."""
    put(service_url, video_flow())
    with httpx.stream("GET", f"{service_url}/events", timeout=60) as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        name, _, place = next(lines).partition(": ")
        assert (name, next(lines)) == ("id", "")
    put(service_url, video_flow())
    with listening(service_url, {"Last-Event-ID": place}) as stream:
        (first, created), _ = stream.events(2)
    assert (first, created["event_type"]) == (int(place) + 1, "sources/created")


def test_a_listener_hears_what_it_asks_for(service_url: str) -> None:
    wanted, other = video_flow(), video_flow()
    object_at = {"object_id": new_id(), "timerange": "[0:0_1:0)"}
    urls = [{"url": "https://a.example/o", "label": "a"}, {"url": "https://b.example/o", "label": "b"}]
    query = {"flow_ids": wanted["id"], "events": "flows/created,flows/segments_added", "accept_get_urls": "b"}
    with listening(service_url, **query) as stream:
        for flow in (other, wanted):
            put(service_url, flow)
        segments = f"{service_url}/flows/{wanted['id']}/segments"
        assert httpx.post(segments, json={**object_at, "get_urls": urls}).status_code == 201
        (_, created), (_, added) = stream.events(2)
    assert created["event"]["flow"]["id"] == wanted["id"]
    check_event(added)
    assert added["event"]["segments"] == [{**object_at, "get_urls": [{**urls[1], "presigned": False}]}]


def test_listeners_are_few_and_those_who_left_make_room(service_url: str) -> None:
    def room() -> bool:
        with httpx.stream("GET", f"{service_url}/events", timeout=60) as found:
            return found.status_code == 200

    with ExitStack() as held:
        for _ in range(LISTENERS):
            response = held.enter_context(httpx.stream("GET", f"{service_url}/events", timeout=60))
            if response.status_code == 503:
                break  # of an earlier test one has not been missed yet
        else:
            response = httpx.get(f"{service_url}/events", timeout=60)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert httpx.head(f"{service_url}/events").status_code == 200
        assert httpx.get(f"{service_url}/flows").status_code == 200
    put(service_url, video_flow())  # who left shows when something is sent
    wait_until(room, within_s=60, failing=lambda: "no room is made")


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        pytest.param({}, {"Last-Event-ID": "x"}, "Last-Event-ID", id="last-event-id"),
        pytest.param({}, {"Last-Event-ID": "9" * 5000}, "Last-Event-ID", id="last-event-id-of-no-size"),
        pytest.param({"after": "-1"}, {}, "after", id="after"),
        pytest.param({"events": "flows/made"}, {}, "events", id="events"),
        pytest.param({"flow_ids": ""}, {}, "flow_ids", id="flow-ids"),
        pytest.param({"flows": new_id()}, {}, "flows", id="unknown"),
    ],
)
def test_what_cannot_be_heard_is_refused(client: CheckedClient, query: Any, headers: Any, field: str) -> None:
    response = client.get("/events", query_string=query, headers=headers)
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["field"] == field


# --- a process that is killed ----------------------------------------------------------------------------------------


def test_what_was_acknowledged_is_sent_though_the_process_is_killed_while_it_sends(tmp_path: Path) -> None:
    """Whatever was sent and not noted is sent again; order is kept, and nothing is left out."""
    with Service(tmp_path, TAMS_ALLOWED_DESTINATIONS="127.0.0.1") as running, Receiver() as receiver:
        killed: list[int] = []

        def answer(_: Json) -> int:
            if len(receiver.bodies) == 4 and not killed:
                killed.append(os.getpgid(running.process.pid))
                os.killpg(killed[0], signal.SIGKILL)
            return 200

        receiver.answer = answer
        hook = {"url": receiver.url, "events": ["flows/created"]}
        assert httpx.post(f"{running.url}/service/webhooks", json=hook).status_code == 201
        acknowledged = []
        for _ in range(200):
            flow = video_flow()
            try:
                put(running.url, flow)
            except httpx.TransportError:
                break
            acknowledged.append(flow["id"])
        assert killed
        running.kill()
        running.start()
        put(running.url, last := video_flow())

        def told() -> list[str]:
            return [body["event"]["flow"]["id"] for body in receiver.bodies]

        wait_until(lambda: last["id"] in told(), within_s=60, failing=lambda: str(len(told())))
        assert [one for one in dict.fromkeys(told()) if one in acknowledged] == acknowledged
