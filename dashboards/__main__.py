"""`python -m dashboards`, which `tams run` and `tams dashboard` start."""

from __future__ import annotations

import sys

import click

from dashboards.server import serve
from tams_data.errors import InvalidSetting, TamsDataError
from tams_data.settings import Settings


@click.command()
@click.option("--api", help="The service it is of; default: the one of the settings")
@click.option("--with-parent", is_flag=True, help="End when the process that started this one does")
def main(api: str | None, with_parent: bool) -> None:
    """Serve the dashboard. Settings are `TAMS_DASHBOARD_HOST` and the like, and `TAMS_TOKEN`."""
    try:
        settings = Settings.load()
        _serve(settings, api, with_parent=with_parent)
    except TamsDataError as error:
        click.echo(f"tams: the dashboard cannot start: {error}", err=True)
        sys.exit(1)


def _serve(settings: Settings, api: str | None, *, with_parent: bool) -> None:
    try:
        serve(settings, api, token=settings.own_token, with_parent=with_parent)
    except OSError as error:
        where = f"TAMS_DASHBOARD_HOST={settings.dashboard_host}, TAMS_DASHBOARD_PORT={settings.dashboard_port}"
        raise InvalidSetting(f"{where}: {error.strerror or error}") from error


if __name__ == "__main__":
    main()
