"""`/` and `/service`: what this service is, and where its media live."""

from __future__ import annotations

from typing import Any

from flask import Response
from pydantic import Field

from api.conditional import conditional
from api.filters import VALUES_PATTERN, tags_filter
from api.models.answers import Paths, Service, StorageBackends
from api.models.common import QueryBool
from api.models.service import ServicePost
from api.openapi import API_VERSION, PAGING_HEADERS, answers, blueprint, one
from api.paging import Paged, json, page_of, token
from api.state import settings, store
from api.validation import validated
from tams_data import __version__
from tams_data.media import StorageBackend
from tams_data.queries import service as queries
from tams_data.timerange import NS_PER_SECOND, format_timestamp

bp = blueprint("service", "What this service is, and where its media live")

_PATHS = ["service", "sources", "flows", "objects", "flow-delete-requests"]
_EVENT_STREAMS = [{"name": "webhooks"}, {"name": "server-sent-events", "config": {"path": "/events"}}]


class BackendsQuery(Paged):
    """How to list storage backends."""

    reverse_order: QueryBool = Field(False, description="Whether labels are sorted backwards")
    tag: str | None = Field(
        None, alias="tag.{name}", pattern=VALUES_PATTERN, description="Only those with one of these values of a tag"
    )
    tag_exists: QueryBool | None = Field(
        None, alias="tag_exists.{name}", description="Only those with, or without, a tag"
    )


@bp.get("/", responses=answers(ok=Paths))
@validated
def get_root() -> Response:
    """List the paths of the service."""
    return json(_PATHS)


@bp.get("/service", responses=one(ok=Service))
@conditional
@validated
def get_service() -> Response:
    """What this service is."""
    chosen = settings()
    said = store().database.rows(queries.info)
    return json(
        {
            "name": chosen.service_name,
            "description": chosen.service_description,
            **{row["property"]: row["value"] for row in said},
            "type": "urn:x-tams:service.tams-data",
            "api_version": API_VERSION,
            "service_version": __version__,
            "event_stream_mechanisms": _EVENT_STREAMS,
            "min_object_timeout": format_timestamp(chosen.object_timeout * NS_PER_SECOND),
            "min_presigned_url_timeout": format_timestamp(chosen.url_timeout * NS_PER_SECOND),
        }
    )


@bp.post("/service", responses=answers(400, 403, description="The service is described so"))
@validated
def post_service(body: ServicePost) -> Response:
    """Set the name or the description of the service, in place of its settings."""
    store().describe_service(body.model_dump(exclude_none=True))
    return Response(status=200)


@bp.get("/service/storage-backends", responses=answers(400, ok=StorageBackends, headers=PAGING_HEADERS))
@validated
def get_storage_backends(query: BackendsQuery) -> Response:
    """List storage backends, by label; those without one come last, by id."""
    tags_pass = tags_filter(query.named("tag"), query.named("tag_exists"), "tag")
    found = [media.backend for media in store().media.values()]
    found = sorted((one for one in found if tags_pass(one.tags)), key=_order, reverse=query.reverse_order)
    after = query.after("storage-backends")
    if after is not None:
        found = [one for one in found if (_order(one) < after if query.reverse_order else _order(one) > after)]
    shown = found[: query.size()]
    next_key = token("storage-backends", _order(shown[-1])) if len(found) > len(shown) else None
    return page_of([_shown(one) for one in shown], query, next_key=next_key)


def _order(backend: StorageBackend) -> tuple[bool, str, str]:
    return (backend.label is None, backend.label or "", backend.id)


def _shown(backend: StorageBackend) -> dict[str, Any]:
    members = {
        "id": backend.id,
        "label": backend.label,
        "store_type": backend.store_type,
        "provider": backend.provider,
        "store_product": backend.store_product,
        "region": backend.region,
        "availability_zone": backend.availability_zone,
        "tags": dict(backend.tags) or None,
        "default_storage": backend.default_storage,
    }
    return {name: value for name, value in members.items() if value is not None}
