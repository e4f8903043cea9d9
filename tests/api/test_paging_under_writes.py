"""A walk through the pages of a list shows every item that nobody touches once, whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.builders import Json, video_flow
from tests.api.client import CheckedClient, as_list

ORDERS = {
    "/flows": ("created", "metadata_updated", "label"),
    "/sources": ("created", "updated", "label"),
}

LABELS = ["m", None, "a", "m", None, "z", "", "m", "b", None, "y", "m"]
"""Of the items that are there at first: several alike, several without one."""


def walked(client: CheckedClient, path: str, key: str, between: Callable[[int], None]) -> list[str]:
    """The `key` of every item on the pages of a list, with something done after each page."""
    found: list[str] = []
    for number, page in enumerate(client.walk(path)):
        found.extend(one[key] for one in as_list(page))
        between(number)
    return found


def relabelled(client: CheckedClient, flow: Json, label: str) -> None:
    """Change the labels of a flow and, where that is served, of its source, so that both move in every order."""
    assert client.put(f"/flows/{flow['id']}", json={**flow, "label": label}).status_code == 204
    client.put(f"/sources/{flow['source_id']}/label", json=label)


@pytest.mark.parametrize("reverse", ["false", "true"])
@pytest.mark.parametrize(("path", "order"), [(path, order) for path, orders in ORDERS.items() for order in orders])
def test_untouched_items_are_shown_once(client: CheckedClient, path: str, order: str, reverse: str) -> None:
    flows = [video_flow(**({} if label is None else {"label": label})) for label in LABELS]
    for flow in flows:
        client.create_flow(flow)
    changed, deleted, untouched = flows[::4], flows[1::4], [*flows[2::4], *flows[3::4]]

    def write(page: int) -> None:
        client.create_flow(video_flow(label="mm" if page % 2 else "zz"))
        client.create_flow(video_flow())
        if page < len(changed):
            relabelled(client, changed[page], "zzz" if page % 2 else "0")
            assert client.delete(f"/flows/{deleted[page]['id']}").status_code == 204

    found = walked(client, f"{path}?limit=2&sort_by={order}&reverse_order={reverse}", "id", bounded(write, 5))
    key = "id" if path == "/flows" else "source_id"
    assert [found.count(flow[key]) for flow in untouched] == [1] * len(untouched)
    assert all(found.count(flow[key]) <= 1 for flow in deleted)


def bounded(write: Callable[[int], None], pages: int) -> Callable[[int], None]:
    """Writing that ends: what is put behind the walk, page after page, would have no end."""
    return lambda page: write(page) if page < pages else None


@pytest.mark.parametrize("reverse", ["false", "true"])
def test_untouched_segments_are_shown_once(client: CheckedClient, reverse: str) -> None:
    flow_id = client.create_flow(video_flow())["id"]
    ids = dict(zip(range(0, 48, 4), client.add(flow_id, *(second(n) for n in range(0, 48, 4))), strict=True))
    replaced, deleted, untouched = list(ids)[::4], list(ids)[1::4], [*list(ids)[2::4], *list(ids)[3::4]]

    def write(page: int) -> None:
        client.add(flow_id, *(second(n + 1 + page) for n in ids)) if page < 3 else None
        if page < len(replaced):
            for n in (replaced[page], deleted[page]):
                assert client.delete(f"/flows/{flow_id}/segments?timerange={second(n)}").status_code == 204
            client.add(flow_id, second(replaced[page]))

    found = walked(client, f"/flows/{flow_id}/segments?limit=3&reverse_order={reverse}", "object_id", write)
    assert [found.count(ids[n]) for n in untouched] == [1] * len(untouched)
    assert len(found) == len(set(found))


def second(n: int) -> str:
    """One second of a timeline."""
    return f"[{n}:0_{n + 1}:0)"
