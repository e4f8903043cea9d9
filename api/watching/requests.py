"""Every request from its first byte to its last: counted, timed, logged in one line, and named to its sender.

Around the application, not inside it, because an answer that streams ends long after its view has returned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from time import perf_counter_ns
from typing import Any, Protocol, TypeAlias, cast

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from api.errors import RETRY_AFTER_S, problem
from api.watching import context
from api.watching.context import CURRENT, RequestContext
from api.watching.traffic import Traffic

log = logging.getLogger("tams.requests")

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_SEEN = "tams.seen"
NO_ROUTE = "none"
"""The route of a request whose path is none of the service's: the path itself could be anything."""

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))
WATCHERS = frozenset(("/health", "/health/live", "/metrics"))
"""Paths that answer while the service drains, and whose requests, which come every few seconds, are not logged."""


@dataclass
class Seen:
    """What is known of a request, more and more of it."""

    method: str
    path: str
    context: RequestContext
    admitted: bool
    began_ns: int = field(default_factory=perf_counter_ns)
    route: str = NO_ROUTE
    status: int = 500
    sent_bytes: int = 0
    took_ns: int = 0


class RequestSpan(Protocol):
    """The span of a request, which the thread is in until `end`."""

    ids: tuple[str, str]

    def end(self, seen: Seen) -> None:
        """The request has ended."""
        ...


OpenSpan: TypeAlias = Callable[[Environ], RequestSpan]
Observe: TypeAlias = Callable[[Seen], object]


class Watched:
    """A WSGI application, watched."""

    def __init__(
        self,
        application: Application,
        traffic: Traffic,
        *,
        observe: Observe | None = None,
        open_span: OpenSpan | None = None,
        logged: bool = False,
    ) -> None:
        """`observe` is told of each request when it has ended; `logged` is whether each has a line in the log."""
        self._application, self._traffic = application, traffic
        self._observe, self._open_span, self._logged = observe, open_span, logged

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        span = self._open_span(environ) if self._open_span is not None else None
        ids = context.begin(
            environ.get("HTTP_TRACEPARENT"), environ.get("HTTP_X_REQUEST_ID"), span=span.ids if span else None
        )
        method = environ["REQUEST_METHOD"]
        seen = Seen(method if method in _METHODS else "other", environ["PATH_INFO"], ids, self._traffic.enter())
        environ[_SEEN] = seen
        CURRENT.set(ids)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            seen.status = int(status[:3])
            named = [("traceparent", ids.traceparent), ("X-Request-Id", ids.request_id)]
            return start_response(status, [*headers, *named], *more)

        try:
            body = self._application(environ, start)
        except BaseException:
            self._end(seen, span)
            raise
        return _Body(body, seen, lambda: self._end(seen, span))

    def _end(self, seen: Seen, span: RequestSpan | None) -> None:
        seen.took_ns = perf_counter_ns() - seen.began_ns
        if seen.admitted:
            self._traffic.leave()
        if self._observe is not None:
            self._observe(seen)
        if self._logged and seen.path not in WATCHERS:
            log.info("%s %s %s", seen.method, seen.path, seen.status, extra={"request": seen})
        if span is not None:
            span.end(seen)
        CURRENT.set(None)


class _Body:
    """The body of an answer, counted; the request ends when it is closed (PEP 3333: always, and once here)."""

    def __init__(self, body: Iterable[bytes], seen: Seen, ended: Callable[[], None]) -> None:
        self._body, self._next, self._seen, self._ended = body, iter(body).__next__, seen, ended
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._next()
        self._seen.sent_bytes += len(piece)
        return piece

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._ended()


def register(app: Flask, traffic: Traffic, **options: Any) -> None:
    """Watch the requests of an application; register it before what else looks at them. `options` as of `Watched`."""
    app.before_request(_admitted)
    app.wsgi_app = Watched(app.wsgi_app, traffic, **options)  # type: ignore[method-assign]


def _admitted() -> ResponseReturnValue | None:
    """Note the route of a request; turn it away when the service is about to end."""
    seen = cast("Seen", request.environ[_SEEN])
    if request.url_rule is not None:
        seen.route = request.url_rule.rule
    if seen.admitted or seen.path in WATCHERS:
        return None
    return _draining()


def _draining() -> Response:
    answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, "the service is about to end; another one may take its place")
    answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    answer.headers["Connection"] = "close"
    return answer
