"""`/openapi.json` is a valid document that describes what is served, and `/docs` shows it without the internet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.api import specification
from tests.api.builders import Json, multi_flow, profile, video_flow
from tests.api.client import CheckedClient, as_object
from tests.api.specification import needs_specification

SERVED = {
    "/",
    "/service",
    "/service/storage-backends",
    "/service/profiles",
    "/service/profiles/{profileId}",
    "/service/webhooks",
    "/service/webhooks/{webhookId}",
    "/sources",
    "/sources/{sourceId}",
    "/sources/{sourceId}/tags",
    "/sources/{sourceId}/tags/{name}",
    "/sources/{sourceId}/description",
    "/sources/{sourceId}/label",
    "/flows",
    "/flows/{flowId}",
    "/flows/{flowId}/tags",
    "/flows/{flowId}/tags/{name}",
    "/flows/{flowId}/description",
    "/flows/{flowId}/label",
    "/flows/{flowId}/read_only",
    "/flows/{flowId}/flow_collection",
    "/flows/{flowId}/max_bit_rate",
    "/flows/{flowId}/avg_bit_rate",
    "/flows/{flowId}/segments",
    "/flows/{flowId}/storage",
    "/objects/{objectId}",
    "/objects/{objectId}/instances",
    "/flow-delete-requests",
    "/flow-delete-requests/{request-id}",
}
"""The paths of the specification that this service has, with every method that they have there."""

LATER = {("delete", "/objects/{objectId}")}


@pytest.fixture(scope="module")
def document(shared_client: CheckedClient) -> Json:
    """The OpenAPI document as clients get it."""
    response = shared_client.get("/openapi.json")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    return as_object(response)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and description of each operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def nodes(value: Any) -> Iterator[Json]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from nodes(one)
    elif isinstance(value, list):
        for one in value:
            yield from nodes(one)


# --- the document ----------------------------------------------------------------------------------------------------


def test_document_says_what_it_describes(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    assert (document["info"]["title"], document["info"]["version"]) == ("Time-addressable media store", "8.2")


def test_every_reference_leads_somewhere(document: Json) -> None:
    references = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
    assert references, "bodies refer to components"
    for reference in references:
        target: Any = document
        assert reference.startswith("#/")
        for part in reference[2:].split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        assert isinstance(target, dict)


def test_a_body_is_needed_unless_nothing_in_it_is(document: Json) -> None:
    bodies = {
        (path, method): one["requestBody"]["required"]
        for path, method, one in operations(document)
        if "requestBody" in one
    }
    assert [operation for operation, needed in bodies.items() if not needed] == [("/flows/{flow_id}/storage", "post")]


def test_every_operation_has_an_id_of_its_own_a_summary_and_answers(document: Json) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert sorted(set(ids)) == sorted(ids)
    for path, method, operation in operations(document):
        assert operation["summary"], (method, path)
        assert any(status.startswith("2") for status in operation["responses"]), (method, path)
        assert all(response["description"] for response in operation["responses"].values()), (method, path)


def test_every_variable_of_a_path_is_described(document: Json) -> None:
    for path, method, operation in operations(document):
        described = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert described == set(re.findall(r"\{(\w+)\}", path)), (method, path)
        assert all(one["required"] for one in operation.get("parameters", []) if one["in"] == "path")


def test_every_query_parameter_is_described(document: Json) -> None:
    for path, method, operation in operations(document):
        for one in operation.get("parameters", []):
            assert one["in"] == "path" or one.get("description"), (method, path, one["name"])
            assert "schema" in one


def test_every_schema_is_a_json_schema(document: Json) -> None:
    schemas = list(document["components"]["schemas"].values())
    for _, _, operation in operations(document):
        schemas += [one["schema"] for one in operation.get("parameters", [])]
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        schemas += [media["schema"] for body in bodies for media in body.get("content", {}).values()]
    assert len(schemas) > 50
    for schema in schemas:
        Draft202012Validator.check_schema(schema)


def test_every_error_is_described_as_a_problem(document: Json) -> None:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and method != "head":
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)


def test_every_get_has_a_head_with_the_same_parameters_and_headers(document: Json) -> None:
    for path, item in document["paths"].items():
        if "get" in item:
            get, head = item["get"], item["head"]
            assert head.get("parameters") == get.get("parameters"), path
            assert set(head["responses"]) == set(get["responses"]), path
            headers = [one["200"].get("headers") for one in (head["responses"], get["responses"])]
            assert headers[0] == headers[1], path
            assert not any("content" in response for response in head["responses"].values()), path


def test_every_write_describes_its_body(document: Json) -> None:
    for path, method, operation in operations(document):
        assert ("requestBody" in operation) == (method in ("put", "post")), (method, path)


# --- what is served --------------------------------------------------------------------------------------------------


@needs_specification
def test_document_lacks_nothing_of_what_is_served(document: Json) -> None:
    """By what the specification has of these paths: operations, query parameters, statuses."""
    tams_spec = specification.module()
    assert tams_spec is not None
    described = {(method, tams_spec.normalise(path)): operation for path, method, operation in operations(document)}
    seen = set()
    for operation in specification.load().operations:
        if operation.path not in SERVED or (operation.method, operation.path) in LATER:
            continue
        seen.add(operation.path)
        found = described[operation.method, tams_spec.normalise(operation.path)]
        names = {one["name"] for one in found.get("parameters", [])}
        assert operation.parameters - names == set(), str(operation)
        assert set(operation.responses) - set(found["responses"]) == set(), str(operation)
    assert seen == SERVED


def test_what_is_served_answers_as_it_is_described(shared_client: CheckedClient, document: Json) -> None:
    """The schemas of the document against real answers: the specification's are not the only ones that must hold."""
    client = shared_client
    member = client.create_flow(video_flow(label="a", tags={"a": "b", "c": ["d"]}, generation=1))
    flow = client.create_flow(multi_flow(flow_collection=[{"id": member["id"], "role": "x"}]))
    (object_id,) = client.add(member["id"], "[0:0_1:0)")
    profile_id = client.create_profile(profile(label="a"))["id"]
    webhook_id = client.create_webhook(tags={"a": "b"}, flow_ids=[])["id"]
    doomed = client.create_flow(video_flow())
    deletion = as_object(client.post("/deletion-requests", json={"flow_id": doomed["id"]}))
    registry = Registry().with_resource("", Resource.from_contents(document, default_specification=DRAFT202012))
    for path, described in {
        "/": "/",
        "/service": "/service",
        "/service/storage-backends": "/service/storage-backends",
        "/service/profiles": "/service/profiles",
        f"/service/profiles/{profile_id}": "/service/profiles/{profile_id}",
        "/service/webhooks": "/service/webhooks",
        "/webhooks": "/webhooks",
        f"/service/webhooks/{webhook_id}": "/service/webhooks/{webhook_id}",
        "/health": "/health",
        "/sources": "/sources",
        f"/sources/{flow['source_id']}": "/sources/{source_id}",
        "/flows": "/flows",
        f"/flows/{flow['id']}": "/flows/{flow_id}",
        f"/flows/{member['id']}?include_timerange=true": "/flows/{flow_id}",
        f"/sources/{member['source_id']}/label": "/sources/{source_id}/label",
        f"/sources/{member['source_id']}/tags": "/sources/{source_id}/tags",
        f"/flows/{member['id']}/tags": "/flows/{flow_id}/tags",
        f"/flows/{member['id']}/tags/a": "/flows/{flow_id}/tags/{name}",
        f"/flows/{member['id']}/tags/c": "/flows/{flow_id}/tags/{name}",
        f"/flows/{member['id']}/read_only": "/flows/{flow_id}/read_only",
        f"/flows/{flow['id']}/flow_collection": "/flows/{flow_id}/flow_collection",
        f"/flows/{member['id']}/segments?verbose_storage=true": "/flows/{flow_id}/segments",
        f"/objects/{object_id}": "/objects/{object_id}",
        "/flow-delete-requests": "/flow-delete-requests",
        f"/flow-delete-requests/{deletion['id']}": "/flow-delete-requests/{request_id}",
        "/deletion-requests": "/deletion-requests",
        f"/deletion-requests/{deletion['id']}": "/deletion-requests/{request_id}",
        "/tables": "/tables",
    }.items():
        response = client.get(path)
        answer = document["paths"][described]["get"]["responses"]["200"]
        Draft202012Validator(answer["content"]["application/json"]["schema"], registry=registry).validate(response.json)
        of_every_answer = {"Content-Type", "Content-Length", "Vary", "Cache-Control"}
        of_every_answer |= {"Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options"}
        of_every_answer |= {"X-Request-Id", "traceparent"}
        told, given = set(answer.get("headers", {})), set(response.headers.keys())
        assert given - of_every_answer <= told, path
        assert told - given <= {"Link", "X-Paging-NextKey", "X-Paging-Reverse-Order"}, path


