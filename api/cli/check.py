"""`tams check`: whether the database and the media that are set do what the service needs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from api.cli.tables import echo_table
from tams_data.settings import Settings

if TYPE_CHECKING:
    from tams_data.check import Finding

_HELD = {True: "yes", False: "NO", None: "skipped"}


@click.command()
def check() -> None:
    """Try the database and the media that are set, apart from what is in them.

    The database is tried in a scratch place: a schema with a random name in the same bucket of VAST Database, or a
    folder beside the file of the embedded one. It is removed at the end, as are the objects that the media stores got.
    Ends with 1 when something did not hold.
    """
    from tams_data.check import check as probe  # noqa: PLC0415  # it loads every engine, which no other command needs

    settings = Settings.load()
    findings: list[Finding] = []
    try:
        with _interrupts():
            probe(settings, findings.append)
    finally:
        echo_table(("PROBE", "HELD", "DETAIL"), [(one.name, _HELD[one.held], one.detail) for one in findings])
    if any(one.held is False for one in findings):
        sys.exit(1)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Be interrupted, as by Ctrl-C, by what else ends a process: it cleans up then."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


COMMANDS = (check,)
