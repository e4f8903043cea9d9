"""Every failure as `application/problem+json` (RFC 9457): the one table from errors to HTTP statuses."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, get_args

import orjson
from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, NotFound

from api.models.common import Format
from tams_data import errors

log = logging.getLogger(__name__)

STATUS: dict[type[errors.TamsDataError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.UploadBroken: HTTPStatus.BAD_REQUEST,
    errors.UnreadableMedia: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.AlreadyExists: HTTPStatus.CONFLICT,
    errors.VersionMismatch: HTTPStatus.PRECONDITION_FAILED,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SchemaMismatch: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidSetting: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.FetchFailed: HTTPStatus.BAD_GATEWAY,
    errors.RequestFailed: HTTPStatus.BAD_GATEWAY,
}
"""A class stands for those derived from it that are not in the table themselves."""

RETRY_AFTER_S = 1

_CLIENTS_TOO_MANY = (errors.TooManyListeners, errors.TooManyBodies)
"""Nothing fails here but a limit is reached, where a traceback says nothing: clients can make any number of them."""


def status_of(error: type[errors.TamsDataError]) -> HTTPStatus:
    """The status that an error of this class is answered with."""
    return next(STATUS[base] for base in error.__mro__ if base in STATUS)


def problem(status: HTTPStatus, detail: str, *, kind: str = "about:blank", **more: Any) -> Response:
    """A problem details response; `more` are its extension members."""
    members = {"type": kind, "title": status.phrase, "status": status, "detail": detail, "instance": request.path}
    body = orjson.dumps({**members, **{k: v for k, v in more.items() if v is not None}}, default=str)
    return Response(body, status, content_type="application/problem+json")


def register(app: Flask) -> None:
    """Answer every error of the application with a problem."""
    app.register_error_handler(errors.TamsDataError, _tams_data_error)
    app.register_error_handler(ValidationError, _validation_error)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _unexpected)


def kind_of(error: errors.TamsDataError) -> str:
    """The problem type of an error.

    >>> kind_of(errors.FlowReadOnly("flow x is read-only"))
    'urn:x-tams-data:problem:flow-read-only'
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    return f"urn:x-tams-data:problem:{words}"


def _tams_data_error(error: errors.TamsDataError) -> Response:
    status = status_of(type(error))
    if isinstance(error, _CLIENTS_TOO_MANY):
        log.warning("%s %s: %s", request.method, request.path, error)
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s %s: %s", request.method, request.path, error, exc_info=error)
    given = {"field": error.field, "value": _short(error.value)} if isinstance(error, errors.InvalidInput) else {}
    response = problem(status, str(error), kind=kind_of(error), **given)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, errors.TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _validation_error(error: ValidationError) -> Response:
    """A body or a query that is not of the right shape: the first fault in words, all of them as a list."""
    faults = [
        {
            "field": _path(fault["loc"]) or _UNSAID.get(fault["type"], ""),
            "value": _short(given_in(fault)),
            "message": said(fault),
        }
        for fault in error.errors(include_url=False, include_context=False)
    ]
    first = faults[0]
    detail = f"{first['field'] or 'body'}: {first['message']}"
    more = {"field": first["field"], "value": first["value"], "faults": faults if len(faults) > 1 else None}
    return problem(HTTPStatus.BAD_REQUEST, detail, kind="urn:x-tams-data:problem:invalid-input", **more)


_SECRETS = frozenset(("api_key_value",))
"""Properties of bodies that are never shown, not even to who has sent them: answers end in the logs of clients."""

_ABOUT_THE_WHOLE = ("missing", "json_invalid")
"""Faults for which Pydantic gives all of the body, or of an object in it: what is said of them is enough."""

_VARIANTS = {*get_args(Format), "profile"}

_UNSAID = {"format": "format"}
"""The property at fault where Pydantic names none: what decides which variant of a flow is meant."""


def said(fault: Mapping[str, Any]) -> str:
    """What is wrong, in words for the client."""
    if fault["type"] == "extra_forbidden":
        return "there is no such parameter here"
    return str(fault["msg"]).removeprefix("Value error, ")  # Pydantic's, before what our own validators say


def given_in(fault: Mapping[str, Any]) -> Any:
    """What was given and is at fault, without secrets; None where that would be all around what is missing."""
    if fault["type"] in _ABOUT_THE_WHOLE or not _SECRETS.isdisjoint(fault["loc"]):
        return None
    value = fault["input"]
    if fault["type"] in _UNSAID:
        value = value.get(_UNSAID[fault["type"]]) if isinstance(value, dict) else None
    return _without_secrets(value)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(one) for name, one in value.items() if name not in _SECRETS}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _path(location: tuple[int | str, ...]) -> str:
    # Pydantic names the variant of a union in the location; a client did not write it.
    if len(location) > 1 and location[0] in _VARIANTS:
        location = location[1:]
    if location[:1] == ("flow_metadata",) and location[1:2] and location[1] in _VARIANTS:
        location = location[:1] + location[2:]
    if location[:1] == ("tags",):
        location = location[:2] + location[3:]
    elif location[:1] == ("profile_id",):
        location = location[:1]
    return ".".join(map(str, location))


def _short(value: Any) -> Any:
    text = str(value)
    if len(text) > 200:
        return f"{text[:200]}…"
    try:
        orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, or a value that is no JSON
        return text
    return value


_NOTHING_HERE = "there is nothing at this path; /docs shows what there is"


def _http_exception(error: HTTPException) -> Response:
    given = error.get_response()
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return given  # type: ignore[return-value]  # a redirect
    # Werkzeug's own words for a path that no route has are for people with a browser.
    detail = _NOTHING_HERE if error.description == NotFound.description else error.description
    response = problem(HTTPStatus(error.code), detail or "")
    # Allow of 405, Content-Range of 416, Retry-After of 429.
    response.headers.extend((k, v) for k, v in given.headers if k not in ("Content-Type", "Content-Length"))
    return response


def _unexpected(error: Exception) -> Response:
    log.error("%s %s", request.method, request.path, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed to answer; its log says why")
