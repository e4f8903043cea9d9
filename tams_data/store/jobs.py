"""What goes on beside requests: steps that are taken again and again, each on a thread of its own.

A step does one bounded batch of what rows say is to be done, through the store's writer, and says whether there is
more. It may be taken at any time and any number of times: what is to be done is in the tables and nowhere else, so
a crash costs no more than the batch it was in. A thread for each, so that the copy of a large object holds up no
deletion.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import time_ns
from typing import TypeAlias

from tams_data.tracing import NO_TRACER, Tracer

log = logging.getLogger(__name__)

Step: TypeAlias = Callable[[], bool]
"""Does one batch; true when there is more to do at once."""

LOOK_S = 5.0
"""How long a step with nothing to do waits before it looks again, in seconds, unless it is woken."""

LONGEST_S = 300.0
"""The longest wait after failures, in seconds."""


def wait_s(failures: int) -> float:
    """How long to wait after so many failures in a row, in seconds.

    >>> [wait_s(failures) for failures in (0, 1, 2, 3, 100)]
    [5.0, 1.0, 2.0, 4.0, 300.0]
    """
    return min(2.0 ** min(failures - 1, 20), LONGEST_S) if failures else LOOK_S


@dataclass(frozen=True)
class JobState:
    """How a job fares in this process, since it started. Times are ns UTC.

    `failures` are those in a row, `error` the last one, whatever came after it, and `done_ns` when a step last
    succeeded. `since_ns` is when the step under way began.
    """

    name: str
    started: bool
    steps: int = 0
    failed_steps: int = 0
    failures: int = 0
    error: str | None = None
    done_ns: int | None = None
    since_ns: int | None = None


class Job:
    """One step, taken on a thread of its own once `start` is called."""

    def __init__(
        self, name: str, step: Step, *, wait_s: Callable[[int], float] = wait_s, tracer: Tracer = NO_TRACER
    ) -> None:
        """`wait_s` gives the seconds to wait by the number of failures in a row."""
        self.name, self.failures = name, 0
        self._step, self._wait_s, self._tracer = step, wait_s, tracer
        self._steps, self._failed_steps = 0, 0
        self._error: str | None = None
        self._done_ns: int | None = None
        self._since_ns: int | None = None
        self._woken, self._closed = threading.Event(), threading.Event()
        self._stepping = threading.Lock()  # a step is never taken twice at once
        self._thread = threading.Thread(target=self._run, name=f"tams-{name}", daemon=True)

    def start(self) -> None:
        """Take the step whenever there is something to do, from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to do. A step that failed still waits its time."""
        self._woken.set()

    def state(self) -> JobState:
        """How it fares."""
        return JobState(
            self.name,
            self._thread.is_alive(),
            self._steps,
            self._failed_steps,
            self.failures,
            self._error,
            self._done_ns,
            self._since_ns,
        )

    def run(self) -> None:
        """Take the step in the caller's thread until it has nothing to do, or fails."""
        while self._attempt():
            pass

    def close(self) -> None:
        """Take no more steps; returns when the one under way has ended."""
        self._closed.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._woken.clear()  # before the step: who wakes it meanwhile is not missed
            if not self._attempt():
                self._pause()

    def _attempt(self) -> bool:
        with self._stepping:
            if self._closed.is_set():
                return False
            self._steps += 1
            self._since_ns = time_ns()
            try:
                with self._tracer.span(f"job {self.name}"):
                    more = self._step()
            except Exception as error:  # logged and tried again: what is to be done is still in its rows
                self.failures += 1
                self._failed_steps += 1
                self._error = f"{type(error).__name__}: {error}"
                log.error("%s failed, for the %s. time in a row", self.name, self.failures, exc_info=error)
                return False
            finally:
                self._since_ns = None
            self.failures, self._done_ns = 0, time_ns()
            return more

    def _pause(self) -> None:
        # After a failure only the end cuts the wait short, or each new request would try again at once.
        (self._closed if self.failures else self._woken).wait(self._wait_s(self.failures))


class Jobs:
    """The jobs of a store, in the order in which one makes work for the next."""

    def __init__(self, *jobs: Job) -> None:
        self._jobs = jobs

    def start(self, *names: str) -> None:
        """Start the jobs of these names, or every one."""
        for job in self._jobs:
            if job.name in names or not names:
                job.start()

    def states(self) -> list[JobState]:
        """How each fares."""
        return [job.state() for job in self._jobs]

    def run_due(self) -> None:
        """Do all that is to be done, in the caller's thread: each job in turn until it has no more, or fails."""
        for job in self._jobs:
            job.run()

    def close(self) -> None:
        """End every job; returns when the steps under way have ended."""
        for job in self._jobs:
            job.close()
