"""What a view needs of the application it runs in."""

from __future__ import annotations

from flask import current_app

from api.watching.traffic import Traffic
from tams_data.analytics import Analytics
from tams_data.settings import Settings
from tams_data.store.store import Store


def store() -> Store:
    """The store this application serves."""
    found: Store = current_app.config["TAMS_STORE"]
    return found


def analytics() -> Analytics:
    """The analyses of that store."""
    found: Analytics = current_app.config["TAMS_ANALYTICS"]
    return found


def settings() -> Settings:
    """The settings it was started with."""
    found: Settings = current_app.config["TAMS_SETTINGS"]
    return found


def traffic() -> Traffic:
    """The requests of that application."""
    found: Traffic = current_app.config["TAMS_TRAFFIC"]
    return found


def principal() -> str | None:
    """Who sends the present request; None where callers are not told apart."""
    return None
