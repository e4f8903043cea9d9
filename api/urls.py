"""The `get_urls` of objects: which instances a caller wants to see, and their URLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request
from pydantic import Field

from api.filters import VALUES_PATTERN, tags_filter
from api.models.common import UUID_PATTERN, QueryBool
from api.paging import Paged, base_url
from api.state import store
from tams_data.media import MediaStore

_UUID_LIST = f"^({UUID_PATTERN[1:-1]})(,{UUID_PATTERN[1:-1]})*$"


class GetUrlsQuery(Paged):
    """The parameters that choose among the URLs of an object."""

    verbose_storage: QueryBool = Field(False, description="Whether URLs carry what is known of their storage")
    accept_get_urls: str | None = Field(
        None, pattern=VALUES_PATTERN, description="Comma list of labels of the URLs wanted; empty: none"
    )
    accept_storage_ids: str | None = Field(
        None, pattern=f"{_UUID_LIST}|^$", description="Comma list of storage backends whose URLs are wanted"
    )
    presigned: QueryBool | None = Field(None, description="Only presigned URLs, or only others")
    storage_backend_tag: str | None = Field(
        None,
        alias="storage_backend_tag.{name}",
        pattern=VALUES_PATTERN,
        description="Only URLs on backends with one of these tag values",
    )
    storage_backend_tag_exists: QueryBool | None = Field(
        None, alias="storage_backend_tag_exists.{name}", description="Only URLs on backends with, or without, a tag"
    )


@dataclass(frozen=True)
class _Backend:
    media: MediaStore
    shown: Mapping[str, Any]


class UrlMaker:
    """Makes the `get_urls` of objects for one request."""

    def __init__(self, query: GetUrlsQuery) -> None:
        """:raise InvalidInput: a `storage_backend_tag_exists.{name}` is neither true nor false."""
        self._query = query
        self._labels = _words(query.accept_get_urls)
        self._ids = _words(query.accept_storage_ids) or None
        values, exists = query.named("storage_backend_tag"), query.named("storage_backend_tag_exists")
        self._tags_pass = tags_filter(values, exists, "storage_backend_tag")
        self._base_url = base_url()
        self._backends = {
            id_: _Backend(media, _shown(media, query.verbose_storage))
            for id_, media in store().media.items()
            if self._wanted(media.backend.tags, media.backend.label, id_)
        }
        self._uncontrolled = self._wanted({}, None, None)
        self._given: list[int] = []

    def get_urls(self, of: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        """The URLs of an object with its `instances`: controlled ones plain and presigned; None if none are wanted."""
        if self._labels == frozenset():
            return None
        urls: list[dict[str, Any]] = []
        for instance in of["instances"]:
            if instance["url"] is not None:
                urls.extend(self._outside(instance))
            elif (backend := self._backends.get(instance["storage_id"])) is not None:
                urls.extend(self._inside(of["id"], backend))
        if urls:
            self._given.append(of["key"])
        return urls

    def count(self) -> None:
        """Have it counted of which objects URLs were made: for each answer once, when all are."""
        if request.method != "HEAD":
            store().accesses.urls_given(self._given)

    def _inside(self, object_id: str, backend: _Backend) -> list[dict[str, Any]]:
        return [
            {
                **backend.shown,
                "url": backend.media.get_url(object_id, presigned=signed, base_url=self._base_url),
                "presigned": signed,
            }
            for signed in (True, False)
            if self._query.presigned in (None, signed)
        ]

    def _outside(self, instance: Mapping[str, Any]) -> list[dict[str, Any]]:
        accepted = self._labels is None or instance["label"] in self._labels
        if not (self._uncontrolled and accepted and self._query.presigned is not True):
            return []
        shown = {"controlled": False} if self._query.verbose_storage else {}
        return [{**shown, "label": instance["label"], "url": instance["url"], "presigned": False}]

    def _wanted(self, tags: Mapping[str, Any], label: str | None, storage_id: str | None) -> bool:
        """Whether a backend passes the filters; an uncontrolled URL is on a backend without id and tags."""
        # TAMS 8.2: what has no label is only shown to those who ask for none. An instance has a label of its own.
        if storage_id is not None and self._labels is not None and label not in self._labels:
            return False
        if self._ids is not None and storage_id not in self._ids:
            return False
        return self._tags_pass(tags)


def _words(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(text.split(",") if text else ())


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
