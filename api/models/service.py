"""The service as clients describe it (TAMS 8.2, service-post)."""

from __future__ import annotations

from api.models.common import Body


class ServicePost(Body):
    """What is to describe the service; what is left out stays as it is."""

    name: str | None = None
    description: str | None = None
