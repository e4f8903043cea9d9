"""The `get_urls` of objects: which instances are wanted, and their URLs (TAMS 8.2, GET segments)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tams_data.media.base import MediaStore


@dataclass(frozen=True, kw_only=True)
class UrlChoice:
    """Which URLs are wanted: those of all filters, where None is no filter. No label at all means no URL.

    `verbose` is whether they carry what is known of their storage.
    """

    labels: frozenset[str] | None = None
    storage_ids: frozenset[str] | None = None
    presigned: bool | None = None
    verbose: bool = False


def any_tags(_: Mapping[str, Any]) -> bool:
    """Every backend is wanted, whatever its tags."""
    return True


@dataclass(frozen=True)
class _Backend:
    media: MediaStore
    shown: Mapping[str, Any]


class ObjectUrls:
    """Makes the `get_urls` of objects."""

    def __init__(
        self,
        media: Mapping[str, MediaStore],
        choice: UrlChoice,
        *,
        base_url: str,
        tags: Callable[[Mapping[str, Any]], bool] = any_tags,
    ) -> None:
        """`media` are the media stores by the id of their backend, of which those are shown whose `tags` pass.

        `base_url` is the service's own, without a slash at the end.
        """
        self._choice, self._tags, self._base_url = choice, tags, base_url
        self._backends = {
            id_: _Backend(one, _shown(one, choice.verbose))
            for id_, one in media.items()
            if self._wanted(one.backend.tags, one.backend.label, id_)
        }
        self._uncontrolled = self._wanted({}, None, None)

    def get_urls(self, of: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        """The URLs of an object with its `instances`: controlled ones plain and presigned; None if none are wanted."""
        if self._choice.labels == frozenset():
            return None
        urls: list[dict[str, Any]] = []
        for instance in of["instances"]:
            if instance["url"] is not None:
                urls.extend(self._outside(instance))
            elif (backend := self._backends.get(instance["storage_id"])) is not None:
                urls.extend(self._inside(of["id"], backend))
        return urls

    def _inside(self, object_id: str, backend: _Backend) -> list[dict[str, Any]]:
        return [
            {
                **backend.shown,
                "url": backend.media.get_url(object_id, presigned=signed, base_url=self._base_url),
                "presigned": signed,
            }
            for signed in (True, False)
            if self._choice.presigned in (None, signed)
        ]

    def _outside(self, instance: Mapping[str, Any]) -> list[dict[str, Any]]:
        accepted = self._choice.labels is None or instance["label"] in self._choice.labels
        if not (self._uncontrolled and accepted and self._choice.presigned is not True):
            return []
        shown = {"controlled": False} if self._choice.verbose else {}
        return [{**shown, "label": instance["label"], "url": instance["url"], "presigned": False}]

    def _wanted(self, tags: Mapping[str, Any], label: str | None, storage_id: str | None) -> bool:
        """Whether a backend passes the filters; an uncontrolled URL is on a backend without id and tags."""
        labels, ids = self._choice.labels, self._choice.storage_ids
        # TAMS 8.2: what has no label is only shown to those who ask for none. An instance has a label of its own.
        if storage_id is not None and labels is not None and label not in labels:
            return False
        return (ids is None or storage_id in ids) and self._tags(tags)


def _shown(media: MediaStore, verbose: bool) -> dict[str, Any]:
    """What a URL says of its backend (TAMS 8.2, `verbose_storage`)."""
    backend = media.backend
    if not verbose:
        return {} if backend.label is None else {"label": backend.label}
    known = {
        "label": backend.label,
        "store_type": backend.store_type,
        "provider": backend.provider,
        "region": backend.region,
        "availability_zone": backend.availability_zone,
        "store_product": backend.store_product,
        "tags": dict(backend.tags) or None,
    }
    shown = {name: value for name, value in known.items() if value is not None}
    return {"storage_id": backend.id, "controlled": True, **shown}
