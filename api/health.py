"""`/health`: whether the service is ready, for whatever watches it. An extension of TAMS."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response

from api.errors import RETRY_AFTER_S, problem
from api.models.answers import Health, Unready
from api.openapi import answers, as_problem, blueprint
from api.paging import json
from api.state import store
from api.validation import validated
from tams_data.resources import present

bp = blueprint("health", "Whether the service is ready")


@bp.get(
    "/health",
    responses=answers(
        ok=Health, description="It is ready", status_503=as_problem("It lives and cannot serve now", Unready)
    ),
)
@validated
def get_health() -> Response:
    """Whether the service is ready, and what was checked: an extension.

    Any answer says that it lives. It is ready when its database reads, its writer commits and each of its storage
    backends takes objects.
    """
    found = store().check()
    checks = [
        present(name=name, passed=error is None, detail=None if error is None else str(error))
        for name, error in found.items()
    ]
    failed = [name for name, error in found.items() if error is not None]
    if failed:
        detail = f"not ready: {', '.join(failed)}"
        answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, live=True, ready=False, checks=checks)
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    else:
        answer = json({"live": True, "ready": True, "checks": checks})
    answer.headers["Cache-Control"] = "no-store"
    return answer
