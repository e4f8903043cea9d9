"""`/flow-delete-requests`: deletions that take longer than a request. `/deletion-requests` is the same, and creates."""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns
from typing import Any, Literal

import orjson
from flask import Response
from pydantic import BaseModel, Field

from api.conditional import conditional
from api.models.answers import DeletionRequest, DeletionRequests
from api.models.common import Body, QueryBool, TimerangeText, Uuid
from api.openapi import LOCATION, PAGING_HEADERS, answers, blueprint, one
from api.paging import Paged, base_url, json, page_of, token
from api.state import principal, store
from api.validation import validated
from tams_data.queries import deletions as queries
from tams_data.resources import clock, present, timerange_text
from tams_data.store.deletions import Deletion
from tams_data.store.requests import deletion_row
from tams_data.timerange import TimeRange

bp = blueprint("deletion requests", "Deletions that take longer than a request")


class DeletionRequestPath(BaseModel):
    """A deletion request."""

    request_id: Uuid = Field(description="Deletion request id")


class DeletionRequestsQuery(Paged):
    """How to list deletion requests."""

    reverse_order: QueryBool = Field(False, description="Whether the order is reversed")
    sort_by: Literal["created", "expiry"] = Field(
        "created", description="Most recent first; those without an expiry come last, by id"
    )


class DeletionRequestPost(Body):
    """A deletion to be carried out in the background, however small it is."""

    flow_id: Uuid
    timerange: TimerangeText = Field("_", description="Segments wholly inside are deleted")
    delete_flow: bool = Field(False, description="Whether the flow is deleted, with all of its segments")


@bp.get("/flow-delete-requests", responses=answers(400, ok=DeletionRequests, headers=PAGING_HEADERS))
@validated
def get_flow_delete_requests(query: DeletionRequestsQuery) -> Response:
    """List deletion requests: those being worked on, and those that ended less than a day ago."""
    return _listed(query)


@bp.get("/deletion-requests", responses=answers(400, ok=DeletionRequests, headers=PAGING_HEADERS))
@validated
def get_deletion_requests(query: DeletionRequestsQuery) -> Response:
    """List deletion requests. An extension: the same as `/flow-delete-requests`."""
    return _listed(query)


def _listed(query: DeletionRequestsQuery) -> Response:
    limit, of = query.size(), f"deletion-requests:{query.sort_by}"
    after = query.after_values(of, queries.ORDERS[query.sort_by])
    rows = store().database.rows(
        queries.page, {**after}, sort_by=query.sort_by, reverse=query.reverse_order, limit=limit + 1
    )
    next_key = token(of, _place(rows[limit - 1], query.sort_by)) if len(rows) > limit else None
    return page_of([shown(row) for row in rows[:limit]], query, next_key=next_key)


def _place(row: Mapping[str, Any], sort_by: str) -> tuple[Any, ...]:
    if sort_by == "created":
        return (row["created_ns"], row["id"])
    return (int(row["expiry_ns"] is None), row["expiry_ns"] or 0, row["id"])


@bp.get("/flow-delete-requests/<request_id>", responses=one(404, ok=DeletionRequest))
@conditional
@validated
def get_flow_delete_request(path: DeletionRequestPath) -> Response:
    """A deletion request.

    :raise DeletionRequestNotFound: there is none with this id, or it has expired.
    """
    return json(shown(deletion_row(store().database, path.request_id)))


@bp.get("/deletion-requests/<request_id>", responses=one(404, ok=DeletionRequest))
@conditional
@validated
def get_deletion_request(path: DeletionRequestPath) -> Response:
    """A deletion request. An extension: the same as `/flow-delete-requests/{request-id}`.

    :raise DeletionRequestNotFound: there is none with this id, or it has expired.
    """
    return json(shown(deletion_row(store().database, path.request_id)))


@bp.post(
    "/deletion-requests",
    responses=answers(
        400,
        403,
        404,
        status=201,
        ok=DeletionRequest,
        description="The deletion is carried out in the background",
        headers=LOCATION,
    ),
)
@validated
def post_deletion_requests(body: DeletionRequestPost) -> Response:
    """Have segments or a flow deleted in the background. An extension.

    :raise FlowNotFound: there is no such flow.
    :raise FlowReadOnly: the flow is read-only.
    :raise InvalidInput: the flow is to go with only a part of its segments.
    """
    timerange = TimeRange.parse(body.timerange, field="timerange")
    row = store().delete(
        Deletion(
            flow_id=body.flow_id,
            timerange=timerange,
            timerange_text=own_text(body.timerange, timerange),
            delete_flow=body.delete_flow,
            at_once=False,
            principal=principal(),
            now_ns=time_ns(),
        )
    )
    return _answer(row or {}, 201)


def deleted(row: Mapping[str, Any] | None) -> Response:
    """The answer to a deletion: done, or the request that does it (TAMS 8.2, DELETE segments and DELETE flow)."""
    return Response(status=204) if row is None else _answer(row, 202)


def _answer(row: Mapping[str, Any], status: int) -> Response:
    answer = json(shown(row), {"Location": f"{base_url()}/flow-delete-requests/{row['id']}"})
    answer.status_code = status
    return answer


def own_text(text: str, parsed: TimeRange) -> str | None:
    """A client's text of a time range, where it is not the canonical one."""
    return None if text == str(parsed) else text


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as a deletion request (TAMS 8.2, deletion-request)."""
    start_ns, end_ns = row["remaining_start_ns"], row["remaining_end_ns"]
    remaining = TimeRange.never() if start_ns is None else TimeRange(start_ns, end_ns)
    return present(
        id=row["id"],
        flow_id=row["flow_id"],
        timerange_to_delete=timerange_text(row),
        timerange_remaining=str(remaining),
        delete_flow=row["delete_flow"],
        created=clock(row["created_ns"]),
        created_by=row["created_by"],
        updated=clock(row["updated_ns"]),
        expiry=clock(row["expiry_ns"]),
        status=row["status"],
        # A request moves no more once it has failed, so when that was is when it was updated.
        error=None if row["error"] is None else {**orjson.loads(row["error"]), "time": clock(row["updated_ns"])},
    )
