"""Flows: created or replaced whole, with the source they render and the flows they collect; changed; and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.errors import AlreadyExists, FlowReadOnly, Forbidden, InvalidInput, VersionMismatch
from tams_data.queries import flows as queries
from tams_data.store import events, locks, requests, segments, timelines
from tams_data.store.allocations import Allocations
from tams_data.store.discards import Orphan, discard
from tams_data.store.outbox import About, Announcing, collected
from tams_data.store.reading import find_profile, flow_row, flow_rows, source_row
from tams_data.store.tags import changed_tags, tag_columns

_AS_GIVEN = (
    "id",
    "source_id",
    "format",
    "codec",
    "container",
    "label",
    "description",
    "status",
    "generation",
    "read_only",
    "max_bit_rate",
    "avg_bit_rate",
    "profile_id",
)
_AS_JSON = ("segment_duration", "essence_parameters", "container_mapping")
_FROM_ESSENCE = ("frame_width", "frame_height", "init_segments")
_OF_PROFILES = ("format", "codec", "container", "avg_bit_rate", *_AS_JSON)
"""What a flow takes from its profile (TAMS 8.2, flow-technical)."""

_CONTENT = (*_AS_GIVEN, *_AS_JSON, "tags")
"""The columns whose change is a change of the flow's metadata."""

_COLLECTION = "flow_collection"


@dataclass(frozen=True)
class PutFlow:
    """A flow's metadata as in flow-put of TAMS 8.2, its shape already checked, and who sends it.

    With `only_version`, a flow that has another `metadata_version` by then, or is not there, is left as it is.
    """

    flow: Mapping[str, Any]
    principal: str | None
    now_ns: int
    only_version: str | None = None


def put(transaction: Announcing, request: PutFlow) -> bool:
    """Create or replace a flow (TAMS 8.2, PUT flow); true when it is new.

    Its source is created with it when there is none. A request that changes nothing writes nothing.

    :raise FlowReadOnly: the flow is read-only, and the request is not the one that only lifts this.
    :raise InvalidInput: it contradicts its source or its profile, moves to another source, or collects a flow that
        is not there.
    :raise VersionMismatch: the flow has not the version that the request is meant for.
    """
    collected = [member["id"] for member in request.flow.get(_COLLECTION) or ()]
    flow_locks = map(locks.of_flow, (request.flow["id"], *collected))
    transaction.lock(locks.of_source(request.flow["source_id"]), *flow_locks)
    existing = flow_rows(transaction, [request.flow["id"]]).get(request.flow["id"])
    _check_version(request, existing)
    given = _with_profile(transaction, request.flow, existing)
    row, collection = _row(given), _collection(given["id"], given.get(_COLLECTION))
    _check_profile(row, existing)
    _check_members(transaction, given["id"], collection)
    _check_source(transaction, given, existing)
    if existing is None:
        _create(transaction, request, row, collection)
        return True
    changed = _changed(transaction, existing, row, collection)
    if existing["read_only"] and changed != {"read_only"}:
        raise FlowReadOnly(f"flow {given['id']} is read-only")
    version = given.get("metadata_version") or existing["metadata_version"]
    if changed or version != existing["metadata_version"]:
        if version == existing["metadata_version"]:
            version = uuid4().hex
        who = given.get("updated_by") or request.principal
        stamp = {"metadata_version": version, "metadata_updated_ns": request.now_ns, "updated_by": who}
        _replace(transaction, {**existing, **row, **stamp}, collection if _COLLECTION in changed else None)
    return False


def create(transaction: Announcing, request: PutFlow) -> None:
    """Create a flow that is not there yet.

    :raise AlreadyExists: there is a flow with its id.
    :raise InvalidInput: it contradicts its source, or collects a flow that is not there.
    """
    flow_id = request.flow["id"]
    if flow_rows(transaction, [flow_id]):
        raise AlreadyExists(f"flow {flow_id} exists")
    put(transaction, request)


@dataclass(frozen=True)
class ChangeFlow:
    """Properties of a flow to set one by one, by their names in flow-put; None unsets one.

    `tags` are set beside those the flow has, None taking one away.
    """

    flow_id: str
    properties: Mapping[str, Any]
    tags: Mapping[str, str | list[str] | None]
    principal: str | None
    now_ns: int


