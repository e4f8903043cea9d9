"""Where an analyst reads: a service that runs, or a database that none has open."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import ibis

from tams_data import engines
from tams_data.engines.base import Database
from tams_data.errors import DatabaseLocked, InvalidInput
from tams_data.scan.tams import Backend
from tams_data.settings import Settings, service_url

_PATIENCE_S = 5
"""How long a service may take to say that it lives."""


@dataclass(frozen=True)
class ServicePlace:
    """A running service, and the bearer token that it is sent."""

    url: str
    token: str | None = field(repr=False)


def connect(url: str | None, token: str | None) -> ibis.BaseBackend:
    """See `tams_data.connect`."""
    found = located(url, token)
    return Backend().connect(found.url, token=found.token) if isinstance(found, ServicePlace) else found.ibis()


def located(url: str | None, token: str | None) -> ServicePlace | Database:
    """The store at a URL, or the one that the settings lead to; see `tams_data.connect`, whose errors these are."""
    if url is None:
        settings = Settings.load()
        url, token = service_url(), token or settings.own_token
        if url is None:
            return _here(settings, token)
    scheme = url.partition("://")[0]
    if scheme in ("http", "https"):
        return ServicePlace(url, token)
    if scheme in ("duckdb", "vast"):
        return engines.connect(url, read_only=True)
    # its text is not repeated: it may have a password in it
    raise InvalidInput(f"url {scheme}://…: not http(s)://, duckdb:// or vast://", field="url", value=scheme)


def _here(settings: Settings, token: str | None) -> ServicePlace | Database:
    if _lives(settings.url):
        return ServicePlace(settings.url, token)
    try:
        return engines.connect(settings.database, memory_limit=settings.database_memory, read_only=True)
    except DatabaseLocked as error:
        raise DatabaseLocked(
            f"{error}. A service that is not at {settings.url} has it: connect to the URL where that is"
        ) from error


def _lives(url: str) -> bool:
    """Whether it is this service that answers at a URL, ready or not, and not another."""
    try:
        said = httpx.get(f"{url}/health", timeout=_PATIENCE_S).json()
    except (httpx.TransportError, ValueError):
        return False
    return isinstance(said, dict) and said.get("live") is True
