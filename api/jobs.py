"""`/jobs`: what goes on in the background, and what waits for it. An extension of TAMS."""

from __future__ import annotations

from flask import Response

from api.models.answers import Jobs
from api.openapi import answers, blueprint
from api.paging import json
from api.state import store
from api.validation import validated
from api.watching.jobs import described

bp = blueprint("jobs", "What goes on in the background")


@bp.get("/jobs", responses=answers(ok=Jobs))
@validated
def get_jobs() -> Response:
    """List the jobs of this process, and what in the store waits for them: an extension.

    :raise StoreUnavailable: the database cannot be read now.
    """
    answer = json(described(store().jobs.states(), store().queues()))
    answer.headers["Cache-Control"] = "no-store"
    return answer
