"""`tams sources`, `tams flows` and `tams segments`: what a service has, for a person to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NoReturn, TypeAlias

import click

from api.cli.options import Command, Range, Tag, client_of, id_of, is_civil, of_a_service
from api.cli.tables import echo_json, echo_members, echo_table, text_of
from tams_data.errors import InvalidTimestamp, NotFound
from tams_data.timerange import NS_PER_SECOND, TimeRange, format_timestamp, format_utc, parse_timestamp

Row: TypeAlias = Mapping[str, Any]
Column: TypeAlias = tuple[str, Callable[[Row], str]]

_FORMATS = {
    "video": "urn:x-nmos:format:video",
    "audio": "urn:x-nmos:format:audio",
    "image": "urn:x-tam:format:image",
    "data": "urn:x-nmos:format:data",
    "multi": "urn:x-nmos:format:multi",
}


# --- columns ---------------------------------------------------------------------------------------------------------


def _member(name: str) -> Callable[[Row], str]:
    return lambda row: text_of(row.get(name))


def _format(row: Row) -> str:
    return str(row["format"]).rpartition(":")[2]


def _tags(row: Row) -> str:
    return " ".join(f"{name}={text_of(value)}" for name, value in (row.get("tags") or {}).items())


def _essence(row: Row) -> str:
    """The size and rate of pictures, the rate and channels of sound: `1920x1080 25/s`, `48000 Hz 2 ch`."""
    essence = row.get("essence_parameters") or {}
    rate = essence.get("frame_rate") or {}
    parts = [
        f"{essence['frame_width']}x{essence['frame_height']}" if "frame_width" in essence else "",
        f"{rate['numerator'] / rate.get('denominator', 1):.5g}/s" if rate else "",
        f"{essence['sample_rate']} Hz {essence['channels']} ch" if "sample_rate" in essence else "",
    ]
    return " ".join(filter(None, parts))


def _time(ns: int) -> str:
    """A time of day in UTC where it can be one, else the timestamp."""
    return format_utc(ns) if is_civil(ns) else format_timestamp(ns)


def _start(row: Row) -> str:
    return _time(TimeRange.parse(row["timerange"]).start_ns)


def _duration(row: Row) -> str:
    length_ns = TimeRange.parse(row["timerange"]).length_ns
    if length_ns is None:
        return ""
    seconds, rest = divmod(length_ns, NS_PER_SECOND)
    return f"{seconds}.{rest:09}".rstrip("0").rstrip(".") + " s"


_SOURCES: Sequence[Column] = (
    ("ID", _member("id")),
    ("LABEL", _member("label")),
    ("FORMAT", _format),
    ("UPDATED", _member("updated")),
)
_SOURCES_WIDE: Sequence[Column] = (
    ("DESCRIPTION", _member("description")),
    ("TAGS", _tags),
    ("COLLECTED BY", _member("collected_by")),
)
_FLOWS: Sequence[Column] = (
    ("ID", _member("id")),
    ("LABEL", _member("label")),
    ("FORMAT", _format),
    ("CODEC", _member("codec")),
    ("ESSENCE", _essence),
    ("STATUS", _member("status")),
)
_FLOWS_WIDE: Sequence[Column] = (
    ("KBIT/S", _member("avg_bit_rate")),
    ("SOURCE", _member("source_id")),
    ("DESCRIPTION", _member("description")),
    ("TAGS", _tags),
    ("COLLECTED BY", _member("collected_by")),
)
_SEGMENTS: Sequence[Column] = (
    ("TIMERANGE", _member("timerange")),
    ("START", _start),
    ("DURATION", _duration),
    ("OBJECT", _member("object_id")),
)
_SEGMENTS_WIDE: Sequence[Column] = (
    ("OFFSET", _member("ts_offset")),
    ("KEY FRAMES", _member("key_frame_count")),
    ("INIT OBJECT", lambda row: (row.get("init_object") or {}).get("object_id", "")),
)


# --- options ---------------------------------------------------------------------------------------------------------


def _list_options(command: Command) -> Command:
    limit = click.option(
        "--limit", type=click.IntRange(1), default=100, show_default=True, help="Most that are listed; more are told of"
    )
    output = click.option(
        "-o", "--output", type=click.Choice(["table", "wide", "json"]), default="table", help="How; default: table"
    )
    return of_a_service(limit(output(command)))


def _show_options(command: Command) -> Command:
    output = click.option(
        "-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How; default: table"
    )
    return of_a_service(output(command))


_LABEL = click.option("--label", help="Only those with this label")
_FORMAT = click.option("--format", "format_", type=click.Choice([*_FORMATS]), help="Only those of this format")
_TAGGED = click.option("--tag", "tags", type=Tag(), multiple=True, help="Only those with a tag; may be given again")


def _filters(tags: Sequence[tuple[str, str]], **given: str | None) -> dict[str, str]:
    """Query parameters: values of one tag given more than once are alternatives, as in TAMS."""
    filters = {name: value for name, value in given.items() if value is not None}
    for name, value in tags:
        key = f"tag.{name}"
        filters[key] = f"{filters[key]},{value}" if key in filters else value
    return filters


def _page(limit: int) -> str:
    """How many to ask for at once: one more than is listed, to know whether there are more."""
    return str(min(limit + 1, 1000))


def _echo_list(
    found: Iterator[Any], limit: int, output: str, columns: Sequence[Column], more_columns: Sequence[Column]
) -> None:
    rows = list(islice(found, limit + 1))
    if len(rows) > limit:
        click.echo(f"tams: there are more than these {limit}; see --limit", err=True)
    shown = [*columns, *more_columns] if output == "wide" else columns
    if output == "json":
        echo_json(rows[:limit])
    else:
        echo_table([name for name, _ in shown], [[cell(row) for _, cell in shown] for row in rows[:limit]])


def _echo_one(found: Row, output: str) -> None:
    if output == "json":
        echo_json(found)
    else:
        echo_members(_with_time(found))


def _with_time(found: Row) -> Row:
    """What is known of something, with its time as a time of day behind its time range."""
    timerange = TimeRange.parse(found.get("timerange", "()"))
    if timerange.is_never or not is_civil(timerange.start_ns):
        return found
    ends = {"start (UTC)": timerange.start_ns, "end (UTC)": timerange.end_ns}
    return {**found, **{name: format_utc(ns) for name, ns in ends.items()}}


# --- which one -------------------------------------------------------------------------------------------------------


# --- commands --------------------------------------------------------------------------------------------------------


@click.group()
def sources() -> None:
    """Look at sources."""


@sources.command("list")
@_LABEL
@_FORMAT
@_TAGGED
@_list_options
def list_sources(url: str | None, token: str | None, limit: int, output: str, **given: Any) -> None:
    """List sources."""
    filters = _filters(given["tags"], label=given["label"], format=_FORMATS.get(given["format_"]), limit=_page(limit))
    with client_of(url, token) as client:
        _echo_list(client.sources(**filters), limit, output, _SOURCES, _SOURCES_WIDE)


@sources.command("show")
@click.argument("source")
@_show_options
def show_source(source: str, url: str | None, token: str | None, output: str) -> None:
    """Show SOURCE: its id, the beginning of it, or its label."""
    with client_of(url, token) as client:
        _echo_one(client.find_source(id_of(client, "sources", source)) or _gone(source), output)


@click.group()
def flows() -> None:
    """Look at flows."""


@flows.command("list")
@_LABEL
@_FORMAT
@click.option("--codec", help="Only those of this codec, as video/h264")
@click.option("--status", help="Only those of this status, as ingesting")
@click.option("--source", help="Only those of this source: its id, the beginning of it, or its label")
@click.option("--timerange", type=Range(), help="Only those with content in this time range; (): those without any")
@_TAGGED
@_list_options
def list_flows(url: str | None, token: str | None, limit: int, output: str, **given: Any) -> None:
    """List flows."""
    with client_of(url, token) as client:
        filters = _filters(
            given["tags"],
            label=given["label"],
            format=_FORMATS.get(given["format_"]),
            codec=given["codec"],
            status=given["status"],
            source_id=None if given["source"] is None else id_of(client, "sources", given["source"]),
            timerange=None if given["timerange"] is None else str(given["timerange"]),
            limit=_page(limit),
        )
        _echo_list(client.flows(**filters), limit, output, _FLOWS, _FLOWS_WIDE)


@flows.command("show")
@click.argument("flow")
@_show_options
def show_flow(flow: str, url: str | None, token: str | None, output: str) -> None:
    """Show FLOW: its id, the beginning of it, or its label."""
    with client_of(url, token) as client:
        found = client.find_flow(id_of(client, "flows", flow), include_timerange=True)
        _echo_one(found or _gone(flow), output)


@click.group()
def segments() -> None:
    """Look at the segments of a flow."""


@segments.command("list")
@click.argument("flow")
@click.option("--timerange", type=Range(), help="Only those that share time with this time range")
@click.option("--object", "object_id", help="Only those that use this object")
@_list_options
def list_segments(flow: str, url: str | None, token: str | None, limit: int, output: str, **given: Any) -> None:
    """List the segments of FLOW, in time order: its id, the beginning of it, or its label."""
    filters = _filters([], object_id=given["object_id"], limit=_page(limit))
    with client_of(url, token) as client:
        flow_id = id_of(client, "flows", flow)
        found = client.segments(flow_id, given["timerange"], urls=output == "json", **filters)
        _echo_list(found, limit, output, _SEGMENTS, _SEGMENTS_WIDE)


@segments.command("show")
@click.argument("flow")
@click.argument("which")
@_show_options
def show_segment(flow: str, which: str, url: str | None, token: str | None, output: str) -> None:
    """Show the segment of FLOW at a time, a TAMS timestamp, or the first that uses an object, by its id."""
    with client_of(url, token) as client:
        timerange, filters = _instant(which)
        found = client.segments(id_of(client, "flows", flow), timerange, urls=True, **filters)
        segment = next(found, None)
        if segment is None:
            raise NotFound(f"flow {flow!r} has no segment {'at' if timerange else 'that uses object'} {which}")
        _echo_one(segment, output)


def _instant(which: str) -> tuple[TimeRange | None, dict[str, str]]:
    """A timestamp as a time range, or an object id as a filter."""
    try:
        ns = parse_timestamp(which)
    except InvalidTimestamp:
        return None, {"object_id": which, "limit": "1"}
    return TimeRange(ns, ns + 1), {"limit": "1"}


def _gone(given: str) -> NoReturn:
    raise NotFound(f"{given!r} has just been deleted")


COMMANDS = (sources, flows, segments)
