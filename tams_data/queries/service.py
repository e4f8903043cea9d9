"""What was said of the service in place of its settings."""

from __future__ import annotations

import ibis.expr.types as ir

from tams_data.engines.base import Tables


def info(tables: Tables) -> ir.Table:
    """`property` and `value` of each property that was set."""
    return tables.service_info.select("property", "value")
