"""`/sources`: what the flows render."""

from __future__ import annotations

from typing import Literal

from flask import Response
from pydantic import Field

from api.lists import ListQuery, next_token
from api.models.answers import Source, Sources
from api.models.common import Format
from api.openapi import PAGING_HEADERS, answers, blueprint
from api.paging import json, page_of
from api.paths import SourcePath
from api.resources import sources_of
from api.state import store
from api.validation import validated
from tams_data.errors import SourceNotFound
from tams_data.queries import sources as queries
from tams_data.store.reading import source_row

bp = blueprint("sources", "Pieces of media, whatever their encoding")


class SourcesQuery(ListQuery):
    """How to list sources."""

    format: Format | None = Field(None, description="Only those of this format")
    sort_by: Literal["created", "updated", "label"] = Field(
        "created", description="Times sort most recent first, labels alphabetically"
    )


@bp.get("/sources", responses=answers(400, ok=Sources, headers=PAGING_HEADERS))
@validated
def get_sources(query: SourcesQuery) -> Response:
    """List sources."""
    limit, of = query.size(), f"sources:{query.sort_by}"
    equals = query.model_dump(include=set(queries.EQUALS), exclude_none=True)
    after = query.after_values(of, queries.ORDERS[query.sort_by])
    with store().database.snapshot() as reader:
        rows = reader.read(
            queries.page,
            {**equals, **query.tag_values(), **query.collection_values(), **after},
            sort_by=query.sort_by,
            reverse=query.reverse_order,
            top_level=query.collected_by_ids == "",
            limit=limit + 1,
        ).to_pylist()
        shown = sources_of(reader, rows[:limit])
    return page_of(shown, query, next_key=next_token(of, rows, limit, query.sort_by))


@bp.get("/sources/<source_id>", responses=answers(404, ok=Source))
@validated
def get_source(path: SourcePath) -> Response:
    """A source.

    :raise SourceNotFound: there is none with this id.
    """
    with store().database.snapshot() as reader:
        row = source_row(reader, path.source_id)
        if row is None:
            raise SourceNotFound(f"no source {path.source_id}")
        return json(sources_of(reader, [row])[0])
