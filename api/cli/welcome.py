"""`tams welcome`, which `tams run` starts: the demo for an empty store, and what to open."""

from __future__ import annotations

import time

import click
import httpx

from tams_data.client import TamsClient
from tams_data.errors import RequestFailed
from tams_data.settings import Settings
from tams_data.transfer import demo


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


COMMANDS = (welcome,)
