"""Every operation takes the scopes that application note 0016 tables for it, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.access.scopes import needed
from tams_data import media
from tams_data.access import Scope
from tams_data.engines.duckdb import DuckDB
from tams_data.store.store import Store
from tests.api.access.people import House, entry, settings_with
from tests.api.builders import Json, new_id
from tests.api.client import as_object

EVERYBODY, NOBODY = {"admin", "read", "write", "delete"}, {"admin"}
READERS, WRITERS, DELETERS = ({"admin", scope} for scope in ("read", "write", "delete"))

TABLE = {
    "/": {"GET": EVERYBODY},
    "/service": {"GET": EVERYBODY, "POST": NOBODY},
    "/service/storage-backends": {"GET": EVERYBODY},
    "/service/webhooks": {"GET": READERS, "POST": WRITERS},
    "/service/webhooks/{webhook_id}": {"GET": READERS, "PUT": READERS, "DELETE": READERS},
    "/sources": {"GET": READERS},
    "/sources/{source_id}": {"GET": READERS},
    "/sources/{source_id}/tags": {"GET": READERS},
    **{
        f"/sources/{{source_id}}/{name}": {"GET": READERS, "PUT": WRITERS, "DELETE": WRITERS}
        for name in ("tags/{name}", "description", "label")
    },
    "/flows": {"GET": READERS},
    "/flows/{flow_id}": {"GET": READERS, "PUT": WRITERS, "DELETE": DELETERS},
    "/flows/{flow_id}/tags": {"GET": READERS},
    **{
        f"/flows/{{flow_id}}/{name}": {"GET": READERS, "PUT": WRITERS, "DELETE": WRITERS}
        for name in ("tags/{name}", "description", "label", "flow_collection", "max_bit_rate", "avg_bit_rate")
    },
    "/flows/{flow_id}/read_only": {"GET": READERS, "PUT": WRITERS},
    "/flows/{flow_id}/segments": {"GET": READERS, "POST": WRITERS, "DELETE": DELETERS},
    "/flows/{flow_id}/storage": {"POST": WRITERS},
    "/objects/{object_id}": {"GET": READERS},
    "/objects/{object_id}/instances": {"POST": WRITERS, "DELETE": WRITERS},
    "/flow-delete-requests": {"GET": NOBODY},
    "/flow-delete-requests/{request_id}": {"GET": DELETERS},
}
"""The table of application note 0016, "Coarse Grained Authorisation"."""

OURS = {
    "/service/profiles": {"GET": READERS},
    "/service/profiles/{profile_id}": {"GET": READERS, "POST": WRITERS},
    "/webhooks": {"GET": READERS, "POST": WRITERS},
    "/sources": {"POST": WRITERS},
    "/flows": {"POST": WRITERS},
    "/objects": {"POST": WRITERS},
    "/deletion-requests": {"GET": NOBODY, "POST": DELETERS},
    "/deletion-requests/{request_id}": {"GET": DELETERS},
    "/flows/{flow_id}/hls.m3u8": {"GET": READERS},
    "/flows/{flow_id}/stretch.mp4": {"GET": READERS},
    "/events": {"GET": READERS},
    "/access-token": {"GET": READERS},
    "/tables": {"GET": READERS},
    "/metrics": {"GET": READERS},
    "/jobs": {"GET": NOBODY},
    "/tables/{name}": {"GET": READERS},
}
"""What the note does not speak of: profiles, which are newer, and what is beside TAMS."""

HEALTH = ("/health", "/health/live")
PUBLIC = [*HEALTH, "/openapi.json", "/docs", "/redoc", "/swagger"]


def expected(path: str, method: str) -> set[str]:
    """The scopes of which an operation takes any."""
    if path.startswith("/analytics/"):
        return READERS
    return TABLE.get(path, {}).get(method) or OURS[path][method]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with somebody for each scope, whose token is its name, and nothing in it."""
    folder: Path = tmp_path_factory.mktemp("scopes")
    settings = settings_with(folder, *(entry(scope.word, scope.word) for scope in Scope))
    store = Store(DuckDB(None), {one.backend.id: one for one in media.connect(settings)})
    yield House(store, settings)
    store.close()


