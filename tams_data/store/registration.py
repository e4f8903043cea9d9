"""Objects registered by themselves: their bytes are elsewhere, and segments refer to them later."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.errors import AlreadyExists, FlowReadOnly, InvalidInput, ObjectConflict
from tams_data.store import locks
from tams_data.store.allocations import find_allocated
from tams_data.store.objects import check_labels, find_registered
from tams_data.store.reading import flow_rows
from tams_data.timerange import TimeRange


@dataclass(frozen=True, kw_only=True)
class CreateObject:
    """An object to register for a flow; without a time range it is an initialisation object.

    `get_urls` are (url, label). `timerange_text` is the client's own where it is not canonical.
    """

    object_id: str
    flow_id: str
    get_urls: Sequence[tuple[str, str]]
    timerange: TimeRange | None
    timerange_text: str | None
    key_frame_count: int | None
    init_object_id: str | None
    now_ns: int


class ObjectCreator:
    """Registers objects that no segment refers to yet; `each(ObjectCreator(keys, labels))` is a handler of the writer.

    Such an object is like any other from then on: segments of every flow may use it, and it goes with the last of
    those that do.
    """

    def __init__(self, new_key: Callable[[], int], labels: Collection[str]) -> None:
        """`labels` are those of the storage backends: uncontrolled URLs must have others."""
        self._new_key, self._labels = new_key, labels
        self.__name__ = "create_object"

    def __call__(self, transaction: Transaction, request: CreateObject) -> None:
        """Register an object.

        :raise AlreadyExists: its id is registered, or allocated.
        :raise InvalidInput: there is no such flow, or the time range has no start, no end or no length.
        :raise FlowReadOnly: the flow refuses changes.
        :raise ObjectConflict: a label is taken, or the initialisation object is none.
        """
        ids = [one for one in (request.object_id, request.init_object_id) if one is not None]
        transaction.lock(*map(locks.of_object, ids))
        if _taken(transaction, request.object_id):
            raise AlreadyExists(f"object {request.object_id!r} exists")
        _check_flow(transaction, request.flow_id)
        _check_timerange(request.timerange)
        check_labels(request.get_urls, self._labels)
        self._write(transaction, request, _init_key(transaction, request))

    def _write(self, transaction: Transaction, request: CreateObject, init_key: int | None) -> None:
        key = self._new_key()
        row = {
            "key": key,
            "id": request.object_id,
            "id_hash": schema.id_hash(request.object_id),
            "is_init": request.timerange is None,
            "start_ns": request.timerange and request.timerange.start_ns,
            "end_ns": request.timerange and request.timerange.end_ns,
            "timerange": request.timerange_text,
            "key_frame_count": request.key_frame_count,
            "init_object_key": init_key,
            "first_flow_id": request.flow_id,
            "created_ns": request.now_ns,
        }
        instances = [
            {"object_key": key, "url": url, "label": label, "created_ns": request.now_ns}
            for url, label in request.get_urls
        ]
        transaction.insert(schema.OBJECTS, schema.OBJECTS.rows([row]))
        transaction.insert(schema.OBJECT_INSTANCES, schema.OBJECT_INSTANCES.rows(instances))


def _taken(transaction: Transaction, object_id: str) -> bool:
    return bool(find_registered(transaction, {object_id}) or find_allocated(transaction, {object_id}))


def _init_key(transaction: Transaction, request: CreateObject) -> int | None:
    """The key of the initialisation object that a media object needs."""
    init_id = request.init_object_id
    if init_id is None:
        return None
    init = find_registered(transaction, {init_id}).get(init_id)
    if init is None or not init["is_init"] or request.timerange is None:
        message = f"object {request.object_id!r} cannot have {init_id!r} as its initialisation object"
        raise ObjectConflict(message, field="init_object.id", value=init_id)
    return int(init["key"])


def _check_flow(transaction: Transaction, flow_id: str) -> None:
    flow = flow_rows(transaction, [flow_id]).get(flow_id)
    if flow is None:
        raise InvalidInput(f"no flow {flow_id}", field="first_referenced_by_flow", value=flow_id)
    if flow["read_only"]:
        raise FlowReadOnly(f"flow {flow_id} is read-only")


def _check_timerange(timerange: TimeRange | None) -> None:
    if timerange is not None and (timerange.is_never or timerange.starts_open or timerange.ends_open):
        text = str(timerange)
        raise InvalidInput(f"an object has a start and an end, not {text}", field="timerange", value=text)
