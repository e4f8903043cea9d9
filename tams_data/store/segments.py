"""Segments: put on a flow's timeline, and taken off it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Reader, Transaction
from tams_data.errors import FlowNotFound, FlowReadOnly, InvalidInput, TamsDataError
from tams_data.queries import flows as flow_queries
from tams_data.queries import objects as object_queries
from tams_data.queries import segments as queries
from tams_data.store import events, locks, timelines
from tams_data.store.allocations import Allocations
from tams_data.store.appends import Appends, NewSegment
from tams_data.store.discards import Orphan, discard
from tams_data.store.objects import Registry, find_registered
from tams_data.store.outbox import Announcing
from tams_data.store.reading import flow_row, objects_with_instances
from tams_data.store.timelines import Placed, Timeline
from tams_data.timerange import TimeRange


@dataclass(frozen=True)
class AddSegments:
    """Segments of one request, all for one flow."""

    flow_id: str
    segments: Sequence[NewSegment]
    now_ns: int


class SegmentAdder:
    """The handler that registers segments.

    It takes a whole group of requests at once, so that a group costs a few queries and one insert a table however
    many requests are in it. The result of a request is a list with None or an error for each of its segments.
    """

    def __init__(self, new_key: Callable[[], int], labels: Collection[str], allocations: Allocations) -> None:
        """`labels` are those of the storage backends: uncontrolled URLs must have others."""
        self._new_key, self._labels, self._allocations = new_key, labels, allocations

    def __call__(
        self, transaction: Announcing, requests: Sequence[AddSegments]
    ) -> list[list[TamsDataError | None] | TamsDataError]:
        ids = sorted({request.flow_id for request in requests})
        flows = {row["id"]: row for row in transaction.rows(flow_queries.for_writing, {"ids": ids})}
        verdicts: list[Any] = [_refusal(flows.get(request.flow_id), request) for request in requests]
        accepted = [request for request, refusal in zip(requests, verdicts, strict=True) if refusal is None]
        outcomes = iter(self._add(transaction, flows, accepted))
        return [next(outcomes) if refusal is None else refusal for refusal in verdicts]

    def _add(
        self, transaction: Announcing, flows: dict[str, dict[str, Any]], requests: Sequence[AddSegments]
    ) -> list[list[TamsDataError | None]]:
        """Appends in whole columns, then the rest, which reads what they wrote, by the rules one by one."""
        now_ns = requests[0].now_ns if requests else 0
        appends = Appends(flows, self._allocations.find(transaction, _object_ids(requests)), now_ns)
        outcomes: list[Any] = [appends.take(request.flow_id, request.segments) for request in requests]
        appends.write(transaction, self._allocations)
        rest = [request for request, outcome in zip(requests, outcomes, strict=True) if outcome is None]
        if rest:
            batch = _Batch(transaction, flows, rest, self._registry(now_ns))
            judged = iter([batch.add(request) for request in rest])
            batch.write()
            outcomes = [next(judged) if outcome is None else outcome for outcome in outcomes]
        return outcomes

    def _registry(self, now_ns: int) -> Registry:
        return Registry(self._new_key, self._labels, self._allocations, now_ns)


class _Batch:
    """The segments of a group of requests, checked one after the other and written together."""

    def __init__(
        self,
        transaction: Announcing,
        flows: dict[str, dict[str, Any]],
        requests: Sequence[AddSegments],
        registry: Registry,
    ) -> None:
        self._transaction, self._flows, self._registry = transaction, flows, registry
        self._rows: list[tuple[Any, ...]] = []
        self._added: list[tuple[Mapping[str, Any], Sequence[Any]]] = []  # as it is announced
        self._ids = _object_ids(requests)
        registry.load(transaction, self._ids, with_urls=_with_urls(requests))
        self._timelines = {
            flow_id: timelines.load(transaction, flow_id, flows[flow_id], _intervals(requests, flow_id))
            for flow_id in {request.flow_id for request in requests}
        }

    def add(self, request: AddSegments) -> list[TamsDataError | None]:
        flow, timeline = self._flows[request.flow_id], self._timelines[request.flow_id]
        return [self._verdict(flow, timeline, segment) for segment in request.segments]

    def _verdict(self, flow: dict[str, Any], timeline: Timeline, segment: NewSegment) -> TamsDataError | None:
        try:
            self._put(flow, timeline, segment)
        except TamsDataError as error:
            return error
        return None

    def _put(self, flow: dict[str, Any], timeline: Timeline, segment: NewSegment) -> None:
        _check_bounds(segment)
        used = self._registry.use(flow, segment)
        start_ns, end_ns = segment.timerange.start_ns, segment.timerange.end_ns
        if not timeline.place(Placed(start_ns, end_ns, used.key, segment.ts_offset_ns or 0)):
            return  # a repeated request: its first answer was lost, not its commit
        self._registry.register(flow, segment, used)
        timeline.add(start_ns, end_ns, used.size_bytes or 0)
        self._rows.append(_row(flow["id"], segment, used.key, self._registry.now_ns))
        self._added.append((flow, _announced(segment, used)))

    def write(self) -> None:
        if not self._rows:
            return
        # Allocated objects need no lock: their allocations are deleted.
        self._transaction.lock(*map(locks.of_object, self._ids - self._registry.allocated.keys()))
        self._transaction.insert(schema.SEGMENTS, schema.SEGMENTS.records(self._rows))
        self._registry.write(self._transaction)
        timelines.write(self._transaction, self._timelines.values(), self._registry.now_ns)
        events.segments_added(self._transaction, self._added, self._registry.now_ns)


def _refusal(flow: dict[str, Any] | None, request: AddSegments) -> TamsDataError | None:
    if flow is None:
        return FlowNotFound(f"no flow {request.flow_id}")
    if flow["read_only"]:
        return FlowReadOnly(f"flow {request.flow_id} is read-only")
    if flow["container"] is None:
        return InvalidInput(f"flow {request.flow_id} has no container", field="container", value=None)
    return None


def _check_bounds(segment: NewSegment) -> None:
    timerange = segment.timerange
    if timerange.is_never or timerange.starts_open or timerange.ends_open:
        raise InvalidInput(
            f"a segment has a start and an end, not {timerange}", field="timerange", value=str(timerange)
        )
    if segment.last_duration_ns is not None and segment.last_duration_ns < 0:
        raise InvalidInput(
            f"last_duration is negative: {segment.last_duration_ns} ns",
            field="last_duration",
            value=segment.last_duration_ns,
        )


def _object_ids(requests: Sequence[AddSegments]) -> set[str]:
    ids = {segment.object_id for request in requests for segment in request.segments}
    return ids | {s.init_object_id for r in requests for s in r.segments if s.init_object_id is not None}


def _with_urls(requests: Sequence[AddSegments]) -> set[str]:
    return {segment.object_id for request in requests for segment in request.segments if segment.get_urls}


def _intervals(requests: Sequence[AddSegments], flow_id: str) -> list[tuple[int, int]]:
    return [
        (segment.timerange.start_ns, segment.timerange.end_ns)
        for request in requests
        if request.flow_id == flow_id
        for segment in request.segments
        if segment.timerange.length_ns  # one without two ends is refused, and would have all of the flow read
    ]


def _row(flow_id: str, segment: NewSegment, object_key: int, now_ns: int) -> tuple[Any, ...]:
    """The columns of `segments`, in the schema's order."""
    return (
        flow_id,
        segment.timerange.start_ns,
        segment.timerange.end_ns,
        segment.timerange_text,
        object_key,
        segment.ts_offset_ns,
        segment.last_duration_ns,
        segment.sample_offset,
        segment.sample_count,
        now_ns,
    )


