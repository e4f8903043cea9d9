"""Bodies of requests on their way in: each keeps a thread of the server until all of it is there.

How long that takes is the client's affair. A thread that waits for bytes cannot be woken, WSGI knows nothing of the
connection they come on, and granian has no limit for bodies (emmett-framework/granian#728). So what is bounded is how
many threads wait: whoever sends slowly, or nothing more, keeps others from sending, and nobody from reading.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tams_data.errors import TooManyBodies

WAIT_S = 1.0
"""How long a body waits until others are there, in seconds: in a rush of many that takes a moment."""


class Intake:
    """Bounds how many uploads and other bodies come in at once. Safe to use from several threads."""

    def __init__(self, threads: int) -> None:
        """Of the server's threads, half are for uploads, and a quarter for other bodies; each at least one."""
        self._uploads, self._bodies = (threading.Semaphore(max(1, threads // part)) for part in (2, 4))

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Have the bytes of an object come in for the length of the block.

        :raise TooManyBodies: as many do as may.
        """
        with _one_of(self._uploads, "uploads"):
            yield

    @contextmanager
    def body(self) -> Iterator[None]:
        """Have another body come in for the length of the block.

        :raise TooManyBodies: as many do as may.
        """
        with _one_of(self._bodies, "bodies"):
            yield


@contextmanager
def _one_of(places: threading.Semaphore, what: str) -> Iterator[None]:
    if not places.acquire(timeout=WAIT_S):
        raise TooManyBodies(f"as many {what} as may are on their way in")
    try:
        yield
    finally:
        places.release()
