"""The Python client of a TAMS 8.2 service, this one or another.

    with TamsClient("http://localhost:8000") as client:
        for segment in client.segments(flow_id, TimeRange.parse("[0:0_10:0)")):
            client.download(segment, file)

    service       `TamsClient`: every operation a client wants, lists page by page
    connection    requests: credentials, trying again, paging, bytes
    events        what happens in a store, as it happens
    shapes        what is answered, for editors and type checkers

Every failure is `RequestFailed`, with the status, and what the service said.
"""

from __future__ import annotations

from tams_data.client.service import TamsClient
from tams_data.client.shapes import (
    Allocation,
    CollectionItem,
    DeletionRequest,
    FailedSegment,
    Flow,
    GetUrl,
    Json,
    MediaObject,
    OnBytes,
    Profile,
    Segment,
    Source,
    StorageBackend,
    StoreEvent,
    Tags,
    Webhook,
)

__all__ = [
    "Allocation",
    "CollectionItem",
    "DeletionRequest",
    "FailedSegment",
    "Flow",
    "GetUrl",
    "Json",
    "MediaObject",
    "OnBytes",
    "Profile",
    "Segment",
    "Source",
    "StorageBackend",
    "StoreEvent",
    "Tags",
    "TamsClient",
    "Webhook",
]
