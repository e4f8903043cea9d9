"""Cross-origin requests: which pages of other origins may use the service from a browser (Fetch standard)."""

from __future__ import annotations

from flask import Flask, Response
from flask_cors import CORS

from api.openapi import SEGMENT_HEADERS

EXPOSED = (
    *SEGMENT_HEADERS,
    *("Location", "ETag", "Retry-After", "Accept-Ranges", "Content-Range", "Content-Encoding"),
    *("x-amz-checksum-sha256", "traceparent", "X-Request-Id"),
)
"""Headers that a page may read, beside those that it always may."""

_PREFLIGHT_HOLDS_S = 600


def register(app: Flask, origins: tuple[str, ...]) -> None:
    """Admit pages of these origins, or of any for `*`, to every path; of none when there are none."""
    if not origins:
        return
    anyone = "*" in origins
    CORS(
        app,
        origins="*" if anyone else list(origins),
        methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
        expose_headers=list(EXPOSED),
        max_age=_PREFLIGHT_HOLDS_S,
        # A cache must not give one origin the answer to another, nor an answer without these headers to any.
        send_wildcard=anyone,
        always_send=anyone,
        vary_header=False,
    )
    if not anyone:
        app.after_request(_differs_by_origin)


def _differs_by_origin(response: Response) -> Response:
    response.vary.add("Origin")
    return response
