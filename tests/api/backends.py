"""A service with several storage backends, as operators describe them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from tams_data.errors import ObjectNotFound
from tams_data.media import NO_CHECKSUMS, MediaStore, OpenObject, Stat, StorageBackend, Stream

STORAGE_IDS = {name: f"{i:08}-0000-4000-8000-000000000000" for i, name in enumerate(["x", "y", "z", "a", "b"])}
"""By a name for each backend; x and y have no label, and the ids of z, a and b are in no order of their labels."""

TAGS: dict[str, dict[str, Any]] = {
    "z": {"tier": ["hot"], "empty": []},
    "y": {"tier": ""},
    "b": {"tier": "cold", "site": ["cardiff"]},
    "x": {},
    "a": {"tier": "hot", "site": ["salford", "london"]},
}

DEFAULT = "a"


class Elsewhere:
    """A media store with an address of its own, at which nothing has arrived yet."""

    def __init__(self, name: str) -> None:
        self.host = f"https://{name}.example"
        self.backend = StorageBackend(
            id=STORAGE_IDS[name],
            provider="example",
            store_product="buckets",
            region=f"region-{name}",
            label=None if name in "xy" else name,
            tags=TAGS[name],
            default_storage=name == DEFAULT,
        )

    def put_url(self, object_id: str, *, content_type: str, presigned: bool, base_url: str) -> str:  # noqa: ARG002  # it has its own
        return f"{self.host}/put/{quote(object_id, safe='')}{'?signed' if presigned else ''}"

    def get_url(self, object_id: str, *, presigned: bool, base_url: str) -> str:  # noqa: ARG002  # it has its own
        return f"{self.host}/get/{quote(object_id, safe='')}{'?signed' if presigned else ''}"

    def stat(self, object_id: str) -> Stat | None:  # noqa: ARG002
        return None

    def open(self, object_id: str) -> OpenObject:
        raise ObjectNotFound(f"nothing has arrived for {object_id!r}")

    def write(
        self,
        object_id: str,
        stream: Stream,
        *,
        length: int,
        content_type: str,
        checksums: Mapping[str, bytes] = NO_CHECKSUMS,
        confirm: Callable[[], object] | None = None,
    ) -> Stat:
        raise NotImplementedError("clients upload to the address of the store")

    def copy_from(
        self,
        source: MediaStore,  # noqa: ARG002
        object_id: str,  # noqa: ARG002
        *,
        going_on: Callable[[], object],  # noqa: ARG002
        confirm: Callable[[], object],  # noqa: ARG002
    ) -> bool:
        return False

    def delete(self, object_ids: Iterable[str]) -> None:
        list(object_ids)

    def check(self) -> None:
        """It is always there."""
