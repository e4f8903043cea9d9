"""`tams run`, `tams serve` and `tams dashboard`: the service and the dashboard as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import click
import httpx

from tams_data.client import TamsClient
from tams_data.errors import RequestFailed
from tams_data.processes import check_port
from tams_data.settings import Settings
from tams_data.transfer import demo

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
    _server().serve(_settings(given))


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
        _server().serve(settings)


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


def _server() -> ModuleType:
    from api import server  # noqa: PLC0415  # it loads every engine, which no other command needs

    return server


@click.command(hidden=True)
def welcome() -> None:
    """Wait for the service, see that the demo is in it if it is wanted, and say what to open."""
    settings = Settings.load()
    client = TamsClient(settings.url, settings.own_token)
    if not _is_up(settings.url):
        return
    click.echo(f"\nTAMS is up at {settings.url} (data in {settings.data_dir}); stop it with Ctrl-C.")
    if not _is_admitted(client):
        click.echo("Set TAMS_TOKEN to a token of TAMS_ACCESS_FILE: without one, neither demo nor dashboard get in.")
        return
    if settings.demo:
        _ensure_demo(client)
    if settings.dashboard:
        click.echo(f"\n  dashboard   {settings.dashboard_url}", nl=False)
    click.echo(f"\n  open        {settings.url}/docs\n  try         {_first_request(client, settings.url)}\n")


def _first_request(client: TamsClient, url: str) -> str:
    """A curl that shows something: where the media of a flow are, or that there is none yet."""
    flow = next(iter(client.flows(format="urn:x-nmos:format:video")), None)
    return f"curl '{url}/flows'" if flow is None else f"curl '{url}/flows/{flow['id']}/segments?limit=2'"


def _is_admitted(client: TamsClient) -> bool:
    try:
        client.service()
    except RequestFailed as error:
        if error.status == httpx.codes.UNAUTHORIZED:
            return False
        raise
    return True


def _ensure_demo(client: TamsClient) -> None:
    if demo.is_complete(client):
        return
    click.echo("Making the demo: two cameras, a proxy and an edit, a minute each …")
    try:
        demo.make(client)
    except RequestFailed as error:
        click.echo(f"tams: the demo is not complete: {error}; the next start goes on with it", err=True)


def _is_up(url: str, *, within_s: int = 60) -> bool:
    deadline = time.monotonic_ns() + within_s * 10**9
    while not (up := _answers(url)) and time.monotonic_ns() < deadline:
        time.sleep(0.05)
    return up


def _answers(url: str) -> bool:
    try:
        httpx.get(f"{url}/service", timeout=2)
    except httpx.TransportError:
        return False
    return True


COMMANDS = (run, serve, dashboard, welcome)
