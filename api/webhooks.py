"""`/service/webhooks`: where events are to be sent."""

from __future__ import annotations

from typing import Any

from flask import Response
from pydantic import Field

from api.conditional import conditional
from api.filters import VALUES_PATTERN, tag_filters
from api.models.answers import ShownWebhook, ShownWebhooks
from api.models.common import QueryBool
from api.models.webhooks import WebhookPost, WebhookPut
from api.openapi import PAGING_HEADERS, answers, blueprint, one
from api.paging import Paged, json, page_of, token
from api.paths import WebhookPath
from api.state import principal, store
from api.validation import validated
from tams_data.errors import InvalidInput
from tams_data.queries import webhooks as queries
from tams_data.resources import webhook_of
from tams_data.store.reading import webhook_row

bp = blueprint("webhooks", "Where events are to be sent")

_LISTED = answers(400, 404, ok=ShownWebhooks, headers=PAGING_HEADERS)
_CREATED = answers(400, 404, status=201, ok=ShownWebhook, description="The webhook was registered")


class WebhooksQuery(Paged):
    """How to list webhooks."""

    reverse_order: QueryBool = Field(False, description="Whether URLs are sorted backwards")
    tag: str | None = Field(
        None,
        alias="tag.{name}",
        pattern=VALUES_PATTERN,
        description="Only those with one of these values, a comma list, of a tag",
    )
    tag_exists: QueryBool | None = Field(
        None, alias="tag_exists.{name}", description="Only those with, or without, a tag"
    )


@bp.get("/service/webhooks", responses=_LISTED)
@validated
def get_webhooks(query: WebhooksQuery) -> Response:
    """List webhooks, by URL."""
    return _list(query)


@bp.get("/webhooks", responses=_LISTED)
@validated
def get_webhooks_extension(query: WebhooksQuery) -> Response:
    """List webhooks: an extension, the same as `/service/webhooks`."""
    return _list(query)


def _list(query: WebhooksQuery) -> Response:
    limit, after = query.size(), query.after("webhooks")
    tags = tag_filters(query.named("tag"), query.named("tag_exists"))
    values: dict[str, Any] = {**tags, **({} if after is None else {"after": after})}
    rows = store().database.rows(queries.page, values, reverse=query.reverse_order, limit=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    next_key = None if last is None else token("webhooks", (last["url"], last["id"]))
    return page_of([webhook_of(row) for row in rows[:limit]], query, next_key=next_key)


@bp.post("/service/webhooks", responses=_CREATED)
@validated
def post_webhook(body: WebhookPost) -> Response:
    """Register a webhook.

    :raise DestinationRefused: its URL leads where no requests are sent.
    """
    return _create(body)


@bp.post("/webhooks", responses=_CREATED)
@validated
def post_webhook_extension(body: WebhookPost) -> Response:
    """Register a webhook: an extension, the same as `/service/webhooks`."""
    return _create(body)


def _create(body: WebhookPost) -> Response:
    webhook = body.model_dump(exclude_none=True, exclude_unset=True)
    return _shown(store().create_webhook(webhook, principal=principal()), status=201)


@bp.get("/service/webhooks/<webhook_id>", responses=one(404, ok=ShownWebhook))
@conditional
@validated
def get_webhook(path: WebhookPath) -> Response:
    """A webhook, without its key.

    :raise WebhookNotFound: there is none with this id.
    """
    return _shown(path.webhook_id)


@bp.put(
    "/service/webhooks/<webhook_id>",
    responses=answers(400, 403, 404, status=201, ok=ShownWebhook, description="The webhook was changed"),
)
@validated
def put_webhook(path: WebhookPath, body: WebhookPut) -> Response:
    """Change a webhook: replace it, disable it, or enable it again.

    :raise WebhookNotFound: there is none with this id.
    :raise InvalidInput: the body names another webhook, its status cannot follow, or its key would go elsewhere.
    :raise DestinationRefused: its URL leads where no requests are sent.
    """
    webhook = body.model_dump(exclude_none=True, exclude_unset=True)
    if webhook["id"] != path.webhook_id:
        raise InvalidInput(f"the path names webhook {path.webhook_id}", field="id", value=webhook["id"])
    store().change_webhook(webhook)
    return _shown(path.webhook_id, status=201)


@bp.delete(
    "/service/webhooks/<webhook_id>", responses=answers(400, 403, 404, status=204, description="The webhook is deleted")
)
@validated
def delete_webhook(path: WebhookPath) -> Response:
    """Delete a webhook.

    :raise WebhookNotFound: there is none with this id.
    """
    store().delete_webhook(path.webhook_id)
    return Response(status=204)


def _shown(webhook_id: str, *, status: int = 200) -> Response:
    answer = json(webhook_of(webhook_row(store().database, webhook_id)))
    answer.status_code = status
    return answer
