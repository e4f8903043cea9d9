"""`tams access` makes entries that admit, and `tams serve` starts where it is said who may use it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from api.access.accounts import Accounts
from api.cli import main
from tams_data.access import Caller, Scope
from tams_data.client import TamsClient
from tams_data.client.analytics import RemoteAnalytics
from tams_data.errors import RequestFailed
from tests.api.access.people import Guarded, entry
from tests.api.builders import video_flow
from tests.api.process import Service


def test_a_token_is_made_with_its_entry_and_is_not_in_it(tmp_path: Path) -> None:
    made = CliRunner().invoke(main, ["access", "token", "playout", "--scope", "read", "--group", "news"])
    assert made.exit_code == 0, made.output
    token = made.stderr.rpartition(": ")[2].strip()
    assert len(token) >= 43
    assert token not in made.stdout
    file = tmp_path / "access.json"
    file.write_text(json.dumps({"tokens": [json.loads(made.stdout)]}))
    assert Accounts(file).token(token) == Caller("playout", frozenset({Scope.READ}), frozenset({"news"}))


def test_a_user_is_made_with_a_password_that_is_asked_for_twice(tmp_path: Path) -> None:
    arguments = ["access", "user", "ada", "--scope", "read", "--scope", "write"]
    made = CliRunner().invoke(main, arguments, input="hunter2\nhunter2\n")
    assert made.exit_code == 0, made.output
    assert "hunter2" not in made.output
    file = tmp_path / "access.json"
    file.write_text(json.dumps({"users": [json.loads(made.stdout.splitlines()[-1])]}))
    assert Accounts(file).user("ada", "hunter2") == Caller("ada", frozenset({Scope.READ, Scope.WRITE}))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["user", "a:b", "--password", "x"], id="colon-in-a-name"),
        pytest.param(["token", "a", "--group", "news_ro"], id="group-like-a-class"),
        pytest.param(["token", "a", "--scope", "all"], id="no-such-scope"),
    ],
)
def test_an_entry_that_would_not_be_taken_is_not_made(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["access", *arguments]).exit_code == 2


def test_the_service_does_not_start_open_on_an_address_that_others_reach(tmp_path: Path) -> None:
    service = Service(tmp_path, TAMS_HOST="0.0.0.0")
    service.launch()
    try:
        assert service.wait(within_s=30) == 1
    finally:
        service.kill()
    (said,) = service.logged().splitlines()
    assert said.startswith("tams: TAMS_HOST=0.0.0.0 can be reached by others, and nothing says who may use the service")


def test_clients_get_in_with_a_token_in_every_way(tmp_path: Path) -> None:
    with Guarded(tmp_path, entry("t0ken"), TAMS_HOST="0.0.0.0") as service:
        with TamsClient(service.url) as client, pytest.raises(RequestFailed) as refused:
            client.service()
        assert refused.value.status == 401
        with TamsClient(service.url, "t0ken") as client:
            flow = video_flow(label="x")
            client.put_flow(flow)
        with TamsClient(f"{service.url}?access_token=t0ken") as client:
            assert [one["label"] for one in client.flows()] == ["x"]
        analytics = RemoteAnalytics(service.url, "t0ken")
        assert analytics.run("flows").num_rows == 1
        analytics.close()
        listed = CliRunner().invoke(
            main, ["flows", "list"], env={"TAMS_PORT": str(service.port), "TAMS_TOKEN": "t0ken"}
        )
        assert flow["id"] in listed.output
        with TamsClient(service.url, "t0ken") as client:
            lent = client.lent_token()
        assert httpx.get(f"{service.url}/flows", params={"access_token": str(lent)}).status_code == 200
        url = f"{service.url}/flows?limit=x&access_token=t0ken"
        assert httpx.get(url).status_code == 400
        assert "t0ken" not in service.logged()
