"""The OpenAPI document, as a service serves it to which callers have to say who they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from api.app import create_app
from tams_data.engines import connect
from tams_data.settings import Settings
from tams_data.store.store import Store

_NOBODY = '{"tokens": []}'


@cache
def document() -> dict[str, Any]:
    """The document, of an empty store. It is made once: nobody changes it."""
    with TemporaryDirectory() as folder:
        accounts = Path(folder) / "access.json"
        accounts.write_text(_NOBODY)
        settings = Settings(data_dir=Path(folder), access_file=accounts, _env_file=None)
        store = Store(connect("duckdb://"), {})
        try:
            app = create_app(store, settings, secret=bytes(32))
            found: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
        finally:
            store.close()
    return found
