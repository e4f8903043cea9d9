"""What several commands have in common: the service they talk to, and how times and tags are given and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tams_data.client import TamsClient
from tams_data.errors import InvalidTimeRange
from tams_data.settings import Settings
from tams_data.timerange import FIRST_CIVIL_NS, TimeRange, format_utc

Command = TypeVar("Command", bound=Callable[..., Any])


class Range(click.ParamType[TimeRange]):
    """A TAMS time range."""

    name = "timerange"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TimeRange:
        try:
            return TimeRange.parse(str(value))
        except InvalidTimeRange as error:
            self.fail(str(error), param, ctx)


class Tag(click.ParamType[tuple[str, str]]):
    """`name=value`."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        tag, separator, text = str(value).partition("=")
        if not (tag and separator):
            self.fail(f"{value!r} is not name=value", param, ctx)
        return tag, text


def of_a_service(command: Command) -> Command:
    """Add the options that say which service to talk to: `url` and `token`."""
    url = click.option("--url", envvar="TAMS_URL", help="The TAMS service; default: the one that `tams run` starts")
    token = click.option("--token", envvar="TAMS_TOKEN", help="Bearer token for the service")
    return url(token(command))


def client_of(url: str | None, token: str | None) -> TamsClient:
    """A client of the service that the options name."""
    if url is not None:
        return TamsClient(url, token)
    settings = Settings.load()
    return TamsClient(settings.url, token or settings.own_token)


def is_civil(ns: int) -> bool:
    """Whether a timestamp can be a time of day."""
    return ns >= FIRST_CIVIL_NS


def civil(timerange: TimeRange) -> str:
    """Return the civil time of a range in brackets; nothing for one that is no time of day."""
    if timerange.is_never or not is_civil(timerange.start_ns):
        return ""
    return f" ({format_utc(timerange.start_ns)} to {format_utc(timerange.end_ns)})"