def change(transaction: Announcing, request: ChangeFlow) -> None:
    """Set some properties of a flow (TAMS 8.2, the paths below a flow). What changes nothing writes nothing.

    :raise FlowNotFound: there is no such flow.
    :raise FlowReadOnly: the flow is read-only, and the request does more than say whether it is.
    :raise InvalidInput: it collects a flow that is not there or itself, or sets what the flow has from a profile.
    :raise Forbidden: it unsets what the flow has from a profile.
    """
    given = request.properties
    collected = [member["id"] for member in given.get(_COLLECTION) or ()]
    transaction.lock(*map(locks.of_flow, (request.flow_id, *collected)))
    existing = flow_row(transaction, request.flow_id)
    if existing["read_only"] and (given.keys() != {"read_only"} or request.tags):
        raise FlowReadOnly(f"flow {request.flow_id} is read-only")
    _check_inherited(existing, given)
    tags = changed_tags(existing, request.tags)
    row = {**existing, **tags, **{name: value for name, value in given.items() if name != _COLLECTION}}
    collection = _collection(request.flow_id, given[_COLLECTION]) if _COLLECTION in given else None
    _check_members(transaction, request.flow_id, collection or ())
    changed = _changed(transaction, existing, row, collection)
    if changed:
        stamp = {
            "metadata_version": uuid4().hex,
            "metadata_updated_ns": request.now_ns,
            "updated_by": request.principal,
        }
        _replace(transaction, {**row, **stamp}, collection if _COLLECTION in changed else None)


def _changed(
    transaction: Transaction,
    existing: Mapping[str, Any],
    row: Mapping[str, Any],
    collection: list[dict[str, Any]] | None,
) -> set[str]:
    """The names of what is different of a flow; a `collection` of None stays as it is."""
    changed = {name for name in _CONTENT if row[name] != existing[name]}
    if collection is not None and collection != _members(transaction, existing["id"]):
        changed.add(_COLLECTION)
    return changed


def _create(transaction: Announcing, request: PutFlow, row: dict[str, Any], collection: list[dict[str, Any]]) -> None:
    given, now_ns = request.flow, request.now_ns
    if source_row(transaction, row["source_id"]) is None:
        transaction.insert(schema.SOURCES, schema.SOURCES.rows([_source(row, request)]))
        events.source_created(transaction, row["source_id"], now_ns)
    stamp = {
        "metadata_version": given.get("metadata_version") or uuid4().hex,
        "created_by": given.get("created_by") or request.principal,
        "updated_by": given.get("updated_by") or request.principal,
        "created_ns": now_ns,
        "metadata_updated_ns": now_ns,
    }
    transaction.insert(schema.FLOWS, schema.FLOWS.rows([{**row, **stamp}]))
    transaction.insert(schema.FLOW_COLLECTIONS, schema.FLOW_COLLECTIONS.rows(collection))
    timeline = {"flow_id": row["id"], **timelines.EMPTY}
    transaction.insert(schema.FLOW_TIMELINES, schema.FLOW_TIMELINES.rows([timeline]))
    events.flow_created(transaction, row["id"], now_ns)


def _replace(transaction: Announcing, row: dict[str, Any], collection: list[dict[str, Any]] | None) -> None:
    transaction.update(schema.FLOWS, schema.FLOWS.rows([row]))
    if collection is not None:
        transaction.delete(schema.FLOW_COLLECTIONS, _part(schema.FLOW_COLLECTIONS, "flow_id", [row["id"]]))
        transaction.insert(schema.FLOW_COLLECTIONS, schema.FLOW_COLLECTIONS.rows(collection))
    events.flow_updated(transaction, row["id"], row["metadata_updated_ns"])


def _source(row: Mapping[str, Any], request: PutFlow) -> dict[str, Any]:
    """A new source takes what describes it from its first flow (App note 0007)."""
    copied = {name: row[name] for name in ("format", "label", "description", "tags", "tag_terms")}
    who = request.flow.get("created_by") or request.principal
    times = {"created_ns": request.now_ns, "updated_ns": request.now_ns}
    return {"id": row["source_id"], **copied, **times, "created_by": who, "updated_by": who}


