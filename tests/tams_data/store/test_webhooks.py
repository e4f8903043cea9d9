"""Webhooks are registered, replaced and deleted; their keys stay with their receivers."""

from __future__ import annotations

import json

import pytest

from tams_data import schema
from tams_data.errors import InvalidInput, WebhookNotFound
from tams_data.store.webhooks import PutWebhook
from tests.tams_data.builders import everything, rows_of

HOOK = {"url": "https://a.example", "events": ["flows/created"]}
KEY = {"api_key_name": "X-Key", "api_key_value": "secret"}


def rows_by_id(database):
    return {row["id"]: row for row in rows_of(database, schema.WEBHOOKS)}


def test_a_new_webhook_is_stored_as_given(database, commands):
    given = {**HOOK, **KEY, "flow_ids": [], "presigned": False, "tags": {"a": ["b", "c"]}}
    webhook_id = commands.create_webhook(principal="ann", **given)
    (row,) = rows_of(database, schema.WEBHOOKS)
    assert json.loads(row["selection"]) == {"events": ["flows/created"], "flow_ids": [], "presigned": False}
    assert (json.loads(row["tags"]), row["tag_terms"]) == (given["tags"], schema.tag_terms(given["tags"]))
    assert (row["id"], row["url"], row["status"]) == (webhook_id, HOOK["url"], "created")
    assert (row["api_key_name"], row["api_key_value"], row["created_by"]) == ("X-Key", "secret", "ann")
    assert (row["created_ns"], row["updated_ns"]) == (commands.now_ns, commands.now_ns)


def test_a_change_replaces_all_but_who_created_it_and_when(database, commands):
    webhook_id = commands.create_webhook(principal="ann", **HOOK, tags={"a": "b"}, presigned=True)
    other = commands.create_webhook(**HOOK)
    before = rows_by_id(database)
    commands.change_webhook(id=webhook_id, url="https://b.example", events=[], status="disabled")
    after = rows_by_id(database)
    assert after[other] == before[other]
    changed = {
        "url": "https://b.example",
        "selection": '{"events":[]}',
        "tags": "{}",
        "tag_terms": [],
        "status": "disabled",
        "updated_ns": commands.now_ns,
    }
    assert after[webhook_id] == {**before[webhook_id], **changed}


@pytest.mark.parametrize(
    ("status", "after", "refused"),
    [
        *((status, "created", False) for status in ("created", "started", "disabled", "error")),
        *((status, "disabled", False) for status in ("created", "started", "disabled")),
        ("error", "disabled", True),
    ],
)
def test_a_webhook_goes_from_one_status_to_another(database, commands, status, after, refused):
    webhook_id = commands.create_webhook(**HOOK)
    given = {"id": webhook_id, "status": status, "error": "{}" if status == "error" else None}
    with database.transaction() as transaction:
        transaction.update(schema.WEBHOOKS, schema.WEBHOOKS.part(tuple(given), [given]))
    before = everything(database)
    if refused:
        with pytest.raises(InvalidInput) as raised:
            commands.change_webhook(**HOOK, id=webhook_id, status=after)
        assert raised.value.field == "status"
        assert everything(database) == before
    else:
        commands.change_webhook(**HOOK, id=webhook_id, status=after)
        row = rows_by_id(database)[webhook_id]
        assert (row["status"], row["error"]) == (after, None)


def test_a_key_that_is_not_there_needs_not_be_given_anew(database, commands):
    webhook_id = commands.create_webhook(**HOOK, api_key_name="X-Key")
    commands.change_webhook(**{**HOOK, "url": "https://b.example"}, id=webhook_id, api_key_name="X", status="created")
    assert rows_by_id(database)[webhook_id]["api_key_value"] is None


def test_a_request_does_not_show_the_key_it_carries():
    assert "secret" not in repr(PutWebhook({**HOOK, **KEY}, None, 0))


def test_a_webhook_that_is_not_there_is_not_found(database, commands):
    before = everything(database)
    with pytest.raises(WebhookNotFound):
        commands.change_webhook(**HOOK, id="x", status="created")
    with pytest.raises(WebhookNotFound):
        commands.delete_webhook("x")
    assert everything(database) == before


def test_a_deleted_webhook_leaves_nothing(database, commands):
    before = everything(database)
    commands.delete_webhook(commands.create_webhook(**HOOK))
    assert everything(database) == before
