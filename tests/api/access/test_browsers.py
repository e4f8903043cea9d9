"""A page of another site changes nothing by way of a browser, and reads nothing where access is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tams_data import media
from tams_data.engines.duckdb import DuckDB
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.access.people import As, House, entry, settings_with
from tests.api.builders import video_flow

Open = Callable[..., As]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Clients of services with some settings."""
    stores: list[Store] = []

    def open_(*, guarded: bool = False, **settings: Any) -> As:
        chosen = settings_with(tmp_path, entry("t"), **settings)
        if not guarded:
            chosen = Settings(data_dir=tmp_path / "data", _env_file=None, **settings)
        stores.append(Store(DuckDB(None), {one.backend.id: one for one in media.connect(chosen)}))
        return House(stores[-1], chosen).client("t" if guarded else None)

    yield open_
    for one in stores:
        one.close()


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        pytest.param({}, {}, 201, id="no-browser"),
        pytest.param({}, {"Origin": "http://localhost"}, 201, id="its-own-page"),
        pytest.param({}, {"Origin": "http://other", "Sec-Fetch-Site": "same-origin"}, 201, id="behind-a-proxy"),
        pytest.param({}, {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403, id="another-site"),
        pytest.param({}, {"Origin": "https://evil.example"}, 403, id="another-site-in-an-old-browser"),
        pytest.param({}, {"Origin": "http://localhost:5006"}, 403, id="another-port"),
        pytest.param({}, {"Origin": "null"}, 403, id="a-page-of-nowhere"),
        pytest.param({"guarded": True}, {"Origin": "https://evil.example"}, 403, id="with-credentials-of-the-browser"),
        pytest.param({"cors_origins": "https://a.example"}, {"Origin": "https://a.example"}, 201, id="admitted"),
        pytest.param({"cors_origins": "*"}, {"Origin": "https://evil.example"}, 201, id="any-admitted"),
        pytest.param({"public_url": "https://b.example/x"}, {"Origin": "https://b.example"}, 201, id="public-url"),
    ],
)
def test_a_page_of_another_site_changes_nothing(
    opened: Open, settings: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    client = opened(**settings)
    assert client.post("/flows", json=video_flow(), headers=headers).status_code == status
    assert client.get("/flows", headers=headers).status_code == 200, "what it may read is the affair of CORS"


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        pytest.param({}, "localhost:8000", 200, id="localhost"),
        pytest.param({}, "127.0.0.1", 200, id="address"),
        pytest.param({}, "[::1]:8000", 200, id="address-of-ipv6"),
        pytest.param({}, "tams.localhost", 200, id="below-localhost"),
        pytest.param({}, "evil.example:8000", 403, id="a-name-that-leads-here"),
        pytest.param({}, "localhost.evil.example", 403, id="a-name-that-looks-like-it"),
        pytest.param({"public_url": "https://tams.example"}, "tams.example", 200, id="its-public-name"),
        pytest.param({"access": "open"}, "evil.example", 200, id="open-said-outright"),
        pytest.param({"guarded": True}, "evil.example", 200, id="with-credentials"),
    ],
)
def test_where_access_is_open_this_machine_is_called_by_its_own_name(
    opened: Open, settings: dict[str, Any], host: str, status: int
) -> None:
    assert opened(**settings).get("/flows", headers={"Host": host}).status_code == status
