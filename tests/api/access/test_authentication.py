"""Who sends a request is told by its credentials, in each of the ways that are on, and never by what is not good."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from api.access import hashing
from api.access.accounts import Accounts
from api.access.authentication import Authentication
from tams_data import media
from tams_data.access import ANYONE, Caller, Scope
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import InvalidSetting, TooManyRequests, Unauthenticated
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.access.people import House, entry, settings_with
from tests.api.builders import video_flow
from tests.api.client import as_object, next_url

PASSWORD = "correct horse: battery"
KEPT = hashing.hash_of_password(PASSWORD)
ADA: dict[str, Any] = {"name": "ada", "hash": KEPT, "scopes": ["read", "tams-api/write"], "groups": ["sport"]}
IS_ADA = Caller("ada", frozenset({Scope.READ, Scope.WRITE}), frozenset({"sport"}))
IS_PLAYOUT = Caller("playout", frozenset({Scope.READ}))

BEARER = "Bearer playout"
SECRET = bytes(32)


def basic(name: str, password: str) -> str:
    """The header of HTTP basic authentication (RFC 7617)."""
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that admits a token and a user."""
    path = tmp_path / "access.json"
    path.write_text(json.dumps({"tokens": [entry("playout", "read")], "users": [ADA]}))
    return path


def of(file: Path, access: str | None = None) -> Authentication:
    return Authentication.of(Settings(access_file=file, access=access, _env_file=None), SECRET)


def test_open_access_admits_anyone_as_who_may_do_anything() -> None:
    open_to_all = Authentication.of(Settings(_env_file=None), SECRET)
    assert open_to_all.caller(None, []) is open_to_all.caller("Bearer whatever", ["x", "y"]) is ANYONE
    assert ANYONE.has(Scope.ADMIN)
    assert (ANYONE.name, ANYONE.is_restricted) == (None, False)


@pytest.mark.parametrize(
    ("authorization", "url_tokens", "expected"),
    [
        pytest.param(BEARER, [], IS_PLAYOUT, id="bearer"),
        pytest.param("bearer  playout ", [], IS_PLAYOUT, id="bearer-in-another-case"),
        pytest.param(None, ["playout"], IS_PLAYOUT, id="url"),
        pytest.param(basic("ada", PASSWORD), [], IS_ADA, id="basic"),
        pytest.param(basic("ada", PASSWORD), ["nonsense"], IS_ADA, id="the-header-comes-first"),
    ],
)
def test_good_credentials_say_who_it_is(
    file: Path, authorization: str | None, url_tokens: list[str], expected: Caller
) -> None:
    assert of(file).caller(authorization, url_tokens) == expected


@pytest.mark.parametrize(
    ("authorization", "url_tokens"),
    [
        pytest.param(None, [], id="none"),
        pytest.param("", [], id="empty"),
        pytest.param("Bearer", [], id="no-token"),
        pytest.param("Bearer Playout", [], id="another-token"),
        pytest.param("Bearer é", [], id="a-token-that-is-not-ascii"),
        pytest.param("Bearer a.b.c", [], id="a-jwt-where-none-are-admitted"),
        pytest.param(f"Bearer {entry('playout')['hash']}", [], id="the-hash-itself"),
        pytest.param("Digest playout", [], id="another-scheme"),
        pytest.param(basic("ada", "wrong"), [], id="another-password"),
        pytest.param(basic("ada", KEPT), [], id="the-hash-of-the-password"),
        pytest.param(basic("ada", ""), [], id="no-password"),
        pytest.param(basic("nobody", PASSWORD), [], id="nobody"),
        pytest.param("Basic ada", [], id="not-base64"),
        pytest.param(f"Basic {b64encode(b'ada').decode()}", [], id="no-colon"),
        pytest.param(f"Basic {b64encode(bytes([255, 58])).decode()}", [], id="not-utf8"),
        pytest.param(None, ["another"], id="another-token-in-the-url"),
        pytest.param(None, ["playout", "playout"], id="two-tokens-in-the-url"),
        pytest.param("Bearer another", ["playout"], id="a-bad-header-beside-a-good-url"),
    ],
)
def test_other_credentials_are_refused_and_not_repeated(
    file: Path, authorization: str | None, url_tokens: list[str]
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        of(file).caller(authorization, url_tokens)
    for secret in (PASSWORD, KEPT, "playout", "another"):
        assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("access", "credentials", "admitted"),
    [
        ("bearer", (BEARER, []), True),
        ("bearer", (None, ["playout"]), False),
        ("bearer", (basic("ada", PASSWORD), []), False),
        ("url", (None, ["playout"]), True),
        ("url", (BEARER, []), False),
        ("basic", (basic("ada", PASSWORD), []), True),
        ("basic", (BEARER, []), False),
        ("basic,url", (None, ["playout"]), True),
    ],
)
def test_only_the_ways_that_are_on_admit(
    file: Path, access: str, credentials: tuple[str | None, list[str]], admitted: bool
) -> None:
    authentication = of(file, access)
    if admitted:
        assert authentication.caller(*credentials).name in ("playout", "ada")
    else:
        with pytest.raises(Unauthenticated):
            authentication.caller(*credentials)


