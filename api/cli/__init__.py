"""The `tams` command."""

from __future__ import annotations

import sys

import click

from api.cli.access import COMMANDS as ACCESS
from api.cli.check import COMMANDS as CHECK
from api.cli.inspect import COMMANDS as INSPECT
from api.cli.jobs import COMMANDS as JOBS
from api.cli.keeping import COMMANDS as KEEPING
from api.cli.notebooks import COMMANDS as NOTEBOOKS
from api.cli.serve import COMMANDS as SERVE
from api.cli.transfer import COMMANDS as TRANSFER
from tams_data import __version__
from tams_data.errors import TamsDataError


class _Group(click.Group):
    """A group whose commands end in one line on what went wrong, never in a traceback, for errors we foresaw."""

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


for _command in (*SERVE, *TRANSFER, *INSPECT, *CHECK, *ACCESS, *KEEPING, *JOBS, *NOTEBOOKS):
    main.add_command(_command)
