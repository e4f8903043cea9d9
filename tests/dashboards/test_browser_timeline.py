"""The timeline in a browser: it draws, it zooms from years to frames, it plays, and it follows the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tams_data.client import TamsClient
from tests.api.builders import video_flow
from tests.api.process import Service
from tests.dashboards.conftest import Watched
from tests.dashboards.process import Dashboard

Open = Callable[..., Watched]
Keep = Callable[[Page, str], None]

WAIT_MS = 20_000
"""As long as a busy machine may take."""

CAMERA_A, EDIT, PROXY = "Camera A video", "Edit video", "Camera A proxy"
ROW_PX = 38

_BARS = """() => {
  const models = Bokeh.documents.flatMap((one) => [...one._all_models.values()])
  const source = models.find((one) => one.type == "ColumnDataSource" && one.data.has?.("covered_top")
    || one.type == "ColumnDataSource" && "covered_top" in one.data)
  const column = (name) => Array.from(source.data.get?.(name) ?? source.data[name])
  const {start, end} = models.find((one) => one.type == "Figure").x_range
  const [left, right] = [column("left"), column("right")]
  const inView = left.map((_, n) => n).filter((n) => left[n] < end && right[n] > start)
  return {left: inView.map((n) => left[n]), right: inView.map((n) => right[n]), start, end}
}"""


@pytest.fixture
def opened(dashboard: Dashboard, watched: Open) -> Watched:
    """The timeline of the demo."""
    return drawn(watched(f"{dashboard.url}/timeline"))


def drawn(opened: Watched) -> Watched:
    """A page whose timeline has its rows."""
    expect(opened.page.get_by_text(CAMERA_A, exact=True)).to_be_visible(timeout=WAIT_MS)
    return opened


def bars(page: Page) -> dict[str, Any]:
    """The bars in view, and the ends of what is seen, as the browser has them."""
    found: dict[str, Any] = page.evaluate(_BARS)
    return found


def seen(page: Page) -> str:
    """What is seen, as it stands above the figure."""
    return page.locator(".ends").inner_text()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def place(element: Locator) -> FloatRect:
    """Where an element is. One that is drawn anew has no place for a moment."""
    until = monotonic() + WAIT_MS / 1000
    while (found := element.bounding_box()) is None:
        assert monotonic() < until, "it is not drawn"
    return found


def click_row(page: Page, name: str, part: float) -> None:
    """Click on the bar of a flow, at a part of the figure's width."""
    figure, row = place(page.locator(".bk-Figure")), place(page.locator(".rows li", has_text=name).first)
    page.mouse.click(figure["x"] + figure["width"] * part, row["y"] + ROW_PX * 0.7)


def plays(page: Page, kind: str = "video") -> None:
    """Wait until the player has shown half a second."""
    page.wait_for_function(
        "(media) => media.currentTime > 0.5 && !media.error", arg=page.locator(kind).element_handle(), timeout=WAIT_MS
    )


def test_flows_are_rows_and_what_is_covered_bars(opened: Watched):
    page = opened.page
    expect(page.locator(".ends")).to_contain_text("2026-01-01 09:59:58 – 10:01:01 UTC")
    expect(page.locator(".rows li")).to_have_count(7)
    found = bars(page)
    assert len(found["left"]) == 5, "cameras and proxy; the edit lies at 0:0"
    assert min(b - a for a, b in zip(found["left"], found["right"], strict=True)) == 60e9


def test_the_wheel_zooms_from_years_to_frames(opened: Watched):
    page = opened.page
    press(page, "All")
    expect(page.locator(".ends")).to_contain_text(re.compile(r"58 y"), timeout=WAIT_MS)
    page.wait_for_function(f"() => ({_BARS})().left.length == 7", timeout=WAIT_MS)
    press(page, "Latest")
    expect(page.locator(".ends")).to_contain_text("1 min 3 s", timeout=WAIT_MS)
    page.wait_for_function(f"() => ({_BARS})().left.length == 5", timeout=WAIT_MS)
    figure = place(page.locator(".bk-Figure"))
    page.mouse.move(figure["x"] + figure["width"] * 0.4, figure["y"] + 100)
    while bars(page)["end"] - bars(page)["start"] > 40e6:
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(20)
    expect(page.locator(".ends")).to_contain_text(re.compile(r"10:00:\d\d\.\d+ – .* ms"), timeout=WAIT_MS)


def test_dragging_pans_and_asks_for_what_comes_into_view(opened: Watched):
    page = opened.page
    press(page, "+ Zoom in")
    expect(page.locator(".ends")).to_contain_text("31.5 s", timeout=WAIT_MS)
    told, figure = seen(page), place(page.locator(".bk-Figure"))
    page.mouse.move(figure["x"] + 600, figure["y"] + 100)
    page.mouse.down()
    page.mouse.move(figure["x"] + 300, figure["y"] + 100, steps=6)
    page.mouse.up()
    expect(page.locator(".ends")).not_to_have_text(told, timeout=WAIT_MS)
    expect(page.locator(".ends")).to_contain_text("31.5 s")
    assert page.locator("video").count() == 0, "a drag is no click"


