"""Instances of objects: further places where their bytes are. Added and removed; never the last one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tams_data import schema
from tams_data.engines.base import Reader, Transaction
from tams_data.errors import InvalidInput, ObjectConflict
from tams_data.queries import objects as queries
from tams_data.store import locks
from tams_data.store.discards import Orphan, discard, find_discarded
from tams_data.store.objects import registered

Row = Mapping[str, Any]


@dataclass(frozen=True)
class AddUrl:
    """The bytes of an object are at a URL as well, which the service does not control."""

    object_id: str
    url: str
    label: str
    now_ns: int


class UrlAdder:
    """Adds uncontrolled instances; `each(UrlAdder(labels))` is a handler of the writer."""

    def __init__(self, labels: Collection[str]) -> None:
        """`labels` are those of the storage backends."""
        self._labels = labels
        self.__name__ = "add_url"

    def __call__(self, transaction: Transaction, request: AddUrl) -> None:
        """Add an uncontrolled instance (TAMS 8.2, POST objects-instances).

        :raise ObjectNotFound: the object is not registered.
        :raise ObjectConflict: the label is that of a storage backend, or of another instance of the object.
        """
        transaction.lock(locks.of_object(request.object_id))
        found = registered(transaction, request.object_id)
        taken = {row["label"] for row in _instances(transaction, found["key"])}
        if request.label in self._labels or request.label in taken:
            raise ObjectConflict(f"label {request.label!r} is taken", field="label", value=request.label)
        row = {"object_key": found["key"], "label": request.label, "url": request.url, "created_ns": request.now_ns}
        transaction.insert(schema.OBJECT_INSTANCES, schema.OBJECT_INSTANCES.rows([row]))


@dataclass(frozen=True)
class RequestCopy:
    """An object is to be on a further storage backend."""

    object_id: str
    storage_id: str
    now_ns: int


def request_copy(transaction: Transaction, request: RequestCopy) -> None:
    """Note that an object is to be copied to a storage backend (TAMS 8.2, POST objects-instances).

    :raise ObjectNotFound: the object is not registered.
    :raise ObjectConflict: it is on the backend already, or on its way there.
    """
    transaction.lock(locks.of_object(request.object_id))
    found = registered(transaction, request.object_id)
    if any(row["storage_id"] == request.storage_id for row in _instances(transaction, found["key"])):
        raise _on_backend(request, "is on")
    if any(row["storage_id"] == request.storage_id for row in _copies(transaction, found["key"])):
        raise _on_backend(request, "is being copied to")
    row = {
        "object_key": found["key"],
        "storage_id": request.storage_id,
        "attempts": 0,
        "next_ns": request.now_ns,
        "created_ns": request.now_ns,
    }
    transaction.insert(schema.OBJECT_COPIES, schema.OBJECT_COPIES.rows([row]))


@dataclass(frozen=True)
class RemoveInstance:
    """An instance of an object is to go: that on a storage backend, or that with a label."""

    object_id: str
    storage_id: str | None
    label: str | None
    now_ns: int


class InstanceRemover:
    """Removes instances; `each(InstanceRemover(labels))` is a handler of the writer."""

    def __init__(self, labels: Mapping[str, str | None]) -> None:
        """`labels` are those of the storage backends, by their ids."""
        self._labels = labels
        self.__name__ = "remove_instance"

    def __call__(self, transaction: Transaction, request: RemoveInstance) -> list[Orphan]:
        """Remove an instance (TAMS 8.2, DELETE objects-instances); give the bytes to delete after the commit.

        A copy that is under way is called off.

        :raise ObjectNotFound: the object is not registered.
        :raise InvalidInput: there is no such instance, or several have the label.
        :raise ObjectConflict: it is the last one.
        """
        transaction.lock(locks.of_object(request.object_id))
        found = registered(transaction, request.object_id)
        instances = _instances(transaction, found["key"])
        chosen = [row for row in instances if self._is_meant(row, request)]
        copies = [row for row in _copies(transaction, found["key"]) if self._is_meant(row, request)]
        if len(chosen) + len(copies) != 1:
            raise _not_one(request, len(chosen) + len(copies))
        if copies:
            transaction.delete(schema.OBJECT_COPIES, schema.OBJECT_COPIES.keys(copies))
        elif len(instances) == 1:
            raise ObjectConflict(
                f"object {request.object_id!r} has no other instance: it goes with the last segment that uses it",
                **_named(request),
            )
        else:
            _remove(transaction, chosen[0])
        gone = [Orphan(found["id"], row["storage_id"]) for row in chosen + copies if row["storage_id"] is not None]
        discard(transaction, gone, request.now_ns)
        return gone

    def _is_meant(self, row: Row, request: RemoveInstance) -> bool:
        storage_id = row["storage_id"]
        if request.storage_id is not None:
            return bool(storage_id == request.storage_id)
        label = row["label"] if storage_id is None else self._labels.get(storage_id)
        return bool(label == request.label)


def _remove(transaction: Transaction, instance: Row) -> None:
    where = ["storage_id"] if instance["storage_id"] is not None else ["label", "url"]
    gone = schema.OBJECT_INSTANCES.part(["object_key", *where], [instance])
    transaction.delete(schema.OBJECT_INSTANCES, gone)


def _instances(reader: Reader, key: int) -> list[dict[str, Any]]:
    return reader.rows(queries.instances, {"keys": [key]})


def _copies(reader: Reader, key: int) -> list[dict[str, Any]]:
    return reader.rows(queries.copies, {"keys": [key]})


def _on_backend(request: RequestCopy, relation: str) -> ObjectConflict:
    message = f"object {request.object_id!r} {relation} storage backend {request.storage_id} already"
    return ObjectConflict(message, field="storage_id", value=request.storage_id)


def _named(request: RemoveInstance) -> dict[str, Any]:
    if request.storage_id is not None:
        return {"field": "storage_id", "value": request.storage_id}
    return {"field": "label", "value": request.label}


def _not_one(request: RemoveInstance, count: int) -> InvalidInput:
    named = _named(request)
    which = f"{named['field']} {named['value']!r}"
    message = f"object {request.object_id!r} has {count or 'no'} instance{'s' if count else ''} with {which}"
    return InvalidInput(message, **named)


# --- copies ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copy:
    """A copy that is under way."""

    object_id: str
    object_key: int
    storage_id: str
    attempts: int = 0


def claim_copy(transaction: Transaction, claim: tuple[Copy, int, int]) -> bool:
    """Put a copy that is due at a time off for others until another, both ns UTC: whether it was still due."""
    copy, now_ns, until_ns = claim
    found = (row for row in _copies(transaction, copy.object_key) if row["storage_id"] == copy.storage_id)
    row = next(found, None)
    if row is None or row["next_ns"] > now_ns:
        return False
    names = ["object_key", "storage_id", "next_ns"]
    transaction.update(schema.OBJECT_COPIES, schema.OBJECT_COPIES.part(names, [{**row, "next_ns": until_ns}]))
    return True


def check_copy(transaction: Transaction, copy: Copy) -> None:
    """Let the bytes of a copy become visible, or raise.

    :raise ObjectConflict: it was called off, or bytes of a deleted object with this id are still to be deleted there.
    """
    if not _is_wanted(transaction, copy):
        raise ObjectConflict(f"the copy of object {copy.object_id!r} was called off", value=copy.object_id)
    if Orphan(copy.object_id, copy.storage_id) in find_discarded(transaction, [copy.object_id]):
        raise ObjectConflict(
            f"earlier bytes of object {copy.object_id!r} are still to be deleted", value=copy.object_id
        )


def finish_copy(transaction: Transaction, copy: Copy, now_ns: int) -> None:
    """Make an instance of a copy whose bytes are there. One that was called off has its bytes noted to be deleted."""
    transaction.lock(locks.of_object(copy.object_id))
    if not _is_wanted(transaction, copy):
        return
    row = {"object_key": copy.object_key, "storage_id": copy.storage_id, "created_ns": now_ns}
    transaction.insert(schema.OBJECT_INSTANCES, schema.OBJECT_INSTANCES.rows([row]))
    end_copies(transaction, [copy])


def end_copies(transaction: Transaction, copies: Sequence[Copy]) -> None:
    """Take copies off the list."""
    rows = [{"object_key": copy.object_key, "storage_id": copy.storage_id} for copy in copies]
    transaction.delete(schema.OBJECT_COPIES, schema.OBJECT_COPIES.keys(rows))


def put_off(transaction: Transaction, copy: Copy, *, error: str, next_ns: int) -> None:
    """Note a failed attempt, and when to try again."""
    row = {
        "object_key": copy.object_key,
        "storage_id": copy.storage_id,
        "attempts": copy.attempts + 1,
        "error": error,
        "next_ns": next_ns,
    }
    names = ["object_key", "storage_id", "attempts", "error", "next_ns"]
    transaction.update(schema.OBJECT_COPIES, schema.OBJECT_COPIES.part(names, [row]))


def _is_wanted(reader: Reader, copy: Copy) -> bool:
    return any(row["storage_id"] == copy.storage_id for row in _copies(reader, copy.object_key))
