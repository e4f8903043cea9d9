"""Media into a store: a flow and a source for each stream, and a multi-essence flow that collects them.

All ids follow from the media, from where on the timeline it goes, and from how it is cut. So the same ingest again,
after it has finished or was killed half way, finds the flows it made and the segments it registered, and does only
what is missing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from tams_data.client import Allocation, TamsClient
from tams_data.errors import RequestFailed, UnreadableMedia
from tams_data.essence import DEFAULT_LENGTH_NS, BitRates, EssenceStream, Media, MediaObject, cut, open_media
from tams_data.essence.codecs import MULTI_FORMAT
from tams_data.essence.timing import from_ns
from tams_data.formatting import count_of
from tams_data.timerange import TimeRange
from tams_data.transfer.ids import derived_id

_BATCH = 4
_ATTEMPTS = 8
# A service manages these itself, and what it says of them is no news to it.
_MANAGED = ("created", "created_by", "metadata_updated", "segments_updated", "updated_by", "metadata_version")
_DERIVED = ("collected_by", "timerange")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is: nanoseconds of media of about `total_ns`, objects, and bytes uploaded."""

    done_ns: int
    total_ns: int | None
    objects: int
    uploaded_bytes: int


OnProgress: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """How to ingest.

    `start_ns` is where on the flows' timeline the media begins. `identity` is what the ids follow from, instead of the
    content of the media. `source_ids` are sources that streams, by their number, are to be flows of: those of a proxy.
    """

    label: str | None = None
    description: str | None = None
    start_ns: int = 0
    length_ns: int = DEFAULT_LENGTH_NS
    tags: Mapping[str, str | list[str]] = field(default_factory=dict)
    generation: int | None = None
    identity: str | None = None
    source_ids: Mapping[int, str] = field(default_factory=dict)
    uploads: int = 4


@dataclass(slots=True)
class IngestReport:
    """What an ingest did. `flow_ids` are those of the streams, in order; `multi_id` collects them if they are many."""

    flow_ids: list[str]
    multi_id: str | None
    notices: list[str]
    timerange: TimeRange = field(default_factory=TimeRange.never)
    objects: int = 0
    skipped: int = 0
    uploaded_bytes: int = 0
    elapsed_ns: int = 0


def ingest(
    client: TamsClient,
    location: str | Path,
    plan: IngestPlan | None = None,
    progress: OnProgress | None = None,
) -> IngestReport:
    """Cut a file, a URL or an HLS playlist into objects, upload them, and register them as flows.

    The flows are `ingesting` until all is there, then `closed_complete`. `UnreadableMedia` when the media cannot be
    read; if it breaks off, what was whole before is in the store, and its flows are closed. `InvalidInput` when
    MPEG-TS cannot carry a stream. `RequestFailed` when the service refuses, or is gone: the flows stay `ingesting`,
    and doing the same again goes on where this stopped.
    """
    started_ns = time.monotonic_ns()
    media = open_media(location)
    plan = plan or IngestPlan()
    objects = cut(media, start_ns=plan.start_ns, length_ns=plan.length_ns)
    flows = _Flows(media, plan)
    flows.create(client)
    report = IngestReport(flows.ids, flows.multi_id, list(media.notices))
    try:
        _Transfer(client, flows, report, progress or (lambda _: None)).run(objects)
    except UnreadableMedia as error:
        flows.close(client)
        stored = count_of(report.objects, "object")
        raise UnreadableMedia(f"{error}; what came before is in the store: {stored}") from error
    flows.close(client)
    report.elapsed_ns = time.monotonic_ns() - started_ns
    return report


# --- flows -----------------------------------------------------------------------------------------------------------


