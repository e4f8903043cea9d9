"""Properties and tags of sources and flows, each at a path of its own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.builders import Json, audio_flow, multi_flow, new_id, video_flow
from tests.api.client import CheckedClient, as_object

FULL = {
    "label": "A label",
    "description": "A text",
    "tags": {"a": "b", "c": ["d", "e"]},
    "max_bit_rate": 2000,
    "avg_bit_rate": 1000,
    "read_only": False,
}


@pytest.fixture
def flow(client: CheckedClient) -> Json:
    """A flow with all the properties that have a path."""
    member = client.create_flow(audio_flow())
    collection = [{"id": member["id"], "role": "sound", "container_mapping": {"track_index": 1}}]
    return client.create_flow(video_flow(**FULL, flow_collection=collection))


def path_of(flow: Json, family: str) -> str:
    """The path of the flow, or of its source."""
    return f"/flows/{flow['id']}" if family == "flow" else f"/sources/{flow['source_id']}"


def shown(client: CheckedClient, path: str) -> Json:
    """The resource at a path."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    return as_object(response)


SET = {
    "label": "new",
    "description": "",
    "max_bit_rate": 0,
    "avg_bit_rate": 2**63 - 1,
    "tags/a": ["x", "y"],
    "tags/new": "",
}
"""Properties of flows, and another value for each."""

OF_SOURCES = ("label", "description", "tags/a", "tags/new")

PROPERTIES = [
    *(("source", name, SET[name]) for name in OF_SOURCES),
    *(("flow", name, value) for name, value in SET.items()),
]

HAVE_TO_BE_SET = ("label", "description", "max_bit_rate", "avg_bit_rate", "tags/a")
"""Those that are not found when they are not set."""

UNSET = [
    *(("source", name) for name in HAVE_TO_BE_SET if name in OF_SOURCES),
    *(("flow", name) for name in HAVE_TO_BE_SET),
]


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["source", "flow"])
def test_every_property_is_read_by_itself(client: CheckedClient, flow: Json, family: str) -> None:
    whole = shown(client, path_of(flow, family))
    names = ["label", "description", "tags"]
    if family == "flow":
        names += ["read_only", "flow_collection", "max_bit_rate", "avg_bit_rate"]
    for name in names:
        response = client.get(f"{path_of(flow, family)}/{name}")
        assert (response.status_code, response.json) == (200, whole[name]), name
        assert whole[name] == flow[name]
    for name, value in FULL["tags"].items():
        assert client.get(f"{path_of(flow, family)}/tags/{name}").json == value


@pytest.mark.parametrize(("family", "name"), UNSET)
def test_property_that_is_not_set_is_not_found(client: CheckedClient, family: str, name: str) -> None:
    path = f"{path_of(client.create_flow(video_flow()), family)}/{name}"
    response = client.get(path)
    assert (response.status_code, client.head(path).status_code) == (404, 404)
    assert as_object(response)["type"] == "urn:x-tams-data:problem:property-not-found"


