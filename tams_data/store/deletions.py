"""Deletions of segments and flows: few at once, many as a deletion request that is carried out in batches.

What a deletion request means while it is carried out (TAMS 8.2 does not say):

- Segments go in time order; each batch commits with the request's new `timerange_remaining`. Readers see the flow
  with what is left of it.
- Segments that are registered meanwhile in what remains are deleted as well; those in the part that is done stay.
  A flow that is to be deleted takes segments and changes until its last batch, and they go with it.
- A flow that becomes read-only ends its requests with the status `error`; what remains stays.
- A flow that is deleted meanwhile takes its requests to `done`. One that is put anew is not touched by them.
- The same deletion asked for again while it is carried out is the same request.
- A batch that fails is tried again, later each time, while other requests go on. After `attempts.MOST_ATTEMPTS`
  failures in a row the request ends with the status `error`. While nothing can be written, nothing counts as one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time_ns
from typing import Any
from uuid import uuid4

import orjson

from tams_data import schema
from tams_data.engines.base import Database, Transaction
from tams_data.errors import FlowReadOnly, InvalidInput, StoreUnavailable, TransactionConflict
from tams_data.queries import deletions as queries
from tams_data.queries import segments as segment_queries
from tams_data.store import flows, locks, requests, segments
from tams_data.store.allocations import Allocations
from tams_data.store.attempts import MOST_ATTEMPTS, retry_s
from tams_data.store.discards import Orphan
from tams_data.store.flows import DeleteFlow
from tams_data.store.outbox import Announcing
from tams_data.store.reading import flow_rows
from tams_data.store.segments import DeleteSegments
from tams_data.store.writer import Writer, each
from tams_data.timerange import NS_PER_SECOND, TimeRange

log = logging.getLogger(__name__)

EXPIRED_BATCH = 1000
"""Most ended requests that are removed in one transaction."""


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What is to be deleted of a flow: all of it, or the segments wholly inside a time range, or those of one object.

    `at_once` is whether it may be carried out at once when it is small.
    """

    flow_id: str
    timerange: TimeRange
    timerange_text: str | None = None
    object_id: str | None = None
    delete_flow: bool = False
    at_once: bool = True
    principal: str | None = None
    now_ns: int


@dataclass(frozen=True)
class Deleted:
    """What came of a deletion: the bytes to delete after the commit, or the row of its deletion request."""

    orphans: list[Orphan]
    request: Mapping[str, Any] | None = None


class Deleter:
    """Deletes what is small and makes a request of the rest; `each(Deleter(…))` is a handler of the writer."""

    def __init__(self, most: int, allocations: Allocations) -> None:
        """`most` is how many segments are deleted in one transaction."""
        self._most, self._allocations = most, allocations
        self.__name__ = "delete"

    def __call__(self, transaction: Announcing, deletion: Deletion) -> Deleted:
        """Delete, or note that it is to be deleted (TAMS 8.2, DELETE segments and DELETE flow).

        :raise FlowNotFound: there is no such flow.
        :raise FlowReadOnly: the flow refuses changes.
        :raise InvalidInput: the flow is to go with only a part of its segments.
        """
        if deletion.delete_flow and not deletion.timerange.is_eternity:
            raise InvalidInput(
                f"a flow is deleted with all of its segments, not with those in {deletion.timerange}",
                field="timerange",
                value=str(deletion.timerange),
            )
        flow = segments.changeable(transaction, deletion.flow_id)
        request = DeleteSegments(deletion.flow_id, deletion.timerange, deletion.object_id, deletion.now_ns)
        chosen = segments.selection(transaction, request)
        if deletion.at_once and not self._are_many(transaction, flow, chosen):
            return Deleted(self._delete(transaction, flow, chosen, deletion))
        transaction.lock(locks.of_flow(deletion.flow_id))
        return Deleted([], _request(transaction, deletion, chosen))

    def _are_many(self, transaction: Transaction, flow: Mapping[str, Any], chosen: Mapping[str, Any] | None) -> bool:
        if chosen is None or flow["segment_count"] <= self._most:
            return False
        count = transaction.read(segment_queries.counted, chosen, most=self._most + 1)["count"][0].as_py()
        return bool(count > self._most)

    def _delete(
        self,
        transaction: Announcing,
        flow: Mapping[str, Any],
        chosen: Mapping[str, Any] | None,
        deletion: Deletion,
    ) -> list[Orphan]:
        if deletion.delete_flow:
            return flows.delete(transaction, DeleteFlow(deletion.flow_id, deletion.now_ns), self._allocations)
        return [] if chosen is None else segments.remove(transaction, flow, chosen, deletion.now_ns)


