"""`/flows/{id}/stretch.mp4`: a part of a flow, for the `video` of a page. An extension; TAMS has no such path."""

from __future__ import annotations

import logging
from collections.abc import Generator

from flask import Response
from pydantic import Field

from api.openapi import TEXT, answers, as_problem, blueprint
from api.paths import FlowPath
from api.state import store
from api.validation import Query, validated
from tams_data.errors import TamsDataError
from tams_data.timerange import TimeRange
from tams_data.transfer.stretch import Stretch

bp = blueprint("stretches", "Flows for browsers: an extension of TAMS")

log = logging.getLogger(__name__)


class StretchQuery(Query):
    """What to play."""

    timerange: str | None = Field(None, description="Which part of the flow, 120 s at most; default: all")


@bp.get(
    "/flows/<flow_id>/stretch.mp4",
    responses=answers(
        400,
        404,
        status_502=as_problem("The bytes of an object cannot be fetched from where they are"),
        status_200={"description": "The media", "content": {"video/mp4": {"schema": {**TEXT, "format": "binary"}}}},
    ),
)
@validated
def get_stretch(path: FlowPath, query: StretchQuery) -> Response:
    """A part of a flow as a fragmented MP4, sent while it is made: an extension of TAMS.

    Samples are remuxed, not transcoded. A multi-essence flow gives the first video and the first audio that it
    collects. What the store lacks is missing, at its place. There are no ranges of bytes, as the file is not kept.

    :raise FlowNotFound: there is none with this id.
    :raise NotPlayable: no browser plays its codec, from MP4.
    :raise InvalidInput: it is neither video nor audio; or the range is none, has nothing in it, or is above 120 s.
    """
    window = None if query.timerange is None else TimeRange.parse(query.timerange, field="timerange")
    with store().database.snapshot() as reader:
        stretch = Stretch(reader, store().media, path.flow_id, window, fetch=store().fetch)
    chunks = stretch.chunks()
    # Here, where it can still be told: what is wrong with the first objects, and with the codecs.
    first = next(chunks)
    response = Response(_rest(first, chunks, path.flow_id), content_type=stretch.content_type)
    response.call_on_close(chunks.close)
    response.headers["Cache-Control"] = "no-store"  # the flow may grow, or change
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _rest(first: bytes, chunks: Generator[bytes, None, None], flow_id: str) -> Generator[bytes, None, None]:
    yield first
    try:
        yield from chunks
    except TamsDataError as error:
        # The status is sent: that the answer breaks off is all that a client can be told.
        log.error("a stretch of flow %s breaks off: %s", flow_id, error)
        raise
