"""Media objects: allocated for one flow, registered by their first segment, immutable from then on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from tams_data import schema
from tams_data.engines.base import Reader, Transaction
from tams_data.errors import FlowReadOnly, InvalidInput, ObjectConflict, ObjectNotFound
from tams_data.queries import objects as queries
from tams_data.store import locks
from tams_data.store.allocations import Allocations, find_allocated, hashes_of
from tams_data.store.discards import Orphan, discard, find_discarded
from tams_data.store.reading import flow_row
from tams_data.timerange import TimeRange

_OBJECT, _INSTANCE = schema.OBJECTS.record, schema.OBJECT_INSTANCES.record
_ALLOCATION = schema.STORAGE_ALLOCATIONS.record


@dataclass(frozen=True, kw_only=True)
class AllocateObjects:
    """A request for upload locations: `count` new ids, or the client's own `object_ids`."""

    flow_id: str
    storage_id: str
    count: int
    object_ids: Sequence[str] | None
    content_type: str | None
    now_ns: int


@dataclass(frozen=True)
class Allocation:
    """An object id to upload to, and the content type to upload it with."""

    object_id: str
    content_type: str


class Allocator:
    """Allocates objects; `each(Allocator(keys))` is a handler of the writer."""

    def __init__(self, new_key: Callable[[], int], allocations: Allocations) -> None:
        self._new_key, self._allocations = new_key, allocations
        self.__name__ = "allocate_objects"

    def __call__(self, transaction: Transaction, request: AllocateObjects) -> list[Allocation]:
        """Reserve objects for a flow (TAMS 8.2, POST storage).

        :raise FlowNotFound: there is no such flow.
        :raise FlowReadOnly: the flow refuses changes.
        :raise InvalidInput: the flow has no `container`.
        :raise ObjectConflict: an id is taken, given twice, or that of a deleted object whose bytes are still there.
        """
        own_ids = map(locks.of_object, request.object_ids or ())  # nobody else has those that are made here
        transaction.lock(locks.of_flow(request.flow_id), *own_ids)
        flow = flow_row(transaction, request.flow_id)
        if flow["read_only"]:
            raise FlowReadOnly(f"flow {request.flow_id} is read-only")
        if flow["container"] is None:
            raise InvalidInput(f"flow {request.flow_id} has no container", field="container", value=None)
        ids = request.object_ids if request.object_ids is not None else [str(uuid4()) for _ in range(request.count)]
        self._refuse_taken(transaction, ids)
        if request.object_ids is not None:
            _refuse_discarded(transaction, ids)
        content_type = request.content_type or flow["container"]
        records = [
            _ALLOCATION(
                object_key=self._new_key(),
                object_id=object_id,
                id_hash=schema.id_hash(object_id),
                flow_id=request.flow_id,
                storage_id=request.storage_id,
                content_type=content_type,
                size_bytes=None,
                created_ns=request.now_ns,
            )
            for object_id in ids
        ]
        self._allocations.add(transaction, records)
        return [Allocation(object_id, content_type) for object_id in ids]

    def _refuse_taken(self, transaction: Transaction, ids: Sequence[str]) -> None:
        twice = next((one for i, one in enumerate(ids) if one in ids[:i]), None) if len(set(ids)) < len(ids) else None
        if twice is not None:
            raise ObjectConflict(f"object id {twice!r} is given twice", field="object_ids", value=twice)
        wanted = frozenset(ids)
        taken = {**find_registered(transaction, wanted), **self._allocations.find(transaction, wanted)}
        if taken:
            first = next(iter(taken))
            raise ObjectConflict(f"object id {first!r} is in use", field="object_ids", value=first)


@dataclass(frozen=True)
class RecordUpload:
    """An object's bytes are complete in the media store."""

    object_id: str
    size_bytes: int


class UploadRecorder:
    """Records uploads; `each(UploadRecorder(allocations))` is a handler of the writer."""

    def __init__(self, allocations: Allocations) -> None:
        self._allocations = allocations
        self.__name__ = "record_upload"

    def __call__(self, transaction: Transaction, upload: RecordUpload) -> None:
        """Note the size of an upload.

        :raise ObjectConflict: the object is not allocated, or is registered and so immutable.
        """
        found = self._allocations.find(transaction, [upload.object_id])
        self._allocations.set_size(transaction, _uploadable(found, upload.object_id), upload.size_bytes)


