"""What a restricted caller may change: a check for each kind of command, made in the transaction that carries it out.

The rules are those of application note 0016, "Auth logic". What a caller may do nothing with is answered as if it were
not there. A command that has no check here is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from tams_data import access
from tams_data.access import TAG, Caller, Scope
from tams_data.engines.base import Reader
from tams_data.errors import (
    FlowNotFound,
    InvalidInput,
    NotPermitted,
    ObjectNotFound,
    SourceNotFound,
    WebhookNotFound,
)
from tams_data.queries import flows as flow_queries
from tams_data.queries import objects as object_queries
from tams_data.seen import SeenReader
from tams_data.store.deletions import Deletion
from tams_data.store.flows import ChangeFlow, PutFlow
from tams_data.store.instances import AddUrl, RemoveInstance, RequestCopy
from tams_data.store.objects import AllocateObjects, allocation, find_registered, not_to_upload, registered
from tams_data.store.profiles import CreateProfile
from tams_data.store.reading import flow_rows, is_seen, source_row, webhook_row
from tams_data.store.registration import CreateObject
from tams_data.store.segments import AddSegments
from tams_data.store.sources import ChangeSource, CreateSource
from tams_data.store.store import Store
from tams_data.store.webhooks import PutWebhook

_COLLECTION = "flow_collection"


def guarded(reader: Reader, caller: Caller, command: Any) -> Any:
    """The command as it is to be carried out for a caller, who may have it carried out.

    What is created without `auth_classes` gets some, and what is replaced without keeps those it has: otherwise it
    would be lost to who sends it.

    :raise NotFound: it is about something that is hidden from the caller.
    :raise NotPermitted: the caller may not do this.
    :raise InvalidInput: it refers to something that is hidden.
    """
    check = GUARDS.get(type(command))
    if check is None:
        raise NotPermitted(f"{caller.name} may not do this: {type(command).__name__} is of the whole store")
    return check(reader, caller, command)


# --- flows -----------------------------------------------------------------------------------------------------------


def _put_flow(reader: Reader, caller: Caller, command: PutFlow) -> PutFlow:
    flow = command.flow
    existing = flow_rows(reader, [flow["id"]]).get(flow["id"])
    if existing is None:
        tags = _tags_of_new_flow(reader, caller, flow)
    else:
        access.check(caller, Scope.WRITE, _tags(existing), FlowNotFound(f"no flow {flow['id']}"))
        tags = _replaced(caller, _tags(existing), flow.get("tags") or {})
    _check_members(reader, caller, flow["id"], flow.get(_COLLECTION) or ())
    return replace(command, flow={**flow, "tags": tags})


def _tags_of_new_flow(reader: Reader, caller: Caller, flow: Mapping[str, Any]) -> dict[str, Any]:
    source = source_row(reader, flow["source_id"])
    if source is None:
        return _created(caller, flow.get("tags") or {})
    missing = SourceNotFound(f"no source {flow['source_id']}")
    access.check(caller, Scope.WRITE, _tags(source), missing)
    return _created(caller, {TAG: _tags(source)[TAG], **(flow.get("tags") or {})})


def _change_flow(reader: Reader, caller: Caller, command: ChangeFlow) -> ChangeFlow:
    tags = _flow(reader, caller, command.flow_id, Scope.WRITE)
    access.check_edit(caller, tags, _changed(tags, command.tags))
    _check_members(reader, caller, command.flow_id, command.properties.get(_COLLECTION) or ())
    return command


def _check_members(reader: Reader, caller: Caller, flow_id: str, collection: Iterable[Mapping[str, Any]]) -> None:
    """A flow comes to collect what the caller sees; what it collects already may be hidden, and stays."""
    known = {row["member_id"] for row in reader.rows(flow_queries.members, {"ids": [flow_id]})}
    added = sorted({one["id"] for one in collection} - known)
    for hidden in _hidden(caller, flow_rows(reader, added)):
        # as `flows.put` says it of a flow that is not there
        raise InvalidInput(f"no flow {hidden} to collect", field=_COLLECTION, value=hidden)


def _delete(reader: Reader, caller: Caller, command: Deletion) -> Deletion:
    _flow(reader, caller, command.flow_id, Scope.DELETE if command.delete_flow else Scope.WRITE)
    return command


def _allocate(reader: Reader, caller: Caller, command: AllocateObjects) -> AllocateObjects:
    _flow(reader, caller, command.flow_id, Scope.WRITE)
    return command


def _flow(reader: Reader, caller: Caller, flow_id: str, permission: Scope) -> dict[str, Any]:
    """The tags of a flow that the caller may do something with."""
    row = flow_rows(reader, [flow_id]).get(flow_id)
    missing = FlowNotFound(f"no flow {flow_id}")
    if row is None:
        raise missing
    access.check(caller, permission, _tags(row), missing)
    return _tags(row)


# --- segments and objects --------------------------------------------------------------------------------------------


def _add_segments(reader: Reader, caller: Caller, command: AddSegments) -> AddSegments:
    """Objects that are registered already may be used again by who may read them."""
    _flow(reader, caller, command.flow_id, Scope.WRITE)
    used = {segment.object_id for segment in command.segments}
    inits = {segment.init_object_id for segment in command.segments if segment.init_object_id is not None}
    _objects(reader, caller, used | inits, Scope.READ)
    return command


def _create_object(reader: Reader, caller: Caller, command: CreateObject) -> CreateObject:
    row = flow_rows(reader, [command.flow_id]).get(command.flow_id)
    if row is not None:
        # as `ObjectCreator` says it of a flow that is not there
        field = {"field": "first_referenced_by_flow", "value": command.flow_id}
        if not caller.may(Scope.READ, _tags(row)):
            raise InvalidInput(f"no flow {command.flow_id}", **field)
        access.check(caller, Scope.WRITE, _tags(row), FlowNotFound(f"no flow {command.flow_id}"))
    _objects(reader, caller, {one for one in (command.init_object_id,) if one is not None}, Scope.READ)
    return command


def _change_object(reader: Reader, caller: Caller, command: Any) -> Any:
    _objects(reader, caller, {command.object_id}, Scope.WRITE)
    return command


def _objects(reader: Reader, caller: Caller, ids: Collection[str], permission: Scope) -> None:
    """Refuse what the caller may not do with those of these objects that are registered."""
    rows = {row["key"]: row for row in find_registered(reader, ids).values()}
    if not rows:
        return
    inits = any(row["is_init"] for row in rows.values())
    seen = SeenReader(reader, caller, permission).read(object_queries.seen, {"keys": sorted(rows)}, inits=inits)
    refused = rows.keys() - set(seen["key"].to_pylist())
    if not refused:
        return
    first = rows[min(refused)]
    if is_seen(SeenReader(reader, caller), first):
        raise NotPermitted(f"{caller.name} may not {permission.word} object {first['id']!r}")
    raise ObjectNotFound(f"no object {first['id']!r}")


def check_bytes(store: Store, caller: Caller, object_id: str, *, upload: bool) -> None:
    """Refuse who may not have the bytes of an object, or not send them.

    :raise ObjectNotFound: the caller does not see what uses the object.
    :raise NotPermitted: the caller sees the flow that the object is allocated for, and may not write to it.
    :raise ObjectConflict: the object is not to be uploaded, for all that the caller is to know.
    """
    with store.database.snapshot() as reader:
        if upload:
            _check_upload(reader, caller, object_id)
        elif not is_seen(SeenReader(reader, caller), registered(reader, object_id)):
            raise ObjectNotFound(f"no object {object_id!r}")


def _check_upload(reader: Reader, caller: Caller, object_id: str) -> None:
    try:
        _flow(reader, caller, allocation(reader, object_id).flow_id, Scope.WRITE)
    except FlowNotFound:
        # Whoever guesses the id of an object is not told that there is one, nor whose.
        raise not_to_upload(object_id) from None


# --- sources, webhooks and profiles ----------------------------------------------------------------------------------


def _create_source(_: Reader, caller: Caller, command: CreateSource) -> CreateSource:
    return replace(command, source={**command.source, "tags": _created(caller, command.source.get("tags") or {})})


def _change_source(reader: Reader, caller: Caller, command: ChangeSource) -> ChangeSource:
    row, missing = source_row(reader, command.source_id), SourceNotFound(f"no source {command.source_id}")
    if row is None:
        raise missing
    access.check(caller, Scope.WRITE, _tags(row), missing)
    access.check_edit(caller, _tags(row), _changed(_tags(row), command.tags))
    return command


def _put_webhook(reader: Reader, caller: Caller, command: PutWebhook) -> PutWebhook:
    given = command.webhook
    if "id" in given:
        before = _webhook(reader, caller, given["id"], Scope.WRITE)
        tags = _replaced(caller, before, given.get("tags") or {})
    else:
        tags = _created(caller, given.get("tags") or {})
    _check_filters(reader, caller, given)
    return replace(command, webhook={**given, "tags": tags}, groups=caller.groups)


def _check_filters(reader: Reader, caller: Caller, webhook: Mapping[str, Any]) -> None:
    flow_ids = {*(webhook.get("flow_ids") or ()), *(webhook.get("flow_collected_by_ids") or ())}
    rows = flow_rows(reader, sorted(flow_ids))
    for one in sorted(flow_ids - rows.keys()) + _hidden(caller, rows):
        raise FlowNotFound(f"no flow {one}")
    for one in sorted({*(webhook.get("source_ids") or ()), *(webhook.get("source_collected_by_ids") or ())}):
        source = source_row(reader, one)
        if source is None or not caller.may(Scope.READ, _tags(source)):
            raise SourceNotFound(f"no source {one}")


def _delete_webhook(reader: Reader, caller: Caller, webhook_id: str) -> str:
    _webhook(reader, caller, webhook_id, Scope.DELETE)
    return webhook_id


def _webhook(reader: Reader, caller: Caller, webhook_id: str, permission: Scope) -> dict[str, Any]:
    """The tags of a webhook that the caller may do something with."""
    tags = _tags(webhook_row(reader, webhook_id))
    access.check(caller, permission, tags, WebhookNotFound(f"no webhook {webhook_id}"))
    return tags


def _as_it_is(_: Reader, __: Caller, command: Any) -> Any:
    """What is nobody's media is for everybody."""
    return command


