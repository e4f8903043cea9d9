"""`/flows`: put whole, shown with what the service knows of them, listed by every filter, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.api.builders import (
    AUDIO,
    FLOWS,
    IMAGE,
    VIDEO,
    Json,
    audio_flow,
    data_flow,
    fragmented_flow,
    image_flow,
    multi_flow,
    new_id,
    video_flow,
)
from tests.api.client import Catalogue, CheckedClient, as_list, as_object
from tests.api.specification import EXAMPLES, needs_specification

KEPT = ("created", "metadata_updated", "metadata_version")
"""What the service adds to every flow."""

OF_THE_SERVICE = (*KEPT, "segments_updated", "timerange", "collected_by")
"""What only the service sets, whatever a client sends."""


def put(client: CheckedClient, flow: Json, **changes: Any) -> int:
    """The status of putting a flow with some members changed; None takes a member away."""
    body = {name: value for name, value in {**flow, **changes}.items() if value is not None}
    return client.put(f"/flows/{flow['id']}", json=body).status_code


def get(client: CheckedClient, flow: Json, **query: str) -> Json:
    """A flow as the service shows it."""
    response = client.get(f"/flows/{flow['id']}", query_string=query)
    assert response.status_code == 200, response.text
    return as_object(response)


def without(flow: Json, *names: str) -> Json:
    """The members but these."""
    return {name: value for name, value in flow.items() if name not in names}


# --- putting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [*FLOWS.values(), fragmented_flow], ids=[*FLOWS, "fragmented"])
def test_new_flow_is_answered_as_it_will_be_shown(client: CheckedClient, build: Callable[..., Json]) -> None:
    flow = build(label="A label", description="A text", tags={"a": "b"})
    created = client.create_flow(flow)
    assert without(created, *KEPT) == flow
    assert get(client, flow) == created


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"status": "ingesting"}, id="status"),
        pytest.param({"generation": 0}, id="generation"),
        pytest.param({"generation": 2**63 - 1}, id="the largest generation"),
        pytest.param({"read_only": True}, id="read-only"),
        pytest.param({"read_only": False}, id="not read-only"),
        pytest.param({"max_bit_rate": 0, "avg_bit_rate": 5000}, id="bit rates"),
        pytest.param({"segment_duration": {"numerator": 1001, "denominator": 1000}}, id="segment duration"),
        pytest.param(
            {"container_mapping": {"mp2ts_container": {"pid": 256}, "track_index": 0}}, id="container mapping"
        ),
        pytest.param({"metadata_version": "v1"}, id="metadata version"),
        pytest.param({"created_by": "one", "updated_by": "two"}, id="by whom"),
        pytest.param({"label": "", "description": ""}, id="empty texts"),
        pytest.param({"label": "日本 😀 é é \u200b\u202e"}, id="any characters"),
        pytest.param({"label": "a\0b"}, id="a null byte"),
        pytest.param({"label": "\\u0000 \n\t\r\x7f\"'"}, id="control characters, escapes and quotes"),
        pytest.param({"label": "x" * 100_000}, id="a long text"),
        pytest.param({"tags": {}}, id="no tags"),
        pytest.param({"tags": {"a": "a", "b": ["a"], "c": [], "d": ["a", "a"], "e": ""}}, id="tags of each form"),
        pytest.param({"tags": {"": "", "a.b": "c,d", "n\0": ["v\0", ""], "ü": "ß", "id": "x"}}, id="tags of any name"),
    ],
)
def test_flow_is_shown_as_it_was_put(client: CheckedClient, members: Json) -> None:
    flow = video_flow(**{"tags": {"a": "b"}, **members})
    client.create_flow(flow)
    shown = get(client, flow)
    assert {name: shown[name] for name in flow} == flow
    assert as_list(client.get("/flows")) == [shown]


def test_integer_may_be_written_with_a_point(client: CheckedClient) -> None:
    """To JSON Schema 5.0 is an integer."""
    flow = video_flow(generation=5.0)
    flow["essence_parameters"]["frame_width"] = 1920.0
    created = client.create_flow(flow)
    assert (created["generation"], created["essence_parameters"]["frame_width"]) == (5, 1920)
    assert isinstance(created["generation"], int)


def test_flow_without_tags_has_none(client: CheckedClient) -> None:
    assert client.create_flow(video_flow())["tags"] == {}


def test_replaced_flow_is_the_new_one_whole(client: CheckedClient) -> None:
    flow = video_flow(label="before", description="before", tags={"a": "b"}, generation=1)
    created = client.create_flow(flow)
    replacement = without(flow, "label", "generation") | {"description": "after", "tags": {"c": ["d"]}}
    assert put(client, replacement) == 204
    shown = get(client, flow)
    assert without(shown, *KEPT) == replacement
    assert shown["created"] == created["created"]
    assert shown["metadata_version"] != created["metadata_version"]
    assert moment(shown["metadata_updated"]) > moment(created["metadata_updated"])


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "other"},
        {"description": None},
        {"tags": {"a": ["b"]}},
        {"tags": {}},
        {"status": "closed_complete"},
        {"generation": 1},
        {"avg_bit_rate": 1},
        {"container": None},
        {"codec": "video/h265"},
        {"read_only": False},
        {"segment_duration": {"numerator": 2}},
        {"essence_parameters": {"frame_width": 1, "frame_height": 1, "vfr": True}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_change_is_a_new_version(client: CheckedClient, changes: Json) -> None:
    flow = video_flow(label="a", description="b", tags={"a": "b"})
    before = client.create_flow(flow)
    assert put(client, flow, **changes) == 204
    after = get(client, flow)
    assert after["metadata_version"] != before["metadata_version"]
    assert moment(after["metadata_updated"]) > moment(before["metadata_updated"])


def test_put_that_changes_nothing_is_no_new_version(client: CheckedClient) -> None:
    flow = video_flow(label="a", tags={"a": "b", "c": ["d"]}, flow_collection=[])
    before = client.create_flow(flow)
    assert put(client, flow) == 204
    assert get(client, flow) == before


def test_client_may_name_the_version(client: CheckedClient) -> None:
    flow = video_flow(metadata_version="1")
    assert client.create_flow(flow)["metadata_version"] == "1"
    assert put(client, flow, label="a", metadata_version="2") == 204
    assert get(client, flow)["metadata_version"] == "2"


def test_what_the_service_keeps_itself_is_passed_over(client: CheckedClient) -> None:
    sent = dict.fromkeys(("created", "metadata_updated", "segments_updated"), "2000-01-01T00:00:00Z")
    flow = video_flow(**sent, timerange="[0:0_1:0)", collected_by=[new_id()], no_such_member={"a": [1]})
    created = client.create_flow(flow)
    assert {"timerange", "collected_by", "segments_updated", "no_such_member"}.isdisjoint(created)
    assert moment(created["created"]).year > 2000
    assert moment(created["metadata_updated"]).year > 2000


def test_flow_as_it_is_shown_can_be_put_again(client: CheckedClient) -> None:
    member = client.create_flow(audio_flow())
    flow = multi_flow(label="a", tags={"a": []}, flow_collection=[{"id": member["id"], "role": "sound"}])
    client.create_flow(flow)
    shown = get(client, flow, include_timerange="true")
    assert put(client, shown) == 204
    assert get(client, flow, include_timerange="true") == shown


def spec_examples(pattern: str) -> list[Any]:
    """The examples of flows of the specification, by the names of their files."""
    # Profiles come later.
    paths = [path for path in sorted(EXAMPLES.glob(pattern)) if "profile" not in path.name]
    return [pytest.param(path.name, id=path.stem) for path in paths]


@needs_specification
@pytest.mark.parametrize("name", [*spec_examples("flow-get-200-*.json"), *spec_examples("flow-put*.json")])
def test_examples_of_the_specification_are_accepted(client: CheckedClient, name: str) -> None:
    example: Json = json.loads((EXAMPLES / name).read_text())
    # Two examples have the id of a flow that they collect.
    collected = [member["id"] for member in example.get("flow_collection", [])]
    if example["id"] in collected:
        example["id"] = new_id()
    for member_id in collected:
        client.create_flow(data_flow(id=member_id))
    client.create_flow(example)
    shown = get(client, example)
    assert without(shown, *OF_THE_SERVICE) == without({"tags": {}, **example}, *OF_THE_SERVICE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"id": "2aa143ac-0ab7-4d75-bc32-5c00c13d186f"}, "id", id="another flow's id"),
        pytest.param({"id": "x"}, "id", id="no id"),
        pytest.param({"source_id": None}, "source_id", id="without a source"),
        pytest.param({"source_id": "X"}, "source_id", id="no source id"),
        pytest.param({"codec": None}, "codec", id="without a codec"),
        pytest.param({"codec": "h264"}, "codec", id="codec is no MIME type"),
        pytest.param({"codec": "nothing/h264"}, "codec", id="codec of no known kind"),
        pytest.param({"container": "video/mp2t; x=y"}, "container", id="container with parameters"),
        pytest.param({"container": "video/mp2t\n"}, "container", id="container with a line end"),
        pytest.param({"essence_parameters": None}, "essence_parameters", id="without essence parameters"),
        pytest.param({"essence_parameters": []}, "essence_parameters", id="essence parameters are no object"),
        pytest.param({"label": 5}, "label", id="label is no text"),
        pytest.param({"tags": {"a": 5}}, "tags.a", id="tag is a number"),
        pytest.param({"tags": {"a": ["b", 5]}}, "tags.a", id="tag has a number"),
        pytest.param({"tags": ["a"]}, "tags", id="tags are no object"),
        pytest.param({"status": "closed"}, "status", id="no status"),
        pytest.param({"generation": -1}, "generation", id="negative generation"),
        pytest.param({"generation": 2**63}, "generation", id="generation beyond 64 bits"),
        pytest.param({"generation": 10**40}, "generation", id="huge generation"),
        pytest.param({"generation": 1.5}, "generation", id="generation is no integer"),
        pytest.param({"generation": True}, "generation", id="generation is a truth value"),
        pytest.param({"read_only": "true"}, "read_only", id="read-only is text"),
        pytest.param({"max_bit_rate": -1}, "max_bit_rate", id="negative bit rate"),
        pytest.param({"segment_duration": {"numerator": 0}}, "segment_duration.numerator", id="no duration"),
        pytest.param({"flow_collection": [{}]}, "flow_collection.0.id", id="member without an id"),
        pytest.param({"profile_id": "x"}, "profile_id", id="no profile id"),
        pytest.param({"profile_id": "2aa143ac-0ab7-4d75-bc32-5c00c13d186f"}, "format", id="profile and format"),
        pytest.param({"container_mapping": {"track_index": -1}}, "container_mapping.track_index", id="negative track"),
        pytest.param(
            {"container_mapping": {"mp2ts_container": {"pid": 10**40}}},
            "container_mapping.mp2ts_container.pid",
            id="huge PID",
        ),
    ],
)
def test_bad_flow_is_refused_by_the_name_of_what_is_wrong(
    shared_client: CheckedClient, changes: Json, field: str
) -> None:
    flow = video_flow()
    body = {name: value for name, value in {**flow, **changes}.items() if value is not None}
    response = shared_client.put(f"/flows/{flow['id']}", json=body)
    assert response.status_code == 400
    assert as_object(response)["field"] == field
    assert shared_client.get(f"/flows/{flow['id']}").status_code == 404


@pytest.mark.parametrize(
    ("essence", "field"),
    [
        pytest.param({"frame_width": 0}, "frame_width", id="no width"),
        pytest.param({"frame_width": "1920"}, "frame_width", id="width is text"),
        pytest.param({"frame_height": 10**40}, "frame_height", id="huge height"),
        pytest.param({"bit_depth": 2**63}, "bit_depth", id="depth beyond 64 bits"),
        pytest.param({"frame_rate": {"numerator": 10**40}}, "frame_rate.numerator", id="huge rate"),
        pytest.param({"frame_rate": {"numerator": 25, "denominator": 0}}, "frame_rate.denominator", id="rate over 0"),
        pytest.param({"interlace_mode": "i"}, "interlace_mode", id="no interlace mode"),
        pytest.param({"avc_parameters": {"profile": 1, "level": 2}}, "avc_parameters.flags", id="no flags"),
        pytest.param({"sample_rate": 48000}, "sample_rate", id="of another format"),
        pytest.param({"vfr": True}, "", id="a frame rate that varies"),
        pytest.param({"frame_rate": None}, "", id="no frame rate that does not vary"),
    ],
)
def test_bad_essence_is_refused_by_the_name_of_what_is_wrong(
    shared_client: CheckedClient, essence: Json, field: str
) -> None:
    flow = video_flow()
    changed = {**flow["essence_parameters"], **essence}
    flow["essence_parameters"] = {name: value for name, value in changed.items() if value is not None}
    response = shared_client.put(f"/flows/{flow['id']}", json=flow)
    assert response.status_code == 400
    assert as_object(response)["field"] == f"essence_parameters.{field}".rstrip(".")


@pytest.mark.parametrize("said", [None, "video", "", 5, ["urn:x-nmos:format:video"], {"a": 10**40}])
def test_flow_of_no_known_format_is_refused(shared_client: CheckedClient, said: Any) -> None:
    assert put(shared_client, video_flow(), format=said) == 400


@pytest.mark.parametrize("flow_id", ["x", "2AA143AC-0AB7-4D75-BC32-5C00C13D186F", "%00", "2aa143ac"])
def test_flow_at_a_path_that_is_no_id_is_not_found(shared_client: CheckedClient, flow_id: str) -> None:
    assert shared_client.put(f"/flows/{flow_id}", json=video_flow()).status_code == 404
    assert shared_client.get(f"/flows/{flow_id}").status_code == 404
    assert shared_client.delete(f"/flows/{flow_id}").status_code == 404


def test_flow_stays_with_its_source(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    response = client.put(f"/flows/{flow['id']}", json={**flow, "source_id": new_id()})
    assert (response.status_code, as_object(response)["field"]) == (400, "source_id")
    assert get(client, flow) == flow


def test_flow_has_the_format_of_its_source(client: CheckedClient) -> None:
    source_id = client.create_flow(video_flow())["source_id"]
    flow = audio_flow(source_id=source_id)
    response = client.put(f"/flows/{flow['id']}", json=flow)
    assert (response.status_code, as_object(response)["field"]) == (400, "format")


@pytest.mark.parametrize("name", [name for name in FLOWS if name != "video"])
def test_flow_keeps_its_format(client: CheckedClient, name: str) -> None:
    """Though it is the only one of its source."""
    flow = client.create_flow(video_flow())
    changed = FLOWS[name](id=flow["id"], source_id=flow["source_id"])
    response = client.put(f"/flows/{flow['id']}", json=changed)
    assert (response.status_code, as_object(response)["field"]) == (400, "format")
    assert get(client, flow) == flow


def test_profile_that_is_left_is_no_profile(client: CheckedClient) -> None:
    assert "profile_id" not in client.create_flow(video_flow(profile_id=""))


# --- collections -----------------------------------------------------------------------------------------------------


def test_collection_keeps_its_order_roles_and_mappings(client: CheckedClient) -> None:
    members = [client.create_flow(build()) for build in (video_flow, audio_flow, data_flow)]
    mapping = {"audio_track": {"channel_numbers": [1, 0]}, "mxf_container": {"track_id": 2}}
    collection = [
        {"id": members[2]["id"], "role": "subtitles"},
        {"id": members[0]["id"]},
        {"id": members[1]["id"], "role": "sound", "container_mapping": mapping},
    ]
    flow = client.create_flow(multi_flow(flow_collection=collection))
    assert flow["flow_collection"] == collection
    for member in members:
        assert get(client, member)["collected_by"] == [flow["id"]]


def test_flow_collected_twice_by_one_says_so_once(client: CheckedClient) -> None:
    member = client.create_flow(audio_flow())
    collection = [{"id": member["id"], "role": "left"}, {"id": member["id"], "role": "right"}]
    flow = client.create_flow(multi_flow(flow_collection=collection))
    assert flow["flow_collection"] == collection
    assert get(client, member)["collected_by"] == [flow["id"]]


def test_collection_can_be_replaced_and_left_out(client: CheckedClient) -> None:
    one, two = (client.create_flow(audio_flow()) for _ in range(2))
    flow = multi_flow(flow_collection=[{"id": one["id"]}])
    before = client.create_flow(flow)
    assert put(client, flow, flow_collection=[{"id": two["id"], "role": "x"}]) == 204
    after = get(client, flow)
    assert after["flow_collection"] == [{"id": two["id"], "role": "x"}]
    assert after["metadata_version"] != before["metadata_version"]
    assert "collected_by" not in get(client, one)
    assert put(client, flow, flow_collection=None) == 204
    assert "flow_collection" not in get(client, flow)


@pytest.mark.parametrize("collecting", ["another", "itself"])
def test_collection_of_what_is_not_there_is_refused(client: CheckedClient, collecting: str) -> None:
    flow = multi_flow()
    flow["flow_collection"] = [{"id": new_id() if collecting == "another" else flow["id"]}]
    response = client.put(f"/flows/{flow['id']}", json=flow)
    assert (response.status_code, as_object(response)["field"]) == (400, "flow_collection")
    assert as_list(client.get("/flows")) == []
    assert as_list(client.get("/sources")) == []


def test_deleted_flow_leaves_the_collections_it_was_in(client: CheckedClient) -> None:
    one, two = (client.create_flow(audio_flow()) for _ in range(2))
    flow = client.create_flow(multi_flow(flow_collection=[{"id": one["id"]}, {"id": two["id"]}]))
    assert client.delete(f"/flows/{one['id']}").status_code == 204
    after = get(client, flow)
    assert after["flow_collection"] == [{"id": two["id"]}]
    assert after["metadata_version"] != flow["metadata_version"]
    assert client.delete(f"/flows/{flow['id']}").status_code == 204
    assert "collected_by" not in get(client, two)


# --- read-only -------------------------------------------------------------------------------------------------------


@pytest.fixture
def read_only(client: CheckedClient) -> Json:
    """A read-only flow with one segment and an object that is allocated."""
    flow = client.create_flow(video_flow(label="kept"))
    client.add(flow["id"], "[0:0_1:0)")
    client.allocate(flow["id"], "allocated before")
    assert put(client, flow, read_only=True) == 204
    return get(client, flow)


def test_read_only_flow_refuses_every_change(client: CheckedClient, read_only: Json) -> None:
    path = f"/flows/{read_only['id']}"
    segment = {"object_id": "allocated before", "timerange": "[1:0_2:0)"}
    refused = [
        client.put(path, json={**read_only, "label": "changed"}),
        client.put(path, json={**read_only, "label": "changed", "read_only": False}),
        client.put(path, json={**read_only, "flow_collection": []} | {"tags": {"a": "b"}}),
        client.put(path, json=read_only),
        client.post(f"{path}/storage", json={"limit": 1}),
        client.post(f"{path}/segments", json=segment),
        client.post(f"{path}/segments", json=[segment]),
        client.delete(f"{path}/segments"),
        client.delete(f"{path}/segments?timerange=()"),
        client.delete(path),
    ]
    assert [response.status_code for response in refused] == [403] * len(refused)
    assert {as_object(response)["type"] for response in refused} == {"urn:x-tams-data:problem:flow-read-only"}
    assert get(client, read_only) == read_only
    assert client.timeranges(read_only["id"]) == ["[0:0_1:0)"]


@pytest.mark.parametrize("read_only_after", [False, None], ids=["false", "left out"])
def test_read_only_is_lifted_alone(client: CheckedClient, read_only: Json, read_only_after: bool | None) -> None:
    assert put(client, read_only, read_only=read_only_after) == 204
    assert put(client, read_only, read_only=read_only_after, label="changed") == 204
    assert get(client, read_only)["label"] == "changed"
    assert client.delete(f"/flows/{read_only['id']}").status_code == 204


def test_read_only_flow_can_be_read(client: CheckedClient, read_only: Json) -> None:
    assert client.timeranges(read_only["id"]) == ["[0:0_1:0)"]
    assert get(client, read_only, include_timerange="true")["timerange"] == "[0:0_1:0)"


# --- the time range of a flow ----------------------------------------------------------------------------------------


def test_timerange_is_shown_when_it_is_asked_for(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    client.add(flow["id"], "[10:0_20:0)", "[30:0_40:0)")
    assert "timerange" not in get(client, flow)
    assert "timerange" not in get(client, flow, include_timerange="false")
    assert "timerange" not in get(client, flow, timerange="_")
    assert get(client, flow, include_timerange="true")["timerange"] == "[10:0_40:0)"


@pytest.fixture(scope="module")
def gapped(backends: CheckedClient) -> Json:
    """A flow with three segments and gaps between them, in a store where nothing is listed."""
    flow = backends.create_flow(video_flow())
    backends.add(flow["id"], "[10:0_20:0)", "[30:0_40:0)", "[50:0_60:0)")
    return flow


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param("_", "[10:0_60:0)", id="eternity"),
        pytest.param("()", "()", id="never"),
        pytest.param("", "()", id="empty text"),
        pytest.param("[0:0_10:0)", "()", id="touches the first"),
        pytest.param("[0:0_10:0]", "[10:0_20:0)", id="reaches into the first"),
        pytest.param("[15:0_16:0)", "[10:0_20:0)", id="inside one"),
        pytest.param("[15:0_45:0)", "[10:0_40:0)", id="over a gap, ends in another"),
        pytest.param("[20:0_30:0)", "()", id="in a gap"),
        pytest.param("(19:999999999_30:0)", "()", id="excludes the last nanosecond of one"),
        pytest.param("[19:999999999_30:0)", "[10:0_20:0)", id="the last nanosecond of one"),
        pytest.param("[35:0_", "[30:0_60:0)", id="without an end"),
        pytest.param("_35:0)", "[10:0_40:0)", id="without a start"),
        pytest.param("[50:0]", "[50:0_60:0)", id="an instant"),
        pytest.param("[60:0_", "()", id="behind all"),
    ],
)
def test_timerange_is_that_of_the_segments_in_a_window(
    backends: CheckedClient, gapped: Json, asked: str, expected: str
) -> None:
    assert get(backends, gapped, include_timerange="true", timerange=asked)["timerange"] == expected


def test_timerange_of_a_flow_without_segments_is_never(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    assert get(client, flow, include_timerange="true")["timerange"] == "()"
    assert "segments_updated" not in get(client, flow)


def test_segments_say_when_they_were_updated(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    client.add(flow["id"], "[0:0_1:0)")
    added = get(client, flow)
    assert moment(added["segments_updated"]) > moment(flow["created"])
    assert without(added, "segments_updated") == flow
    assert client.delete(f"/flows/{flow['id']}/segments").status_code == 204
    deleted = get(client, flow, include_timerange="true")
    assert moment(deleted["segments_updated"]) > moment(added["segments_updated"])
    assert deleted["timerange"] == "()"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("include_timerange=1", "include_timerange"),
        ("include_timerange=true&timerange=x", "timerange"),
        ("timerange=[5:0_1:0)", "timerange"),
        ("timerange=[10000000000:0_", "timerange"),
        ("timerange=_&timerange=_", "timerange"),
        ("limit=1", "limit"),
    ],
)
def test_flow_refuses_a_bad_parameter_by_its_name(client: CheckedClient, query: str, field: str) -> None:
    flow = client.create_flow(video_flow())
    response = client.get(f"/flows/{flow['id']}?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, field)


# --- deleting --------------------------------------------------------------------------------------------------------


def test_deleted_flow_is_gone_with_its_segments(client: CheckedClient) -> None:
    flow, other = (client.create_flow(video_flow()) for _ in range(2))
    client.add(flow["id"], "[0:0_1:0)", "[1:0_2:0)")
    client.add(other["id"], "[0:0_1:0)")
    assert client.delete(f"/flows/{flow['id']}").status_code == 204
    assert client.get(f"/flows/{flow['id']}").status_code == 404
    assert client.segments(flow["id"]) == []
    assert client.delete(f"/flows/{flow['id']}").status_code == 404
    assert [one["id"] for one in as_list(client.get("/flows"))] == [other["id"]]
    assert client.timeranges(other["id"]) == ["[0:0_1:0)"]


def test_deleted_flow_can_be_put_again_and_is_empty(client: CheckedClient) -> None:
    flow = video_flow()
    client.create_flow(flow)
    client.add(flow["id"], "[0:0_1:0)")
    client.delete(f"/flows/{flow['id']}")
    client.create_flow(flow)
    assert get(client, flow, include_timerange="true")["timerange"] == "()"
    client.add(flow["id"], "[0:0_1:0)")


# --- listing ---------------------------------------------------------------------------------------------------------

SOURCE_ID = "2aa143ac-0ab7-4d75-bc32-5c00c13d186f"


@pytest.fixture(scope="module")
def flows(shared_client: CheckedClient) -> Catalogue:
    """Eight flows, made in the order of the alphabet.

    a and b have segments. g collects c and d, and h collects d and e.
    """
    hd = {"frame_width": 1920, "frame_height": 1080, "frame_rate": {"numerator": 25}}
    made: dict[str, Json] = {
        "a": video_flow(label="news", tags={"genre": "news", "place": ["x", "y"]}, status="ingesting"),
        "b": video_flow(label="sport", tags={"genre": ["sport", "news"], "place": []}, source_id=SOURCE_ID),
        "c": video_flow(source_id=SOURCE_ID, codec="video/h265", essence_parameters={**hd, "init_segments": False}),
        "d": fragmented_flow(status="closed_complete"),
        "e": audio_flow(label="news", tags={"genre": "newsreel"}),
        "f": image_flow(tags={"näme with spaces & more": "a=b;c%"}),
    }
    for flow in made.values():
        shared_client.create_flow(flow)
    for name, members in {"g": "cd", "h": "de"}.items():
        made[name] = shared_client.create_flow(multi_flow(flow_collection=[{"id": made[one]["id"]} for one in members]))
    shared_client.add(made["a"]["id"], "[10:0_20:0)", "[30:0_40:0)")
    shared_client.add(made["b"]["id"], "[20:0_30:0)")
    return Catalogue(shared_client, "/flows", {name: flow["id"] for name, flow in made.items()})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", "hgfedcba", id="none: most recent first"),
        pytest.param(f"source_id={SOURCE_ID}", "cb", id="source"),
        pytest.param("source_id=3aa143ac-0ab7-4d75-bc32-5c00c13d186f", "", id="source that is not there"),
        pytest.param(f"format={VIDEO}", "dcba", id="format"),
        pytest.param(f"format={IMAGE}", "f", id="another format"),
        pytest.param("codec=video/h264", "dba", id="codec"),
        pytest.param("codec=video/H264", "", id="codec in other letters"),
        pytest.param("profile_id=3aa143ac-0ab7-4d75-bc32-5c00c13d186f", "", id="profile that is not there"),
        pytest.param("label=news", "ea", id="label"),
        pytest.param("label=new", "", id="not part of a label"),
        pytest.param("label=", "", id="the empty label is none of theirs"),
        pytest.param("status=ingesting", "a", id="status"),
        pytest.param("status=awaiting_content", "", id="status of none"),
        pytest.param("frame_width=1920", "cba", id="width"),
        pytest.param("frame_width=0", "", id="no width"),
        pytest.param("frame_width=-1920", "", id="negative width"),
        pytest.param(f"frame_height={2**63 - 1}", "", id="the largest height"),
        pytest.param("frame_height=360", "f", id="height, of a picture"),
        pytest.param("frame_width=1920&frame_height=720", "", id="width and height, both"),
        pytest.param("init_segments=true", "d", id="uses initialisation objects"),
        pytest.param("init_segments=false", "hgfecba", id="does not, said or not"),
        pytest.param("tag.genre=news", "ba", id="a tag that is text or in a list"),
        pytest.param("tag.genre=sport,newsreel", "eb", id="one of several values"),
        pytest.param("tag.genre=ne", "", id="not part of a value"),
        pytest.param("tag.genre=News", "", id="case counts"),
        pytest.param("tag.genre=news&tag.place=y", "a", id="two tags, both"),
        pytest.param("tag.n%C3%A4me%20with%20spaces%20%26%20more=a%3Db%3Bc%25", "f", id="a tag of special characters"),
        pytest.param("tag_exists.place=true", "ba", id="has a tag, be it empty"),
        pytest.param("tag_exists.genre=false", "hgfdc", id="has not"),
        pytest.param("tag_exists.genre=true&tag_exists.place=false", "e", id="has one and not the other"),
        pytest.param("collected_by_ids=", "hgfba", id="collected by none"),
        pytest.param(f"format={VIDEO}&collected_by_ids=&tag_exists.genre=true&label=news", "a", id="many at once"),
        pytest.param("access_token=secret", "hgfedcba", id="a token is no filter"),
        pytest.param("timerange=_", "hgfedcba", id="eternity"),
        pytest.param("timerange=()", "hgfedc", id="never: without content"),
        pytest.param("timerange=", "hgfedc", id="empty text: without content"),
        pytest.param("timerange=[0:0_10:0)", "", id="before all content"),
        pytest.param("timerange=[0:0_10:0]", "a", id="the first instant"),
        pytest.param("timerange=[25:0_26:0)", "ba", id="in content of one and between the ends of another"),
        pytest.param("timerange=[35:0]", "a", id="an instant"),
        pytest.param("timerange=[39:999999999_", "a", id="without an end, the last nanosecond"),
        pytest.param("timerange=(39:999999999_", "", id="without an end, behind the last nanosecond"),
        pytest.param("timerange=_20:0)", "a", id="without a start"),
        pytest.param("timerange=_20:0]", "ba", id="without a start, the end included"),
    ],
)
def test_flows_are_filtered(flows: Catalogue, query: str, expected: str) -> None:
    assert flows.named(query) == expected


@pytest.mark.parametrize(
    ("collecting", "expected"),
    [
        pytest.param("g", "dc", id="one"),
        pytest.param("gh", "edc", id="any of two, each once"),
        pytest.param("hhh", "ed", id="the same one thrice"),
        pytest.param("a", "", id="one that collects nothing"),
    ],
)
def test_flows_are_filtered_by_collection(flows: Catalogue, collecting: str, expected: str) -> None:
    ids = ",".join(flows.ids[name] for name in collecting)
    assert flows.named(f"collected_by_ids={ids}") == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("source_id=x", "source_id"),
        ("source_id=", "source_id"),
        ("format=video", "format"),
        ("codec=h264", "codec"),
        ("codec=", "codec"),
        ("profile_id=x", "profile_id"),
        ("status=closed", "status"),
        ("frame_width=wide", "frame_width"),
        ("frame_height=99999999999999999999", "frame_height"),
        (f"frame_height={2**63}", "frame_height"),
        ("frame_height=", "frame_height"),
        ("init_segments=yes", "init_segments"),
        ("timerange=x", "timerange"),
        ("timerange=[1:0-2:0)", "timerange"),
        ("timerange=[2:0_1:0)", "timerange"),
        ("timerange=(1:0)", "timerange"),
        ("timerange=[0:0_10000000000:0)", "timerange"),
        ("sort_by=updated", "sort_by"),
        ("reverse_order=1", "reverse_order"),
        ("collected_by_ids=x", "collected_by_ids"),
        ("tag_exists.genre=TRUE", "tag_exists.genre"),
        ("tag_exists=true", "tag_exists"),
        ("tag=x", "tag"),
        ("limit=0", "limit"),
        ("limit=ten", "limit"),
        ("page=x", "page"),
        ("container=video/mp2t", "container"),
        ("labels=x", "labels"),
        ("flow_tag.a=b", "flow_tag.a"),
        ("label=a&label=b", "label"),
        ("tag.a=b&tag.a=b", "tag.a"),
    ],
)
def test_flows_refuse_a_bad_parameter_by_its_name(shared_client: CheckedClient, query: str, field: str) -> None:
    response = shared_client.get(f"/flows?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, field)


@pytest.mark.parametrize("digits", [20, 25, 400])
def test_a_number_that_no_column_holds_is_told_to_be_too_large(shared_client: CheckedClient, digits: int) -> None:
    response = shared_client.get(f"/flows?frame_width={'9' * digits}")
    assert response.status_code == 400
    assert as_object(response)["detail"] == f"frame_width: Input should be less than {2**63}"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param(f"tag.a={','.join(map(str, range(513)))}", "tag", id="values of a tag"),
        pytest.param("&".join(f"tag_exists.a{i}=false" for i in range(513)), "tag", id="tags"),
        pytest.param(f"collected_by_ids={','.join([SOURCE_ID] * 513)}", "collected_by_ids", id="collections"),
    ],
)
def test_flows_refuse_filters_that_list_too_much(shared_client: CheckedClient, query: str, field: str) -> None:
    response = shared_client.get(f"/flows?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, field)


def test_flows_take_filters_that_list_much(flows: Catalogue) -> None:
    values = ",".join([*map(str, range(511)), "news"])
    assert flows.named(f"tag.genre={values}") == "ba"
    ids = ",".join([SOURCE_ID] * 511 + [flows.ids["g"]])
    assert flows.named(f"collected_by_ids={ids}") == "dc"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("sort_by=created", "cba", id="created: most recent first"),
        pytest.param("sort_by=created&reverse_order=true", "abc", id="created, reversed"),
        pytest.param("sort_by=metadata_updated", "acb", id="updated: most recent first"),
        pytest.param("sort_by=metadata_updated&reverse_order=true", "bca", id="updated, reversed"),
        pytest.param("sort_by=label", "bca", id="label"),
        pytest.param("sort_by=label&reverse_order=true", "acb", id="label, reversed"),
    ],
)
def test_flows_are_sorted(client: CheckedClient, query: str, expected: str) -> None:
    flows = {name: client.create_flow(video_flow(label=label)) for name, label in zip("abc", "zab", strict=True)}
    assert put(client, flows["a"], description="changed") == 204
    assert Catalogue(client, "/flows", {name: flow["id"] for name, flow in flows.items()}).named(query) == expected


@pytest.mark.parametrize(("query", "turned"), [("", False), ("&reverse_order=true", True)])
def test_flows_are_sorted_by_label_and_those_without_come_last_by_id(
    client: CheckedClient, query: str, turned: bool
) -> None:
    labels = ["b", "a", None, "c", None, "B", "", "ä", "a"]
    made = [(label, new_id()) for label in labels]
    for label, flow_id in made:
        client.create_flow(video_flow(id=flow_id, **({} if label is None else {"label": label})))
    expected = sorted(made, key=lambda one: (one[0] is None, one[0] or "", one[1]), reverse=turned)
    listed = as_list(client.get(f"/flows?sort_by=label{query}"))
    assert [(one.get("label"), one["id"]) for one in listed] == expected


def test_flow_is_the_same_in_a_list(flows: Catalogue) -> None:
    listed = {one["id"]: one for one in as_list(flows.client.get("/flows"))}
    assert listed == {id_: as_object(flows.client.get(f"/flows/{id_}")) for id_ in flows.ids.values()}


def test_flow_is_found_by_what_it_was_changed_to(client: CheckedClient) -> None:
    flow = video_flow(label="before", tags={"state": "before"}, status="ingesting")
    client.create_flow(flow)
    changed = {"label": "after", "tags": {"state": ["after"]}, "status": "closed_complete"}
    assert put(client, flow, **changed, format=AUDIO) == 400
    assert put(client, flow, **changed) == 204
    for query in ("label=before", "tag.state=before", "status=ingesting"):
        assert as_list(client.get(f"/flows?{query}")) == []
    for query in ("label=after", "tag.state=after", "status=closed_complete"):
        assert [one["id"] for one in as_list(client.get(f"/flows?{query}"))] == [flow["id"]]


def moment(text: str) -> datetime:
    """A date and time of an answer."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
