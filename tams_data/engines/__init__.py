"""Where the rows live: `connect(url)` gives a database."""

from __future__ import annotations

from pathlib import Path

from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import InvalidSetting


def connect(url: str, *, memory_limit: str | None = None) -> Database:
    """Open the database at `url`: `duckdb:///file` (`duckdb:////file` from the root), or `duckdb://` in memory.

    :raise InvalidSetting: no engine is known for the URL.
    :raise DatabaseLocked: another process has the file open.
    :raise StoreUnavailable: the file cannot be opened.
    """
    scheme, separator, place = url.partition("://")
    if scheme == "duckdb" and separator:
        path = place.removeprefix("/")
        return DuckDB(Path(path) if path else None, memory_limit=memory_limit)
    raise InvalidSetting(f"TAMS_DATABASE_URL={url!r}: not duckdb:///path or duckdb://")
