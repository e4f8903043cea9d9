"""Spans: what took how long, inside of what. Nothing, unless whoever starts the process gives a tracer."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias

Attribute: TypeAlias = str | int | bool


class Tracer(Protocol):
    """Records spans. Safe to use from several threads."""

    def span(self, name: str, /, **attributes: Attribute) -> AbstractContextManager[object]:
        """A span for the length of the block, inside the one that the thread is in."""
        ...


class NoTracer:
    """Records nothing."""

    _nothing = nullcontext()

    def span(self, name: str, /, **attributes: Attribute) -> AbstractContextManager[object]:  # noqa: ARG002  # as Tracer
        """A block."""
        return self._nothing


NO_TRACER = NoTracer()