def test_a_password_is_checked_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    check = hashing.is_password

    def counting(password: str, kept: str) -> bool:
        checked.append(kept)
        return check(password, kept)

    monkeypatch.setattr(hashing, "is_password", counting)
    authentication = of(file)
    for _ in range(20):
        assert authentication.caller(basic("ada", PASSWORD), []) == IS_ADA
    assert len(checked) == 1
    with pytest.raises(Unauthenticated):
        authentication.caller(basic("ada", "wrong"), [])
    assert len(checked) == 2


def test_who_guesses_passwords_keeps_no_more_than_a_part_of_the_threads(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "_IN_LINE", threading.BoundedSemaphore(2))
    authentication, told = of(file), []

    def guess() -> None:
        with pytest.raises((Unauthenticated, TooManyRequests)) as refused:
            authentication.caller(basic("ada", "guessed"), [])
        told.append(refused.type)

    with hashing._AT_ONCE, hashing._AT_ONCE:  # those under way take their time
        threads = [threading.Thread(target=guess) for _ in range(5)]
        for thread in threads:
            thread.start()
        while len(told) < 3:
            sleep(0.01)
        assert authentication.caller(BEARER, []) == IS_PLAYOUT
    for thread in threads:
        thread.join()
    assert sorted(told, key=str) == [TooManyRequests] * 3 + [Unauthenticated] * 2


def test_two_tokens_in_a_url_are_one_too_many(file: Path) -> None:
    with pytest.raises(Unauthenticated, match="more than one access_token"):
        of(file).caller(None, ["playout", "playout"])


def test_somebody_who_is_not_known_is_checked_like_somebody_who_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time of an answer does not tell who there is."""
    checked: list[str] = []
    monkeypatch.setattr(hashing, "is_password", lambda _, kept: checked.append(kept))
    assert Accounts(file).user("nobody", PASSWORD) is None
    assert checked[0].startswith("scrypt:")


def rewrite(file: Path, content: Any) -> None:
    """Change a file so that it is seen to be another at once."""
    new = file.with_suffix(".new")
    new.write_text(content if isinstance(content, str) else json.dumps(content))
    new.replace(file)


@pytest.fixture
def looked_at_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.access.accounts._LOOKED_AT_EVERY_NS", 0)


@pytest.mark.usefixtures("looked_at_always")
def test_who_is_taken_out_of_the_file_is_admitted_no_more(file: Path) -> None:
    authentication = of(file)
    assert authentication.caller(BEARER, []) == IS_PLAYOUT
    assert authentication.caller(basic("ada", PASSWORD), []) == IS_ADA
    rewrite(file, {"tokens": [entry("other", "read")], "users": [{**ADA, "scopes": ["read"]}]})
    with pytest.raises(Unauthenticated):
        authentication.caller(BEARER, [])
    assert authentication.caller("Bearer other", []).name == "other"
    assert authentication.caller(basic("ada", PASSWORD), []).scopes == {Scope.READ}
    rewrite(file, {})
    with pytest.raises(Unauthenticated):
        authentication.caller(basic("ada", PASSWORD), [])


@pytest.mark.usefixtures("looked_at_always")
def test_a_file_that_is_broken_while_the_service_runs_changes_nothing(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authentication = of(file)
    rewrite(file, '{"tokens": [')
    assert authentication.caller(BEARER, []) == IS_PLAYOUT
    assert "who is admitted stays as it was" in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("", "the file: Invalid JSON", id="empty"),
        pytest.param({"token": []}, "token: Extra inputs", id="misspelt"),
        pytest.param({"tokens": [{"name": "a", "hash": "s3cret", "scopes": ["read"]}]}, "tokens.0.hash", id="no-hash"),
        pytest.param({"tokens": [{**ADA, "groups": []}]}, "tokens.0.hash", id="password-of-a-token"),
        pytest.param({"users": [{**entry("s3cret")}]}, "users.0.hash", id="token-of-a-user"),
        pytest.param({"tokens": [{**entry("a"), "scopes": []}]}, "tokens.0.scopes", id="no-scope"),
        pytest.param({"tokens": [entry("a", "reed")]}, "tokens.0.scopes.0", id="no-such-scope"),
        pytest.param({"tokens": [entry("a", groups=["x_ro"])]}, "tokens.0.groups", id="reserved-group"),
        pytest.param({"tokens": [entry("a", groups=[""])]}, "tokens.0.groups", id="group-without-a-name"),
        pytest.param({"tokens": [entry("a"), entry("a")]}, "the same token is there twice", id="token-twice"),
        pytest.param({"users": [ADA, ADA]}, "the same name of a user is there twice", id="user-twice"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_with_its_fault_and_no_secret(
    tmp_path: Path, content: Any, said: str
) -> None:
    file = tmp_path / "access.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InvalidSetting, match=r"^TAMS_ACCESS_FILE=") as refused:
        Accounts(file)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="No such file"):
        Accounts(tmp_path / "none")


# --- modes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"host": "0.0.0.0"}, "TAMS_HOST=0.0.0.0 can be reached by others", id="open-to-others-unsaid"),
        pytest.param({"host": "tams.example"}, "TAMS_ACCESS=open, if anyone", id="a-name"),
        pytest.param({"access": "open", "access_file": "x"}, "admits anyone", id="open-and-a-file"),
        pytest.param({"access": "bearer"}, "needs TAMS_ACCESS_FILE or TAMS_JWT_ISSUER", id="nothing-to-check-by"),
        pytest.param({"jwt_issuer": "https://a"}, "needs TAMS_JWT_AUDIENCE", id="a-jwt-for-anybody"),
        pytest.param(
            {"jwt_issuer": "https://a", "jwt_audience": "b", "jwt_keys": "/none"}, "No such file", id="no-keys"
        ),
        pytest.param(
            {"jwt_issuer": "https://a", "jwt_audience": "b", "jwt_keys": "http://a/keys"},
            "by https",
            id="keys-in-clear",
        ),
    ],
)
def test_settings_that_would_admit_the_wrong_people_stop_the_start(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        Authentication.of(Settings(**given, _env_file=None), SECRET)
    assert said in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_access_is_open_on_this_machine_alone(host: str) -> None:
    assert Authentication.of(Settings(host=host, _env_file=None), SECRET).modes == frozenset()


def test_access_is_open_to_others_when_it_is_said_outright() -> None:
    assert Authentication.of(Settings(host="0.0.0.0", access="open", _env_file=None), SECRET).modes == frozenset()


# --- in requests -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = settings_with(tmp_path_factory.mktemp("house"), entry("t0ken"), public_url="https://tams.example")
    store = Store(DuckDB(None), {one.backend.id: one for one in media.connect(settings)})
    yield House(store, settings)
    store.close()


@pytest.mark.parametrize("query", ["access_token=t0ken", "limit=1&access_token=t0ken", "%61ccess_token=t0ken"])
def test_a_token_in_the_url_admits_and_is_seen_no_more(
    house: House, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By nothing that reads the URL of the request: what is logged of it, and what is told of it, lacks the token."""
    seen: list[str] = []

    def look() -> None:
        from flask import request  # noqa: PLC0415

        seen.extend((request.url, request.full_path, str(request.environ.get("QUERY_STRING")), repr(request)))

    before = house.app.before_request_funcs[None]
    before.append(look)
    try:
        with caplog.at_level(logging.DEBUG):
            answer = house.client().get(f"/flows?{query}")
    finally:
        before.remove(look)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private")
    assert len(seen) == 4
    assert "t0ken" not in f"{seen}{caplog.text}{answer.text}{answer.headers}"


