"""`/metrics`: figures for Prometheus. An extension of TAMS."""

from __future__ import annotations

from flask import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from api.openapi import TEXT, Routes, blueprint
from api.validation import validated
from api.watching.metrics import Metrics

_ANSWER = {"description": "The figures, in Prometheus's text format", "content": {"text/plain": {"schema": TEXT}}}


def blueprint_of(metrics: Metrics) -> Routes:
    """The route that tells these figures."""
    bp = blueprint("metrics", "Figures of the running service")

    @bp.get("/metrics", responses={200: _ANSWER})
    @validated
    def get_metrics() -> Response:
        """Figures of the running service, for Prometheus: an extension."""
        return Response(metrics.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return bp
