"""What waits for the jobs, and how far events are behind: read from the tables, by whichever process wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tams_data.engines.base import Database
from tams_data.formatting import count_of
from tams_data.queries import jobs as queries
from tams_data.queries import new_events as new_queries
from tams_data.queries import webhooks as webhook_queries
from tams_data.store.outbox import events_after, last_sequence

Queue = dict[str, Any]
"""A row of `queries.jobs.queued`: `job`, `waiting`, `failing`, `oldest_ns` and `error`."""


@dataclass(frozen=True, kw_only=True)
class Ages:
    """After how many ns jobs take what nothing uses, and events; None: never."""

    garbage_ns: int | None
    events_ns: int


def queues(database: Database, ages: Ages, *, now_ns: int) -> list[Queue]:
    """A row for each job that has a queue, in order of job. `oldest_ns` is since when the first has waited, ns UTC.

    What waits for deliveries are webhooks with events that they have yet to be sent, and the first of those events is
    what has waited longest. Only several writers have events that wait for their sequence.

    :raise StoreUnavailable: the database cannot be read now.
    """
    webhooks: list[Queue] = database.rows(webhook_queries.enabled)
    last = last_sequence(database) or 0
    found = _of_tables(database, ages, now_ns, had=min([last - 1, *map(_position, webhooks)]))
    found.append(_delivering(database, webhooks, last))
    if not database.sole_writer:
        found.append(_sequencing(database))
    return sorted(found, key=lambda row: str(row["job"]))


def _of_tables(database: Database, ages: Ages, now_ns: int, *, had: int) -> list[Queue]:
    taken_after_ns = {"expiring": ages.garbage_ns or 0, "pruning": ages.events_ns}
    before_ns = 0 if ages.garbage_ns is None else now_ns - ages.garbage_ns
    values = {"expired_before_ns": before_ns, "old_before_ns": now_ns - ages.events_ns, "had": had}
    found: list[Queue] = database.rows(queries.queued, values)
    for row in found:  # what is taken when it is old has not waited from the day it was made
        if row["oldest_ns"] is not None:
            row["oldest_ns"] += taken_after_ns.get(row["job"], 0)
    return found


def _delivering(database: Database, webhooks: Sequence[Queue], last: int) -> Queue:
    behind = [row for row in webhooks if _position(row) < last]
    oldest_ns = _created_ns(database, 1 + min(map(_position, behind))) if behind else None
    failing = [row for row in behind if row["attempts"] is not None]
    counts = {"waiting": len(behind), "failing": len(failing)}
    return {"job": "delivering", **counts, "oldest_ns": oldest_ns, "error": _refused(failing) if failing else None}


def _refused(failing: Sequence[Queue]) -> str:
    """Which webhook has failed most often: the reason is kept of one that is given up alone, and logged each time."""
    worst = max(failing, key=lambda row: (row["attempts"], row["id"]))
    return f"webhook {worst['id']}: {count_of(worst['attempts'], 'attempt')} failed; the log says why"


def _sequencing(database: Database) -> Queue:
    (row,) = database.rows(new_queries.waiting)
    waiting = {"waiting": row["waiting"], "oldest_ns": row["oldest_ns"]}
    return {"job": "sequencing", **waiting, "failing": 0, "error": None}


def event_lags_ns(database: Database) -> dict[str, int]:
    """How far events are behind, by the job that they wait for, in ns.

    That is the time from the newest event that has been sequenced, or that every enabled webhook has had, to the newest
    that was written.

    :raise StoreUnavailable: the database cannot be read now.
    """
    last = last_sequence(database) or 0
    told_ns = _created_ns(database, last)
    if database.sole_writer:
        written_ns, lags = told_ns, {}
    else:
        (new,) = database.rows(new_queries.waiting)
        told_ns = told_ns if told_ns is not None else new["oldest_ns"]
        written_ns = max((one for one in (told_ns, new["newest_ns"]) if one is not None), default=None)
        lags = {"sequencing": _from(told_ns, written_ns)}
    had = min([last, *map(_position, database.rows(webhook_queries.enabled))])
    had_ns = told_ns if had == last else _created_ns(database, had)
    return {**lags, "delivering": _from(had_ns, written_ns)}


def _from(earlier_ns: int | None, later_ns: int | None) -> int:
    """The time between, never below 0: writers have clocks of their own."""
    return 0 if earlier_ns is None or later_ns is None else max(later_ns - earlier_ns, 0)


def _position(webhook: Queue) -> int:
    return webhook["position"] or 0


def _created_ns(database: Database, sequence: int) -> int | None:
    """When the first event of this sequence or a higher one was written, which may have been removed since."""
    found = events_after(database, sequence - 1, limit=1)
    return found[0].created_ns if found else None


def webhooks_by_status(database: Database) -> dict[str, int]:
    """How many webhooks there are of each status, of one that none has as well.

    :raise StoreUnavailable: the database cannot be read now.
    """
    rows = database.rows(webhook_queries.by_status)
    return dict.fromkeys(("created", "started", "disabled", "error"), 0) | {
        row["status"]: row["webhooks"] for row in rows
    }
