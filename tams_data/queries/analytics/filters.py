"""The filters that analyses have in common, as conditions on the tables.

flow_id, source_id, format, codec    of the flow; the id may be one of a list
any_tags, no_tags                    terms of the flow's tags, see `queries.tags`
storage_id                           the storage backend that has the object
start_ns, end_ns                     media time: segments are cut to it
created_from_ns, created_until_ns    clock time: when a segment or an object was registered; the end is exclusive
"""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from tams_data import timerange
from tams_data.engines.base import Tables
from tams_data.queries import tags

OF_FLOW = ("flow_id", "source_id", "format", "codec", "any_tags", "no_tags")
OF_SEGMENT = ("storage_id", "start_ns", "end_ns", "created_from_ns", "created_until_ns")
NAMES = (*OF_FLOW, *OF_SEGMENT)


def flows(tables: Tables, **filters: Any) -> ir.Table:
    """The flows that the filters of `OF_FLOW` leave."""
    found = tags.matching(tables.flows, any_of=filters.get("any_tags", ()), none_of=filters.get("no_tags", ()))
    columns = {"flow_id": "id", "source_id": "source_id", "format": "format", "codec": "codec"}
    wanted = [_is(found[column], filters[name]) for name, column in columns.items() if name in filters]
    return found.filter(*wanted) if wanted else found


def segments(tables: Tables, *, cut: bool = True, **filters: Any) -> ir.Table:
    """The segments that all filters leave, cut to the window of media time, or as they are."""
    found = of_flows(tables, tables.segments, **filters)
    if "start_ns" in filters:
        within = timerange.clip if cut else timerange.overlapping
        found = within(found, filters["start_ns"], filters["end_ns"])
    found = registered(found, **filters)
    if "storage_id" in filters:
        there = stored(tables, **filters)
        found = found.semi_join(there, found.object_key == there.object_key)
    return found


def of_flows(tables: Tables, t: ir.Table, **filters: Any) -> ir.Table:
    """Those rows of a table with `flow_id` that belong to flows which the filters leave."""
    found = t
    if "flow_id" in filters:
        # beside the join below: this is what zone maps and pushdown see
        found = found.filter(_is(found.flow_id, filters["flow_id"]))
    if filters.keys() & (set(OF_FLOW) - {"flow_id"}):
        wanted = flows(tables, **filters)
        found = found.semi_join(wanted, found.flow_id == wanted.id)
    return found


def stored(tables: Tables, **filters: Any) -> ir.Table:
    """The instances of objects on the storage backend of the filter."""
    instances = tables.object_instances
    return instances.filter(instances.storage_id == filters["storage_id"])


def registered(t: ir.Table, **filters: Any) -> ir.Table:
    """Those rows of a table with `created_ns` that were registered in the window of clock time."""
    if "created_from_ns" not in filters:
        return t
    return t.filter(t.created_ns >= filters["created_from_ns"], t.created_ns < filters["created_until_ns"])


def _is(column: ir.Column, wanted: Any) -> ir.BooleanValue:
    """Whether the column holds what is wanted, or one of a list of values."""
    return column.isin(wanted) if isinstance(wanted, (list, tuple)) else column == wanted