# --- tags ------------------------------------------------------------------------------------------------------------


def _tags(row: Mapping[str, Any]) -> dict[str, Any]:
    tags: dict[str, Any] = orjson.loads(row["tags"])
    return tags


def _created(caller: Caller, tags: Mapping[str, Any]) -> dict[str, Any]:
    """The tags of something new: of the caller's groups, unless others are named.

    :raise NotPermitted: the caller could not write to it.
    """
    classed = {TAG: sorted(caller.groups or ()), **tags}
    if not caller.may(Scope.WRITE, classed):
        raise NotPermitted(f"{caller.name} may not create what {caller.name} could not change: see {TAG}")
    return classed


def _replaced(caller: Caller, before: Mapping[str, Any], tags: Mapping[str, Any]) -> dict[str, Any]:
    """The tags that something gets in place of others, which keeps its classes unless new ones are named."""
    after = {**({TAG: before[TAG]} if TAG in before else {}), **tags}
    access.check_edit(caller, before, after)
    return after


def _changed(tags: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**tags, **changes}.items() if value is not None}


def _hidden(caller: Caller, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The ids of those rows that the caller may not read."""
    return [one for one, row in sorted(rows.items()) if not caller.may(Scope.READ, _tags(row))]


GUARDS: Mapping[type, Callable[[Reader, Caller, Any], Any]] = {
    PutFlow: _put_flow,
    ChangeFlow: _change_flow,
    Deletion: _delete,
    AllocateObjects: _allocate,
    AddSegments: _add_segments,
    CreateObject: _create_object,
    AddUrl: _change_object,
    RequestCopy: _change_object,
    RemoveInstance: _change_object,
    CreateSource: _create_source,
    ChangeSource: _change_source,
    PutWebhook: _put_webhook,
    str: _delete_webhook,  # its command is the id alone
    CreateProfile: _as_it_is,
}
"""The check of each kind of command. Those of the whole store have none: `DescribeService` for one."""
