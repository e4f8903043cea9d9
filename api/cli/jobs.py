"""`tams worker` and `tams jobs`: what goes on in the background, as a process, and for a person to look at."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from time import sleep, time_ns
from types import FrameType
from typing import Any

import click

from api.cli.options import of_a_service
from api.cli.tables import echo_json, echo_table, text_of
from tams_data.client.connection import Connection
from tams_data.errors import InvalidSetting
from tams_data.settings import Settings
from tams_data.timerange import NS_PER_SECOND


@click.command()
def worker() -> None:
    """Carry out the jobs of a store on VAST Database, and nothing else.

    Several may, beside services with TAMS_JOBS=false or without it. At SIGTERM each ends the step it is in.
    """
    from api.watching import logs  # noqa: PLC0415  # these load every engine, which no other command needs
    from tams_data.store.opening import open_store  # noqa: PLC0415

    settings = Settings.load()
    _refuse_embedded(settings)
    logs.configure(settings)
    told = _told_to_end()
    store = open_store(settings)
    try:
        store.jobs.start()
        click.echo(f"The jobs of {settings.database} are carried out; stop with Ctrl-C.")
        while not told:
            sleep(_LOOK_S)
    finally:
        store.close()


_LOOK_S = 0.2
"""How often it is looked whether the process was told to end, in seconds.

To wait for an event would not do: setting one takes a lock, which the code that the signal interrupts may have, and a
signal that comes just before a wait without end does not end it.
"""


def _told_to_end() -> Sequence[int]:
    """What the first signal that ends a process is put into; the second ends it.

    Ctrl-C as well where a shell has started the process in the background, which has it ignored.
    """
    told: list[int] = []

    def tell(number: int, _: FrameType | None) -> None:
        if told:
            os._exit(1)
        told.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    return told


def _is_embedded(settings: Settings) -> bool:
    return settings.database.startswith("duckdb:")


def _refuse_embedded(settings: Settings) -> None:
    """Refuse a database that only the service can open.

    :raise InvalidSetting: it is one.
    """
    if _is_embedded(settings):
        raise InvalidSetting(
            f"{settings.database} is open in one process alone: `tams run` and `tams serve` carry out its jobs"
        )


@click.command()
@of_a_service
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every figure")
def jobs(url: str | None, token: str | None, as_json: bool) -> None:
    """Show what the jobs do, what waits for them, and what failed.

    Of a store on VAST Database its tables are read, unless a service is named, whose process is then shown as well.
    """
    settings = Settings.load()
    ask = url is not None or _is_embedded(settings)
    found = _of_service(url or settings.url, token) if ask else _of_database(settings)
    if as_json:
        echo_json(found)
    else:
        echo_table(_HEADER, [_cells(one) for one in found])


def _of_service(url: str, token: str | None) -> list[dict[str, Any]]:
    connection = Connection(url, token, timeout_s=10, retries=1, connections=1)
    try:
        found: list[dict[str, Any]] = connection.request("GET", "jobs").json()
    finally:
        connection.close()
    return found


def _of_database(settings: Settings) -> list[dict[str, Any]]:
    from api.watching.jobs import described  # noqa: PLC0415  # it loads Flask
    from tams_data import engines  # noqa: PLC0415
    from tams_data.store.queues import Ages, queues  # noqa: PLC0415

    garbage_ns = (settings.object_timeout + settings.garbage_grace) * NS_PER_SECOND
    ages = Ages(garbage_ns=garbage_ns, events_ns=settings.events_kept * NS_PER_SECOND)
    database = engines.connect(settings.database)
    try:
        return described([], queues(database, ages, now_ns=time_ns()))
    finally:
        database.close()


_HEADER = ("JOB", "STATE", "WAITING", "OLDEST", "FAILING", "LAST SUCCESS", "ERROR")


def _cells(job: Mapping[str, Any]) -> tuple[str, ...]:
    error = job.get("queue_error") or (job.get("error") if job.get("failures") else None)
    shown = (job.get(name) for name in ("waiting", "oldest", "failing", "succeeded"))
    return (job["name"], _state(job), *map(text_of, shown), text_of(error))


def _state(job: Mapping[str, Any]) -> str:
    if job.get("running"):
        return "running"
    if job.get("failures") or job.get("failing"):
        return "failing"
    if job.get("waiting"):
        return "queued"
    return "not here" if job.get("started") is False else "idle"


COMMANDS = (worker, jobs)
