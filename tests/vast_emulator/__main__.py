"""Run the emulator by itself: `python -m tests.vast_emulator`."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator


@click.command()
@click.option("--port", default=9090, show_default=True, help="0: a free one")
@click.option("--data", type=click.Path(dir_okay=False, path_type=Path), help="A file to keep it all in, else memory")
@click.option(
    "--bucket", "buckets", multiple=True, default=["vastdb"], show_default=True, help="Made unless it is there"
)
@click.option("--access-key", default=ACCESS_KEY, show_default=True)
@click.option("--secret-key", default=SECRET_KEY, show_default=True)
@click.option("--version", default="5.5.0.0", show_default=True, help="What VAST it is")
def main(
    *, port: int, data: Path | None, buckets: tuple[str, ...], access_key: str, secret_key: str, version: str
) -> None:
    """Answer as VAST Database does until interrupted; the first line printed is the endpoint."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with Emulator(port=port, data=data, keys={access_key: secret_key}, version=version) as emulator:
        for bucket in buckets:
            emulator.create_bucket(bucket)
        click.echo(emulator.endpoint)
        stopped.wait()


if __name__ == "__main__":
    main()
