"""Flows out of a store, into one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

from tams_data.client import Flow, Segment, TamsClient
from tams_data.errors import FlowNotFound
from tams_data.essence import Joined, join
from tams_data.timerange import TimeRange, parse_timestamp
from tams_data.transfer import tracks
from tams_data.transfer.tracks import Stored

_IN_MEMORY = 8 << 20


def export(client: TamsClient, flow_id: str, output: Path, timerange: TimeRange | None = None) -> Joined:
    """Write what a flow has in a time range into a file: one flow, or the members of a multi-essence flow together.

    How exact the ends are is told in `tams_data.essence.join`. `FlowNotFound` for an id that the service does not have;
    `InvalidInput` for a flow without video and audio, an unknown kind of file, or a range with nothing in it;
    `RequestFailed` and `UnreadableMedia` when an object cannot be had or read.
    """
    members = tracks.members(partial(find_flow, client), flow_id)
    with ExitStack() as stack:
        opened = tracks.opened(members, lambda of: stored(client, of, timerange), stack)
        return join(opened, output, timerange)


def find_flow(client: TamsClient, flow_id: str) -> Flow:
    """A flow.

    :raise FlowNotFound: the service has none with this id.
    """
    flow = client.find_flow(flow_id)
    if flow is None:
        raise FlowNotFound(f"no flow {flow_id} at {client.url}")
    return flow


def stored(client: TamsClient, flow_id: str, timerange: TimeRange | None) -> Iterator[Stored]:
    """Yield the segments of a flow that share time with a range (default: all), in order, each with how to fetch it."""
    for segment in client.segments(flow_id, timerange):
        place = TimeRange.parse(segment["timerange"], field="timerange")
        offset_ns = parse_timestamp(segment.get("ts_offset", "0:0"), field="ts_offset")
        yield Stored(place, offset_ns, partial(_fetch, client, segment))


def _fetch(client: TamsClient, segment: Segment) -> IO[bytes]:
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
