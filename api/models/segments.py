"""Segments and storage requests as clients send them (TAMS 8.2, flow-segment-post and flow-storage-post)."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, RootModel, model_validator

from api.models.common import LEFT_OUT, AtLeastOne, Body, Int64, Mime, ObjectId, TimerangeText, TimestampText, Uuid
from tams_data.store.appends import NewSegment
from tams_data.timerange import TimeRange, parse_timestamp


class GetUrl(Body):
    """A URL of an object outside this service's storage."""

    url: str = Field(min_length=1)
    label: str = Field(min_length=1)


class SegmentPost(Body):
    """A segment to register."""

    object_id: ObjectId
    timerange: TimerangeText
    init_object_id: ObjectId | None = None
    ts_offset: TimestampText | None = None
    object_timerange: TimerangeText | None = None
    last_duration: TimestampText | None = None
    sample_offset: Int64 | None = None
    sample_count: Int64 | None = None
    get_urls: list[GetUrl] | None = None
    key_frame_count: Int64 | None = None

    def parsed(self) -> NewSegment:
        """The segment with its times read.

        :raise InvalidTimeRange, InvalidTimestamp: a text is not one, by the name of its property.
        """
        timerange = TimeRange.parse(self.timerange, field="timerange")
        on_object = self.object_timerange
        object_timerange = None if on_object is None else TimeRange.parse(on_object, field="object_timerange")
        return NewSegment(
            object_id=self.object_id,
            timerange=timerange,
            timerange_text=_unless_canonical(self.timerange, timerange),
            ts_offset_ns=_timestamp(self.ts_offset, "ts_offset"),
            object_timerange=object_timerange,
            object_timerange_text=None if on_object is None else _unless_canonical(on_object, object_timerange),
            last_duration_ns=_timestamp(self.last_duration, "last_duration"),
            sample_offset=self.sample_offset,
            sample_count=self.sample_count,
            key_frame_count=self.key_frame_count,
            init_object_id=self.init_object_id,
            get_urls=tuple((one.url, one.label) for one in self.get_urls or ()),
        )


def _timestamp(text: str | None, field: str) -> int | None:
    return None if text is None else parse_timestamp(text, field=field)


def _unless_canonical(text: str, parsed: TimeRange | None) -> str | None:
    return None if text == str(parsed) else text


class SegmentsPost(RootModel[SegmentPost | list[SegmentPost]]):
    """One segment, or an array of them."""


_LIMIT_AND_IDS: dict[str, Any] = {
    "required": ["limit", "object_ids"],
    "properties": {"limit": {"type": "integer"}, "object_ids": {"type": "array"}},
}


class StoragePost(Body):
    """A request for upload locations."""

    model_config = ConfigDict(json_schema_extra={"not": _LIMIT_AND_IDS, **LEFT_OUT})

    limit: AtLeastOne | None = None
    object_ids: list[ObjectId] | None = Field(None, min_length=1)
    storage_id: Uuid | None = None
    content_type: Mime | None = None
    presigned: bool | None = None

    @model_validator(mode="after")
    def _one_of_limit_and_ids(self) -> StoragePost:
        if self.limit is not None and self.object_ids is not None:
            raise ValueError("limit and object_ids exclude each other")
        return self