def test_a_token_in_the_url_is_in_no_problem(house: House) -> None:
    for url in ("/flows?limit=x&access_token=t0ken", "/flows?access_token=t0ken&access_token=t0ken"):
        answer = house.client().get(url)
        assert answer.status_code in (400, 401)
        assert "t0ken" not in answer.text


def test_the_next_page_is_asked_for_with_the_same_token(house: House) -> None:
    """TAMS 8.2, url_token_auth: clients retain it."""
    owner = house.client("t0ken")
    for _ in range(2):
        owner.create_flow(video_flow())
    first = house.client().get("/flows?limit=1&access_token=t0ken")
    following = next_url(first.headers["Link"]).removeprefix("https://tams.example")
    assert house.client().get(following).status_code == 401
    assert house.client().get(f"{following}&access_token=t0ken").status_code == 200


def test_every_answer_tells_browsers_to_be_careful(house: House) -> None:
    for path in ("/flows", "/docs", "/nothing"):
        headers = house.client("t0ken").get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "default-src 'none'" in house.client("t0ken").get("/flows").headers["Content-Security-Policy"]


def test_no_secret_is_in_what_is_printed_of_settings(file: Path) -> None:
    settings = Settings(access_file=file, token="t0ken", _env_file=None)
    authentication = Authentication.of(settings, SECRET)
    shown = f"{settings}{settings!r}{settings.model_dump_json()}{authentication!r}{vars(authentication)}"
    for secret in ("t0ken", KEPT, entry("playout")["hash"]):
        assert secret not in shown


def test_an_unforeseen_failure_logs_no_credentials(house: House, caplog: pytest.LogCaptureFixture) -> None:
    client = house.client("t0ken")
    store = house.app.config["TAMS_STORE"]
    house.app.config["TAMS_STORE"] = None
    try:
        answer = client.get("/flows?access_token=t0ken")
    finally:
        house.app.config["TAMS_STORE"] = store
    assert answer.status_code == 500
    assert "t0ken" not in caplog.text
    assert as_object(answer)["detail"] == "the service failed to answer; its log says why"
