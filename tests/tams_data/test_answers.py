"""Analyses as a person asks for them, on each engine and at a service, and how their rows are shown."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

import tams_data
from tams_data import schema
from tams_data.analytics import Analytics
from tams_data.answers import Analyses, Answer, text_of
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import AnalysisNotFound
from tams_data.queries.analytics import ANALYSES
from tams_data.timerange import NS_PER_SECOND, TimeRange
from tests.api.builders import video_flow
from tests.api.process import Service
from tests.tams_data.builders import flow_row, insert

CIVIL = 1_767_261_650 * NS_PER_SECOND


def field(name: str, description: str, kind: pa.DataType | None = None) -> pa.Field:
    return pa.field(name, kind or pa.int64(), metadata={"description": description})


@pytest.mark.parametrize(
    ("of", "value", "text"),
    [
        (field("start_ns", "Start of the run, ns TAI"), CIVIL, "2026-01-01 10:00:13 UTC"),
        (field("start_ns", "Start of the run, ns TAI"), 90 * NS_PER_SECOND, "90:0"),
        (field("created_ns", "When it was registered, ns UTC"), CIVIL, "2026-01-01 10:00:50 UTC"),
        (field("hour_ns", "Start of the hour, ns since 1970 UTC"), 0, "1970-01-01 00:00:00 UTC"),
        (field("covered_ns", "Sum of durations, ns"), 4 * NS_PER_SECOND, "4 s"),
        (field("size_bytes", "Bytes stored"), 1_234_567, "1.23 MB"),
        (field("max_bit_rate", "Declared, bit/s"), 2_100_000, "2.1 Mbit/s"),
        (field("objects", "How many objects"), 10_000, "10,000"),
        (field("frame_width", "Picture width in pixels"), 1920, "1920"),
        (field("format", "Content format, a URN", pa.string()), "urn:x-nmos:format:video", "video"),
        (field("label", "Its label", pa.string()), None, "–"),
        (field("covered_ns", "Sum of durations, ns"), None, "–"),
        (field("frame_width", "Picture width in pixels"), None, "–"),
        (field("bytes", "Bytes of the table"), None, "–"),
    ],
)
def test_a_value_is_told_in_the_unit_of_its_column(of: pa.Field, value: object, text: str) -> None:
    assert text_of(of)(value) == text


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_can_be_shown(name: str) -> None:
    kinds = {pa.int64(): 1, pa.string(): "a", pa.bool_(): True}
    row = {one.name: kinds[one.type] for one in ANALYSES[name].schema}
    shown = Answer(pa.Table.from_pylist([row], schema=ANALYSES[name].schema))._repr_html_()
    assert re.findall(r">(\w+)</th>", shown) == list(row)


def test_of_many_rows_the_first_are_shown_and_the_others_counted() -> None:
    shown = Answer(pa.table({"n": range(1500)}))._repr_html_()
    assert shown.count("<tr>") == 21
    assert "1,480 more" in shown


def test_that_there_are_none_is_said() -> None:
    assert Answer(pa.table({"n": pa.array([], pa.int64())}))._repr_html_().endswith("<p>no rows</p>")


def test_other_tools_take_an_answer_as_it_is() -> None:
    answer = Answer(pa.table({"n": pa.array([2**62 + 1, None])}))
    assert pa.table(answer) == answer.table
    assert answer.to_pandas().n.tolist() == [2**62 + 1, None]


@pytest.fixture
def stored(database: Database) -> Database:
    database.create_tables()
    with database.transaction() as transaction:
        insert(transaction, schema.FLOWS, flow_row(id="f"))
    return database


def test_an_analysis_is_run_on_a_database(stored: Database) -> None:
    analyses = Analyses(Analytics(stored))
    assert analyses.run("coverage").rows()[0]["id"] == "f"
    with pytest.raises(AnalysisNotFound):
        analyses.run("no-such-thing")


def test_analyses_are_found_as_a_connection_is(tmp_path: Path) -> None:
    path = tmp_path / "tams.duckdb"
    database = DuckDB(path)
    database.create_tables()
    database.close()
    with closing(tams_data.analyses(f"duckdb:///{path}")) as analyses:
        assert analyses.run("gaps", timerange=TimeRange(0, 9)).rows() == []
    DuckDB(path).close()  # nobody has it open any more, not even to read


def test_a_service_runs_them_itself(service: Service) -> None:
    flow = video_flow()
    assert httpx.put(f"{service.url}/flows/{flow['id']}", json=flow).status_code == 201
    with closing(tams_data.analyses(service.url)) as analyses:
        assert [one["id"] for one in analyses.run("coverage").rows()] == [flow["id"]]


def test_a_notebook_shows_which_analyses_there_are() -> None:
    shown = Analyses(Analytics(DuckDB(None)))._repr_html_()
    assert [name for name in ANALYSES if f">{name}</td>" not in shown] == []


# --- what else a notebook shows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[1767261650:0_1767261655:0)", "from 2026-01-01T10:00:13.000000000Z until 2026-01-01T10:00:18.000000000Z"),
        ("[0:0_10:0)", "from 0:0 until 10:0"),
        ("[1767261650:0_", "from 2026-01-01T10:00:13.000000000Z until any time"),
        ("_", "eternity"),
        ("()", "never"),
    ],
)
def test_a_time_range_is_shown_with_its_civil_time(text: str, shown: str) -> None:
    assert TimeRange.parse(text)._repr_html_() == f"<code>{text}</code>, {shown}"


def test_a_table_of_the_schema_is_shown_with_every_column() -> None:
    for table in schema.TABLES.values():
        shown = table._repr_html_()
        assert [column.name for column in table.columns if f">{column.name}</td>" not in shown] == []


def test_a_connection_shows_its_tables_and_what_it_does(stored: Database) -> None:
    con = stored.ibis()
    assert "flow_timelines" in con._repr_html_()
    flows = con.table("flows")
    explained = con.explain(flows.filter(flows.label.contains("<rare>")).select("id"))
    assert "contains(label, '<rare>')" in str(explained)
    assert "contains(label, &#x27;&lt;rare&gt;&#x27;)" in explained._repr_html_()
