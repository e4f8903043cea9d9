"""Markdown from values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; nothing where there are no rows.

    >>> print(table(["name", "what it is"], [["a", "one | the other"]]))
    | name | what it is |
    |---|---|
    | a | one \\| the other |
    """
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join([f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *lines]) if lines else ""


def code(text: object) -> str:
    """The text as code; nothing where there is none.

    >>> code("a"), code("")
    ('`a`', '')
    """
    return f"`{text}`" if str(text) else ""


def paragraphs(*parts: str) -> str:
    """The parts that there are, each a paragraph of its own."""
    return "\n\n".join(part for part in parts if part)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
