"""Objects as clients send them."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.models.common import Body, Int64, ObjectId, TimerangeText, Uuid
from api.models.segments import GetUrl


class InitReference(Body):
    """The initialisation object that a media object needs."""

    id: ObjectId


class ObjectPost(Body):
    """An object to register, by the properties it is shown with; what the service keeps itself is passed over."""

    id: ObjectId | None = None
    first_referenced_by_flow: Uuid = Field(description="The flow it is registered for")
    get_urls: list[GetUrl] = Field(min_length=1)
    timerange: TimerangeText | None = Field(None, description="Of a media object; an initialisation object has none")
    key_frame_count: Int64 | None = None
    init_object: InitReference | None = None

    @model_validator(mode="after")
    def _key_frames_are_media(self) -> ObjectPost:
        if self.timerange is None and self.key_frame_count is not None:
            raise PydanticCustomError("key_frame_count", "is of a media object, which has a timerange")
        return self
