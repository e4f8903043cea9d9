"""`/flows/{id}/segments` and `/flows/{id}/storage`: the writing and reading loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from flask import Response
from pydantic import Field, TypeAdapter

from api.deletion_requests import deleted, own_text
from api.errors import kind_of
from api.models.answers import DeletionRequest, FailedSegments, Segments, Storage
from api.models.common import QueryBool, TimerangeText
from api.models.segments import SegmentPost, SegmentsPost, StoragePost
from api.openapi import SEGMENT_HEADERS, accepted, answers, blueprint, takes
from api.paging import base_url, json, page_of, token
from api.paths import FlowPath
from api.state import principal, settings, store
from api.urls import GetUrlsQuery, UrlMaker
from api.validation import Query, check_items, raw_body, validated
from tams_data.engines.base import Reader
from tams_data.errors import InvalidInput, InvalidPageToken, InvalidTimeRange, TamsDataError
from tams_data.resources import present, segment_of
from tams_data.store.appends import NewSegment
from tams_data.store.objects import find_registered
from tams_data.store.pages import segments_page
from tams_data.store.reading import objects_with_instances
from tams_data.timerange import TimeRange

bp = blueprint("segments", "Which objects hold which stretch of a flow")

_SEGMENT = TypeAdapter(SegmentPost)
_SEGMENTS = TypeAdapter(list[SegmentPost])


class SegmentsQuery(GetUrlsQuery):
    """How to list segments."""

    object_id: str | None = Field(None, description="Only segments that use this object")
    timerange: TimerangeText | None = Field(None, description="Only segments that share time with this time range")
    reverse_order: QueryBool = Field(False, description="Whether the last segment comes first")
    include_object_timerange: QueryBool = Field(False, description="Whether `object_timerange` is shown")


class DeleteQuery(Query):
    """Which segments to delete."""

    timerange: TimerangeText | None = Field(None, description="Only segments wholly inside this time range")
    object_id: str | None = Field(None, description="Only segments that use this object")


@bp.get("/flows/<flow_id>/segments", responses=answers(400, 404, ok=Segments, headers=SEGMENT_HEADERS))
@validated
def get_segments(path: FlowPath, query: SegmentsQuery) -> Response:
    """List the segments of a flow, in time order. A flow that does not exist has none (TAMS 8.2, GET segments)."""
    limit, of = query.size(), f"segments:{path.flow_id}:{query.reverse_order}"
    urls = UrlMaker(query)
    window = _window(query, query.after(of))
    with store().database.snapshot() as reader:
        rows = _read_page(reader, path.flow_id, window, query, limit)
        shown = _shown(reader, rows[:limit], urls, query.include_object_timerange)
    urls.count()
    span = _span(rows[:limit])
    next_key = None
    if len(rows) > limit:
        next_key = token(of, (span.start_ns if query.reverse_order else span.end_ns,))
    return page_of(shown, query, next_key=next_key, headers={"X-Paging-Timerange": str(span)})


def _window(query: SegmentsQuery, after: tuple[Any, ...] | None) -> TimeRange:
    """The part of the wanted time range that earlier pages have not shown: segments do not overlap."""
    wanted = TimeRange.eternity() if query.timerange is None else TimeRange.parse(query.timerange, field="timerange")
    if after is None:
        return wanted
    if len(after) != 1 or not isinstance(after[0], int):
        raise InvalidPageToken(f"page {query.page!r} is not of this list", field="page", value=query.page)
    eternity = TimeRange.eternity()
    bounds = (eternity.start_ns, after[0]) if query.reverse_order else (after[0], eternity.end_ns)
    return wanted.intersection(TimeRange(*bounds))


def _read_page(
    reader: Reader, flow_id: str, window: TimeRange, query: SegmentsQuery, limit: int
) -> list[dict[str, Any]]:
    """The rows of a page and one more, if there is one."""
    object_key = None
    if query.object_id is not None:
        found = find_registered(reader, [query.object_id]).get(query.object_id)
        object_key = found["key"] if found else 0  # no object has the key 0
    return segments_page(reader, flow_id, window, object_key=object_key, reverse=query.reverse_order, limit=limit + 1)


def _span(rows: Sequence[Mapping[str, Any]]) -> TimeRange:
    """From the start of the first to the end of the last of these segments."""
    if not rows:
        return TimeRange.never()
    ends = (rows[0], rows[-1])
    return TimeRange(min(row["start_ns"] for row in ends), max(row["end_ns"] for row in ends))


def _shown(
    reader: Reader, rows: Sequence[Mapping[str, Any]], urls: UrlMaker, with_object_timerange: bool
) -> list[dict[str, Any]]:
    """Rows of a page as segments, with the objects they use."""
    objects = objects_with_instances(reader, {row["object_key"] for row in rows})
    init_keys = {one["init_object_key"] for one in objects.values()} - {None}
    inits = objects_with_instances(reader, init_keys)
    return [
        segment_of(
            row,
            used := objects[row["object_key"]],
            inits.get(used["init_object_key"]),
            get_urls=urls.get_urls,
            with_object_timerange=with_object_timerange,
        )
        for row in rows
    ]


@bp.post(
    "/flows/<flow_id>/segments",
    responses=answers(
        400,
        403,
        404,
        status=200,
        ok=FailedSegments,
        description="Some segments of the array are registered, these are not",
        status_201={"description": "Every segment is registered"},
    ),
    openapi_extensions=takes(SegmentsPost),
)
@validated
def post_segments(path: FlowPath) -> Response:
    """Register one segment, or an array of them.

    :raise TamsDataError: the flow takes no segments, or the one segment of the body is refused.
    """
    posted = _posted(raw_body())
    single = isinstance(posted, SegmentPost)
    segments = [posted] if isinstance(posted, SegmentPost) else posted
    _check_count(len(segments))
    for segment in segments:
        if segment.get_urls:
            check_items(segment.get_urls, "get_urls")
    parsed = [_parsed(segment) for segment in segments]
    if single and isinstance(parsed[0], TamsDataError):
        raise parsed[0]
    verdicts = _register(path.flow_id, parsed)
    if single and verdicts[0] is not None:
        raise verdicts[0]
    failed = [_failure(s, v) for s, v in zip(segments, verdicts, strict=True) if v is not None]
    return json({"failed_segments": failed}) if failed else Response(status=201)


def _posted(data: bytes) -> SegmentPost | list[SegmentPost]:
    adapter: TypeAdapter[Any] = _SEGMENTS if data.lstrip()[:1] == b"[" else _SEGMENT
    posted: SegmentPost | list[SegmentPost] = adapter.validate_json(data)
    return posted


def _check_count(count: int) -> None:
    most = settings().max_segments
    if count > most:
        raise InvalidInput(f"{count} segments in one request; at most {most} are taken", field="body", value=count)


def _parsed(segment: SegmentPost) -> NewSegment | TamsDataError:
    try:
        return segment.parsed()
    except TamsDataError as error:
        return error


def _register(flow_id: str, parsed: Sequence[NewSegment | TamsDataError]) -> list[TamsDataError | None]:
    """A verdict for each segment; those that could not even be read keep the error they have."""
    readable = [segment for segment in parsed if isinstance(segment, NewSegment)]
    verdicts = iter(store().add_segments(flow_id, readable))
    return [next(verdicts) if isinstance(one, NewSegment) else one for one in parsed]


def _failure(segment: SegmentPost, error: TamsDataError) -> dict[str, Any]:
    """TAMS 8.2, flow-segment-bulk-failure: there, `timerange` is one; a text that is none is in the summary."""
    time = datetime.now(timezone.utc).isoformat()
    unreadable = isinstance(error, InvalidTimeRange) and error.field == "timerange"
    return present(
        object_id=segment.object_id,
        timerange=None if unreadable else segment.timerange,
        error={"type": kind_of(error), "summary": str(error), "time": time},
    )


@bp.delete(
    "/flows/<flow_id>/segments",
    responses=answers(
        400, 403, 404, status=204, description="The segments are deleted", status_202=accepted(DeletionRequest)
    ),
)
@validated
def delete_segments(path: FlowPath, query: DeleteQuery) -> Response:
    """Delete segments, and the objects that nothing refers to any more.

    Many of them are deleted in the background, in time order; those registered meanwhile in what remains go as well.

    :raise FlowNotFound: there is no such flow.
    :raise FlowReadOnly: the flow is read-only.
    """
    timerange = TimeRange.eternity() if query.timerange is None else TimeRange.parse(query.timerange, field="timerange")
    text = None if query.timerange is None else own_text(query.timerange, timerange)
    return deleted(
        store().delete_segments(
            path.flow_id, timerange, object_id=query.object_id, timerange_text=text, principal=principal()
        )
    )


@bp.post(
    "/flows/<flow_id>/storage",
    responses=answers(400, 403, 404, status=201, ok=Storage, description="Where to upload objects"),
)
@validated
def post_storage(path: FlowPath, body: StoragePost) -> Response:
    """Allocate objects to upload.

    :raise FlowNotFound: there is no such flow.
    :raise FlowReadOnly: the flow is read-only.
    :raise InvalidInput: the flow has no container, an id is taken, or there is no such storage backend.
    """
    most = settings().page_limit_max
    if body.object_ids is not None and len(body.object_ids) > most:
        raise InvalidInput(
            f"{len(body.object_ids)} object ids in one request; at most {most} are taken",
            field="object_ids",
            value=len(body.object_ids),
        )
    media, allocated = store().allocate(
        path.flow_id,
        count=min(body.limit or 1, most),
        object_ids=body.object_ids,
        storage_id=body.storage_id,
        content_type=body.content_type,
    )
    presigned = body.presigned is not False
    objects = [
        {
            "object_id": one.object_id,
            "put_url": {
                "url": media.put_url(
                    one.object_id, content_type=one.content_type, presigned=presigned, base_url=base_url()
                ),
                "content-type": one.content_type,
            },
            "presigned": presigned,
        }
        for one in allocated
    ]
    answer = json({"media_objects": objects})
    answer.status_code = 201
    return answer
