"""What the lists of sources and of flows have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from api.filters import VALUES_PATTERN, check_count, tag_filters
from api.models.common import UUID_PATTERN, QueryBool
from api.paging import Paged, token

_UUID = UUID_PATTERN[1:-1]


class ListQuery(Paged):
    """The parameters of a list of sources or flows that both have."""

    label: str | None = Field(None, description="Only those with this label")
    reverse_order: QueryBool = Field(False, description="Whether the order is reversed")
    collected_by_ids: str | None = Field(
        None,
        pattern=f"^(({_UUID})(,{_UUID})*)?$",
        description="Only members of one of these collections, a comma list of ids; empty: members of none",
    )
    tag: str | None = Field(
        None,
        alias="tag.{name}",
        pattern=VALUES_PATTERN,
        description="Only those with one of these values, a comma list, of a tag",
    )
    tag_exists: QueryBool | None = Field(
        None, alias="tag_exists.{name}", description="Only those with, or without, a tag"
    )

    def tag_values(self) -> dict[str, Any]:
        """The filters by tag, as values of the query."""
        return tag_filters(self.named("tag"), self.named("tag_exists"))

    def collection_values(self) -> dict[str, Any]:
        """The filter by collection, as values of the query.

        :raise InvalidInput: it lists too many ids.
        """
        ids = self.collected_by_ids.split(",") if self.collected_by_ids else []
        check_count("collected_by_ids", len(ids))
        return {"collected_by": ids} if ids else {}


def next_token(of: str, rows: Sequence[Mapping[str, Any]], limit: int, sort_by: str) -> str | None:
    """The token of the page after the first `limit` rows, when there are more."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    if sort_by == "label":
        return token(of, (int(last["label"] is None), last["label"] or "", last["id"]))
    return token(of, (last[f"{sort_by}_ns"], last["id"]))
