"""Profiles, which flows take their technical metadata from."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir

from tams_data.engines.base import Tables
from tams_data.queries.paging import Bound, orders
from tams_data.queries.paging import page as page_of

ORDER = orders("created")["created"]
"""A list of profiles has one order, which TAMS 8.2 leaves open: the newest first, as in the other lists."""

EQUALS = ("format", "codec", "label")
"""Columns that a list of profiles can be filtered by with one value."""


def page(tables: Tables, *, limit: int, after: Sequence[Bound] | None = None, **equals: Bound) -> ir.Table:
    """Up to `limit` profiles, newest first; `equals` filters by the columns of EQUALS."""
    found = tables.profiles
    for column, value in equals.items():
        found = found.filter(found[column] == value)
    return page_of(found, ORDER, after=after, reverse=False, limit=limit)


def by_id(tables: Tables, *, profile_id: Bound) -> ir.Table:
    """The profile with this id."""
    return tables.profiles.filter(tables.profiles.id == profile_id)
