"""The application as the worker process of the server has it: with a store, whose jobs run, and an orderly end."""

from __future__ import annotations

import gc
import sys
from multiprocessing.util import Finalize

from flask import Flask

from api import memory, silence
from api.app import create_app
from api.watching import drain, logs, traces
from api.watching.traffic import Traffic
from tams_data import media
from tams_data.errors import TamsDataError
from tams_data.processes import end_with_parent
from tams_data.settings import Settings
from tams_data.store.opening import open_store
from tams_data.store.store import Store


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
    memory.give_back_now_and_then()
    _collect_garbage_seldom()
    _switch_threads_often()
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


def _switch_threads_often() -> None:
    """Let a thread run Python for half a millisecond before another may, rather than five.

    The writer waits for its turn after each statement. Behind 60 threads that read, at Python's own interval, a write
    took nine times as long as a read; at this one it takes as long, and as many requests are answered.
    """
    sys.setswitchinterval(0.0005)
