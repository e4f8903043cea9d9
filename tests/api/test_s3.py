"""The loop of a recorder and a player with media in S3: the service gives URLs, and never sees the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tams_data.engines.base import Database
from tams_data.media import LocalMediaStore
from tams_data.media.s3 import S3MediaStore
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests import s3
from tests.api.builders import video_flow
from tests.api.client import CheckedClient, as_list, as_object

CONTENT = bytes(range(256)) * 1200
ODD = "a/b ä?#%2F\ninstances"


@pytest.fixture(scope="module")
def buckets(s3_endpoint: str) -> Iterator[dict[str, S3MediaStore]]:
    """Media stores in two buckets of one S3, by their labels; `hot` is the default."""
    stores = {
        label: S3MediaStore(s3.described(s3_endpoint, label=label, default=label == "hot", tags={"tier": label}))
        for label in ("hot", "cold")
    }
    yield stores
    for one in stores.values():
        one.close()


@pytest.fixture
def store(database: Database, settings: Settings, buckets: dict[str, S3MediaStore]) -> Iterator[Store]:
    """A store with two buckets and a folder."""
    local = LocalMediaStore(settings.data_dir / "media", secret=bytes(32), label="local", default_storage=False)
    opened = Store(database, {one.backend.id: one for one in (*buckets.values(), local)})
    yield opened
    opened.close()


@pytest.fixture
def ids(store: Store) -> dict[str, str]:
    """The ids of the backends by their labels."""
    return {str(media.backend.label): storage_id for storage_id, media in store.media.items()}


@pytest.fixture
def flow_id(client: CheckedClient) -> str:
    """A flow."""
    return str(client.create_flow(video_flow())["id"])


def uploaded(client: CheckedClient, flow_id: str, **storage: Any) -> str:
    """An object that is allocated, sent to S3 and registered."""
    response = client.post(f"/flows/{flow_id}/storage", json=storage)
    assert response.status_code == 201, response.text
    (one,) = as_object(response)["media_objects"]
    sent = httpx.put(one["put_url"]["url"], content=CONTENT, headers={"Content-Type": one["put_url"]["content-type"]})
    assert sent.status_code == 200, sent.text
    client.register(flow_id, {"object_id": one["object_id"], "timerange": "[0:0_1:0)"})
    return str(one["object_id"])


def presigned(client: CheckedClient, object_id: str) -> dict[str, str]:
    """The presigned URLs of an object by their labels."""
    shown = as_object(client.get_object(object_id, presigned="true"))["get_urls"]
    return {one["label"]: one["url"] for one in shown}


def test_what_is_sent_to_s3_comes_from_s3(client: CheckedClient, flow_id: str, ids: dict[str, str], s3_endpoint: str):
    uploaded(client, flow_id, object_ids=[ODD])
    (segment,) = client.segments(flow_id, verbose_storage="true")
    urls = {one["presigned"]: one for one in segment["get_urls"]}
    assert urls[True]["storage_id"] == ids["hot"]
    assert urls[False]["url"] == urls[True]["url"].partition("?")[0]
    assert urls[True]["url"].startswith(f"{s3_endpoint}/b-")
    got = httpx.get(urls[True]["url"])
    assert (got.content, got.headers["Content-Type"]) == (CONTENT, "video/mp2t")
    part = httpx.get(urls[True]["url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, CONTENT[10:20])


def test_deleted_object_leaves_s3(client: CheckedClient, flow_id: str, store: Store, ids: dict[str, str]):
    object_id = uploaded(client, flow_id)
    url = presigned(client, object_id)["hot"]
    assert client.delete(f"/flows/{flow_id}").status_code == 204
    assert httpx.get(url).status_code == 404
    assert store.media[ids["hot"]].stat(object_id) is None


def test_backend_is_the_one_that_is_asked_for(client: CheckedClient, flow_id: str, store: Store, ids: dict[str, str]):
    object_id = uploaded(client, flow_id, storage_id=ids["cold"])
    assert presigned(client, object_id).keys() == {"cold"}
    assert {label for label, id_ in ids.items() if store.media[id_].stat(object_id)} == {"cold"}
    tagged = {"storage_backend_tag.tier": "hot"}
    assert as_object(client.get_object(object_id, **tagged))["get_urls"] == []


def test_backends_are_listed_without_their_keys(client: CheckedClient, ids: dict[str, str]):
    response = client.get("/service/storage-backends")
    shown = {one["label"]: one for one in as_list(response)}
    assert {label: one["id"] for label, one in shown.items()} == ids
    assert [label for label, one in shown.items() if one["default_storage"]] == ["hot"]
    assert shown["cold"]["tags"] == {"tier": "cold"}
    assert s3.SECRET_KEY not in response.text
    assert s3.ACCESS_KEY not in response.text


@pytest.mark.parametrize(("source", "target"), [("hot", "cold"), ("hot", "local"), ("local", "hot")])
def test_object_is_copied_to_another_backend(client, store, ids, source, target):
    flow_id = client.create_flow(video_flow())["id"]
    if source == "local":
        object_id = client.upload(flow_id, CONTENT, object_ids=[ODD], storage_id=ids["local"])
        client.register(flow_id, {"object_id": object_id, "timerange": "[0:0_1:0)"})
    else:
        object_id = uploaded(client, flow_id, object_ids=[ODD], storage_id=ids[source])
    instances = f"/objects/{quote(object_id, safe='')}/instances"
    assert client.post(instances, json={"storage_id": ids[target]}).status_code == 201
    store.jobs.run_due()
    urls = presigned(client, object_id)
    assert urls.keys() == {source, target}
    got = client.get(urls["local"]).data if target == "local" else httpx.get(urls[target]).content
    assert got == CONTENT
    # Bytes that pass through the service get a digest; those that S3 copies are as the client sent them.
    assert (store.media[ids[target]].stat(object_id).sha256 is None) == ((source, target) == ("hot", "cold"))
    client.delete(f"/flows/{flow_id}")
    assert [one.stat(object_id) for one in store.media.values()] == [None, None, None]


def test_health_tells_of_every_bucket(client: CheckedClient, ids: dict[str, str]):
    passed = {one["name"]: one["passed"] for one in as_object(client.get("/health"))["checks"]}
    assert [passed[f"storage backend {id_}"] for id_ in ids.values()] == [True, True, True]
