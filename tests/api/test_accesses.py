"""What clients ask for is counted: answers with URLs of an object, and answers with its bytes."""

from __future__ import annotations

from typing import Any

import pytest

from tams_data.store.store import Store
from tests.api.builders import video_flow
from tests.api.client import CheckedClient

CONTENT = b"media" * 100


@pytest.fixture
def flow(client: CheckedClient) -> str:
    """The path of a flow with one segment, whose object `a` is uploaded."""
    flow_id = client.create_flow(video_flow())["id"]
    body = {"object_ids": ["a"]}
    (allocated,) = client.post(f"/flows/{flow_id}/storage", json=body).json["media_objects"]
    put_url = allocated["put_url"]
    assert client.put(put_url["url"], data=CONTENT, content_type=put_url["content-type"]).status_code == 200
    client.register(flow_id, {"object_id": "a", "timerange": "[0:0_10:0)"})
    return f"/flows/{flow_id}"


def counts(client: CheckedClient, store: Store) -> dict[str, tuple[int, int]]:
    """Media GETs and answers with URLs by object, once all that is noted is written."""
    store.jobs.run_due()
    rows: list[dict[str, Any]] = client.get("/analytics/object-access").json["rows"]
    return {row["object_id"]: (row["media_gets"], row["urls_given"]) for row in rows}


def test_answers_with_urls_are_counted_once_each(client, store, flow):
    assert counts(client, store) == {}
    (shown,) = client.get(f"{flow}/segments").json
    assert len(shown["get_urls"]) > 1
    assert counts(client, store) == {"a": (0, 1)}
    client.get("/objects/a")
    client.get(f"{flow}/hls.m3u8")
    assert counts(client, store) == {"a": (0, 3)}


@pytest.mark.parametrize("query", ["accept_get_urls=", "accept_get_urls=none", "timerange=[20:0_30:0)"])
def test_answers_without_urls_are_not_counted(client, store, flow, query):
    client.get(f"{flow}/segments?{query}")
    client.head(f"{flow}/segments")
    assert counts(client, store) == {}


def test_answers_with_bytes_are_counted(client, store, flow):
    (shown,) = client.get(f"{flow}/segments").json
    url = shown["get_urls"][0]["url"]
    first = client.get(url)
    assert first.data == CONTENT
    assert client.get(url, headers={"Range": "bytes=0-4"}).data == CONTENT[:5]
    assert counts(client, store) == {"a": (2, 1)}
    # none of these has bytes
    client.head(url)
    assert client.get(url, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert client.get(url, headers={"Range": f"bytes={len(CONTENT)}-"}).status_code == 416
    assert counts(client, store) == {"a": (2, 1)}


def test_the_usage_has_the_average_and_the_most(client, store, flow):
    client.get(f"{flow}/segments")
    store.jobs.run_due()
    answer = client.get("/analytics/storage-usage").json
    assert (answer["total_objects"], answer["total_size_bytes"], answer["average_access_count"]) == (1, len(CONTENT), 1)
    assert answer["most_accessed"] == answer["least_accessed"]
    assert answer["most_accessed"][0]["last_access_ns"] > 0
