"""The variables of paths."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api.models.common import Uuid


class SourcePath(BaseModel):
    """A source."""

    source_id: Uuid = Field(description="Source id")

    @property
    def resource_id(self) -> str:
        """The id of the source."""
        return self.source_id


class SourceTagPath(SourcePath):
    """A tag of a source."""

    name: str = Field(description="Tag name, URL-encoded")


class FlowPath(BaseModel):
    """A flow."""

    flow_id: Uuid = Field(description="Flow id")

    @property
    def resource_id(self) -> str:
        """The id of the flow."""
        return self.flow_id


class FlowTagPath(FlowPath):
    """A tag of a flow."""

    name: str = Field(description="Tag name, URL-encoded")


class ObjectPath(BaseModel):
    """An object."""

    object_id: str = Field(description="Object id, URL-encoded")


class ProfilePath(BaseModel):
    """A profile."""

    profile_id: Uuid = Field(description="Profile id")


class WebhookPath(BaseModel):
    """A webhook."""

    webhook_id: Uuid = Field(description="Webhook id")
