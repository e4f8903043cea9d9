"""The rows that writers in several processes meet on."""

from __future__ import annotations

import ibis.expr.types as ir

from tams_data.engines.base import Tables


def blocks(tables: Tables) -> ir.Table:
    """The row of `write_locks` that counts the blocks of object keys that were taken."""
    return tables.write_locks.filter(tables.write_locks.slot == 0)
