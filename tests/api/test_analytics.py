"""The analyses over HTTP: as JSON, Arrow and CSV, and from the client."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv
import pytest

from api.analytics import ARROW, CSV
from tams_data.client.analytics import RemoteAnalytics
from tams_data.queries.analytics import ANALYSES
from tams_data.store.store import Store
from tests.api.client import CheckedClient, client_of
from tests.conftest import ENGINES, settings_in
from tests.tams_data.queries.analytics import paper


@pytest.fixture(scope="module", params=ENGINES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedClient]:
    """A client of the store on paper."""
    database = ENGINES[request.param]()
    paper.fill(database)
    store = Store(database, {})
    yield client_of(store, settings_in(tmp_path_factory.mktemp("analytics")))
    store.close()


@pytest.mark.parametrize("name", ANALYSES)
def test_each_analysis_answers_with_documented_columns(client, name):
    answer = client.get(f"/analytics/{name}").json
    analysis = ANALYSES[name]
    assert answer["columns"] == dict(analysis.columns)
    assert all(row.keys() == analysis.columns.keys() for row in answer["rows"])


@pytest.mark.parametrize("name", ANALYSES)
def test_arrow_and_json_say_the_same(client, name):
    parameters = {"now_ns": paper.ON_AIR_UTC} if "now_ns" in ANALYSES[name].parameters else {}
    answer = client.get(f"/analytics/{name}", query_string=parameters, headers={"Accept": ARROW})
    assert answer.mimetype == ARROW
    rows = pa.ipc.open_stream(answer.data).read_all()
    assert rows.schema.equals(ANALYSES[name].schema, check_metadata=True)
    assert rows.to_pylist() == client.get(f"/analytics/{name}", query_string=parameters).json["rows"]


def test_csv_has_a_line_a_row(client):
    answer = client.get("/analytics/flows?format=urn:x-nmos:format:audio", headers={"Accept": CSV})
    rows = pyarrow.csv.read_csv(pa.BufferReader(answer.data))
    assert set(rows["flow_id"].to_pylist()) == {"camera-a-snd", "elsewhere"}
    assert rows["covered_ns"].to_pylist() == [3 * paper.SECOND, 30 * paper.SECOND]


def test_json_has_the_summary_beside_the_rows(client):
    answer = client.get("/analytics/flow-usage?source_id=A").json
    assert answer["total_flows"] == 2
    assert answer["estimated_storage_bytes"] == 6300
    assert answer["average_flow_size"] == 3150


def test_storage_usage_has_what_it_adds_up_to_beside_the_rows(client):
    answer = client.get("/analytics/storage-usage?source_id=A").json
    assert (answer["total_objects"], answer["total_size_bytes"], answer["average_size_bytes"]) == (5, 12_300, 2460)
    assert (answer["most_accessed"], answer["average_access_count"]) == ([], 0)
    assert [row["object_id"] for row in answer["least_accessed"]][:2] == ["object-1", "object-2"]


@pytest.mark.parametrize(
    ("query", "flows"),
    [
        ("tag.site=leeds,paris", ["camera-b"]),
        ("tag_exists.site=false&source_id=B", ["camera-b-hi"]),
        (f"timerange=[{paper.ON_AIR // paper.SECOND + 3600}:0_)", ["stills"]),
        (f"created=[_{paper.ON_AIR_UTC // paper.SECOND + 11}:0]&source_id=A", ["camera-a"]),
        ("timerange=()", []),
        ("timerange=_&flow_id=edit", ["edit"]),
        ("flow_id=edit,stills,none", ["edit", "stills"]),
        ("limit=1", ["edit"]),
    ],
)
def test_filters_stand_in_the_query(client, query, flows):
    assert [row["flow_id"] for row in client.get(f"/analytics/flows?{query}").json["rows"]] == flows


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("timerange=[5", "timerange"),
        ("created=yesterday", "created"),
        ("format=film", "format"),
        ("tag.site=a,,b", "tag.site"),
        ("flow_id=a,,b", "flow_id"),
        ("flow_id=" + "a," * 512 + "a", "flow_id"),
        ("tag_exists.site=maybe", "tag_exists.site"),
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("now_ns=-1", "now_ns"),
        ("flow=edit", "flow"),
    ],
)
def test_a_filter_that_is_none_is_refused(client, query, field):
    answer = client.get(f"/analytics/flows?{query}")
    assert (answer.status_code, answer.json["field"]) == (400, field)


def test_another_kind_of_rows_is_not_acceptable(client):
    assert client.get("/analytics/flows", headers={"Accept": "image/png"}).status_code == 406


def test_the_client_has_the_rows_of_the_service(service_url):
    with_client = RemoteAnalytics(service_url)
    rows = with_client.run("flow-usage", tags={"site": ["london"]}, tag_exists={"x": False})
    assert rows.schema.equals(ANALYSES["flow-usage"].schema, check_metadata=True)
    assert with_client.run("timeline", flow_id=["none", "neither"], resolution_ns=1).num_rows == 0
    with_client.close()
