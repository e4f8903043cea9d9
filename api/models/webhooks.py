"""Webhooks as clients send them (TAMS 8.2, webhook-post and webhook-put)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, AnyHttpUrl, Field, StringConstraints, TypeAdapter

from api.models.common import Body, Tags, Uuid
from tams_data.store.events import EventType

_HTTP_URL = TypeAdapter(AnyHttpUrl)


def _usable(url: str) -> str:
    # Checked and kept as it came: the parsed form writes some URLs anew, and a receiver knows its own.
    _HTTP_URL.validate_python(url)
    return url


# Without a user and a password before the host: the URL is shown to all who may read.
_URL_PATTERN = r"^https?://[^/?#@\s]+([/?#]\S*)?$"
HttpUrl: TypeAlias = Annotated[str, StringConstraints(pattern=_URL_PATTERN), AfterValidator(_usable)]
# What may stand in a header (RFC 9110, 5.1 and 5.5): a key with a line end in it would be further headers.
HeaderName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z!#$%&'*+.^_`|~-]+$")]
HeaderValue: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$")]


class Webhook(Body):
    """Where events are to be sent, and which of them."""

    url: HttpUrl = Field(description="Without a name or a password in it, as it is shown: `api_key_name` has a header")
    api_key_name: HeaderName | None = Field(None, description="Header that carries the key")
    events: list[EventType]
    flow_ids: list[Uuid] | None = None
    source_ids: list[Uuid] | None = None
    flow_collected_by_ids: list[Uuid] | None = None
    source_collected_by_ids: list[Uuid] | None = None
    accept_get_urls: list[str] | None = None
    accept_storage_ids: list[Uuid] | None = None
    presigned: bool | None = None
    verbose_storage: bool | None = None
    include_object_timerange: bool | None = None
    tags: Tags = Field(default_factory=dict)


class WebhookPost(Webhook):
    """A webhook to register."""

    api_key_value: HeaderValue | None = Field(None, description="The key: a secret, never shown")
    status: Literal["created", "disabled"] | None = None


class WebhookPut(Webhook):
    """A webhook to change."""

    id: Uuid
    api_key_value: HeaderValue | None = Field(
        None, description="The key; left out, it stays as it is if `url` and `api_key_name` do"
    )
    status: Literal["created", "disabled"]
