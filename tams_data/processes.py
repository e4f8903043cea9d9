"""Processes of the service that start one another."""

from __future__ import annotations

import os
import signal
import threading
import time


def end_with_parent() -> None:
    """Have this process killed when the one that started it is gone: an orphan would hold its port, and a database."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="tams-parent-watch", daemon=True).start()
