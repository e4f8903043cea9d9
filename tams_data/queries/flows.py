"""Flows, what they collect and what their segments add up to."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir

from tams_data import timerange
from tams_data.engines.base import Tables
from tams_data.queries import tags
from tams_data.queries.paging import Bound, orders
from tams_data.queries.paging import page as page_of

ORDERS = orders("created", "metadata_updated")
"""What a list of flows can be sorted by (TAMS 8.2, GET flows, `sort_by`)."""

EQUALS = ("source_id", "format", "codec", "profile_id", "label", "status", "frame_width", "frame_height")
"""Columns that a list of flows can be filtered by with one value."""


def page(
    tables: Tables,
    *,
    sort_by: str = "created",
    reverse: bool = False,
    limit: int,
    after: Sequence[Bound] | None = None,
    any_tags: Sequence[Sequence[Bound]] = (),
    no_tags: Sequence[Bound] = (),
    start_ns: Bound | None = None,
    end_ns: Bound | None = None,
    without_content: bool = False,
    init_segments: bool | None = None,
    collected_by: Sequence[Bound] | None = None,
    top_level: bool = False,
    **equals: Bound,
) -> ir.Table:
    """Up to `limit` flows in the order of ORDERS[sort_by], with the columns of `flows` and of their timeline.

    `equals` filters by the columns of EQUALS. `[start_ns, end_ns)` keeps flows whose content, from first to last
    segment, shares time with it; `without_content` those that have none. `collected_by` keeps members of any of
    these flows, `top_level` flows that are no member of any.
    """
    found = tags.matching(tables.flows, any_of=any_tags, none_of=no_tags)
    for column, value in equals.items():
        found = found.filter(found[column] == value)
    if init_segments is not None:
        found = found.filter(found.init_segments.fill_null(False) == init_segments)
    if collected_by is not None:
        members = tables.flow_collections.filter(tables.flow_collections.flow_id.isin(collected_by))
        found = found.semi_join(members, found.id == members.member_id)
    if top_level:
        found = found.anti_join(tables.flow_collections, found.id == tables.flow_collections.member_id)
    timelines = tables.flow_timelines
    if start_ns is not None and end_ns is not None:
        timelines = timerange.overlapping(timelines, start_ns, end_ns)
        found = found.semi_join(timelines, found.id == timelines.flow_id)
    if without_content:
        empty = timelines.filter(timelines.segment_count == 0)
        found = found.semi_join(empty, found.id == empty.flow_id)
    order = ORDERS[sort_by]
    wanted = page_of(found, order, after=after, reverse=reverse, limit=limit)
    # Joined after the limit, the rows are few; joining loses their order.
    return page_of(_with_timeline(tables, wanted), order, after=None, reverse=reverse, limit=limit)


def by_id(tables: Tables, *, ids: Sequence[Bound]) -> ir.Table:
    """The flows with these ids, with the columns of `flows` and of their timeline."""
    return _with_timeline(tables, tables.flows.filter(tables.flows.id.isin(ids)))


def for_writing(tables: Tables, *, ids: Sequence[Bound]) -> ir.Table:
    """Of the flows with these ids, what decides whether and where they take segments, and who is told."""
    timelines = tables.flow_timelines.filter(tables.flow_timelines.flow_id.isin(ids)).drop("segments_updated_ns")
    flows = tables.flows.filter(tables.flows.id.isin(ids)).select(
        "id", "source_id", "container", "read_only", "init_segments", "tags"
    )
    return flows.join(timelines, flows.id == timelines.flow_id).drop("flow_id")


def of_source(tables: Tables, *, source_id: Bound, limit: int) -> ir.Table:
    """The ids of up to `limit` flows of a source."""
    return tables.flows.filter(tables.flows.source_id == source_id).select("id").limit(limit)


def members(tables: Tables, *, ids: Sequence[Bound]) -> ir.Table:
    """What these flows collect: rows of `flow_collections`, in the order of each collection."""
    collections = tables.flow_collections
    return collections.filter(collections.flow_id.isin(ids)).order_by("flow_id", "position")


def collecting(tables: Tables, *, ids: Sequence[Bound]) -> ir.Table:
    """What collects these flows: rows of `flow_collections` whose member is one of them."""
    collections = tables.flow_collections
    return collections.filter(collections.member_id.isin(ids)).order_by("member_id", "flow_id", "position")


def _with_timeline(tables: Tables, flows: ir.Table) -> ir.Table:
    timelines = tables.flow_timelines
    return flows.left_join(timelines, flows.id == timelines.flow_id).drop("flow_id")
