"""HTML of the data layer's own values: how a notebook shows them, and what reports are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Heading:
    """What stands above a column: a `title` is shown to who points at it, and `number`s stand on the right."""

    text: str
    title: str = ""
    number: bool = False


def table(headings: Sequence[Heading], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """A table, whatever characters are in its texts.

    >>> table([Heading("n", number=True)], [["<1"]])
    '<table><thead><tr><th style="text-align:right">n</th></tr></thead>\\n<tbody>\\n<tr>\
<td style="text-align:right">&lt;1</td></tr>\\n</tbody></table>'
    """
    above = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    head = "".join(f"<th{_title(one)}{_style(one)}>{escape(one.text)}</th>" for one in headings)
    body = "\n".join(f"<tr>{_cells(headings, row)}</tr>" for row in rows)
    return f"<table>{above}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def _cells(headings: Sequence[Heading], row: Sequence[object]) -> str:
    pairs = zip(headings, row, strict=True)
    return "".join(f"<td{_style(one)}>{escape(str(value))}</td>" for one, value in pairs)


def _title(heading: Heading) -> str:
    return f' title="{escape(heading.title)}"' if heading.title else ""


def _style(heading: Heading) -> str:
    # Said for each cell: GitHub and JupyterLab leave out style sheets, and set what is not said to the right.
    return f' style="text-align:{"right" if heading.number else "left"}"'
