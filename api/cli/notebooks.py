"""`tams notebooks`: JupyterLab on a copy of the notebooks, connected to the store."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import click

from tams_data.settings import Settings, variables

_FIRST = "1-connect.ipynb"


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("tams-notebooks"),
    show_default=True,
    help="Where the notebooks are put that are not there yet",
)
@click.option("--url", envvar="TAMS_URL", help="The service they read; default: the one that `tams run` starts")
@click.option("--token", envvar="TAMS_TOKEN", help="Bearer token for the service")
@click.option("--port", type=int, default=8888, show_default=True, help="Port to listen on, or the next that is free")
@click.option("--browser/--no-browser", default=True, help="Whether a browser is opened")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def notebooks(
    *, folder: Path, url: str | None, token: str | None, port: int, browser: bool, more: tuple[str, ...]
) -> None:
    """Open the notebooks in JupyterLab. They are copied into a folder, to be changed at will: what is there stays.

    What follows `--` goes to JupyterLab as it is: `tams notebooks -- --allow-root`.
    """
    settings = Settings.load()
    if find_spec("jupyterlab") is None:
        raise click.ClickException("JupyterLab is not installed: pip install 'tams-data-service[notebooks]'")
    copied = copy_missing(folder)
    click.echo(f"{folder}: {len(copied)} notebooks copied" if copied else f"{folder}: as it was")
    given = {name: one for name, one in {"TAMS_URL": url, "TAMS_TOKEN": token}.items() if one is not None}
    environment = {**os.environ, **variables(settings), **given, "JUPYTER_CONFIG_PATH": _config_path()}
    arguments = _arguments(folder, port, browser=browser)
    # Not imported: whoever uses the API alone need not have it.
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", *arguments, *more], environment)  # noqa: S606


def copy_missing(folder: Path) -> list[str]:
    """Copy the notebooks into a folder, and return the names of those that were not there."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [one for one in files("notebooks").iterdir() if one.name.endswith(".ipynb")]
    missing = [one for one in missing if not (folder / one.name).exists()]
    for one in missing:
        (folder / one.name).write_bytes(one.read_bytes())
    return sorted(one.name for one in missing)


def _config_path() -> str:
    """Where JupyterLab looks for settings, those of the user first: ours ask nobody for news of JupyterLab."""
    ours = str(files("notebooks") / "jupyter")
    return os.pathsep.join(filter(None, [os.environ.get("JUPYTER_CONFIG_PATH"), ours]))


def _arguments(folder: Path, port: int, *, browser: bool) -> list[str]:
    """How JupyterLab is started: for this machine alone, with the token that it makes up."""
    return [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--ServerApp.open_browser={browser}",
        f"--LabApp.default_url=/lab/tree/{_FIRST}",
    ]


COMMANDS = (notebooks,)
