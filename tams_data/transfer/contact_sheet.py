"""Pictures of a stretch of a flow, fetched from a service: what to look at before anybody plays it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from tams_data.client import TamsClient
from tams_data.errors import InvalidInput
from tams_data.essence.pictures import Picture, pictures_at
from tams_data.timerange import TimeRange
from tams_data.transfer import tracks
from tams_data.transfer.export import find_flow, stored
from tams_data.transfer.tracks import Stored


def contact_sheet(
    client: TamsClient, flow_id: str, timerange: TimeRange, *, count: int, width: int = 320
) -> list[Picture]:
    """Return the pictures that are shown in the middles of `count` equal parts of a range, `width` pixels across.

    Of a multi-essence flow they are those of the first video that it collects. Only the objects that hold one of them
    are fetched. Where the flow has no picture there is none: the list may be shorter.

    :raise FlowNotFound: the service has none with this id.
    :raise InvalidInput: the flow is no video, or the range has an open end.
    :raise RequestFailed, UnreadableMedia: an object cannot be had, or read.
    """
    instants = middles(timerange, count)
    videos = [one for one in tracks.members(partial(find_flow, client), flow_id) if one.kind == "video"]
    if not videos:
        raise InvalidInput(f"flow {flow_id} has no video", field="flow_id", value=flow_id)

    def needed(of: str) -> Iterator[Stored]:
        for one in stored(client, of, timerange):
            if any(one.timerange.contains_instant(instant) for instant in instants):
                yield one

    with ExitStack() as stack:
        (track,) = tracks.opened(videos[:1], needed, stack)
        return list(pictures_at(track, instants, width=width))


def middles(timerange: TimeRange, count: int) -> list[int]:
    """The middle of each of `count` equal parts of a range, ns.

    >>> middles(TimeRange(0, 100), 2)
    [25, 75]

    :raise InvalidInput: the range has an open end, or `count` is less than one.
    """
    length_ns = timerange.length_ns
    if length_ns is None or count < 1:
        message = f"{count} pictures of {timerange}: at least one, of a range with two ends"
        raise InvalidInput(message, field="timerange", value=str(timerange))
    return [timerange.start_ns + length_ns * (2 * number + 1) // (2 * count) for number in range(count)]
