"""A place to try an engine in: beside a store, and apart from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from tams_data.settings import VastSettings


@dataclass(frozen=True)
class Scratch:
    """An empty place for a database at `url`; `remove` leaves nothing of it, and may be called if nothing is there.

    The database is closed before, or of no use afterwards.
    """

    url: str
    remove: Callable[[], None]


def beside(url: str) -> Scratch:
    """A place for the engine of `url`, with a random name: a schema in its bucket, or a folder beside its file.

    :raise InvalidSetting: a `VAST_` variable is missing, or has a value that cannot be used.
    """
    name = f"tams-check-{uuid4().hex}"
    scheme, _, place = url.partition("://")
    if scheme == "vast":
        bucket = place.strip("/").partition("/")[0] or VastSettings.load().bucket
        return Scratch(f"vast://{bucket}/{name}", partial(_drop, bucket, name))
    path = place.removeprefix("/")
    if scheme == "duckdb" and path:
        folder = Path(path).parent / name
        return Scratch(f"duckdb:///{folder / 'tams.duckdb'}", partial(_remove, folder))
    return Scratch(url, lambda: None)  # in memory, or a URL that nothing is opened for


def _drop(bucket: str, name: str) -> None:
    from tams_data.engines.vast import Vast  # noqa: PLC0415  # as in `connect`

    # A connection of its own: whatever happened to the other one.
    database = Vast(VastSettings.load(bucket=bucket, VAST_SCHEMA=name))
    try:
        database.drop_tables()
    finally:
        database.close()


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
