"""Docstrings as Markdown: examples and what is set in columns become code, which they are to whoever reads them."""

from __future__ import annotations

import re

_EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\n).*)*(?:\n\n>>> .*(?:\n(?!\n).*)*)*", re.MULTILINE)
_IN_COLUMNS = re.compile(r"(?:^\S+ {2,}\S.*\n?(?:^ {8,}\S.*\n?)*){2,}", re.MULTILINE)


def readable(docstring: str) -> str:
    """The docstring with fences around its examples and its columns.

    >>> readable("One.\\n\\n>>> 1 + 1\\n2").splitlines()
    ['One.', '', '```pycon', '>>> 1 + 1', '2', '```']
    """
    fenced = _EXAMPLE.sub(lambda found: f"```pycon\n{found.group().rstrip()}\n```", docstring)
    if fenced != docstring:
        return fenced  # what an example prints may be in columns
    return _IN_COLUMNS.sub(lambda found: f"```text\n{found.group().rstrip()}\n```\n", docstring)
