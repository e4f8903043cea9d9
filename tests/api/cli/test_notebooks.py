"""`tams notebooks` opens a copy of the notebooks, in JupyterLab, for whoever has its token on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from playwright.sync_api import sync_playwright

from api.cli import main
from api.cli.notebooks import copy_missing
from tests.api.process import ROOT, Service, free_port, wait_until, without_settings

NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_the_notebooks_are_copied(tmp_path: Path) -> None:
    assert copy_missing(tmp_path / "mine") == NAMES
    for name in NAMES:
        assert (tmp_path / "mine" / name).read_bytes() == (ROOT / "notebooks" / name).read_bytes()


def test_what_somebody_changed_stays_and_what_is_gone_comes_back(tmp_path: Path) -> None:
    copy_missing(tmp_path)
    changed, gone = tmp_path / NAMES[0], tmp_path / NAMES[1]
    changed.write_text("mine")
    gone.unlink()
    assert copy_missing(tmp_path) == [gone.name]
    assert changed.read_text() == "mine"


def test_without_jupyterlab_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("api.cli.notebooks.find_spec", lambda _name: None)
    done = CliRunner().invoke(main, ["notebooks"])
    assert done.exit_code == 1
    assert "pip install 'tams-data-service[notebooks]'" in done.output
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that runs: its URL, with its token, and its process."""

    url: httpx.URL
    pid: int


@contextmanager
def started(folder: Path, port: int) -> Iterator[Lab]:
    """A JupyterLab that the command starts in a folder with settings in `.env`, among them the port of a service."""
    (folder / ".env").write_text(f"TAMS_PORT={port}\nTAMS_TOKEN=abc\n")
    log = folder / "lab.log"
    command = [sys.executable, "-c", "from api.cli import main; main()", "notebooks", "--no-browser"]
    environment = {**without_settings(), "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--port", str(free_port()), "--", "--allow-root"],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: "token=" in log.read_text(), within_s=90, failing=log.read_text)
        url = re.findall(r"http://127\.0\.0\.1:\d+/\S+token=\w+", log.read_text())[0]
        yield Lab(httpx.URL(url), process.pid)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """One for a service that is not there."""
    with started(tmp_path, 8123) as running:
        yield running


def test_jupyterlab_opens_the_copies_with_the_settings_for_whoever_has_its_token(lab: Lab, tmp_path: Path) -> None:
    url = lab.url
    assert url.path == f"/lab/tree/{NAMES[0]}"
    with httpx.Client(base_url=url.copy_with(raw_path=b"/"), params={"token": url.params["token"]}) as client:
        assert sorted(one["name"] for one in client.get("/api/contents").json()["content"]) == NAMES
        page = client.get("/lab").text
    assert '"@jupyterlab/apputils-extension:announcements"' in page, "it would ask whether to fetch news"
    assert httpx.get(url.copy_with(raw_path=b"/api/contents")).status_code == 403
    assert sorted(path.name for path in (tmp_path / "tams-notebooks").glob("*.ipynb")) == NAMES
    assert {"TAMS_PORT=8123", "TAMS_TOKEN=abc", f"TAMS_DATA_DIR={tmp_path / '.data'}"} <= environment_of(lab.pid)


def environment_of(pid: int) -> set[str]:
    """The variables of a process, which its kernels inherit."""
    return set(Path(f"/proc/{pid}/environ").read_text().split("\0"))


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium here")
def test_in_a_browser_a_notebook_runs_on_the_store_and_asks_nobody_else(full_demo: Service, tmp_path: Path) -> None:
    asked: list[str] = []
    with started(tmp_path, full_demo.port) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(str(lab.url))
        page.get_by_role("heading", name="Connect: what is in the store").wait_for(timeout=120_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).first.click()
        page.locator(".jp-Notebook").first.press("Control+Home")
        page.get_by_text(f"<tams http://localhost:{full_demo.port}>").wait_for(timeout=120_000)
        browser.close()
    assert [url for url in asked if not url.startswith((f"http://127.0.0.1:{lab.url.port}/", "data:", "blob:"))] == []
