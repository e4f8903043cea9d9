"""What several commands have in common: the service they talk to, and how flows, times and tags are given."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any, Literal, TypeVar

import click

from tams_data.client import TamsClient
from tams_data.errors import FlowNotFound, InvalidInput, InvalidTimeRange, NotFound, SourceNotFound
from tams_data.settings import Settings
from tams_data.timerange import FIRST_CIVIL_NS, TimeRange, format_utc

Command = TypeVar("Command", bound=Callable[..., Any])

_PREFIX = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")
_SHOWN_CANDIDATES = 4


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


def id_of(client: TamsClient, kind: Literal["sources", "flows"], given: str) -> str:
    """The id of what a person means: by its id, the beginning of it, or its label, if that is one thing only.

    `NotFound` when it is nothing, `InvalidInput` when it is several.
    """
    find, list_ = (client.find_source, client.sources) if kind == "sources" else (client.find_flow, client.flows)
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", given) and find(given) is not None:
        return given
    found = {one["id"]: one.get("label") for one in list_(label=given)}
    if _PREFIX.fullmatch(given):
        found |= {one["id"]: one.get("label") for one in list_(limit="1000") if one["id"].startswith(given)}
    if len(found) == 1:
        return next(iter(found))
    if not found:
        missing: type[NotFound] = SourceNotFound if kind == "sources" else FlowNotFound
        raise missing(f"no {kind[:-1]} {given!r} at {client.url}: neither an id, the beginning of one, nor a label")
    named = [f"{id_} ({label})" if label else id_ for id_, label in islice(found.items(), _SHOWN_CANDIDATES)]
    more = " …" if len(found) > _SHOWN_CANDIDATES else ""
    raise InvalidInput(f"{given!r} is {len(found)} {kind}: {', '.join(named)}{more}")
