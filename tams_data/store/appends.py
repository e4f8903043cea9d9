"""Appends: new objects in order at the end of a flow, which is what recorders send.

That a request is one is quickly seen, and that it breaks no rule follows. So appends are written in whole columns, at
a fifth of what the rules cost one segment after the other. Both ways write the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tams_data import schema
from tams_data.errors import TamsDataError
from tams_data.store import events
from tams_data.store.allocations import Allocations
from tams_data.store.outbox import Announcing
from tams_data.timerange import MAX_NS, MIN_NS, TimeRange


class NewSegment(NamedTuple):
    """A segment to register. Texts are the client's own where they are not canonical; `get_urls` are (url, label)."""

    object_id: str
    timerange: TimeRange
    timerange_text: str | None = None
    ts_offset_ns: int | None = None
    object_timerange: TimeRange | None = None
    object_timerange_text: str | None = None
    last_duration_ns: int | None = None
    sample_offset: int | None = None
    sample_count: int | None = None
    key_frame_count: int | None = None
    init_object_id: str | None = None
    get_urls: Sequence[tuple[str, str]] = ()


class Appends:
    """The appends among a group of requests."""

    def __init__(self, flows: Mapping[str, dict[str, Any]], allocated: dict[str, Any], now_ns: int) -> None:
        """`flows` are rows of the query `flows.for_writing`, kept true here; `allocated` records by object id."""
        self._flows, self._allocated, self._now_ns = flows, allocated, now_ns
        self._segments: list[NewSegment] = []
        self._records: list[Any] = []  # the allocation of each
        self._gaps: list[tuple[str, int, int]] = []  # rows of `flow_gaps`: what the segments leave before them

    def take(self, flow_id: str, segments: Sequence[NewSegment]) -> list[TamsDataError | None] | None:
        """The verdicts on a request that is an append, which `write` is going to write; None for any other."""
        flow, allocated = self._flows[flow_id], self._allocated
        records = [allocated.get(segment.object_id) for segment in segments]
        if not segments or flow["init_segments"] or not _append(flow, segments, records):
            return None
        for segment in segments:
            del allocated[segment.object_id]
        self._gaps += _gaps(flow, segments)
        _count(flow, segments, records)
        self._segments += segments
        self._records += records
        return [None] * len(segments)

    def write(self, transaction: Announcing, allocations: Allocations) -> None:
        """Write what was taken."""
        if not self._segments:
            return
        segments, records, count = self._segments, self._records, len(self._segments)
        keys, flow_ids = [one.object_key for one in records], [one.flow_id for one in records]
        transaction.insert(
            schema.SEGMENTS,
            schema.SEGMENTS.columns_of(
                count,
                flow_id=flow_ids,
                start_ns=[one.timerange.start_ns for one in segments],
                end_ns=[one.timerange.end_ns for one in segments],
                timerange=[one.timerange_text for one in segments],
                object_key=keys,
                ts_offset_ns=[one.ts_offset_ns for one in segments],
                last_duration_ns=[one.last_duration_ns for one in segments],
                sample_offset=[one.sample_offset for one in segments],
                sample_count=[one.sample_count for one in segments],
                created_ns=self._now_ns,
            ),
        )
        transaction.insert(
            schema.OBJECTS,
            schema.OBJECTS.columns_of(
                count,
                key=keys,
                id=[one.object_id for one in records],
                id_hash=[one.id_hash for one in records],
                is_init=False,
                # TAMS 8.2, flow-segment-post: `object_timerange` defaults to `timerange - ts_offset`.
                start_ns=[one.timerange.start_ns - (one.ts_offset_ns or 0) for one in segments],
                end_ns=[one.timerange.end_ns - (one.ts_offset_ns or 0) for one in segments],
                key_frame_count=[one.key_frame_count for one in segments],
                size_bytes=[one.size_bytes for one in records],
                first_flow_id=flow_ids,
                created_ns=self._now_ns,
            ),
        )
        storage_ids = [one.storage_id for one in records]
        instances = schema.OBJECT_INSTANCES.columns_of(
            count, object_key=keys, storage_id=storage_ids, created_ns=self._now_ns
        )
        transaction.insert(schema.OBJECT_INSTANCES, instances)
        allocations.claim(transaction, records)
        changed = [self._flows[flow_id] for flow_id in dict.fromkeys(flow_ids)]
        rows = [{**flow, "flow_id": flow["id"], "segments_updated_ns": self._now_ns} for flow in changed]
        transaction.update(schema.FLOW_TIMELINES, schema.FLOW_TIMELINES.rows(rows))
        if self._gaps:
            transaction.insert(schema.FLOW_GAPS, schema.FLOW_GAPS.records(self._gaps))
        added = map(_announced, segments, records)
        flows = (self._flows[flow_id] for flow_id in flow_ids)
        events.segments_added(transaction, zip(flows, added, strict=True), self._now_ns)


