"""Bodies of requests on their way in: each keeps a thread of the server until all of it is there.

How long that takes is the client's affair. A thread that waits for bytes cannot be woken, WSGI knows nothing of the
connection they come on, and granian has no limit for bodies (emmett-framework/granian#728). So what is bounded is how
many threads wait: whoever sends slowly, or nothing more, keeps others from sending, and nobody from reading.

Where an answer comes before its body was read, the client is told that the connection ends with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response, request

from tams_data.errors import TooManyBodies

WAIT_S = 1.0
"""How long a body waits until others are there, in seconds: in a rush of many that takes a moment."""

_WITH_HEADERS_BYTES = 8 * 1024
"""A body of so many bytes is there with its headers, as a rule, and done with whether it is read or not."""


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


class Body:
    """The body of a request, which knows whether all of it has been read."""

    def __init__(self, body: Any) -> None:
        """`body` is the server's: it gives less than is asked for at its end alone."""
        self._body = body
        self._read_bytes, self._ended = 0, False

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or fewer at the end; all of them for -1."""
        piece: bytes = self._body.read(size)
        self._read_bytes += len(piece)
        self._ended = self._ended or size < 0 or len(piece) < size
        return piece

    def is_coming(self, length: int | None) -> bool:
        """Whether some may still come, of a body of so many bytes; None where that is not known."""
        return not self._ended and (length is None or self._read_bytes < length)


def register(app: Flask) -> None:
    """Say of a connection that it ends where the body of a request was not read.

    The server closes it, as it cannot know what comes next on it; who is not told sends the next request to nobody.
    """
    inner = app.wsgi_app

    def counted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.input"] = Body(environ["wsgi.input"])
        return inner(environ, start_response)

    @app.after_request
    def told(response: Response) -> Response:
        if _is_coming(request.environ["wsgi.input"]):
            response.headers["Connection"] = "close"
        return response

    app.wsgi_app = counted  # type: ignore[method-assign]


def _is_coming(body: Body) -> bool:
    length = request.content_length
    if length is None:
        return "Transfer-Encoding" in request.headers and body.is_coming(None)
    return length > _WITH_HEADERS_BYTES and body.is_coming(length)
