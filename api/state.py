"""What a view needs of the application it runs in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
from flask import current_app

from api.access.admission import caller
from api.intake import Intake
from api.watching.traffic import Traffic
from tams_data.access import Scope
from tams_data.analytics import Analytics
from tams_data.queries.visible import Visible
from tams_data.settings import Settings
from tams_data.store.seen import seen_by
from tams_data.store.store import Store


def store() -> Store:
    """The store this application serves, as the caller may use it."""
    return seen_by(whole_store(), caller())


def whole_store() -> Store:
    """The store this application serves, whoever asks."""
    found: Store = current_app.config["TAMS_STORE"]
    return found


def analytics() -> Analytics:
    """The analyses of that store, of what the caller sees."""
    found: Analytics = current_app.config["TAMS_ANALYTICS"]
    return found.seen_by(caller())


def seen_table(connection: ibis.BaseBackend, name: str) -> ir.Table:
    """What the caller sees of a table."""
    asking = caller()
    if not asking.is_restricted:
        return connection.table(name)
    return getattr(Visible(connection.tables, asking.seen_by, everywhere=True), name)


def settings() -> Settings:
    """The settings it was started with."""
    found: Settings = current_app.config["TAMS_SETTINGS"]
    return found


def traffic() -> Traffic:
    """The requests of that application."""
    found: Traffic = current_app.config["TAMS_TRAFFIC"]
    return found


def intake() -> Intake:
    """The bodies that come in to that application."""
    found: Intake = current_app.config["TAMS_INTAKE"]
    return found


def attributed(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as it is to be written: only an admin says in its place who created or changed it.

    TAMS 8.2, `created_by`: clients may be let say it, "subject to suitable permissions-based limitations".
    """
    asking = caller()
    if asking.name is None or asking.has(Scope.ADMIN):
        return dict(resource)
    return {name: value for name, value in resource.items() if name not in ("created_by", "updated_by")}


def principal() -> str | None:
    """The name of who sends the present request; None where callers are not told apart."""
    return caller().name