def allocation(reader: Reader, object_id: str) -> Any:
    """The record of `storage_allocations` of an object that may be uploaded.

    :raise ObjectConflict: it is not allocated, or is registered and so immutable.
    """
    return _uploadable(find_allocated(reader, [object_id]), object_id)


@dataclass(frozen=True)
class LetGo:
    """Bytes have come to their place, on one storage backend, when their object was wanted no longer."""

    object_id: str
    storage_id: str
    now_ns: int


def is_wanted(reader: Reader, object_id: str) -> bool:
    """Whether an object is allocated or registered, so that its bytes are needed."""
    return bool(find_allocated(reader, [object_id]) or find_registered(reader, {object_id}))


def let_go(transaction: Transaction, bytes_: LetGo) -> bool:
    """Note bytes to be deleted, unless their object is wanted by now.

    False when bytes of this object are noted already: they may have been deleted before these came, so ask again.
    """
    if is_wanted(transaction, bytes_.object_id):
        return True
    orphan = Orphan(bytes_.object_id, bytes_.storage_id)
    if orphan in find_discarded(transaction, [bytes_.object_id]):
        return False
    discard(transaction, [orphan], bytes_.now_ns)
    return True


def _uploadable(found: Mapping[str, Any], object_id: str) -> Any:
    record = found.get(object_id)
    if record is None:
        raise not_to_upload(object_id)
    return record


def not_to_upload(object_id: str) -> ObjectConflict:
    """What is said of an object whose bytes are not to be uploaded."""
    return ObjectConflict(
        f"object {object_id!r} is not allocated, or is registered already", field="object_id", value=object_id
    )


def _refuse_discarded(transaction: Transaction, ids: Sequence[str]) -> None:
    """Bytes that are still to be deleted would be taken for the new ones, or the new ones deleted for the old."""
    discarded = find_discarded(transaction, ids)
    if discarded:
        first = min(one.object_id for one in discarded)
        raise ObjectConflict(
            f"object id {first!r} can be used again when the bytes of the deleted object are gone; try again",
            field="object_ids",
            value=first,
        )


