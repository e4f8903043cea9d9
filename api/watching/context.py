"""Which request a thread is at work on: its ids, which go into every log line and back to the client."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from dataclasses import dataclass

# Of version 00 nothing follows the flags; of a later one, something may (W3C Trace Context, 3.2.2 and 4.3).
_TRACEPARENT = re.compile(
    r"(?:00(?!.{53}.)|(?!00|ff)[0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


@dataclass(frozen=True)
class RequestContext:
    """The ids of a request: its trace (W3C Trace Context), its own span in it, and what its sender calls it."""

    trace_id: str
    span_id: str
    flags: str
    request_id: str

    @property
    def traceparent(self) -> str:
        """The header that names this request as the parent of what comes of it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


CURRENT: ContextVar[RequestContext | None] = ContextVar("tams_request", default=None)
"""The request that the thread is at work on, if it is on one."""


def begin(traceparent: str | None, request_id: str | None, *, span: tuple[str, str] | None = None) -> RequestContext:
    """The context of a request with these headers; `span` are the ids of trace and span, if somebody records them.

    A header that is not as the standard has it is as good as none: the trace begins here.

    >>> begin("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None).trace_id
    '0af7651916cd43dd8448eb211c80319c'
    """
    parent = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if span is not None:
        trace_id, span_id = span
    else:
        trace_id, span_id = parent[1] if parent else os.urandom(16).hex(), os.urandom(8).hex()
    named = request_id if request_id and _REQUEST_ID.fullmatch(request_id) else trace_id
    return RequestContext(trace_id, span_id, parent[3] if parent else "00" if span is None else "01", named)
