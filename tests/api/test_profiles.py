"""`/service/profiles`: created once and never changed; flows take their technical metadata from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.builders import (
    AUDIO,
    TECHNICAL,
    VIDEO,
    Json,
    audio_flow,
    data_flow,
    image_flow,
    new_id,
    profile,
    profile_flow,
    video_flow,
)
from tests.api.client import Catalogue, CheckedClient, as_list, as_object
from tests.api.specification import EXAMPLES, needs_specification


def post(client: CheckedClient, body: Json) -> Any:
    """The answer to posting a profile where its id says."""
    return client.post(f"/service/profiles/{body['id']}", json=body)


# --- creating --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [video_flow, audio_flow, image_flow, data_flow])
def test_new_profile_is_answered_as_it_will_be_shown(client: CheckedClient, of: Callable[..., Json]) -> None:
    given = profile(of, label="A label", description="A text", tags={"a": "b", "c": ["d"]}, created_by="ann")
    created = client.create_profile(given)
    assert {name: value for name, value in created.items() if name != "created"} == given
    assert as_object(client.get(f"/service/profiles/{given['id']}")) == created


def test_all_that_a_flow_can_take_is_kept(client: CheckedClient) -> None:
    given = profile()
    given["flow_metadata"] |= {
        "avg_bit_rate": 5000,
        "segment_duration": {"numerator": 6, "denominator": 1},
        "container_mapping": {"track_index": 0},
    }
    assert client.create_profile(given)["flow_metadata"] == given["flow_metadata"]


def test_what_is_no_technical_metadata_is_passed_over(client: CheckedClient) -> None:
    given = profile(created="2000-01-01T00:00:00Z", no_such_member=1)
    given["flow_metadata"] |= {"label": "a", "max_bit_rate": 5, "id": new_id(), "no_such_member": 1}
    created = client.create_profile(given)
    assert set(created) == {"id", "created", "tags", "flow_metadata"}
    assert not created["created"].startswith("2000")
    assert set(created["flow_metadata"]) == set(TECHNICAL)


@pytest.mark.parametrize("change", [{}, {"label": "new"}, {"tags": {"a": "b"}}])
def test_profile_that_is_there_does_not_change(client: CheckedClient, change: Json) -> None:
    given = profile(label="old")
    created = client.create_profile(given)
    response = post(client, {**given, **change})
    assert (response.status_code, as_object(response)["field"]) == (400, "id")
    assert as_object(client.get(f"/service/profiles/{given['id']}")) == created


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"id": "2aa143ac-0ab7-4d75-bc32-5c00c13d186f"}, "id", id="another profile's id"),
        pytest.param({"id": "x"}, "id", id="no id"),
        pytest.param({"label": 5}, "label", id="label is no text"),
        pytest.param({"tags": {"a": 5}}, "tags.a", id="tag is a number"),
        pytest.param({"flow_metadata": None}, "flow_metadata", id="no metadata"),
        pytest.param({"flow_metadata": {}}, "flow_metadata", id="empty metadata"),
        pytest.param({"flow_metadata": "video"}, "flow_metadata", id="metadata is text"),
        pytest.param(
            {"flow_metadata": {"format": "urn:x-nmos:format:multi"}}, "flow_metadata", id="of several essences"
        ),
        pytest.param({"flow_metadata": {"format": VIDEO}}, "flow_metadata.codec", id="without a codec"),
        pytest.param(
            {"flow_metadata": {"format": AUDIO, "codec": "audio/aac", "essence_parameters": {"sample_rate": 48000}}},
            "flow_metadata.essence_parameters.channels",
            id="without channels",
        ),
    ],
)
def test_bad_profile_is_refused_by_the_name_of_what_is_wrong(
    shared_client: CheckedClient, changes: Json, field: str
) -> None:
    given = profile()
    response = shared_client.post(f"/service/profiles/{given['id']}", json={**given, **changes})
    assert (response.status_code, as_object(response)["field"]) == (400, field)
    assert shared_client.get(f"/service/profiles/{given['id']}").status_code == 404


@pytest.mark.parametrize("profile_id", ["x", "2AA143AC-0AB7-4D75-BC32-5C00C13D186F", "2aa143ac"])
def test_profile_at_a_path_that_is_no_id_is_not_found(shared_client: CheckedClient, profile_id: str) -> None:
    assert shared_client.post(f"/service/profiles/{profile_id}", json=profile()).status_code == 404
    assert shared_client.get(f"/service/profiles/{profile_id}").status_code == 404


@needs_specification
@pytest.mark.parametrize("name", ["profile-put.json", *sorted(path.name for path in EXAMPLES.glob("profile-get-*"))])
def test_examples_of_the_specification_are_accepted(client: CheckedClient, name: str) -> None:
    given = json.loads((EXAMPLES / name).read_text())
    created = client.create_profile(given)
    assert created["flow_metadata"] == given["flow_metadata"]


# --- listing ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed(shared_client: CheckedClient) -> Catalogue:
    """Five profiles, by the order they were created in."""
    made = {
        "a": profile(label="one"),
        "b": profile(audio_flow, label="two"),
        "c": profile(image_flow, label="one"),
        "d": profile(data_flow),
        "e": profile(label=""),
    }
    made["e"]["flow_metadata"]["codec"] = "video/h265"
    for one in made.values():
        shared_client.create_profile(one)
    return Catalogue(shared_client, "/service/profiles", {name: one["id"] for name, one in made.items()})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", "edcba", id="the newest first"),
        pytest.param(f"format={VIDEO}", "ea", id="format"),
        pytest.param("format=urn:x-nmos:format:multi", "", id="a format that no profile has"),
        pytest.param("codec=video/h264", "a", id="codec"),
        pytest.param("label=one", "ca", id="label"),
        pytest.param("label=", "e", id="the empty label"),
        pytest.param("label=on", "", id="not a part of a label"),
        pytest.param(f"label=one&format={VIDEO}&codec=video/h264", "a", id="all at once"),
        pytest.param("limit=2", "ed", id="a first page"),
    ],
)
def test_profiles_are_listed(listed: Catalogue, query: str, expected: str) -> None:
    assert listed.named(query) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("format=video", "format"),
        ("codec=h264", "codec"),
        ("limit=0", "limit"),
        ("page=x", "page"),
        ("reverse_order=true", "reverse_order"),
        ("tag.a=b", "tag.a"),
        ("lable=a", "lable"),
    ],
)
def test_profiles_refuse_a_bad_parameter_by_its_name(listed: Catalogue, query: str, field: str) -> None:
    response = listed.client.get(f"/service/profiles?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, field)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_profiles_come_in_pages(listed: Catalogue, limit: int) -> None:
    pages = list(listed.client.walk(f"/service/profiles?limit={limit}"))
    assert "".join(listed.names(as_list(page)) for page in pages) == "edcba"
    assert len(pages) == -(-5 // limit)
    for page in pages:
        assert page.headers["X-Paging-Limit"] == str(limit)
        assert page.headers["X-Paging-Count"] == str(len(as_list(page)))
        assert ("Link" in page.headers) == ("X-Paging-NextKey" in page.headers) == (page is not pages[-1])


# --- flows -----------------------------------------------------------------------------------------------------------


def put(client: CheckedClient, flow: Json) -> Any:
    """The answer to putting a flow."""
    return client.put(f"/flows/{flow['id']}", json=flow)


def get(client: CheckedClient, flow: Json) -> Json:
    """A flow as the service shows it."""
    return as_object(client.get(f"/flows/{flow['id']}"))


@pytest.fixture
def made(client: CheckedClient) -> tuple[Json, Json]:
    """A profile, and a flow that was made from it."""
    given = profile()
    given["flow_metadata"] |= {"avg_bit_rate": 5000, "segment_duration": {"numerator": 2}}
    client.create_profile(given)
    flow = profile_flow(given["id"], label="a", max_bit_rate=6000)
    client.create_flow(flow)
    return given, flow


def test_flow_takes_the_technical_metadata_of_its_profile(client: CheckedClient, made: tuple[Json, Json]) -> None:
    of, flow = made
    shown = get(client, flow)
    assert {name: shown[name] for name in of["flow_metadata"]} == of["flow_metadata"]
    assert (shown["profile_id"], shown["label"], shown["max_bit_rate"]) == (of["id"], "a", 6000)
    listed = as_list(client.get(f"/flows?profile_id={of['id']}&frame_width=1920&codec=video/h264"))
    assert listed == [shown]
    assert as_object(client.get(f"/sources/{flow['source_id']}"))["format"] == VIDEO


def test_flow_made_from_a_profile_takes_segments(client: CheckedClient, made: tuple[Json, Json]) -> None:
    _, flow = made
    client.add(flow["id"], "[0:0_1:0)")
    assert client.timeranges(flow["id"]) == ["[0:0_1:0)"]


@pytest.mark.parametrize(
    "restated",
    [
        {"format": VIDEO},
        {"codec": "video/h264"},
        {"container": "video/mp2t"},
        {"avg_bit_rate": 5000},
        {"segment_duration": {"numerator": 2}},
        {"essence_parameters": {}},
        {"container_mapping": {}},
        {"codec": None},
    ],
    ids=str,
)
def test_flow_may_not_restate_what_its_profile_says(
    client: CheckedClient, made: tuple[Json, Json], restated: Json
) -> None:
    of, flow = made
    before = get(client, flow)
    for one in (profile_flow(of["id"], **restated), {**flow, **restated}):
        response = put(client, one)
        assert (response.status_code, as_object(response)["field"]) == (400, next(iter(restated)))
    assert get(client, flow) == before


def test_flow_cannot_be_made_from_a_profile_that_is_not_there(client: CheckedClient) -> None:
    flow = profile_flow(new_id())
    response = put(client, flow)
    assert (response.status_code, as_object(response)["field"]) == (400, "profile_id")
    assert client.get(f"/flows/{flow['id']}").status_code == 404


def test_flow_from_a_profile_has_the_format_of_its_source(client: CheckedClient) -> None:
    of = client.create_profile(profile(audio_flow))
    source_id = client.create_flow(video_flow())["source_id"]
    response = put(client, profile_flow(of["id"], source_id=source_id))
    assert (response.status_code, as_object(response)["field"]) == (400, "format")


def test_what_is_no_profiles_changes_as_ever(client: CheckedClient, made: tuple[Json, Json]) -> None:
    of, flow = made
    assert put(client, {**flow, "label": "b", "max_bit_rate": 1}).status_code == 204
    shown = get(client, flow)
    assert (shown["label"], shown["max_bit_rate"], shown["profile_id"]) == ("b", 1, of["id"])
    assert shown["codec"] == "video/h264"


def full(client: CheckedClient, flow: Json, **changes: Any) -> Json:
    """A flow as it is shown, without its profile, with other members."""
    return {**{name: value for name, value in get(client, flow).items() if name != "profile_id"}, **changes}


def test_flow_that_does_not_name_its_profile_keeps_it(client: CheckedClient, made: tuple[Json, Json]) -> None:
    of, flow = made
    assert put(client, full(client, flow, label="b")).status_code == 204
    shown = get(client, flow)
    assert (shown["label"], shown["profile_id"]) == ("b", of["id"])


@pytest.mark.parametrize("change", [{"codec": "video/h265"}, {"avg_bit_rate": 1}, {"container_mapping": {}}], ids=str)
def test_technical_metadata_changes_only_without_the_profile(
    client: CheckedClient, made: tuple[Json, Json], change: Json
) -> None:
    """TAMS 8.2, PUT flow: the empty text breaks the link."""
    of, flow = made
    before = get(client, flow)
    response = put(client, full(client, flow, **change))
    assert (response.status_code, as_object(response)["field"]) == (400, next(iter(change)))
    assert get(client, flow) == before
    assert put(client, full(client, flow, profile_id="", **change)).status_code == 204
    shown = get(client, flow)
    assert "profile_id" not in shown
    assert {name: shown[name] for name in change} == change
    assert as_list(client.get(f"/flows?profile_id={of['id']}")) == []


def test_giving_a_profile_up_is_a_change_by_itself(client: CheckedClient, made: tuple[Json, Json]) -> None:
    _, flow = made
    before = get(client, flow)
    assert put(client, full(client, flow, profile_id="")).status_code == 204
    shown = get(client, flow)
    assert shown["metadata_version"] != before["metadata_version"]
    assert shown["codec"] == before["codec"]


def test_flow_can_move_to_another_profile_of_its_format(client: CheckedClient, made: tuple[Json, Json]) -> None:
    _, flow = made
    other = profile()
    other["flow_metadata"]["codec"] = "video/h265"
    client.create_profile(other)
    assert put(client, {**flow, "profile_id": other["id"]}).status_code == 204
    shown = get(client, flow)
    assert (shown["profile_id"], shown["codec"]) == (other["id"], "video/h265")
    assert "avg_bit_rate" not in shown
    sound = client.create_profile(profile(audio_flow))
    response = put(client, {**flow, "profile_id": sound["id"]})
    assert (response.status_code, as_object(response)["field"]) == (400, "format")


def test_flow_that_had_no_profile_can_take_one(client: CheckedClient) -> None:
    of = client.create_profile(profile())
    flow = client.create_flow(video_flow(codec="video/h265"))
    members = {name: flow[name] for name in ("id", "source_id")}
    assert put(client, {**members, "profile_id": of["id"]}).status_code == 204
    shown = get(client, flow)
    assert (shown["profile_id"], shown["codec"]) == (of["id"], "video/h264")


@needs_specification
def test_example_of_a_flow_made_from_a_profile_is_accepted(client: CheckedClient) -> None:
    client.create_profile(json.loads((EXAMPLES / "profile-put.json").read_text()))
    created = client.create_flow(json.loads((EXAMPLES / "flow-put-profile.json").read_text()))
    assert created["essence_parameters"]["frame_width"] == 1280
