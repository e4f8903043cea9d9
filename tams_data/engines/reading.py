"""Where an analyst reads: an Ibis connection to a service that runs, or to a database that none has open."""

from __future__ import annotations

import httpx
import ibis

from tams_data import engines
from tams_data.errors import DatabaseLocked, InvalidInput
from tams_data.scan.tams import Backend
from tams_data.settings import Settings

_PATIENCE_S = 5
"""How long a service may take to say that it lives."""


def connect(url: str | None, token: str | None) -> ibis.BaseBackend:
    """See `tams_data.connect`."""
    if url is None:
        return _here(Settings.load(), token)
    scheme = url.partition("://")[0]
    if scheme in ("http", "https"):
        return _service(url, token)
    if scheme in ("duckdb", "vast"):
        return engines.connect(url, read_only=True).ibis()
    # its text is not repeated: it may have a password in it
    raise InvalidInput(f"url {scheme}://…: not http(s)://, duckdb:// or vast://", field="url", value=scheme)


def _here(settings: Settings, token: str | None) -> ibis.BaseBackend:
    if _lives(settings.url):
        return _service(settings.url, token or settings.own_token)
    try:
        return engines.connect(settings.database, memory_limit=settings.database_memory, read_only=True).ibis()
    except DatabaseLocked as error:
        raise DatabaseLocked(
            f"{error}. A service that is not at {settings.url} has it: connect to the URL where that is"
        ) from error


def _service(url: str, token: str | None) -> ibis.BaseBackend:
    return Backend().connect(url, token=token)


def _lives(url: str) -> bool:
    """Whether it is this service that answers at a URL, ready or not, and not another."""
    try:
        said = httpx.get(f"{url}/health", timeout=_PATIENCE_S).json()
    except (httpx.TransportError, ValueError):
        return False
    return isinstance(said, dict) and said.get("live") is True
