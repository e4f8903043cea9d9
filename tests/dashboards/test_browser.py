"""The dashboard in a browser."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from playwright.sync_api import Locator, Page, expect

from dashboards.app import PAGES
from tams_data.client import TamsClient
from tests.api.process import Service
from tests.dashboards.conftest import Watched
from tests.dashboards.process import Dashboard

Open = Callable[..., Watched]

WAIT_MS = 20_000
"""As long as a busy machine may take; what is measured is in the benchmarks."""


def card(page: Page, title: str) -> Locator:
    """The picture with this title."""
    return page.get_by_role("region", name=title, exact=True)


def ready(page: Page) -> Page:
    """The page, once every picture is drawn."""
    expect(page.get_by_text(re.compile(r"^Live, "))).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".skeleton")).to_have_count(0, timeout=WAIT_MS)
    return page


def rows_of(table: Locator) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in table.locator("tbody tr:not(.filler)").all()]


@pytest.mark.parametrize("look", ["wide-light", "narrow-dark"])
@pytest.mark.parametrize("page_of", PAGES, ids=lambda page: page.path or "overview")
def test_a_page_opens_without_complaint_from_this_origin_alone_and_fits(
    dashboard: Dashboard, watched: Open, picture_of: Callable[[Page, str], None], page_of, look: str
):
    width, theme = look.split("-")
    opened = watched(f"{dashboard.url}/{page_of.path}", width=width, theme=theme)
    page = ready(opened.page)
    expect(page.get_by_role("heading", level=1)).to_have_text(page_of.title)
    for one in page_of.pictures:
        expect(card(page, one.title)).to_be_visible()
    picture_of(page, f"{page_of.path or 'overview'}-{look}")
    assert opened.complaints == []
    assert opened.strangers(dashboard.url) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.dataset.theme") == theme


def test_a_filter_changes_what_the_figures_say_and_can_be_sent_to_a_colleague(dashboard: Dashboard, watched: Open):
    page = ready(watched(f"{dashboard.url}/").page)
    expect(card(page, "At a glance")).to_contain_text(re.compile(r"Flows\s*10"))
    page.get_by_label("Format", exact=True).select_option(label="audio")
    expect(card(page, "At a glance")).to_contain_text(re.compile(r"Flows\s*3"), timeout=WAIT_MS)
    expect(page).to_have_url(re.compile(r"\?format=urn%3Ax-nmos%3Aformat%3Aaudio$"))
    colleague = ready(watched(page.url).page)
    expect(card(colleague, "At a glance")).to_contain_text(re.compile(r"Flows\s*3"))
    expect(colleague.get_by_label("Format", exact=True)).to_have_value("urn:x-nmos:format:audio")


def test_filters_go_along_to_the_other_pages_and_back(dashboard: Dashboard, watched: Open):
    page = ready(watched(f"{dashboard.url}/").page)
    page.get_by_label("Source").fill("Camera A video")
    page.get_by_label("Source").press("Enter")
    page.get_by_label("Source").blur()
    expect(card(page, "At a glance")).to_contain_text(re.compile(r"Flows\s*2"), timeout=WAIT_MS)
    page.get_by_role("link", name="Flow usage").click()
    ready(page)
    expect(card(page, "Flows in figures")).to_contain_text(re.compile(r"Flows\s*2"))
    expect(page.get_by_label("Source")).to_have_value("Camera A video", timeout=WAIT_MS)
    page.go_back()
    ready(page)
    expect(card(page, "At a glance")).to_contain_text(re.compile(r"Flows\s*2"))
    page.get_by_role("button", name="Clear").click()
    expect(card(page, "At a glance")).to_contain_text(re.compile(r"Flows\s*10"), timeout=WAIT_MS)


def test_a_storage_backend_is_called_by_its_label(dashboard: Dashboard, watched: Open):
    page = ready(watched(f"{dashboard.url}/storage-usage").page)
    expect(card(page, "By storage backend")).to_contain_text("local")


def test_a_text_that_is_no_filter_is_told_of(dashboard: Dashboard, watched: Open):
    page = ready(watched(f"{dashboard.url}/").page)
    page.get_by_label("From").fill("soon")
    page.get_by_label("From").blur()
    expect(page.get_by_role("alert").filter(has_text="'soon' is not a TAMS timestamp")).to_be_visible(timeout=WAIT_MS)
    expect(card(page, "At a glance")).to_contain_text(re.compile(r"Flows\s*10"))


def test_the_clock_tells_times_in_tai_and_utc(dashboard: Dashboard, watched: Open):
    page = ready(watched(f"{dashboard.url}/flow-usage").page)
    flows = card(page, "Flows").locator("table")
    expect(flows).to_contain_text("2026-01-01 10:00:00")
    page.get_by_text("TAI", exact=True).click()
    expect(flows).to_contain_text("2026-01-01 10:00:37", timeout=WAIT_MS)
    expect(flows.get_by_role("columnheader", name="From (TAI)")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?scale=TAI$"))


def test_a_table_sorts_and_filters_with_the_keyboard(dashboard: Dashboard, watched: Open):
    page = ready(watched(f"{dashboard.url}/flow-usage").page)
    region = card(page, "Flows")
    table = region.locator("table")
    search = region.get_by_role("searchbox")
    search.focus()
    page.keyboard.type("camera video")
    expect(region.get_by_text("1–3 of 3 found of 10")).to_be_visible(timeout=WAIT_MS)
    for _ in range(3):  # past both downloads to the table, and its first heading
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(table.get_by_role("columnheader", name="Flow")).to_have_attribute("aria-sort", "ascending", timeout=WAIT_MS)
    expect(table.locator("tbody tr").first).to_contain_text("Camera A proxy")
    page.keyboard.press("Enter")
    expect(table.locator("tbody tr").first).to_contain_text("Camera B video", timeout=WAIT_MS)


def test_a_download_has_the_rows_that_the_table_finds(dashboard: Dashboard, demo_service: Service, watched: Open):
    page = ready(watched(f"{dashboard.url}/flow-usage?format=urn:x-nmos:format:video").page)
    region = card(page, "Flows")
    region.get_by_role("searchbox").fill("camera")
    expect(region.get_by_text("1–3 of 3 found of 4")).to_be_visible(timeout=WAIT_MS)
    found = {}
    for kind in ("CSV", "Parquet"):
        with page.expect_download(timeout=WAIT_MS) as started:
            region.get_by_role("button", name=kind).click()
        assert started.value.suggested_filename == f"flows.{kind.lower()}"
        found[kind] = io.BytesIO(Path(started.value.path()).read_bytes())
    with TamsClient(demo_service.url) as client:
        expected = {one["id"] for one in client.flows(format="urn:x-nmos:format:video") if "Camera" in one["label"]}
    table = pyarrow.parquet.read_table(found["Parquet"])
    assert set(table["flow_id"].to_pylist()) == expected
    assert set(pyarrow.csv.read_csv(found["CSV"])["flow_id"].to_pylist()) == expected
    assert table["covered_ns"].to_pylist() == [60 * 10**9] * len(expected)


def test_the_theme_can_be_switched_and_is_remembered(dashboard: Dashboard, watched: Open):
    page = ready(watched(f"{dashboard.url}/", theme="light").page)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_page_is_walked_through_with_the_keyboard(dashboard: Dashboard, watched: Open):
    page = ready(watched(f"{dashboard.url}/").page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the figures")).to_be_focused()
    for name in ("TAMS", *(one.title for one in PAGES)):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Light or dark")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Source")).to_be_focused()
