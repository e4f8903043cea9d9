"""Deletion requests, and bytes that wait to be deleted."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir

from tams_data.engines.base import Tables
from tams_data.queries.paging import Bound, SortKey, orders
from tams_data.queries.paging import page as page_of

_WITHOUT_EXPIRY = SortKey(lambda t: t.expiry_ns.isnull().cast("int64"))
_EXPIRY = SortKey(lambda t: t.expiry_ns.fill_null(0), descending=True)
_ID = SortKey(lambda t: t.id)

ORDERS = {"created": orders("created")["created"], "expiry": (_WITHOUT_EXPIRY, _EXPIRY, _ID)}
"""What deletion requests can be sorted by (TAMS 8.2, GET flow-delete-requests): without expiry, by id, comes last."""


def page(
    tables: Tables, *, sort_by: str = "created", reverse: bool = False, limit: int, after: Sequence[Bound] | None = None
) -> ir.Table:
    """Up to `limit` deletion requests in the order of ORDERS[sort_by]."""
    return page_of(tables.deletion_requests, ORDERS[sort_by], after=after, reverse=reverse, limit=limit)


def by_id(tables: Tables, *, request_id: Bound) -> ir.Table:
    """The deletion request with this id."""
    return tables.deletion_requests.filter(tables.deletion_requests.id == request_id)


def unfinished(tables: Tables, *, flow_id: Bound | None = None) -> ir.Table:
    """Deletion requests that are neither done nor failed, the one that has waited longest first."""
    requests = tables.deletion_requests
    if flow_id is not None:
        requests = requests.filter(requests.flow_id == flow_id)
    return requests.filter(requests.status.isin(("created", "started"))).order_by("updated_ns", "id")


def due(tables: Tables, *, now_ns: Bound, limit: int) -> ir.Table:
    """Up to `limit` unfinished deletion requests that are to move on now, the one that has waited longest first."""
    found = unfinished(tables)
    return found.filter(found.next_ns.isnull() | (found.next_ns <= now_ns)).limit(limit)


def expired(tables: Tables, *, now_ns: Bound, limit: int) -> ir.Table:
    """The ids of up to `limit` deletion requests whose time has come to go."""
    requests = tables.deletion_requests
    return requests.filter(requests.expiry_ns <= now_ns).select("id").limit(limit)


def discarded(tables: Tables, *, storage_id: Bound, limit: int) -> ir.Table:
    """Up to `limit` rows of `discarded_bytes` of a storage backend, the oldest first."""
    rows = tables.discarded_bytes.filter(tables.discarded_bytes.storage_id == storage_id)
    return rows.order_by("created_ns", "object_id").limit(limit)


def discarded_of(tables: Tables, *, object_ids: Sequence[Bound]) -> ir.Table:
    """The rows of `discarded_bytes` of these objects."""
    return tables.discarded_bytes.filter(tables.discarded_bytes.object_id.isin(object_ids))
