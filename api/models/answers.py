"""What the service answers, for the OpenAPI document. Answers are written from rows; these describe them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from api.models.common import Format, Rational, Status, Tags, Uuid
from api.models.flows import CollectionItem, ContainerMapping
from api.models.profiles import ProfileMetadata
from tams_data.store.events import EventType


class Answer(BaseModel):
    """A JSON object of an answer."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Problem details of an error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    field: str | None = Field(None, description="The parameter or property that is at fault")
    value: Any = Field(None, description="What was given")


class LentToken(Answer):
    """A token to lend."""

    access_token: str
    expires_in: int = Field(description="Seconds for which it is admitted")


class Check(Answer):
    """Something the service needs."""

    name: str
    passed: bool
    detail: str | None = Field(None, description="What is wrong with it")


class Health(Answer):
    """The service is ready."""

    live: Literal[True]
    ready: Literal[True]
    checks: list[Check]


class Unready(Problem):
    """The service answers and cannot serve."""

    live: Literal[True]
    ready: Literal[False]
    checks: list[Check]


class Alive(Answer):
    """The service answers."""

    live: Literal[True]


class Job(Answer):
    """A job: what waits for it in the store, if it has a queue, and how it fares in this process, if it is one of its.

    Failures of what waits, each of which is tried again on its own, are not those of the job.
    """

    name: str
    waiting: int | None = Field(None, description="How much waits for it, by the store's tables")
    failing: int | None = Field(None, description="How much of that failed when it was tried last")
    oldest: str | None = Field(None, description="Since when the first of what waits has waited")
    queue_error: str | None = Field(None, description="Why something that waits failed")
    started: bool | None = Field(None, description="Whether this process carries it out")
    running: bool | None = Field(None, description="Whether a step is being taken")
    steps: int | None = Field(None, description="Steps that were taken since the process started")
    failed_steps: int | None = Field(None, description="Steps of those that failed")
    failures: int | None = Field(None, description="Steps that failed in a row, up to now")
    error: str | None = Field(None, description="Why a step failed last")
    succeeded: str | None = Field(None, description="When a step last succeeded")


class Jobs(RootModel[list[Job]]):
    """Jobs."""


class EventStreamMechanism(Answer):
    """A way to be told of events."""

    name: str
    docs: str | None = None
    config: dict[str, Any] | None = None


class Service(Answer):
    """The service."""

    name: str
    description: str
    type: str
    api_version: str
    service_version: str
    event_stream_mechanisms: list[EventStreamMechanism]
    min_object_timeout: str
    min_presigned_url_timeout: str


class StorageBackend(Answer):
    """A storage backend."""

    id: Uuid
    label: str | None = None
    store_type: Literal["http_object_store"]
    provider: str
    store_product: str
    region: str | None = None
    availability_zone: str | None = None
    tags: Tags | None = None
    default_storage: bool


class StorageBackends(RootModel[list[StorageBackend]]):
    """Storage backends."""


class Profile(Answer):
    """A profile."""

    id: Uuid
    label: str | None = None
    description: str | None = None
    created_by: str | None = None
    created: str
    tags: Tags
    flow_metadata: ProfileMetadata


class Profiles(RootModel[list[Profile]]):
    """Profiles."""


class WebhookError(Answer):
    """What a webhook failed with."""

    type: str
    summary: str
    time: str


class ShownWebhook(Answer):
    """A webhook, without its key."""

    id: Uuid
    url: str
    api_key_name: str | None = None
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
    tags: Tags
    status: Literal["created", "started", "disabled", "error"]
    error: WebhookError | None = None


class ShownWebhooks(RootModel[list[ShownWebhook]]):
    """Webhooks."""


class SourceMember(Answer):
    """A source that another collects."""

    id: Uuid
    role: str | None = None


class Source(Answer):
    """A source."""

    id: Uuid
    format: Format
    label: str | None = None
    description: str | None = None
    tags: Tags
    created_by: str | None = None
    updated_by: str | None = None
    created: str
    updated: str
    source_collection: list[SourceMember] | None = None
    collected_by: list[Uuid] | None = None


class Sources(RootModel[list[Source]]):
    """Sources."""


