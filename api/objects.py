"""`/objects`: media objects, where their bytes are and which flows refer to them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Response
from pydantic import Field

from api.access.admission import caller
from api.conditional import conditional
from api.filters import VALUES_PATTERN, tag_filters
from api.models.answers import MediaObjectInfo
from api.models.common import QueryBool
from api.models.objects import ObjectPost
from api.openapi import LOCATION_HEADERS, PAGING_HEADERS, answers, blueprint, one
from api.paging import created, json, paging_headers, token
from api.paths import ObjectPath
from api.state import store
from api.urls import GetUrlsQuery, UrlMaker
from api.validation import validated
from tams_data.engines.base import Reader
from tams_data.errors import ObjectNotFound
from tams_data.queries import objects as queries
from tams_data.resources import present, timerange_text
from tams_data.store.objects import registered
from tams_data.store.reading import flow_rows, is_seen, objects_with_instances
from tams_data.timerange import TimeRange

bp = blueprint("objects", "Media objects and their instances")


class ObjectQuery(GetUrlsQuery):
    """How to show an object."""

    flow_tag: str | None = Field(
        None,
        alias="flow_tag.{name}",
        pattern=VALUES_PATTERN,
        description="Only referring flows with one of these values of a tag",
    )
    flow_tag_exists: QueryBool | None = Field(
        None, alias="flow_tag_exists.{name}", description="Only referring flows with, or without, a tag"
    )


@bp.post("/objects", responses=answers(400, 403, 409, status=201, ok=MediaObjectInfo, headers=LOCATION_HEADERS))
@validated
def post_object(body: ObjectPost) -> Response:
    """Register an object whose bytes are elsewhere, before any segment refers to it: an extension of TAMS.

    Its id is that of the body, or a new one. Segments then name it by its id alone. Objects that are to be uploaded
    to this service are allocated with `POST /flows/{flow_id}/storage`.

    :raise AlreadyExists: an object with this id is registered or allocated.
    :raise InvalidInput: there is no such flow or initialisation object, a label is taken, or the time range is none.
    :raise FlowReadOnly: the flow is read-only.
    """
    object_id = body.id or str(uuid4())
    timerange = None if body.timerange is None else TimeRange.parse(body.timerange, field="timerange")
    store().create_object(
        object_id,
        body.first_referenced_by_flow,
        [(url.url, url.label) for url in body.get_urls],
        timerange=timerange,
        timerange_text=None if body.timerange == str(timerange) else body.timerange,
        key_frame_count=body.key_frame_count,
        init_object_id=None if body.init_object is None else body.init_object.id,
    )
    with store().database.snapshot() as reader:
        found = registered(reader, object_id)
        objects = objects_with_instances(reader, {found["key"], found["init_object_key"]} - {None})
    return created(_shown(found, [], objects, UrlMaker(ObjectQuery())), "objects.get_object", object_id=object_id)


@bp.get("/objects/<text:object_id>", responses=one(400, 404, ok=MediaObjectInfo, headers=PAGING_HEADERS))
@conditional
@validated
def get_object(path: ObjectPath, query: ObjectQuery) -> Response:
    """An object; the flows that refer to it come in pages.

    :raise ObjectNotFound: no object with this id is registered.
    """
    limit, of = query.size(), f"objects:{path.object_id}"
    urls = UrlMaker(query)
    tags = tag_filters(query.named("flow_tag"), query.named("flow_tag_exists"), "flow_tag")
    after = query.after(of)
    with store().database.snapshot() as reader:
        found = registered(reader, path.object_id)
        if caller().is_restricted:
            found = _seen(reader, found)
        values = {"key": found["key"], **tags, **({} if after is None else {"after": after})}
        flows = reader.read(queries.referring_flows, values, is_init=found["is_init"], limit=limit + 1)
        keys = {found["key"], found["init_object_key"]} - {None}
        objects = objects_with_instances(reader, keys)
    ids = flows["id"].to_pylist()
    next_key = token(of, (ids[limit - 1],)) if len(ids) > limit else None
    answer = json(_shown(found, ids[:limit], objects, urls))
    answer.headers.update(paging_headers(query, len(ids[:limit]), next_key))
    return answer


def _seen(reader: Reader, found: dict[str, Any]) -> dict[str, Any]:
    """What is shown of an object to who sees a part of the store.

    :raise ObjectNotFound: nothing that uses it is in that part.
    """
    if not is_seen(reader, found):
        raise ObjectNotFound(f"no object {found['id']!r}")
    return found if flow_rows(reader, [found["first_flow_id"]]) else {**found, "first_flow_id": None}


def _shown(
    found: dict[str, Any], flow_ids: list[str], objects: dict[int, dict[str, Any]], urls: UrlMaker
) -> dict[str, Any]:
    init = objects.get(found["init_object_key"])
    shown = present(
        id=found["id"],
        referenced_by_flows=flow_ids,
        first_referenced_by_flow=found["first_flow_id"],
        timerange=None if found["is_init"] else timerange_text(found),
        key_frame_count=found["key_frame_count"],
        init_object=None if init is None else present(id=init["id"], get_urls=urls.get_urls(init)),
        get_urls=urls.get_urls(objects[found["key"]]),
    )
    urls.count()
    return shown
