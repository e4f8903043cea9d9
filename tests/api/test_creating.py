"""`POST /sources`, `/flows` and `/objects`: what is created once, at an id of the client's or of the service's."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator, ValidationError
from werkzeug.test import TestResponse

from tests.api.builders import AUDIO, FLOWS, VIDEO, Json, audio_flow, fragmented_flow, new_id, video_flow
from tests.api.client import CheckedClient, as_list, as_object

URLS = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]


def created(client: CheckedClient, path: str, body: Json) -> Json:
    """What is created: it is answered as it is shown at its `Location`."""
    response = client.post(path, json=body)
    assert response.status_code == 201, response.text
    location = urlsplit(response.headers["Location"])
    assert (location.scheme, location.netloc) == ("http", "localhost")
    found = client.get(location.path)
    assert found.status_code == 200
    assert location.path.startswith(f"{path}/")
    if path != "/objects":
        assert found.json == response.json
    return as_object(found)


def refused(response: TestResponse) -> tuple[int, Any]:
    """The status of a refusal and the property it names."""
    return response.status_code, as_object(response).get("field")


# --- sources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", [None, new_id()], ids=["of-the-service", "of-the-client"])
def test_source_is_created_as_it_is_given(client: CheckedClient, id_: str | None) -> None:
    body = {"format": VIDEO, "label": "A label", "description": "A text", "tags": {"a": ["b"]}, "created_by": "ann"}
    source = created(client, "/sources", {**body, **({} if id_ is None else {"id": id_})})
    assert source.pop("id") == id_ or id_ is None
    assert source.pop("created") == source.pop("updated")
    assert source == {**body, "updated_by": "ann"}


def test_source_that_exists_is_not_created_again(client: CheckedClient) -> None:
    source = created(client, "/sources", {"format": VIDEO})
    flow = client.create_flow(audio_flow())
    for taken in (source["id"], flow["source_id"]):
        response = client.post("/sources", json={"id": taken, "format": VIDEO, "label": "another"})
        assert response.status_code == 409
        assert as_object(response)["type"] == "urn:x-tams-data:problem:already-exists"
    assert client.get(f"/sources/{source['id']}").json == source


def test_source_without_flows_is_a_source(client: CheckedClient) -> None:
    source = created(client, "/sources", {"format": VIDEO, "label": "a"})
    assert client.get("/sources?label=a").json == [source]
    assert client.put(f"/sources/{source['id']}/label", json="b").status_code == 204
    flow = client.create_flow(video_flow(source_id=source["id"], label="of the flow"))
    assert client.get(f"/sources/{source['id']}/label").json == "b"
    assert client.delete(f"/flows/{flow['id']}").status_code == 204
    assert client.get(f"/sources/{source['id']}").status_code == 404


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"format": None}, "format"),
        ({"format": "video"}, "format"),
        ({"id": "x"}, "id"),
        ({"label": 5}, "label"),
        ({"tags": {"a": 5}}, "tags.a"),
    ],
)
def test_bad_source_is_refused_by_the_name_of_what_is_wrong(
    shared_client: CheckedClient, members: Json, field: str
) -> None:
    assert refused(shared_client.post("/sources", json={"format": VIDEO, **members})) == (400, field)


# --- flows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("with_id", [True, False], ids=["of-the-client", "of-the-service"])
def test_flow_is_created_as_it_would_be_put(client: CheckedClient, name: str, with_id: bool) -> None:
    body = FLOWS[name](label="a", tags={"a": "b"})
    flow = created(client, "/flows", body if with_id else {k: v for k, v in body.items() if k != "id"})
    if with_id:
        assert flow["id"] == body["id"]
    client.create_flow({**body, "id": (other := new_id())})
    put = as_object(client.get(f"/flows/{other}"))
    own = {"id", "created", "metadata_updated", "metadata_version"}
    assert {k: v for k, v in flow.items() if k not in own} == {k: v for k, v in put.items() if k not in own}


def test_flow_that_exists_is_not_created_again(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    response = client.post("/flows", json={**video_flow(), "id": flow["id"]})
    assert response.status_code == 409
    assert as_object(response)["type"] == "urn:x-tams-data:problem:already-exists"
    assert client.get("/flows").json == [flow]
    assert len(as_list(client.get("/sources"))) == 1


FLAT: list[tuple[Json, Json]] = [
    (
        {"format": VIDEO, "codec": "video/h264", "frame_width": 1920, "frame_height": 1080, "frame_rate": "25:1"},
        {"frame_width": 1920, "frame_height": 1080, "frame_rate": {"numerator": 25, "denominator": 1}},
    ),
    (
        {
            "format": VIDEO,
            "codec": "video/h264",
            "frame_rate": "30000:1001",
            "pixel_aspect_ratio": "64:45",
            "interlace_mode": "interlaced_tff",
            "essence_parameters": {"frame_width": 720, "frame_height": 576},
        },
        {
            "frame_width": 720,
            "frame_height": 576,
            "frame_rate": {"numerator": 30000, "denominator": 1001},
            "pixel_aspect_ratio": {"numerator": 64, "denominator": 45},
            "interlace_mode": "interlaced_tff",
        },
    ),
    (
        {"format": AUDIO, "codec": "audio/aac", "sample_rate": 48000, "channels": 2, "bit_depth": 16},
        {"sample_rate": 48000, "channels": 2, "bit_depth": 16},
    ),
    (
        {"format": "urn:x-tam:format:image", "codec": "image/jpeg", "frame_width": 4, "frame_height": 3},
        {"frame_width": 4, "frame_height": 3},
    ),
    (
        {"format": "urn:x-nmos:format:data", "codec": "text/plain", "data_type": "urn:x"},
        {"data_type": "urn:x"},
    ),
    ({"format": "urn:x-nmos:format:multi", "init_segments": True}, {"init_segments": True}),
]


def test_every_form_of_a_flow_is_as_it_is_described(shared_client: CheckedClient) -> None:
    operation = as_object(shared_client.get("/openapi.json"))["paths"]["/flows"]["post"]
    described = Draft202012Validator(operation["requestBody"]["content"]["application/json"]["schema"])
    for body in [*(build() for build in FLOWS.values()), *({"source_id": new_id(), **flat} for flat, _ in FLAT)]:
        described.validate(body)
    with pytest.raises(ValidationError):
        described.validate({"source_id": new_id(), **FLAT[0][0], "frame_rate": "25"})


@pytest.mark.parametrize(("flat", "essence"), FLAT)
def test_flat_flow_has_its_essence_parameters(client: CheckedClient, flat: Json, essence: Json) -> None:
    flow = created(client, "/flows", {"source_id": new_id(), "container": "video/mp2t", **flat})
    assert flow["essence_parameters"] == essence
    assert not essence.keys() & flow.keys()
    assert (flow.get("codec"), flow["container"]) == (flat.get("codec"), "video/mp2t")
    if "frame_width" in essence:
        assert client.get(f"/flows?frame_width={essence['frame_width']}").json == [flow]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        *(({"frame_rate": text}, "frame_rate") for text in ("25", "25/1", ":", "25:1:1", "-25:1", "2.5:1", "\u0662:1")),
        ({"frame_rate": "0:1"}, "frame_rate"),
        ({"frame_rate": "25:0"}, "frame_rate"),
        ({"frame_width": "1920"}, "essence_parameters.frame_width"),
        ({"frame_height": None}, "essence_parameters.frame_height"),
        ({"essence_parameters": {"frame_width": 1920}}, "frame_width"),
        ({"essence_parameters": []}, "essence_parameters"),
        ({"essence_parameters": None, "frame_rate": {}}, "essence_parameters"),
        ({"format": "video"}, "format"),
        ({"format": ["video"]}, "format"),
        ({"id": "x"}, "id"),
        ({"id": None}, "id"),
        ({"source_id": None}, "source_id"),
        ({"profile_id": new_id()}, "format"),  # which is the profile's to say
    ],
)
def test_bad_flow_is_refused_by_the_name_of_what_is_wrong(
    shared_client: CheckedClient, members: Json, field: str
) -> None:
    body = {"source_id": new_id(), **FLAT[0][0], **members}
    assert refused(shared_client.post("/flows", json=body)) == (400, field)


# --- objects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", [None, "an/object of mine?"], ids=["of-the-service", "of-the-client"])
def test_object_is_registered_and_used_by_its_id(client: CheckedClient, id_: str | None) -> None:
    flow = client.create_flow(video_flow())
    body = {"first_referenced_by_flow": flow["id"], "timerange": "[0:0_2:0)", "get_urls": URLS, "key_frame_count": 2}
    one = created(client, "/objects", {**body, **({} if id_ is None else {"id": id_})})
    assert one["id"] == id_ or id_ is None
    assert (one["timerange"], one["key_frame_count"]) == ("[0:0_2:0)", 2)
    assert one["get_urls"] == [{**URLS[0], "presigned": False}]
    assert (one["referenced_by_flows"], one["first_referenced_by_flow"]) == ([], flow["id"])
    client.register(flow["id"], {"object_id": one["id"], "timerange": "[10:0_12:0)", "ts_offset": "10:0"})
    assert as_object(client.get_object(one["id"]))["referenced_by_flows"] == [flow["id"]]


def test_object_keeps_the_text_of_its_time_range(client: CheckedClient) -> None:
    body = {"first_referenced_by_flow": client.create_flow(video_flow())["id"], "get_urls": URLS}
    assert created(client, "/objects", {**body, "timerange": "[0:0_1:999999999]"})["timerange"] == "[0:0_1:999999999]"


def test_object_without_a_time_range_is_an_initialisation_object(client: CheckedClient) -> None:
    flow = client.create_flow(fragmented_flow())
    body = {"first_referenced_by_flow": flow["id"], "get_urls": URLS}
    init = created(client, "/objects", body)
    assert "timerange" not in init
    media = created(client, "/objects", {**body, "timerange": "[0:0_1:0)", "init_object": {"id": init["id"]}})
    assert media["init_object"]["id"] == init["id"]
    client.register(flow["id"], {"object_id": media["id"], "timerange": "[0:0_1:0)"})
    assert as_object(client.get_object(init["id"]))["referenced_by_flows"] == [flow["id"]]


def test_object_that_exists_is_not_registered_again(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    body = {"first_referenced_by_flow": flow["id"], "timerange": "[0:0_1:0)", "get_urls": URLS}
    for taken in (created(client, "/objects", body)["id"], *client.allocate(flow["id"], "allocated")):
        response = client.post("/objects", json={**body, "id": taken})
        assert response.status_code == 409
        assert as_object(response)["type"] == "urn:x-tams-data:problem:already-exists"


def test_read_only_flow_takes_no_objects(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow(read_only=True))
    body = {"first_referenced_by_flow": flow["id"], "timerange": "[0:0_1:0)", "get_urls": URLS}
    assert client.post("/objects", json=body).status_code == 403


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"first_referenced_by_flow": None}, "first_referenced_by_flow"),
        ({"first_referenced_by_flow": new_id()}, "first_referenced_by_flow"),
        ({"get_urls": []}, "get_urls"),
        ({"get_urls": [{"url": "https://elsewhere.example/a.ts"}]}, "get_urls.0.label"),
        ({"get_urls": URLS * 2}, "get_urls.label"),
        ({"timerange": "x"}, "timerange"),
        ({"timerange": "()"}, "timerange"),
        ({"timerange": "_"}, "timerange"),
        ({"id": ""}, "id"),
        ({"init_object": {"id": "none"}}, "init_object.id"),
        ({"init_object": "none"}, "init_object"),
        ({"timerange": None, "key_frame_count": 1}, "key_frame_count"),
    ],
)
def test_bad_object_is_refused_by_the_name_of_what_is_wrong(
    shared_client: CheckedClient, members: Json, field: str
) -> None:
    flow = shared_client.create_flow(video_flow())
    body = {"first_referenced_by_flow": flow["id"], "timerange": "[0:0_1:0)", "get_urls": URLS, **members}
    assert refused(shared_client.post("/objects", json=body)) == (400, field)
