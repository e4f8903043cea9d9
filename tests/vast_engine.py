"""Databases of the VAST engine, over an emulator that all tests share."""

from __future__ import annotations

from functools import cache
from itertools import count

from tams_data.engines.vast import Vast
from tams_data.settings import VastSettings
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator

BUCKET = "tams"

_numbers = count()


@cache
def emulator() -> Emulator:
    """The emulator; it ends with the process, as its threads do."""
    running = Emulator()
    running.create_bucket(BUCKET)
    return running


def settings(schema: str) -> VastSettings:
    """How the emulator is reached."""
    return VastSettings(
        endpoint=emulator().endpoint,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        bucket=BUCKET,
        VAST_SCHEMA=schema,
        _env_file=None,
    )


def database() -> Vast:
    """An empty database, in a schema of its own."""
    return Vast(settings(f"schema-{next(_numbers)}"))
