"""Compliance reports: exact about what is missing, and safe to print."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data import report as reports
from tams_data.analytics import Analytics
from tams_data.answers import Analyses
from tams_data.engines.base import Database
from tams_data.errors import InvalidInput
from tams_data.report import Compliance, compliance, judged, missing, to_csv
from tams_data.schema import FLOW_GAPS, FLOW_TIMELINES, FLOWS, SEGMENTS
from tams_data.timerange import TimeRange
from tests.tams_data.builders import flow_row, gap_rows, insert, segment_row, timeline_row

WINDOW = TimeRange(0, 1000)

ranges = st.tuples(st.integers(-50, 1050), st.integers(1, 200)).map(lambda one: TimeRange(one[0], one[0] + one[1]))


@given(st.lists(ranges))
def test_what_is_missing_and_what_is_there_are_the_window(runs: list[TimeRange]) -> None:
    there = {ns for run in runs for ns in range(run.start_ns, run.end_ns)} & set(range(1000))
    gaps = missing(WINDOW, runs)
    assert {ns for gap in gaps for ns in range(gap.start_ns, gap.end_ns)} == set(range(1000)) - there
    assert all(one.end_ns < other.start_ns for one, other in pairwise(gaps))


def found(*covered: TimeRange, promise: Fraction = Fraction(999, 1000), label: str | None = "Camera") -> Compliance:
    """The report on one flow that has these runs."""
    flows = pa.Table.from_pylist([{"flow_id": "f", "label": label, "container": "video/mp2t"}])
    runs = [{"flow_id": "f", "start_ns": run.start_ns, "end_ns": run.end_ns} for run in covered]
    schema = pa.schema({"flow_id": pa.string(), "start_ns": pa.int64(), "end_ns": pa.int64()})
    return judged(flows, pa.Table.from_pylist(runs, schema=schema), WINDOW, promise)


@pytest.mark.parametrize(
    ("covered", "kept"),
    [
        pytest.param([TimeRange(0, 1000)], True, id="all"),
        pytest.param([TimeRange(-5, 999)], True, id="just-what-was-promised"),
        pytest.param([TimeRange(1, 999)], False, id="one-nanosecond-less"),
        pytest.param([TimeRange(0, 400), TimeRange(401, 1000)], True, id="a-hole-as-long-as-may-be"),
        pytest.param([], False, id="nothing"),
    ],
)
def test_a_promise_is_kept_to_the_nanosecond(covered: list[TimeRange], kept: bool) -> None:
    (flow,) = found(*covered).flows
    assert flow.kept is kept
    assert flow.covered_ns + flow.missing_ns == 1000


@pytest.mark.parametrize(
    ("window", "promise", "said"),
    [
        (TimeRange.eternity(), Fraction(1), "two ends"),
        (TimeRange.never(), Fraction(1), "two ends"),
        (WINDOW, Fraction(101, 100), "a share from 0 to 1"),
    ],
)
def test_what_cannot_be_reported_on_is_refused(window: TimeRange, promise: Fraction, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        judged(pa.table({"flow_id": []}), pa.table({"flow_id": []}), window, promise)


def test_the_csv_has_every_digit_and_every_stretch() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(found(TimeRange(1, 500), TimeRange(501, 1000)).missing()))))
    assert [(row["start_ns"], row["end_ns"], row["timerange"]) for row in rows] == [
        ("0", "1", "[0:0]"),
        ("500", "501", "[0:500]"),
    ]


def test_the_page_says_who_kept_what_and_takes_no_label_for_markup() -> None:
    page = found(TimeRange(0, 500), label="<script>alert(1)</script>").to_html("A & B", made="by <me>")
    assert "<h1>A &amp; B</h1>" in page
    assert "0 of 1 flows have the promised 99.9 %" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>" not in page
    assert "by &lt;me&gt;" in page
    assert '<rect x="5000" width="5000" height="1"/>' in page


def test_a_hole_that_is_too_short_to_draw_can_be_seen() -> None:
    page = found(TimeRange(0, 999)).to_html("Report")
    assert '<rect x="9990" width="20" height="1"/>' in page


@pytest.fixture
def analyses(database: Database) -> Analyses:
    """Those of a store with a flow that has a hole, one that has nothing, and one that can have no segments."""
    database.create_tables()
    containers: dict[str, Any] = {"holed": "video/mp2t", "empty": "video/mp2t", "collecting": None}
    with database.transaction() as transaction:
        for flow_id, container in containers.items():
            insert(transaction, FLOWS, flow_row(id=flow_id, container=container, label=None))
        insert(transaction, SEGMENTS, segment_row("holed", 0, 400), segment_row("holed", 600, 1000))
        holed = {"start_ns": 0, "end_ns": 1000, "segment_count": 2, "covered_ns": 800, "longest_ns": 400}
        insert(transaction, FLOW_TIMELINES, timeline_row("holed", **holed), timeline_row("empty"))
        insert(transaction, FLOW_GAPS, *gap_rows("holed", [(0, 400), (600, 1000)]))
        insert(transaction, FLOW_TIMELINES, timeline_row("collecting"))
    return Analyses(Analytics(database))


def test_flows_of_a_store_are_reported_on_the_worst_first(analyses: Analyses) -> None:
    report = compliance(analyses, WINDOW, promise=Fraction(4, 5))
    assert [(one.label, one.covered_ns, one.kept) for one in report.flows] == [
        ("empty", 0, False),
        ("holed", 800, True),
    ]
    assert [str(gap) for gap in report.flows[1].missing] == ["[0:400_0:600)"]


def test_a_report_that_would_not_be_whole_is_refused(analyses: Analyses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_MOST_ROWS", 2)
    with pytest.raises(InvalidInput, match="fewer flows"):
        compliance(analyses, WINDOW, promise=Fraction(4, 5))
