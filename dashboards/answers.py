"""Answers of the service, for all sessions of the dashboard: asked for in threads, once for all who want the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from time import monotonic_ns
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa

from tams_data.analytics import Runs
from tams_data.timerange import NS_PER_SECOND

T = TypeVar("T")
Question: TypeAlias = tuple[str, tuple[tuple[str, Any], ...]]


def question(name: str, parameters: Mapping[str, Any]) -> Question:
    """An analysis and its parameters as one value."""
    return name, tuple(sorted(parameters.items()))


class Answers:
    """Runs analyses in threads of its own, so that a slow one keeps no session waiting.

    A question that is being asked is not asked again, and an answer is given to all who ask within `fresh_ns` of it.
    `recent` has the last answer however old it is, for something to look at until the new one is there.
    """

    def __init__(
        self,
        runner: Runs,
        *,
        threads: int = 8,
        fresh_ns: int = NS_PER_SECOND,
        kept: int = 200,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._runner = runner
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tams-dashboard")
        self._fresh_ns = fresh_ns
        self._kept = kept
        self._clock = clock
        self._lock = Lock()
        self._asked: dict[Question, Future[pa.Table]] = {}
        self._answered: OrderedDict[Question, tuple[int, pa.Table]] = OrderedDict()

    def ask(self, asked: Question) -> Future[pa.Table]:
        """The answer to come, or the error of the service."""
        with self._lock:
            if asked in self._asked:
                return self._asked[asked]
            at_ns, rows = self._answered.get(asked, (0, None))
            if rows is not None and self._clock() - at_ns < self._fresh_ns:
                done: Future[pa.Table] = Future()
                done.set_result(rows)
                return done
            self._asked[asked] = future = self._threads.submit(self._run, asked)
            return future

    def recent(self, asked: Question) -> pa.Table | None:
        """The last answer to this question; None when there was none, or so many since that it is forgotten."""
        with self._lock:
            return self._answered.get(asked, (0, None))[1]

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Have something else that waits for the service done in these threads."""
        return self._threads.submit(function)

    def close(self) -> None:
        """Ask nothing more."""
        self._threads.shutdown(cancel_futures=True)

    def _run(self, asked: Question) -> pa.Table:
        name, parameters = asked
        try:
            rows = self._runner.run(name, **dict(parameters))
        finally:
            with self._lock:
                del self._asked[asked]
        with self._lock:
            self._answered[asked] = self._clock(), rows
            self._answered.move_to_end(asked)
            while len(self._answered) > self._kept:
                self._answered.popitem(last=False)
        return rows
