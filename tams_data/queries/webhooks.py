"""Webhooks, by where they send events to."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir

from tams_data.engines.base import Tables
from tams_data.queries import tags
from tams_data.queries.paging import Bound, SortKey
from tams_data.queries.paging import page as page_of

ORDER = (SortKey(lambda t: t.url), SortKey(lambda t: t.id))
"""TAMS 8.2, GET webhooks: by URL. Several may have the same, so by id then."""


def page(
    tables: Tables,
    *,
    reverse: bool = False,
    limit: int,
    after: Sequence[Bound] | None = None,
    any_tags: Sequence[Sequence[Bound]] = (),
    no_tags: Sequence[Bound] = (),
) -> ir.Table:
    """Up to `limit` webhooks by URL."""
    found = tags.matching(tables.webhooks, any_of=any_tags, none_of=no_tags)
    return page_of(found, ORDER, after=after, reverse=reverse, limit=limit)


def by_id(tables: Tables, *, webhook_id: Bound) -> ir.Table:
    """The webhook with this id."""
    return tables.webhooks.filter(tables.webhooks.id == webhook_id)


def enabled(tables: Tables) -> ir.Table:
    """The webhooks that are to be sent events: where they are, and who sends to them."""
    found = tables.webhooks.filter(tables.webhooks.status.isin(("created", "started")))
    return found.select("id", "position", "attempts", "next_ns", "holder", "held_until_ns")


def by_status(tables: Tables) -> ir.Table:
    """How many webhooks have each status that any has: `status` and `webhooks`."""
    return tables.webhooks.group_by("status").aggregate(webhooks=tables.webhooks.count())
