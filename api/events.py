"""`/events`: what happens in the store, live, as Server-Sent Events. An extension; TAMS has webhooks for it.

A listener keeps a thread of the server while it is connected. So there may be fewer of them than there are threads,
and each is sent away after a time: clients of such streams come again by themselves, and say where they stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic, sleep

from flask import Response, request
from pydantic import Field

from api.models.common import QueryBool, query_int_within
from api.openapi import TEXT, answers, as_problem, blueprint
from api.paging import base_url
from api.state import store
from api.urls import UUID_LIST
from api.validation import Query, validated
from tams_data.errors import InvalidInput
from tams_data.media.urls import ObjectUrls
from tams_data.store.events import TYPES, body_of
from tams_data.store.outbox import events_after, last_sequence
from tams_data.store.selection import Selection
from tams_data.store.store import Store

bp = blueprint("events", "What happens in the store: an extension of TAMS")

HEARTBEAT_S = 5.0
"""After so long without an event something is sent, in seconds: proxies cut what is silent, and so who left shows."""

LONGEST_S = 600.0
"""For how long a listener is served, in seconds, until it has to come again."""

BATCH = 100

_LOOK_S = 1.0
"""How often it is looked for events of other processes, in seconds."""

_AT_LEAST_S = 0.1
"""So long it is waited for more before events are read again: in a storm of commits each would read after each."""

_LAST_EVENT_ID = "Last-Event-ID"
_PLACE = re.compile(r"[0-9]{1,19}")
_TYPES = "|".join(TYPES)


class EventsQuery(Query):
    """Which events, and how segments are shown: what webhooks have by the same names, as comma lists."""

    events: str | None = Field(None, pattern=f"^({_TYPES})(,({_TYPES}))*$", description="Only events of these types")
    flow_ids: str | None = Field(None, pattern=UUID_LIST, description="Only these flows and their segments; sources")
    source_ids: str | None = Field(None, pattern=UUID_LIST, description="Only these sources, and flows of them")
    flow_collected_by_ids: str | None = Field(
        None,
        pattern=f"{UUID_LIST}|^$",
        description="Only flows that one of these collects; empty: that none does",
    )
    source_collected_by_ids: str | None = Field(
        None, pattern=f"{UUID_LIST}|^$", description="The same of sources, and of flows by their source"
    )
    accept_get_urls: str | None = Field(None, description="Only URLs with these labels; empty: none")
    accept_storage_ids: str | None = Field(
        None, pattern=f"{UUID_LIST}|^$", description="Only URLs on these storage backends"
    )
    presigned: QueryBool | None = Field(None, description="Only presigned URLs, or only others")
    verbose_storage: QueryBool = Field(False, description="Whether URLs carry what is known of their storage")
    include_object_timerange: QueryBool = Field(False, description="Whether `object_timerange` is shown")
    after: query_int_within(0, 2**63 - 1) | None = Field(  # type: ignore[valid-type]
        None, description="The events after the one with this `id`, as `Last-Event-ID` says it; default: from now on"
    )

    def selection(self) -> Selection:
        """The selection that the parameters make."""
        given = self.model_dump(exclude_none=True, exclude={"after"})
        lists = {name: value.split(",") if value else [] for name, value in given.items() if isinstance(value, str)}
        return Selection.of({**given, **lists})


@bp.get(
    "/events",
    responses=answers(
        400,
        status_200={
            "description": "Server-Sent Events: `data` is the body of a webhook's event, `id` its place among them",
            "content": {"text/event-stream": {"schema": TEXT}},
        },
        status_503=as_problem("As many listen already as may"),
    ),
)
@validated
def get_events(query: EventsQuery) -> Response:
    """Follow what happens in the store, as Server-Sent Events: an extension of TAMS.

    The stream ends after some minutes; who comes again with the `Last-Event-ID` misses nothing that is still kept.

    :raise InvalidInput: the `Last-Event-ID` is none.
    :raise TooManyListeners: there are as many as there may be.
    """
    position = _position(query.after)
    response = Response(content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
    if request.method != "HEAD":
        held = ExitStack()
        held.enter_context(store().feed.listening())
        response.call_on_close(held.close)
        selection = query.selection()
        urls = ObjectUrls(store().media, selection.urls, base_url=base_url())
        response.response = _messages(store(), selection, urls, position)
    return response


def _position(after: int | None) -> int:
    """After which event to begin: that which the client had last, or the last of all."""
    text = request.headers.get(_LAST_EVENT_ID)
    last = last_sequence(store().database) or 0
    if text is None:
        return last if after is None else min(after, last)
    if not _PLACE.fullmatch(text):
        raise InvalidInput(f"{_LAST_EVENT_ID} {text!r} is not the id of an event", field=_LAST_EVENT_ID, value=text)
    return min(int(text), last)


def _messages(store: Store, selection: Selection, urls: ObjectUrls, position: int) -> Iterator[bytes]:
    """The stream, as it comes."""
    # The place alone, here and in silence: who has heard nothing yet, or nothing of all there was, goes on from there.
    yield b"retry: 1000\nid: %d\n\n" % position
    sent = began = monotonic()
    while not store.feed.closed and monotonic() - began < LONGEST_S:
        seen = store.feed.count
        found = events_after(store.database, position, limit=BATCH)
        for event in found:
            position = event.sequence
            if selection.wants(event):
                body = body_of(
                    store.database,
                    event,
                    get_urls=urls.get_urls,
                    with_object_timerange=selection.include_object_timerange,
                )
                yield b"id: %d\ndata: %b\n\n" % (position, body)
                sent = monotonic()
        if monotonic() - sent >= HEARTBEAT_S:
            yield b":\nid: %d\n\n" % position
            sent = monotonic()
        if len(found) < BATCH:
            store.feed.wait(seen, HEARTBEAT_S if store.database.sole_writer else _LOOK_S)
            sleep(_AT_LEAST_S)
