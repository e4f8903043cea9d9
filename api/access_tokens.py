"""`/access-token`: a token to lend to a page or a player. An extension; TAMS has no such path."""

from __future__ import annotations

from flask import Response, current_app

from api.access.admission import caller
from api.access.authentication import Authentication
from api.access.lending import LENT_FOR_S
from api.models.answers import LentToken
from api.openapi import answers, blueprint
from api.paging import json
from api.validation import validated
from tams_data.errors import NotPermitted

bp = blueprint("access", "Tokens to lend: an extension of TAMS")


@bp.get("/access-token", responses=answers(403, ok=LentToken))
@validated
def get_access_token() -> Response:
    """A token for a page or a player that is not to have one's own: an extension of TAMS.

    With it, as `access_token` in the URL or as a bearer token, what the caller sees can be read for an hour.

    :raise NotPermitted: it is asked for with such a token.
    """
    asking = caller()
    if asking.is_lent:
        raise NotPermitted("a token that was lent cannot be lent again")
    authentication: Authentication = current_app.config["TAMS_ACCESS"]
    made = {"access_token": authentication.lending.token(asking), "expires_in": LENT_FOR_S}
    return json(made, {"Cache-Control": "no-store"})
