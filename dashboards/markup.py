"""Pieces of HTML that pictures are made of. Text that is given is escaped here; `assets/parts.css` has the looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Tile:
    """One figure that matters: what it is of, the figure, and what to know beside it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """A bar with its name on top: `size` is its length, as measured as those beside it, and `text` is what it says."""

    name: str
    size: int
    text: str
    note: str = ""


def tiles(shown: Iterable[Tile]) -> str:
    """Figures side by side."""
    return f'<dl class="tiles">{"".join(map(_tile, shown))}</dl>'


def bars(shown: Iterable[Bar], *, whole: int | None = None) -> str:
    """Bars below each other, the longest as wide as there is room; or parts of `whole`, which is as wide."""
    listed = list(shown)
    longest = max((one.size for one in listed), default=0) if whole is None else whole
    return f'<ul class="bars">{"".join(_bar(one, longest) for one in listed)}</ul>'


def message(text: str, *, hint: str = "", kind: str = "empty") -> str:
    """A line where there is nothing to draw; `hint` is what to do, with `backticks` around what is to be typed."""
    return f'<div class="message {kind}"><p>{escape(text)}</p>{f"<p>{_with_code(hint)}</p>" if hint else ""}</div>'


def status(text: str, *, kind: str = "") -> str:
    """Whether the page follows the store."""
    return f'<div class="status {kind}" role="status">{escape(text)}</div>'


def alert(text: str, detail: str) -> str:
    """What is wrong with the whole page."""
    return f'<div class="alert" role="alert"><p>{escape(text)}</p><p>{escape(detail)}</p></div>'


def _tile(one: Tile) -> str:
    note = f'<dd class="note">{escape(one.note)}</dd>' if one.note else ""
    return f"<div><dt>{escape(one.label)}</dt><dd>{escape(one.value)}</dd>{note}</div>"


def _bar(one: Bar, longest: int) -> str:
    per_mille = one.size * 1000 // longest if longest else 0
    note = f"<small>{escape(one.note)}</small>" if one.note else ""
    name = f'<span class="name" title="{escape(one.name)}">{escape(one.name)}</span>'
    track = f'<span class="track"><span style="width:{per_mille / 10:.1f}%"></span></span>'
    return f"<li>{name}<b>{escape(one.text)}</b>{track}{note}</li>"


def _with_code(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
