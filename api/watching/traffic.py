"""Requests in flight, and whether new ones are let in: what a service that ends waits for."""

from __future__ import annotations

import threading


class Traffic:
    """Counts requests in flight. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_flight, self._draining = 0, False

    @property
    def in_flight(self) -> int:
        """How many requests are being answered, to the last byte of their answers."""
        return self._in_flight

    @property
    def draining(self) -> bool:
        """Whether no new requests are let in, because the service is about to end."""
        return self._draining

    def enter(self) -> bool:
        """A request begins, unless the service is draining: whether it may."""
        with self._changed:
            if self._draining:
                return False
            self._in_flight += 1
            return True

    def leave(self) -> None:
        """A request that was let in has ended."""
        with self._changed:
            self._in_flight -= 1
            if self._draining:
                self._changed.notify_all()

    def drain(self, *, within_s: float) -> int:
        """Let no new requests in and wait for those that are; how many have not ended in time."""
        with self._changed:
            self._draining = True
            self._changed.wait_for(lambda: self._in_flight == 0, within_s)
            return self._in_flight
