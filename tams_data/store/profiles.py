"""Profiles: technical metadata that flows are made with. Created once and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tams_data import schema
from tams_data.engines.base import Transaction
from tams_data.errors import InvalidInput
from tams_data.store import locks
from tams_data.store.reading import find_profile


@dataclass(frozen=True)
class CreateProfile:
    """A profile as in TAMS 8.2, its shape already checked, and who sends it."""

    profile: Mapping[str, Any]
    principal: str | None
    now_ns: int


def create(transaction: Transaction, request: CreateProfile) -> None:
    """Create a profile (TAMS 8.2, POST profile).

    :raise InvalidInput: there is one with this id already: flows may have been made from it.
    """
    given = request.profile
    transaction.lock(locks.of_profile(given["id"]))
    if find_profile(transaction, given["id"]) is not None:
        raise InvalidInput(f"profile {given['id']} exists, and profiles do not change", field="id", value=given["id"])
    tags, metadata = given.get("tags") or {}, given["flow_metadata"]
    row = {
        "id": given["id"],
        "label": given.get("label"),
        "description": given.get("description"),
        "tags": orjson.dumps(tags).decode(),
        "tag_terms": schema.tag_terms(tags),
        "format": metadata["format"],
        "codec": metadata["codec"],
        "flow_metadata": orjson.dumps(metadata).decode(),
        "created_by": given.get("created_by") or request.principal,
        "created_ns": request.now_ns,
    }
    transaction.insert(schema.PROFILES, schema.PROFILES.rows([row]))