def test_property_that_says_what_is_not_there_is_found(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    unset = {"read_only": False, "flow_collection": [], "tags": {}}
    assert {name: client.get(f"/flows/{flow['id']}/{name}").json for name in unset} == unset
    assert client.get(f"/sources/{flow['source_id']}/tags").json == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("id_", [new_id(), "x"])
def test_property_of_what_is_not_there_is_not_found(shared_client: CheckedClient, method: str, id_: str) -> None:
    of_flows = [("flow", "read_only", True), ("flow", "flow_collection", []), ("flow", "tags", {})]
    for family, name, value in [*PROPERTIES, *of_flows]:
        response = shared_client.open(f"/{family}s/{id_}/{name}", method=method, json=value)
        no_such_operation = (name, method) in (("tags", "PUT"), ("tags", "DELETE"), ("read_only", "DELETE"))
        assert response.status_code == (405 if no_such_operation else 404), (family, name)


# --- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "name", "value"), PROPERTIES)
def test_property_is_set_by_itself(client: CheckedClient, flow: Json, family: str, name: str, value: Any) -> None:
    path = path_of(flow, family)
    before = shown(client, path)
    response = client.put(f"{path}/{name}", json=value)
    assert (response.status_code, response.data) == (204, b"")
    assert client.get(f"{path}/{name}").json == value
    after = shown(client, path)
    for stamp in ("metadata_version", "metadata_updated") if family == "flow" else ("updated",):
        assert after.pop(stamp) != before.pop(stamp)
    name, _, tag = name.partition("/")
    assert after == {**before, name: {**before["tags"], tag: value} if tag else value}


@pytest.mark.parametrize(("family", "name"), UNSET)
def test_property_is_unset_by_itself(client: CheckedClient, flow: Json, family: str, name: str) -> None:
    path = path_of(flow, family)
    before = shown(client, path)
    assert client.delete(f"{path}/{name}").status_code == 204
    assert client.get(f"{path}/{name}").status_code == 404
    after = shown(client, path)
    for stamp in ("metadata_version", "metadata_updated") if family == "flow" else ("updated",):
        assert after.pop(stamp) != before.pop(stamp)
    name, _, tag = name.partition("/")
    if tag:
        del before["tags"][tag]
    else:
        del before[name]
    assert after == before


@pytest.mark.parametrize(
    ("family", "name", "status"),
    [
        *((family, name, 204) for family, name in UNSET if name != "tags/a"),
        pytest.param("flow", "tags/a", 204, id="the-specification-names-the-flow-alone"),
        pytest.param("source", "tags/a", 404, id="the-specification-names-the-tag-as-well"),
        ("flow", "flow_collection", 204),
    ],
)
def test_unsetting_what_is_not_set(client: CheckedClient, family: str, name: str, status: int) -> None:
    path = path_of(client.create_flow(video_flow()), family)
    before = shown(client, path)
    assert client.delete(f"{path}/{name}").status_code == status
    assert shown(client, path) == before


def test_property_set_to_what_it_is_is_no_new_version(client: CheckedClient, flow: Json) -> None:
    before = shown(client, path_of(flow, "flow"))
    for name in ("label", "max_bit_rate", "read_only", "flow_collection"):
        assert client.put(f"/flows/{flow['id']}/{name}", json=flow[name]).status_code == 204
    assert shown(client, path_of(flow, "flow")) == before


def test_properties_of_a_flow_and_of_its_source_are_two_things(client: CheckedClient, flow: Json) -> None:
    assert client.put(f"/sources/{flow['source_id']}/label", json="of the source").status_code == 204
    assert client.delete(f"/flows/{flow['id']}/tags/a").status_code == 204
    assert client.get(f"/flows/{flow['id']}/label").json == "A label"
    assert client.get(f"/sources/{flow['source_id']}/tags").json == FULL["tags"]


def test_lists_are_filtered_by_what_was_set(client: CheckedClient, flow: Json) -> None:
    for family in ("source", "flow"):
        assert client.put(f"{path_of(flow, family)}/tags/a", json=["x", "y"]).status_code == 204
        assert client.put(f"{path_of(flow, family)}/label", json="new").status_code == 204
        for query, found in {"tag.a=y": 1, "tag.a=b": 0, "label=new": 1, "label=A label": 0}.items():
            listed = client.get(f"/{family}s?{query}").json
            assert listed is not None
            assert len(listed) == found, (family, query)


BAD: dict[str, list[Any]] = {
    "label": [None, 5, True, ["x"], {"label": "x"}],
    "description": [None, 5],
    "tags/a": [None, 5, True, {}, [5], ["x", None]],
    "read_only": [None, "true", 1, []],
    "max_bit_rate": [None, "5", -1, 1.5, True, 2**63],
    "avg_bit_rate": [None, "5", -1],
    "flow_collection": [None, {}, "x"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_value_is_refused_by_the_name_of_the_property(served: Json, name: str, value: Any) -> None:
    client = served["client"]
    paths = [served["flow"]] if name not in OF_SOURCES else [served["flow"], served["source"]]
    for path in paths:
        response = client.put(f"{path}/{name}", data=json.dumps(value), content_type="application/json")
        problem = as_object(response)
        assert (response.status_code, problem["field"], problem.get("value")) == (400, name.replace("/", "."), value)


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({}, "flow_collection.0.id"),
        ({"id": "x"}, "flow_collection.0.id"),
        ({"id": new_id(), "role": 5}, "flow_collection.0.role"),
        ({"id": new_id(), "container_mapping": {"track_index": -1}}, "flow_collection.0.container_mapping.track_index"),
        ({"id": new_id()}, "flow_collection"),
    ],
)
def test_bad_member_is_refused_by_its_place(served: Json, item: Json, field: str) -> None:
    response = served["client"].put(f"{served['flow']}/flow_collection", json=[item])
    assert (response.status_code, as_object(response)["field"]) == (400, field)


@pytest.mark.parametrize("body", [b"", b"x", b'"', b'"a" "b"', b"\xff", b'"\\ud800"'])
def test_body_that_is_no_json_is_refused(served: Json, body: bytes) -> None:
    for name in ("label", "tags/a"):
        response = served["client"].put(f"{served['flow']}/{name}", data=body, content_type="application/json")
        assert (response.status_code, as_object(response)["field"]) == (400, name.replace("/", "."))


@pytest.fixture(scope="module")
def served(shared_client: CheckedClient) -> Json:
    """A client, and the paths of a flow and of its source."""
    flow = shared_client.create_flow(video_flow())
    return {"client": shared_client, "flow": path_of(flow, "flow"), "source": path_of(flow, "source")}


# --- tag names -------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.one_of(
        st.text(min_size=1, max_size=8),
        st.sampled_from(["/", "//", "a/b", "/a", "a/", ".", "..", "%2F", "?", "#", " "]),
    ),
    value=st.one_of(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=3)),
    family=st.sampled_from(["source", "flow"]),
)
def test_tag_has_any_name(served: Json, name: str, value: str | list[str], family: str) -> None:
    client, path = served["client"], f"{served[family]}/tags/{quote(name, safe='').replace('.', '%2E')}"
    assert client.put(path, json=value).status_code == 204
    assert client.get(path).json == value
    assert client.get(f"{served[family]}/tags").json[name] == value
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


