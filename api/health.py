"""`/health`: whether the service is ready, and `/health/live`, whether it lives. Extensions of TAMS."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response

from api.errors import RETRY_AFTER_S, problem
from api.models.answers import Alive, Health, Unready
from api.openapi import answers, as_problem, blueprint
from api.paging import json
from api.state import store, traffic
from api.validation import validated
from tams_data.resources import present

bp = blueprint("health", "Whether the service is ready")

_DRAINING = "the service is about to end"


@bp.get(
    "/health",
    responses=answers(
        ok=Health, description="It is ready", status_503=as_problem("It lives and cannot serve now", Unready)
    ),
)
@validated
def get_health() -> Response:
    """Whether the service is ready, and what was checked: an extension.

    Any answer says that it lives. It is ready when its database reads, its writer commits, each of its storage
    backends takes objects, and it is not about to end.
    """
    found = {name: None if error is None else str(error) for name, error in store().check().items()}
    found["requests"] = _DRAINING if traffic().draining else None
    checks = [present(name=name, passed=error is None, detail=error) for name, error in found.items()]
    failed = [name for name, error in found.items() if error is not None]
    if failed:
        detail = f"not ready: {', '.join(failed)}"
        answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, live=True, ready=False, checks=checks)
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    else:
        answer = json({"live": True, "ready": True, "checks": checks})
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.get("/health/live", responses=answers(ok=Alive, description="It lives"))
@validated
def get_health_live() -> Response:
    """Whether the service lives, ready or not: an extension, for what restarts a process that does not answer."""
    answer = json({"live": True})
    answer.headers["Cache-Control"] = "no-store"
    return answer