def _announced(segment: NewSegment, used: Any) -> list[Any]:
    """What is announced of a segment and the record of its object: an array of `events.SEGMENT`."""
    told = [
        used.key,
        used.id,
        segment.timerange.start_ns,
        segment.timerange.end_ns,
        segment.ts_offset_ns,
        used.start_ns,
        used.end_ns,
        used.key_frame_count,
        segment.last_duration_ns,
        segment.timerange_text,
        used.timerange,
        segment.sample_offset,
        segment.sample_count,
        segment.init_object_id,
    ]
    return events.without_nulls(told)


@dataclass(frozen=True)
class DeleteSegments:
    """Delete the segments of a flow that lie wholly inside a time range, or those of them that use one object."""

    flow_id: str
    timerange: TimeRange
    object_id: str | None
    now_ns: int


def delete(transaction: Announcing, request: DeleteSegments) -> list[Orphan]:
    """Delete segments (TAMS 8.2, DELETE segments); give the bytes that are to be deleted after the commit.

    :raise FlowNotFound: there is no such flow.
    :raise FlowReadOnly: the flow refuses changes.
    """
    flow = changeable(transaction, request.flow_id)
    chosen = selection(transaction, request)
    return [] if chosen is None else remove(transaction, flow, chosen, request.now_ns)


def changeable(transaction: Transaction, flow_id: str) -> dict[str, Any]:
    """A flow, with its timeline, that may be changed.

    :raise FlowNotFound: there is no such flow.
    :raise FlowReadOnly: it refuses changes.
    """
    flow = flow_row(transaction, flow_id)
    if flow["read_only"]:
        raise FlowReadOnly(f"flow {flow_id} is read-only")
    return flow


