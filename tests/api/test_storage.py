"""`/flows/{id}/storage`: objects to upload, of the service's ids or the client's."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.backends import STORAGE_IDS
from tests.api.builders import Json, fragmented_flow, multi_flow, new_id, video_flow
from tests.api.client import CheckedClient, as_object, client_of
from tests.api.specification import EXAMPLES, needs_specification


@pytest.fixture
def flow(client: CheckedClient) -> str:
    """The id of a video flow in MPEG-TS."""
    flow_id: str = client.create_flow(video_flow())["id"]
    return flow_id


@pytest.fixture(scope="module")
def shared_flow(shared_client: CheckedClient) -> str:
    """The id of a flow that gets nothing."""
    flow_id: str = shared_client.create_flow(video_flow())["id"]
    return flow_id


def allocated(client: CheckedClient, flow_id: str, body: Any) -> list[Json]:
    """The objects to upload that a request gives."""
    response = client.post(f"/flows/{flow_id}/storage", json=body)
    assert response.status_code == 201, response.text
    found: list[Json] = as_object(response)["media_objects"]
    return found


@pytest.mark.parametrize(
    ("body", "count"),
    [({}, 1), ({"limit": 1}, 1), ({"limit": 7}, 7), ({"limit": 1000}, 1000), ({"limit": 10**30}, 1000)],
    ids=lambda value: str(value)[:20],
)
def test_objects_get_new_ids(client: CheckedClient, flow: str, body: Json, count: int) -> None:
    ids = {one["object_id"] for one in allocated(client, flow, body)}
    assert len(ids) == count
    assert {str(UUID(one)) for one in ids} == ids


def test_body_may_be_left_out(client: CheckedClient, flow: str) -> None:
    response = client.post(f"/flows/{flow}/storage")
    assert response.status_code == 201
    assert len(as_object(response)["media_objects"]) == 1


def test_limit_is_that_of_a_page_at_most(store: Store, settings: Settings) -> None:
    client = client_of(store, settings.model_copy(update={"page_limit_max": 2}))
    flow_id = client.create_flow(video_flow())["id"]
    assert len(allocated(client, flow_id, {"limit": 3})) == 2
    response = client.post(f"/flows/{flow_id}/storage", json={"object_ids": ["a", "b", "c"]})
    assert (response.status_code, as_object(response)["field"]) == (400, "object_ids")
    assert [one["object_id"] for one in allocated(client, flow_id, {"object_ids": ["a", "b"]})] == ["a", "b"]


def test_client_may_name_the_objects(client: CheckedClient, flow: str) -> None:
    ids = ["b", "a", "feed 1/0001?x=%41#\n", "日本"]
    assert [one["object_id"] for one in allocated(client, flow, {"object_ids": ids})] == ids


@pytest.mark.parametrize("taken_by", ["this flow", "another flow", "a segment", "the same request"])
def test_ids_that_are_taken_are_refused(client: CheckedClient, flow: str, taken_by: str) -> None:
    other = client.create_flow(video_flow())["id"]
    wanted = ["free", "taken"]
    if taken_by == "this flow":
        client.allocate(flow, "taken")
    elif taken_by == "another flow":
        client.allocate(other, "taken")
    elif taken_by == "a segment":
        client.allocate(other, "taken")
        client.register(other, {"object_id": "taken", "timerange": "[0:0_1:0)"})
    else:
        wanted.append("taken")
    response = client.post(f"/flows/{flow}/storage", json={"object_ids": wanted})
    assert (response.status_code, as_object(response)["field"], as_object(response)["value"]) == (
        400,
        "object_ids",
        "taken",
    )
    assert client.allocate(flow, "free") == ["free"]  # nothing of the refused request was written


@pytest.mark.parametrize("presigned", [None, True, False])
def test_urls_are_presigned_unless_others_are_wanted(client: CheckedClient, flow: str, presigned: bool | None) -> None:
    body = {} if presigned is None else {"presigned": presigned}
    (one,) = allocated(client, flow, body)
    assert one["presigned"] is (presigned is not False)
    assert ("signature=" in one["put_url"]["url"]) is one["presigned"]


def test_objects_are_of_the_type_of_their_flow(client: CheckedClient, flow: str) -> None:
    (one,) = allocated(client, flow, {})
    assert one["put_url"]["content-type"] == "video/mp2t"


def test_initialisation_object_may_be_of_another_type(client: CheckedClient) -> None:
    flow_id = client.create_flow(fragmented_flow())["id"]
    (one,) = allocated(client, flow_id, {"content_type": "video/mp4"})
    assert one["put_url"]["content-type"] == "video/mp4"
    (one,) = allocated(client, flow_id, {})
    assert one["put_url"]["content-type"] == "video/iso.segment"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param({}, "a", id="the default"),
        pytest.param({"storage_id": STORAGE_IDS["b"]}, "b", id="another"),
        pytest.param({"storage_id": STORAGE_IDS["x"], "presigned": False}, "x", id="one without a label"),
    ],
)
def test_objects_are_allocated_on_a_storage_backend(backends: CheckedClient, body: Json, name: str) -> None:
    flow_id = backends.create_flow(video_flow())["id"]
    (one,) = allocated(backends, flow_id, body)
    suffix = "?signed" if one["presigned"] else ""
    assert one["put_url"]["url"] == f"https://{name}.example/put/{one['object_id']}{suffix}"
    backends.register(flow_id, {"object_id": one["object_id"], "timerange": "[0:0_1:0)"})
    (segment,) = backends.segments(flow_id, verbose_storage="true", presigned="false")
    assert [url["storage_id"] for url in segment["get_urls"]] == [STORAGE_IDS[name]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"limit": 0}, "limit", id="none"),
        pytest.param({"limit": -1}, "limit", id="fewer than none"),
        pytest.param({"limit": "1"}, "limit", id="a number as text"),
        pytest.param({"limit": 1.5}, "limit", id="one and a half"),
        pytest.param({"limit": True}, "limit", id="a truth value"),
        pytest.param({"object_ids": "a"}, "object_ids", id="ids as text"),
        pytest.param({"object_ids": [""]}, "object_ids.0", id="the empty id"),
        pytest.param({"object_ids": ["a", 1]}, "object_ids.1", id="an id that is a number"),
        pytest.param({"object_ids": ["x" * 4097]}, "object_ids.0", id="an endless id"),
        pytest.param({"limit": 1, "object_ids": ["a"]}, "", id="both"),
        pytest.param({"storage_id": "x"}, "storage_id", id="no storage id"),
        pytest.param({"storage_id": STORAGE_IDS["a"]}, "storage_id", id="no such storage backend"),
        pytest.param({"content_type": "mp4"}, "content_type", id="no type"),
        pytest.param({"presigned": "true"}, "presigned", id="a truth value as text"),
        pytest.param([], "", id="an array"),
        pytest.param(None, "", id="null"),
    ],
)
def test_bad_request_is_refused_by_the_name_of_what_is_wrong(
    shared_client: CheckedClient, shared_flow: str, body: Any, field: str
) -> None:
    response = shared_client.post(
        f"/flows/{shared_flow}/storage", data=json.dumps(body), content_type="application/json"
    )
    assert (response.status_code, as_object(response)["field"]) == (400, field)


def test_only_a_flow_that_is_there_gets_storage(client: CheckedClient) -> None:
    assert client.post(f"/flows/{new_id()}/storage", json={}).status_code == 404
    assert client.post("/flows/x/storage", json={}).status_code == 404


def test_only_a_flow_with_a_container_gets_storage(client: CheckedClient) -> None:
    flow_id = client.create_flow(multi_flow())["id"]
    response = client.post(f"/flows/{flow_id}/storage", json={})
    assert (response.status_code, as_object(response)["field"]) == (400, "container")


def test_ids_are_free_again_when_their_flow_is_deleted(client: CheckedClient, flow: str) -> None:
    other = client.create_flow(video_flow())["id"]
    client.allocate(flow, "a")
    client.delete(f"/flows/{flow}")
    assert client.allocate(other, "a") == ["a"]


def test_uploaded_object_goes_with_its_flow(client: CheckedClient, flow: str) -> None:
    """Although no segment ever used it."""
    (one,) = allocated(client, flow, {"presigned": False})
    url = one["put_url"]["url"]
    assert client.put(url, data=b"bytes", content_type="video/mp2t").status_code == 200
    assert client.delete(f"/flows/{flow}").status_code == 204
    assert client.get(url).status_code == 404


@needs_specification
@pytest.mark.parametrize("name", ["flow-storage-post.json", "flow-storage-post-object_ids.json"])
def test_examples_of_the_specification_are_accepted(client: CheckedClient, flow: str, name: str) -> None:
    example = json.loads((EXAMPLES / name).read_text())
    example.pop("storage_id", None)  # that of another service
    found = allocated(client, flow, example)
    assert len(found) == example.get("limit", len(example.get("object_ids", [0])))
