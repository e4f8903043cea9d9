"""Every operation of the specification has a method, which sends what the specification takes and reads its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tams_data.client import TamsClient
from tams_data.errors import RequestFailed
from tams_data.timerange import TimeRange
from tests.api import specification
from tests.api.specification import EXAMPLES, needs_specification
from tests.tams_data.client.server import Answer, Seen

ID = "11111111-1111-4111-8111-111111111111"
BASE = "http://tams.invalid/"


@dataclass(frozen=True)
class Call:
    """A call of the client, the operation that it is, and what else of the request is wanted."""

    operation: str
    call: Callable[[TamsClient], Any]
    query: str = ""
    body: Any = None


def example(name: str) -> Any:
    """An example of the specification."""
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def all_of(lists: Callable[[TamsClient], Any]) -> Callable[[TamsClient], Any]:
    """A list as its items: it is asked for when it is read."""
    return lambda client: list(lists(client))


CALLS = [
    Call("GET /service", lambda c: c.service()),
    Call(
        "POST /service", lambda c: c.describe_service(name="x", description="y"), body={"name": "x", "description": "y"}
    ),
    Call("GET /service/storage-backends", all_of(lambda c: c.storage_backends(**{"tag.a": "b"})), "tag.a=b"),
    Call("GET /service/profiles", all_of(lambda c: c.profiles(label="x")), "label=x"),
    Call("GET /service/profiles/{id}", lambda c: c.find_profile(ID)),
    Call("POST /service/profiles/{id}", lambda c: c.create_profile({**example("profile-put"), "id": ID})),
    Call("GET /service/webhooks", all_of(lambda c: c.webhooks())),
    Call("POST /service/webhooks", lambda c: c.create_webhook(example("webhook-post"))),
    Call("GET /service/webhooks/{id}", lambda c: c.find_webhook(ID)),
    Call("PUT /service/webhooks/{id}", lambda c: c.put_webhook({**example("webhook-put"), "id": ID})),
    Call("DELETE /service/webhooks/{id}", lambda c: c.delete_webhook(ID)),
    Call("GET /sources", all_of(lambda c: c.sources(label="x")), "label=x"),
    Call("GET /sources/{id}", lambda c: c.find_source(ID)),
    Call("GET /sources/{id}/tags", lambda c: c.tags("sources", ID)),
    Call("GET /sources/{id}/tags/a%2Fb", lambda c: c.get_property("sources", ID, "tags/a%2Fb")),
    Call("PUT /sources/{id}/tags/a%2Fb", lambda c: c.put_tag("sources", ID, "a/b", ["x", "y"]), body=["x", "y"]),
    Call("DELETE /sources/{id}/tags/a%2Fb", lambda c: c.delete_tag("sources", ID, "a/b")),
    *(
        Call(f"{method} /{kind}/{{id}}/{name}", call, body=value if method == "PUT" else None)
        for kind, name, value, methods in [
            ("sources", "label", "x", "GET PUT DELETE"),
            ("sources", "description", "x", "GET PUT DELETE"),
            ("flows", "label", "x", "GET PUT DELETE"),
            ("flows", "description", "x", "GET PUT DELETE"),
            ("flows", "read_only", True, "GET PUT"),
            ("flows", "max_bit_rate", 1000, "GET PUT DELETE"),
            ("flows", "avg_bit_rate", 1000, "GET PUT DELETE"),
            ("flows", "flow_collection", [{"id": ID, "role": "x"}], "GET DELETE"),
        ]
        for method, call in {
            "GET": lambda c, kind=kind, name=name: c.get_property(kind, ID, name),
            "PUT": lambda c, kind=kind, name=name, value=value: c.put_property(kind, ID, name, value),
            "DELETE": lambda c, kind=kind, name=name: c.delete_property(kind, ID, name),
        }.items()
        if method in methods.split()
    ),
    Call("GET /flows", all_of(lambda c: c.flows(format="x", **{"tag.a": "b"})), "format=x&tag.a=b"),
    Call(
        "GET /flows/{id}",
        lambda c: c.find_flow(ID, include_timerange=True, timerange=TimeRange(0, 10**9)),
        "include_timerange=true&timerange=[0:0_1:0)",
    ),
    Call("PUT /flows/{id}", lambda c: c.put_flow({**example("flow-put"), "id": ID})),
    Call("DELETE /flows/{id}", lambda c: c.delete_flow(ID)),
    Call("GET /flows/{id}/tags", lambda c: c.tags("flows", ID)),
    Call("GET /flows/{id}/tags/x", lambda c: c.get_property("flows", ID, "tags/x")),
    Call("PUT /flows/{id}/tags/x", lambda c: c.put_tag("flows", ID, "x", "y"), body="y"),
    Call("DELETE /flows/{id}/tags/x", lambda c: c.delete_tag("flows", ID, "x")),
    Call("PUT /flows/{id}/flow_collection", lambda c: c.put_collection(ID, [{"id": ID}]), body=[{"id": ID}]),
    Call(
        "GET /flows/{id}/segments",
        all_of(lambda c: c.segments(ID, TimeRange(0, 10**9), urls=False, object_id="a b")),
        "limit=1000&timerange=[0:0_1:0)&accept_get_urls=&object_id=a b",
    ),
    Call("POST /flows/{id}/segments", lambda c: c.register(ID, [{"object_id": "a", "timerange": "[0:0_1:0)"}])),
    Call(
        "DELETE /flows/{id}/segments",
        lambda c: c.delete_segments(ID, TimeRange(0, 10**9), object_id="a"),
        "timerange=[0:0_1:0)&object_id=a",
    ),
    Call("POST /flows/{id}/storage", lambda c: c.allocate(ID, limit=50), body={"limit": 50}),
    Call("GET /objects/a%2Fb", lambda c: c.find_object("a/b", presigned="true"), "presigned=true"),
    Call("POST /objects/a%2Fb/instances", lambda c: c.copy_object("a/b", ID), body={"storage_id": ID}),
    Call(
        "POST /objects/a/instances",
        lambda c: c.add_instance("a", "https://x/y", "z"),
        body={"url": "https://x/y", "label": "z"},
    ),
    Call("DELETE /objects/a/instances", lambda c: c.delete_instance("a", storage_id=ID), f"storage_id={ID}"),
    Call("DELETE /objects/a/instances", lambda c: c.delete_instance("a", label="x"), "label=x"),
    Call("GET /flow-delete-requests", all_of(lambda c: c.deletion_requests())),
    Call("GET /flow-delete-requests/{id}", lambda c: c.find_deletion_request(ID)),
]


def answer_of_the_specification(seen: Seen) -> Answer:
    """The example for the first good answer of an operation, where the specification takes the request."""
    spec = specification.load()
    operation = spec.find(seen.method, seen.path)
    definition = spec.document["paths"][operation.path][operation.method]
    families = {name.removesuffix("{name}") for name in operation.parameters if name.endswith("{name}")}
    unknown = [name for name in seen.query if not (name in operation.parameters or name.startswith(tuple(families)))]
    assert unknown == []
    if schema := media_of(definition.get("requestBody", {})).get("schema"):
        Draft202012Validator({**schema, "$id": BASE}, registry=spec.registry).validate(json.loads(seen.body))
    status = next(status for status in sorted(definition["responses"], reverse=True) if status.startswith("2"))
    found = example_in(media_of(definition["responses"][status]))
    return Answer(int(status), b"" if found is None else found)


def media_of(part: dict[str, Any]) -> dict[str, Any]:
    """What is said of the JSON of a request or response."""
    return part.get("content", {}).get("application/json", {})


def example_in(media: dict[str, Any]) -> Any:
    """The first example of a response."""
    if "examples" in media:
        first = next(iter(media["examples"].values()))
        return example(first["externalValue"].removeprefix("examples/").removesuffix(".json"))
    found = media.get("example")
    if isinstance(found, dict) and "$ref" in found:
        return example(found["$ref"].removeprefix("examples/").removesuffix(".json"))
    return found


@needs_specification
@pytest.mark.parametrize("one", CALLS, ids=lambda one: one.operation)
def test_what_is_sent_is_what_the_specification_takes(server, client, one):
    problems: list[AssertionError] = []

    def answer(seen: Seen) -> Answer:
        try:
            return answer_of_the_specification(seen)
        except AssertionError as error:  # of the server's thread, where pytest would not see it
            problems.append(error)
            raise

    server.otherwise = answer
    returned = one.call(client)
    assert problems == []
    (seen,) = server.seen
    assert f"{seen.method} {seen.path}" == one.operation.replace("{id}", ID)
    assert "&".join(f"{name}={value}" for name, (value,) in seen.query.items()) == one.query
    if one.body is not None:
        assert json.loads(seen.body) == one.body
    if seen.method == "GET":
        assert returned not in (None, [], {})


@needs_specification
def test_every_operation_is_a_method():
    """HEAD is for those who want the headers alone; the list of paths at `/` is for people."""
    spec = specification.load()
    called = {str(spec.find(*one.operation.replace("{id}", ID).split(" "))) for one in CALLS}
    wanted = {str(one) for one in spec.operations if one.method != "head" and one.path != "/"}
    assert called == wanted


# --- deletions -------------------------------------------------------------------------------------------------------


def request_with(status: str, **more: Any) -> dict[str, Any]:
    """A deletion request."""
    members = {"id": ID, "flow_id": ID, "timerange_to_delete": "[0:0_9:0)", "delete_flow": True, "status": status}
    return {**members, **more}


@pytest.mark.parametrize("location", ["/flow-delete-requests/x", "../flow-delete-requests/x"])
@pytest.mark.parametrize(
    "last", [Answer(200, request_with("done")), Answer(404, {})], ids=["done", "done and forgotten"]
)
def test_a_deletion_is_followed_to_its_end(server, client, location, last):
    """Where `Location` leads, which may be relative to what was deleted (RFC 9110, 10.2.2)."""
    server.answers = [
        Answer(202, request_with("created"), {"Location": location}),
        Answer(200, request_with("started")),
        last,
    ]
    assert client.delete_flow(ID, wait_s=5) is None
    assert [one.path for one in server.seen[1:]] == ["/flow-delete-requests/x"] * 2


def test_a_deletion_need_not_be_followed(server, client):
    server.answers = [Answer(202, request_with("created"), {"Location": "/x"}), Answer(204, b"")]
    assert client.delete_segments(ID) == request_with("created")
    assert client.delete_segments(ID) is None
    assert len(server.seen) == 2


def test_a_deletion_that_fails_is_told(server, client):
    failed = request_with("error", error={"type": "x", "summary": "disk full", "time": "t"})
    server.answers = [Answer(202, request_with("created"), {"Location": "/x"}), Answer(200, failed)]
    with pytest.raises(RequestFailed, match=f"deletion request {ID} failed: disk full"):
        client.delete_flow(ID, wait_s=5)


def test_a_deletion_is_not_followed_for_ever(server, client):
    started = request_with("started", timerange_remaining="[5:0_9:0)")
    server.answers = [Answer(202, started, {"Location": "/x"})]
    server.otherwise = Answer(200, started)
    with pytest.raises(RequestFailed, match=r"not done after 0\.15 s; \[5:0_9:0\) remains"):
        client.delete_flow(ID, wait_s=0.15)


# --- objects ---------------------------------------------------------------------------------------------------------


def test_all_flows_that_refer_to_an_object_are_given(server, client):
    server.answers = [
        Answer(200, {"id": "a", "referenced_by_flows": ["1", "2"]}, {"X-Paging-NextKey": "k"}),
        Answer(200, {"id": "a", "referenced_by_flows": ["3"]}),
    ]
    assert list(client.referenced_by("a")) == ["1", "2", "3"]
    assert server.seen[1].query == {"accept_get_urls": [""], "page": ["k"]}
