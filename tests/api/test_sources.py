"""`/sources`: made with their first flow, found by what describes them, gone with their last flow."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tests.api.builders import AUDIO, DATA, MULTI, VIDEO, Json, audio_flow, data_flow, multi_flow, new_id, video_flow
from tests.api.client import Catalogue, CheckedClient, as_list, as_object


@pytest.fixture(scope="module")
def sources(shared_client: CheckedClient) -> Catalogue:
    """Six sources, made in the order of the alphabet; e collects a and b, f collects b and the source c."""
    described: dict[str, Json] = {
        "a": {"label": "news", "tags": {"genre": "news", "place": ["salford", "london"]}},
        "b": {"label": "sport", "tags": {"genre": ["sport", "news"], "place": []}},
        "c": {"label": "news", "tags": {"genre": "newsreel"}},
        "d": {"tags": {"näme with spaces & more": "a=b;c%"}},
    }
    builders = {"a": video_flow, "b": audio_flow, "c": video_flow, "d": data_flow}
    flows = {name: shared_client.create_flow(builders[name](**members)) for name, members in described.items()}
    for name, members in {"e": "ab", "f": "bc"}.items():
        collection = [{"id": flows[member]["id"], "role": f"role of {member}"} for member in members]
        flows[name] = shared_client.create_flow(multi_flow(flow_collection=collection))
    return Catalogue(shared_client, "/sources", {name: flow["source_id"] for name, flow in flows.items()})


def test_source_takes_its_description_from_its_first_flow(client: CheckedClient) -> None:
    tags = {"one": "x", "list": ["x"], "none": []}
    flow = client.create_flow(
        video_flow(label="Camera 1", description="The first camera", tags=tags, created_by="ingest")
    )
    found = as_object(client.get(f"/sources/{flow['source_id']}"))
    created = datetime.fromisoformat(found.pop("created").replace("Z", "+00:00"))
    assert abs(datetime.now(timezone.utc) - created) < timedelta(minutes=1)
    assert found.pop("updated").endswith("Z")
    assert found == {
        "id": flow["source_id"],
        "format": VIDEO,
        "label": "Camera 1",
        "description": "The first camera",
        "tags": tags,
        "created_by": "ingest",
        "updated_by": "ingest",
    }


def test_later_flows_leave_their_source_as_it_is(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow(label="first", tags={"by": "first"}))
    before = as_object(client.get(f"/sources/{flow['source_id']}"))
    client.create_flow(video_flow(source_id=flow["source_id"], label="second", tags={"by": "second"}))
    assert as_object(client.get(f"/sources/{flow['source_id']}")) == before


def test_source_stays_until_its_last_flow_is_deleted(client: CheckedClient) -> None:
    first = client.create_flow(video_flow())
    second = client.create_flow(video_flow(source_id=first["source_id"]))
    path = f"/sources/{first['source_id']}"
    assert client.delete(f"/flows/{first['id']}").status_code == 204
    assert client.get(path).status_code == 200
    assert client.delete(f"/flows/{second['id']}").status_code == 204
    assert client.get(path).status_code == 404
    assert as_list(client.get("/sources")) == []


@pytest.mark.parametrize(
    "source_id",
    [
        pytest.param("2aa143ac-0ab7-4d75-bc32-5c00c13d186f", id="unknown"),
        pytest.param("2AA143AC-0AB7-4D75-BC32-5C00C13D186F", id="in capitals"),
        pytest.param("x", id="not a UUID"),
        pytest.param("%00", id="a null byte"),
        pytest.param("%ff", id="not UTF-8"),
    ],
)
def test_source_that_is_not_there_is_not_found(client: CheckedClient, source_id: str) -> None:
    assert client.get(f"/sources/{source_id}").status_code == 404


def test_source_collects_the_sources_of_what_its_flows_collect(sources: Catalogue) -> None:
    def of(name: str) -> tuple[list[Json] | None, list[str] | None]:
        found = as_object(sources.client.get(f"/sources/{ids[name]}"))
        return found.get("source_collection"), found.get("collected_by")

    ids = sources.ids
    assert of("e") == ([{"id": ids["a"], "role": "role of a"}, {"id": ids["b"], "role": "role of b"}], None)
    assert of("a") == (None, [ids["e"]])
    assert of("b") == (None, sorted([ids["e"], ids["f"]]))
    assert of("d") == (None, None)


def test_source_is_the_same_in_a_list(sources: Catalogue) -> None:
    listed = {one["id"]: one for one in as_list(sources.client.get("/sources"))}
    assert listed == {id_: as_object(sources.client.get(f"/sources/{id_}")) for id_ in sources.ids.values()}


def test_source_leaves_a_collection_with_its_last_flow(client: CheckedClient) -> None:
    one, two = (client.create_flow(audio_flow()) for _ in range(2))
    flow = client.create_flow(multi_flow(flow_collection=[{"id": one["id"]}, {"id": two["id"]}]))
    client.delete(f"/flows/{one['id']}")
    collection = as_object(client.get(f"/sources/{flow['source_id']}"))["source_collection"]
    assert collection == [{"id": two["source_id"]}]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", "fedcba", id="none: most recent first"),
        pytest.param("label=news", "ca", id="label"),
        pytest.param("label=new", "", id="not part of a label"),
        pytest.param("label=", "", id="the empty label is none of theirs"),
        pytest.param(f"format={VIDEO}", "ca", id="format"),
        pytest.param(f"format={MULTI}", "fe", id="another format"),
        pytest.param(f"format={DATA}&label=news", "", id="two filters, both"),
        pytest.param("tag.genre=news", "ba", id="a tag that is text or in a list"),
        pytest.param("tag.genre=sport,newsreel", "cb", id="one of several values"),
        pytest.param("tag.genre=ne", "", id="not part of a value"),
        pytest.param("tag.genre=News", "", id="case counts"),
        pytest.param("tag.genre=news&tag.place=london", "a", id="two tags, both"),
        pytest.param("tag.n%C3%A4me%20with%20spaces%20%26%20more=a%3Db%3Bc%25", "d", id="a tag of special characters"),
        pytest.param("tag_exists.place=true", "ba", id="has a tag, be it empty"),
        pytest.param("tag_exists.place=false", "fedc", id="has not"),
        pytest.param("tag_exists.genre=true&tag_exists.place=false", "c", id="has one and not the other"),
        pytest.param("tag_exists.a=false&tag_exists.b=false", "fedcba", id="absent tags"),
        pytest.param("collected_by_ids=", "fed", id="collected by none"),
        pytest.param("access_token=secret", "fedcba", id="a token is no filter"),
    ],
)
def test_sources_are_filtered(sources: Catalogue, query: str, expected: str) -> None:
    assert sources.named(query) == expected


@pytest.mark.parametrize(
    ("collecting", "expected"),
    [
        pytest.param("e", "ba", id="one"),
        pytest.param("ef", "cba", id="any of two, each once"),
        pytest.param("ff", "cb", id="the same one twice"),
        pytest.param("a", "", id="one that collects nothing"),
    ],
)
def test_sources_are_filtered_by_collection(sources: Catalogue, collecting: str, expected: str) -> None:
    ids = ",".join(sources.ids[name] for name in collecting)
    assert sources.named(f"collected_by_ids={ids}") == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("format=video", "format"),
        ("format=", "format"),
        ("sort_by=metadata_updated", "sort_by"),
        ("sort_by=", "sort_by"),
        ("reverse_order=True", "reverse_order"),
        ("reverse_order=", "reverse_order"),
        ("collected_by_ids=x", "collected_by_ids"),
        ("collected_by_ids=,", "collected_by_ids"),
        ("tag_exists.genre=maybe", "tag_exists.genre"),
        ("tag_exists.genre=", "tag_exists.genre"),
        ("tag_exists=true", "tag_exists"),
        ("tag=news", "tag"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A5", "limit"),
        ("page=", "page"),
        ("page=x", "page"),
        ("lable=news", "lable"),
        ("codec=video/h264", "codec"),
        ("label=news&label=news", "label"),
        ("tag.genre=news&tag.genre=sport", "tag.genre"),
    ],
)
def test_sources_refuse_a_bad_parameter_by_its_name(shared_client: CheckedClient, query: str, field: str) -> None:
    response = shared_client.get(f"/sources?{query}")
    assert response.status_code == 400
    assert as_object(response)["field"] == field


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("sort_by=created", "cba", id="created: most recent first"),
        pytest.param("sort_by=created&reverse_order=true", "abc", id="created, reversed"),
        pytest.param("sort_by=updated", "cba", id="updated: most recent first"),
        pytest.param("sort_by=updated&reverse_order=true", "abc", id="updated, reversed"),
    ],
)
def test_sources_are_sorted_by_time(client: CheckedClient, query: str, expected: str) -> None:
    sources = {name: client.create_flow(video_flow())["source_id"] for name in "abc"}
    assert Catalogue(client, "/sources", sources).named(query) == expected


@pytest.mark.parametrize(("query", "turned"), [("", False), ("&reverse_order=true", True)])
def test_sources_are_sorted_by_label_and_those_without_come_last_by_id(
    client: CheckedClient, query: str, turned: bool
) -> None:
    labels = ["b", "a", None, "c", None, "B", "", "ä", "a"]
    made = [(label, new_id()) for label in labels]
    for label, source_id in made:
        client.create_flow(audio_flow(source_id=source_id, **({} if label is None else {"label": label})))
    expected = sorted(made, key=lambda one: (one[0] is None, one[0] or "", one[1]), reverse=turned)
    listed = as_list(client.get(f"/sources?sort_by=label{query}"))
    assert [(one.get("label"), one["id"]) for one in listed] == expected


def test_source_has_the_format_of_its_flow(client: CheckedClient) -> None:
    flow = client.create_flow(audio_flow())
    assert as_object(client.get(f"/sources/{flow['source_id']}"))["format"] == AUDIO
