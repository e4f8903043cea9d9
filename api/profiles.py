"""`/service/profiles`: technical metadata that flows are made with."""

from __future__ import annotations

from flask import Response
from pydantic import Field

from api.conditional import conditional
from api.lists import next_token
from api.models.answers import Profile, Profiles
from api.models.common import Format, Mime
from api.models.profiles import ProfilePost
from api.openapi import PAGING_HEADERS, answers, blueprint, one
from api.paging import Paged, json, page_of
from api.paths import ProfilePath
from api.state import attributed, principal, store
from api.validation import validated
from tams_data.errors import InvalidInput
from tams_data.queries import profiles as queries
from tams_data.resources import profile_of
from tams_data.store.reading import profile_row

bp = blueprint("profiles", "Technical metadata that flows are made with")

_HEADERS = {name: header for name, header in PAGING_HEADERS.items() if name != "X-Paging-Reverse-Order"}


class ProfilesQuery(Paged):
    """How to list profiles."""

    format: Format | None = Field(None, description="Only those of this format")
    codec: Mime | None = Field(None, description="Only those of this codec")
    label: str | None = Field(None, description="Only those with this label")


@bp.get("/service/profiles", responses=answers(400, ok=Profiles, headers=_HEADERS))
@validated
def get_profiles(query: ProfilesQuery) -> Response:
    """List profiles, the newest first."""
    limit = query.size()
    equals = query.model_dump(include=set(queries.EQUALS), exclude_none=True)
    after = query.after("profiles")
    values = {**equals, **({} if after is None else {"after": after})}
    rows = store().database.rows(queries.page, values, limit=limit + 1)
    shown = [profile_of(row) for row in rows[:limit]]
    return page_of(shown, query, next_key=next_token("profiles", rows, limit, "created"))


@bp.get("/service/profiles/<profile_id>", responses=one(404, ok=Profile))
@conditional
@validated
def get_profile(path: ProfilePath) -> Response:
    """A profile.

    :raise ProfileNotFound: there is none with this id.
    """
    return json(profile_of(profile_row(store().database, path.profile_id)))


@bp.post(
    "/service/profiles/<profile_id>",
    responses=answers(400, 404, status=201, ok=Profile, description="The profile was created"),
)
@validated
def post_profile(path: ProfilePath, body: ProfilePost) -> Response:
    """Create a profile, which never changes again.

    :raise InvalidInput: the body names another profile, or there is one already.
    """
    profile = body.model_dump(exclude_none=True, exclude_unset=True)
    if profile["id"] != path.profile_id:
        raise InvalidInput(f"the path names profile {path.profile_id}", field="id", value=profile["id"])
    store().create_profile(attributed(profile), principal=principal())
    created = json(profile_of(profile_row(store().database, path.profile_id)))
    created.status_code = 201
    return created
