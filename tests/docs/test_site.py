"""The site is built, strictly, so that no link, anchor or name in it leads nowhere; and nothing of it is fetched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytest.importorskip("mkdocstrings", reason="the site is built from Python 3.11 on")

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""What a browser fetches by itself, by the attribute that says from where."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    built = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class _Loaded(HTMLParser):
    """Where a page has things loaded from."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if LOADED.get(tag) == name]


def test_every_page_has_its_place(site: Path):
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} <= {page.stem for page in site.glob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site: Path):
    for page in site.rglob("*.html"):
        parser = _Loaded()
        parser.feed(page.read_text())
        assert parser.found
        assert [one for one in parser.found if re.match(r"(https?:)?//", one)] == []


def test_style_sheets_load_nothing_from_elsewhere(site: Path):
    for sheet in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//[^)]*|@import[^;]*//[^;]*", sheet.read_text()) == []


def test_the_pages_of_what_is_generated_are_full(site: Path):
    for page, text in (
        ("settings.html", "TAMS_DRAIN_TIMEOUT"),
        ("vast.html", "VAST_DATA_ENDPOINTS"),
        ("analyses.html", "covered_ns"),
        ("data-model.html", "ts_offset_ns"),
        ("rest-api.html", "segment-overlap"),
        ("rest-api/segments.html", "accept_get_urls"),
        ("reference/tams_data.timerange.html", "parse_timestamp_column"),
    ):
        assert text in (site / page).read_text()
