"""The variables of paths."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api.models.common import Uuid


class SourcePath(BaseModel):
    """A source."""

    source_id: Uuid = Field(description="Source id")


class FlowPath(BaseModel):
    """A flow."""

    flow_id: Uuid = Field(description="Flow id")


class ObjectPath(BaseModel):
    """An object."""

    object_id: str = Field(description="Object id, URL-encoded")


class ProfilePath(BaseModel):
    """A profile."""

    profile_id: Uuid = Field(description="Profile id")


class WebhookPath(BaseModel):
    """A webhook."""

    webhook_id: Uuid = Field(description="Webhook id")
