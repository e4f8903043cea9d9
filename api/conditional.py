"""Conditional GET: an ETag on what is shown, and 304 without a body for a caller who has it (RFC 9110, 13.1.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, request

F = TypeVar("F", bound=Callable[..., Response])


def conditional(view: F) -> F:
    """A view of one resource whose response carries an ETag, the same as long as the body is the same."""

    @wraps(view)
    def wrapper(**variables: Any) -> Response:
        response = view(**variables)
        if request.if_none_match.contains_weak(etag_of(response)):
            response.status_code = HTTPStatus.NOT_MODIFIED
            response.set_data(b"")
        return response

    return wrapper  # type: ignore[return-value]


def etag_of(response: Response) -> str:
    """The ETag of a response, without quotes; it is added to the response."""
    # Weak: the same resource may be sent compressed or plain.
    response.add_etag(weak=True)
    etag: str = response.get_etag()[0] or ""
    return etag
