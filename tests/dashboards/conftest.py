"""A real browser, a real service with the demo in it, and a real dashboard process beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.api.process import Service
from tests.dashboards.process import Dashboard

SCREENSHOTS = Path(__file__).parent.parent / "artefacts" / "screenshots"
_WIDTHS = {"wide": (1280, 900), "narrow": (390, 844)}


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's chromium, installed where that may be done; tests that need it are skipped elsewhere."""
    if shutil.which("chromium") is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(command, check=False, capture_output=True, timeout=600)
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium here, and it could not be installed: `apt-get install chromium`")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for the tests of a module; each has a context of its own.

    While it runs so does an event loop of Playwright's, beside which other tests could not run theirs.
    """
    with sync_playwright() as playwright:
        # The sandbox of chromium needs what containers do not give.
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="package")
def demo_service(full_demo: Service) -> Service:
    """A service with the demo in it. Tests leave it as it is."""
    return full_demo


@pytest.fixture(scope="package")
def dashboard(demo_service: Service, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The dashboard of the demo."""
    with Dashboard(tmp_path_factory.mktemp("dashboard"), demo_service.url) as running:
        yield running


class Watched:
    """A page in the browser, and all that it complained of and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def strangers(self, origin: str) -> list[str]:
        """The requests that went elsewhere."""
        return [one for one in self.requests if not one.startswith((f"{origin}/", "blob:", "data:"))]


@pytest.fixture
def watched(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens pages, each in a context of its own: `watched(url, width="wide", theme="light")`."""
    contexts: list[BrowserContext] = []

    def open_page(url: str, *, width: str = "wide", theme: str = "light") -> Watched:
        across, down = _WIDTHS[width]
        context = browser.new_context(viewport={"width": across, "height": down}, color_scheme=theme, locale="en-GB")
        contexts.append(context)
        opened = Watched(context.new_page())
        opened.page.goto(url)
        return opened

    yield open_page
    for context in contexts:
        try:
            context.close()
        except Error:  # the browser itself is gone, which the test has told of
            continue


@pytest.fixture
def picture_of() -> Callable[[Page, str], None]:
    """Keeps a screenshot of a whole page in the folder of artefacts, which git ignores."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True) and None
