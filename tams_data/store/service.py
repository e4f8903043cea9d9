"""What clients say of the service in place of its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.store import locks


@dataclass(frozen=True)
class DescribeService:
    """Properties of the service to set, `name` and `description`, each by its name."""

    properties: Mapping[str, str]
    now_ns: int


def describe(transaction: Transaction, request: DescribeService) -> None:
    """Set what describes the service (TAMS 8.2, POST service); what is not named stays as it is."""
    rows = [
        {"property": name, "value": value, "updated_ns": request.now_ns} for name, value in request.properties.items()
    ]
    transaction.lock(locks.SERVICE)
    transaction.delete(schema.SERVICE_INFO, schema.SERVICE_INFO.keys(rows))
    transaction.insert(schema.SERVICE_INFO, schema.SERVICE_INFO.rows(rows))
