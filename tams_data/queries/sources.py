"""Sources and their collections, which follow from the collections of their flows."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir

from tams_data.engines.base import Tables
from tams_data.queries import tags
from tams_data.queries.paging import Bound, orders
from tams_data.queries.paging import page as page_of

ORDERS = orders("created", "updated")
"""What a list of sources can be sorted by (TAMS 8.2, GET sources, `sort_by`)."""

EQUALS = ("label", "format")
"""Columns that a list of sources can be filtered by with one value."""


def page(
    tables: Tables,
    *,
    sort_by: str = "created",
    reverse: bool = False,
    limit: int,
    after: Sequence[Bound] | None = None,
    any_tags: Sequence[Sequence[Bound]] = (),
    no_tags: Sequence[Bound] = (),
    collected_by: Sequence[Bound] | None = None,
    top_level: bool = False,
    **equals: Bound,
) -> ir.Table:
    """Up to `limit` sources in the order of ORDERS[sort_by].

    `equals` filters by the columns of EQUALS. `collected_by` keeps members of any of these sources, `top_level`
    sources that are no member of any.
    """
    found = tags.matching(tables.sources, any_of=any_tags, none_of=no_tags)
    for column, value in equals.items():
        found = found.filter(found[column] == value)
    if collected_by is not None:
        collected = collections(tables)
        collected = collected.filter(collected.source_id.isin(collected_by))
        found = found.semi_join(collected, found.id == collected.member_id)
    if top_level:
        collected = collections(tables)
        found = found.anti_join(collected, found.id == collected.member_id)
    return page_of(found, ORDERS[sort_by], after=after, reverse=reverse, limit=limit)


def by_id(tables: Tables, *, ids: Sequence[Bound]) -> ir.Table:
    """The sources with these ids, in any order; an id that none has gives no row."""
    return tables.sources.filter(tables.sources.id.isin(ids))


def collections(tables: Tables) -> ir.Table:
    """`source_id`, `member_id`, `role` and `position`: what each source collects.

    A source collects the source of each flow that one of its flows collects (TAMS 8.2, source_collection).
    """
    parents = tables.flows.select(flow_id="id", source_id="source_id")
    members = tables.flows.select(member_flow_id="id", member_id="source_id")
    rows = tables.flow_collections.join(parents, "flow_id")
    rows = rows.rename(member_flow_id="member_id").join(members, "member_flow_id")
    grouped = rows.group_by("source_id", "member_id", "role").aggregate(position=rows.position.min())
    return grouped.select("source_id", "member_id", "role", "position")


def members(tables: Tables, *, ids: Sequence[Bound]) -> ir.Table:
    """What these sources collect, in the order of their flows' collections."""
    rows = collections(tables)
    return rows.filter(rows.source_id.isin(ids)).order_by("source_id", "position", "member_id")


def collecting(tables: Tables, *, ids: Sequence[Bound]) -> ir.Table:
    """What collects these sources."""
    rows = collections(tables)
    rows = rows.filter(rows.member_id.isin(ids)).select("member_id", "source_id").distinct()
    return rows.order_by("member_id", "source_id")
