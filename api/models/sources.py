"""Sources as clients send them."""

from __future__ import annotations

from api.models.common import Body, Format, Tags, Uuid


class SourcePost(Body):
    """A source to create. What the service keeps itself is passed over when a client sends it."""

    id: Uuid | None = None
    format: Format
    label: str | None = None
    description: str | None = None
    tags: Tags | None = None
    created_by: str | None = None
    updated_by: str | None = None