def _row(given: Mapping[str, Any]) -> dict[str, Any]:
    tags, essence = given.get("tags") or {}, given.get("essence_parameters") or {}
    return {
        **{name: given.get(name) for name in _AS_GIVEN},
        **{name: json_text(given.get(name)) for name in _AS_JSON},
        **derived_from_essence(essence),
        **tag_columns(tags),
    }


def derived_from_essence(essence: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `flows` that repeat an essence parameter each, to be filtered by.

    >>> derived_from_essence({"frame_width": 1920})
    {'frame_width': 1920, 'frame_height': None, 'init_segments': None}
    """
    return {name: essence.get(name) for name in _FROM_ESSENCE}


def _collection(flow_id: str, given: Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    return [
        {
            "flow_id": flow_id,
            "position": position,
            "member_id": member["id"],
            "role": member.get("role"),
            "container_mapping": json_text(member.get("container_mapping")),
        }
        for position, member in enumerate(given or ())
    ]


def json_text(value: object) -> str | None:
    """A value as JSON text; None stays None."""
    return None if value is None else orjson.dumps(value).decode()


def _with_profile(
    transaction: Transaction, given: Mapping[str, Any], existing: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """The flow with what it takes from its profile (TAMS 8.2, PUT flow).

    It keeps its profile until a request says that its `profile_id` is another, or the empty text.
    """
    profile_id = given.get("profile_id")
    if profile_id:
        return {**given, **_metadata(transaction, profile_id)}
    kept = existing["profile_id"] if existing is not None and profile_id is None else None
    return {**given, "profile_id": kept}


def _metadata(transaction: Transaction, profile_id: str) -> dict[str, Any]:
    profile = find_profile(transaction, profile_id)
    if profile is None:
        raise InvalidInput(f"no profile {profile_id}", field="profile_id", value=profile_id)
    metadata: dict[str, Any] = orjson.loads(profile["flow_metadata"])
    return metadata


def _check_profile(row: Mapping[str, Any], existing: Mapping[str, Any] | None) -> None:
    """TAMS 8.2, PUT flow: what a flow has from its profile changes only when it gives the profile up."""
    if existing is None or row["profile_id"] is None or row["profile_id"] != existing["profile_id"]:
        return
    for name in _OF_PROFILES:
        if row[name] != existing[name]:
            profile = f"profile {row['profile_id']}; an empty profile_id gives it up"
            raise InvalidInput(f"{name} of flow {row['id']} is that of {profile}", field=name, value=row[name])


def _check_version(request: PutFlow, existing: Mapping[str, Any] | None) -> None:
    found = None if existing is None else existing["metadata_version"]
    if request.only_version is not None and request.only_version != found:
        raise VersionMismatch(f"flow {request.flow['id']} has metadata_version {found}, not {request.only_version}")


def _check_inherited(existing: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """TAMS 8.2, PUT avg_bit_rate: another value would make the link to the profile untrue."""
    name = next((name for name in _OF_PROFILES if name in given), None)
    if name is None or not existing["profile_id"]:
        return
    message = f"flow {existing['id']} has {name} from profile {existing['profile_id']}"
    if given[name] is None:  # TAMS 8.2 has no 400 for DELETE
        raise Forbidden(message)
    raise InvalidInput(message, field=name, value=given[name])


def _check_members(transaction: Transaction, flow_id: str, collection: Sequence[Mapping[str, Any]]) -> None:
    """TAMS 8.2, collection-item: a member must already be registered in this service."""
    wanted = {row["member_id"] for row in collection}
    if flow_id in wanted:
        raise InvalidInput(f"flow {flow_id} cannot collect itself", field=_COLLECTION, value=flow_id)
    missing = sorted(wanted - flow_rows(transaction, sorted(wanted)).keys())
    if missing:
        raise InvalidInput(f"no flow {missing[0]} to collect", field=_COLLECTION, value=missing[0])


def _check_source(transaction: Transaction, given: Mapping[str, Any], existing: Mapping[str, Any] | None) -> None:
    """TAMS 8.2, PUT flow: refuse metadata that is in conflict with the flow's source."""
    if existing is not None and existing["source_id"] != given["source_id"]:
        raise InvalidInput(
            f"flow {given['id']} is of source {existing['source_id']} and stays so",
            field="source_id",
            value=given["source_id"],
        )
    source = source_row(transaction, given["source_id"])
    if source is not None and source["format"] != given["format"]:
        raise InvalidInput(
            f"source {source['id']} has format {source['format']}", field="format", value=given["format"]
        )


def _members(transaction: Transaction, flow_id: str) -> list[dict[str, Any]]:
    rows = transaction.rows(queries.members, {"ids": [flow_id]})
    # Deleted members leave holes in the positions; the order is what counts.
    return [{**row, "position": position} for position, row in enumerate(rows)]


@dataclass(frozen=True)
class DeleteFlow:
    """Delete a flow with its segments."""

    flow_id: str
    now_ns: int


def delete(transaction: Announcing, request: DeleteFlow, allocations: Allocations) -> list[Orphan]:
    """Delete a flow (TAMS 8.2, DELETE flow); give the bytes that are to be deleted after the commit.

    Collections lose it as a member, and its source goes with its last flow.

    :raise FlowNotFound: there is no such flow.
    :raise FlowReadOnly: the flow refuses changes.
    """
    flow = segments.changeable(transaction, request.flow_id)
    transaction.lock(locks.of_flow(flow["id"]), locks.of_source(flow["source_id"]))
    (collected_by,) = collected(transaction, [About(flow["id"], flow["source_id"])])
    orphans = segments.remove_all(transaction, flow, request.now_ns)
    orphans += _release(transaction, flow["id"], allocations, request.now_ns)
    left = _leave_collections(transaction, flow["id"], request.now_ns)
    transaction.delete(schema.FLOW_COLLECTIONS, _part(schema.FLOW_COLLECTIONS, "flow_id", [flow["id"]]))
    transaction.delete(schema.FLOW_TIMELINES, _part(schema.FLOW_TIMELINES, "flow_id", [flow["id"]]))
    transaction.delete(schema.FLOW_GAPS, _part(schema.FLOW_GAPS, "flow_id", [flow["id"]]))
    transaction.delete(schema.FLOWS, schema.FLOWS.keys([flow]))
    requests.finish_all(transaction, flow["id"], request.now_ns)
    events.flow_deleted(transaction, flow, collected_by, request.now_ns)
    for parent in left:
        events.flow_updated(transaction, parent, request.now_ns)
    if not transaction.read(queries.of_source, {"source_id": flow["source_id"]}, limit=1).num_rows:
        source = source_row(transaction, flow["source_id"]) or {}
        transaction.delete(schema.SOURCES, schema.SOURCES.keys([source]))
        events.source_deleted(transaction, source, collected_by, request.now_ns)
    return orphans


def _release(transaction: Transaction, flow_id: str, allocations: Allocations, now_ns: int) -> list[Orphan]:
    """Let go of what only the flow could register."""
    records = allocations.of_flow(transaction, flow_id)
    allocations.claim(transaction, records)
    orphans = [Orphan(record.object_id, record.storage_id) for record in records]
    discard(transaction, orphans, now_ns)
    return orphans


def _leave_collections(transaction: Transaction, flow_id: str, now_ns: int) -> list[str]:
    """Take a flow out of the collections it is in; to their flows, whose ids it gives, that changes their metadata."""
    parents = {row["flow_id"] for row in transaction.rows(queries.collecting, {"ids": [flow_id]})}
    transaction.delete(schema.FLOW_COLLECTIONS, _part(schema.FLOW_COLLECTIONS, "member_id", [flow_id]))
    stamped = ("id", "metadata_version", "metadata_updated_ns")
    rows = [dict(zip(stamped, (parent, uuid4().hex, now_ns), strict=True)) for parent in parents]
    transaction.update(schema.FLOWS, schema.FLOWS.part(stamped, rows))
    return sorted(parents)


def _part(table: schema.Table, column: str, values: Iterable[str]) -> Any:
    return table.part([column], [{column: value} for value in values])
