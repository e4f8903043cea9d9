"""JSON is sent compressed to who takes it; media are sent as they are stored."""

from __future__ import annotations

import pytest
from flask import Flask, Response

from api import compression
from tests.api.builders import data_flow, video_flow
from tests.api.client import CheckedClient, content_of


@pytest.fixture(scope="module")
def listed(shared_client: CheckedClient) -> CheckedClient:
    """A client of a service with a list of flows that is worth compressing."""
    for _ in range(10):
        shared_client.create_flow(video_flow())
    return shared_client


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "gzip"),
        ("zstd;q=0.5, gzip;q=0.9", "gzip"),
        ("deflate, br", None),
        ("*", "zstd"),
    ],
)
def test_json_is_sent_as_its_receiver_takes_it(listed: CheckedClient, accepted: str | None, sent: str | None) -> None:
    plain = listed.get("/flows")
    response = listed.get("/flows", headers={} if accepted is None else {"Accept-Encoding": accepted})
    assert response.headers.get("Content-Encoding") == sent
    assert content_of(response) == plain.data
    assert response.headers["Content-Length"] == str(len(response.data))
    assert (len(response.data) < len(plain.data) / 2) == (sent is not None)
    assert "Accept-Encoding" in response.vary
    assert response.headers["X-Paging-Count"] == plain.headers["X-Paging-Count"]


def test_head_says_what_get_would_send(listed: CheckedClient) -> None:
    headers = {"Accept-Encoding": "gzip"}
    get, head = listed.get("/flows", headers=headers), listed.head("/flows", headers=headers)
    assert head.headers["Content-Encoding"] == "gzip"
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert head.data == b""


def test_little_json_is_sent_as_it_is(listed: CheckedClient) -> None:
    response = listed.get("/", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in response.headers
    assert "Accept-Encoding" in response.vary


@pytest.mark.parametrize("accepted", ["gzip", "zstd"])
def test_media_are_sent_as_they_are_stored_even_if_they_are_json(client: CheckedClient, accepted: str) -> None:
    flow = client.create_flow(data_flow(container="application/json"))
    content = b'{"a": "' + b"b" * 10_000 + b'"}'
    object_id = client.upload(flow["id"], content)
    client.register(flow["id"], {"object_id": object_id, "timerange": "[0:0_1:0)"})
    (segment,) = client.segments(flow["id"], presigned="false")
    url = segment["get_urls"][0]["url"].removeprefix("http://localhost")
    whole = client.get(url, headers={"Accept-Encoding": accepted})
    assert (whole.content_type, whole.data) == ("application/json", content)
    part = client.get(url, headers={"Accept-Encoding": accepted, "Range": "bytes=2-4"})
    assert (part.status_code, part.data) == (206, content[2:5])
    for response in (whole, part):
        assert "Content-Encoding" not in response.headers
        assert "Accept-Encoding" not in response.vary
        assert response.headers["ETag"] == client.get(url).headers["ETag"]


@pytest.mark.parametrize("accepted", ["", "gzip", "zstd"])
def test_weak_etag_is_the_same_in_every_coding(accepted: str) -> None:
    """An ETag of JSON is to be weak (RFC 9110, 8.8.1): the bytes differ by coding, and what they say does not."""
    app = Flask("tagged")
    compression.register(app)

    @app.get("/")
    def tagged() -> Response:
        response = Response(b"[" + b"1," * 2000 + b"1]", content_type="application/json")
        response.set_etag("v1", weak=True)
        return response

    headers = {"Accept-Encoding": accepted}
    client = app.test_client()
    found = client.get("/", headers=headers)
    assert (found.status_code, found.headers["ETag"]) == (200, 'W/"v1"')
    if accepted:
        again = client.get("/", headers={**headers, "If-None-Match": 'W/"v1"'})
        assert (again.status_code, again.data) == (304, b"")
        assert "Accept-Encoding" in again.vary
        assert client.get("/", headers={**headers, "If-None-Match": 'W/"v2"'}).status_code == 200
