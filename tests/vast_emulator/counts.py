"""What went over the wire, for tests and benchmarks to assert on."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Counts:
    """Requests, and the bytes of bodies and the rows in them, each by the kind of request."""

    requests: Counter[str] = field(default_factory=Counter)
    bytes_in: Counter[str] = field(default_factory=Counter)
    bytes_out: Counter[str] = field(default_factory=Counter)
    rows_in: Counter[str] = field(default_factory=Counter)
    rows_out: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        return {name: dict(counter) for name, counter in vars(self).items()}


class Counting:
    """Counts while requests are served by several threads."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._counts = Counts()
        self._lock = threading.Lock()

    def request(self, kind: str, size: int) -> None:
        """Count a request, with so many bytes in its body."""
        with self._lock:
            self._counts.requests[kind] += 1
            self._counts.bytes_in[kind] += size

    def sent(self, kind: str, size: int) -> None:
        """Count bytes of an answer's body."""
        with self._lock:
            self._counts.bytes_out[kind] += size

    def rows_received(self, kind: str, rows: int) -> None:
        """Count rows in a request."""
        with self._lock:
            self._counts.rows_in[kind] += rows

    def rows_sent(self, kind: str, rows: int) -> None:
        """Count rows in an answer."""
        with self._lock:
            self._counts.rows_out[kind] += rows

    def now(self) -> Counts:
        """Return a copy of the counts."""
        with self._lock:
            return Counts(*(Counter(one) for one in vars(self._counts).values()))

    def reset(self) -> None:
        """Begin again with nothing."""
        with self._lock:
            self._counts = Counts()
