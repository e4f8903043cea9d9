"""What is wrong with a store mended, where it follows from other rows: sums, computed columns, and what was left over.

What a client said is never deleted nor changed. Each mend looks again in its own transaction: what has come right by
then, as where other processes write, is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from operator import attrgetter
from time import time_ns
from typing import TypeAlias

from tams_data import schema
from tams_data.engines.base import Database, Transaction
from tams_data.engines.retrying import retried
from tams_data.keeping.findings import DERIVED, Finding, Row
from tams_data.queries import invariants
from tams_data.queries import segments as segment_queries
from tams_data.store import keys, locks, outbox, requests

_BATCH = 500
"""Most rows that are mended in one transaction."""

Mend: TypeAlias = Callable[[Transaction, Sequence[Row]], None]


def repair(database: Database, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The same findings, after mending those that can be.

    :raise StoreUnavailable: the store cannot be written now. What was mended stays so.
    """
    for rule, found in groupby(findings, key=attrgetter("rule")):
        mend = _mend_of(database, rule)
        while batch := list(islice(found, _BATCH)):
            if mend is not None:
                retried(lambda: _mend(database, mend, batch))  # noqa: B023  # it runs before the next
            yield from (replace(one, mended=mend is not None) for one in batch)


def _mend(database: Database, mend: Mend, batch: Sequence[Finding]) -> None:
    with database.transaction() as transaction:
        mend(transaction, [one.row for one in batch])


def _mend_of(database: Database, rule: str) -> Mend | None:
    if rule in DERIVED:
        return _recomputed(DERIVED[rule])
    if rule == "spent-keys":
        return lambda transaction, _: keys.reserve_known(database, transaction)
    if rule == "spent-sequences":
        return lambda transaction, _: outbox.reserve_known(database, transaction)
    return _MENDS.get(rule)


def _recomputed(table: schema.Table) -> Mend:
    def mend(transaction: Transaction, rows: Sequence[Row]) -> None:
        transaction.update(table, table.part(list(rows[0]), rows))

    return mend


def _sum_up(transaction: Transaction, rows: Sequence[Row]) -> None:
    """Write the timelines of flows anew, from their segments."""
    for flow_id in sorted(_flows(transaction, rows)):
        (totals,) = transaction.rows(segment_queries.timeline, {"flow_id": flow_id})
        row = schema.FLOW_TIMELINES.part(["flow_id", *totals], [{"flow_id": flow_id, **totals}])
        if transaction.read(segment_queries.totals, {"flow_id": flow_id}).num_rows:
            transaction.update(schema.FLOW_TIMELINES, row)
        else:
            transaction.insert(schema.FLOW_TIMELINES, row)


def _find_gaps(transaction: Transaction, rows: Sequence[Row]) -> None:
    """Write the gaps of flows anew, from their segments."""
    ids = sorted({row["flow_id"] for row in rows})
    transaction.lock(*map(locks.of_flow, ids))
    _sum_up(transaction, rows)  # for who writes segments meanwhile writes the same row, and is in conflict
    for flow_id in ids:
        transaction.delete(schema.FLOW_GAPS, schema.FLOW_GAPS.part(["flow_id"], [{"flow_id": flow_id}]))
        found = transaction.read(segment_queries.gaps, {"flow_id": flow_id})
        transaction.insert(schema.FLOW_GAPS, found.cast(schema.FLOW_GAPS.arrow))


def _flows(transaction: Transaction, rows: Sequence[Row]) -> set[str]:
    """The flows of rows that are there."""
    ids = sorted({row["flow_id"] for row in rows})
    return set(transaction.read(invariants.flows_among, {"ids": ids})["id"].to_pylist())


def _left_over(table: schema.Table, *columns: str) -> Mend:
    """Delete rows that say nothing of anything that is there."""

    def mend(transaction: Transaction, rows: Sequence[Row]) -> None:
        transaction.delete(table, table.part(columns, rows))

    return mend


def _left_by_flow(table: schema.Table) -> Mend:
    """Delete the rows of flows that are not there."""

    def mend(transaction: Transaction, rows: Sequence[Row]) -> None:
        ids = sorted({row["flow_id"] for row in rows})
        transaction.lock(*map(locks.of_flow, ids))
        gone = set(ids) - _flows(transaction, rows)
        transaction.delete(table, table.part(["flow_id"], [{"flow_id": one} for one in gone]))

    return mend


def _end_deletions(transaction: Transaction, rows: Sequence[Row]) -> None:
    """What was to be deleted of a flow that is not there is deleted."""
    for row in rows:
        requests.change(transaction, row["id"], requests.done(time_ns()))


_MENDS: Mapping[str, Mend] = {
    "untrue-timelines": _sum_up,
    "untrue-gaps": _find_gaps,
    "timelines-without-flow": _left_by_flow(schema.FLOW_TIMELINES),
    "collections-without-flow": _left_by_flow(schema.FLOW_COLLECTIONS),
    "instances-without-object": _left_over(schema.OBJECT_INSTANCES, "object_key"),
    "accesses-without-object": _left_over(schema.OBJECT_ACCESSES, "object_key"),
    "copies-without-object": _left_over(schema.OBJECT_COPIES, "object_key", "storage_id"),
    "registered-allocations": _left_over(schema.STORAGE_ALLOCATIONS, "object_key"),
    "lost-deletions": _end_deletions,
}
"""What mends what breaks a rule. An object's key is never that of another, so its leftovers stay leftovers."""