def selection(transaction: Transaction, request: DeleteSegments) -> dict[str, Any] | None:
    """What `covered_by` finds the segments of a request with; None when it can find none."""
    if request.timerange.is_never:
        return None
    window = _window(request.flow_id, request.timerange)
    if request.object_id is None:
        return window
    row = find_registered(transaction, {request.object_id}).get(request.object_id)
    return None if row is None else {**window, "object_key": row["key"]}


def remove(
    transaction: Announcing, flow: Mapping[str, Any], chosen: Mapping[str, Any], now_ns: int, **options: int
) -> list[Orphan]:
    """Delete the segments that `covered_by` finds, and what nothing refers to then."""
    return remove_found(transaction, flow, transaction.read(queries.covered_by, chosen, **options), now_ns)


def remove_found(transaction: Announcing, flow: Mapping[str, Any], found: pa.Table, now_ns: int) -> list[Orphan]:
    """Delete these segments of a flow, and what nothing refers to then."""
    if not found.num_rows:
        return []
    keys = sorted(set(found["object_key"].to_pylist()))
    used = transaction.rows(object_queries.sizes, {"keys": keys})
    sizes = {row["key"]: row["size_bytes"] for row in used}
    orphans = _remove(transaction, flow, found, now_ns)
    timelines.subtract(transaction, flow, found, sizes, now_ns)
    return orphans


def remove_all(transaction: Announcing, flow: Mapping[str, Any], now_ns: int) -> list[Orphan]:
    """Delete the segments of a flow, and every object nothing refers to then.

    What is kept of its timeline is not touched: it goes with the flow.
    """
    found = transaction.read(queries.covered_by, _window(flow["id"], TimeRange.eternity()))
    return _remove(transaction, flow, found, now_ns)


def _window(flow_id: str, timerange: TimeRange) -> dict[str, Any]:
    return {"flow_id": flow_id, "start_ns": timerange.start_ns, "end_ns": timerange.end_ns}


def _remove(transaction: Announcing, flow: Mapping[str, Any], found: pa.Table, now_ns: int) -> list[Orphan]:
    if not found.num_rows:
        return []
    transaction.delete(schema.SEGMENTS, found.select(list(schema.SEGMENTS.key)))
    orphans = remove_unreferenced(transaction, sorted(set(found["object_key"].to_pylist())), now_ns)
    events.segments_deleted(transaction, flow, found, now_ns)
    return orphans


def remove_unreferenced(transaction: Transaction, keys: list[int], now_ns: int) -> list[Orphan]:
    """Delete those objects that nothing refers to; give the bytes that are to be deleted after the commit."""
    orphans = _remove_unreferenced(transaction, keys)
    discard(transaction, orphans, now_ns)
    return orphans


def _remove_unreferenced(transaction: Transaction, keys: list[int]) -> list[Orphan]:
    """Delete those objects that no segment and no object refers to; then their initialisation objects likewise.

    Copies of them that are under way end, and what they may have written is to be deleted as well.

    TAMS 8.2, DELETE segments: objects are only deleted when nothing refers to them, as init objects either.
    """
    unused = unreferenced(transaction, keys)
    if not unused:
        return []
    rows = objects_with_instances(transaction, unused).values()
    transaction.lock(*(locks.of_object(row["id"]) for row in rows))
    transaction.delete(schema.OBJECTS, schema.OBJECTS.keys({"key": key} for key in unused))
    gone = schema.OBJECT_INSTANCES.keys({"object_key": key} for key in unused)
    transaction.delete(schema.OBJECT_INSTANCES, gone)
    transaction.delete(schema.OBJECT_ACCESSES, gone)
    copies = transaction.rows(object_queries.copies, {"keys": unused})
    transaction.delete(schema.OBJECT_COPIES, schema.OBJECT_COPIES.keys(copies))
    ids = {row["key"]: row["id"] for row in rows}
    held = [*(instance for row in rows for instance in row["instances"]), *copies]
    orphans = [Orphan(ids[one["object_key"]], one["storage_id"]) for one in held if one["storage_id"] is not None]
    inits = sorted({row["init_object_key"] for row in rows if row["init_object_key"] is not None})
    return orphans + _remove_unreferenced(transaction, inits)


def unreferenced(reader: Reader, keys: list[int]) -> list[int]:
    """Those of the objects with these keys that no segment uses and no object needs to be initialised, in order."""
    if not keys:
        return []
    wanted = {"keys": pa.table({"key": pa.array(keys, pa.int64())})}
    used = reader.read(queries.object_keys, wanted)["object_key"].to_pylist()
    needed = reader.read(object_queries.needing_init, wanted)["init_object_key"].to_pylist()
    return sorted(set(keys).difference(used, needed))
