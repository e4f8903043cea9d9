"""The HTTP face of the store: a Flask application of the TAMS 8.2 API."""

from __future__ import annotations

from api.app import create_app

__all__ = ["create_app"]