class Flow(Answer):
    """A flow."""

    id: Uuid
    source_id: Uuid
    format: Format
    codec: str | None = None
    container: str | None = None
    label: str | None = None
    description: str | None = None
    tags: Tags
    status: Status | None = None
    generation: int | None = None
    read_only: bool | None = None
    profile_id: Uuid | None = None
    max_bit_rate: int | None = None
    avg_bit_rate: int | None = None
    segment_duration: Rational | None = None
    essence_parameters: dict[str, Any] | None = None
    container_mapping: ContainerMapping | None = None
    metadata_version: str
    created_by: str | None = None
    updated_by: str | None = None
    created: str
    metadata_updated: str
    segments_updated: str | None = None
    timerange: str | None = None
    flow_collection: list[CollectionItem] | None = None
    collected_by: list[Uuid] | None = None


class Flows(RootModel[list[Flow]]):
    """Flows."""


class GetUrl(Answer):
    """A URL of an object."""

    url: str
    presigned: bool
    label: str | None = None
    storage_id: Uuid | None = None
    controlled: bool | None = None
    store_type: str | None = None
    provider: str | None = None
    region: str | None = None
    availability_zone: str | None = None
    store_product: str | None = None
    tags: Tags | None = None


class SegmentInit(Answer):
    """The initialisation object of a segment's object."""

    object_id: str
    get_urls: list[GetUrl] | None = None


class Segment(Answer):
    """A flow segment."""

    object_id: str
    timerange: str
    ts_offset: str | None = None
    last_duration: str | None = None
    object_timerange: str | None = None
    sample_offset: int | None = None
    sample_count: int | None = None
    key_frame_count: int | None = None
    init_object: SegmentInit | None = None
    get_urls: list[GetUrl] | None = None


class Segments(RootModel[list[Segment]]):
    """Flow segments."""


class Failure(Answer):
    """Why a segment was left out."""

    type: str
    summary: str
    time: str


class FailedSegment(Answer):
    """A segment that was left out."""

    object_id: str
    timerange: str | None = Field(None, description="Left out where it is not a time range")
    error: Failure


class FailedSegments(Answer):
    """The segments of a request that were left out; the others are registered."""

    failed_segments: list[FailedSegment]


class PutUrl(Answer):
    """A request that uploads an object."""

    url: str
    content_type: str = Field(alias="content-type")


class MediaObject(Answer):
    """An object to upload."""

    object_id: str
    put_url: PutUrl
    presigned: bool


class Storage(Answer):
    """Objects to upload."""

    media_objects: list[MediaObject]


class ObjectInit(Answer):
    """The initialisation object of an object."""

    id: str
    get_urls: list[GetUrl] | None = None


class MediaObjectInfo(Answer):
    """A media object, or an initialisation object."""

    id: str
    referenced_by_flows: list[Uuid]
    first_referenced_by_flow: Uuid
    timerange: str | None = None
    key_frame_count: int | None = None
    init_object: ObjectInit | None = None
    get_urls: list[GetUrl] | None = None


class DeletionError(Answer):
    """Why a deletion request failed."""

    type: str
    summary: str
    time: str


class DeletionRequest(Answer):
    """A deletion that is carried out in the background."""

    id: Uuid
    flow_id: Uuid
    timerange_to_delete: str
    timerange_remaining: str
    delete_flow: bool
    created: str
    created_by: str | None = None
    updated: str
    expiry: str | None = None
    status: Literal["created", "started", "done", "error"]
    error: DeletionError | None = None


class DeletionRequests(RootModel[list[DeletionRequest]]):
    """Deletion requests."""


class TableColumn(Answer):
    """A column of a table."""

    name: str
    type: str = Field(description="As Arrow writes it")
    description: str
    nullable: bool


class Table(Answer):
    """A table that can be read."""

    name: str
    description: str
    columns: list[TableColumn]


class Tables(RootModel[list[Table]]):
    """Tables that can be read."""


class Paths(RootModel[list[str]]):
    """Paths of the service."""


class Rows(Answer):
    """The rows of an analysis, what their columns hold, and beside them what the whole adds up to."""

    model_config = ConfigDict(extra="allow")

    columns: dict[str, str]
    rows: list[dict[str, Any]]
