"""Rows of deletion requests: found, moved on, and ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tams_data import schema
from tams_data.engines.base import Reader, Transaction
from tams_data.errors import DeletionRequestNotFound
from tams_data.queries import deletions as queries

KEPT_NS = 24 * 3600 * 10**9
"""How long a request is kept once it has ended, ns."""


def deletion_row(reader: Reader, request_id: str) -> dict[str, Any]:
    """A deletion request.

    :raise DeletionRequestNotFound: there is none, or it has expired.
    """
    rows = reader.rows(queries.by_id, {"request_id": request_id})
    if not rows:
        raise DeletionRequestNotFound(f"no deletion request {request_id}")
    return dict(rows[0])


def change(transaction: Transaction, request_id: str, columns: Mapping[str, Any]) -> None:
    """Set columns of a deletion request."""
    rows = [{"id": request_id, **columns}]
    transaction.update(schema.DELETION_REQUESTS, schema.DELETION_REQUESTS.part(["id", *columns], rows))


def done(now_ns: int) -> dict[str, Any]:
    """The columns of a request that has nothing more to delete."""
    return {**_ended(now_ns), "status": "done", "remaining_start_ns": None, "remaining_end_ns": None}


def failed(now_ns: int, error: str) -> dict[str, Any]:
    """The columns of a request that ends with an error, a JSON object; what remains is still to be seen."""
    return {**_ended(now_ns), "status": "error", "error": error}


def put_off(attempts: int, error: str, next_ns: int) -> dict[str, Any]:
    """The columns of a request whose next batch failed, for so many times in a row."""
    return {"attempts": attempts, "last_error": error, "next_ns": next_ns}


UNTROUBLED: Mapping[str, None] = {"attempts": None, "last_error": None, "next_ns": None}
"""The columns of a request whose last batch did not fail."""


def _ended(now_ns: int) -> dict[str, Any]:
    return {"updated_ns": now_ns, "expiry_ns": now_ns + KEPT_NS}


def finish_all(transaction: Transaction, flow_id: str, now_ns: int) -> None:
    """End the requests of a flow that is gone: one that is put anew with its id has nothing to do with them."""
    for row in transaction.rows(queries.unfinished, {"flow_id": flow_id}):
        change(transaction, row["id"], done(now_ns))