def _request(transaction: Transaction, deletion: Deletion, chosen: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The request that does the same already, or a new one."""
    object_key = None if chosen is None else chosen.get("object_key")
    what = {
        "flow_id": deletion.flow_id,
        "start_ns": deletion.timerange.start_ns,
        "end_ns": deletion.timerange.end_ns,
        "object_key": object_key,
        "delete_flow": deletion.delete_flow,
    }
    for row in transaction.rows(queries.unfinished, {"flow_id": deletion.flow_id}):
        if {name: row[name] for name in what} == what:
            found: Mapping[str, Any] = row
            return found
    row = {
        **dict.fromkeys(schema.DELETION_REQUESTS.names),
        **what,
        "id": str(uuid4()),
        "timerange": deletion.timerange_text,
        "remaining_start_ns": deletion.timerange.start_ns,
        "remaining_end_ns": deletion.timerange.end_ns,
        "status": "created",
        "created_by": deletion.principal,
        "created_ns": deletion.now_ns,
        "updated_ns": deletion.now_ns,
    }
    if chosen is None:
        row.update(requests.done(deletion.now_ns))
    transaction.insert(schema.DELETION_REQUESTS, schema.DELETION_REQUESTS.rows([row]))
    return row


_UNFINISHED = ("created", "started")


CLAIM_NS = 60 * NS_PER_SECOND
"""How long a request is left to the process that claimed it, ns: more than a batch takes."""


@dataclass(frozen=True)
class Claim:
    """Have the next batch of a deletion request to oneself."""

    request_id: str
    now_ns: int


def claim(transaction: Transaction, wanted: Claim) -> bool:
    """Put a request off for others until its next batch is done: whether it was still due.

    Of processes that find the same request due one carries out the batch; without, all would, and all but one in vain.
    """
    row = requests.deletion_row(transaction, wanted.request_id)
    if row["status"] not in _UNFINISHED or (row["next_ns"] or 0) > wanted.now_ns:
        return False
    requests.change(transaction, row["id"], {"next_ns": wanted.now_ns + CLAIM_NS})
    return True


@dataclass(frozen=True)
class Advance:
    """Carry out the next batch of a deletion request."""

    request_id: str
    now_ns: int


class Advancer:
    """Carries out deletion requests; `each(Advancer(…))` is a handler of the writer."""

    def __init__(self, most: int, allocations: Allocations) -> None:
        """`most` is how many segments are deleted in one transaction."""
        self._most, self._allocations = most, allocations
        self.__name__ = "advance"

    def __call__(self, transaction: Announcing, advance: Advance) -> None:
        """Delete the next segments in time order, and with the last the flow when that is asked for."""
        row = requests.deletion_row(transaction, advance.request_id)
        flow = flow_rows(transaction, [row["flow_id"]]).get(row["flow_id"])
        if row["status"] not in _UNFINISHED:
            return
        if flow is None:
            columns = requests.done(advance.now_ns)
        elif flow["read_only"]:
            columns = requests.failed(advance.now_ns, _error(FlowReadOnly(f"flow {flow['id']} became read-only")))
        else:
            columns = self._batch(transaction, row, flow, advance.now_ns)
        requests.change(transaction, row["id"], {**columns, **requests.UNTROUBLED})

    def _batch(
        self, transaction: Announcing, row: Mapping[str, Any], flow: Mapping[str, Any], now_ns: int
    ) -> dict[str, Any]:
        """Delete one batch; the columns of the request that change with it."""
        chosen = {"flow_id": flow["id"], "start_ns": row["remaining_start_ns"], "end_ns": row["remaining_end_ns"]}
        if row["object_key"] is not None:
            chosen["object_key"] = row["object_key"]
        # A flow goes with the last of all its segments, also those that came where earlier ones were deleted.
        if row["delete_flow"]:
            chosen |= {"start_ns": row["start_ns"], "end_ns": row["end_ns"]}
        found = transaction.read(segment_queries.covered_by, chosen, limit=self._most)
        if found.num_rows < self._most:
            if row["delete_flow"]:
                flows.delete(transaction, DeleteFlow(flow["id"], now_ns), self._allocations)
            else:
                segments.remove_found(transaction, flow, found, now_ns)
            return requests.done(now_ns)
        segments.remove_found(transaction, flow, found, now_ns)
        moved = {"remaining_start_ns": found["end_ns"][-1].as_py(), "remaining_end_ns": row["remaining_end_ns"]}
        return {"status": "started", "updated_ns": now_ns, **moved}


def _error(error: Exception) -> str:
    return orjson.dumps({"type": type(error).__name__, "summary": str(error)}).decode()


@dataclass(frozen=True)
class Failure:
    """The next batch of a deletion request failed."""

    request_id: str
    error: Exception
    now_ns: int


def note_failure(transaction: Transaction, failure: Failure) -> None:
    """Have a request tried again later, or end it with an error when it failed too often.

    A conflict with other writers is never too often: it says nothing of the request.
    """
    row = requests.deletion_row(transaction, failure.request_id)
    if row["status"] not in _UNFINISHED:
        return
    attempts = (row["attempts"] or 0) + 1
    next_ns = failure.now_ns + retry_s(attempts) * NS_PER_SECOND
    columns = requests.put_off(attempts, f"{type(failure.error).__name__}: {failure.error}", next_ns)
    if attempts >= MOST_ATTEMPTS and not isinstance(failure.error, StoreUnavailable):
        columns |= requests.failed(failure.now_ns, _error(failure.error))
    requests.change(transaction, row["id"], columns)


def remove_expired(transaction: Transaction, now_ns: int) -> int:
    """Remove ended requests whose time has come; how many."""
    ids = transaction.read(queries.expired, {"now_ns": now_ns}, limit=EXPIRED_BATCH)
    transaction.delete(schema.DELETION_REQUESTS, ids)
    return int(ids.num_rows)


class Worker:
    """Carries out deletion requests, batch by batch and in turns, and removes those that have expired."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        most: int,
        allocations: Allocations,
        discarded: Callable[[], object],
        clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """`discarded` is told when there may be bytes to delete; `clock_ns` counts from the Unix epoch, UTC."""
        self._database, self._writer = database, writer
        self._advance, self._remove_expired = each(Advancer(most, allocations)), each(remove_expired)
        self._note_failure, self._claim = each(note_failure), each(claim)
        self._discarded, self._clock_ns = discarded, clock_ns

    def step(self) -> bool:
        """Carry out one batch of the request that has waited longest of those due; whether there may be more to do.

        :raise StoreUnavailable: nothing can be written now.
        """
        now_ns = self._clock_ns()
        due = self._database.rows(queries.due, {"now_ns": now_ns}, limit=1)
        if not due:
            return self._writer.submit(self._remove_expired, now_ns) == EXPIRED_BATCH
        self._attempt(due[0]["id"], now_ns)
        return True

    def _attempt(self, request_id: str, now_ns: int) -> None:
        try:
            if not (self._database.sole_writer or self._writer.submit(self._claim, Claim(request_id, now_ns))):
                return
            self._writer.submit(self._advance, Advance(request_id, now_ns))
        except Exception as error:  # noted with the request, so that no other one waits for it
            if isinstance(error, StoreUnavailable) and not isinstance(error, TransactionConflict):
                raise
            trace = None if isinstance(error, TransactionConflict) else error
            log.warning("deletion request %s is put off: %s", request_id, error, exc_info=trace)
            self._writer.submit(self._note_failure, Failure(request_id, error, now_ns))
        else:
            self._discarded()
