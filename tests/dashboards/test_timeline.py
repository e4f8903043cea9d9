"""The timeline without a browser: what is asked at which zoom, and what is drawn of the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bokeh.events import RangesUpdate

from dashboards import axis, timeline
from dashboards.clock import Clock
from dashboards.filters import Filters
from dashboards.timeline import Timeline
from tams_data.analytics import Analytics
from tams_data.client import TamsClient
from tams_data.client.analytics import RemoteAnalytics
from tams_data.store.store import Store
from tams_data.timerange import NS_PER_SECOND, TimeRange
from tests.api.builders import new_id, video_flow
from tests.api.client import CheckedClient
from tests.dashboards.recording import Recording

START_NS = 1_767_261_637 * NS_PER_SECOND
"""10:00 UTC on 1 January 2026."""

PIXELS = 1000
"""How wide the figure is until a browser says."""


@pytest.fixture
def analytics(store: Store) -> Recording:
    return Recording(Analytics(store.database))


@pytest.fixture
def shown(analytics: Recording) -> Timeline:
    """A timeline of the store, which was not read yet."""
    nobody = TamsClient("http://127.0.0.1:1")
    return Timeline(analytics, nobody, filters=Filters(), clock=Clock(), clock_ns=lambda: 1_767_261_600 * NS_PER_SECOND)


def seconds(from_s: int, to_s: int) -> str:
    """A time range that counts from the start."""
    return str(TimeRange(from_s * NS_PER_SECOND, to_s * NS_PER_SECOND).shift(START_NS))


def read(shown: Timeline, **options: Any) -> None:
    asyncio.run(shown.refresh(**options))


def see(shown: Timeline, window: TimeRange) -> None:
    """Move there, and wait for what the store says."""

    async def moved() -> None:
        shown.move(window)
        await shown.refresh(rows=shown.rows)

    asyncio.run(moved())


def drawn(shown: Timeline) -> list[tuple[int, int]]:
    """The bars in the figure, as ns TAI."""
    (source,) = {renderer.data_source for renderer in shown.figure.renderers}
    ends = zip(source.data["left"], source.data["right"], strict=True)
    return [(axis.instant(left, shown.origin_ns), axis.instant(right, shown.origin_ns)) for left, right in ends]


def add_camera(client: CheckedClient, *timeranges: str, **members: Any) -> str:
    """A flow with segments; its id."""
    flow = client.create_flow(video_flow(**members))
    client.add(flow["id"], *timeranges)
    return str(flow["id"])


def test_a_store_without_segments_says_so(shown: Timeline, client: CheckedClient) -> None:
    client.create_flow(video_flow())
    read(shown, fit=True)
    assert "Nothing is recorded yet" in shown.told
    assert shown.window is None
    add_camera(client, seconds(0, 4))
    read(shown)
    assert shown.told == ""
    assert drawn(shown) == [(START_NS, START_NS + 4 * NS_PER_SECOND)]


def test_at_first_all_that_was_recorded_last_is_seen(shown: Timeline, client: CheckedClient) -> None:
    add_camera(client, seconds(0, 30), seconds(40, 80))
    read(shown, fit=True)
    assert shown.window == TimeRange(-2 * NS_PER_SECOND, 82 * NS_PER_SECOND).shift(START_NS)
    assert (shown.figure.x_range.start, shown.figure.x_range.end) == (0, 84 * NS_PER_SECOND)
    assert [(b - a) // NS_PER_SECOND for a, b in drawn(shown)] == [30, 40]


def test_another_filter_shows_other_flows_and_its_own_time(shown: Timeline, client: CheckedClient) -> None:
    add_camera(client, seconds(0, 30), tags={"a": "x"})
    add_camera(client, seconds(0, 50))
    read(shown, fit=True)
    assert len(shown.rows) == 2
    wanted = TimeRange(START_NS, START_NS + 10 * NS_PER_SECOND)

    async def filtered() -> None:
        shown._filters.param.update(tags={"a": "x"}, start_ns=wanted.start_ns, end_ns=wanted.end_ns)
        while len(shown.rows) == 2:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(filtered(), 20))
    assert (len(shown.rows), shown.window) == (1, wanted)


@pytest.mark.parametrize("length_ns", [1_000_000, 40_000_000, 60 * NS_PER_SECOND, 30 * 365 * 86400 * NS_PER_SECOND])
def test_a_step_of_what_is_asked_is_a_pixel(
    shown: Timeline, analytics: Recording, client: CheckedClient, length_ns: int
) -> None:
    """And the window is asked for with half as much on either side. A nanosecond is missing: there is more to see."""
    flow_id = add_camera(
        client, seconds(0, 2), str(TimeRange(2 * NS_PER_SECOND + 1, 4 * NS_PER_SECOND).shift(START_NS))
    )
    read(shown, fit=True)
    window = TimeRange(START_NS, START_NS + length_ns)
    see(shown, window)
    asked = analytics.last("timeline")
    assert asked["resolution_ns"] == length_ns // PIXELS
    assert asked["timerange"] == TimeRange(START_NS - length_ns // 2, START_NS + length_ns + length_ns // 2)
    assert asked["flow_id"] == [flow_id]


def test_gaps_appear_when_they_are_wider_than_a_pixel(shown: Timeline, client: CheckedClient) -> None:
    """Segments of 4 s with a second missing between each; from afar, one bar that is not all covered."""
    add_camera(client, *(seconds(5 * n, 5 * n + 4) for n in range(20)))
    read(shown, fit=True)
    assert len(drawn(shown)) == 20
    see(shown, TimeRange(START_NS, START_NS + 7 * 86400 * NS_PER_SECOND))
    (bar,) = shown.bars or ()
    assert (bar.segments, bar.covered_ns) == (20, 80 * NS_PER_SECOND)
    assert bar.end_ns - bar.start_ns == 99 * NS_PER_SECOND


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param((20, 60), (False, 2), id="nearer-with-nothing-hidden"),
        pytest.param((-80, 20), (True, 2), id="beyond-what-was-asked"),
        pytest.param((-1000, 1000), (True, 2), id="from-further-away"),
    ],
)
def test_nothing_is_asked_where_the_answer_is_known(
    shown: Timeline, analytics: Recording, client: CheckedClient, window: tuple[int, int], expected: tuple[bool, int]
) -> None:
    add_camera(client, seconds(0, 40), seconds(50, 90))
    read(shown, fit=True)
    count = len(analytics.asked)
    see(shown, TimeRange(*(second * NS_PER_SECOND for second in window)).shift(START_NS))
    assert (len(analytics.asked) > count, len(drawn(shown))) == expected


def test_hidden_gaps_are_asked_for_from_nearer(shown: Timeline, analytics: Recording, client: CheckedClient) -> None:
    """A hole of 40 ms in an hour, less than a pixel."""
    hour_ns = 3600 * NS_PER_SECOND
    halves = TimeRange(0, hour_ns // 2), TimeRange(hour_ns // 2 + 40_000_000, hour_ns)
    add_camera(client, *(str(half.shift(START_NS)) for half in halves))
    read(shown, fit=True)
    assert len(drawn(shown)) == 1
    count = len(analytics.asked)
    see(shown, TimeRange(START_NS + hour_ns // 2 - NS_PER_SECOND, START_NS + hour_ns // 2 + NS_PER_SECOND))
    assert len(analytics.asked) > count
    assert len(drawn(shown)) == 2


def test_a_frame_is_exact_to_the_nanosecond(shown: Timeline, client: CheckedClient) -> None:
    """Also after the origin was fifty years away, where a float of nanoseconds is 128 off."""
    frame = TimeRange(START_NS + 40_000_001, START_NS + 80_000_002)
    add_camera(client, str(frame))
    add_camera(client, "[0:0_1:0)")
    read(shown, fit=True)
    see(shown, TimeRange(0, START_NS + NS_PER_SECOND))
    see(shown, TimeRange(START_NS + 30_000_000, START_NS + 90_000_000))
    assert (frame.start_ns, frame.end_ns) in drawn(shown)
    x_range = shown.figure.x_range
    assert axis.instant(x_range.start, shown.origin_ns) == START_NS + 30_000_000
    assert axis.instant(x_range.end, shown.origin_ns) == START_NS + 90_000_000


def test_rows_are_bounded_where_every_pixel_has_a_gap(
    shown: Timeline, analytics: Recording, client: CheckedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_camera(client, *(seconds(5 * n, 5 * n + 4) for n in range(20)))
    monkeypatch.setattr(timeline.bars, "MOST_BARS", 10)
    read(shown, fit=True)
    assert [analytics.last("timeline")["resolution_ns"] >= 1_000_000_000, len(drawn(shown)) < 10] == [True, True]
    assert max(analytics.rows) <= 20


def test_a_browser_that_pans_has_the_same_range_and_other_ticks(shown: Timeline, client: CheckedClient) -> None:
    add_camera(client, seconds(0, 80))
    read(shown, fit=True)
    before, ticks = shown.figure.x_range.start, list(shown.figure.xaxis[0].ticker.ticks)

    async def panned() -> None:
        place = float(START_NS + 10**15 - shown.origin_ns)
        shown._moved_by_hand(RangesUpdate(shown.figure, x0=place, x1=place + 60e9, y0=0, y1=1))

    asyncio.run(panned())
    assert shown.window == TimeRange(START_NS + 10**15, START_NS + 10**15 + 60 * NS_PER_SECOND)
    assert shown.figure.x_range.start == before, "the browser has it already"
    assert shown.figure.xaxis[0].ticker.ticks != ticks


def test_ticks_are_told_on_the_clock_of_the_page(shown: Timeline, client: CheckedClient) -> None:
    add_camera(client, seconds(0, 60))
    read(shown, fit=True)
    assert "10:00:10" in shown.figure.xaxis[0].major_label_overrides.values()
    assert "2026-01-01 09:59:58 – 10:01:01 UTC" in shown._caption.object
    shown._clock.scale = "TAI"
    assert "10:00:40" in shown.figure.xaxis[0].major_label_overrides.values()
    assert "10:01:38 TAI" in shown._caption.object


def test_flows_come_in_pages(
    shown: Timeline, analytics: Recording, client: CheckedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "PAGE", 2)
    source_id = new_id()
    ids = [add_camera(client, seconds(0, 1), seconds(3, 4), label=name, source_id=source_id) for name in "abc"]
    read(shown, fit=True)
    assert analytics.last("timeline")["flow_id"] == ids[:2]
    assert "1 to 2 of 3 flows" in shown._turned.object
    shown._page = 1
    read(shown)
    assert analytics.last("timeline")["flow_id"] == ids[2:]
    assert len(drawn(shown)) == 2


def test_what_is_new_appears_and_the_window_stays(shown: Timeline, analytics: Recording, client: CheckedClient) -> None:
    flow_id = add_camera(client, seconds(0, 4))
    read(shown, fit=True)
    window, asked = shown.window, len(analytics.asked)
    read(shown)
    assert [name for name, _ in analytics.asked[asked:]] == ["flows"], "nothing is new"
    client.add(flow_id, seconds(4, 8))
    read(shown)
    assert drawn(shown) == [(START_NS, START_NS + 8 * NS_PER_SECOND)]
    client.add(flow_id, seconds(9, 10))
    read(shown)
    assert analytics.last("timeline")["flow_id"] == [flow_id]
    assert shown.window == window


def test_now_stays_at_the_right_edge(shown: Timeline, client: CheckedClient) -> None:
    add_camera(client, seconds(-60, 0))
    read(shown, fit=True)

    async def followed() -> None:
        shown._go_now(None)
        await shown.follow()

    asyncio.run(followed())
    assert shown.following
    assert shown.window is not None
    assert shown.window.contains_instant(START_NS)
    assert shown.window.end_ns - START_NS == (shown.window.end_ns - shown.window.start_ns) // 20


def test_a_service_that_does_not_answer_is_told(shown: Timeline) -> None:
    shown._analytics = RemoteAnalytics("http://127.0.0.1:1", retries=0)
    read(shown, fit=True)
    assert "The service cannot tell: " in shown.told
