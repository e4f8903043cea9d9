"""Events: what commands announce of sources, flows and segments, and how it is told (TAMS 8.2, webhooks)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import orjson
import pyarrow as pa

from tams_data import access
from tams_data.engines.base import Query, Reader
from tams_data.queries import flows as flow_queries
from tams_data.queries import sources as source_queries
from tams_data.resources import clock, flows_of, segment_of, sources_of
from tams_data.seen import SeenReader
from tams_data.store.outbox import Announcing, Collected, Event, NewEvent
from tams_data.store.reading import flow_row, objects_with_instances, source_row
from tams_data.timerange import TimeRange

EventType: TypeAlias = Literal[
    "flows/created",
    "flows/updated",
    "flows/deleted",
    "flows/segments_added",
    "flows/segments_deleted",
    "sources/created",
    "sources/updated",
    "sources/deleted",
]
"""What events there are (TAMS 8.2, webhook)."""

TYPES: tuple[EventType, ...] = get_args(EventType)

SEGMENT = (
    "object_key",
    "object_id",
    "start_ns",
    "end_ns",
    "ts_offset_ns",
    "object_start_ns",
    "object_end_ns",
    "key_frame_count",
    "last_duration_ns",
    "timerange",
    "object_timerange",
    "sample_offset",
    "sample_count",
    "init_object_id",
)
"""What the `detail` of flows/segments_added has of each segment, an array in this order, without nulls at its end.

Text is made of it when somebody is told: a recorder that adds thousands need not wait for that.
"""

MOST_SEGMENTS = 500
"""Most segments in one event: with their URLs they are some 400 kB."""

Urls = Callable[[Mapping[str, Any]], list[dict[str, Any]] | None]


# --- announcing ------------------------------------------------------------------------------------------------------


def source_created(transaction: Announcing, source_id: str, now_ns: int) -> None:
    """Announce a source that was written."""
    _source(transaction, "sources/created", source_id, now_ns)


def source_updated(transaction: Announcing, source_id: str, now_ns: int) -> None:
    """Announce a change of a source that was written."""
    _source(transaction, "sources/updated", source_id, now_ns)


def source_deleted(transaction: Announcing, source: Mapping[str, Any], collected: Collected, now_ns: int) -> None:
    """Announce that a source is gone; `collected` is what collected it."""
    by = Collected((), collected.source)
    detail = _json({"source_id": source["id"]})
    transaction.announce(_of_source("sources/deleted", source, detail, now_ns, collected=by))


def flow_created(transaction: Announcing, flow_id: str, now_ns: int) -> None:
    """Announce a flow that was written."""
    _flow(transaction, "flows/created", flow_id, now_ns)


def flow_updated(transaction: Announcing, flow_id: str, now_ns: int) -> None:
    """Announce a change of a flow's metadata that was written."""
    _flow(transaction, "flows/updated", flow_id, now_ns)


def flow_deleted(transaction: Announcing, flow: Mapping[str, Any], collected: Collected, now_ns: int) -> None:
    """Announce that a flow is gone; `collected` is what collected it."""
    transaction.announce(
        _of_flow("flows/deleted", flow, _json({"flow_id": flow["id"]}), now_ns, collected=collected),
    )


def segments_added(
    transaction: Announcing, added: Iterable[tuple[Mapping[str, Any], Sequence[Any]]], now_ns: int
) -> None:
    """Announce segments that were written: for each its flow and an array of `SEGMENT`.

    An event has those of one flow, and no more than `MOST_SEGMENTS`.
    """
    by_flow: dict[str, list[Sequence[Any]]] = defaultdict(list)
    flows: dict[str, Mapping[str, Any]] = {}
    for flow, segment in added:
        flows[flow["id"]] = flow
        by_flow[flow["id"]].append(segment)
    transaction.announce(
        *(
            _of_flow("flows/segments_added", flows[flow_id], _json(segments[i : i + MOST_SEGMENTS]), now_ns)
            for flow_id, segments in by_flow.items()
            for i in range(0, len(segments), MOST_SEGMENTS)
        )
    )


def without_nulls(segment: list[Any]) -> list[Any]:
    """An array of `SEGMENT` without the nulls at its end."""
    while segment[-1] is None:
        del segment[-1]
    return segment


def segments_deleted(transaction: Announcing, flow: Mapping[str, Any], deleted: pa.Table, now_ns: int) -> None:
    """Announce segments of a flow that are gone: their `start_ns`, `end_ns` and `object_key`, all within a time range
    in which no others are wholly left, or all those of one object.
    """
    transaction.announce(
        *(
            _of_flow(
                "flows/segments_deleted", flow, _json({"flow_id": flow["id"], "timerange": str(timerange)}), now_ns
            )
            for timerange in _deleted(deleted)
        )
    )


