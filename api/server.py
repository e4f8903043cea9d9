"""The service as a process: granian in front of the application, one worker, many threads."""

from __future__ import annotations

import gc
import sys
from multiprocessing.util import Finalize
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from api import silence
from api.access.modes import modes_of
from api.app import create_app
from api.watching import drain, logs, traces
from api.watching.traffic import Traffic
from tams_data import media
from tams_data.errors import TamsDataError
from tams_data.processes import check_port, end_with_parent
from tams_data.settings import Settings
from tams_data.store.opening import open_store
from tams_data.store.store import Store

_HEADERS_WITHIN_MS = 15_000
"""Who takes longer to say what they want is not heard. Of bodies granian has no such limit: see `intake`."""

_END_S = 15
"""What the store may take to be closed, beside the time for requests: then the main process ends the worker."""


class _Server(Granian):  # type: ignore[misc, valid-type]  # which class it is depends on the Python
    """Granian, whose workers take their time to end, and end at once when they are told a second time."""

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        if self.interrupt_signal:
            for worker in self.wrks:
                worker.kill()
        super().signal_handler_interrupt(*args, **kwargs)


def serve(settings: Settings) -> None:
    """Serve until the process is told to stop. The worker reads its settings from the environment as well.

    :raise InvalidSetting: it is not said who may use the service, and others could reach it; or another process
        listens at its address.
    """
    logs.configure(settings)
    modes_of(settings)  # here as well, where the message is all that is shown
    check_port(settings.host, settings.port)
    server = _Server(
        "api.server:application",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        # An embedded database is open in one process only; threads serve the requests.
        workers=1,
        workers_kill_timeout=settings.drain_timeout + _END_S,
        blocking_threads=settings.threads,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_WITHIN_MS),
        websockets=False,
        log_level=LogLevels.error,
        log_dictconfig=logs.configuration(settings),
    )
    server.serve()


def application() -> Flask:
    """The application of the worker process; a store that cannot be opened ends the process with a message."""
    try:
        return _application(Settings.load())
    except TamsDataError as error:
        print(f"tams: {error}", file=sys.stderr, flush=True)  # noqa: T201  # whatever the log looks like
        raise SystemExit(1) from error


def _application(settings: Settings) -> Flask:
    ending = _Ending(settings.drain_timeout)
    drain.on_signal(ending.drain, ending.close)
    end_with_parent()
    logs.configure(settings)
    tracing = traces.connect(settings)
    ending.store = store = open_store(settings, tracer=tracing.tracer)
    # Counts, and who follows the store live, are the affair of this process; copies, deletions and the like of anyone.
    store.jobs.start(*([] if settings.jobs else ["counting", "sequencing"]))
    # Worker processes of multiprocessing end without running what atexit knows.
    Finalize(None, tracing.close, exitpriority=0)
    Finalize(None, store.close, exitpriority=1)
    app = create_app(store, settings, secret=media.secret(settings), open_span=tracing.open_span)
    ending.traffic = app.config["TAMS_TRAFFIC"]
    silence.bound(settings.port, settings.client_timeout)
    _collect_garbage_seldom()
    return app


class _Ending:
    """What there is to end of a process, as far as it has come."""

    def __init__(self, timeout_s: int) -> None:
        self._timeout_s = timeout_s
        self.traffic: Traffic | None = None
        self.store: Store | None = None

    def drain(self) -> int:
        if self.store is not None:
            self.store.feed.close()  # who follows the store live would do so for ever
        return 0 if self.traffic is None else self.traffic.drain(within_s=self._timeout_s)

    def close(self) -> None:
        if self.store is not None:
            self.store.close()


def _collect_garbage_seldom() -> None:
    """Leave what was loaded by now out of garbage collections, and hold fewer of them.

    A request for a thousand segments makes thousands of objects and no cycle. At Python's own thresholds the collector
    runs for them over everything Ibis has loaded, which is a quarter of the time that writing them takes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
