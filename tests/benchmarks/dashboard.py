"""The dashboard of a large store in a browser: how long a person waits for figures and for a change of them."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from dashboards import bars
from dashboards.app import PAGES
from dashboards.axis import resolution_ns
from dashboards.filters import Filters
from dashboards.timeline import PAGE as FLOWS_SEEN
from tams_data.client.analytics import RemoteAnalytics
from tams_data.timerange import TimeRange
from tests.benchmarks.report import Figure, median_ms
from tests.benchmarks.service import service
from tests.dashboards.process import Dashboard

FIRST_MS, CHANGE_MS, QUERIES_MS = 2000, 500, 1000
_PIXELS = 1200
_WAIT_MS = 60_000


def figures(path: Path) -> Iterator[Figure]:
    """Of a dashboard over this store, which a service of its own serves."""
    with service(path) as running, tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{running.port}"
        analytics = RemoteAnalytics(url)
        yield _at_most("overview, its queries one after the other", _of_overview(analytics), QUERIES_MS)
        yield _at_most("timeline, bars of a page of flows", _of_timeline(analytics), CHANGE_MS)
        chromium = shutil.which("chromium")
        if chromium is None:
            return
        with Dashboard(Path(folder), url) as dashboard, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            yield from _in_browser(lambda: browser.new_context().new_page(), dashboard.url)
            browser.close()


def _at_most(name: str, measured: float, most: int) -> Figure:
    return Figure(f"dashboard: {name}", measured, "ms", "most", most, f"at most {most} ms", measured <= most)


def _of_overview(analytics: RemoteAnalytics) -> float:
    questions = {picture.question({}) for picture in PAGES[0].pictures}
    return sum(
        median_ms(lambda _, name=name, given=given: analytics.run(name, **dict(given)), rounds=3, warm=1)
        for name, given in questions
    )


def _of_timeline(analytics: RemoteAnalytics) -> float:
    """The bars of the flows that one sees, from the first to the last of the store."""
    rows = bars.read_rows(analytics, Filters())[:FLOWS_SEEN]
    window = bars.everything(rows)
    assert isinstance(window, TimeRange)
    step_ns = resolution_ns(window, _PIXELS)
    return median_ms(lambda _: bars.read_bars(analytics, rows, window, step_ns), rounds=5, warm=1)


def _in_browser(new_page: Callable[[], Page], url: str) -> Iterator[Figure]:
    first, whole, filtered = [], [], []
    for _ in range(5):
        page = new_page()
        began = time.monotonic_ns()
        page.goto(url)
        expect(page.get_by_role("region", name="At a glance").locator(".skeleton")).to_have_count(0, timeout=_WAIT_MS)
        first.append(_ms_since(began))
        expect(page.locator(".skeleton")).to_have_count(0, timeout=_WAIT_MS)
        whole.append(_ms_since(began))
        time.sleep(2)  # answers are kept for a second
        began = time.monotonic_ns()
        glance = page.get_by_role("region", name="At a glance")
        before = glance.inner_text()
        page.get_by_label("Format", exact=True).select_option(label="audio")
        expect(glance).not_to_have_text(before, timeout=_WAIT_MS)
        filtered.append(_ms_since(began))
        page.context.close()
        time.sleep(2)
    yield _at_most("overview, first figures", statistics.median(first), FIRST_MS)
    yield _at_most("overview, every picture", statistics.median(whole), FIRST_MS)
    yield _at_most("overview, a filter", statistics.median(filtered), CHANGE_MS)


def _ms_since(began_ns: int) -> float:
    return (time.monotonic_ns() - began_ns) / 1e6
