"""A store as the settings describe it, for the processes that serve one or carry out its jobs."""

from __future__ import annotations

from tams_data import engines, media
from tams_data.destinations import Destinations
from tams_data.settings import Settings
from tams_data.store.store import Store
from tams_data.tracing import NO_TRACER, Tracer


def open_store(settings: Settings, *, tracer: Tracer = NO_TRACER) -> Store:
    """The store that the settings describe, its jobs not yet started.

    :raise InvalidSetting: the database or a media store cannot be as the settings say.
    :raise StoreUnavailable: the database cannot be opened now.
    :raise SchemaMismatch: it was written by other software.
    """
    database = engines.connect(settings.database, memory_limit=settings.database_memory)
    return Store(
        database,
        {one.backend.id: one for one in media.connect(settings)},
        group_commit=settings.group_commit,
        delete_at_once=settings.delete_at_once,
        copy_max=settings.copy_max,
        count_accesses=settings.count_accesses,
        destinations=Destinations.parse(settings.allowed_destinations),
        base_url=settings.public_url or settings.url,
        webhook_attempts=settings.webhook_attempts,
        events_kept=settings.events_kept,
        # Each keeps a thread: most are left to requests, however few there are.
        event_listeners=min(settings.event_listeners, settings.threads // 4),
        garbage_after_s=settings.object_timeout + settings.garbage_grace,
        tracer=tracer,
    )
