"""Webhooks: registered, changed and deleted. Sending events to them is done in `delivery`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.errors import InvalidInput
from tams_data.store.outbox import settle
from tams_data.store.reading import webhook_row

_SELECTION = (
    "events",
    "flow_ids",
    "source_ids",
    "flow_collected_by_ids",
    "source_collected_by_ids",
    "accept_get_urls",
    "accept_storage_ids",
    "presigned",
    "verbose_storage",
    "include_object_timerange",
)
"""What of a webhook says which events are sent and how, as TAMS 8.2 orders it."""

_OF_HTTP = frozenset(("connection", "content-length", "content-type", "host", "te", "transfer-encoding", "upgrade"))
"""Headers that say what a request is and where it ends: none of them can carry a key."""


@dataclass(frozen=True)
class PutWebhook:
    """A webhook as in webhook-post or webhook-put of TAMS 8.2, its shape already checked, and who sends it."""

    webhook: Mapping[str, Any] = field(repr=False)  # it may have a secret in it
    principal: str | None
    now_ns: int
    groups: frozenset[str] | None = None
    """Groups of who sends it, when it is to be told only of what they may read."""


def create(transaction: Transaction, request: PutWebhook) -> str:
    """Register a webhook (TAMS 8.2, POST webhooks); its id.

    Webhooks may be alike: a receiver may want the same URL to be told of other events.

    :raise InvalidInput: its key is to be in a header that is for HTTP itself.
    """
    given = request.webhook
    row = {
        "id": str(uuid4()),
        **_row(given),
        "api_key_value": given.get("api_key_value"),
        "status": given.get("status") or "created",
        "position": settle(transaction),  # it is told of what happens from now on
        "groups": _groups(None, request.groups),
        "created_by": request.principal,
        "created_ns": request.now_ns,
        "updated_ns": request.now_ns,
    }
    transaction.insert(schema.WEBHOOKS, schema.WEBHOOKS.rows([row]))
    return str(row["id"])


def change(transaction: Transaction, request: PutWebhook) -> None:
    """Replace a webhook (TAMS 8.2, PUT webhook); one that failed or was disabled goes on with the status created.

    :raise WebhookNotFound: there is none with this id.
    :raise InvalidInput: it failed, and is to be disabled; or its key goes elsewhere without being given anew.
    """
    given = request.webhook
    existing = webhook_row(transaction, given["id"])
    if existing["status"] == "error" and given["status"] == "disabled":
        message = f"webhook {given['id']} has failed: it can be enabled again, as created, but not disabled"
        raise InvalidInput(message, field="status", value="disabled")
    row = {
        "id": given["id"],
        **_row(given),
        "api_key_value": _key(given, existing),
        "status": given["status"],
        "error": None,
        "attempts": None,
        "next_ns": None,
        "groups": _groups(existing["groups"], request.groups),
        "updated_ns": request.now_ns,
    }
    transaction.update(schema.WEBHOOKS, schema.WEBHOOKS.part(tuple(row), [row]))


def _key(given: Mapping[str, Any], existing: Mapping[str, Any]) -> str | None:
    """The key of a changed webhook: nobody is shown it, so who does not give it anew keeps it.

    But only for the same receiver: whoever may change a webhook could otherwise have its key sent to themselves.
    """
    if "api_key_value" in given or "api_key_name" not in given or existing["api_key_value"] is None:
        value: str | None = given.get("api_key_value")
        return value
    if (given["url"], given["api_key_name"]) != (existing["url"], existing["api_key_name"]):
        message = f"webhook {given['id']} has another url or api_key_name than before: give the key anew"
        raise InvalidInput(message, field="api_key_value")
    kept: str = existing["api_key_value"]
    return kept


def _groups(before: str | None, of_caller: frozenset[str] | None) -> str | None:
    """The groups that a webhook is of, as JSON: application note 0016 has their number never grow."""
    if of_caller is None:
        return before
    kept = of_caller if before is None else of_caller.intersection(orjson.loads(before))
    return orjson.dumps(sorted(kept)).decode()


def _row(given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("api_key_name", "").lower() in _OF_HTTP:
        message = f"header {given['api_key_name']} is for HTTP itself and carries no key"
        raise InvalidInput(message, field="api_key_name", value=given["api_key_name"])
    tags = given.get("tags") or {}
    return {
        "url": given["url"],
        "api_key_name": given.get("api_key_name"),
        "selection": orjson.dumps({name: given[name] for name in _SELECTION if name in given}).decode(),
        "tags": orjson.dumps(tags).decode(),
        "tag_terms": schema.tag_terms(tags),
    }


def delete(transaction: Transaction, webhook_id: str) -> None:
    """Delete a webhook (TAMS 8.2, DELETE webhook).

    :raise WebhookNotFound: there is none with this id.
    """
    transaction.delete(schema.WEBHOOKS, schema.WEBHOOKS.keys([webhook_row(transaction, webhook_id)]))
