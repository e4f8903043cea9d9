"""`/` and `/service`: what the service says of itself and of where its media live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.backends import STORAGE_IDS, TAGS
from tests.api.client import CheckedClient, as_list, as_object, client_of


def names(client: CheckedClient, query: str) -> str:
    """The names of the backends listed, in order."""
    by_id = {id_: name for name, id_ in STORAGE_IDS.items()}
    response = client.get(f"/service/storage-backends?{query}")
    assert response.status_code == 200, response.text
    return "".join(by_id[one["id"]] for one in as_list(response))


def test_root_names_the_paths_of_the_service(client: CheckedClient) -> None:
    assert as_list(client.get("/")) == ["service", "sources", "flows", "objects", "flow-delete-requests"]


def test_service_says_what_it_is(client: CheckedClient) -> None:
    found = as_object(client.get("/service"))
    assert found.pop("service_version")
    assert found == {
        "name": "TAMS",
        "description": "A time-addressable media store",
        "type": "urn:x-tams:service.tams-data",
        "api_version": "8.2",
        "event_stream_mechanisms": [
            {"name": "webhooks"},
            {"name": "server-sent-events", "config": {"path": "/events"}},
        ],
        "min_object_timeout": "7200:0",
        "min_presigned_url_timeout": "3600:0",
    }


def test_service_is_described_by_its_settings(store: Store, tmp_path: Path) -> None:
    settings = Settings.load(
        data_dir=tmp_path / "data",
        service_name="Salford",
        service_description="Everything that is recorded in Salford",
        object_timeout=86400,
        url_timeout=600,
    )
    found = as_object(client_of(store, settings).get("/service"))
    assert (found["name"], found["description"]) == ("Salford", "Everything that is recorded in Salford")
    assert (found["min_object_timeout"], found["min_presigned_url_timeout"]) == ("86400:0", "600:0")


# --- described by clients --------------------------------------------------------------------------------------------


def described(client: CheckedClient) -> tuple[str, str]:
    """The name and the description of the service."""
    found = as_object(client.get("/service"))
    return found["name"], found["description"]


def test_client_may_name_and_describe_the_service(client: CheckedClient) -> None:
    response = client.post("/service", json={"name": "Salford", "description": "All of it"})
    assert (response.status_code, response.data) == (200, b"")
    assert described(client) == ("Salford", "All of it")
    assert client.post("/service", json={"description": ""}).status_code == 200
    assert described(client) == ("Salford", "")
    assert client.post("/service", json={"name": "Cardiff", "type": "urn:x-tams:service.other"}).status_code == 200
    assert described(client) == ("Cardiff", "")
    assert as_object(client.get("/service"))["type"] == "urn:x-tams:service.tams-data"


def test_what_a_client_said_of_the_service_outlives_its_settings(
    client: CheckedClient, store: Store, settings: Settings
) -> None:
    client.post("/service", json={"name": "Salford"})
    renamed = client_of(store, settings.model_copy(update={"service_name": "Cardiff", "service_description": "New"}))
    assert described(renamed) == ("Salford", "New")


def test_nothing_said_of_the_service_changes_nothing(client: CheckedClient) -> None:
    before = described(client)
    assert client.post("/service", json={}).status_code == 200
    assert described(client) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": 5}, "name"),
        ({"description": ["a"]}, "description"),
        ({"name": "good", "description": {}}, "description"),
        ([], ""),
        ("name", ""),
    ],
)
def test_bad_description_of_the_service_is_refused_whole(client: CheckedClient, body: Any, field: str) -> None:
    before = described(client)
    response = client.post("/service", json=body)
    assert (response.status_code, as_object(response)["field"]) == (400, field)
    assert described(client) == before


def test_description_of_the_service_may_not_be_left_out(client: CheckedClient) -> None:
    assert client.post("/service").status_code == 400


# --- storage backends ------------------------------------------------------------------------------------------------


def test_storage_backend_of_an_embedded_store(client: CheckedClient, store: Store) -> None:
    (storage_id,) = store.media
    assert as_list(client.get("/service/storage-backends")) == [
        {
            "id": storage_id,
            "label": "local",
            "store_type": "http_object_store",
            "provider": "self-hosted",
            "store_product": "tams-data-service",
            "default_storage": True,
        }
    ]


def test_storage_backend_shows_its_tags(backends: CheckedClient) -> None:
    found = {one["id"]: one.get("tags") for one in as_list(backends.get("/service/storage-backends"))}
    assert found == {STORAGE_IDS[name]: tags or None for name, tags in TAGS.items()}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", "abzxy", id="by label, then those without one by id"),
        pytest.param("reverse_order=true", "yxzba", id="reversed: those without a label first"),
        pytest.param("reverse_order=false", "abzxy", id="not reversed"),
        pytest.param("tag.tier=hot", "az", id="a tag that is text or in a list"),
        pytest.param("tag.tier=hot,cold", "abz", id="one of several values"),
        pytest.param("tag.tier=", "y", id="the empty value"),
        pytest.param("tag.site=london", "a", id="one of a list"),
        pytest.param("tag.site=lon", "", id="not a part of a value"),
        pytest.param("tag.Tier=hot", "", id="case counts"),
        pytest.param("tag.tier=hot&tag.site=london", "a", id="two tags, both"),
        pytest.param("tag_exists.site=true", "ab", id="has a tag"),
        pytest.param("tag_exists.site=false", "zxy", id="has not"),
        pytest.param("tag_exists.empty=true", "z", id="has a tag with no value"),
        pytest.param("tag_exists.tier=true&tag_exists.site=false&reverse_order=true", "yz", id="all at once"),
        pytest.param("access_token=abc", "abzxy", id="a token is no filter"),
    ],
)
def test_storage_backends_are_listed(backends: CheckedClient, query: str, expected: str) -> None:
    assert names(backends, query) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("reverse_order=yes", "reverse_order"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("page=x", "page"),
        ("tag_exists.site=1", "tag_exists.site"),
        ("tag=hot", "tag"),
        ("label=a", "label"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_storage_backends_refuse_a_bad_parameter_by_its_name(backends: CheckedClient, query: str, field: str) -> None:
    response = backends.get(f"/service/storage-backends?{query}")
    assert response.status_code == 400
    assert as_object(response)["field"] == field


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize(("order", "expected"), [("false", "abzxy"), ("true", "yxzba")])
def test_storage_backends_come_in_pages(backends: CheckedClient, limit: int, order: str, expected: str) -> None:
    pages = list(backends.walk(f"/service/storage-backends?limit={limit}&reverse_order={order}"))
    by_id = {id_: name for name, id_ in STORAGE_IDS.items()}
    assert "".join(by_id[one["id"]] for page in pages for one in as_list(page)) == expected
    assert [int(page.headers["X-Paging-Count"]) for page in pages] == [len(as_list(page)) for page in pages]
    assert len(pages) == -(-5 // limit)
