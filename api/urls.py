"""The `get_urls` of objects: which instances a caller wants to see, and their URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from pydantic import Field

from api.filters import VALUES_PATTERN, tags_filter
from api.models.common import UUID_PATTERN, QueryBool
from api.paging import Paged, base_url
from api.state import store
from tams_data.media.urls import ObjectUrls, UrlChoice

UUID_LIST = f"^({UUID_PATTERN[1:-1]})(,{UUID_PATTERN[1:-1]})*$"


class GetUrlsQuery(Paged):
    """The parameters that choose among the URLs of an object."""

    verbose_storage: QueryBool = Field(False, description="Whether URLs carry what is known of their storage")
    accept_get_urls: str | None = Field(
        None, pattern=VALUES_PATTERN, description="Comma list of labels of the URLs wanted; empty: none"
    )
    accept_storage_ids: str | None = Field(
        None, pattern=f"{UUID_LIST}|^$", description="Comma list of storage backends whose URLs are wanted"
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


class UrlMaker:
    """Makes the `get_urls` of objects for one request."""

    def __init__(self, query: GetUrlsQuery) -> None:
        """:raise InvalidInput: a `storage_backend_tag_exists.{name}` is neither true nor false."""
        values, exists = query.named("storage_backend_tag"), query.named("storage_backend_tag_exists")
        choice = UrlChoice(
            labels=_words(query.accept_get_urls),
            storage_ids=_words(query.accept_storage_ids) or None,
            presigned=query.presigned,
            verbose=query.verbose_storage,
        )
        self._urls = ObjectUrls(
            store().media,
            choice,
            base_url=base_url(),
            tags=tags_filter(values, exists, "storage_backend_tag"),
        )
        self._given: list[int] = []

    def get_urls(self, of: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        """The URLs of an object with its `instances`: controlled ones plain and presigned; None if none are wanted."""
        urls = self._urls.get_urls(of)
        if urls:
            self._given.append(of["key"])
        return urls

    def count(self) -> None:
        """Have it counted of which objects URLs were made: for each answer once, when all are."""
        if request.method != "HEAD":
            store().accesses.urls_given(self._given)


def _words(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(text.split(",") if text else ())