def test_a_click_lists_segments_and_plays_them_from_this_service_alone(
    opened: Watched, dashboard: Dashboard, demo_service: Service, picture_of: Keep
):
    page = opened.page
    click_row(page, CAMERA_A, 0.5)
    expect(page.get_by_role("heading", name=CAMERA_A, exact=True)).to_be_visible(timeout=WAIT_MS)
    first = page.locator("ol.segments li").first
    expect(first).to_contain_text("2026-01-01 10:00:28 · 4 s")
    expect(first.get_by_role("link", name="local, presigned")).to_have_attribute("href", re.compile("signature="))
    plays(page)
    width, has_sound = page.locator("video").evaluate("(one) => [one.videoWidth, one.webkitAudioDecodedByteCount > 0]")
    assert (width, has_sound) == (960, True), "the picture of the flow, and the sound it is collected with"
    assert page.locator("video").evaluate("(one) => Math.round(one.duration)") == 32
    picture_of(page, "timeline-plays")
    assert opened.complaints == []
    elsewhere = opened.strangers(dashboard.url)
    assert elsewhere
    assert all(one.startswith(f"{demo_service.url}/flows/") for one in elsewhere)


def test_what_plays_can_be_chosen(opened: Watched):
    page = opened.page
    click_row(page, CAMERA_A, 0.3)
    expect(page.get_by_role("heading", name=CAMERA_A, exact=True)).to_be_visible(timeout=WAIT_MS)
    page.get_by_label("Play", exact=True).select_option("This flow alone")
    page.get_by_label("From", exact=True).last.select_option("2026-01-01 10:00:24")
    expect(page.locator("video")).to_have_attribute("src", re.compile("1767261661%3A0_"), timeout=WAIT_MS)
    press(page, "Segments after ▶")
    expect(page.locator("ol.segments li").first).to_contain_text("10:00:56", timeout=WAIT_MS)
    press(page, "Close")
    expect(page.locator("video")).to_have_count(0, timeout=WAIT_MS)


def test_everything_can_be_done_by_keyboard(opened: Watched):
    page = opened.page
    zoom = page.get_by_role("button", name="+ Zoom in", exact=True)
    zoom.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".ends")).to_contain_text("31.5 s", timeout=WAIT_MS)
    page.get_by_label("Flow", exact=True).focus()
    page.keyboard.type("Camera B")
    page.get_by_role("button", name="Open", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Camera B video", exact=True)).to_be_visible(timeout=WAIT_MS)
    plays(page)


def test_the_clock_tells_tai_too(opened: Watched):
    page = opened.page
    page.get_by_text("TAI", exact=True).click()
    expect(page.locator(".ends")).to_contain_text("2026-01-01 10:00:35 – 10:01:38 TAI", timeout=WAIT_MS)


def test_it_fits_a_narrow_dark_page_while_it_plays(dashboard: Dashboard, watched: Open, picture_of: Keep):
    page = drawn(watched(f"{dashboard.url}/timeline", width="narrow", theme="dark")).page
    click_row(page, PROXY, 0.5)
    plays(page)
    picture_of(page, "timeline-plays-narrow-dark")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- a store that grows ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty(service: Service, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The dashboard of an empty store."""
    del chromium
    folder: Path = tmp_path_factory.mktemp("empty")
    with Dashboard(folder, service.url) as running:
        yield running


def test_an_empty_store_says_so_and_what_comes_appears_by_itself(empty: Dashboard, service: Service, watched: Open):
    opened = watched(f"{empty.url}/timeline")
    page = opened.page
    expect(page.get_by_text("Nothing is recorded yet.")).to_be_visible(timeout=WAIT_MS)
    flow = video_flow(label="Studio")
    with TamsClient(service.url) as tams:
        tams.put_flow(flow)
        add_second(tams, flow["id"], 0)
        expect(page.get_by_text("Studio", exact=True)).to_be_visible(timeout=WAIT_MS)
        for _ in range(3):
            press(page, "− Zoom out")
        expect(page.locator(".ends")).to_contain_text("8.4 s", timeout=WAIT_MS)
        add_second(tams, flow["id"], 2)
    page.wait_for_function(f"() => ({_BARS})().left.length == 2", timeout=WAIT_MS)
    expect(page.locator(".ends")).to_contain_text("8.4 s")
    assert opened.complaints == []


def add_second(tams: TamsClient, flow_id: str, from_s: int) -> None:
    """Register a second of media, whose bytes nobody asks for."""
    (allocated,) = tams.allocate(flow_id)
    segment = {"object_id": allocated.object_id, "timerange": f"[{from_s}:0_{from_s + 1}:0)"}
    assert tams.register(flow_id, [segment]) == []
