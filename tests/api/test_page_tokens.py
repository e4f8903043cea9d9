"""Whatever is given as the token of a page: a page of this list, or 400; and never rows that the caller may not see."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tams_data import media
from tams_data.store.store import Store
from tests.api.access.people import As, House, entry, settings_with
from tests.api.builders import new_id, profile, video_flow
from tests.api.client import as_list, as_object
from tests.conftest import ENGINES

NEWS, SPORT, ROOT = "news", "sport", "root"
ELSEWHERE = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]


@dataclass
class Tenant:
    """What a tenant has in the store, more than a page of everything; `ids` nobody else sees."""

    client: As
    paths: list[str]
    ids: set[str]


def moved_in(house: House, name: str) -> Tenant:
    client = house.client(name)
    flows = [client.create_flow(video_flow(label=f"{name} {number}")) for number in range(3)]
    object_id = f"{name}-{new_id()}"
    for flow in flows:
        client.register(flow["id"], {"object_id": object_id, "timerange": "[0:0_1:0)", "get_urls": ELSEWHERE})
    for second in (1, 2):
        another = {"object_id": f"{name}-{new_id()}", "timerange": f"[{second}:0_{second + 1}:0)"}
        client.register(flows[0]["id"], {**another, "get_urls": ELSEWHERE})
    hooks = [client.create_webhook(url=f"https://{name}.example/{number}") for number in range(2)]
    for flow in flows[1:]:
        body = {"flow_id": flow["id"], "timerange_to_delete": "[5:0_6:0)"}
        assert client.post("/deletion-requests", json=body).status_code in (200, 201, 202)
    paths = [
        "/flows?",
        "/flows?sort_by=label&",
        "/sources?",
        "/service/webhooks?",
        "/service/profiles?",
        *(["/flow-delete-requests?"] if name == ROOT else []),
        f"/flows/{flows[0]['id']}/segments?",
        f"/flows/{flows[0]['id']}/segments?reverse_order=true&",
        f"/objects/{object_id}?",
    ]
    ids = {one["id"] for one in (*flows, *hooks)} | {one["source_id"] for one in flows} | {object_id}
    return Tenant(client, [f"{one}limit=1" for one in paths], ids)


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tenant]]:
    """Two tenants of one store, and who is shown everything there is."""
    folder: Path = tmp_path_factory.mktemp("tenants")
    chosen = settings_with(folder, *(entry(name, groups=[name]) for name in (NEWS, SPORT)), entry(ROOT, "admin"))
    store = Store(ENGINES["duckdb"](), {one.backend.id: one for one in media.connect(chosen)})
    house = House(store, chosen)
    for _ in range(2):
        house.client(ROOT).create_profile(profile())
    yield {name: moved_in(house, name) for name in (NEWS, SPORT, ROOT)}
    store.close()


def key_of(tenant: Tenant, path: str) -> str:
    """The token of the second page."""
    answer = tenant.client.get(path)
    assert "X-Paging-NextKey" in answer.headers, f"{path}: {answer.text}"
    return answer.headers["X-Paging-NextKey"]


def page(tenant: Tenant, path: str, token: str) -> TestResponse:
    address, _, query = path.partition("?")
    parameters = dict(one.split("=") for one in query.split("&"))
    return tenant.client.get(address, query_string={**parameters, "page": token})


PATHS = range(9)


def test_each_of_the_lists_has_a_second_page(tenants: dict[str, Tenant]) -> None:
    root = tenants[ROOT]
    assert len(root.paths) == len(PATHS)
    for path in root.paths:
        assert page(root, path, key_of(root, path)).status_code == 200


def test_a_token_is_of_one_list_in_one_order(tenants: dict[str, Tenant]) -> None:
    root = tenants[ROOT]
    for made_by in root.paths:
        for given_to in root.paths:
            expected = 200 if made_by == given_to else 400
            assert page(root, given_to, key_of(root, made_by)).status_code == expected, (made_by, given_to)


def test_a_token_of_another_caller_shows_nothing_of_theirs(tenants: dict[str, Tenant]) -> None:
    """It says a place in a list, and nothing of who may see what is there."""
    news, sport = tenants[NEWS], tenants[SPORT]
    for path in news.paths:
        answer = page(sport, path, key_of(news, path))
        assert answer.status_code in (200, 404), answer.text
        if answer.status_code == 200:
            assert not any(one in answer.text and one not in path for one in news.ids), path


# --- fuzzing ---------------------------------------------------------------------------------------------------------

EXAMPLES = [200, pytest.param(20_000, marks=pytest.mark.soak)]


def flipped(token: str, at: int, bit: int) -> str:
    content = bytearray(token.encode())
    content[at % len(content)] ^= 1 << bit
    return content.decode("latin-1")


def spliced(one: str, other: str) -> str:
    """The place of one token with the signature of another."""
    return one.rsplit(".", 1)[0] + "." + other.rsplit(".", 1)[1]


ANY = st.one_of(
    st.text(),
    st.binary().map(lambda content: content.decode("latin-1")),
    st.text(alphabet="0123456789abcdefABCDEF-_.=", max_size=80),
    st.binary(max_size=60).map(lambda content: base64.urlsafe_b64encode(content).decode().rstrip("=") + ".AAAA"),
)
FORGE: st.SearchStrategy[Callable[[str, str], str]] = st.one_of(
    ANY.map(lambda text: lambda _one, _other: text),
    st.tuples(st.integers(0, 500), st.integers(0, 6)).map(lambda how: lambda one, _: flipped(one, *how)),
    st.integers(0, 200).map(lambda size: lambda one, _: one[: min(size, len(one) - 1)]),
    st.integers(1, 200).map(lambda size: lambda one, _: one[min(size, len(one) - 1) :]),
    st.just(spliced),
    st.tuples(ANY, st.integers(0, 200)).map(lambda how: lambda one, _: one[: how[1]] + how[0] + one[how[1] :]),
)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_what_is_no_token_is_refused(tenants: dict[str, Tenant], examples: int) -> None:
    """Base64 has several spellings of a signature: what is the same token is answered the same."""
    root = tenants[ROOT]
    keys = [key_of(root, path) for path in root.paths]
    right = [without_date(page(root, path, key)) for path, key in zip(root.paths, keys, strict=True)]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(PATHS), st.sampled_from(PATHS), FORGE)
    def forge(number: int, other: int, forged: Callable[[str, str], str]) -> None:
        token = forged(keys[number], keys[other])
        answer = page(root, root.paths[number], token)
        if answer.status_code == 200:
            assert token.rsplit(".", 1)[0] == keys[number].rsplit(".", 1)[0]
            assert without_date(answer) == right[number]
        else:
            assert answer.status_code == 400, answer.text
            assert as_object(answer)["field"] == "page"

    forge()


def without_date(answer: TestResponse) -> object:
    return answer.json if answer.request.path.startswith("/objects") else as_list(answer)
