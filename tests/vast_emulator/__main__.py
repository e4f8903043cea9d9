"""Run the emulator by itself: `python -m tests.vast_emulator`."""

from __future__ import annotations

import signal
from pathlib import Path
from time import sleep

import click

from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0: others reach it, keys or not")
@click.option("--port", default=9090, show_default=True, help="0: a free one")
@click.option("--data", type=click.Path(dir_okay=False, path_type=Path), help="A file to keep it all in, else memory")
@click.option(
    "--bucket", "buckets", multiple=True, default=["vastdb"], show_default=True, help="Made unless it is there"
)
@click.option("--access-key", default=ACCESS_KEY, show_default=True)
@click.option("--secret-key", default=SECRET_KEY, show_default=True)
@click.option("--version", default="5.5.0.0", show_default=True, help="What VAST it is")
def main(
    *,
    host: str,
    port: int,
    data: Path | None,
    buckets: tuple[str, ...],
    access_key: str,
    secret_key: str,
    version: str,
) -> None:
    """Answer as VAST Database does until interrupted; the first line printed is the endpoint."""
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: told.append(number))
    with Emulator(host=host, port=port, data=data, keys={access_key: secret_key}, version=version) as emulator:
        for bucket in buckets:
            emulator.create_bucket(bucket)
        click.echo(emulator.endpoint)
        while not told:
            sleep(0.2)  # a wait without end misses a signal that comes as it begins


if __name__ == "__main__":
    main()
