"""A token that is lent reads what its lender sees, for an hour, and does nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from itsdangerous import TimestampSigner

from api.access.lending import Lending
from tams_data import media
from tams_data.access import Caller, Scope
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import Unauthenticated
from tams_data.store.store import Store
from tests.api.access.people import House, entry, settings_with
from tests.api.builders import video_flow
from tests.api.client import as_list, as_object

SECRET = bytes(32)
ADA = Caller("ada", frozenset({Scope.READ, Scope.WRITE}), frozenset({"news"}))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = settings_with(tmp_path_factory.mktemp("lending"), entry("news", groups=["news"]), entry("all"))
    store = Store(DuckDB(None), {one.backend.id: one for one in media.connect(settings)})
    yield House(store, settings)
    store.close()


def lent(house: House, token: str) -> str:
    answer = house.client(token).get("/access-token")
    assert answer.status_code == 200, answer.text
    assert (as_object(answer)["expires_in"], answer.headers["Cache-Control"]) == (3600, "no-store")
    return str(as_object(answer)["access_token"])


def test_a_lent_token_reads_what_its_lender_sees(house: House) -> None:
    mine = house.client("news").create_flow(video_flow())
    other = house.client("all").create_flow(video_flow())
    for token, expected in (("news", {mine["id"]}), ("all", {mine["id"], other["id"]})):
        borrowed = lent(house, token)
        assert {one["id"] for one in as_list(house.client(borrowed).get("/flows"))} == expected
        assert {one["id"] for one in as_list(house.client().get(f"/flows?access_token={borrowed}"))} == expected


def test_a_lent_token_changes_nothing_and_is_not_lent_on(house: House) -> None:
    borrower = house.client(lent(house, "all"))
    flow = video_flow()
    assert borrower.put(f"/flows/{flow['id']}", json=flow).status_code == 403
    assert borrower.get("/access-token").status_code == 403


def test_a_lent_token_is_good_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    lending = Lending(SECRET)
    token, now = lending.token(ADA), TimestampSigner(SECRET).get_timestamp()
    expected = Caller("ada", frozenset({Scope.READ}), frozenset({"news"}), is_lent=True)
    for later, is_good in ((0, True), (3590, True), (3610, False)):
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _, later=later: now + later)
        if is_good:
            assert lending.caller(token) == expected
        else:
            with pytest.raises(Unauthenticated):
                lending.caller(token)


@pytest.mark.parametrize("spoil", [lambda t: t[:-2], lambda t: t + "x", lambda _: "lent-", lambda _: "lent-a.b.c"])
def test_a_token_that_was_not_lent_is_refused(spoil: Callable[[str], str]) -> None:
    with pytest.raises(Unauthenticated):
        Lending(SECRET).caller(spoil(Lending(SECRET).token(ADA)))
    with pytest.raises(Unauthenticated):
        Lending(bytes(31) + b"x").caller(Lending(SECRET).token(ADA))


def test_an_admin_lends_no_more_than_reading() -> None:
    admin = Caller("root", frozenset({Scope.ADMIN}), frozenset({"news"}))
    found = Lending(SECRET).caller(Lending(SECRET).token(admin))
    assert (found.scopes, found.is_restricted) == ({Scope.READ}, False)
