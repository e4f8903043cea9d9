"""The service as a process: granian in front of the application, one worker, many threads."""

from __future__ import annotations

import gc
import sys
from multiprocessing.util import Finalize

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from api.access.modes import modes_of
from api.app import create_app
from tams_data import engines, media
from tams_data.destinations import Destinations
from tams_data.errors import TamsDataError
from tams_data.processes import end_with_parent
from tams_data.settings import Settings
from tams_data.store.store import Store

_HEADERS_WITHIN_MS = 15_000
"""Who takes longer to say what they want is not heard. Of bodies granian has no such limit."""


def serve(settings: Settings) -> None:
    """Serve until the process is told to stop. The worker reads its settings from the environment as well.

    :raise InvalidSetting: it is not said who may use the service, and others could reach it.
    """
    modes_of(settings)  # here as well, where the message is all that is shown
    server = Granian(
        "api.server:application",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        # An embedded database is open in one process only; threads serve the requests.
        workers=1,
        blocking_threads=settings.threads,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_WITHIN_MS),
        websockets=False,
        log_level=LogLevels.error,
    )
    server.serve()


def application() -> Flask:
    """The application of the worker process; a store that cannot be opened ends the process with a message."""
    try:
        return _application(Settings.load())
    except TamsDataError as error:
        print(f"tams: {error}", file=sys.stderr, flush=True)  # noqa: T201  # before any log is set up
        raise SystemExit(1) from error


def _application(settings: Settings) -> Flask:
    end_with_parent()
    database = engines.connect(settings.database, memory_limit=settings.database_memory)
    stores = media.connect(settings)
    store = Store(
        database,
        {one.backend.id: one for one in stores},
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
    )
    store.jobs.start()
    # Worker processes of multiprocessing end without running what atexit knows.
    Finalize(None, store.close, exitpriority=1)
    app = create_app(store, settings, secret=media.secret(settings))
    _collect_garbage_seldom()
    return app


def _collect_garbage_seldom() -> None:
    """Leave what was loaded by now out of garbage collections, and hold fewer of them.

    A request for a thousand segments makes thousands of objects and no cycle. At Python's own thresholds the collector
    runs for them over everything Ibis has loaded, which is a quarter of the time that writing them takes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