def _announced(segment: NewSegment, record: Any) -> list[Any]:
    """What is announced of an append: an array of `events.SEGMENT`."""
    start_ns, end_ns, offset_ns = segment.timerange.start_ns, segment.timerange.end_ns, segment.ts_offset_ns
    return events.without_nulls(
        [
            record.object_key,
            segment.object_id,
            start_ns,
            end_ns,
            offset_ns,
            start_ns - (offset_ns or 0),
            end_ns - (offset_ns or 0),
            segment.key_frame_count,
            segment.last_duration_ns,
            segment.timerange_text,
            None,
            segment.sample_offset,
            segment.sample_count,
        ]
    )


def _append(flow: Mapping[str, Any], segments: Sequence[NewSegment], records: Sequence[Any]) -> bool:
    """Whether the segments follow each other after the end of the flow, each with an object allocated for it."""
    flow_id, reached_ns = flow["id"], MIN_NS + 1 if flow["end_ns"] is None else flow["end_ns"]
    for segment, record in zip(segments, records, strict=True):
        timerange, offset_ns = segment.timerange, segment.ts_offset_ns
        if record is None or record.flow_id != flow_id or not _plain(segment):
            return False
        if not reached_ns <= timerange.start_ns < timerange.end_ns < MAX_NS:
            return False
        if offset_ns and not MIN_NS < timerange.start_ns - offset_ns < timerange.end_ns - offset_ns < MAX_NS:
            return False
        reached_ns = timerange.end_ns
    first_ns = segments[0].timerange.start_ns if flow["start_ns"] is None else flow["start_ns"]
    return bool(reached_ns - first_ns <= MAX_NS) and len({one.object_id for one in segments}) == len(segments)


def _plain(segment: NewSegment) -> bool:
    """Whether it says no more of its object than that it is a new one."""
    return (
        segment.object_timerange is None
        and segment.init_object_id is None
        and not segment.get_urls
        and (segment.last_duration_ns is None or segment.last_duration_ns >= 0)
    )


def _gaps(flow: Mapping[str, Any], segments: Sequence[NewSegment]) -> list[tuple[str, int, int]]:
    """What the segments leave between the end of the flow and the first of them, and between each other."""
    starts, ends = [one.timerange.start_ns for one in segments], [one.timerange.end_ns for one in segments]
    reached = [starts[0] if flow["end_ns"] is None else flow["end_ns"], *ends[:-1]]
    return [(flow["id"], end, start) for end, start in zip(reached, starts, strict=True) if end < start]


def _count(flow: dict[str, Any], segments: Sequence[NewSegment], records: Sequence[Any]) -> None:
    """Keep the columns of the flow's timeline true."""
    lengths = [one.timerange.end_ns - one.timerange.start_ns for one in segments]
    if flow["start_ns"] is None:
        flow["start_ns"] = segments[0].timerange.start_ns
    flow["end_ns"] = segments[-1].timerange.end_ns
    flow["segment_count"] += len(segments)
    flow["covered_ns"] += sum(lengths)
    flow["longest_ns"] = max(flow["longest_ns"], *lengths)
    flow["size_bytes"] += sum(one.size_bytes or 0 for one in records)
