"""`/health`: whether the service is ready, and `/health/live`, whether it lives. Extensions of TAMS."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Response, current_app

from api.access.admission import known_caller
from api.errors import RETRY_AFTER_S, problem
from api.models.answers import Alive, Health, Unready
from api.openapi import answers, as_problem, blueprint
from api.paging import json
from api.state import store, traffic
from api.validation import validated
from tams_data.access import Caller, Scope
from tams_data.resources import present

log = logging.getLogger(__name__)

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
    backends takes objects, and it is not about to end. Anybody may ask; what is wrong, which names paths and hosts, is
    said to who may read the whole store, and in the log.
    """
    found = {name: None if error is None else str(error) for name, error in store().check().items()}
    found["requests"] = _DRAINING if traffic().draining else None
    told = _is_told(known_caller(current_app))
    checks = [present(name=name, passed=error is None, detail=error if told else None) for name, error in found.items()]
    failed = [name for name, error in found.items() if error is not None]
    if failed:
        detail = f"not ready: {', '.join(failed)}"
        log.warning("not ready: %s", "; ".join(f"{name}: {found[name]}" for name in failed))
        answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, live=True, ready=False, checks=checks)
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    else:
        answer = json({"live": True, "ready": True, "checks": checks})
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _is_told(asking: Caller) -> bool:
    """Whether a caller may know where things are."""
    return asking.has(Scope.READ, Scope.ADMIN) and not asking.is_restricted


@bp.get("/health/live", responses=answers(ok=Alive, description="It lives"))
@validated
def get_health_live() -> Response:
    """Whether the service lives, ready or not: an extension, for what restarts a process that does not answer."""
    answer = json({"live": True})
    answer.headers["Cache-Control"] = "no-store"
    return answer
