"""Flows out of a store, into one file."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from tams_data.client import Flow, Segment, TamsClient
from tams_data.errors import FlowNotFound, InvalidInput
from tams_data.essence import Joined, Piece, Track, join
from tams_data.essence.codecs import AUDIO_FORMAT, MULTI_FORMAT, VIDEO_FORMAT
from tams_data.essence.describe import Kind
from tams_data.timerange import TimeRange, parse_timestamp

_AHEAD = 3
_IN_MEMORY = 8 << 20
_KINDS = {VIDEO_FORMAT: "video", AUDIO_FORMAT: "audio"}


def export(client: TamsClient, flow_id: str, output: Path, timerange: TimeRange | None = None) -> Joined:
    """Write what a flow has in a time range into a file: one flow, or the members of a multi-essence flow together.

    How exact the ends are is told in `tams_data.essence.join`. `FlowNotFound` for an id that the service does not have;
    `InvalidInput` for a flow without video and audio, an unknown kind of file, or a range with nothing in it;
    `RequestFailed` and `UnreadableMedia` when an object cannot be had or read.
    """
    flow = _flow(client, flow_id)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(2 * _AHEAD, "tams-download"))
        tracks = [
            _track(member, stack.enter_context(closing(_pieces(client, stored_in, timerange, pool))), mapping)
            for member, stored_in, mapping in _members(client, flow)
        ]
        if not tracks:
            raise InvalidInput(f"flow {flow_id} has neither video nor audio", field="format", value=flow["format"])
        return join(tracks, output, timerange)


def _flow(client: TamsClient, flow_id: str) -> Flow:
    flow = client.find_flow(flow_id)
    if flow is None:
        raise FlowNotFound(f"no flow {flow_id} at {client.url}")
    return flow


def _members(client: TamsClient, flow: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """Yield the mono-essence flows, the flow whose segments hold each, and where in its objects (App note 0006)."""
    if flow["format"] != MULTI_FORMAT:
        if flow["format"] in _KINDS:
            yield flow, flow["id"], flow.get("container_mapping") or {}
        return
    for item in flow.get("flow_collection") or ():
        member = _flow(client, item["id"])
        if member["format"] in _KINDS:
            stored_in = member if member.get("container") else flow
            yield member, stored_in["id"], item.get("container_mapping") or member.get("container_mapping") or {}


def _track(flow: Mapping[str, Any], pieces: Iterator[Piece], mapping: Mapping[str, Any]) -> Track:
    language = (flow.get("tags") or {}).get("language_code")
    return Track(
        kind=cast("Kind", _KINDS[flow["format"]]),
        pieces=pieces,
        step=_step(flow.get("essence_parameters") or {}),
        language=language if isinstance(language, str) else None,
        position=mapping.get("format_track_index", 0),
    )


def _step(essence: Mapping[str, Any]) -> Fraction | None:
    """Return the time between two pictures, or two coded audio frames, in seconds, if it is constant and known."""
    if rate := essence.get("frame_rate"):
        return Fraction(rate.get("denominator", 1), rate["numerator"])
    frame_size = (essence.get("codec_parameters") or {}).get("coded_frame_size")
    return Fraction(frame_size, essence["sample_rate"]) if frame_size and "sample_rate" in essence else None


# --- objects ---------------------------------------------------------------------------------------------------------


def _pieces(
    client: TamsClient, flow_id: str, timerange: TimeRange | None, pool: ThreadPoolExecutor
) -> Generator[Piece, None, None]:
    """Yield the segments of a flow with their objects, a few of which are fetched ahead."""
    fetching: deque[tuple[Segment, Future[IO[bytes]]]] = deque()
    segments = client.segments(flow_id, timerange)
    try:
        for segment in segments:
            fetching.append((segment, pool.submit(_fetch, client, segment)))
            if len(fetching) > _AHEAD:
                yield _piece(*fetching.popleft())
        while fetching:
            yield _piece(*fetching.popleft())
    finally:
        for _, future in fetching:
            if not future.cancel() and future.exception() is None:
                future.result().close()


def _piece(segment: Segment, fetched: Future[IO[bytes]]) -> Piece:
    offset_ns = parse_timestamp(segment.get("ts_offset", "0:0"), field="ts_offset")
    return Piece(fetched.result(), TimeRange.parse(segment["timerange"], field="timerange"), offset_ns)


def _fetch(client: TamsClient, segment: Segment) -> IO[bytes]:
    """Return the bytes of an object as a file, behind those of its initialisation object if it has one."""
    file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # closed by whoever reads the piece
    try:
        if init := segment.get("init_object"):
            with SpooledTemporaryFile(max_size=_IN_MEMORY) as media:
                client.download(init, file)
                client.download(segment, media)
                media.seek(0)
                shutil.copyfileobj(media, file)
        else:
            client.download(segment, file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file
