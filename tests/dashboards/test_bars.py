"""Rows and bars: which flows are shown in which order, what is asked of them, and how gaps show."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dashboards import bars
from dashboards.bars import Bar, Bars, Row
from dashboards.clock import TAI, Clock
from dashboards.filters import Filters
from tams_data.analytics import Analytics
from tams_data.store.store import Store
from tams_data.timerange import NS_PER_SECOND, TimeRange
from tests.api.builders import audio_flow, new_id, video_flow
from tests.api.client import CheckedClient

DAY_NS = 86400 * NS_PER_SECOND
NOW_NS = 1_767_261_637 * NS_PER_SECOND


def row(start_ns: int, end_ns: int, **members: Any) -> Row:
    """A video flow with an extent."""
    of_flow = {"flow_id": new_id(), "label": "", "source_id": new_id(), "format": "urn:x-nmos:format:video"}
    return Row(
        **{**of_flow, "codec": "video/h264", "segments": 1, "covered_ns": 0, "last_write_ns": 0, **members},
        start_ns=start_ns,
        end_ns=end_ns,
    )


def found(*islands: tuple[str, int, int, int]) -> pa.Table:
    """What the analysis `timeline` answers: flow, start, end, and how much of it is covered."""
    names = ("flow_id", "start_ns", "end_ns", "covered_ns")
    rows = [{**dict(zip(names, one, strict=True)), "segments": 1} for one in islands]
    columns = [(name, pa.string() if name == "flow_id" else pa.int64()) for name in (*names, "segments")]
    return pa.Table.from_pylist(rows, pa.schema(columns))


# --- flows -----------------------------------------------------------------------------------------------------------


def test_flows_of_a_source_stand_together_and_videos_first(store: Store, client: CheckedClient) -> None:
    camera = new_id()
    for flow in (
        audio_flow(label="sound"),
        video_flow(label="studio B"),
        video_flow(label="proxy", source_id=camera),
        video_flow(label="best", source_id=camera),
        video_flow(label="empty"),
    ):
        client.create_flow(flow)
        if flow["label"] != "empty":
            client.add(flow["id"], "[0:0_1:0)")
    rows = bars.read_rows(Analytics(store.database), Filters())
    assert [one.name for one in rows] == ["best", "proxy", "studio B", "sound"]
    assert rows[0].about == f"video · h264 · {rows[0].flow_id[:8]}"
    assert (rows[0].start_ns, rows[0].end_ns, rows[0].segments) == (0, NS_PER_SECOND, 1)


def test_filters_choose_flows(store: Store, client: CheckedClient) -> None:
    early, late = video_flow(label="early", tags={"a": "x"}), audio_flow(label="late", tags={"a": "y"})
    for flow, timerange in ((early, "[0:0_1:0)"), (late, "[5:0_6:0)")):
        client.create_flow(flow)
        client.add(flow["id"], timerange)
    analytics = Analytics(store.database)

    def names(**given: Any) -> list[str]:
        return [one.name for one in bars.read_rows(analytics, Filters(**given))]

    assert names() == ["early", "late"]
    assert names(tags={"a": "y,z"}) == ["late"]
    assert names(source_id=early["source_id"]) == ["early"]
    assert names(format="urn:x-nmos:format:audio") == ["late"]
    assert names(end_ns=NS_PER_SECOND) == ["early"]


def test_a_flow_without_a_label_is_told_by_its_id() -> None:
    one = row(0, 1)
    assert (one.name, one.about) == (one.flow_id[:8], "video · h264")


@pytest.mark.parametrize(
    ("extents", "expected"),
    [
        ([], None),
        ([(0, 50 * NS_PER_SECOND), (NOW_NS, NOW_NS + 60)], (NOW_NS, NOW_NS + 60)),
        ([(NOW_NS, NOW_NS + DAY_NS), (NOW_NS - DAY_NS // 2, NOW_NS - 1)], (NOW_NS - DAY_NS // 2, NOW_NS + DAY_NS)),
        ([(0, 10), (5, 20)], (0, 20)),
    ],
)
def test_at_first_what_was_recorded_last_is_seen(extents: list[tuple[int, int]], expected: tuple[int, int]) -> None:
    """An edit at 0:0 does not make a dot of it."""
    assert bars.latest([row(*extent) for extent in extents]) == (None if expected is None else TimeRange(*expected))


def test_everything_is_from_the_first_to_the_last() -> None:
    assert bars.everything([row(5, 10), row(0, 3)]) == TimeRange(0, 10)
    assert bars.everything([]) is None


# --- bars ------------------------------------------------------------------------------------------------------------


def test_bars_belong_to_their_row_and_others_are_left_out() -> None:
    rows = [row(0, 10), row(0, 10)]
    of_page = Bars.of(rows, found((rows[1].flow_id, 0, 4, 4), (new_id(), 0, 4, 4), (rows[0].flow_id, 6, 9, 2)))
    assert list(of_page) == [Bar(1, 0, 4, 1, 4), Bar(0, 6, 9, 1, 2)]


def test_a_flow_without_a_hole_is_a_bar_that_nobody_is_asked_for() -> None:
    whole, holed = row(0, 10, covered_ns=10, segments=5), row(0, 10, covered_ns=9)
    assert list(Bars.of([holed, whole], found((holed.flow_id, 0, 4, 4)))) == [Bar(1, 0, 10, 5, 10), Bar(0, 0, 4, 1, 4)]
    assert bars.read_bars(None, [whole], TimeRange(0, 5), 1).num_rows == 0  # type: ignore[arg-type]  # asks nobody


def test_what_is_drawn_is_exact_to_the_nanosecond() -> None:
    """Where a float of the timestamp itself is off by 128."""
    one = row(NOW_NS, NOW_NS + 60 * NS_PER_SECOND)
    start_ns = NOW_NS + 40_000_001
    columns = Bars.of([one], found((one.flow_id, start_ns, start_ns + 3, 3))).columns([one], NOW_NS, Clock())
    assert columns["left"].tolist() == [40_000_001.0]
    assert columns["right"].tolist() == [40_000_004.0]
    assert columns["kind"] == ["video"]


@pytest.mark.parametrize(
    ("covered_ns", "part"),
    [(1000, 1.0), (999, 0.8), (500, 0.5), (1, 0.15)],
)
def test_a_gap_within_a_bar_shows_however_short_it_is(covered_ns: int, part: float) -> None:
    one = row(0, 1000)
    columns = Bars.of([one], found((one.flow_id, 0, 1000, covered_ns))).columns([one], 0, Clock())
    height, whole = columns["bottom"] - columns["covered_top"], columns["bottom"] - columns["top"]
    assert (height / whole).tolist() == pytest.approx([part])
    assert columns["gaps"].tolist() == [0.0 if covered_ns == 1000 else 1.0]


@pytest.mark.parametrize(
    ("number", "ns", "expected"),
    [(0, 0, 0), (0, 9, 0), (0, 12, 0), (0, 13, None), (0, 17, 20), (0, 18, 20), (0, 25, 20), (1, 5, None)],
)
def test_a_tap_near_a_bar_finds_it(number: int, ns: int, expected: int | None) -> None:
    one = row(0, 30)
    bar = Bars.of([one], found((one.flow_id, 0, 10, 10), (one.flow_id, 20, 30, 10))).at(number, ns, within_ns=3)
    assert (None if bar is None else bar.start_ns) == expected


def test_a_bar_is_told_in_words() -> None:
    bar = Bar(0, NOW_NS, NOW_NS + 60 * NS_PER_SECOND, 15, 45 * NS_PER_SECOND)
    assert bars.bar_text(bar, Clock()) == "2026-01-01 10:00:00, 1 min, 15 segments, 75 % covered"
    assert bars.bar_text(bar, Clock(scale=TAI)).startswith("2026-01-01 10:00:37, ")
    whole = Bar(0, NOW_NS, NOW_NS + NS_PER_SECOND, 1, NS_PER_SECOND)
    assert bars.bar_text(whole, Clock()) == "2026-01-01 10:00:00, 1 s, 1 segment"
