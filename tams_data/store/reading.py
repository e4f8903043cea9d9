"""Rows by their ids, as commands check their rules against them and views show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import itemgetter
from typing import Any

from tams_data.engines.base import Reader
from tams_data.errors import FlowNotFound, ProfileNotFound, WebhookNotFound
from tams_data.queries import flows as flow_queries
from tams_data.queries import objects as object_queries
from tams_data.queries import profiles as profile_queries
from tams_data.queries import sources as source_queries
from tams_data.queries import webhooks as webhook_queries


def flow_rows(reader: Reader, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Flows with their timelines, by id, for those of `ids` that there are."""
    return {row["id"]: row for row in reader.rows(flow_queries.by_id, {"ids": ids})} if ids else {}


def flow_row(reader: Reader, flow_id: str) -> dict[str, Any]:
    """A flow with its timeline.

    :raise FlowNotFound: there is none.
    """
    row = flow_rows(reader, [flow_id]).get(flow_id)
    if row is None:
        raise FlowNotFound(f"no flow {flow_id}")
    return row


def source_row(reader: Reader, source_id: str) -> dict[str, Any] | None:
    """A source, or None."""
    rows = reader.rows(source_queries.by_id, {"ids": [source_id]})
    return rows[0] if rows else None


def find_profile(reader: Reader, profile_id: str) -> dict[str, Any] | None:
    """A profile, or None."""
    rows = reader.rows(profile_queries.by_id, {"profile_id": profile_id})
    return rows[0] if rows else None


def profile_row(reader: Reader, profile_id: str) -> dict[str, Any]:
    """A profile.

    :raise ProfileNotFound: there is none.
    """
    row = find_profile(reader, profile_id)
    if row is None:
        raise ProfileNotFound(f"no profile {profile_id}")
    return row


def webhook_row(reader: Reader, webhook_id: str) -> dict[str, Any]:
    """A webhook, its key included.

    :raise WebhookNotFound: there is none.
    """
    rows = reader.rows(webhook_queries.by_id, {"webhook_id": webhook_id})
    if not rows:
        raise WebhookNotFound(f"no webhook {webhook_id}")
    row: dict[str, Any] = rows[0]
    return row


def is_seen(reader: Reader, row: Mapping[str, Any]) -> bool:
    """Whether a row of `objects` is of an object that some flow uses which the reader sees: see `queries.visible`."""
    found = reader.read(object_queries.seen, {"keys": [row["key"]]}, inits=row["is_init"])
    return bool(found.num_rows)


def objects_with_instances(reader: Reader, keys: Collection[int]) -> dict[int, dict[str, Any]]:
    """What is shown of the objects with these keys, each with its `instances`, rows of the table, oldest first.

    Two queries and not one with a join: each finds its rows by index, and together they take half the time.
    """
    if not keys:
        return {}
    wanted = {"keys": sorted(keys)}
    rows = reader.rows(object_queries.shown, wanted)
    objects: dict[int, dict[str, Any]] = {row["key"]: {**row, "instances": []} for row in rows}
    for instance in sorted(reader.rows(object_queries.instances, wanted), key=itemgetter("created_ns")):
        objects[instance["object_key"]]["instances"].append(instance)
    return objects
