"""Sources by themselves: created before any flow, and changed one property at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tams_data import schema
from tams_data.errors import AlreadyExists, PropertyNotFound, SourceNotFound
from tams_data.store import events, locks
from tams_data.store.outbox import Announcing
from tams_data.store.reading import source_row
from tams_data.store.tags import changed_tags, tag_columns

_CONTENT = ("label", "description", "tags")
"""The columns whose change is a change of the source."""


@dataclass(frozen=True)
class CreateSource:
    """A source's id, format and what describes it, as in source of TAMS 8.2, its shape already checked."""

    source: Mapping[str, Any]
    principal: str | None
    now_ns: int


def create(transaction: Announcing, request: CreateSource) -> None:
    """Create a source that has no flows yet. It goes with the last flow it gets, as others do.

    :raise AlreadyExists: there is a source with its id.
    """
    given = request.source
    transaction.lock(locks.of_source(given["id"]))
    if source_row(transaction, given["id"]) is not None:
        raise AlreadyExists(f"source {given['id']} exists")
    created_by = given.get("created_by") or request.principal
    row = {
        **{name: given.get(name) for name in ("id", "format", "label", "description")},
        **tag_columns(given.get("tags") or {}),
        "created_by": created_by,
        "updated_by": given.get("updated_by") or created_by,
        "created_ns": request.now_ns,
        "updated_ns": request.now_ns,
    }
    transaction.insert(schema.SOURCES, schema.SOURCES.rows([row]))
    events.source_created(transaction, given["id"], request.now_ns)


@dataclass(frozen=True)
class ChangeSource:
    """Properties of a source to set: `label` or `description`, None unsetting one.

    `tags` are set beside those the source has, None taking one away.
    """

    source_id: str
    properties: Mapping[str, str | None]
    tags: Mapping[str, str | list[str] | None]
    principal: str | None
    now_ns: int


def change(transaction: Announcing, request: ChangeSource) -> None:
    """Set some properties of a source (TAMS 8.2, the paths below a source). What changes nothing writes nothing.

    :raise SourceNotFound: there is no such source.
    :raise PropertyNotFound: a tag that is to be taken away is not there (TAMS 8.2, DELETE source tag).
    """
    transaction.lock(locks.of_source(request.source_id))
    existing = source_row(transaction, request.source_id)
    if existing is None:
        raise SourceNotFound(f"no source {request.source_id}")
    tags = orjson.loads(existing["tags"])
    missing = [name for name, value in request.tags.items() if value is None and name not in tags]
    if missing:
        raise PropertyNotFound(f"source {request.source_id} has no tag {missing[0]!r}")
    row = {**existing, **changed_tags(existing, request.tags), **request.properties}
    if any(row[name] != existing[name] for name in _CONTENT):
        stamp = {"updated_ns": request.now_ns, "updated_by": request.principal}
        transaction.update(schema.SOURCES, schema.SOURCES.rows([{**row, **stamp}]))
        events.source_updated(transaction, request.source_id, request.now_ns)
