"""Profiles as clients send them (TAMS 8.2, profile)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from api.models.common import Body, Tags, Uuid
from api.models.flows import AudioTechnical, DataTechnical, ImageTechnical, VideoTechnical

ProfileMetadata: TypeAlias = Annotated[
    VideoTechnical | AudioTechnical | ImageTechnical | DataTechnical, Field(discriminator="format")
]


class ProfilePost(Body):
    """A profile to create. What the service keeps itself is passed over when a client sends it."""

    id: Uuid
    label: str | None = None
    description: str | None = None
    created_by: str | None = None
    tags: Tags = Field(default_factory=dict)
    flow_metadata: ProfileMetadata
