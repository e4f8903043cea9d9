"""Objects get further instances: copies on other backends, made in the background, and URLs outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from tams_data.engines.base import Database
from tams_data.media import LocalMediaStore
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.builders import Json, new_id, video_flow
from tests.api.client import CheckedClient, as_object, client_of
from tests.conftest import LOOPBACK

CONTENT = bytes(range(256)) * 1200  # more than one chunk
ODD = "a/b ä?#%2F\ninstances"


@pytest.fixture
def store(database: Database, settings: Settings) -> Iterator[Store]:
    """A store with two backends, of which `one` is the default."""
    folder = settings.data_dir
    one = LocalMediaStore(folder / "one", secret=bytes(32), label="one")
    two = LocalMediaStore(folder / "two", secret=bytes(32), label="two", default_storage=False, path="/media-two")
    opened = Store(database, {media.backend.id: media for media in (one, two)}, copy_max=10**6, destinations=LOOPBACK)
    yield opened
    opened.close()


@pytest.fixture
def ids(store: Store) -> dict[str, str]:
    """The ids of the backends by their labels."""
    return {str(media.backend.label): storage_id for storage_id, media in store.media.items()}


@pytest.fixture
def client(store: Store, settings: Settings) -> CheckedClient:
    """A client of the API over `store`."""
    return client_of(store, settings)


@pytest.fixture
def flow_id(client: CheckedClient) -> str:
    """A flow."""
    return str(client.create_flow(video_flow())["id"])


@pytest.fixture
def uploaded(client: CheckedClient, flow_id: str) -> str:
    """A registered object whose bytes are on the backend `one`, with an id that has every kind of character."""
    object_id = client.upload(flow_id, CONTENT, object_ids=[ODD])
    client.register(flow_id, {"object_id": object_id, "timerange": "[0:0_1:0)"})
    return object_id


def post(client: CheckedClient, object_id: str, **body: Any) -> TestResponse:
    return client.post(f"/objects/{quote(object_id, safe='')}/instances", json=body)


def delete(client: CheckedClient, object_id: str, **query: str) -> TestResponse:
    return client.delete(f"/objects/{quote(object_id, safe='')}/instances", query_string=query)


def urls(client: CheckedClient, object_id: str) -> dict[str, str]:
    """The plain URLs of an object by their labels."""
    shown = as_object(client.get_object(object_id, presigned="false"))["get_urls"]
    return {one["label"]: one["url"] for one in shown}


# --- controlled ------------------------------------------------------------------------------------------------------


def test_copy_is_advertised_once_it_is_there(
    client: CheckedClient, store: Store, ids: dict[str, str], uploaded: str
) -> None:
    assert post(client, uploaded, storage_id=ids["two"]).status_code == 201
    assert urls(client, uploaded).keys() == {"one"}
    store.jobs.run_due()
    found = urls(client, uploaded)
    assert found.keys() == {"one", "two"}
    assert "/media-two/" in found["two"]
    for url in found.values():
        got = client.get(url)
        assert (got.data, got.content_type) == (CONTENT, "video/mp2t")
    segment = client.segments(as_object(client.get_object(uploaded))["referenced_by_flows"][0])[0]
    assert {one["label"] for one in segment["get_urls"]} == {"one", "two"}


def test_object_is_copied_to_a_backend_once(client: CheckedClient, store: Store, ids: dict[str, str], uploaded: str):
    assert post(client, uploaded, storage_id=ids["one"]).status_code == 400
    assert post(client, uploaded, storage_id=ids["two"]).status_code == 201
    assert post(client, uploaded, storage_id=ids["two"]).status_code == 400, "it is on its way"
    store.jobs.run_due()
    assert post(client, uploaded, storage_id=ids["two"]).status_code == 400


def test_copy_that_is_called_off_is_not_made(client: CheckedClient, store: Store, ids: dict[str, str], uploaded: str):
    post(client, uploaded, storage_id=ids["two"])
    assert delete(client, uploaded, storage_id=ids["two"]).status_code == 204
    store.jobs.run_due()
    assert urls(client, uploaded).keys() == {"one"}
    assert store.media[ids["two"]].stat(uploaded) is None


def test_copy_goes_with_its_object(client: CheckedClient, store: Store, ids: dict[str, str], uploaded, flow_id):
    post(client, uploaded, storage_id=ids["two"])
    store.jobs.run_due()
    client.delete(f"/flows/{flow_id}")
    assert [media.stat(uploaded) for media in store.media.values()] == [None, None]


# --- uncontrolled ----------------------------------------------------------------------------------------------------


class Elsewhere(BaseHTTPRequestHandler):
    """Serves CONTENT at /object, by a redirect at /moved, and at other paths what cannot be used."""

    def do_GET(self) -> None:  # http.server's name
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/object")
            self.end_headers()
            return
        self.send_response(200 if self.path in ("/object", "/large", "/endless") else 404)
        if self.path != "/endless":
            self.send_header("Content-Length", str(10**7 if self.path == "/large" else len(CONTENT)))
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        if self.path == "/object":
            self.wfile.write(CONTENT)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The URL of a server that is not the service."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def registered_at(client: CheckedClient, flow_id: str, url: str) -> None:
    """Register the object `x`, whose bytes are at a URL."""
    segment = {"object_id": "x", "timerange": "[0:0_1:0)", "get_urls": [{"url": url, "label": "elsewhere"}]}
    client.register(flow_id, segment)


@pytest.mark.parametrize("path", ["/object", "/moved"])
def test_object_is_copied_from_a_url(client, store, elsewhere, path):
    flow_id, (_, two) = client.create_flow(video_flow())["id"], store.media
    registered_at(client, flow_id, elsewhere + path)
    assert post(client, "x", storage_id=two).status_code == 201
    store.jobs.run_due()
    found = urls(client, "x")
    assert found.keys() == {"elsewhere", "two"}
    assert client.get(found["two"]).data == CONTENT


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("/gone", "answered 404", id="not-found"),
        pytest.param("/large", "at most 1000000", id="too-large"),
        pytest.param("/endless", "does not say how many bytes", id="without-length"),
        pytest.param("file:///etc/hostname", "by http and https only", id="another-scheme"),
        pytest.param("http://127.0.0.1:9/x", "cannot fetch", id="nobody-there"),
    ],
)
def test_copy_that_fails_is_tried_again_later(client, store, elsewhere, url, reason):
    flow_id, (_, two) = client.create_flow(video_flow())["id"], store.media
    registered_at(client, flow_id, elsewhere + url if url.startswith("/") else url)
    post(client, "x", storage_id=two)
    store.jobs.run_due()
    (row,) = store.database.ibis().table("object_copies").to_pyarrow().to_pylist()
    assert row["attempts"] == 1
    assert reason in row["error"]
    assert row["next_ns"] > row["created_ns"] + 9 * 10**9
    assert urls(client, "x").keys() == {"elsewhere"}


def test_url_is_added_with_its_label(client: CheckedClient, uploaded: str) -> None:
    assert post(client, uploaded, url="https://elsewhere.example/x", label="away").status_code == 201
    assert urls(client, uploaded)["away"] == "https://elsewhere.example/x"
    for label in ("away", "one", "two"):
        response = post(client, uploaded, url="https://elsewhere.example/y", label=label)
        assert (response.status_code, as_object(response)["field"]) == (400, "label")


# --- deletion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["storage_id", "label"])
def test_controlled_instance_is_deleted_with_its_bytes(client, store, ids, uploaded, by):
    post(client, uploaded, storage_id=ids["two"])
    store.jobs.run_due()
    query = {"storage_id": ids["one"]} if by == "storage_id" else {"label": "one"}
    assert delete(client, uploaded, **query).status_code == 204
    assert urls(client, uploaded).keys() == {"two"}
    assert store.media[ids["one"]].stat(uploaded) is None
    assert delete(client, uploaded, label="two").status_code == 400, "the last one stays"
    assert store.media[ids["two"]].stat(uploaded) is not None


def test_uncontrolled_instance_is_deleted_by_its_label(client: CheckedClient, uploaded: str) -> None:
    for label in ("a", "b"):
        post(client, uploaded, url="https://elsewhere.example/x", label=label)
    assert delete(client, uploaded, label="a").status_code == 204
    assert urls(client, uploaded).keys() == {"one", "b"}


@pytest.mark.parametrize(
    "query", [{}, {"label": "one", "storage_id": "x"}, {"label": "none"}, {"storage_id": new_id()}, {"labels": "one"}]
)
def test_deletion_of_no_or_of_several_instances_is_refused(client: CheckedClient, uploaded: str, query: Json) -> None:
    post(client, uploaded, url="https://elsewhere.example/x", label="a")
    assert delete(client, uploaded, **query).status_code == 400
    assert urls(client, uploaded).keys() == {"one", "a"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://elsewhere.example/x"},
        {"label": "a"},
        {"storage_id": "x"},
        {"storage_id": new_id()},
        {"storage_id": new_id(), "url": "https://elsewhere.example/x", "label": "a"},
    ],
)
def test_instance_that_is_neither_copy_nor_url_is_refused(client: CheckedClient, uploaded: str, body: Json) -> None:
    assert post(client, uploaded, **body).status_code == 400


def test_object_that_is_not_registered_has_no_instances(client: CheckedClient, ids: dict[str, str], flow_id: str):
    client.allocate(flow_id, "spare")
    for object_id in ("spare", "none"):
        assert post(client, object_id, storage_id=ids["two"]).status_code == 404
        assert post(client, object_id, url="https://elsewhere.example/x", label="a").status_code == 404
        assert delete(client, object_id, label="one").status_code == 404


def test_upload_goes_to_the_backend_it_was_allocated_on(client: CheckedClient, flow_id: str) -> None:
    client.allocate(flow_id, "a")
    assert client.put("/media-two/a", data=b"x", content_type="video/mp2t").status_code == 400
    assert client.put("/media/a", data=b"x", content_type="video/mp2t").status_code == 200