class _Flows:
    """The flows of an ingest, as they are put."""

    def __init__(self, media: Media, plan: IngestPlan) -> None:
        self.media, self.plan = media, plan
        self._origin = derived_id("ingest", plan.identity or media.fingerprint(), plan.start_ns)
        self._label = plan.label or media.title
        self.ids = [self._flow_id(stream.index) for stream in media.streams]
        self.multi_id = self._flow_id("multi") if len(self.ids) > 1 else None
        self.rates = [BitRates(plan.length_ns) for _ in self.ids]

    def create(self, client: TamsClient) -> None:
        """Put those flows that are not there yet; members first, as a collection wants them."""
        for flow in self._all():
            if client.find_flow(flow["id"]) is None:
                client.put_flow({**flow, "status": "ingesting"})

    def close(self, client: TamsClient) -> None:
        """Say that the flows are complete, and what their bit rates are."""
        for number, flow_id in enumerate(self.ids):
            rates = self.rates[number]
            _update(client, flow_id, avg_bit_rate=rates.average, max_bit_rate=rates.maximum, status="closed_complete")
        if self.multi_id is not None:
            _update(client, self.multi_id, status="closed_complete")

    def _flow_id(self, of: object) -> str:
        return derived_id(self._origin, "flow", of, self.plan.length_ns)

    def _all(self) -> Iterator[dict[str, Any]]:
        roles = roles_of(self.media.streams)
        for stream, flow_id, role in zip(self.media.streams, self.ids, roles, strict=True):
            label = self._label if self.multi_id is None else f"{self._label} {role}"
            source_id = self.plan.source_ids.get(stream.index) or derived_id(self._origin, "source", stream.index)
            yield self._common(flow_id, source_id, label) | self._technical(stream)
        if self.multi_id is not None:
            members = [{"id": flow_id, "role": role} for flow_id, role in zip(self.ids, roles, strict=True)]
            multi = self._common(self.multi_id, derived_id(self._origin, "source", "multi"), self._label)
            yield multi | {"format": MULTI_FORMAT, "flow_collection": members}

    def _common(self, flow_id: str, source_id: str, label: str) -> dict[str, Any]:
        plan = self.plan
        optional = {"description": plan.description, "generation": plan.generation}
        known = {name: value for name, value in optional.items() if value is not None}
        return {"id": flow_id, "source_id": source_id, "label": label, "tags": dict(plan.tags), **known}

    def _technical(self, stream: EssenceStream) -> dict[str, Any]:
        length: Fraction = from_ns(self.plan.length_ns)
        technical = dict(stream.technical)
        technical["segment_duration"] = {"numerator": length.numerator, "denominator": length.denominator}
        if stream.language:
            technical["tags"] = {**self.plan.tags, "language_code": stream.language}
        return technical


def roles_of(streams: Sequence[EssenceStream]) -> list[str]:
    """Return the roles of streams in a collection: their kind, and a number if there are several of it."""
    kinds = [stream.kind for stream in streams]
    return [
        kind if kinds.count(kind) == 1 else f"{kind} {kinds[: number + 1].count(kind)}"
        for number, kind in enumerate(kinds)
    ]


def _update(client: TamsClient, flow_id: str, **changes: object) -> None:
    flow: Mapping[str, Any] = client.find_flow(flow_id) or {}
    if any(flow.get(name) != value for name, value in changes.items()):
        kept = {name: value for name, value in flow.items() if name not in (*_MANAGED, *_DERIVED)}
        client.put_flow({**kept, "id": flow_id, **changes})


# --- objects ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Waiting:
    """An object on its way: `uploaded` gives its segment."""

    flow_id: str
    object: MediaObject
    uploaded: Future[dict[str, Any]]


