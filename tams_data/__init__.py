"""The data layer of the time-addressable media store: tables, time ranges, queries, commands and media."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

    from tams_data.answers import Analyses

try:
    __version__ = version("tams-data-service")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"


def connect(url: str | None = None, token: str | None = None) -> ibis.BaseBackend:
    """An Ibis connection that reads the tables of a store, which are those of `tams_data.schema`.

    `url` is that of a running service, `http://localhost:8000`, which is sent `token`; or that of a database,
    `duckdb:///path` or `vast://bucket/schema`, as in `TAMS_DATABASE_URL`. Without one it is that of `TAMS_URL`, else
    the service of this machine by the settings, if it runs, else its database. An embedded database is opened to read
    only, and by as many as like. While a service has it open it cannot be, and the service is to be asked; while it is
    open so, no service can start on it.

    :raise InvalidInput: the URL is of another kind.
    :raise InvalidSetting: a setting cannot be used.
    :raise DatabaseLocked: a service has the database open, and is not where the settings say.
    :raise StoreUnavailable: the database is not there, or cannot be opened.
    """
    from tams_data.engines.reading import connect as connected  # noqa: PLC0415  # Ibis takes a second to import

    return connected(url, token)


def analyses(url: str | None = None, token: str | None = None) -> Analyses:
    """The named analyses of a store, `tams_data.queries.analytics`, found as `connect` finds it, with its errors.

    A service runs them itself; those of a database run here. A notebook shows which there are, and their rows.
    """
    from tams_data.answers import connect as connected  # noqa: PLC0415  # as above

    return connected(url, token)
