"""`/service/webhooks`: registered, listed, changed and deleted, and their keys shown to nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tams_data import schema
from tams_data.store.store import Store
from tests.api.builders import Json
from tests.api.client import Catalogue, CheckedClient, as_list, as_object, next_url
from tests.api.specification import EXAMPLES, needs_specification

ID = "2aa143ac-0ab7-4d75-bc32-5c00c13d186f"

EVENTS = [
    *("flows/created", "flows/updated", "flows/deleted", "flows/segments_added", "flows/segments_deleted"),
    *("sources/created", "sources/updated", "sources/deleted"),
]
FULL: Json = {
    "url": "https://hook.example:8443/a/../b?c=%64#e",
    "api_key_name": "Authorization",
    "events": EVENTS,
    "flow_ids": [ID],
    "source_ids": [ID],
    "flow_collected_by_ids": [],
    "source_collected_by_ids": [ID],
    "accept_get_urls": ["a", ""],
    "accept_storage_ids": [ID],
    "presigned": False,
    "verbose_storage": True,
    "include_object_timerange": True,
    "tags": {"a": "b", "c": ["d"]},
}
"""Every property that is shown as it was given."""

KEY = {"api_key_name": "X-Key", "api_key_value": "a secret"}


def put(client: CheckedClient, webhook: Json, **changes: Any) -> Any:
    """The answer to putting a webhook as it was shown, with some members changed; None takes one away."""
    body = {name: value for name, value in {**webhook, **changes}.items() if value is not None}
    return client.put(f"/service/webhooks/{webhook['id']}", json=body)


def get(client: CheckedClient, webhook: Json) -> Json:
    """A webhook as the service shows it."""
    response = client.get(f"/service/webhooks/{webhook['id']}")
    assert response.status_code == 200
    return as_object(response)


def key_of(store: Store, webhook: Json) -> str | None:
    """The key that is kept of a webhook."""
    rows = store.database.read(lambda tables: tables.webhooks).to_pylist()
    (value,) = [row["api_key_value"] for row in rows if row["id"] == webhook["id"]]
    return value


def fail(store: Store, webhook: Json) -> None:
    """Let a webhook end in the status error, as its deliveries do."""
    error = {"type": "t", "summary": "s", "time": "2026-01-01T00:00:00Z"}
    row = {"id": webhook["id"], "status": "error", "error": json.dumps(error)}
    with store.database.transaction() as transaction:
        transaction.update(schema.WEBHOOKS, schema.WEBHOOKS.part(tuple(row), [row]))


# --- registering -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/service/webhooks", "/webhooks"])
def test_new_webhook_is_answered_as_it_will_be_shown(client: CheckedClient, path: str) -> None:
    response = client.post(path, json={**FULL, "api_key_value": "Bearer x"})
    assert response.status_code == 201
    created = as_object(response)
    assert {name: value for name, value in created.items() if name != "id"} == {**FULL, "status": "created"}
    assert get(client, created) == created
    assert as_list(client.get("/service/webhooks")) == as_list(client.get("/webhooks")) == [created]


def test_key_is_kept_and_never_shown(client: CheckedClient, store: Store) -> None:
    created = client.create_webhook(**KEY)
    assert key_of(store, created) == "a secret"
    seen = [json.dumps(created), put(client, created, **KEY).text, put(client, created, events=[]).text]
    seen += [client.get(path).text for path in ("/service/webhooks", f"/service/webhooks/{created['id']}")]
    assert not any("a secret" in text or "api_key_value" in text for text in seen)


def test_webhook_can_be_registered_disabled(client: CheckedClient) -> None:
    assert client.create_webhook(status="disabled")["status"] == "disabled"


def test_webhooks_may_be_alike(client: CheckedClient) -> None:
    assert client.create_webhook()["id"] != client.create_webhook()["id"]


BAD = [
    pytest.param({"url": None}, "url", id="no URL"),
    pytest.param({"url": 5}, "url", id="URL is a number"),
    pytest.param({"url": ""}, "url", id="empty URL"),
    pytest.param({"url": "hook.example"}, "url", id="URL without a scheme"),
    pytest.param({"url": "/hook"}, "url", id="relative URL"),
    pytest.param({"url": "ftp://hook.example"}, "url", id="URL of another scheme"),
    pytest.param({"url": "file:///etc/passwd"}, "url", id="URL of a file"),
    pytest.param({"url": "javascript:alert(1)"}, "url", id="URL that is a script"),
    pytest.param({"url": "https://"}, "url", id="URL without a host"),
    pytest.param({"url": "https://a.example:99999"}, "url", id="URL with a port that is none"),
    pytest.param({"url": "https://a.example/\nX: y"}, "url", id="URL with a line end"),
    pytest.param({"url": "https://ada:secret@a.example"}, "url", id="URL with a password, which would be shown"),
    pytest.param({"url": " https://a.example"}, "url", id="URL after a space"),
    pytest.param({"events": None}, "events", id="no events"),
    pytest.param({"events": "flows/created"}, "events", id="events are text"),
    pytest.param({"events": ["flows/created", "flows/read"]}, "events.1", id="no such event"),
    pytest.param({"flow_ids": ["x"]}, "flow_ids.0", id="no flow id"),
    pytest.param({"source_ids": [ID, 5]}, "source_ids.1", id="no source id"),
    pytest.param({"flow_collected_by_ids": ID}, "flow_collected_by_ids", id="one flow id"),
    pytest.param({"source_collected_by_ids": ["x"]}, "source_collected_by_ids.0", id="no collection id"),
    pytest.param({"accept_get_urls": "a"}, "accept_get_urls", id="labels are text"),
    pytest.param({"accept_storage_ids": ["local"]}, "accept_storage_ids.0", id="no storage id"),
    pytest.param({"presigned": "true"}, "presigned", id="presigned is text"),
    pytest.param({"verbose_storage": 1}, "verbose_storage", id="verbose is a number"),
    pytest.param({"include_object_timerange": "no"}, "include_object_timerange", id="time range is text"),
    pytest.param({"tags": {"a": 5}}, "tags.a", id="tag is a number"),
    pytest.param({"status": "started"}, "status", id="status that only the service sets"),
    pytest.param({"status": "error"}, "status", id="status of failure"),
    pytest.param({"api_key_name": "a: b"}, "api_key_name", id="header that is none"),
    pytest.param({"api_key_value": "a\r\nHost: b"}, "api_key_value", id="key with a line end"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_bad_webhook_is_refused_by_the_name_of_what_is_wrong(client: CheckedClient, changes: Json, field: str) -> None:
    webhook = client.create_webhook()
    body = {name: value for name, value in {**FULL, **changes}.items() if value is not None}
    for response in (client.post("/service/webhooks", json=body), put(client, webhook, **{**FULL, **changes})):
        assert (response.status_code, as_object(response)["field"]) == (400, field)
    assert as_list(client.get("/service/webhooks")) == [webhook]


@needs_specification
def test_examples_of_the_specification_are_accepted(client: CheckedClient) -> None:
    given = json.loads((EXAMPLES / "webhook-post.json").read_text())
    created = client.create_webhook(**given)
    changed = put(client, {**json.loads((EXAMPLES / "webhook-put.json").read_text()), "id": created["id"]})
    assert (changed.status_code, as_object(changed)) == (201, created)


# --- listing ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed(shared_client: CheckedClient) -> Catalogue:
    """Five webhooks that are registered in no order of their URLs; b and c have the same, and are told by their ids."""
    given: list[tuple[str, Json]] = [
        ("https://d.example", {"tier": ["hot", "cold"]}),
        ("https://b.example", {}),
        ("https://b.example", {"tier": "cold", "site": "x"}),
        ("http://z.example", {"tier": "hot"}),
        ("https://e.example", {"tier": ""}),
    ]
    made = [shared_client.create_webhook(url=url, tags=tags) for url, tags in given]
    by_url = sorted(made, key=lambda one: (one["url"], one["id"]))
    return Catalogue(shared_client, "/service/webhooks", dict(zip("abcde", (one["id"] for one in by_url), strict=True)))


@pytest.mark.parametrize(
    ("query", "count", "expected"),
    [
        pytest.param("", 5, "abcde", id="by URL"),
        pytest.param("reverse_order=true", 5, "edcba", id="backwards"),
        pytest.param("reverse_order=false", 5, "abcde", id="not backwards"),
        pytest.param("tag.tier=hot", 2, "ad", id="a tag that is text or in a list"),
        pytest.param("tag.tier=", 1, "e", id="the empty value"),
        pytest.param("tag.tier=ho", 0, "", id="not a part of a value"),
        pytest.param("tag.tier=cold&tag_exists.site=false", 1, "d", id="with one tag and without another"),
        pytest.param("tag_exists.tier=true&reverse_order=true&limit=2", 2, "ed", id="all at once"),
        pytest.param("access_token=abc", 5, "abcde", id="a token is no filter"),
    ],
)
def test_webhooks_are_listed(listed: Catalogue, query: str, count: int, expected: str) -> None:
    assert listed.named(query) == expected
    assert len(as_list(listed.client.get(f"/webhooks?{query}"))) == count


@pytest.mark.parametrize("path", ["/service/webhooks", "/webhooks"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize(("reverse", "expected"), [("false", "abcde"), ("true", "edcba")])
def test_webhooks_come_in_pages(listed: Catalogue, path: str, limit: int, reverse: str, expected: str) -> None:
    pages = list(listed.client.walk(f"{path}?limit={limit}&reverse_order={reverse}&tag_exists.none=false"))
    assert "".join(listed.names(as_list(page)) for page in pages) == expected
    assert len(pages) == -(-5 // limit)
    for page in pages:
        assert page.headers["X-Paging-Limit"] == str(limit)
        assert page.headers["X-Paging-Count"] == str(len(as_list(page)))
        assert page.headers["X-Paging-Reverse-Order"] == reverse
        assert ("Link" in page.headers) == ("X-Paging-NextKey" in page.headers) == (page is not pages[-1])


def test_link_leads_to_the_list_it_is_of(listed: Catalogue) -> None:
    for path in ("/service/webhooks", "/webhooks"):
        link = next_url(listed.client.get(f"{path}?limit=1").headers["Link"])
        assert link.startswith(f"http://localhost{path}?limit=1&page=")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("reverse_order=yes", "reverse_order"),
        ("limit=0", "limit"),
        ("page=x", "page"),
        ("tag_exists.a=1", "tag_exists.a"),
        ("tag=a", "tag"),
        ("tags.a=b", "tags.a"),
        ("url=a", "url"),
    ],
)
def test_webhooks_refuse_a_bad_parameter_by_its_name(listed: Catalogue, query: str, field: str) -> None:
    response = listed.client.get(f"/service/webhooks?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, field)


# --- changing --------------------------------------------------------------------------------------------------------


def test_webhook_is_replaced_whole(client: CheckedClient) -> None:
    webhook = client.create_webhook(**FULL)
    response = client.put(
        f"/service/webhooks/{webhook['id']}",
        json={"id": webhook["id"], "url": "http://b.example", "events": [], "status": "disabled"},
    )
    assert response.status_code == 201
    expected = {"id": webhook["id"], "url": "http://b.example", "events": [], "tags": {}, "status": "disabled"}
    assert as_object(response) == get(client, webhook) == expected


def test_webhook_is_found_by_its_new_tags(client: CheckedClient) -> None:
    webhook = client.create_webhook(tags={"a": "b"})
    put(client, webhook, tags={"a": "c"})
    assert as_list(client.get("/service/webhooks?tag.a=b")) == []
    assert [one["id"] for one in as_list(client.get("/service/webhooks?tag.a=c"))] == [webhook["id"]]


@pytest.mark.parametrize(("changes", "field"), [({"id": ID}, "id"), ({"id": None}, "id"), ({"status": None}, "status")])
def test_change_says_what_it_changes_and_to_which_status(client: CheckedClient, changes: Json, field: str) -> None:
    webhook = client.create_webhook()
    body = {name: value for name, value in {**webhook, **changes}.items() if value is not None}
    response = client.put(f"/service/webhooks/{webhook['id']}", json=body)
    assert (response.status_code, as_object(response)["field"]) == (400, field)
    assert get(client, webhook) == webhook


@pytest.mark.parametrize("before", ["created", "disabled"])
@pytest.mark.parametrize("after", ["created", "disabled"])
def test_webhook_can_be_disabled_and_enabled_again(client: CheckedClient, before: str, after: str) -> None:
    webhook = client.create_webhook(status=before)
    assert put(client, webhook, status=after).status_code == 201
    assert get(client, webhook)["status"] == after


def test_webhook_that_failed_can_be_enabled_again_but_not_disabled(client: CheckedClient, store: Store) -> None:
    webhook = client.create_webhook()
    fail(store, webhook)
    failed = get(client, webhook)
    assert (failed["status"], failed["error"]["summary"]) == ("error", "s")
    response = put(client, webhook, status="disabled")
    assert (response.status_code, as_object(response)["field"]) == (400, "status")
    assert get(client, webhook) == failed
    assert put(client, webhook, status="created").status_code == 201
    assert get(client, webhook) == webhook


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, "a secret", id="nothing said"),
        pytest.param({"events": ["flows/deleted"]}, "a secret", id="other events"),
        pytest.param({"api_key_value": "new"}, "new", id="a new key"),
        pytest.param({"api_key_value": ""}, "", id="an empty key"),
        pytest.param({"api_key_value": "new", "url": "https://b.example"}, "new", id="a new key elsewhere"),
        pytest.param({"api_key_name": None}, None, id="no key any more"),
        pytest.param({"api_key_name": None, "url": "https://b.example"}, None, id="no key elsewhere"),
    ],
)
def test_key_stays_with_its_receiver(client: CheckedClient, store: Store, changes: Json, expected: str | None) -> None:
    webhook = client.create_webhook(**KEY)
    assert put(client, webhook, **changes).status_code == 201
    assert key_of(store, webhook) == expected


@pytest.mark.parametrize("changes", [{"url": "https://b.example"}, {"api_key_name": "X-Other"}], ids=str)
def test_key_does_not_go_elsewhere_unless_it_is_given_anew(client: CheckedClient, store: Store, changes: Json) -> None:
    webhook = client.create_webhook(**KEY)
    response = put(client, webhook, **changes)
    assert (response.status_code, as_object(response)["field"]) == (400, "api_key_value")
    assert (get(client, webhook), key_of(store, webhook)) == (webhook, "a secret")


# --- deleting --------------------------------------------------------------------------------------------------------


def test_webhook_is_deleted(client: CheckedClient) -> None:
    webhook, other = client.create_webhook(), client.create_webhook()
    assert client.delete(f"/service/webhooks/{webhook['id']}").status_code == 204
    assert client.get(f"/service/webhooks/{webhook['id']}").status_code == 404
    assert as_list(client.get("/service/webhooks")) == [other]
    assert client.delete(f"/service/webhooks/{webhook['id']}").status_code == 404


@pytest.mark.parametrize("webhook_id", ["x", ID.upper(), ID])
def test_webhook_that_is_not_there_is_not_found(shared_client: CheckedClient, webhook_id: str) -> None:
    path = f"/service/webhooks/{webhook_id}"
    body = {"id": ID, "url": "https://a.example", "events": [], "status": "created"}
    assert shared_client.get(path).status_code == 404
    assert shared_client.head(path).status_code == 404
    assert shared_client.put(path, json=body).status_code == 404
    assert shared_client.delete(path).status_code == 404
