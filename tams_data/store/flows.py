"""Flows: created or replaced whole, with the source they render and the flows they collect; and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.errors import FlowReadOnly, InvalidInput
from tams_data.queries import flows as queries
from tams_data.queries import objects as object_queries
from tams_data.store import requests, segments, timelines
from tams_data.store.discards import Orphan, discard
from tams_data.store.reading import flow_rows, source_row

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
)
_AS_JSON = ("segment_duration", "essence_parameters", "container_mapping")
_FROM_ESSENCE = ("frame_width", "frame_height", "init_segments")
_CONTENT = (*_AS_GIVEN, *_AS_JSON, "tags")
"""The columns whose change is a change of the flow's metadata."""


@dataclass(frozen=True)
class PutFlow:
    """A flow's metadata as in flow-put of TAMS 8.2, its shape already checked, and who sends it."""

    flow: Mapping[str, Any]
    principal: str | None
    now_ns: int


def put(transaction: Transaction, request: PutFlow) -> bool:
    """Create or replace a flow (TAMS 8.2, PUT flow); true when it is new.

    Its source is created with it when there is none. A request that changes nothing writes nothing.

    :raise FlowReadOnly: the flow is read-only, and the request is not the one that only lifts this.
    :raise InvalidInput: it contradicts its source, moves to another source, or collects a flow that is not there.
    """
    given = request.flow
    row, collection = _row(given), _collection(given)
    _check_profile(given)
    _check_members(transaction, given["id"], collection)
    existing = flow_rows(transaction, [given["id"]]).get(given["id"])
    _check_source(transaction, given, existing)
    if existing is None:
        _create(transaction, request, row, collection)
        return True
    changed = {name for name in _CONTENT if row[name] != existing[name]}
    collection_changed = collection != _members(transaction, given["id"])
    if existing["read_only"] and (collection_changed or changed - {"read_only"} or not changed):
        raise FlowReadOnly(f"flow {given['id']} is read-only")
    version = given.get("metadata_version") or existing["metadata_version"]
    if changed or collection_changed or version != existing["metadata_version"]:
        if version == existing["metadata_version"]:
            version = uuid4().hex
        who = given.get("updated_by") or request.principal
        stamp = {"metadata_version": version, "metadata_updated_ns": request.now_ns, "updated_by": who}
        _replace(transaction, {**existing, **row, **stamp}, collection if collection_changed else None)
    return False


def _create(transaction: Transaction, request: PutFlow, row: dict[str, Any], collection: list[dict[str, Any]]) -> None:
    given, now_ns = request.flow, request.now_ns
    if source_row(transaction, row["source_id"]) is None:
        transaction.insert(schema.SOURCES, schema.SOURCES.rows([_source(row, request)]))
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


def _replace(transaction: Transaction, row: dict[str, Any], collection: list[dict[str, Any]] | None) -> None:
    transaction.update(schema.FLOWS, schema.FLOWS.rows([row]))
    if collection is not None:
        transaction.delete(schema.FLOW_COLLECTIONS, _part(schema.FLOW_COLLECTIONS, "flow_id", [row["id"]]))
        transaction.insert(schema.FLOW_COLLECTIONS, schema.FLOW_COLLECTIONS.rows(collection))


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
        **{name: essence.get(name) for name in _FROM_ESSENCE},
        "tags": json_text(tags),
        "tag_terms": schema.tag_terms(tags),
    }


def _collection(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "flow_id": given["id"],
            "position": position,
            "member_id": member["id"],
            "role": member.get("role"),
            "container_mapping": json_text(member.get("container_mapping")),
        }
        for position, member in enumerate(given.get("flow_collection") or ())
    ]


def json_text(value: object) -> str | None:
    """A value as JSON text; None stays None."""
    return None if value is None else orjson.dumps(value).decode()


def _check_profile(given: Mapping[str, Any]) -> None:
    if given.get("profile_id"):
        raise InvalidInput(f"no profile {given['profile_id']}", field="profile_id", value=given["profile_id"])


def _check_members(transaction: Transaction, flow_id: str, collection: Sequence[Mapping[str, Any]]) -> None:
    """TAMS 8.2, collection-item: a member must already be registered in this service."""
    wanted = {row["member_id"] for row in collection}
    if flow_id in wanted:
        raise InvalidInput(f"flow {flow_id} cannot collect itself", field="flow_collection", value=flow_id)
    missing = sorted(wanted - flow_rows(transaction, sorted(wanted)).keys())
    if missing:
        raise InvalidInput(f"no flow {missing[0]} to collect", field="flow_collection", value=missing[0])


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
    rows: list[dict[str, Any]] = transaction.read(queries.members, {"ids": [flow_id]}).to_pylist()
    # Deleted members leave holes in the positions; the order is what counts.
    return [{**row, "position": position} for position, row in enumerate(rows)]


@dataclass(frozen=True)
class DeleteFlow:
    """Delete a flow with its segments."""

    flow_id: str
    now_ns: int


def delete(transaction: Transaction, request: DeleteFlow) -> list[Orphan]:
    """Delete a flow (TAMS 8.2, DELETE flow); give the bytes that are to be deleted after the commit.

    Collections lose it as a member, and its source goes with its last flow.

    :raise FlowNotFound: there is no such flow.
    :raise FlowReadOnly: the flow refuses changes.
    """
    flow = segments.changeable(transaction, request.flow_id)
    orphans = segments.remove_all(transaction, flow["id"], request.now_ns)
    orphans += _release_allocations(transaction, flow["id"], request.now_ns)
    _leave_collections(transaction, flow["id"], request.now_ns)
    transaction.delete(schema.FLOW_COLLECTIONS, _part(schema.FLOW_COLLECTIONS, "flow_id", [flow["id"]]))
    transaction.delete(schema.FLOW_TIMELINES, _part(schema.FLOW_TIMELINES, "flow_id", [flow["id"]]))
    transaction.delete(schema.FLOWS, schema.FLOWS.keys([flow]))
    requests.finish_all(transaction, flow["id"], request.now_ns)
    if not transaction.read(queries.of_source, {"source_id": flow["source_id"]}, limit=1).num_rows:
        transaction.delete(schema.SOURCES, schema.SOURCES.keys([{"id": flow["source_id"]}]))
    return orphans


def _release_allocations(transaction: Transaction, flow_id: str, now_ns: int) -> list[Orphan]:
    rows = transaction.read(object_queries.allocated_for, {"flow_id": flow_id}).to_pylist()
    transaction.delete(schema.STORAGE_ALLOCATIONS, schema.STORAGE_ALLOCATIONS.keys(rows))
    orphans = [Orphan(row["object_id"], row["storage_id"]) for row in rows]
    discard(transaction, orphans, now_ns)
    return orphans


def _leave_collections(transaction: Transaction, flow_id: str, now_ns: int) -> None:
    """Take a flow out of the collections it is in; to their flows, that is a change of metadata."""
    parents = {row["flow_id"] for row in transaction.read(queries.collecting, {"ids": [flow_id]}).to_pylist()}
    transaction.delete(schema.FLOW_COLLECTIONS, _part(schema.FLOW_COLLECTIONS, "member_id", [flow_id]))
    stamped = ("id", "metadata_version", "metadata_updated_ns")
    rows = [dict(zip(stamped, (parent, uuid4().hex, now_ns), strict=True)) for parent in parents]
    transaction.update(schema.FLOWS, schema.FLOWS.part(stamped, rows))


def _part(table: schema.Table, column: str, values: Iterable[str]) -> Any:
    return table.part([column], [{column: value} for value in values])
