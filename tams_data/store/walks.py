"""Turns of a job that walks through a whole table: of all processes on a store, one takes each step.

Where the walk stands is in the table `job_walks`, so it goes on there after a crash, which costs the step it was in
until the walk comes round again: good for what looks for things that can wait.
"""

from __future__ import annotations

from dataclasses import dataclass

from tams_data import schema
from tams_data.engines.base import Reader, Transaction
from tams_data.queries import jobs as queries
from tams_data.store import locks


@dataclass(frozen=True)
class Walk:
    """Where a walk stands: behind the row with the key `position`; its next step is due at `next_ns`, ns UTC."""

    job: str
    position: int = 0
    next_ns: int = 0


def find(reader: Reader, job: str) -> Walk:
    """Where the walk of a job stands; at the beginning before its first step."""
    rows = reader.rows(queries.walk, {"job": job})
    return Walk(**rows[0]) if rows else Walk(job)


@dataclass(frozen=True)
class Step:
    """A step of a walk: who finds it `at` a place moves it `to` another."""

    at: Walk
    to: Walk


def take(transaction: Transaction, step: Step) -> bool:
    """Move a walk, unless it has been moved meanwhile: whether the step is the caller's to take."""
    transaction.lock(locks.of_job(step.at.job))
    if find(transaction, step.at.job) != step.at:
        return False
    transaction.delete(schema.JOB_WALKS, schema.JOB_WALKS.keys([{"job": step.at.job}]))
    transaction.insert(schema.JOB_WALKS, schema.JOB_WALKS.rows([vars(step.to)]))
    return True
