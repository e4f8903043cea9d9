"""Single resources have an ETag: who has it gets nothing twice, and overwrites nothing unseen."""

from __future__ import annotations

import pytest

from tests.api.builders import Json, new_id, profile, video_flow
from tests.api.client import CheckedClient, as_object

OBJECT = {
    "object_id": "o",
    "timerange": "[0:0_1:0)",
    "get_urls": [{"url": "https://elsewhere.example/o", "label": "x"}],
}


@pytest.fixture
def flow(client: CheckedClient) -> Json:
    """A flow with one segment."""
    flow = client.create_flow(video_flow(label="a", tags={"a": "b"}))
    client.register(flow["id"], OBJECT)
    return flow


def resources(flow: Json) -> list[str]:
    """The paths of a flow, its source, its object and their properties, and of the service."""
    below = ["label", "tags", "tags/a", "read_only", "flow_collection"]
    of_flow = [f"/flows/{flow['id']}", *(f"/flows/{flow['id']}/{name}" for name in below)]
    source = f"/sources/{flow['source_id']}"
    return [*of_flow, source, f"{source}/label", f"{source}/tags", f"{source}/tags/a", "/objects/o", "/service"]


def others(client: CheckedClient) -> list[str]:
    """The paths of a profile, a webhook and a deletion request."""
    doomed = client.create_flow(video_flow())["id"]
    deletion = as_object(client.post("/deletion-requests", json={"flow_id": doomed}))["id"]
    return [
        f"/service/profiles/{client.create_profile(profile())['id']}",
        f"/service/webhooks/{client.create_webhook()['id']}",
        *(f"/{name}/{deletion}" for name in ("flow-delete-requests", "deletion-requests")),
    ]


def etag(client: CheckedClient, path: str) -> str:
    """The ETag of what is at a path."""
    return client.get(path).headers["ETag"]


def test_who_has_a_resource_gets_nothing_twice(client: CheckedClient, flow: Json) -> None:
    for path in [*resources(flow), *others(client)]:
        known = etag(client, path)
        for condition in (known, f'"other", {known}', known.removeprefix("W/"), "*"):
            for method in ("GET", "HEAD"):
                response = client.open(path, method=method, headers={"If-None-Match": condition})
                assert (response.status_code, response.data) == (304, b""), (path, condition)
                assert response.headers["ETag"] == known
                assert "Content-Type" not in response.headers
        response = client.get(path, headers={"If-None-Match": '"other"'})
        assert (response.status_code, response.headers["ETag"]) == (200, known)


def test_etag_changes_with_what_is_shown(client: CheckedClient, flow: Json) -> None:
    of_flow, source = f"/flows/{flow['id']}", f"/sources/{flow['source_id']}"
    before = {path: etag(client, path) for path in resources(flow)}
    assert client.put(f"{of_flow}/label", json="b").status_code == 204
    changed = {path for path in before if etag(client, path) != before[path]}
    assert changed == {of_flow, f"{of_flow}/label"}
    assert client.put(f"{source}/tags/a", json=["b"]).status_code == 204
    changed = {path for path in before if etag(client, path) != before[path]} - changed
    assert changed == {source, f"{source}/tags", f"{source}/tags/a"}


def test_etag_is_that_of_what_was_asked_for(client: CheckedClient, flow: Json) -> None:
    path = f"/flows/{flow['id']}"
    assert etag(client, path) != etag(client, f"{path}?include_timerange=true")


def test_lists_and_errors_have_no_etag(client: CheckedClient, flow: Json) -> None:
    for path in ("/flows", "/sources", f"/flows/{flow['id']}/segments", "/service/storage-backends", "/flows/x"):
        response = client.get(path)
        assert "ETag" not in response.headers, path
        assert client.get(path, headers={"If-None-Match": "*"}).status_code == response.status_code


# --- If-Match --------------------------------------------------------------------------------------------------------


def test_flow_is_replaced_while_it_is_what_the_client_has_seen(client: CheckedClient, flow: Json) -> None:
    path = f"/flows/{flow['id']}"
    seen = client.get(path)
    body, condition = as_object(seen), {"If-Match": seen.headers["ETag"]}
    assert client.put(path, json={**body, "label": "first"}, headers=condition).status_code == 204
    late = client.put(path, json={**body, "label": "second"}, headers=condition)
    assert late.status_code == 412
    assert as_object(late)["type"] == "urn:x-tams-data:problem:version-mismatch"
    assert client.get(f"{path}/label").json == "first"
    condition = {"If-Match": f'"other", {etag(client, path)}'}
    assert client.put(path, json={**body, "label": "second"}, headers=condition).status_code == 204


@pytest.mark.parametrize(("condition", "status"), [("*", 204), ('"other"', 412), ('W/"other"', 412), ("", 204)])
def test_flow_is_replaced_on_a_condition(client: CheckedClient, flow: Json, condition: str, status: int) -> None:
    body = {**flow, "label": "new"}
    assert client.put(f"/flows/{flow['id']}", json=body, headers={"If-Match": condition}).status_code == status


@pytest.mark.parametrize("condition", ["*", '"other"'])
def test_flow_is_not_created_when_it_was_to_be_replaced(client: CheckedClient, condition: str) -> None:
    flow = video_flow(id=new_id())
    assert client.put(f"/flows/{flow['id']}", json=flow, headers={"If-Match": condition}).status_code == 412
    assert client.get(f"/flows/{flow['id']}").status_code == 404
