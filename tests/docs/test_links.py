"""Links of the README and the pages lead somewhere in the source tree as well, where they are read without the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, links


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def inner_links() -> Iterator[tuple[Path, str]]:
    """The links of every page to a file of the project, or into it."""
    for page in PAGES:
        yield from ((page, link) for link in links(page) if "://" not in link)


@pytest.mark.parametrize(
    ("page", "link"), list(inner_links()), ids=lambda one: one if isinstance(one, str) else one.name
)
def test_a_link_leads_to_a_file_and_a_heading(page: Path, link: str):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.is_file() or (target.is_dir() and not anchor)
    assert not anchor or anchor in anchors(target)
