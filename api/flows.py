"""`/flows`: sources rendered to one encoding, and their properties one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from flask import Response, request
from pydantic import Field

from api import properties
from api.conditional import conditional, etag_of
from api.deletion_requests import deleted
from api.lists import ListQuery, next_token
from api.models.answers import DeletionRequest, Flow, Flows
from api.models.common import Format, Mime, QueryBool, QueryInt, Status, TimerangeText, Uuid
from api.models.flow_post import FlowPost, posted
from api.models.flows import FlowPut
from api.openapi import LOCATION_HEADERS, PAGING_HEADERS, accepted, answers, blueprint, one, takes
from api.paging import created, json, page_of
from api.paths import FlowPath, FlowTagPath
from api.state import attributed, principal, store
from api.validation import Query, check_items, raw_body, validated
from tams_data.engines.base import Reader
from tams_data.errors import InvalidInput, VersionMismatch
from tams_data.queries import flows as queries
from tams_data.queries import segments as segment_queries
from tams_data.resources import flows_of
from tams_data.store.reading import flow_row, flow_rows
from tams_data.timerange import TimeRange

bp = blueprint("flows", "Sources rendered to one encoding")


class FlowsQuery(ListQuery):
    """How to list flows."""

    source_id: Uuid | None = Field(None, description="Only those of this source")
    timerange: TimerangeText | None = Field(
        None, description="Only those with content in this time range; `()`: those without content"
    )
    format: Format | None = Field(None, description="Only those of this format")
    codec: Mime | None = Field(None, description="Only those of this codec")
    profile_id: Uuid | None = Field(None, description="Only those made from this profile")
    sort_by: Literal["created", "metadata_updated", "label"] = Field(
        "created", description="Times sort most recent first, labels alphabetically"
    )
    status: Status | None = Field(None, description="Only those of this status")
    frame_width: QueryInt | None = Field(None, description="Only video and images of this width in pixels")
    frame_height: QueryInt | None = Field(None, description="Only video and images of this height in pixels")
    init_segments: QueryBool | None = Field(None, description="Only those that use initialisation objects, or not")


class FlowQuery(Query):
    """How to show a flow."""

    include_timerange: QueryBool = Field(False, description="Whether `timerange` is shown")
    timerange: TimerangeText | None = Field(
        None, description="Show the `timerange` of the segments that share time with this time range"
    )


@bp.get("/flows", responses=answers(400, ok=Flows, headers=PAGING_HEADERS))
@validated
def get_flows(query: FlowsQuery) -> Response:
    """List flows."""
    limit, of = query.size(), f"flows:{query.sort_by}"
    equals = query.model_dump(include=set(queries.EQUALS), exclude_none=True)
    window, without_content = _content_filter(query.timerange)
    after = query.after_values(of, queries.ORDERS[query.sort_by])
    with store().database.snapshot() as reader:
        rows = reader.rows(
            queries.page,
            {**equals, **window, **query.tag_values(), **query.collection_values(), **after},
            sort_by=query.sort_by,
            reverse=query.reverse_order,
            top_level=query.collected_by_ids == "",
            without_content=without_content,
            init_segments=query.init_segments,
            limit=limit + 1,
        )
        shown = flows_of(reader, rows[:limit])
    return page_of(shown, query, next_key=next_token(of, rows, limit, query.sort_by))


def _content_filter(text: str | None) -> tuple[dict[str, int], bool]:
    """The filter by content, as values of the query, and whether only flows without content are wanted."""
    timerange = TimeRange.eternity() if text is None else TimeRange.parse(text, field="timerange")
    if timerange.is_eternity or timerange.is_never:
        return {}, timerange.is_never
    return {"start_ns": timerange.start_ns, "end_ns": timerange.end_ns}, False


@bp.post(
    "/flows",
    responses=answers(400, 409, status=201, ok=Flow, headers=LOCATION_HEADERS),
    openapi_extensions=takes(FlowPost),
)
@validated
def post_flow() -> Response:
    """Create a flow: an extension of TAMS, where flows are put.

    Its id is that of the body, or a new one. Essence parameters may stand beside the other properties, ratios
    written like `25:1`.

    :raise AlreadyExists: there is a flow with this id.
    :raise InvalidInput: the body contradicts what is there, or itself.
    """
    flow = posted(raw_body())
    check_items(flow)
    store().create_flow(attributed(flow), principal=principal())
    return created(_shown(flow["id"]), "flows.get_flow", flow_id=flow["id"])


@bp.get("/flows/<flow_id>", responses=one(400, 404, ok=Flow))
@conditional
@validated
def get_flow(path: FlowPath, query: FlowQuery) -> Response:
    """A flow.

    :raise FlowNotFound: there is none with this id.
    """
    window = TimeRange.eternity() if query.timerange is None else TimeRange.parse(query.timerange, field="timerange")
    with store().database.snapshot() as reader:
        row = flow_row(reader, path.flow_id)
        flow = flows_of(reader, [row])[0]
        if query.include_timerange:
            flow["timerange"] = str(_extent(reader, row, window))
    return json(flow)


def _shown(flow_id: str) -> dict[str, Any]:
    with store().database.snapshot() as reader:
        return flows_of(reader, [flow_row(reader, flow_id)])[0]


def _extent(reader: Reader, flow: dict[str, Any], window: TimeRange) -> TimeRange:
    """From the first to the last segment of a flow that shares time with the window."""
    if window.is_never:
        return window
    if not window.is_eternity:
        bounds = {"flow_id": flow["id"], "start_ns": window.start_ns, "end_ns": window.end_ns}
        flow = reader.rows(segment_queries.extent, bounds)[0]
    return TimeRange.never() if flow["start_ns"] is None else TimeRange(flow["start_ns"], flow["end_ns"])


@bp.put(
    "/flows/<flow_id>",
    responses=answers(
        400,
        403,
        404,
        412,
        status=201,
        ok=Flow,
        description="The flow was created",
        status_204={"description": "The flow was replaced"},
    ),
)
@validated
def put_flow(path: FlowPath, body: FlowPut) -> Response:
    """Create or replace a flow. With `If-Match`, only replace it, and only if its ETag is still the one named.

    :raise InvalidInput: the body names another flow, or contradicts what is there.
    :raise FlowReadOnly: the flow is read-only.
    :raise VersionMismatch: the flow is not what `If-Match` names.
    """
    flow = body.root.model_dump(exclude_none=True, exclude_unset=True)
    if flow["id"] != path.flow_id:
        raise InvalidInput(f"the path names flow {path.flow_id}", field="id", value=flow["id"])
    if not store().put_flow(attributed(flow), principal=principal(), only_version=_version_to_replace(path.flow_id)):
        return Response(status=204)
    answer = json(_shown(path.flow_id))
    answer.status_code = 201
    return answer


def _version_to_replace(flow_id: str) -> str | None:
    """The `metadata_version` of the flow that `If-Match` names; None when any may be replaced.

    The ETag is compared here, the version again where the flow is written: nothing comes between unseen.
    """
    if not request.if_match:
        return None
    with store().database.snapshot() as reader:
        row = flow_rows(reader, [flow_id]).get(flow_id)
        shown = None if row is None else json(flows_of(reader, [row])[0])
    if row is None or shown is None or not request.if_match.contains_weak(etag_of(shown)):
        raise VersionMismatch(f"flow {flow_id} is not what If-Match names: {request.if_match.to_header()}")
    version: str = row["metadata_version"]
    return version


@bp.delete(
    "/flows/<flow_id>",
    responses=answers(
        400,
        403,
        404,
        status=204,
        description="The flow and its segments are deleted",
        status_202=accepted(DeletionRequest),
    ),
)
@validated
def delete_flow(path: FlowPath) -> Response:
    """Delete a flow, its segments, and the objects that nothing else refers to.

    A long one is deleted in the background: until its last segments are gone it is there with what remains of it,
    and what is written to it meanwhile goes with it.

    :raise FlowNotFound: there is none with this id.
    :raise FlowReadOnly: the flow is read-only.
    """
    return deleted(store().delete_flow(path.flow_id, principal=principal()))


def _change(flow_id: str, values: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
    store().change_flow(flow_id, values, tags, principal=principal())


properties.serve(
    bp,
    properties.Family("flow", FlowPath, FlowTagPath, _shown, _change),
    [
        properties.LABEL,
        properties.DESCRIPTION,
        properties.READ_ONLY,
        properties.FLOW_COLLECTION,
        properties.MAX_BIT_RATE,
        properties.AVG_BIT_RATE,
    ],
)
