"""The outbox: events in the order of their sequence."""

from __future__ import annotations

import ibis.expr.types as ir

from tams_data.engines.base import Tables
from tams_data.queries.paging import Bound


def page(tables: Tables, *, after: Bound, limit: int) -> ir.Table:
    """Up to `limit` events after a sequence, in order."""
    found = tables.events.filter(tables.events.sequence > after)
    return found.order_by("sequence").limit(limit)


def between(tables: Tables, *, after: Bound, until: Bound) -> ir.Table:
    """The events after one sequence and up to another, in order: for engines that cannot sort."""
    found = tables.events.filter(tables.events.sequence > after, tables.events.sequence <= until)
    return found.order_by("sequence")


def last(tables: Tables) -> ir.Table:
    """One row, `sequence`: that of the last event, null when there is none."""
    return tables.events.aggregate(sequence=tables.events.sequence.max())


def next_after(tables: Tables, *, after: Bound) -> ir.Table:
    """One row, `sequence`: that of the first event after one, null when there is none."""
    found = tables.events.filter(tables.events.sequence > after)
    return found.aggregate(sequence=found.sequence.min())


def expired(tables: Tables, *, before_ns: Bound, until: Bound, limit: int) -> ir.Table:
    """The sequences of up to `limit` events that are older than a time, and not after a sequence."""
    events = tables.events
    return events.filter(events.created_ns < before_ns, events.sequence <= until).select("sequence").limit(limit)
