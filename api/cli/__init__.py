"""The `tams` command."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

import click

from tams_data import __version__
from tams_data.errors import TamsDataError

_MODULES: Mapping[str, str] = {
    **dict.fromkeys(("run", "serve", "dashboard"), "serve"),
    "welcome": "welcome",
    **dict.fromkeys(("ingest", "export", "demo"), "transfer"),
    **dict.fromkeys(("sources", "flows", "segments"), "inspect"),
    "check": "check",
    "access": "access",
    **dict.fromkeys(("backup", "restore", "verify"), "keeping"),
    **dict.fromkeys(("worker", "jobs"), "jobs"),
    "notebooks": "notebooks",
}
"""The commands, each with the module of this package that has it. It is loaded when the command is given: each needs
little, all of them together a second."""


class _Group(click.Group):
    """A group whose commands end in one line on what went wrong, never in a traceback, for errors we foresaw."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _MODULES:
            return None
        commands: tuple[click.Command, ...] = import_module(f"{__name__}.{_MODULES[cmd_name]}").COMMANDS
        return next(one for one in commands if one.name == cmd_name)

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except TamsDataError as error:
            click.echo(f"tams: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tams")
def main() -> None:
    """A time-addressable media store."""
