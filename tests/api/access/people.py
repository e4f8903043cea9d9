"""Callers of several kinds, a file that admits them, and clients that send what they send."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
from werkzeug.test import TestResponse

from api.access.hashing import hash_of_token
from api.app import create_app
from tams_data import media
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.client import CheckedClient
from tests.api.process import Service


def entry(name: str, *scopes: str, groups: Iterable[str] | None = None) -> dict[str, Any]:
    """An entry of the file, whose token is the name."""
    made = {"name": name, "hash": hash_of_token(name), "scopes": scopes or ("read", "write", "delete")}
    return made if groups is None else {**made, "groups": list(groups)}


def settings_with(folder: Path, *tokens: Mapping[str, Any], **settings: Any) -> Settings:
    """Settings that admit who has one of these tokens."""
    file = folder / "access.json"
    file.write_text(json.dumps({"tokens": tokens}))
    return Settings(data_dir=folder / "data", access_file=file, _env_file=None, **settings)


class Guarded(Service):
    """The service as a process that admits some tokens."""

    def __init__(self, folder: Path, *tokens: Mapping[str, Any], **settings: str) -> None:
        file = folder / "access.json"
        file.write_text(json.dumps({"tokens": tokens}))
        super().__init__(folder, TAMS_ACCESS_FILE=str(file), **settings)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


class As(CheckedClient):
    """A client that sends a token with each request."""

    token: str | None = None

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        if self.token is not None:
            kwargs["headers"] = {"Authorization": f"Bearer {self.token}", **dict(kwargs.get("headers") or {})}
        return super().open(*args, **kwargs)


class House:
    """An application that admits some people, and clients of theirs by name."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.app = create_app(store, settings, secret=media.secret(settings))
        self.app.test_client_class = As

    def client(self, token: str | None = None) -> As:
        """A client of who has a token, or of a stranger."""
        made = self.app.test_client()
        assert isinstance(made, As)
        made.token = token
        return made
