"""`/flows/{id}/hls.m3u8`: flows as playlists, for players. An extension; TAMS has no such path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from pydantic import Field

from api import media
from api.access.admission import CREDENTIALS, url_tokens
from api.openapi import TEXT, answers, blueprint
from api.paging import base_url
from api.paths import FlowPath
from api.state import store
from api.urls import GetUrlsQuery, UrlMaker
from api.validation import Query, validated
from tams_data import playlist
from tams_data.engines.base import Reader
from tams_data.errors import InvalidInput
from tams_data.playlist import Entry, Rendition
from tams_data.queries import segments as queries
from tams_data.resources import flows_of
from tams_data.store.reading import flow_row, flow_rows, objects_with_instances
from tams_data.timerange import TimeRange

bp = blueprint("playlists", "Flows for players: an extension of TAMS")

MOST_SEGMENTS = 5000
"""How many segments of a flow that is complete are listed: some five to fourteen hours. The first ones."""

MOST_LIVE_SEGMENTS = 500
"""How many segments of a flow that still grows are listed, each time a player comes back. The last ones."""

VIDEO, AUDIO, MULTI = "urn:x-nmos:format:video", "urn:x-nmos:format:audio", "urn:x-nmos:format:multi"

_GROWING = ("awaiting_content", "ingesting")

# FFmpeg, and the players made of it, refuse segments whose URL does not end like the media that is in them.
_SUFFIXES = {
    "audio/aac": ".aac",
    "audio/mp4": ".mp4",
    "audio/mpeg": ".mp3",
    "video/iso.segment": ".m4s",
    "video/mp2t": ".ts",
    "video/mp4": ".mp4",
}


class PlaylistQuery(Query):
    """What to play."""

    timerange: str | None = Field(None, description="Only segments that share time with this time range; default: all")


@bp.get(
    "/flows/<flow_id>/hls.m3u8",
    responses=answers(
        400,
        404,
        status_200={"description": "A playlist", "content": {playlist.CONTENT_TYPE: {"schema": TEXT}}},
    ),
)
@validated
def get_hls_playlist(path: FlowPath, query: PlaylistQuery) -> Response:
    """A flow as an HLS playlist, with presigned URLs: an extension of TAMS.

    A video or audio flow, or a multi-essence flow with objects of its own, is a media playlist. Any other multi-essence
    flow is a multivariant playlist: each video it collects is a variant, with the audio that it collects. Dates are
    UTC, and gaps are discontinuities. HLS lists whole objects: where a segment uses part of one, all of it is shown.
    Of a flow that is complete, the first 5000 segments in the time range are listed, with a comment when there are
    more. While a flow is `ingesting` and the time range has no end before its own, the last 500 are, and the playlist
    goes on.

    :raise FlowNotFound: there is none with this id.
    :raise InvalidInput: the flow is neither video nor audio, or the time range is none.
    """
    window = TimeRange.eternity() if query.timerange is None else TimeRange.parse(query.timerange, field="timerange")
    with store().database.snapshot() as reader:
        row = flow_row(reader, path.flow_id)
        if row["format"] == MULTI and row["container"] is None:
            text = _multivariant(reader, row)
        else:
            _check_format(row)
            text = _media(reader, row, window)
    return Response(text, content_type=playlist.CONTENT_TYPE)


def _check_format(row: Mapping[str, Any]) -> None:
    if row["format"] not in (VIDEO, AUDIO, MULTI):
        raise InvalidInput(f"flow {row['id']} is neither video nor audio", field="format", value=row["format"])


# --- one flow --------------------------------------------------------------------------------------------------------


def _media(reader: Reader, row: Mapping[str, Any], window: TimeRange) -> str:
    growing = row["status"] in _GROWING and (row["end_ns"] is None or window.end_ns > row["end_ns"])
    most = MOST_LIVE_SEGMENTS if growing else MOST_SEGMENTS
    bounds = {"flow_id": row["id"], "start_ns": window.start_ns, "end_ns": window.end_ns}
    # What no window can be: a query with it would find what lies around the epoch.
    found = [] if window.is_never else reader.rows(queries.page, bounds, reverse=growing, limit=most + 1)
    listed = found[:most][::-1] if growing else found[:most]
    entries = _entries(reader, listed, row["container"])
    target_ns = row["longest_ns"] or 0
    if not growing:
        note = _note(found[most]) if len(found) > most else None
        return playlist.media_playlist(entries, ended=True, least_target_ns=target_ns, note=note)
    number, run = (0, 0) if len(found) <= most else _before(reader, bounds, listed[0]["start_ns"])
    return playlist.media_playlist(entries, ended=False, least_target_ns=target_ns, number=number, run=run)


def _note(following: Mapping[str, Any]) -> str:
    rest = TimeRange(following["start_ns"], TimeRange.eternity().end_ns)
    return f"No more than {MOST_SEGMENTS} segments are listed; ask for the others with timerange={rest}"


def _before(reader: Reader, bounds: Mapping[str, Any], first_ns: int) -> tuple[int, int]:
    """How many entries, and runs of them, of the window come before the first that is listed."""
    values = {**bounds, "end_ns": first_ns + 1, "seam_ns": playlist.SEAMLESS_NS}
    (counted,) = reader.rows(queries.runs, values)
    return counted["entries"] - 1, counted["runs"] - 1


def _entries(reader: Reader, rows: list[dict[str, Any]], container: str | None) -> list[Entry]:
    objects = objects_with_instances(reader, {row["object_key"] for row in rows})
    inits = objects_with_instances(reader, {one["init_object_key"] for one in objects.values()} - {None})
    urls, suffix = UrlMaker(GetUrlsQuery()), _SUFFIXES.get(container or "", "")
    uris = {key: _uri(urls, one, suffix) for key, one in objects.items()}
    init_uris = {key: _uri(urls, one, ".mp4") for key, one in inits.items()}
    urls.count()
    return [
        _entry(row, objects[row["object_key"]], uri, init_uris)
        for row in rows
        if (uri := uris[row["object_key"]]) is not None
    ]


def _entry(row: Mapping[str, Any], used: Mapping[str, Any], uri: str, init_uris: Mapping[int, str | None]) -> Entry:
    offset_ns, init_key = row["ts_offset_ns"] or 0, used["init_object_key"]
    whole = TimeRange(used["start_ns"], used["end_ns"])
    # Of an object that says no ends of its own, the segment's part is all that is known.
    known = TimeRange(row["start_ns"], row["end_ns"]) if whole.length_ns is None else whole.shift(offset_ns)
    return Entry(used["key"], uri, known.start_ns, known.end_ns, offset_ns, init_uris.get(init_key), init_key)


def _uri(urls: UrlMaker, of: Mapping[str, Any], suffix: str) -> str | None:
    """Where a player gets an object: presigned if there is such a URL, as it has no credentials; None if nowhere."""
    best = min(urls.get_urls(of) or [], key=lambda one: not one["presigned"], default=None)
    return None if best is None else media.named(best["url"], suffix, base_url=base_url())


# --- a collection ----------------------------------------------------------------------------------------------------


def _multivariant(reader: Reader, row: Mapping[str, Any]) -> str:
    members = flows_of(reader, [row])[0].get("flow_collection", [])
    rows = flow_rows(reader, [member["id"] for member in members])
    flows = {flow["id"]: flow for flow in flows_of(reader, list(rows.values()))}
    # Not every member need be one that the caller sees.
    seen = [member for member in members if member["id"] in flows]
    renditions = [_rendition(member, flows[member["id"]], rows[member["id"]]) for member in seen]
    of_format = {wanted: [one for one in renditions if one.flow["format"] == wanted] for wanted in (VIDEO, AUDIO)}
    if not (of_format[VIDEO] or of_format[AUDIO]):
        raise InvalidInput(f"flow {row['id']} collects neither video nor audio", field="flow_collection")
    return playlist.multivariant_playlist(of_format[VIDEO], of_format[AUDIO])


def _rendition(member: Mapping[str, Any], flow: Mapping[str, Any], row: Mapping[str, Any]) -> Rendition:
    # Relative, and with the query of this request: a player asks for it with the same time range and token.
    given = [*request.args.items(), *((CREDENTIALS, one) for one in url_tokens())]
    query = f"?{urlencode(given)}" if given else ""
    name = member.get("role") or flow.get("label") or flow["id"]
    return Rendition(f"../{flow['id']}/hls.m3u8{query}", flow, name, _bit_rate(row))


def _bit_rate(row: Mapping[str, Any]) -> int:
    """The peak bit rate of a flow in bit/s: what its metadata say, or what its segments weigh on average."""
    said = row["max_bit_rate"] or row["avg_bit_rate"]
    if said:
        return int(said) * 1000
    return (row["size_bytes"] or 0) * 8 * 10**9 // (row["covered_ns"] or 1) or 1
