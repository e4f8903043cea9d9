"""The rows that writers in several processes meet on."""

from __future__ import annotations

import ibis.expr.types as ir

from tams_data.engines.base import Tables

BLOCKS, ALONE, EVENTS = 0, 4096, 4097
"""The rows of `write_locks` that have a number; the engine locks names by the others."""


def blocks(tables: Tables) -> ir.Table:
    """The row of `write_locks` that counts the blocks of object keys that were taken."""
    return tables.write_locks.filter(tables.write_locks.slot == BLOCKS)


def alone(tables: Tables) -> ir.Table:
    """The row of `write_locks` that says until when a process may delete discarded bytes."""
    return tables.write_locks.filter(tables.write_locks.slot == ALONE)


def events(tables: Tables) -> ir.Table:
    """The row of `write_locks` that has the last sequence of an event."""
    return tables.write_locks.filter(tables.write_locks.slot == EVENTS)
