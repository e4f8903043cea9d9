"""`TAMS_ANALYTICS_URL`: the analyses run on another engine than the store, and say so when it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import InvalidSetting
from tams_data.queries.analytics import ANALYSES
from tams_data.store.store import Store
from tests.api.client import CheckedClient, as_object, client_of
from tests.conftest import settings_in
from tests.tams_data.queries.analytics import paper


@pytest.fixture
def client_with(tmp_path: Path) -> Callable[[str], CheckedClient]:
    """Clients of the API over an empty store, whose analyses run on the engine of a URL."""
    database = DuckDB(None)
    database.create_tables()
    store = Store(database, {})
    yield lambda url: client_of(store, settings_in(tmp_path).model_copy(update={"analytics_url": SecretStr(url)}))
    store.close()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store on paper, in a file of its own."""
    path = tmp_path_factory.mktemp("warehouse") / "tams.duckdb"
    database = DuckDB(path)
    paper.fill(database)
    database.close()
    return path


@pytest.mark.parametrize("name", ANALYSES)
def test_each_analysis_runs_on_the_engine_that_is_set(client_with, warehouse, name):
    client = client_with(f"duckdb://{warehouse}?read_only=True")
    rows = as_object(client.get(f"/analytics/{name}"))["rows"]
    assert (rows == []) == (name == "object-access")  # on paper nothing was asked for


def test_it_has_other_rows_than_the_store(client_with, warehouse):
    client = client_with(f"duckdb://{warehouse}?read_only=True")
    flows = as_object(client.get("/analytics/flows?tag.site=leeds,paris&limit=5"))["rows"]
    assert [row["flow_id"] for row in flows] == ["camera-b"]
    assert as_object(client.get("/analytics/catalog-summary"))["table_stats"]["flows"] == {
        "rows": 12,
        "bytes": None,
        "columns": len(schema.FLOWS.names),
    }
    assert client.get("/flows").json == []


def test_an_engine_that_does_not_answer_is_a_problem_and_its_secrets_stay(client_with, tmp_path, caplog):
    client = client_with(f"duckdb://tams:hunter2@{tmp_path}/none.duckdb?read_only=True")
    with caplog.at_level(logging.DEBUG):
        answer = client.get("/analytics/flows")
    assert (answer.status_code, as_object(answer)["type"]) == (503, "urn:x-tams-data:problem:analytics-unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert "hunter2" not in answer.text + caplog.text
    assert client.get("/flows").status_code == 200


def test_an_engine_without_the_tables_is_a_problem(client_with):
    answer = client_with("sqlite://").get("/analytics/flows")
    assert (answer.status_code, "flows" in as_object(answer)["detail"]) == (503, True)


@pytest.mark.parametrize("url", ["nosuch://tams:hunter2@host", "tams.duckdb"])
def test_the_service_does_not_start_with_an_engine_that_nobody_knows(client_with, url):
    with pytest.raises(InvalidSetting, match=r"^TAMS_ANALYTICS_URL"):
        client_with(url)
