"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "deploy" / "README.md",
)
"""The README first: it shows the demonstration as it is before the other pages have added to it."""

_FENCE = re.compile(r"^(?P<fence>```+)(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=fence)$", re.DOTALL | re.MULTILINE)
_TITLE = re.compile(r'title="([^"]+)"')
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its title where it has one, and its text."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def name(self) -> str:
        """Where it is, for the name of a test."""
        return f"{self.page.name}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Every block of every page, or those of some languages, in order."""
    return [one for page in PAGES for one in blocks_of(page) if not languages or one.language in languages]


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        language, _, rest = found["info"].partition(" ")
        title = _TITLE.search(rest)
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, language, title[1] if title else "", found["text"])


def inline_code(page: Path) -> list[str]:
    """What a page has as code in its sentences."""
    return [" ".join(code.split()) for code in _INLINE.findall(_FENCE.sub("", page.read_text()))]


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures."""
    return _LINK.findall(_INLINE.sub("", _FENCE.sub("", page.read_text())))
