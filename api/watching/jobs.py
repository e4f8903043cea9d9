"""Jobs as they are shown: what each does in this process, and what in the store waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tams_data.resources import clock, present
from tams_data.store.jobs import JobState

Queue = Mapping[str, Any]
"""A row of `store.queues`."""


def described(states: Sequence[JobState], queues: Iterable[Queue]) -> list[dict[str, Any]]:
    """Each job by its name: the jobs of a process, if one is at hand, and those that have a queue."""
    of_process = {one.name: one for one in states}
    of_store = {one["job"]: one for one in queues}
    names = [*of_process, *(name for name in of_store if name not in of_process)]
    return [{"name": name, **_queue(of_store.get(name)), **_process(of_process.get(name))} for name in names]


def _queue(queue: Queue | None) -> dict[str, Any]:
    if queue is None:
        return {}
    oldest_ns = queue["oldest_ns"]
    return present(
        waiting=queue["waiting"],
        failing=queue["failing"],
        oldest=None if oldest_ns is None else clock(oldest_ns),
        queue_error=queue["error"],
    )


def _process(state: JobState | None) -> dict[str, Any]:
    if state is None:
        return {}
    return present(
        started=state.started,
        running=state.since_ns is not None,
        steps=state.steps,
        failed_steps=state.failed_steps,
        failures=state.failures,
        error=state.error,
        succeeded=None if state.done_ns is None else clock(state.done_ns),
    )
