"""What browsers are told about safety, in every answer."""

from __future__ import annotations

from flask import Flask, Response

from tams_data.settings import Settings

_EVERYWHERE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
"""Types are as they are said, and no page that a link leads to learns the URL it was on, tokens and all."""

_DATA = "default-src 'none'; frame-ancestors 'none'"
_PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " worker-src blob:; frame-ancestors 'none'"
)
"""The pages that show the document: they load nothing from elsewhere, and no other page has them in a frame."""

_A_YEAR_S = 31_536_000


def register(app: Flask, settings: Settings) -> None:
    """Add the headers to every answer of the application, where it has not said otherwise."""
    everywhere = dict(_EVERYWHERE)
    if (settings.public_url or "").startswith("https://"):
        everywhere["Strict-Transport-Security"] = f"max-age={_A_YEAR_S}"

    @app.after_request
    def safe(response: Response) -> Response:
        headers = response.headers
        if response.response == [] and response.mimetype == "text/html":
            del headers["Content-Type"]  # that Flask gives to an answer without a body, too
        for name, value in everywhere.items():
            headers.setdefault(name, value)
        headers.setdefault("Content-Security-Policy", _PAGE if response.mimetype == "text/html" else _DATA)
        return response
