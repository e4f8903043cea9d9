"""`/flows`: sources rendered to one encoding."""

from __future__ import annotations

from typing import Any, Literal

from flask import Response
from pydantic import Field

from api.deletion_requests import deleted
from api.lists import ListQuery, next_token
from api.models.answers import DeletionRequest, Flow, Flows
from api.models.common import Format, Mime, QueryBool, QueryInt, Status, Uuid
from api.models.flows import FlowPut
from api.openapi import PAGING_HEADERS, accepted, answers, blueprint
from api.paging import json, page_of
from api.paths import FlowPath
from api.resources import flows_of
from api.state import principal, store
from api.validation import Query, validated
from tams_data.engines.base import Reader
from tams_data.errors import InvalidInput
from tams_data.queries import flows as queries
from tams_data.queries import segments as segment_queries
from tams_data.store.reading import flow_row
from tams_data.timerange import TimeRange

bp = blueprint("flows", "Sources rendered to one encoding")


class FlowsQuery(ListQuery):
    """How to list flows."""

    source_id: Uuid | None = Field(None, description="Only those of this source")
    timerange: str | None = Field(
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
    timerange: str | None = Field(
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
        rows = reader.read(
            queries.page,
            {**equals, **window, **query.tag_values(), **query.collection_values(), **after},
            sort_by=query.sort_by,
            reverse=query.reverse_order,
            top_level=query.collected_by_ids == "",
            without_content=without_content,
            init_segments=query.init_segments,
            limit=limit + 1,
        ).to_pylist()
        shown = flows_of(reader, rows[:limit])
    return page_of(shown, query, next_key=next_token(of, rows, limit, query.sort_by))


def _content_filter(text: str | None) -> tuple[dict[str, int], bool]:
    """The filter by content, as values of the query, and whether only flows without content are wanted."""
    timerange = TimeRange.eternity() if text is None else TimeRange.parse(text, field="timerange")
    if timerange.is_eternity or timerange.is_never:
        return {}, timerange.is_never
    return {"start_ns": timerange.start_ns, "end_ns": timerange.end_ns}, False


@bp.get("/flows/<flow_id>", responses=answers(400, 404, ok=Flow))
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


def _extent(reader: Reader, flow: dict[str, Any], window: TimeRange) -> TimeRange:
    """From the first to the last segment of a flow that shares time with the window."""
    if window.is_never:
        return window
    if not window.is_eternity:
        bounds = {"flow_id": flow["id"], "start_ns": window.start_ns, "end_ns": window.end_ns}
        flow = reader.read(segment_queries.extent, bounds).to_pylist()[0]
    return TimeRange.never() if flow["start_ns"] is None else TimeRange(flow["start_ns"], flow["end_ns"])


@bp.put(
    "/flows/<flow_id>",
    responses=answers(
        400,
        403,
        404,
        status=201,
        ok=Flow,
        description="The flow was created",
        status_204={"description": "The flow was replaced"},
    ),
)
@validated
def put_flow(path: FlowPath, body: FlowPut) -> Response:
    """Create or replace a flow.

    :raise InvalidInput: the body names another flow, or contradicts what is there.
    :raise FlowReadOnly: the flow is read-only.
    """
    flow = body.root.model_dump(exclude_none=True, exclude_unset=True)
    if flow["id"] != path.flow_id:
        raise InvalidInput(f"the path names flow {path.flow_id}", field="id", value=flow["id"])
    if not store().put_flow(flow, principal=principal()):
        return Response(status=204)
    with store().database.snapshot() as reader:
        created = json(flows_of(reader, [flow_row(reader, path.flow_id)])[0])
    created.status_code = 201
    return created


@bp.delete(
    "/flows/<flow_id>",
    responses=answers(
        403, 404, status=204, description="The flow and its segments are deleted", status_202=accepted(DeletionRequest)
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
