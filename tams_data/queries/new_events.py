"""Events of several writers that are still to be given their sequence."""

from __future__ import annotations

import ibis.expr.types as ir

from tams_data.engines.base import Tables


def first(tables: Tables, *, limit: int) -> ir.Table:
    """Up to `limit` of them, in the order they are to get it."""
    return tables.new_events.order_by("number", "writer").limit(limit)


def last_number(tables: Tables) -> ir.Table:
    """One row, `number`: the highest, null when there are none."""
    return tables.new_events.aggregate(number=tables.new_events.number.max())


def waiting(tables: Tables) -> ir.Table:
    """One row: how many there are, `waiting`, and from when to when, `oldest_ns` and `newest_ns`, ns UTC or null."""
    created_ns = tables.new_events.created_ns
    return tables.new_events.aggregate(
        waiting=tables.new_events.count(), oldest_ns=created_ns.min(), newest_ns=created_ns.max()
    )
