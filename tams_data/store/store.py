"""A store: its database, its media, and the one way to write to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import time_ns
from typing import Any

from tams_data.destinations import PUBLIC, Destinations
from tams_data.engines.base import Database
from tams_data.errors import TamsDataError, UnknownStorageBackend
from tams_data.media import MediaStore, remote
from tams_data.queries import service as service_queries
from tams_data.store import deletions, flows, instances, objects, profiles, queues, service, sources, webhooks
from tams_data.store.accesses import AccessCounter
from tams_data.store.allocations import Allocations
from tams_data.store.appends import NewSegment
from tams_data.store.checks import Recently, failure
from tams_data.store.copies import Copier
from tams_data.store.deletions import Deleted, Deleter, Deletion
from tams_data.store.delivery import Deliverer, Pruner
from tams_data.store.discards import Orphan, Sweeper
from tams_data.store.feed import Feed
from tams_data.store.flows import ChangeFlow, PutFlow
from tams_data.store.garbage import Collector, Expirer
from tams_data.store.instances import AddUrl, InstanceRemover, RemoveInstance, RequestCopy, UrlAdder
from tams_data.store.jobs import Job, Jobs, wait_s
from tams_data.store.keys import KeySequence
from tams_data.store.objects import (
    AllocateObjects,
    Allocation,
    Allocator,
    LetGo,
    RecordUpload,
    UploadRecorder,
)
from tams_data.store.outbox import Sequencer
from tams_data.store.profiles import CreateProfile
from tams_data.store.registration import CreateObject, ObjectCreator
from tams_data.store.segments import AddSegments, SegmentAdder
from tams_data.store.service import DescribeService
from tams_data.store.sizes import Measurer
from tams_data.store.sources import ChangeSource, CreateSource
from tams_data.store.webhooks import PutWebhook
from tams_data.store.writer import Writer, each
from tams_data.timerange import NS_PER_SECOND, TimeRange
from tams_data.tracing import NO_TRACER, Tracer

_REMEMBERED = 200_000
"""How many allocations are remembered, at some 300 bytes each."""

_LET_GO_LOOKS, _LET_GO_S = 50, 0.1
"""How often, and after how many seconds each, bytes are let go that others delete at the same time."""

_WRITER_ANSWERS_WITHIN_S = 5
"""Longer than a large group takes to commit on a busy machine."""


class Store:
    """Commands on one store; each returns when what it wrote is durable. Safe to use from several threads.

    `jobs` is what goes on in the background: long deletions, copies of objects, the bytes of what was deleted, sizes,
    counts, events to be sent. Whoever serves the store starts them; `close` ends them. Without, `jobs.run_due()` does
    what there is to do. `feed` tells who listens that there are new events.
    `accesses` is told what was asked for.
    """

    def __init__(
        self,
        database: Database,
        media: Mapping[str, MediaStore],
        *,
        group_commit: int = 64,
        delete_at_once: int = 1000,
        copy_max: int = 5 * 2**30,
        count_accesses: bool = True,
        garbage_after_s: int | None = None,
        tracer: Tracer = NO_TRACER,
        destinations: Destinations = PUBLIC,
        base_url: str = "",
        webhook_attempts: int = 16,
        events_kept: int = 7 * 24 * 3600,
        event_listeners: int = 16,
    ) -> None:
        """`media` are the media stores by the id of their storage backend; tables are created where missing.

        `delete_at_once` is how many segments are deleted in one transaction, and `copy_max` the size in bytes of the
        largest object that is copied from a URL outside. `count_accesses`: whether `accesses` counts. Objects that were
        not registered, or that nothing refers to, go after `garbage_after_s` seconds; None: never.
        `destinations` are where requests of the store's own may go. `base_url` is the service's, in events that are
        sent; each is tried `webhook_attempts` times, and kept for `events_kept` seconds. So many `event_listeners` may
        follow the `feed` at once.
        """
        database.create_tables()
        self.database = database
        self.media = media
        self.destinations = destinations
        self.fetch = partial(remote.fetch, destinations=destinations)
        allocations = Allocations(_REMEMBERED if database.sole_writer else 0)
        self._writer = Writer(
            database, most=group_commit, rolled_back=allocations.forget, announced=self._announced, tracer=tracer
        )
        new_key = KeySequence.of(database)
        by_id = {storage_id: one.backend.label for storage_id, one in media.items()}
        labels = {label for label in by_id.values() if label is not None}
        self._allocate = each(Allocator(new_key, allocations))
        self._add_segments = SegmentAdder(new_key, labels, allocations)
        self._create_object = each(ObjectCreator(new_key, labels))
        self._create_flow, self._change_flow = each(flows.create), each(flows.change)
        self._create_source, self._change_source = each(sources.create), each(sources.change)
        self._record_upload, self._let_go = each(UploadRecorder(allocations)), each(objects.let_go)
        self._describe_service = each(service.describe)
        self._create_profile = each(profiles.create)
        self._create_webhook, self._change_webhook = each(webhooks.create), each(webhooks.change)
        self._delete_webhook = each(webhooks.delete)
        self._put_flow, self._delete = each(flows.put), each(Deleter(delete_at_once, allocations))
        self._add_url, self._request_copy = each(UrlAdder(labels)), each(instances.request_copy)
        self._remove_instance = each(InstanceRemover(by_id))
        self._media_checks = {storage_id: Recently(one.check) for storage_id, one in media.items()}
        self._closing = threading.Event()
        self._garbage_after_ns = None if garbage_after_s is None else garbage_after_s * NS_PER_SECOND
        self._ages = queues.Ages(garbage_ns=self._garbage_after_ns, events_ns=events_kept * NS_PER_SECOND)
        self._job = partial(Job, tracer=tracer)
        self._sweeper = Sweeper(database, media, self._writer)
        self.accesses = AccessCounter(self._writer) if count_accesses else AccessCounter(self._writer, most=0)
        self.feed = Feed(event_listeners)
        self._deliverer = Deliverer(
            database,
            media,
            self._writer,
            destinations=destinations,
            base_url=base_url,
            most_attempts=webhook_attempts,
        )
        self._delivering = self._job("delivering", self._deliverer.step, wait_s=self._deliverer.wait_s)
        self._sequencing = self._job("sequencing", Sequencer(database, sequenced=self._tell).step)
        pruning = self._job("pruning", Pruner(database, self._writer, kept_s=events_kept).step, wait_s=_pruned_after_s)
        self.jobs = Jobs(
            *self._jobs(delete_at_once, copy_max, allocations), self._sequencing, self._delivering, pruning
        )

    def _jobs(self, delete_at_once: int, copy_max: int, allocations: Allocations) -> list[Job]:
        self._sweeping = self._job("sweeping", self._sweeper.step)
        worker = deletions.Worker(
            self.database,
            self._writer,
            most=delete_at_once,
            allocations=allocations,
            discarded=self._sweeping.wake,
        )
        copier = Copier(
            self.database,
            self.media,
            self._writer,
            fetch=partial(self.fetch, most_bytes=copy_max),
            alone=self._sweeper.alone,
            closing=self._closing,
        )
        measuring = self._job("measuring", Measurer(self.database, self.media, self._writer).step)
        self._deleting, self._copying = self._job("deleting", worker.step), self._job("copying", copier.step)
        counting = self._job("counting", self.accesses.step)
        garbage = self._garbage_jobs(allocations)
        return [self._deleting, self._copying, *garbage, self._sweeping, measuring, counting]

    def _garbage_jobs(self, allocations: Allocations) -> list[Job]:
        if (after_ns := self._garbage_after_ns) is None:
            return []
        discarded = self._sweeping.wake
        expirer = Expirer(self.database, self._writer, allocations, after_ns=after_ns, discarded=discarded)
        collector = Collector(self.database, self._writer, after_ns=after_ns, discarded=discarded)
        return [self._job("expiring", expirer.step), self._job("collecting", collector.step)]

    def create_source(self, source: Mapping[str, Any], *, principal: str | None = None) -> None:
        """Create a source that has no flows yet. See `sources.create`."""
        self._writer.submit(self._create_source, CreateSource(source, principal, time_ns()))

    def change_source(
        self, source_id: str, properties: Mapping[str, Any], tags: Mapping[str, Any], *, principal: str | None = None
    ) -> None:
        """Set some properties and some tags of a source; None unsets. See `sources.change`."""
        self._writer.submit(self._change_source, ChangeSource(source_id, properties, tags, principal, time_ns()))

    def put_flow(
        self, flow: Mapping[str, Any], *, principal: str | None = None, only_version: str | None = None
    ) -> bool:
        """Create or replace a flow; true when it is new. See `flows.put`."""
        return self._writer.submit(self._put_flow, PutFlow(flow, principal, time_ns(), only_version))

    def create_flow(self, flow: Mapping[str, Any], *, principal: str | None = None) -> None:
        """Create a flow that is not there yet. See `flows.create`."""
        self._writer.submit(self._create_flow, PutFlow(flow, principal, time_ns()))

    def change_flow(
        self, flow_id: str, properties: Mapping[str, Any], tags: Mapping[str, Any], *, principal: str | None = None
    ) -> None:
        """Set some properties and some tags of a flow; None unsets. See `flows.change`."""
        self._writer.submit(self._change_flow, ChangeFlow(flow_id, properties, tags, principal, time_ns()))

    def delete_flow(self, flow_id: str, *, principal: str | None = None) -> Mapping[str, Any] | None:
        """Delete a flow, its segments, and the objects nothing else refers to. See `deletions.Deleter`.

        None when it is done, or the row of the deletion request that does it.
        """
        eternity = TimeRange.eternity()
        return self.delete(
            Deletion(flow_id=flow_id, timerange=eternity, delete_flow=True, principal=principal, now_ns=time_ns())
        )

    def allocate(
        self,
        flow_id: str,
        *,
        count: int = 1,
        object_ids: Sequence[str] | None = None,
        storage_id: str | None = None,
        content_type: str | None = None,
    ) -> tuple[MediaStore, list[Allocation]]:
        """Reserve objects for a flow, and the media store to upload them to. See `objects.Allocator`.

        :raise UnknownStorageBackend: there is no such backend, or no default one.
        """
        media = self.backend(storage_id)
        request = AllocateObjects(
            flow_id=flow_id,
            storage_id=media.backend.id,
            count=count,
            object_ids=object_ids,
            content_type=content_type,
            now_ns=time_ns(),
        )
        return media, self._writer.submit(self._allocate, request)

    def create_object(
        self,
        object_id: str,
        flow_id: str,
        get_urls: Sequence[tuple[str, str]],
        *,
        timerange: TimeRange | None = None,
        timerange_text: str | None = None,
        key_frame_count: int | None = None,
        init_object_id: str | None = None,
    ) -> None:
        """Register an object whose bytes are elsewhere, before any segment refers to it. See `ObjectCreator`."""
        request = CreateObject(
            object_id=object_id,
            flow_id=flow_id,
            get_urls=get_urls,
            timerange=timerange,
            timerange_text=timerange_text,
            key_frame_count=key_frame_count,
            init_object_id=init_object_id,
            now_ns=time_ns(),
        )
        self._writer.submit(self._create_object, request)

    def uploadable(self, object_id: str) -> Any:
        """The allocation of an object whose bytes may be uploaded, a record. See `objects.allocation`."""
        return objects.allocation(self.database, object_id)

    def record_upload(self, object_id: str, size_bytes: int) -> None:
        """Note that an object's bytes are complete. See `objects.record_upload`."""
        self._writer.submit(self._record_upload, RecordUpload(object_id, size_bytes))

    def check_upload(self, object_id: str, storage_id: str) -> None:
        """Accept an upload whose bytes are in their place, or have them deleted: nobody may want them by now.

        Between its record and that, its allocation may have expired, or its flow been deleted.

        :raise ObjectConflict: the object is neither allocated nor registered.
        """
        if objects.is_wanted(self.database, object_id):
            return
        for _ in range(_LET_GO_LOOKS):
            if self._writer.submit(self._let_go, LetGo(object_id, storage_id, time_ns())):
                break
            self._closing.wait(_LET_GO_S)
        self._sweeping.wake()
        self.uploadable(object_id)

    def add_segments(self, flow_id: str, new: Sequence[NewSegment]) -> list[TamsDataError | None]:
        """Register segments; for each None, or the error for which it was left out. See `segments.SegmentAdder`."""
        return self._writer.submit(self._add_segments, AddSegments(flow_id, new, time_ns()))

    def delete_segments(
        self,
        flow_id: str,
        timerange: TimeRange,
        *,
        object_id: str | None = None,
        timerange_text: str | None = None,
        principal: str | None = None,
    ) -> Mapping[str, Any] | None:
        """Delete segments wholly inside a time range, and objects nothing else refers to. See `deletions.Deleter`.

        None when it is done, or the row of the deletion request that does it. `timerange_text` is the client's own.
        """
        return self.delete(
            Deletion(
                flow_id=flow_id,
                timerange=timerange,
                timerange_text=timerange_text,
                object_id=object_id,
                principal=principal,
                now_ns=time_ns(),
            )
        )

    def delete(self, deletion: Deletion) -> Mapping[str, Any] | None:
        """Carry out a deletion, or the row of the deletion request that does it. See `deletions.Deleter`."""
        deleted: Deleted = self._writer.submit(self._delete, deletion)
        self._delete_bytes(deleted.orphans)
        if deleted.request is not None:
            self._deleting.wake()
        return deleted.request

    def add_url(self, object_id: str, url: str, label: str) -> None:
        """Add an uncontrolled instance of an object. See `instances.UrlAdder`."""
        self._writer.submit(self._add_url, AddUrl(object_id, url, label, time_ns()))

    def copy_object(self, object_id: str, storage_id: str) -> None:
        """Have an object copied to a further storage backend. See `instances.request_copy`.

        :raise UnknownStorageBackend: there is no such backend.
        """
        self.backend(storage_id)
        self._writer.submit(self._request_copy, RequestCopy(object_id, storage_id, time_ns()))
        self._copying.wake()

    def remove_instance(self, object_id: str, *, storage_id: str | None = None, label: str | None = None) -> None:
        """Remove an instance of an object, by its backend or its label. See `instances.InstanceRemover`."""
        request = RemoveInstance(object_id, storage_id, label, time_ns())
        self._delete_bytes(self._writer.submit(self._remove_instance, request))

    def describe_service(self, properties: Mapping[str, str]) -> None:
        """Set the name or the description of the service. See `service.describe`."""
        self._writer.submit(self._describe_service, DescribeService(properties, time_ns()))

    def create_profile(self, profile: Mapping[str, Any], *, principal: str | None = None) -> None:
        """Create a profile. See `profiles.create`."""
        self._writer.submit(self._create_profile, CreateProfile(profile, principal, time_ns()))

    def create_webhook(self, webhook: Mapping[str, Any], *, principal: str | None = None) -> str:
        """Register a webhook; its id. See `webhooks.create`.

        :raise DestinationRefused: no requests are sent to where its URL leads.
        """
        self.destinations.check(webhook["url"], field="url")
        webhook_id = self._writer.submit(self._create_webhook, PutWebhook(webhook, principal, time_ns()))
        self._delivering.wake()
        return webhook_id

    def change_webhook(self, webhook: Mapping[str, Any]) -> None:
        """Replace a webhook. See `webhooks.change`.

        :raise DestinationRefused: it is to be sent events, and no requests are sent to where its URL leads.
        """
        if webhook["status"] != "disabled":
            self.destinations.check(webhook["url"], field="url")
        self._writer.submit(self._change_webhook, PutWebhook(webhook, None, time_ns()))
        self._delivering.wake()

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook. See `webhooks.delete`."""
        self._writer.submit(self._delete_webhook, webhook_id)

    def backend(self, storage_id: str | None = None) -> MediaStore:
        """The media store of a storage backend; without an id the default one.

        :raise UnknownStorageBackend: there is none.
        """
        for media in self.media.values():
            if media.backend.id == storage_id or (storage_id is None and media.backend.default_storage):
                return media
        raise UnknownStorageBackend(f"no storage backend {storage_id}", field="storage_id", value=storage_id)

    def check(self) -> dict[str, TamsDataError | None]:
        """What the store needs to serve, by name: None where it works, or what is wrong with it. Cheap."""
        stores = {f"storage backend {id_}": check() for id_, check in self._media_checks.items()}
        return {
            "database": failure(lambda: self.database.read(service_queries.info)),
            "writer": failure(lambda: self._writer.check(within_s=_WRITER_ANSWERS_WITHIN_S)),
            **stores,
        }

    def watch_commits(self, committed: Callable[[int, int], object]) -> None:
        """Have every commit told: how many commands it had, and how long it took, ns."""
        self._writer.committed = committed

    @property
    def commands_waiting(self) -> int:
        """How many commands wait to be committed, about."""
        return self._writer.waiting

    def queues(self) -> list[dict[str, Any]]:
        """What waits for each job that has a queue: see `store.queues`."""
        return queues.queues(self.database, self._ages, now_ns=time_ns())

    def event_lags_ns(self) -> dict[str, int]:
        """How far events are behind: see `store.queues`."""
        return queues.event_lags_ns(self.database)

    def webhooks_by_status(self) -> dict[str, int]:
        """How many webhooks there are of each status."""
        return queues.webhooks_by_status(self.database)

    def close(self) -> None:
        """End the jobs, commit what is queued and counted, and release the database."""
        self._closing.set()
        self.feed.close()
        self._deliverer.close()
        self.jobs.close()
        self.accesses.close()
        self._writer.close()
        self.database.close()

    def _announced(self) -> None:
        """Events were committed: they can be read, or have to get their sequence first."""
        if self.database.sole_writer:
            self._tell()
        else:
            self._sequencing.wake()

    def _tell(self) -> None:
        self.feed.announced()
        if self._deliverer.has_receivers:
            self._deliverer.wake()
            self._delivering.wake()

    def _delete_bytes(self, orphans: Sequence[Orphan]) -> None:
        # After the commit, which has noted them: what is not deleted here, a crash in between or not, the job deletes.
        if orphans and not self._sweeper.sweep(orphans):
            self._sweeping.wake()


def _pruned_after_s(failures: int) -> float:
    """How long to wait before old events are looked for again, in seconds."""
    return max(60.0, wait_s(failures))
