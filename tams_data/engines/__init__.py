"""Where the rows live: `connect(url)` gives a database."""

from __future__ import annotations

from pathlib import Path

from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import InvalidSetting
from tams_data.settings import VastSettings


def connect(url: str, *, memory_limit: str | None = None, read_only: bool = False) -> Database:
    """Open the database at `url`.

    `duckdb:///file` (`duckdb:////file` from the root), `duckdb://` in memory, or `vast://bucket/schema`. Of the
    latter either part may be left out; it, the endpoint and the keys are in `VAST_` variables. A file that is opened
    with `read_only` must be there, and several processes may have it open so.

    :raise InvalidSetting: no engine is known for the URL.
    :raise DatabaseLocked: another process has the file open.
    :raise StoreUnavailable: the file cannot be opened.
    """
    scheme, separator, place = url.partition("://")
    if scheme == "duckdb" and separator:
        path = place.removeprefix("/")
        return DuckDB(Path(path) if path else None, memory_limit=memory_limit, read_only=read_only)
    if scheme == "vast" and separator:
        return _vast(place)
    raise InvalidSetting(f"TAMS_DATABASE_URL={url!r}: not duckdb:///path, duckdb:// or vast://bucket/schema")


def _vast(place: str) -> Database:
    if any(character in place for character in "@:?"):
        # its text is not repeated: it may have keys in it
        raise InvalidSetting("TAMS_DATABASE_URL: a vast:// URL has a bucket and a schema; keys are in VAST_ variables")
    from tams_data.engines.vast import Vast  # noqa: PLC0415  # its SDK takes a second, which others need not wait

    bucket, _, schema = place.rstrip("/").partition("/")
    given = {"bucket": bucket, "VAST_SCHEMA": schema}
    return Vast(VastSettings.load(**{name: value for name, value in given.items() if value}))