class _Transfer:
    """Uploads objects side by side and registers them in order; only a few are in hand at a time."""

    def __init__(self, client: TamsClient, flows: _Flows, report: IngestReport, progress: OnProgress) -> None:
        self._client, self._flows, self._report, self._progress = client, flows, report, progress
        self._media, self._plan = flows.media, flows.plan
        self._done_ns = 0
        self._waiting: deque[_Waiting] = deque()
        self._batches: dict[str, list[dict[str, Any]]] = {flow_id: [] for flow_id in flows.ids}
        self._there = {flow_id: _starts(client, flow_id) for flow_id in flows.ids}

    def run(self, objects: Iterator[MediaObject]) -> None:
        """Bring all objects into the store; if the media breaks off, those that were whole before."""
        with ThreadPoolExecutor(self._plan.uploads, "tams-upload") as pool:
            try:
                self._take_all(objects, pool)
            finally:
                self._give_up()

    def _take_all(self, objects: Iterator[MediaObject], pool: ThreadPoolExecutor) -> None:
        try:
            for media_object in objects:
                self._take(media_object, pool)
        except UnreadableMedia:
            self._finish()
            raise
        self._finish()

    def _finish(self) -> None:
        self._settle(down_to=0)
        for flow_id in self._batches:
            self._register(flow_id)

    def _take(self, media_object: MediaObject, pool: ThreadPoolExecutor) -> None:
        number = media_object.stream.index
        flow_id, timerange = self._flows.ids[number], media_object.timerange
        self._flows.rates[number].add(media_object.size, timerange.end_ns - timerange.start_ns)
        self._report.timerange = self._report.timerange.extend(timerange)
        if timerange.start_ns in self._there[flow_id]:
            media_object.body.close()
            self._count(media_object, skipped=True)
            return
        uploaded = pool.submit(self._upload, flow_id, media_object)
        self._waiting.append(_Waiting(flow_id, media_object, uploaded))
        self._settle(down_to=self._plan.uploads + 1)

    def _settle(self, down_to: int) -> None:
        """Wait until no more than so many objects are on their way; take those that have come in order."""
        while self._waiting and (len(self._waiting) > down_to or self._waiting[0].uploaded.done()):
            segment = self._waiting[0].uploaded.result()
            arrived = self._waiting.popleft()
            arrived.object.body.close()
            self._count(arrived.object, skipped=False)
            self._batches[arrived.flow_id].append(segment)
            if len(self._batches[arrived.flow_id]) >= _BATCH:
                self._register(arrived.flow_id)

    def _count(self, media_object: MediaObject, *, skipped: bool) -> None:
        report = self._report
        report.objects += 1
        report.skipped += skipped
        report.uploaded_bytes += 0 if skipped else media_object.size
        self._done_ns = max(self._done_ns, media_object.timerange.end_ns - self._plan.start_ns)
        self._progress(Progress(self._done_ns, self._media.duration_ns, report.objects, report.uploaded_bytes))

    def _register(self, flow_id: str) -> None:
        batch, self._batches[flow_id] = self._batches[flow_id], []
        if batch:
            _registered(self._client, flow_id, batch)

    def _upload(self, flow_id: str, media_object: MediaObject) -> dict[str, Any]:
        """Upload an object; return its segment."""
        allocation = self._allocate(flow_id, media_object.timerange.start_ns)
        self._client.upload(allocation, media_object.body, media_object.size)
        return media_object.segment(allocation.object_id)

    def _allocate(self, flow_id: str, start_ns: int) -> Allocation:
        """Allocate the object's own id, or the next one if an ingest that was killed has taken that.

        Whether the bytes came under an id that is taken, and all of them, nobody can say (TAMS 8.2 has no way to ask
        for an object without a segment). So it is left to the service to collect.
        """
        attempt = 0
        while True:
            try:
                return self._client.allocate(flow_id, [derived_id(flow_id, start_ns, attempt)])[0]
            except RequestFailed as error:
                attempt += 1
                if error.status != 400 or attempt == _ATTEMPTS:
                    raise

    def _give_up(self) -> None:
        """After an error: let go of what is on its way."""
        for waiting in self._waiting:
            waiting.uploaded.cancel()
        for waiting in self._waiting:
            with suppress(RequestFailed):
                if not waiting.uploaded.cancelled():
                    waiting.uploaded.result()
            waiting.object.body.close()


def _starts(client: TamsClient, flow_id: str) -> set[int]:
    return {TimeRange.parse(segment["timerange"]).start_ns for segment in client.segments(flow_id, urls=False)}


def _registered(client: TamsClient, flow_id: str, segments: Sequence[Mapping[str, Any]]) -> None:
    failed = client.register(flow_id, segments)
    # The last request of an ingest that was killed may arrive after the next one has looked what is there.
    there = _starts(client, flow_id) if failed else set()
    failed = [one for one in failed if one.timerange is None or TimeRange.parse(one.timerange).start_ns not in there]
    if failed:
        first = failed[0]
        raise RequestFailed(
            f"{len(failed)} of {len(segments)} segments of flow {flow_id} were refused;"
            f" the first, {first.timerange} with object {first.object_id}: {first.reason}"
        )