@pytest.mark.parametrize("path", ["/flows?limit=x", "/flows/x", "/objects/x"])
def test_problems_are_as_they_are_described(shared_client: CheckedClient, document: Json, path: str) -> None:
    schema = document["paths"]["/flows"]["get"]["responses"]["400"]["content"]["application/problem+json"]["schema"]
    Draft202012Validator(schema).validate(shared_client.get(path).json)


# --- the pages -------------------------------------------------------------------------------------------------------


class Assets(HTMLParser):
    """What a page loads: the files it names, and those its script names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)
        self.found += re.findall(r"""new URL\(["']([^"']+)["']|Redoc\.init\(\s*["']([^"']+)["']""", page)
        self.found = [one if isinstance(one, str) else "".join(one) for one in self.found]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "link"):
            self.found += [url for name in ("src", "href") if (url := given.get(name))]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_page_of_the_document_needs_no_internet(client: CheckedClient, page: str) -> None:
    response = client.get(page)
    assert response.status_code == 200
    assert response.content_type.startswith("text/html")
    assets = Assets(response.text).found
    assert len([one for one in assets if one.endswith(".js")]) >= 1
    assert any(one.endswith("openapi.json") for one in assets)
    for asset in assets:
        url = urljoin(f"http://localhost{page}", asset)
        assert url.startswith("http://localhost/"), asset
        found = client.get(url.removeprefix("http://localhost"))
        assert (found.status_code, bool(found.data)) == (200, True), asset


def test_styles_of_the_page_load_nothing_from_elsewhere(client: CheckedClient) -> None:
    page = client.get("/docs").text
    styles = [asset for asset in Assets(page).found if asset.endswith(".css")]
    assert styles
    for asset in styles:
        style = client.get(urljoin("/docs", asset)).text
        assert re.findall(r"@import|url\(\s*[\"']?(?:https?:)?//", style) == []


def test_script_of_redoc_is_kept_from_what_it_would_load_from_elsewhere(client: CheckedClient) -> None:
    page = client.get("/redoc")
    (script,) = [asset for asset in Assets(page.text).found if asset.endswith(".js")]
    loaded = re.findall(r"""\bsrc:"(https?://[^"]+)"|@import|url\(["']?https?:""", client.get(f"/{script}").text)
    assert loaded == ["https://cdn.redoc.ly/redoc/logo-mini.svg"]
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert not any("http" in allowed or "*" in allowed for allowed in policy.values())
