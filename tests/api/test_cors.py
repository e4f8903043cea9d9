"""Pages of other origins may use the service when a setting says so."""

from __future__ import annotations

import pytest

from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.builders import new_id, video_flow
from tests.api.client import CheckedClient, client_of

ONE, TWO, OTHER = "https://a.example", "http://b.example:8080", "https://c.example"


@pytest.fixture
def admitting(store: Store, settings: Settings) -> CheckedClient:
    """A client of a service that admits two origins."""
    return client_of(store, settings.model_copy(update={"cors_origins": f"{ONE},{TWO}"}))


def allowed(client: CheckedClient, origin: str | None, path: str = "/flows") -> str | None:
    """The origin that an answer admits."""
    response = client.get(path, headers={} if origin is None else {"Origin": origin})
    return response.headers.get("Access-Control-Allow-Origin")


def test_no_origin_is_admitted_by_default(client: CheckedClient) -> None:
    response = client.get("/flows", headers={"Origin": ONE})
    assert not any(name.startswith("Access-Control") for name in dict(response.headers))
    assert "Origin" not in response.vary


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (ONE, ONE),
        (TWO, TWO),
        (OTHER, None),
        (None, None),
        ("null", None),
        ("https://axexample", None),
        ("https://a.example.evil", None),
        ("https://evil-a.example", None),
        ("http://a.example", None),
        ("http://b.example", None),
    ],
)
def test_only_the_origins_of_the_setting_are_admitted(
    admitting: CheckedClient, origin: str | None, expected: str | None
) -> None:
    assert allowed(admitting, origin) == expected


@pytest.mark.parametrize("origin", [ONE, OTHER, None])
def test_cache_is_told_that_answers_differ_by_origin(admitting: CheckedClient, origin: str | None) -> None:
    response = admitting.get("/flows", headers={} if origin is None else {"Origin": origin})
    assert "Origin" in response.vary
    assert "Accept-Encoding" in response.vary


@pytest.mark.parametrize("origin", [ONE, OTHER, "null", None])
def test_any_origin_is_admitted_by_an_asterisk(store: Store, settings: Settings, origin: str | None) -> None:
    client = client_of(store, settings.model_copy(update={"cors_origins": "*"}))
    assert allowed(client, origin) == "*"
    assert "Origin" not in client.get("/flows", headers={"Origin": ONE}).vary


def test_page_may_read_what_it_needs_to_go_on(admitting: CheckedClient) -> None:
    for _ in range(2):
        admitting.create_flow(video_flow())
    response = admitting.get("/flows?limit=1", headers={"Origin": ONE})
    exposed = set(response.headers["Access-Control-Expose-Headers"].split(", "))
    assert {name for name in dict(response.headers) if name.startswith("X-Paging") or name == "Link"} <= exposed
    assert {"Location", "ETag", "X-Paging-Timerange", "Content-Range"} <= exposed


@pytest.mark.parametrize("path", ["/nothing", f"/flows/{new_id()}", "/flows?limit=0", "/media/x"])
def test_page_may_read_errors(admitting: CheckedClient, path: str) -> None:
    assert allowed(admitting, ONE, path) == ONE


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/flows/x", "PUT"),
        ("/flows/x/segments", "POST"),
        ("/flows/x", "DELETE"),
        ("/media/x", "PUT"),
        ("/media/x", "GET"),
    ],
)
def test_page_may_ask_first_whether_it_may_write(admitting: CheckedClient, path: str, method: str) -> None:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type, authorization"}
    response = admitting.options(path, headers={"Origin": ONE, **asked})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ONE
    assert method in response.headers["Access-Control-Allow-Methods"].split(", ")
    assert response.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    refused = admitting.options(path, headers={"Origin": OTHER, **asked})
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_page_may_upload_and_read_media(admitting: CheckedClient) -> None:
    flow = admitting.create_flow(video_flow())
    object_id = admitting.upload(flow["id"], b"bytes")
    admitting.register(flow["id"], {"object_id": object_id, "timerange": "[0:0_1:0)"})
    (segment,) = admitting.segments(flow["id"], presigned="true")
    response = admitting.get(segment["get_urls"][0]["url"], headers={"Origin": TWO, "Range": "bytes=1-2"})
    assert (response.status_code, response.data) == (206, b"yt")
    assert response.headers["Access-Control-Allow-Origin"] == TWO
    assert "Origin" in response.vary
