"""Pages of sources and flows: every item once, in order, whatever is written meanwhile; keys are the service's own."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest

from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.builders import video_flow
from tests.api.client import Catalogue, CheckedClient, as_list, as_object, client_of, next_url

LABELS = {"a": "one", "b": None, "c": "one", "d": "", "e": None, "f": "two", "g": "Ünïcode & more", "h": "one"}

PATHS = ("/flows", "/sources")

ORDERS = {
    "/flows": ("created", "metadata_updated", "label"),
    "/sources": ("created", "updated", "label"),
}


@pytest.fixture(scope="module")
def listed(shared_client: CheckedClient) -> Mapping[str, Catalogue]:
    """Eight flows, each of a source of its own, by the path that lists them."""
    flows = {}
    for name, label in LABELS.items():
        flows[name] = shared_client.create_flow(
            video_flow(tags={"t": "x"}, **({} if label is None else {"label": label}))
        )
    return {
        "/flows": Catalogue(shared_client, "/flows", {name: flow["id"] for name, flow in flows.items()}),
        "/sources": Catalogue(shared_client, "/sources", {name: flow["source_id"] for name, flow in flows.items()}),
    }


@pytest.mark.parametrize("limit", [3, 8])
@pytest.mark.parametrize("reverse", ["false", "true"])
@pytest.mark.parametrize(("path", "order"), [(path, order) for path, orders in ORDERS.items() for order in orders])
def test_pages_hold_every_item_once_in_order(
    listed: Mapping[str, Catalogue], path: str, order: str, reverse: str, limit: int
) -> None:
    of, query = listed[path], f"sort_by={order}&reverse_order={reverse}&tag.t=x"
    pages = list(of.client.walk(f"{path}?{query}&limit={limit}"))
    assert "".join(of.names(as_list(page)) for page in pages) == of.named(query)
    assert len(pages) == -(-len(LABELS) // limit)
    for page in pages:
        assert page.headers["X-Paging-Limit"] == str(limit)
        assert page.headers["X-Paging-Count"] == str(len(as_list(page)))
        assert page.headers["X-Paging-Reverse-Order"] == reverse
        assert ("Link" in page.headers) == ("X-Paging-NextKey" in page.headers) == (page is not pages[-1])


@pytest.mark.parametrize("path", PATHS)
def test_order_of_a_list_is_turned_round_whole(listed: Mapping[str, Catalogue], path: str) -> None:
    for order in ORDERS[path]:
        found = listed[path].named(f"sort_by={order}")
        assert listed[path].named(f"sort_by={order}&reverse_order=true") == found[::-1]


@pytest.mark.parametrize("path", PATHS)
def test_page_can_be_asked_for_by_its_key(listed: Mapping[str, Catalogue], path: str) -> None:
    first = listed[path].client.get(f"{path}?limit=3&sort_by=label")
    key = first.headers["X-Paging-NextKey"]
    everything = listed[path].named("sort_by=label")
    assert listed[path].named(f"sort_by=label&page={key}") == everything[3:]
    assert listed[path].named(f"sort_by=label&page={key}&limit=2") == everything[3:5]


@pytest.mark.parametrize("path", PATHS)
def test_link_keeps_what_was_asked_for(listed: Mapping[str, Catalogue], path: str) -> None:
    query = "label=one&tag.t=x&tag_exists.no%26ne=false&limit=1&collected_by_ids="
    response = listed[path].client.get(f"{path}?{query}")
    url = next_url(response.headers["Link"])
    assert url == f"http://localhost{path}?{query}&page={response.headers['X-Paging-NextKey']}"
    pages = list(listed[path].client.walk(f"{path}?{query}"))
    assert "".join(listed[path].names(as_list(page)) for page in pages) == "hca"


def test_link_leads_to_where_the_service_is_seen(store: Store, settings: Settings) -> None:
    client = client_of(store, settings.model_copy(update={"public_url": "https://tams.example/api/"}))
    for _ in range(2):
        client.create_flow(video_flow())
    link = client.get("/flows?limit=1").headers["Link"]
    assert next_url(link).startswith("https://tams.example/api/flows?limit=1&page=")


@pytest.mark.parametrize("reverse", ["false", "true"])
@pytest.mark.parametrize("order", ["created", "label"])
def test_pages_stay_where_they_are_while_items_come_and_go(client: CheckedClient, order: str, reverse: str) -> None:
    flows = [client.create_flow(video_flow(label=f"{i:02}"))["id"] for i in range(0, 20, 2)]
    found: list[str] = []
    for number, page in enumerate(client.walk(f"/flows?limit=3&sort_by={order}&reverse_order={reverse}")):
        found.extend(one["id"] for one in as_list(page))
        client.create_flow(video_flow(label=f"{2 * number + 1:02}"))
        client.delete(f"/flows/{found[0]}") if number == 0 else None
    assert len(found) == len(set(found)), "no item comes twice"
    kept = [one for one in found if one in flows]
    newest_first = (order == "created") != (reverse == "true")
    descending = newest_first if order == "created" else reverse == "true"
    assert kept == (flows[::-1] if descending else flows), "and none that was there is left out"


def test_item_that_a_page_ended_with_may_be_gone(client: CheckedClient) -> None:
    flows = [client.create_flow(video_flow())["id"] for _ in range(4)][::-1]
    first = client.get("/flows?limit=2")
    client.delete(f"/flows/{flows[1]}")
    assert [one["id"] for one in as_list(client.get(next_url(first.headers["Link"])))] == flows[2:]


# --- keys ------------------------------------------------------------------------------------------------------------


def key_of(client: CheckedClient, path: str) -> str:
    """The key of the second page of a list."""
    return client.get(path).headers["X-Paging-NextKey"]


@pytest.mark.parametrize(
    ("made_by", "given_to"),
    [
        ("/flows?limit=1", "/sources"),
        ("/sources?limit=1", "/flows"),
        ("/flows?limit=1", "/flows?sort_by=label"),
        ("/flows?limit=1", "/flows?sort_by=metadata_updated"),
        ("/flows?limit=1&sort_by=label", "/flows"),
        ("/sources?limit=1&sort_by=updated", "/sources?sort_by=label"),
        ("/flows?limit=1", "/service/storage-backends"),
        ("/flows?limit=1", "/service/profiles"),
        ("/flows?limit=1", "/service/webhooks"),
        ("/flows?limit=1", "/flows/2aa143ac-0ab7-4d75-bc32-5c00c13d186f/segments"),
    ],
)
def test_key_of_another_list_is_refused(listed: Mapping[str, Catalogue], made_by: str, given_to: str) -> None:
    client = listed["/flows"].client
    key = key_of(client, made_by)
    response = client.get(f"{given_to}{'&' if '?' in given_to else '?'}page={key}")
    assert (response.status_code, as_object(response)["field"], as_object(response)["value"]) == (400, "page", key)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="a letter"),
        pytest.param("0", id="a number"),
        pytest.param("WzAsImEiXQ", id="without a signature"),
        pytest.param("WzAsImEiXQ.AAAA", id="with a signature of one's own"),
        pytest.param(".", id="a dot"),
        pytest.param("日本", id="no ASCII"),
        pytest.param("\0", id="a null byte"),
        pytest.param("x" * 10_000, id="long"),
        pytest.param("' OR 1=1 --", id="SQL"),
    ],
)
@pytest.mark.parametrize(
    "path", [*PATHS, "/service/storage-backends", "/service/profiles", "/service/webhooks", "/webhooks"]
)
def test_forged_key_is_refused(listed: Mapping[str, Catalogue], path: str, forged: str) -> None:
    response = listed["/flows"].client.get(path, query_string={"page": forged})
    assert (response.status_code, as_object(response)["field"]) == (400, "page")


def test_changed_key_is_refused(listed: Mapping[str, Catalogue]) -> None:
    client = listed["/flows"].client
    payload, signature = key_of(client, "/flows?limit=1").split(".")
    place = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    changed = base64.urlsafe_b64encode(place.replace(b"-", b"_", 1)).rstrip(b"=").decode()
    assert changed != payload
    for forged in (f"{changed}.{signature}", f"{payload}.{signature[::-1]}", f"{payload}.{signature}x", payload):
        assert client.get(f"/flows?page={forged}").status_code == 400
    assert client.get(f"/flows?page={payload}.{signature}").status_code == 200


def test_key_is_good_after_a_restart(store: Store, settings: Settings) -> None:
    """The secret it is signed with lies in the data folder."""
    client = client_of(store, settings)
    flows = [client.create_flow(video_flow())["id"] for _ in range(2)]
    key = key_of(client, "/flows?limit=1")
    assert [one["id"] for one in as_list(client_of(store, settings).get(f"/flows?page={key}"))] == flows[:1]


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_pages(shared_client: CheckedClient) -> CheckedClient:
    """A client of a service that gives three items, and five at most, and has more."""
    for label in ("many", "many", "many", "many", "single", "other"):
        shared_client.create_flow(video_flow(label=label))
    config = shared_client.application.config
    return client_of(
        config["TAMS_STORE"], config["TAMS_SETTINGS"].model_copy(update={"page_limit": 3, "page_limit_max": 5})
    )


@pytest.mark.parametrize(
    ("query", "applied", "count"),
    [
        pytest.param("", 3, 3, id="the service's own"),
        pytest.param("limit=1", 1, 1, id="fewer"),
        pytest.param("limit=5", 5, 5, id="the most"),
        pytest.param("limit=6", 5, 5, id="more than the most"),
        pytest.param("limit=999999999999999999", 5, 5, id="far more"),
        pytest.param("label=many", 3, 3, id="the service's own, with a filter"),
        pytest.param("label=single", 3, 1, id="more than there are"),
        pytest.param("label=none", 3, 0, id="there is none"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_page_has_the_size_that_its_header_says(
    small_pages: CheckedClient, path: str, query: str, applied: int, count: int
) -> None:
    response = small_pages.get(f"{path}?{query}")
    assert len(as_list(response)) == count
    assert response.headers["X-Paging-Limit"] == str(applied)
    assert response.headers["X-Paging-Count"] == str(count)