def _deleted(deleted: pa.Table) -> Iterator[TimeRange]:
    """Time ranges of deleted segments in which there is none that was not.

    Between two that use one object there may be others, so those only count as one where they touch.
    """
    spans = sorted(zip(deleted["start_ns"].to_pylist(), deleted["end_ns"].to_pylist(), strict=True))
    apart = len(set(deleted["object_key"].to_pylist())) == 1
    first_ns, end_ns = spans[0]
    for start_ns, next_end_ns in spans[1:]:
        if apart and start_ns != end_ns:
            yield TimeRange(first_ns, end_ns)
            first_ns = start_ns
        end_ns = next_end_ns
    yield TimeRange(first_ns, end_ns)


def _source(transaction: Announcing, event_type: str, source_id: str, now_ns: int) -> None:
    row = source_row(transaction, source_id) or {}
    (shown,) = sources_of(transaction, [row])
    transaction.announce(_of_source(event_type, row, _json({"source": shown}), now_ns))


def _of_source(
    event_type: str, source: Mapping[str, Any], detail: str, now_ns: int, *, collected: Collected | None = None
) -> NewEvent:
    return NewEvent(
        event_type=event_type,
        source_id=source["id"],
        detail=detail,
        created_ns=now_ns,
        tag_terms=access.terms_in(source["tags"]),
        collected=collected,
    )


def _flow(transaction: Announcing, event_type: str, flow_id: str, now_ns: int) -> None:
    row = flow_row(transaction, flow_id)
    (shown,) = flows_of(transaction, [row])
    transaction.announce(_of_flow(event_type, row, _json({"flow": shown}), now_ns))


def _of_flow(
    event_type: str, flow: Mapping[str, Any], detail: str, now_ns: int, *, collected: Collected | None = None
) -> NewEvent:
    return NewEvent(
        event_type=event_type,
        flow_id=flow["id"],
        source_id=flow["source_id"],
        detail=detail,
        created_ns=now_ns,
        tag_terms=access.terms_in(flow["tags"]),
        collected=collected,
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


# --- telling ---------------------------------------------------------------------------------------------------------


def body_of(reader: Reader, event: Event, *, get_urls: Urls, with_object_timerange: bool) -> bytes:
    """An event as it is sent (TAMS 8.2, webhooks), JSON.

    The URLs of objects are those of now: those of then may have expired, or their instances be gone. Of what collects
    a flow or a source, that is told which `reader` sees.
    """
    told = orjson.loads(event.detail)
    if event.event_type == "flows/segments_added":
        segments = _segments(reader, told, get_urls, with_object_timerange)
        told = {"flow_id": event.flow_id, "segments": segments}
    elif isinstance(reader, SeenReader):
        _hide(reader, told.get("flow"), flow_queries.by_id)
        _hide(reader, told.get("source"), source_queries.by_id)
    stamp = {"event_timestamp": clock(event.created_ns), "event_type": event.event_type}
    return orjson.dumps({**stamp, "event": told})


def _hide(reader: Reader, shown: dict[str, Any] | None, by_id: Query) -> None:
    """Take from a flow or a source what collects it and is hidden."""
    collecting: Sequence[str] = () if shown is None else shown.pop("collected_by", ())
    if shown is None or not collecting:
        return
    seen = set(reader.read(by_id, {"ids": sorted(collecting)})["id"].to_pylist())
    if told := [one for one in collecting if one in seen]:
        shown["collected_by"] = told


def _segments(
    reader: Reader, arrays: Sequence[Sequence[Any]], get_urls: Urls, with_object_timerange: bool
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [dict.fromkeys(SEGMENT) | dict(zip(SEGMENT, array, strict=False)) for array in arrays]
    objects = _objects(reader, rows)
    init_keys = [one["init_object_key"] for one in objects.values() if one["init_object_key"] is not None]
    inits = objects_with_instances(reader, init_keys)
    return [
        segment_of(
            row,
            _used(row, objects),
            _init(row, objects, inits),
            get_urls=get_urls,
            with_object_timerange=with_object_timerange,
        )
        for row in rows
    ]


def _objects(reader: Reader, rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """The objects of segments by key, those that are still there.

    A sole writer that starts anew goes on after the highest key in use: an event may have one that is another's by now.
    """
    ids = {row["object_key"]: row["object_id"] for row in rows}
    found = objects_with_instances(reader, ids.keys())
    return {key: one for key, one in found.items() if one["id"] == ids[key]}


def _used(row: Mapping[str, Any], objects: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The object of a segment as it was; one that is gone is nowhere."""
    instances = objects[row["object_key"]]["instances"] if row["object_key"] in objects else []
    return {
        "id": row["object_id"],
        "start_ns": row["object_start_ns"],
        "end_ns": row["object_end_ns"],
        "timerange": row["object_timerange"],
        "key_frame_count": row["key_frame_count"],
        "instances": instances,
    }


def _init(
    row: Mapping[str, Any], objects: Mapping[int, Mapping[str, Any]], inits: Mapping[int, Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """The initialisation object that a segment's object needs; one that is gone is nowhere."""
    used = objects.get(row["object_key"])
    if used is not None:
        return inits.get(used["init_object_key"])
    return None if row["init_object_id"] is None else {"id": row["init_object_id"], "instances": []}
