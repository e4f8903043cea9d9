"""Rows for a person, or for the next program: tables that fit the terminal, and plain ones where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDEST = 10_000
"""Columns of a table that goes into a file or a pipe: nothing is cut off there."""


def echo_json(value: Any) -> None:
    """Write a value as JSON, indented."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def echo_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table. On a terminal it is cut to its width, the first column last; elsewhere nothing is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    filled = [[_one_line(cell) for cell in row] for row in rows]
    for number, name in enumerate(header):
        # The first column is what a person copies.
        least = max((len(row[0]) for row in filled), default=0) if number == 0 else None
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=least)
    for row in filled:
        table.add_row(*map(Text, row))
    _echo(table)


def echo_members(value: Mapping[str, Any]) -> None:
    """Write the members of a JSON object, one a line; those of an object within are named by their path."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in _flat(value):
        table.add_row(Text(name), Text(_one_line(text)))
    _echo(table)


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, member in value.items():
        if isinstance(member, Mapping):
            yield from _flat(member, f"{path}{name}.")
        elif isinstance(member, list) and any(isinstance(one, Mapping) for one in member):
            yield from _flat({str(number): one for number, one in enumerate(member)}, f"{path}{name}.")
        else:
            yield f"{path}{name}", text_of(member)


def text_of(value: Any) -> str:
    """A value of JSON as a person writes it: a list with commas, true as yes, nothing for what is absent."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _one_line(text: str) -> str:
    """A text without what moves a cursor: it may come from anyone."""
    return "".join(character if character.isprintable() else " " for character in text)


def _echo(table: Table) -> None:
    terminal = sys.stdout.isatty()
    console = Console() if terminal else Console(width=_WIDEST, color_system=None)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        # Rich fills the last column; a pipe wants none of that, and click removes the styles of what is no terminal.
        click.echo(line.rstrip())
