"""Faults on demand: what a network and a busy cluster do, when a test wants it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from tests.vast_emulator.answers import Answer
from tests.vast_emulator.errors import Conflict, SlowDown

Effect = Literal["latency", "slowdown", "conflict", "drop", "lost_answer"]


class ConnectionDropped(Exception):
    """The connection is to be cut here and now."""


@dataclass
class Fault:
    """One effect on some requests.

    latency: they are served `seconds` later. slowdown: they are answered 503 SlowDown, conflict: 409, and neither is
    served. drop: the connection breaks after `after_bytes` of the answer's body. lost_answer: they are served, and the
    connection breaks before the answer.
    """

    effect: Effect
    on: str | None = None  # the kind of request; None: of any kind
    times: int | None = 1  # so many requests; None: all
    skip: int = 0  # so many requests go unharmed before
    seconds: float = 0.0
    after_bytes: int = 0

    def take(self, kind: str) -> bool:
        """Tell whether a request of `kind` is hit, and count it."""
        if self.times == 0 or self.on not in (None, kind):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Storm:
    """Faults of any effect that hit requests at random: of `one_in` requests one, in the long run."""

    def __init__(self, one_in: int, seed: int) -> None:
        """The same `seed` hits the same requests, as far as they come in the same order."""
        self._one_in, self._random = one_in, random.Random(seed)
        self.met: Counter[Effect] = Counter()

    def of(self) -> list[Fault]:
        """Return the fault that hits the next request, if one does."""
        if self._random.randrange(self._one_in):
            return []
        effect = self._random.choice(get_args(Effect))
        self.met[effect] += 1
        return [Fault(effect, seconds=0.05, after_bytes=self._random.choice((0, 10, 1000)))]


class Faults:
    """The faults that are to come."""

    def __init__(self) -> None:
        """Begin with none."""
        self._faults: list[Fault] = []
        self._storm: Storm | None = None
        self._lock = threading.Lock()

    def rage(self, storm: Storm) -> None:
        """Let a storm happen until the faults are cleared."""
        with self._lock:
            self._storm = storm

    def add(self, fault: Fault) -> None:
        """Let a fault happen, after those that were added before."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let no more faults happen."""
        with self._lock:
            self._faults.clear()
            self._storm = None

    def of(self, kind: str) -> list[Fault]:
        """Return the faults that hit a request of `kind`."""
        with self._lock:
            found = [fault for fault in self._faults if fault.take(kind)]
            return found + (self._storm.of() if self._storm else [])


def before(faults: list[Fault]) -> None:
    """Do what faults do to a request that is not served yet.

    :raise SlowDown: when the cluster is busy
    :raise Conflict: when another transaction is in the way
    """
    for fault in faults:
        if fault.effect == "latency":
            time.sleep(fault.seconds)
        elif fault.effect == "slowdown":
            raise SlowDown("the cluster is busy")
        elif fault.effect == "conflict":
            raise Conflict("another transaction is in the way")


def after(faults: list[Fault], answer: Answer) -> Answer:
    """Return what is left of an answer.

    :raise ConnectionDropped: when it is nothing
    """
    for fault in faults:
        if fault.effect == "lost_answer":
            raise ConnectionDropped
        if fault.effect == "drop":
            body = iter([answer.body]) if isinstance(answer.body, bytes) else answer.body
            return Answer(answer.status, answer.headers, _cut(body, fault.after_bytes))
    return answer


def _cut(body: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in body:
        yield piece[:size]
        size -= len(piece)
        if size <= 0:
            raise ConnectionDropped
    raise ConnectionDropped
