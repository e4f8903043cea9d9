"""Logs for people as text, or for machines as a JSON object a line; both know which request they are about."""

from __future__ import annotations

import logging
import logging.config
from datetime import datetime, timezone
from typing import Any

import orjson

from api.watching.context import CURRENT
from api.watching.requests import Seen
from tams_data.settings import Settings


class JsonFormatter(logging.Formatter):
    """A JSON object a record: time in UTC, level, logger, message, and the ids of the request it is about."""

    def format(self, record: logging.LogRecord) -> str:
        members: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(),
            **_request(record),
        }
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(members, default=str).decode()


class TextFormatter(logging.Formatter):
    """A line a record, with what of a request is worth a look, and the traceback of an error below."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # as logging calls it
        # Paths that clients send are in it: a line of one must not look like a record.
        record.message = "\n    ".join(map(_printable, record.message.split("\n")))
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        seen = getattr(record, "request", None)
        if isinstance(seen, Seen):
            line += f" {seen.sent_bytes} bytes {seen.took_ns / 1e6:.1f} ms"
        context = CURRENT.get()
        return line if context is None else f"{line} [{context.request_id}]"


def _printable(text: str) -> str:
    r"""The text with what a terminal would act on written out.

    >>> print(_printable("GET /a\r\x1b[31mb"))
    GET /a\r\x1b[31mb
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _ids() -> dict[str, str]:
    context = CURRENT.get()
    if context is None:
        return {}
    return {"trace_id": context.trace_id, "span_id": context.span_id, "request_id": context.request_id}


def _request(record: logging.LogRecord) -> dict[str, Any]:
    """What is logged of a request that has ended. Never its query, which may have credentials in it."""
    seen = getattr(record, "request", None)
    if not isinstance(seen, Seen):
        return {}
    return {
        "method": seen.method,
        "route": seen.route,
        "path": seen.path,
        "status": seen.status,
        "ms": round(seen.took_ns / 1e6, 3),
        "bytes": seen.sent_bytes,
    }


_FORMATTERS: dict[str, dict[str, Any]] = {
    "json": {"()": "api.watching.logs.JsonFormatter"},
    "text": {"()": "api.watching.logs.TextFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
}


def configuration(settings: Settings) -> dict[str, Any]:
    """How to log, for `logging.config`; granian, which serves, takes it as well."""
    handler = {"class": "logging.StreamHandler", "formatter": "ours", "stream": "ext://sys.stderr"}
    level = settings.log_level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": _FORMATTERS[settings.log_format]},
        "handlers": {"ours": handler},
        "loggers": {
            # The level of what serves is set apart: it has an error for each client that breaks off, and little else.
            "_granian": {"handlers": ["ours"], "propagate": False},
            "granian.access": {"handlers": ["ours"], "propagate": False},
            # What others have to say of every step they take is no news.
            "vastdb.transaction": {"level": "CRITICAL"},  # has a traceback for each conflict, which is then tried again
            **{name: {"level": "WARNING"} for name in ("botocore", "boto3", "urllib3", "httpx", "httpcore")},
        },
        "root": {"handlers": ["ours"], "level": level},
    }


def configure(settings: Settings) -> None:
    """Log in this process as the settings say."""
    logging.config.dictConfig(configuration(settings))
