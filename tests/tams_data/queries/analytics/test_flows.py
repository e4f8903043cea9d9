"""What flows there are and what they add up to, every figure worked out from the table in `paper`."""

from __future__ import annotations

import pytest

from tams_data import schema
from tams_data.analytics import Analytics
from tams_data.queries.analytics import ANALYSES
from tams_data.timerange import MAX_NS, MIN_NS, TimeRange
from tests.tams_data.builders import flow_row, insert, segment_row
from tests.tams_data.queries.analytics import paper
from tests.tams_data.queries.analytics.paper import (
    AUDIO,
    DATA,
    DAY,
    DISK,
    IMAGE,
    ON_AIR,
    ON_AIR_UTC,
    SECOND,
    TAPE,
    VIDEO,
)


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


# --- how late segments are -------------------------------------------------------------------------------------------


def delays(rows):
    """Segments, and seconds of the least delay, the quantiles and the most, by format."""
    names = ("minimum_ns", "median_ns", "p90_ns", "p99_ns", "maximum_ns")
    return {one["format"]: (one["segments"], *(one[name] / SECOND for name in names)) for one in rows.to_pylist()}


def test_delays_are_told_of_all_segments_and_of_each_format(analytics):
    assert delays(analytics.run("ingest-delay")) == {
        # 7 at once, 6 after 1 s, then 2, 4, 10, 10, an hour, an hour, an hour, a day: the 11th, the 19th, the 21st
        None: (21, 0, 1, 3600, 86_400, 86_400),
        # one at once, 6 after 1 s, then 4, 10, 10, an hour, an hour, an hour, a day: the 7th, the 13th, the 14th
        VIDEO: (14, 0, 1, 3600, 86_400, 86_400),
        AUDIO: (4, 0, 0, 2, 2, 2),
        DATA: (1, 0, 0, 0, 0, 0),
        IMAGE: (2, 0, 0, 0, 0, 0),
    }


def test_the_row_of_all_comes_first(analytics):
    formats = analytics.run("ingest-delay")["format"].to_pylist()
    assert formats == [None, *sorted(formats[1:])]


def test_a_window_leaves_the_delays_of_its_segments_as_they_are(analytics):
    window = TimeRange(ON_AIR + 5 * SECOND, ON_AIR + 25 * SECOND)
    found = delays(analytics.run("ingest-delay", flow_id="camera-a", timerange=window))
    assert found == {None: (3, 1, 1, 4, 4, 4), VIDEO: (3, 1, 1, 4, 4, 4)}


def test_of_no_segments_there_is_no_delay(analytics):
    assert analytics.run("ingest-delay", flow_id="empty").num_rows == 0


@pytest.fixture
def late(database):
    """The analyses of a flow whose segments end and were registered at the times that are given, in ns."""
    database.create_tables()

    def made(*segments: tuple[int, int]) -> Analytics:
        with database.transaction() as transaction:
            insert(transaction, schema.FLOWS, flow_row(id="f"))
            rows = [segment_row("f", end - 1, end, created_ns=created) for end, created in segments]
            insert(transaction, schema.SEGMENTS, *rows)
        return Analytics(database)

    yield made
    database.close()


def test_ends_that_are_no_instant_of_a_clock_are_left_out(late):
    on_time = (ON_AIR, ON_AIR_UTC)
    analytics = late((MAX_NS, ON_AIR_UTC), on_time, (10 * SECOND, ON_AIR_UTC), (MIN_NS + 100, ON_AIR_UTC))
    assert set(delays(analytics.run("ingest-delay")).values()) == {(1, 0, 0, 0, 0, 0)}


@pytest.mark.parametrize(
    ("delay_ns", "median_ns"),
    [(1_999_999, 1_000_000), (1_000_000, 1_000_000), (999_999, 0), (-999_999, 0), (-1_999_999, -1_000_000)],
)
def test_quantiles_are_of_whole_milliseconds_and_extremes_exact(late, delay_ns, median_ns):
    (row, _) = late((ON_AIR, ON_AIR_UTC + delay_ns)).run("ingest-delay").to_pylist()
    assert (row["minimum_ns"], row["median_ns"], row["maximum_ns"]) == (delay_ns, median_ns, delay_ns)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 99, 100, 101])
def test_quantiles_are_those_of_the_nearest_rank(late, count):
    delays_ms = [(i * 37 % count) ** 2 for i in range(count)]
    (row, _) = late(*((ON_AIR, ON_AIR_UTC + one * 10**6) for one in delays_ms)).run("ingest-delay").to_pylist()
    ranked = sorted(delays_ms)
    for name, percent in (("median_ns", 50), ("p90_ns", 90), ("p99_ns", 99)):
        assert row[name] == ranked[-(-count * percent // 100) - 1] * 10**6


# --- how often objects are used --------------------------------------------------------------------------------------


def uses(rows):
    """Objects, segments and bytes by the number of uses."""
    return {one["uses"]: (one["objects"], one["segments"], one["size_bytes"]) for one in rows.to_pylist()}


def test_objects_are_counted_by_how_many_segments_use_them(analytics):
    of_once = 1000 + 3000 + 300 + 1000 + 1000 + 9000 + 150 + 150 + 500 + 500 + 50_000 + 50_000 + 10 + 10 + 10
    # object 6 is used by camera-b and the edit, object 2 by camera-a and twice by the edit
    assert uses(analytics.run("reuse")) == {1: (16, 16, of_once), 2: (1, 2, 1000), 3: (1, 3, 2000)}


def test_uses_are_those_that_the_filters_leave(analytics):
    assert uses(analytics.run("reuse", flow_id="edit")) == {1: (1, 1, 1000), 2: (1, 2, 2000)}
    assert uses(analytics.run("reuse", storage_id=TAPE)) == {1: (2, 2, 4000), 3: (1, 3, 2000)}
    assert analytics.run("reuse", flow_id="empty").num_rows == 0


def test_more_media_time_than_can_be_counted_is_null(database):
    years = 200 * 365 * DAY
    flow = {**paper.H264, "source_id": "s", "tags": "{}", "tag_terms": [], "metadata_version": "1"}
    flow |= {"metadata_updated_ns": 0, "created_ns": 0}
    timeline = {"segment_count": 1, "covered_ns": years, "longest_ns": years, "size_bytes": 1000}
    with database.transaction() as transaction:
        transaction.insert(schema.FLOWS, schema.FLOWS.rows({**flow, "id": one} for one in "ab"))
        rows = schema.FLOW_TIMELINES.rows({**timeline, "flow_id": one} for one in "ab")
        transaction.insert(schema.FLOW_TIMELINES, rows)
    (row,) = Analytics(database).run("flow-usage").to_pylist()
    assert (row["flows"], row["covered_ns"], row["size_bytes"]) == (2, None, 2000)
    (row,) = Analytics(database).run("flow-usage", flow_id="a").to_pylist()
    assert row["covered_ns"] == years
