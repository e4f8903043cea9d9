"""What flows there are and what they add up to, every figure worked out from the table in `paper`."""

from __future__ import annotations

import pytest

from tams_data.queries.analytics import ANALYSES
from tams_data.timerange import TimeRange
from tests.tams_data.queries.analytics.paper import AUDIO, DAY, DISK, ON_AIR, ON_AIR_UTC, SECOND, TAPE, VIDEO


def groups(rows):
    """Flows, segments, seconds covered and bytes by format, codec, width and status."""
    return {
        (one["format"].rpartition(":")[2], one["codec"], one["frame_width"], one["status"]): (
            one["flows"],
            one["segments"],
            one["covered_ns"] / SECOND,
            one["size_bytes"],
        )
        for one in rows.to_pylist()
    }


def test_flows_are_grouped_by_what_they_are(analytics):
    assert groups(analytics.run("flow-usage")) == {
        # camera-a 30 s, 6000 bytes; camera-b 30 s, 3000
        ("video", "video/h264", 1920, "ingesting"): (2, 6, 60, 9000),
        ("audio", "audio/aac", None, "ingesting"): (1, 1, 30, 300),
        ("audio", "audio/aac", None, None): (1, 3, 3, 30),
        ("video", "video/hevc", 3840, None): (1, 1, 30, 9000),
        ("video", "video/h264", 480, None): (1, 2, 30, 300),
        # object 2 twice, object 6 once: 2000 + 1000 + 2000
        ("video", "video/h264", 1920, "closed_complete"): (1, 3, 25, 5000),
        ("multi", None, None, None): (1, 0, 0, 0),
        ("video", "video/h264", 1920, "awaiting_content"): (1, 0, 0, 0),
        ("data", "text/vtt", None, None): (1, 1, 60, 0),
        ("image", "image/jpeg", 1920, None): (1, 2, 2e-9, 1000),
        ("video", "video/h264", 720, "closed_complete"): (1, 2, 200, 100_000),
    }


def test_the_largest_group_comes_first(analytics):
    sizes = analytics.run("flow-usage")["size_bytes"].to_pylist()
    assert sizes == sorted(sizes, reverse=True)


def test_bit_rates_are_measured_and_declared(analytics):
    (cameras,) = (one for one in analytics.run("flow-usage").to_pylist() if one["flows"] == 2)
    assert cameras["measured_bit_rate"] == 9000 * 8 // 60
    assert cameras["declared_bit_rate"] == (2000 + 4000) // 2
    rates = {one["flow_id"]: one for one in analytics.run("flows").to_pylist()}
    assert rates["camera-b"]["measured_bit_rate"] == 800
    assert (rates["camera-b"]["avg_bit_rate"], rates["camera-b"]["max_bit_rate"]) == (4000, 5000)
    assert rates["empty"]["measured_bit_rate"] is None


def test_the_summary_counts_flows_and_bytes(analytics):
    analysis = ANALYSES["flow-usage"]
    assert analysis.summary is not None
    summary = analysis.summary(analytics.run("flow-usage"))
    formats = {"video": 7, "audio": 2, "multi": 1, "data": 1, "image": 1}
    assert {name.rpartition(":")[2]: n for name, n in summary.pop("format_distribution").items()} == formats
    total = 9000 + 300 + 30 + 9000 + 300 + 5000 + 1000 + 100_000
    assert summary == {"total_flows": 12, "estimated_storage_bytes": total, "average_flow_size": total / 12}


@pytest.mark.parametrize(
    ("filters", "flows"),
    [
        pytest.param({"flow_id": "edit"}, {"edit"}, id="flow"),
        pytest.param({"source_id": "A"}, {"camera-a", "proxy-a"}, id="source"),
        pytest.param({"format": AUDIO}, {"camera-a-snd", "elsewhere"}, id="format"),
        pytest.param({"codec": "video/hevc"}, {"camera-b-hi"}, id="codec"),
        pytest.param({"tags": {"site": ["leeds", "paris"]}}, {"camera-b"}, id="one of the values of a tag"),
        pytest.param({"tag_exists": {"site": True}}, {"camera-a", "camera-b"}, id="a tag"),
        pytest.param({"tag_exists": {"site": False}, "source_id": "B"}, {"camera-b-hi"}, id="without a tag"),
        pytest.param({"storage_id": TAPE}, {"camera-a", "edit"}, id="backend"),
        pytest.param(
            {"timerange": TimeRange(ON_AIR + 60 * SECOND, ON_AIR + 101 * SECOND)}, {"archive", "elsewhere"}, id="window"
        ),
        pytest.param(
            {"created": TimeRange(ON_AIR_UTC, ON_AIR_UTC + 11 * SECOND + 1), "format": VIDEO},
            {"camera-a", "camera-b"},
            id="registered in a window",
        ),
        pytest.param({"timerange": TimeRange.never()}, set(), id="never"),
        pytest.param({"format": AUDIO, "codec": "video/h264"}, set(), id="none"),
    ],
)
def test_filters_leave_the_flows_they_name(analytics, filters, flows):
    assert set(analytics.run("flows", **filters)["flow_id"].to_pylist()) == flows


def test_a_window_cuts_segments(analytics):
    window = TimeRange(ON_AIR + 5 * SECOND, ON_AIR + 12 * SECOND)
    (row,) = analytics.run("flows", flow_id="camera-a", timerange=window).to_pylist()
    assert (row["segments"], row["covered_ns"], row["size_bytes"]) == (2, 7 * SECOND, 3000)
    assert (row["start_ns"], row["end_ns"]) == (window.start_ns, window.end_ns)


def test_a_backend_leaves_the_segments_it_has(analytics):
    (row,) = analytics.run("flows", flow_id="edit", storage_id=TAPE).to_pylist()
    assert (row["segments"], row["covered_ns"]) == (2, 15 * SECOND)
    assert analytics.run("flows", flow_id="captions", storage_id=DISK).num_rows == 0


def test_staleness_is_the_time_since_the_last_write(analytics):
    rows = {one["flow_id"]: one for one in analytics.run("flows").to_pylist()}
    assert rows["camera-a"]["last_write_ns"] == ON_AIR_UTC + 34 * SECOND
    assert rows["camera-a"]["stale_ns"] == DAY - 34 * SECOND
    assert rows["empty"]["stale_ns"] is None


def test_flows_come_in_order_of_their_last_write_up_to_the_limit(analytics):
    assert analytics.run("flows", limit=4)["flow_id"].to_pylist() == ["edit", "stills", "elsewhere", "archive"]
    assert set(analytics.run("flows")["flow_id"].to_pylist()[-2:]) == {"empty", "news"}
