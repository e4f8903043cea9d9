"""`/keeping/`: the whole store, and what is wrong with it, for the operator of the service and nobody else.

Not in the OpenAPI document: they are how `tams backup` and `tams verify` reach a store that this process has open.
"""

from __future__ import annotations

from collections.abc import Generator

import orjson
from flask import Blueprint, Response, current_app, request

from api.state import whole_store
from tams_data.errors import InvalidInput, StoreUnavailable
from tams_data.keeping import contents, operator
from tams_data.keeping.service import BACKUP, BROKEN_OFF, END, VERIFY
from tams_data.keeping.verify import AT_ONCE, verify, verify_media
from tams_data.store.store import Store

bp = Blueprint("keeping", __name__)

_MOST_AT_ONCE = 64


@bp.before_request
def admit_the_operator() -> None:
    """Accept a request of who can read the signing key of this service.

    :raise Forbidden: it is not known to be one.
    """
    operator.check(current_app.config["TAMS_SECRET"], request.headers.get(operator.HEADER))


@bp.get(BACKUP)
def get_backup() -> Response:
    """Every row of every table, of one instant: see `contents`. Writers do not wait for it."""
    return _streamed(_sent(whole_store()), contents.CONTENT_TYPE)


@bp.get(VERIFY)
def get_findings() -> Response:
    """What is wrong with the store, a line of JSON each, and one that says that this was all.

    :raise InvalidInput: `at_once` is not a number from 1 to 64.
    """
    given = request.args.get("at_once", str(AT_ONCE))
    if not (given.isascii() and given.isdecimal() and 1 <= int(given) <= _MOST_AT_ONCE):
        raise InvalidInput(f"at_once {given!r} is not from 1 to {_MOST_AT_ONCE}", field="at_once", value=given)
    with_media = request.args.get("media") == "true"
    return _streamed(_findings(whole_store(), int(given) if with_media else 0), "application/x-ndjson")


def _streamed(pieces: Generator[bytes, None, None], content_type: str) -> Response:
    response = Response(pieces, content_type=content_type)
    response.call_on_close(pieces.close)  # what reads ends its transaction, also when it is given up
    return response


def _sent(of: Store) -> Generator[bytes, None, None]:
    with of.database.scanning() as scan:
        yield from contents.sent(contents.contents_of(of.database, scan))


def _findings(of: Store, at_once: int) -> Generator[bytes, None, None]:
    try:
        yield from map(_line, (one.as_dict() for one in verify(of.database)))
        if at_once:
            yield from map(_line, (one.as_dict() for one in verify_media(of.database, of.media, at_once=at_once)))
    except StoreUnavailable as error:  # the status is sent already
        yield _line({BROKEN_OFF: str(error)})
    else:
        yield _line(END)


def _line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