# --- read-only -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SET, "flow_collection"])
def test_read_only_flow_refuses_every_property(client: CheckedClient, flow: Json, name: str) -> None:
    path = f"/flows/{flow['id']}"
    assert client.put(f"{path}/read_only", json=True).status_code == 204
    before = shown(client, path)
    refused = [client.put(f"{path}/{name}", json=SET.get(name, [])), client.delete(f"{path}/{name}")]
    assert [response.status_code for response in refused] == [403, 403]
    assert {as_object(response)["type"] for response in refused} == {"urn:x-tams-data:problem:flow-read-only"}
    assert shown(client, path) == before


def test_read_only_is_set_and_lifted_by_itself(client: CheckedClient, flow: Json) -> None:
    path = f"/flows/{flow['id']}"
    for value in (True, True, False, False):
        assert client.put(f"{path}/read_only", json=value).status_code == 204
        assert client.get(f"{path}/read_only").json is value
        assert client.put(path, json={**flow, "label": f"{value}"}).status_code == (403 if value else 204)
    assert client.delete(path).status_code == 204


def test_source_of_a_read_only_flow_can_be_described(client: CheckedClient, flow: Json) -> None:
    assert client.put(f"/flows/{flow['id']}/read_only", json=True).status_code == 204
    assert client.put(f"/sources/{flow['source_id']}/label", json="new").status_code == 204


# --- collections -----------------------------------------------------------------------------------------------------


def test_collections_follow_at_once_and_through_deletes(client: CheckedClient) -> None:
    sound, picture, both = (client.create_flow(build()) for build in (audio_flow, video_flow, multi_flow))

    def collect(*members: Json) -> None:
        items = [{"id": one["id"], "role": one["format"]} for one in members]
        assert client.put(f"/flows/{both['id']}/flow_collection", json=items).status_code == 204

    def state() -> tuple[Any, ...]:
        """What is collected, by flows and by sources, and what says that it is collected."""
        whole, source = shown(client, path_of(both, "flow")), shown(client, path_of(both, "source"))
        flows = [one["id"] for one in whole.get("flow_collection", [])]
        sources = [one["id"] for one in source.get("source_collection", [])]
        members = [
            "collected_by" in shown(client, path_of(one, family))
            for one in (sound, picture)
            if client.get(path_of(one, "flow")).status_code == 200
            for family in ("flow", "source")
        ]
        return flows, sources, members

    collect(picture, sound)
    assert state() == ([picture["id"], sound["id"]], [picture["source_id"], sound["source_id"]], [True] * 4)
    assert shown(client, path_of(sound, "flow"))["collected_by"] == [both["id"]]
    assert shown(client, path_of(sound, "source"))["collected_by"] == [both["source_id"]]
    collect(sound, picture)
    assert state() == ([sound["id"], picture["id"]], [sound["source_id"], picture["source_id"]], [True] * 4)
    collect(sound)
    assert state() == ([sound["id"]], [sound["source_id"]], [True, True, False, False])
    assert client.delete(f"/flows/{both['id']}/flow_collection").status_code == 204
    assert state() == ([], [], [False] * 4)
    collect(sound, picture)
    assert client.delete(path_of(sound, "flow")).status_code == 204
    assert state() == ([picture["id"]], [picture["source_id"]], [True, True])
    assert client.delete(path_of(both, "flow")).status_code == 204
    assert "collected_by" not in shown(client, path_of(picture, "flow"))
    assert "collected_by" not in shown(client, path_of(picture, "source"))
