"""`/sources`: what the flows render, and their properties one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import uuid4

from flask import Response
from pydantic import Field

from api import properties
from api.conditional import conditional
from api.lists import ListQuery, next_token
from api.models.answers import Source, Sources
from api.models.common import Format
from api.models.sources import SourcePost
from api.openapi import LOCATION_HEADERS, PAGING_HEADERS, answers, blueprint, one
from api.paging import created, json, page_of
from api.paths import SourcePath, SourceTagPath
from api.state import attributed, principal, store
from api.validation import validated
from tams_data.errors import SourceNotFound
from tams_data.queries import sources as queries
from tams_data.resources import sources_of
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
        rows = reader.rows(
            queries.page,
            {**equals, **query.tag_values(), **query.collection_values(), **after},
            sort_by=query.sort_by,
            reverse=query.reverse_order,
            top_level=query.collected_by_ids == "",
            limit=limit + 1,
        )
        shown = sources_of(reader, rows[:limit])
    return page_of(shown, query, next_key=next_token(of, rows, limit, query.sort_by))


@bp.post("/sources", responses=answers(400, 409, status=201, ok=Source, headers=LOCATION_HEADERS))
@validated
def post_source(body: SourcePost) -> Response:
    """Create a source that has no flows yet: an extension of TAMS, where sources come with their first flow.

    Its id is that of the body, or a new one. It is deleted with the last flow it gets.

    :raise AlreadyExists: there is a source with this id.
    """
    source = {"id": str(uuid4()), **body.model_dump(exclude_none=True)}
    store().create_source(attributed(source), principal=principal())
    return created(_shown(source["id"]), "sources.get_source", source_id=source["id"])


@bp.get("/sources/<source_id>", responses=one(404, ok=Source))
@conditional
@validated
def get_source(path: SourcePath) -> Response:
    """A source.

    :raise SourceNotFound: there is none with this id.
    """
    return json(_shown(path.source_id))


def _shown(source_id: str) -> dict[str, Any]:
    with store().database.snapshot() as reader:
        row = source_row(reader, source_id)
        if row is None:
            raise SourceNotFound(f"no source {source_id}")
        return sources_of(reader, [row])[0]


def _change(source_id: str, values: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
    store().change_source(source_id, values, tags, principal=principal())


properties.serve(
    bp,
    properties.Family("source", SourcePath, SourceTagPath, _shown, _change),
    [properties.LABEL, properties.DESCRIPTION],
)
