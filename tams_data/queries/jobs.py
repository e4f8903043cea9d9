"""What jobs have to do, and where they stand."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from tams_data.engines.base import Tables
from tams_data.queries import deletions
from tams_data.queries.paging import Bound


def walk(tables: Tables, *, job: Bound) -> ir.Table:
    """Where a job stands that walks through a table: a row of `job_walks`, or none before its first step."""
    return tables.job_walks.filter(tables.job_walks.job == job)


def queued(tables: Tables, *, expired_before_ns: Bound, old_before_ns: Bound, had: Bound) -> ir.Table:
    """A row for each job that has a queue: `waiting`, `failing`, `oldest_ns`, `error` and `job`, in order of job.

    `failing` are those of `waiting` whose last attempt failed, `oldest_ns` is when the first was asked for, ns UTC, and
    `error` one of the errors. Allocations from before `expired_before_ns` wait to be collected, and events from before
    `old_before_ns` to be removed, up to the sequence `had`. What events themselves wait for is in `store.queues`.
    """
    requests, copies = deletions.unfinished(tables), tables.object_copies
    allocations = tables.storage_allocations.filter(tables.storage_allocations.created_ns < expired_before_ns)
    old = tables.events.filter(tables.events.created_ns < old_before_ns, tables.events.sequence <= had)
    queues = (
        _queue("deleting", requests, failing=requests.attempts.notnull(), error=requests.last_error),
        _queue("copying", copies, failing=copies.attempts > 0, error=copies.error),
        _queue("sweeping", tables.discarded_bytes),
        _queue("expiring", allocations),
        _queue("pruning", old),
    )
    return ibis.union(*queues).order_by("job")


def _queue(job: str, rows: ir.Table, *, failing: Any = None, error: Any = None) -> ir.Table:
    found = rows.aggregate(
        waiting=rows.count(),
        failing=ibis.literal(0, "int64") if failing is None else rows.created_ns.count(where=failing),
        oldest_ns=rows.created_ns.min().cast("int64"),  # the types of a union are equal, also in what may be null
        error=ibis.null("string") if error is None else error.max(),
    )
    return found.select("waiting", "failing", "oldest_ns", "error", job=ibis.literal(job))
