"""Who follows the store live: told when there is something new to read, and not too many."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tams_data.errors import TooManyListeners


class Feed:
    """A bounded number of listeners that wait for events. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        """`most` is how many may listen at once."""
        self._most, self._listeners = most, 0
        self._news = threading.Condition()
        self._count = 0
        self._closed = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Be a listener for the length of the block.

        :raise TooManyListeners: there are as many as there may be.
        """
        with self._news:
            if self._closed or self._listeners >= self._most:
                raise TooManyListeners(f"as many listen to events as may: {self._listeners}")
            self._listeners += 1
        try:
            yield
        finally:
            with self._news:
                self._listeners -= 1

    def announced(self) -> None:
        """Say that there are new events."""
        if self._listeners:
            with self._news:
                self._count += 1
                self._news.notify_all()

    @property
    def count(self) -> int:
        """How often events were announced."""
        return self._count

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until events were announced more often than `seen`, for some seconds at most."""
        with self._news:
            self._news.wait_for(lambda: self._count > seen or self._closed, timeout_s)

    @property
    def closed(self) -> bool:
        """Whether listeners are to leave."""
        return self._closed

    def close(self) -> None:
        """Have every listener leave."""
        with self._news:
            self._closed = True
            self._news.notify_all()
