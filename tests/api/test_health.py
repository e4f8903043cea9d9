"""`/health`: ready when all that it needs works, and otherwise it says what does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tams_data import media
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.access.people import House, entry, settings_with
from tests.api.client import CheckedClient, as_object
from tests.conftest import ENGINES


def checks(client: CheckedClient, status: int) -> dict[str, bool]:
    """What was checked, and whether it passed."""
    response = client.get("/health")
    assert response.status_code == client.head("/health").status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    found = as_object(response)
    assert (found["live"], found["ready"]) == (True, status == 200)
    assert all(one["passed"] == ("detail" not in one) for one in found["checks"])
    return {one["name"]: one["passed"] for one in found["checks"]}


def test_service_that_works_is_ready_and_says_what_was_checked(client: CheckedClient, store: Store) -> None:
    (storage_id,) = store.media
    assert checks(client, 200) == {
        "database": True,
        "writer": True,
        f"storage backend {storage_id}": True,
        "requests": True,
    }


def test_service_without_its_media_folder_is_not_ready(client: CheckedClient, store: Store, settings: Settings) -> None:
    (storage_id,) = store.media
    shutil.rmtree(settings.data_dir / "media")
    assert checks(client, 503) == {
        "database": True,
        "writer": True,
        f"storage backend {storage_id}": False,
        "requests": True,
    }
    assert as_object(client.get("/health"))["detail"] == f"not ready: storage backend {storage_id}"
    assert client.get("/health").headers["Retry-After"] == "1"


def test_service_whose_database_is_closed_is_not_ready(client: CheckedClient, store: Store) -> None:
    (storage_id,) = store.media
    store.database.close()
    assert checks(client, 503) == {
        "database": False,
        "writer": False,
        f"storage backend {storage_id}": True,
        "requests": True,
    }


def test_service_that_is_closing_is_not_ready(client: CheckedClient, store: Store) -> None:
    store.close()
    assert not any(checks(client, 503)[name] for name in ("database", "writer"))


def test_checking_writes_nothing(client: CheckedClient, settings: Settings) -> None:
    before = sorted(settings.data_dir.rglob("*"))
    checks(client, 200)
    assert sorted(settings.data_dir.rglob("*")) == before


def test_service_lives_whatever_it_needs(client: CheckedClient, store: Store) -> None:
    store.close()
    response = client.get("/health/live")
    assert (response.status_code, as_object(response)) == (200, {"live": True})


PEOPLE = {
    None: False,
    "nobody": False,
    "writer": False,
    "reader of news": False,
    "reader": True,
    "admin": True,
}
"""Who has a token, and whether they are told where things are."""


@pytest.mark.parametrize("name", PEOPLE)
def test_what_is_wrong_is_told_to_who_may_read_the_whole_store(tmp_path: Path, name: str | None) -> None:
    """Paths and hosts are nobody else's affair; whether it is ready is anybody's."""
    settings = settings_with(
        tmp_path,
        entry("writer", "write"),
        entry("reader of news", "read", groups=["news"]),
        entry("reader", "read"),
        entry("admin", "admin"),
    )
    store = Store(ENGINES["duckdb"](), {one.backend.id: one for one in media.connect(settings)})
    client = House(store, settings).client(name)
    shutil.rmtree(settings.data_dir / "media")
    response = client.get("/health")
    assert response.status_code == 503
    (failed,) = [one for one in as_object(response)["checks"] if not one["passed"]]
    assert ("detail" in failed) == PEOPLE[name]
    assert (str(tmp_path) in response.text) == PEOPLE[name]
    store.close()


def test_what_is_wrong_is_logged(client: CheckedClient, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(settings.data_dir / "media")
    client.get("/health")
    assert str(settings.data_dir) in caplog.text