@pytest.fixture(scope="module")
def operations(house: House) -> list[tuple[str, str, Json]]:
    """Path, method and description of each operation of the document."""
    document = as_object(house.client().get("/openapi.json"))
    return [
        (path, method.upper(), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_every_operation_admits_its_scopes_and_no_other(
    house: House,
    operations: list[tuple[str, str, Json]],
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is admitted gets whatever there is to say to a request about nothing; 403 who is not."""
    monkeypatch.setattr("api.events.LONGEST_S", 0)  # who listens is sent away at once
    clients = {scope.word: house.client(scope.word) for scope in Scope}
    asked = [(path, method) for path, method, _ in operations if path not in HEALTH]
    assert len(asked) > 100
    for path, method in asked:
        admitted = expected(path, "GET" if method == "HEAD" else method)
        url = re.sub(r"{[^}]*}", lambda _: new_id(), path)
        url += "?after=-1" if path == "/events" else ""  # which would not end
        for scope, client in clients.items():
            with subtests.test(path=path, method=method, scope=scope):
                answer = client.open(url, method=method)
                assert (answer.status_code != 403) == (scope in admitted), answer.text
                assert answer.status_code != 401


def test_every_operation_is_refused_to_a_stranger(house: House, operations: list[tuple[str, str, Json]]) -> None:
    stranger = house.client()
    for path, method, _ in operations:
        if path not in HEALTH:
            answer = stranger.open(re.sub(r"{[^}]*}", lambda _: new_id(), path), method=method)
            assert answer.status_code == 401, (method, path)
            assert answer.headers.getlist("WWW-Authenticate") == [
                'Bearer realm="TAMS"',
                'Basic realm="TAMS", charset="UTF-8"',
            ]


def test_document_says_the_scopes_of_every_operation(operations: list[tuple[str, str, Json]]) -> None:
    for path, method, operation in operations:
        if path in HEALTH:
            assert operation["security"] == []
            continue
        admitted = expected(path, "GET" if method == "HEAD" else method)
        schemes = ("bearer_token_auth", "basic_auth", "url_token_auth")
        said = {(scheme, scope) for one in operation["security"] for scheme, (scope,) in one.items()}
        assert said == {(scheme, f"tams-api/{scope}") for scheme in schemes for scope in admitted}, (method, path)
        assert {"401", "403", "429"} <= operation["responses"].keys()


def test_paths_of_the_application_are_those_of_the_document_and_some_that_ask_for_nothing(
    house: House, operations: list[tuple[str, str, Json]]
) -> None:
    """So that nothing is served that the matrix does not try."""
    described = {re.sub(r"{[^}]*}", "{}", path) for path, _, _ in operations}
    rules = {re.sub(r"<[^>]*>", "{}", rule.rule): rule.rule for rule in house.app.url_map.iter_rules()}
    beside = {rule for path, rule in rules.items() if path not in described}
    assert {rule for rule in beside if needed("GET", rule) is not None} == set()


@pytest.mark.parametrize("path", PUBLIC)
def test_what_says_nothing_of_media_is_for_everybody(house: House, path: str) -> None:
    assert house.client().get(path).status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/flows/x/y/z", 404)])
def test_what_is_not_there_is_not_there_for_strangers_either(house: House, path: str, status: int) -> None:
    assert house.client().get(path).status_code == status


def test_a_browser_may_ask_whether_it_may(house: House) -> None:
    assert house.client().options("/flows").status_code == 200


@pytest.mark.parametrize("rule", ["/metrics", "/some/path/to/come"])
def test_a_path_that_nobody_thought_of_asks_for_credentials(rule: str) -> None:
    assert needed("GET", rule) == {Scope.READ}
    assert needed("PATCH", rule) == {Scope.ADMIN}
