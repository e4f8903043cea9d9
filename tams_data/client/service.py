"""`TamsClient`: the operations of a TAMS service as methods."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Literal, TypeAlias, cast
from urllib.parse import quote

import httpx

from tams_data.client.connection import Connection
from tams_data.client.events import Following
from tams_data.client.shapes import (
    Allocation,
    CollectionItem,
    DeletionRequest,
    FailedSegment,
    Flow,
    Json,
    MediaObject,
    OnBytes,
    Profile,
    Segment,
    SegmentInit,
    Source,
    StorageBackend,
    StoreEvent,
    Tags,
    Webhook,
)
from tams_data.errors import RequestFailed
from tams_data.settings import Settings, service_url
from tams_data.timerange import TimeRange

Kind: TypeAlias = Literal["sources", "flows"]

_PAGE = {"limit": "1000"}
_FIRST_POLL_S, _LONGEST_POLL_S = 0.1, 2.0


class TamsClient:
    """A client of one service. A context manager; `close` gives the connections back. May be shared by threads.

    `filters` of a list are its query parameters, as text: `client.flows(label="Camera A", **{"tag.day": "monday"})`.
    A list is asked for page by page, while it is read.

    Whatever asks the service raises `RequestFailed` when that refuses, with the `status`, or does not answer, without;
    what lists raise comes when they are read. A resource that is not there is None of those that find one.
    """

    def __init__(
        self, url: str, token: str | None = None, *, timeout_s: float = 60, retries: int = 4, connections: int = 16
    ) -> None:
        """`token` is a bearer token; `url` may bring credentials instead, `https://user:password@host/tams` or
        `https://host/tams?access_token=…`. They go to the service's own origin and nowhere else.

        Requests that are safe to repeat are, up to `retries` times: when the service is busy (429, 503) or a
        connection is lost.
        """
        self._connection = Connection(url, token, timeout_s=timeout_s, retries=retries, connections=connections)

    @classmethod
    def here(cls) -> TamsClient:
        """A client of the service that `tams_data.connect()` reads: that of `TAMS_URL`, else that of the settings.

        :raise InvalidSetting: a setting cannot be used.
        """
        settings = Settings.load()
        return cls(service_url() or settings.url, settings.own_token)

    @property
    def url(self) -> str:
        """The service's URL, without credentials and without a slash at the end."""
        return self._connection.url

    def __enter__(self) -> TamsClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; requests after that fail."""
        self._connection.close()

    # --- the service ---

    def service(self) -> Json:
        """Return what the service says of itself (TAMS 8.2, GET service)."""
        return self._json("GET", "service")

    def describe_service(self, **members: str) -> None:
        """Change the service's `name` or `description` (TAMS 8.2, POST service); others stay as they are."""
        self._connection.request("POST", "service", json=members)

    def lent_token(self) -> str | None:
        """Return a token for a page or a player, to read with for a while; None where the service lends none.

        A service that this client has no credentials for is not asked.
        """
        if not self._connection.has_credentials:
            return None
        try:
            return str(self._json("GET", "access-token")["access_token"])
        except RequestFailed as error:
            if error.status in (403, 404):
                return None
            raise

    def storage_backends(self, **filters: str) -> Iterator[StorageBackend]:
        """Yield the storage backends, where objects can be (TAMS 8.2, GET service/storage-backends)."""
        return self._list("service/storage-backends", filters)

    def profiles(self, **filters: str) -> Iterator[Profile]:
        """Yield the profiles that flows can be made with (TAMS 8.2, GET service/profiles)."""
        return self._list("service/profiles", filters)

    def find_profile(self, profile_id: str) -> Profile | None:
        """Return a profile, or None when there is none with this id."""
        return cast("Profile | None", self._found(f"service/profiles/{_part(profile_id)}"))

    def create_profile(self, profile: Mapping[str, Any]) -> Profile:
        """Create a profile with the `id` in it, which cannot be changed after that; return it as it is kept."""
        return cast("Profile", self._json("POST", f"service/profiles/{_part(profile['id'])}", json=dict(profile)))

    # --- sources and flows ---

    def sources(self, **filters: str) -> Iterator[Source]:
        """Yield sources, the newest first unless `sort_by` says otherwise (TAMS 8.2, GET sources)."""
        return self._list("sources", filters)

    def find_source(self, source_id: str) -> Source | None:
        """Return a source, or None when there is none with this id."""
        return cast("Source | None", self._found(f"sources/{_part(source_id)}"))

    def flows(self, **filters: str) -> Iterator[Flow]:
        """Yield flows, the newest first unless `sort_by` says otherwise (TAMS 8.2, GET flows)."""
        return self._list("flows", filters)

    def find_flow(
        self, flow_id: str, *, include_timerange: bool = False, timerange: TimeRange | None = None
    ) -> Flow | None:
        """Return a flow, or None when there is none with this id.

        With `include_timerange`, `timerange` is there: that of its segments, or of those that share time with one.
        """
        parameters = {"include_timerange": "true"} if include_timerange else {}
        if timerange is not None:
            parameters["timerange"] = str(timerange)
        return cast("Flow | None", self._found(f"flows/{_part(flow_id)}", parameters))

    def put_flow(self, flow: Mapping[str, Any]) -> None:
        """Create the flow with the `id` in it, or replace its metadata (TAMS 8.2, PUT flows). Segments stay."""
        self._connection.request("PUT", f"flows/{_part(flow['id'])}", json=dict(flow))

    def delete_flow(self, flow_id: str, *, wait_s: float | None = None) -> DeletionRequest | None:
        """Delete a flow with its segments. None when that is done; see `delete_segments`."""
        return self._deleted(self._connection.request("DELETE", f"flows/{_part(flow_id)}"), wait_s)

    # --- their properties ---

    def tags(self, kind: Kind, id_: str) -> Tags:
        """Return the tags of a source or flow: `client.tags("flows", flow_id)`."""
        return cast("Tags", self.get_property(kind, id_, "tags"))

    def put_tag(self, kind: Kind, id_: str, name: str, value: str | list[str]) -> None:
        """Set a tag of a source or flow to a text or a list of texts, whatever it was."""
        self.put_property(kind, id_, f"tags/{_part(name)}", value)

    def delete_tag(self, kind: Kind, id_: str, name: str) -> None:
        """Delete a tag of a source or flow, by its name."""
        self.delete_property(kind, id_, f"tags/{_part(name)}")

    def put_collection(self, flow_id: str, members: Sequence[CollectionItem]) -> None:
        """Set which flows a multi-essence flow collects, in place of those it did."""
        self.put_property("flows", flow_id, "flow_collection", list(members))

    def get_property(self, kind: Kind, id_: str, name: str) -> Any:
        """Return a property of a source or flow: `label`, `description`, of a flow `read_only`, `max_bit_rate` …"""
        return self._connection.request("GET", f"{kind}/{_part(id_)}/{name}").json()

    def put_property(self, kind: Kind, id_: str, name: str, value: object) -> None:
        """Set a property of a source or flow, one of those that `get_property` returns."""
        self._connection.request("PUT", f"{kind}/{_part(id_)}/{name}", json=value)

    def delete_property(self, kind: Kind, id_: str, name: str) -> None:
        """Unset a property of a source or flow."""
        self._connection.request("DELETE", f"{kind}/{_part(id_)}/{name}")

    # --- segments ---

    def segments(
        self, flow_id: str, timerange: TimeRange | None = None, *, urls: bool = True, **filters: str
    ) -> Iterator[Segment]:
        """Yield the segments of a flow that share time with a range, in order (TAMS 8.2, GET segments).

        Without `urls` the service need not make any, which is faster.
        """
        parameters = dict(_PAGE)
        if timerange is not None:
            parameters["timerange"] = str(timerange)
        if not urls:
            parameters["accept_get_urls"] = ""
        return self._list(f"flows/{_part(flow_id)}/segments", {**parameters, **filters})

    def register(self, flow_id: str, segments: Sequence[Mapping[str, Any]]) -> list[FailedSegment]:
        """Register segments in one request; return those that the service refused, one by one, while taking others."""
        path = f"flows/{_part(flow_id)}/segments"
        response = self._connection.request("POST", path, json=[dict(segment) for segment in segments])
        if response.status_code != httpx.codes.OK:
            return []
        return [
            FailedSegment(item["object_id"], item.get("timerange"), (item.get("error") or {}).get("summary", "refused"))
            for item in response.json().get("failed_segments", ())
        ]

    def delete_segments(
        self,
        flow_id: str,
        timerange: TimeRange | None = None,
        *,
        object_id: str | None = None,
        wait_s: float | None = None,
    ) -> DeletionRequest | None:
        """Delete the segments of a flow that lie wholly in a range (default: all), or those of them that use an object.

        None when that is done. A deletion that takes its time is returned as the service's request for it, which goes
        on by itself; with `wait_s`, it is followed for so many seconds, and `RequestFailed` when it fails or is not
        done by then.
        """
        parameters = {"timerange": str(timerange) if timerange is not None else None, "object_id": object_id}
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._deleted(
            self._connection.request("DELETE", f"flows/{_part(flow_id)}/segments", params=given), wait_s
        )

    def deletion_requests(self, **filters: str) -> Iterator[DeletionRequest]:
        """Yield the deletions that take, or took, their time."""
        return self._list("flow-delete-requests", filters)

    def find_deletion_request(self, request_id: str) -> DeletionRequest | None:
        """Return a deletion request, or None when there is none with this id (any more)."""
        return cast("DeletionRequest | None", self._found(f"flow-delete-requests/{_part(request_id)}"))

    # --- objects ---

    def find_object(self, object_id: str, **filters: str) -> MediaObject | None:
        """Return an object, with the first page of the flows that refer to it; None when it is not registered."""
        return cast("MediaObject | None", self._found(f"objects/{_part(object_id)}", filters))

    def referenced_by(self, object_id: str, **filters: str) -> Iterator[str]:
        """Yield the ids of all flows that refer to an object."""
        pages = self._connection.pages(f"objects/{_part(object_id)}", {"accept_get_urls": "", **filters})
        return (flow_id for page in pages for flow_id in page.json()["referenced_by_flows"])

    def copy_object(self, object_id: str, storage_id: str) -> None:
        """Have the service copy an object to another of its storage backends, in its own time."""
        self._connection.request("POST", f"objects/{_part(object_id)}/instances", json={"storage_id": storage_id})

    def add_instance(self, object_id: str, url: str, label: str) -> None:
        """Tell of a copy of an object that the service does not keep."""
        self._connection.request("POST", f"objects/{_part(object_id)}/instances", json={"url": url, "label": label})

    def delete_instance(self, object_id: str, *, storage_id: str | None = None, label: str | None = None) -> None:
        """Delete a copy of an object, by its storage backend if the service keeps it, else by its label."""
        given = {"storage_id": storage_id, "label": label}
        parameters = {name: value for name, value in given.items() if value is not None}
        self._connection.request("DELETE", f"objects/{_part(object_id)}/instances", params=parameters)

    def allocate(self, flow_id: str, object_ids: Sequence[str] = (), **options: Any) -> list[Allocation]:
        """Allocate storage for new objects with the ids given. A 400 says that an id is taken, or that it cannot be.

        `options` are further members of the request: `limit`, for so many objects with ids of the service's,
        `storage_id`, `content_type`, `presigned`.
        """
        body = {**({"object_ids": list(object_ids)} if object_ids else {}), **options}
        answer = self._json("POST", f"flows/{_part(flow_id)}/storage", json=body)
        return [Allocation.parse(item) for item in answer.get("media_objects", ())]

    def upload(self, allocation: Allocation, body: IO[bytes], size: int, progress: OnBytes | None = None) -> None:
        """Upload an object of `size` bytes, read from a file at its start; it is there as a whole, or not at all."""
        self._connection.put_bytes(
            allocation.url,
            body,
            size,
            allocation.headers,
            presigned=allocation.presigned,
            progress=progress or _say_nothing,
        )

    def download(
        self, of: Segment | SegmentInit | MediaObject, file: IO[bytes], progress: OnBytes | None = None
    ) -> int:
        """Write the bytes of an object into a file, and return how many they are; presigned URLs first.

        `of` is what has its URLs: a segment, its `init_object`, or the object itself.
        """
        wanted = sorted(of.get("get_urls") or (), key=lambda item: not item.get("presigned"))
        if not wanted:
            raise RequestFailed(f"object {of.get('object_id') or of.get('id')!r} has no URL to get it from")
        url, presigned = wanted[0]["url"], bool(wanted[0].get("presigned"))
        return self._connection.get_bytes(url, file, presigned=presigned, progress=progress or _say_nothing)

    # --- webhooks ---

    def webhooks(self, **filters: str) -> Iterator[Webhook]:
        """Yield the webhooks, without the values of their keys (TAMS 8.2, GET service/webhooks)."""
        return self._list("service/webhooks", filters)

    def find_webhook(self, webhook_id: str) -> Webhook | None:
        """Return a webhook, or None when there is none with this id."""
        return cast("Webhook | None", self._found(f"service/webhooks/{_part(webhook_id)}"))

    def create_webhook(self, webhook: Mapping[str, Any]) -> Webhook:
        """Create a webhook for the `events` in it; the service gives it its `id`, and returns it."""
        return cast("Webhook", self._json("POST", "service/webhooks", json=dict(webhook)))

    def put_webhook(self, webhook: Mapping[str, Any]) -> Webhook:
        """Replace the webhook with the `id` in it; the `status` 'created' has one go on that ended in an error."""
        return cast("Webhook", self._json("PUT", f"service/webhooks/{_part(webhook['id'])}", json=dict(webhook)))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook: it is told of nothing any more."""
        self._connection.request("DELETE", f"service/webhooks/{_part(webhook_id)}")

    # --- events ---

    def events(
        self, last_event_id: str | None = None, *, patience_s: float = 300, **filters: str
    ) -> Iterator[StoreEvent]:
        """Yield what happens, as it happens, without an end: an extension of this service.

        From the event after `last_event_id` on, as far as events are kept; default: from now on, "0": from the first.
        A connection that is lost is made again, and none is missed. When the service has said nothing for `patience_s`
        seconds, that is `RequestFailed`; of its own, it says something every few seconds.

        `filters` are those of a webhook: `client.events(flow_ids=flow_id, events="flows/segments_added")`.
        """
        return iter(Following(self._connection, filters, last_event_id, patience_s=patience_s))

    # --- requests ---

    def _json(self, method: str, path: str, **options: Any) -> Json:
        return cast("Json", self._connection.request(method, path, **options).json())

    def _list(self, path: str, parameters: Mapping[str, str]) -> Iterator[Any]:
        pages = self._connection.pages(path, parameters)
        return (item for page in pages for item in page.json())

    def _found(self, path: str, parameters: Mapping[str, str] | None = None) -> Json | None:
        try:
            return self._json("GET", path, params=dict(parameters or {}))
        except RequestFailed as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    # --- deletions ---

    def _deleted(self, response: httpx.Response, wait_s: float | None) -> DeletionRequest | None:
        if response.status_code != httpx.codes.ACCEPTED:
            return None
        request = cast("DeletionRequest", response.json())
        if wait_s is None:
            return request
        self._follow(str(response.url.join(response.headers["Location"])), request, wait_s)
        return None

    def _follow(self, url: str, request: DeletionRequest, wait_s: float) -> None:
        """Wait for the end of a deletion."""
        deadline_ns = time.monotonic_ns() + int(wait_s * 10**9)
        for pause_s in _polls():
            if request["status"] == "done":
                return
            if request["status"] == "error":
                reason = (request.get("error") or {}).get("summary", "no reason given")
                raise RequestFailed(f"deletion request {request['id']} failed: {reason}")
            if time.monotonic_ns() >= deadline_ns:
                left = request.get("timerange_remaining", request["timerange_to_delete"])
                raise RequestFailed(f"deletion request {request['id']} is not done after {wait_s} s; {left} remains")
            time.sleep(pause_s)
            # A service forgets a request some time after its end.
            request = cast("DeletionRequest", self._found(url) or {**request, "status": "done"})


def _polls() -> Iterable[float]:
    pause_s = _FIRST_POLL_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_POLL_S)


def _part(text: str) -> str:
    """A text as one part of a path, whatever characters are in it."""
    return quote(text, safe="")


def _say_nothing(_done: int, _total: int | None) -> None:
    """Progress for those who do not ask."""
