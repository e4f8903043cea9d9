"""`/tables`: every table as Arrow, the wanted columns of the wanted rows, and no secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pytest
from werkzeug.test import TestResponse

from api.tables import BATCH_ROWS, CONTENT_TYPE
from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.store.store import Store
from tests.api.builders import video_flow
from tests.api.client import CheckedClient, as_list, as_object
from tests.api.process import wait_until
from tests.api.tables_server import served

ROWS = 4_000_000
SECRETS = {("webhooks", "api_key_value")}


def arrow(response: TestResponse) -> pa.Table:
    """The rows of an answer."""
    assert response.status_code == 200, response.text
    assert response.content_type == CONTENT_TYPE
    return pa.ipc.open_stream(response.data).read_all()


def get(client: CheckedClient, table: str, *conditions: object, **query: str) -> pa.Table:
    """The rows of a table for which all conditions hold."""
    given = {"filter": json.dumps(conditions)} if conditions else {}
    return arrow(client.get(f"/tables/{table}", query_string={**given, **query}))


@pytest.fixture(scope="module")
def labelled(shared_client: CheckedClient) -> CheckedClient:
    """A client of a service that has three flows, labelled `a`, `it's "b"` and not at all, and one webhook."""
    for label in ({"label": "a"}, {"label": 'it\'s "b"'}, {}):
        shared_client.create_flow(video_flow(**label))
    shared_client.create_webhook(api_key_name="Key", api_key_value="the secret")
    return shared_client


# --- which tables, and what is in them -------------------------------------------------------------------------------


def test_every_table_is_listed_with_its_columns(shared_client: CheckedClient) -> None:
    listed = {table["name"]: table for table in as_list(shared_client.get("/tables"))}
    assert set(listed) == set(schema.TABLES)
    assert listed["segments"]["description"] == schema.SEGMENTS.description
    (end,) = (column for column in listed["segments"]["columns"] if column["name"] == "end_ns")
    assert end == {
        "name": "end_ns",
        "type": "int64",
        "description": "End on the flow's timeline, exclusive",
        "nullable": False,
    }


@pytest.mark.parametrize("name", schema.TABLES)
def test_a_table_is_what_the_schema_says_of_it(labelled: CheckedClient, name: str) -> None:
    found = get(labelled, name)
    expected = schema.TABLES[name].readable
    assert found.schema.equals(expected, check_metadata=True)
    found.validate(full=True)


def test_secrets_are_in_no_table(labelled: CheckedClient) -> None:
    hidden = {
        (table.name, column)
        for table in schema.TABLES.values()
        for column in set(table.names) - set(get(labelled, table.name).column_names)
    }
    assert hidden == SECRETS
    listed = {(table["name"], one["name"]) for table in as_list(labelled.get("/tables")) for one in table["columns"]}
    assert listed.isdisjoint(SECRETS)
    assert b"the secret" not in labelled.get("/tables/webhooks").data
    for query in ({"columns": "api_key_value"}, {"filter": '[["api_key_value", ">", ""]]'}):
        refused = labelled.get("/tables/webhooks", query_string=query)
        assert refused.status_code == 400
        assert as_object(refused)["value"] == "api_key_value"


def test_columns_that_sound_secret_are_marked() -> None:
    sounding = {
        (table.name, column.name)
        for table in schema.ALL.values()
        for column in table.columns
        if any(word in column.name for word in ("secret", "password", "token", "key_value", "credential"))
    }
    assert sounding == SECRETS


def test_tables_of_the_engine_alone_are_not_there(client: CheckedClient) -> None:
    response = client.get(f"/tables/{schema.WRITE_LOCKS.name}")
    assert response.status_code == 404
    assert as_object(response)["detail"] == "there is no table 'write_locks'"


# --- which columns of which rows -------------------------------------------------------------------------------------


def test_columns_are_those_that_are_wanted_in_their_order(labelled: CheckedClient) -> None:
    found = get(labelled, "flows", columns="label,format")
    assert found.column_names == ["label", "format"]
    assert sorted(map(str, found["label"].to_pylist())) == ["None", "a", 'it\'s "b"']


@pytest.mark.parametrize(
    ("conditions", "labels"),
    [
        pytest.param([["label", "=", 'it\'s "b"']], ['it\'s "b"'], id="text"),
        pytest.param([["label", "in", ["a", "c", None]]], ["a"], id="in"),
        pytest.param([["label", "in", []]], [], id="in nothing"),
        pytest.param([["label", "is", "null"]], [None], id="null"),
        pytest.param([["label", "is", "not null"], ["label", "!=", "a"]], ['it\'s "b"'], id="all of several"),
        pytest.param([{"any": [["label", "is", "null"], ["label", "<", "b"]]}], [None, "a"], id="any of several"),
        pytest.param(
            [{"any": [{"all": [["label", "=", "a"], False]}, ["label", ">", "b"]]}], ['it\'s "b"'], id="nested"
        ),
        pytest.param([["created_ns", ">=", -(2**63)], ["label", "=", "a"]], ["a"], id="least integer"),
        pytest.param([["created_ns", ">", 2**63 - 1]], [], id="greatest integer"),
        pytest.param([["tag_terms", "is", "not null"], ["label", "=", "a"]], ["a"], id="a list that is there"),
        pytest.param([True, ["label", "=", "a"]], ["a"], id="true"),
        pytest.param([False], [], id="false"),
    ],
)
def test_rows_are_those_that_the_filter_keeps(
    labelled: CheckedClient, conditions: list[Any], labels: list[Any]
) -> None:
    found = get(labelled, "flows", *conditions, columns="label")["label"].to_pylist()
    assert sorted(found, key=str) == sorted(labels, key=str)


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        pytest.param({"columns": "id,absent"}, "columns", "absent", id="column that is not there"),
        pytest.param({"columns": "id,label,id"}, "columns", "id,label,id", id="column twice"),
        pytest.param({"columns": ""}, "columns", "", id="no column"),
        pytest.param({"column": "id"}, "column", "id", id="parameter that is none"),
        pytest.param({"filter": "label=a"}, "filter", "label=a", id="filter that is no JSON"),
        pytest.param({"filter": '[["label", "=", "a"], ["absent", "=", 1]]'}, "filter.1.0", "absent", id="filtered by"),
        pytest.param({"filter": '[["label", "=", 1]]'}, "filter.0.2", 1, id="value of the wrong type"),
        pytest.param({"filter": '[["label", "~", "a"]]'}, "filter.0.1", "~", id="operator that is none"),
    ],
)
def test_the_part_of_a_query_that_is_wrong_is_named(
    labelled: CheckedClient, query: dict[str, str], field: str, value: object
) -> None:
    response = labelled.get("/tables/flows", query_string=query)
    assert response.status_code == 400
    problem = as_object(response)
    assert (problem["field"], problem["value"]) == (field, value)


def test_head_is_answered_without_rows(labelled: CheckedClient) -> None:
    response = labelled.head("/tables/flows")
    assert (response.status_code, response.content_type, response.data) == (200, CONTENT_TYPE, b"")
    assert labelled.head("/tables/flows?columns=absent").status_code == 400


# --- how a stream ends -----------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DuckDB]:
    """Views: `long` has four million rows, of which `breaking` fails after three, and `broken` at once."""
    found = DuckDB(tmp_path / "views.duckdb")
    with found.connected() as connection:
        for name, sound in {"long": ROWS, "breaking": ROWS * 3 // 4, "broken": 0}.items():
            failure = "CAST(error('the disk is gone at ' || n) AS BIGINT)"
            numbers = f"SELECT CASE WHEN n < {sound} THEN n ELSE {failure} END AS n FROM range({ROWS}) numbers(n)"
            connection.raw_sql(f"CREATE VIEW {name} AS {numbers}")
    yield found
    found.close()


@pytest.fixture
def url(database: DuckDB) -> Iterator[str]:
    """Where the views are served, on a socket."""
    number = pa.schema([pa.field("n", pa.int64(), nullable=False)])
    with served(database, dict.fromkeys(("long", "breaking", "broken"), number)) as found:
        yield f"{found}/tables"


def reads(database: DuckDB) -> bool:
    """Whether a read transaction is open: a checkpoint is refused while one is."""
    with database.connected() as connection:
        connection.raw_sql("CREATE OR REPLACE TABLE changed AS SELECT 1")
    with database.connected() as connection:
        try:
            connection.raw_sql("CHECKPOINT")
        except duckdb.TransactionException:
            return True
    return False


def test_rows_come_in_batches(url: str) -> None:
    with pa.ipc.open_stream(httpx.get(f"{url}/long").content) as reader:
        sizes = [batch.num_rows for batch in reader]
    assert sum(sizes) == ROWS
    assert max(sizes) <= BATCH_ROWS


def test_rows_are_sent_before_the_last_are_made(url: str) -> None:
    """The last are never made, and the first arrive."""
    with httpx.stream("GET", f"{url}/breaking") as response:
        assert response.status_code == 200
        assert len(next(response.iter_raw(BATCH_ROWS * 8))) == BATCH_ROWS * 8


def test_a_stream_that_cannot_go_on_ends_as_an_error_for_every_reader(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with httpx.stream("GET", f"{url}/breaking") as response:
        sent = b"".join(until_it_breaks(response))
    reader = pa.ipc.open_stream(sent)
    batches: list[pa.RecordBatch] = []
    with pytest.raises(pa.ArrowInvalid):
        batches.extend(reader)
    assert BATCH_ROWS <= sum(batch.num_rows for batch in batches) < ROWS


def until_it_breaks(response: httpx.Response) -> Iterator[bytes]:
    """The body, whether or not the server ends it as if it were whole."""
    with suppress(httpx.RemoteProtocolError):
        yield from response.iter_raw()


def test_what_fails_before_the_first_row_is_a_problem(url: str) -> None:
    response = httpx.get(f"{url}/broken")
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_store_that_is_closed_is_not_available(client: CheckedClient, store: Store) -> None:
    store.database.close()
    assert client.get("/tables/flows").status_code == 503


def read_to_the_end(response: httpx.Response) -> None:
    """All of it."""
    assert sum(map(len, response.iter_raw())) > ROWS * 8


def hang_up(response: httpx.Response) -> None:
    """After the first bytes."""
    next(response.iter_raw(1000))


@pytest.mark.parametrize("end", [read_to_the_end, hang_up], ids=lambda end: end.__name__)
def test_a_read_transaction_ends_with_its_client(
    end: Callable[[httpx.Response], None], url: str, database: DuckDB
) -> None:
    assert not reads(database)
    with httpx.stream("GET", f"{url}/long") as response:
        assert reads(database), "it is open while there are rows to come"
        end(response)
    wait_until(lambda: not reads(database), within_s=20, failing=lambda: "the transaction is still open")


def test_a_read_transaction_ends_with_a_failure(url: str, database: DuckDB) -> None:
    for table in ("breaking", "broken"):
        with httpx.stream("GET", f"{url}/{table}") as response:
            assert b"".join(until_it_breaks(response))
    wait_until(lambda: not reads(database), within_s=20, failing=lambda: "a transaction is still open")


def test_no_transaction_is_begun_for_a_head_or_a_schema(url: str, database: DuckDB) -> None:
    assert httpx.head(f"{url}/long").status_code == 200
    assert pa.ipc.open_stream(httpx.get(f"{url}/broken?filter=[false]").content).read_all().num_rows == 0
    assert not reads(database)
