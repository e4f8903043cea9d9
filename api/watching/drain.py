"""How a worker process ends: no new requests, those under way to their end, then the server and the store.

Granian, told to end, stops listening at once: a client sees a connection refused where it could be told to come again.
So its signals are kept from it until the requests under way have ended. They are blocked in every thread and waited
for by one of ours, since a handler would run in the main thread alone, which is inside of granian. Whoever sends them,
the main process or, to the whole group, a terminal or an init system, and how often, is all the same here; that a
second one ends everything at once is the main process's affair.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from tams_data.formatting import count_of

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_GO_ON = signal.SIGUSR2


def on_signal(drain: Callable[[], int], give_up: Callable[[], object]) -> None:
    """Have `drain` called before a signal ends the process. To be called in the main thread before others start.

    `drain` gives how many requests have not ended in time. If there are any, `give_up` is called, and the process ends
    without them.
    """
    main = threading.get_ident()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the server has its own: the main process's came with the fork
    signal.signal(_GO_ON, _pass_on)

    def wait() -> None:
        signal.sigwait(SIGNALS)
        left = drain()
        if left:
            log.warning("broken off, as not ended in time: %s", count_of(left, "request"))
            give_up()
            os._exit(0)
        signal.pthread_kill(main, _GO_ON)

    threading.Thread(target=wait, name="tams-drain", daemon=True).start()


def _pass_on(_: int, frame: FrameType | None) -> None:
    """Do what the server would have done at the signal."""
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        handler(signal.SIGTERM, frame)
    else:
        raise SystemExit(0)  # it has not come so far yet
