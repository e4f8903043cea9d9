"""A store with the demonstration in it, as a newcomer gets it: made once in a test run, and copied for each process."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tams_data.client import TamsClient
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.keeping import backup
from tams_data.keeping.contents import contents_of
from tams_data.keeping.restore import restore
from tams_data.transfer import demo
from tests.api.process import Service


def data_folder(shared: Path, own: Path) -> Path:
    """A data folder with the demo, in `own`: a copy of the one in `shared`, which whoever comes first makes."""
    with _alone(shared / "demo.lock"):
        if not (shared / "demo").exists():
            _make(shared / "demo.part")
            (shared / "demo.part" / "data").rename(shared / "demo")
    return Path(shutil.copytree(shared / "demo", own / "data"))


@contextmanager
def served(data: Path, folder: Path) -> Iterator[Service]:
    """A service on a copy, in `folder`, of a data folder, for the length of the block."""
    shutil.copytree(data, folder / "data")
    with Service(folder) as running:
        yield running


def _make(folder: Path) -> None:
    with Service(folder) as running:
        with TamsClient(running.url) as client:
            demo.make(client)
        running.terminate(within_s=30)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process of the test run at a time."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def restored_into(database: Database, data: Path, scratch: Path) -> None:
    """Put the rows of a data folder, which no service has open, into an empty database of another engine."""
    source = DuckDB(data / "tams.duckdb", read_only=True)
    with source.scanning() as scan:
        backup.write(scratch / "backup", contents_of(source, scan))
    source.close()
    restore(database, scratch / "backup")
