"""`tams run`, `tams serve` and `tams dashboard`: the service and the dashboard as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import click

from api import server
from tams_data.processes import check_port
from tams_data.settings import Settings

_OPTIONS = (
    click.option("--host", help="Address to listen on (TAMS_HOST)"),
    click.option("--port", type=int, help="Port to listen on (TAMS_PORT)"),
    click.option("--data-dir", help="Folder of the database and the media (TAMS_DATA_DIR)"),
)

_DASHBOARD = (sys.executable, "-m", "dashboards")


def _service_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _settings(given: Mapping[str, Any]) -> Settings:
    """The settings, options first. The worker process reads the same ones from the environment."""
    os.environ.update({f"TAMS_{name.upper()}": str(value) for name, value in given.items() if value is not None})
    return Settings.load()


@click.command()
@_service_options
def serve(**given: Any) -> None:
    """Serve the API alone."""
    server.serve(_settings(given))


@click.command()
@_service_options
def run(**given: Any) -> None:
    """Serve the API, and the dashboard beside it; on an empty store, put the demo into it."""
    settings = _settings(given)
    check_port(settings.host, settings.port)  # before the demo is put into another service, that listens there
    # Processes of their own: making pictures keeps a processor busy, and the service is to answer meanwhile.
    commands = [[sys.executable, "-c", "from api.cli import main; main()", "welcome"]]
    if settings.dashboard:
        commands.append([*_DASHBOARD, "--with-parent"])
    with ExitStack() as beside:
        for command in commands:
            process = beside.enter_context(subprocess.Popen(command))  # noqa: S603  # our own, with nothing given in it
            beside.callback(process.terminate)
        server.serve(settings)


@click.command()
@click.option("--api", envvar="TAMS_URL", help="The service it is of; default: the one that `tams run` starts")
@click.option("--host", help="Address to listen on (TAMS_DASHBOARD_HOST)")
@click.option("--port", type=int, help="Port to listen on (TAMS_DASHBOARD_PORT)")
def dashboard(api: str | None, host: str | None, port: int | None) -> None:
    """Serve the dashboard alone, of a service that runs already."""
    settings = _settings({"dashboard_host": host, "dashboard_port": port})
    click.echo(f"The dashboard of {api or settings.url} is at {settings.dashboard_url}; stop it with Ctrl-C.")
    # Not imported: the API knows nothing of the dashboard.
    os.execv(sys.executable, [*_DASHBOARD, *(["--api", api] if api else [])])  # noqa: S606


COMMANDS = (run, serve, dashboard)
