"""`/health`: ready when all that it needs works, and otherwise it says what does not."""

from __future__ import annotations

import shutil

from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.client import CheckedClient, as_object


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
