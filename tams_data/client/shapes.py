"""What a TAMS service answers, for editors and type checkers: the JSON of TAMS 8.2 as it comes, nothing converted.

A property that the specification does not require may be absent: read it with `get`. A service may send more than is
named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

Json: TypeAlias = dict[str, Any]
Tags: TypeAlias = dict[str, str | list[str]]

OnBytes: TypeAlias = Callable[[int, int | None], None]
"""Is told of a transfer: bytes done, counted again from the start when it begins again, and bytes in all if known."""


class CollectionItem(TypedDict, total=False):
    """A flow or source in a collection; `id` is always there."""

    id: str
    role: str
    container_mapping: Json


class _Source(TypedDict):
    id: str
    format: str


class Source(_Source, total=False):
    """A source (schema source)."""

    label: str
    description: str
    tags: Tags
    created_by: str
    updated_by: str
    created: str
    updated: str
    source_collection: list[CollectionItem]
    collected_by: list[str]


class _Flow(TypedDict):
    id: str
    source_id: str
    format: str


class Flow(_Flow, total=False):
    """A flow (schema flow-get). Bit rates are in units of 1000 bit/s."""

    codec: str
    container: str
    essence_parameters: Json
    label: str
    description: str
    tags: Tags
    status: Literal["awaiting_content", "ingesting", "replication_in_progress", "closed_complete"]
    generation: int
    read_only: bool
    profile_id: str
    avg_bit_rate: int
    max_bit_rate: int
    segment_duration: dict[str, int]
    container_mapping: Json
    flow_collection: list[CollectionItem]
    collected_by: list[str]
    timerange: str
    metadata_version: str
    created_by: str
    updated_by: str
    created: str
    metadata_updated: str
    segments_updated: str


class _GetUrl(TypedDict):
    url: str


class GetUrl(_GetUrl, total=False):
    """Where the bytes of an object are; more of the storage with `verbose_storage`."""

    presigned: bool
    label: str
    storage_id: str
    controlled: bool
    store_type: str
    provider: str
    region: str
    availability_zone: str
    store_product: str
    tags: Tags


class _SegmentInit(TypedDict):
    object_id: str


class SegmentInit(_SegmentInit, total=False):
    """The initialisation object that a segment's object needs."""

    get_urls: list[GetUrl]


class _Segment(TypedDict):
    object_id: str
    timerange: str


class Segment(_Segment, total=False):
    """A flow segment (schema flow-segment)."""

    ts_offset: str
    last_duration: str
    object_timerange: str
    sample_offset: int
    sample_count: int
    key_frame_count: int
    init_object: SegmentInit
    get_urls: list[GetUrl]


class _MediaObject(TypedDict):
    id: str
    referenced_by_flows: list[str]


class MediaObject(_MediaObject, total=False):
    """A media object, or an initialisation object (schema object). Of the flows, a page: see `referenced_by`."""

    first_referenced_by_flow: str
    timerange: str
    key_frame_count: int
    init_object: Json
    get_urls: list[GetUrl]


class StorageBackend(TypedDict, total=False):
    """Where a service can keep bytes (schema storage-backends-list); `id` is always there."""

    id: str
    label: str
    store_type: str
    provider: str
    store_product: str
    region: str
    availability_zone: str
    tags: Tags
    default_storage: bool


class _Profile(TypedDict):
    id: str
    flow_metadata: Json


class Profile(_Profile, total=False):
    """Technical metadata that flows can be made with (schema profile)."""

    label: str
    description: str
    tags: Tags
    created_by: str
    created: str


class _Webhook(TypedDict):
    url: str
    events: list[str]


class Webhook(_Webhook, total=False):
    """Where a service sends events (schemas webhook-get, -post and -put). The value of the key is never answered."""

    id: str
    status: Literal["created", "started", "disabled", "error"]
    api_key_name: str
    api_key_value: str
    flow_ids: list[str]
    source_ids: list[str]
    flow_collected_by_ids: list[str]
    source_collected_by_ids: list[str]
    accept_get_urls: list[str]
    accept_storage_ids: list[str]
    presigned: bool
    verbose_storage: bool
    include_object_timerange: bool
    tags: Tags
    error: Json


class _DeletionRequest(TypedDict):
    id: str
    flow_id: str
    timerange_to_delete: str
    delete_flow: bool
    status: Literal["created", "started", "done", "error"]


class DeletionRequest(_DeletionRequest, total=False):
    """A deletion that takes its time (schema deletion-request)."""

    timerange_remaining: str
    created: str
    created_by: str
    updated: str
    expiry: str
    error: Json


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where to upload an object, as a service allocates it (TAMS 8.2, flow-storage)."""

    object_id: str
    url: str
    headers: Mapping[str, str]
    presigned: bool

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Allocation:
        """Read an item of `media_objects`."""
        put_url = item["put_url"]
        headers = dict(put_url.get("headers") or {})
        if "content-type" in put_url:
            headers["Content-Type"] = put_url["content-type"]
        return cls(item["object_id"], put_url["url"], headers, bool(item.get("presigned")))


@dataclass(frozen=True, slots=True)
class FailedSegment:
    """A segment of a batch that was not registered, and why."""

    object_id: str
    timerange: str | None
    reason: str


@dataclass(frozen=True)
class StoreEvent:
    """Something that happened in a store: a webhook's body (TAMS 8.2, webhooks), and its place among the events."""

    id: str
    """For `last_event_id`: to hear what comes after it."""
    event_type: str
    event_timestamp: str
    event: Json
