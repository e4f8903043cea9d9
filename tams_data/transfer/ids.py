"""Ids that follow from what they name, so that doing a thing twice finds what the first time left."""

from __future__ import annotations

from uuid import UUID, uuid5

_NAMESPACE = UUID("7f3c8a52-2f0e-4c0c-9f5d-6f2a8f4b1c37")


def derived_id(*parts: object) -> str:
    """Return the UUID (version 5) of some parts; other parts give another.

    >>> derived_id("camera", 1) == derived_id("camera", 1) != derived_id("camera", 2)
    True
    """
    return str(uuid5(_NAMESPACE, "\x1f".join(map(str, parts))))