def find_registered(reader: Reader, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Rows of `objects` by object id, for those of `ids` that are registered."""
    if not ids:
        return {}
    keys = reader.read(queries.keys_by_hash, {"hashes": hashes_of(ids)})["key"].to_pylist()
    rows = reader.rows(queries.by_key, {"keys": keys}) if keys else []
    return {row["id"]: row for row in rows if row["id"] in ids}


def registered(reader: Reader, object_id: str) -> dict[str, Any]:
    """The row of `objects` with this id.

    :raise ObjectNotFound: it is not registered (it may be allocated).
    """
    row = find_registered(reader, [object_id]).get(object_id)
    if row is None:
        raise ObjectNotFound(f"no object {object_id!r}")
    return row


class ObjectUse(Protocol):
    """What a segment says of its object."""

    @property
    def object_id(self) -> str: ...
    @property
    def timerange(self) -> TimeRange: ...
    @property
    def ts_offset_ns(self) -> int | None: ...
    @property
    def object_timerange(self) -> TimeRange | None: ...
    @property
    def object_timerange_text(self) -> str | None: ...
    @property
    def key_frame_count(self) -> int | None: ...
    @property
    def init_object_id(self) -> str | None: ...
    @property
    def get_urls(self) -> Sequence[tuple[str, str]]: ...


@dataclass
class Registry:
    """The objects that a group of segments uses: those there are, and those it registers."""

    new_key: Callable[[], int]
    labels: Collection[str]
    allocations: Allocations
    now_ns: int
    known: dict[str, Any] = field(default_factory=dict)  # records of objects
    allocated: dict[str, Any] = field(default_factory=dict)  # records of allocations
    new_objects: list[Any] = field(default_factory=list)
    new_instances: list[Any] = field(default_factory=list)
    urls: set[tuple[int, str, str]] = field(default_factory=set)  # object key, URL, label

    def load(self, reader: Reader, ids: Iterable[str], *, with_urls: Collection[str] = ()) -> None:
        """Read what the store has of these ids: a client that records has just had them allocated.

        `with_urls` are those that come with `get_urls`: they may be what the objects have already.
        """
        wanted = set(ids)
        self.allocated = self.allocations.find(reader, wanted)
        found = find_registered(reader, wanted - self.allocated.keys())
        self.known = {object_id: _OBJECT(**row) for object_id, row in found.items()}
        if keys := [row.key for object_id, row in self.known.items() if object_id in with_urls]:
            rows = reader.rows(queries.instances, {"keys": keys})
            self.urls = {(row["object_key"], row["url"], row["label"]) for row in rows}

    def use(self, flow: Mapping[str, Any], segment: ObjectUse) -> Any:
        """The record of the object a segment of `flow` uses, without registering it yet.

        :raise ObjectConflict: it may not be used in this way (TAMS 8.2, POST segments).
        """
        self._check_init(flow, segment)
        found = self.known.get(segment.object_id)
        if found is not None:
            _check_reuse(found, segment, self._init_key(segment))
            self._check_urls(found, segment)
            return found
        self._check_new(flow, segment)
        return self._new_row(segment.object_id, flow["id"], of=segment, init_key=self._init_key(segment))

    def register(self, flow: Mapping[str, Any], segment: ObjectUse, row: Any) -> None:
        """Take a row that `use` gave into the store, and its initialisation object, unless they are there."""
        if segment.init_object_id is not None and segment.init_object_id not in self.known:
            self._add(self._new_row(segment.init_object_id, flow["id"], of=None, init_key=None), ())
        if segment.object_id not in self.known:
            self._add(row, segment.get_urls)

    def write(self, transaction: Transaction) -> None:
        """Write what was registered."""
        transaction.insert(schema.OBJECTS, schema.OBJECTS.records(self.new_objects))
        transaction.insert(schema.OBJECT_INSTANCES, schema.OBJECT_INSTANCES.records(self.new_instances))
        claimed = [self.allocated[row.id] for row in self.new_objects if row.id in self.allocated]
        self.allocations.claim(transaction, claimed)

    def _new_row(self, object_id: str, flow_id: str, *, of: ObjectUse | None, init_key: int | None) -> Any:
        """A record of `objects`: of the media object of a segment, or of an initialisation object when `of` is None."""
        allocated = self.allocated.get(object_id)
        timerange = None if of is None else _object_timerange(of)
        return _OBJECT(
            key=allocated.object_key if allocated else self.new_key(),
            id=object_id,
            id_hash=allocated.id_hash if allocated else schema.id_hash(object_id),
            is_init=of is None,
            start_ns=timerange and timerange.start_ns,
            end_ns=timerange and timerange.end_ns,
            timerange=of and of.object_timerange_text,
            key_frame_count=of and of.key_frame_count,
            init_object_key=init_key,
            size_bytes=allocated.size_bytes if allocated else None,
            first_flow_id=flow_id,
            created_ns=self.now_ns,
        )

    def _add(self, row: Any, get_urls: Sequence[tuple[str, str]]) -> None:
        self.known[row.id] = row
        self.new_objects.append(row)
        if allocated := self.allocated.get(row.id):
            self.new_instances.append(_INSTANCE(row.key, allocated.storage_id, None, None, self.now_ns))
        for url, label in get_urls:
            self.new_instances.append(_INSTANCE(row.key, None, label, url, self.now_ns))
            self.urls.add((row.key, url, label))

    def _init_key(self, segment: ObjectUse) -> int | None:
        if segment.init_object_id is None:
            return None
        known = self.known.get(segment.init_object_id)
        return int(known.key if known else self.allocated[segment.init_object_id].object_key)

    def _check_urls(self, known: Any, segment: ObjectUse) -> None:
        """Accept URLs that the object has: the request may be a repeated one."""
        if not self.urls.issuperset((known.key, url, label) for url, label in segment.get_urls):
            raise ObjectConflict(
                f"object {segment.object_id!r} exists; add a URL at its instances",
                field="get_urls",
                value=segment.get_urls,
            )

    def _check_new(self, flow: Mapping[str, Any], segment: ObjectUse) -> None:
        check_labels(segment.get_urls, self.labels)
        allocated = self.allocated.get(segment.object_id)
        if allocated is None and not segment.get_urls:
            raise ObjectConflict(
                f"object {segment.object_id!r} was not allocated by this service and has no get_urls",
                field="object_id",
                value=segment.object_id,
            )
        _check_meant_for(allocated, flow["id"], "object_id")
        if flow["init_segments"] and segment.init_object_id is None:
            raise ObjectConflict(f"flow {flow['id']} uses initialisation objects", field="init_object_id", value=None)

    def _check_init(self, flow: Mapping[str, Any], segment: ObjectUse) -> None:
        init_id = segment.init_object_id
        if init_id is None:
            return
        if not flow["init_segments"]:
            raise ObjectConflict(
                f"flow {flow['id']} does not say init_segments, so {init_id!r} cannot be an initialisation object",
                field="init_object_id",
                value=init_id,
            )
        known, allocated = self.known.get(init_id), self.allocated.get(init_id)
        if known is None and allocated is None:
            raise ObjectConflict(f"no object {init_id!r}", field="init_object_id", value=init_id)
        if (known is not None and not known.is_init) or init_id == segment.object_id:
            raise ObjectConflict(f"object {init_id!r} is a media object", field="init_object_id", value=init_id)
        if known is None:
            _check_meant_for(allocated, flow["id"], "init_object_id")


def _object_timerange(segment: ObjectUse) -> TimeRange:
    """The time range of an object that its first segment decides.

    TAMS 8.2, flow-segment-post: `object_timerange` defaults to `timerange - ts_offset`.
    """
    on_object = _on_object(segment)
    if segment.object_timerange is None:
        return on_object
    if not segment.object_timerange.contains(on_object):
        raise _outside(segment, segment.object_timerange)
    return segment.object_timerange


def _on_object(segment: ObjectUse) -> TimeRange:
    """The segment's time range on the timeline of its object."""
    return segment.timerange.shift(-segment.ts_offset_ns) if segment.ts_offset_ns else segment.timerange


def _check_reuse(known: Any, segment: ObjectUse, init_key: int | None) -> None:
    """TAMS 8.2, POST segments: re-use may take part of an object, and changes nothing of it."""
    if known.is_init:
        raise ObjectConflict(
            f"object {segment.object_id!r} is an initialisation object", field="object_id", value=segment.object_id
        )
    timerange = TimeRange(known.start_ns, known.end_ns)
    if segment.object_timerange is not None and segment.object_timerange != timerange:
        raise _differs("object_timerange", segment.object_id, segment.object_timerange, timerange)
    if segment.key_frame_count is not None and segment.key_frame_count != known.key_frame_count:
        raise _differs("key_frame_count", segment.object_id, segment.key_frame_count, known.key_frame_count)
    if init_key is not None and init_key != known.init_object_key:
        raise _differs("init_object_id", segment.object_id, segment.init_object_id, "another")
    if not timerange.contains(_on_object(segment)):
        raise _outside(segment, timerange)


def _check_meant_for(allocated: Any, flow_id: str, name: str) -> None:
    if allocated is not None and allocated.flow_id != flow_id:
        object_id = allocated.object_id
        # Not for which: that flow may be hidden from who asks.
        raise ObjectConflict(f"object {object_id!r} was not allocated for flow {flow_id}", field=name, value=object_id)


def check_labels(get_urls: Sequence[tuple[str, str]], labels: Collection[str]) -> None:
    """Refuse a label of a URL that another of them has, or one of `labels`.

    :raise ObjectConflict: there is such a label.
    """
    if not get_urls:
        return
    seen = set(labels)
    for _, label in get_urls:
        if label in seen:
            raise ObjectConflict(f"label {label!r} is taken", field="get_urls.label", value=label)
        seen.add(label)


def _differs(name: str, object_id: str, given: object, known: object) -> ObjectConflict:
    message = f"object {object_id!r} has {name} {known}, not {given}"
    return ObjectConflict(message, field=name, value=str(given))


def _outside(segment: ObjectUse, timerange: TimeRange) -> ObjectConflict:
    return ObjectConflict(
        f"{segment.timerange} less ts_offset is not within the time range {timerange} of object {segment.object_id!r}",
        field="timerange",
        value=str(segment.timerange),
    )
