"""Databases of the VAST engine, over an emulator that all tests share."""

from __future__ import annotations

import copy
from functools import cache
from itertools import count

from tams_data import schema
from tams_data.engines.vast import Vast
from tams_data.queries.locks import ALONE, BLOCKS, EVENTS
from tams_data.settings import VastSettings
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator

BUCKET = "tams"

_numbers = count()
_used: list[Vast] = []


class Recycled(Vast):
    """A database whose tables, emptied, are those of another test when it is closed: to create them takes a second.

    Its connections stay open. What `Vast.close` does is tested in `tests/tams_data/engines/test_vast.py`.
    """

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            _used.append(self)


@cache
def emulator() -> Emulator:
    """The emulator; it ends with the process, as its threads do."""
    running = Emulator()
    running.create_bucket(BUCKET)
    return running


def settings(schema_name: str | None = None) -> VastSettings:
    """How the emulator is reached, and a schema that is not there yet."""
    return VastSettings(
        endpoint=emulator().endpoint,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        bucket=BUCKET,
        VAST_SCHEMA=schema_name or f"schema-{next(_numbers)}",
        _env_file=None,
    )


def database() -> Vast:
    """An empty database, in a schema that no other has now; the tables may be there."""
    while _used:
        used = _used.pop()
        if _emptied(used):
            fresh = copy.copy(used)
            fresh._closed = False
            with fresh.transaction() as transaction:  # object keys begin anew
                numbers = schema.WRITE_LOCKS.rows({"slot": slot, "number": 0} for slot in (BLOCKS, ALONE, EVENTS))
                transaction.update(schema.WRITE_LOCKS, numbers)
            return fresh
    return Recycled(settings())


def _emptied(used: Vast) -> bool:
    """Empty the tables of a database, which is then as new; false when it was never, or has another version."""
    place = (BUCKET, used._settings.schema_name)
    if not emulator().untouched(*place, "schema_versions", rows=1):
        return False
    emulator().empty(*place, keep=("schema_versions", "write_locks"))
    return True
