"""The flows of a store as tracks: which flows go together, and their objects, a few of which are fetched ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Any, TypeAlias, cast

from tams_data.errors import InvalidInput
from tams_data.essence import Piece, Track
from tams_data.essence.codecs import AUDIO_FORMAT, MULTI_FORMAT, VIDEO_FORMAT
from tams_data.essence.describe import Kind
from tams_data.timerange import TimeRange

_AHEAD = 3
_KINDS = {VIDEO_FORMAT: "video", AUDIO_FORMAT: "audio"}

FindFlow: TypeAlias = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    """A segment. `fetch` gives the bytes of its object as a file, behind those of its initialisation object if any."""

    timerange: TimeRange
    ts_offset_ns: int
    fetch: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Member:
    """A mono-essence flow, the flow whose segments hold it, and where in their objects it is (App note 0006)."""

    flow: Mapping[str, Any]
    stored_in: str
    mapping: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        """Whether it is video or audio."""
        return cast("Kind", _KINDS[self.flow["format"]])

    def track(self, pieces: Iterable[Piece]) -> Track:
        """The flow as a track of these pieces."""
        language = (self.flow.get("tags") or {}).get("language_code")
        return Track(
            kind=self.kind,
            pieces=pieces,
            step=_step(self.flow.get("essence_parameters") or {}),
            language=language if isinstance(language, str) else None,
            position=self.mapping.get("format_track_index", 0),
        )


def members(find: FindFlow, flow_id: str) -> list[Member]:
    """Return the mono-essence flows of a flow: itself, or those that a multi-essence flow collects.

    `find` gives a flow by its id, as the JSON of TAMS has it, or raises `FlowNotFound`. `InvalidInput` when it has
    neither video nor audio.
    """
    flow = find(flow_id)
    found = list(_members(find, flow))
    if not found:
        raise InvalidInput(f"flow {flow_id} has neither video nor audio", field="format", value=flow["format"])
    return found


def _members(find: FindFlow, flow: Mapping[str, Any]) -> Iterator[Member]:
    if flow["format"] != MULTI_FORMAT:
        if flow["format"] in _KINDS:
            yield Member(flow, flow["id"], flow.get("container_mapping") or {})
        return
    for item in flow.get("flow_collection") or ():
        member = find(item["id"])
        if member["format"] in _KINDS:
            stored_in = member if member.get("container") else flow
            mapping = item.get("container_mapping") or member.get("container_mapping") or {}
            yield Member(member, stored_in["id"], mapping)


def opened(found: Iterable[Member], segments: Callable[[str], Iterable[Stored]], stack: ExitStack) -> list[Track]:
    """Return flows as tracks of what `segments` says is stored in one, in order.

    What they fetch ahead is given up, and closed, with `stack`.
    """
    pool = stack.enter_context(ThreadPoolExecutor(2 * _AHEAD, "tams-download"))
    return [member.track(stack.enter_context(closing(_pieces(segments(member.stored_in), pool)))) for member in found]


def _step(essence: Mapping[str, Any]) -> Fraction | None:
    """Return the time between two pictures, or two coded audio frames, in seconds, if it is constant and known."""
    if rate := essence.get("frame_rate"):
        return Fraction(rate.get("denominator", 1), rate["numerator"])
    frame_size = (essence.get("codec_parameters") or {}).get("coded_frame_size")
    return Fraction(frame_size, essence["sample_rate"]) if frame_size and "sample_rate" in essence else None


def _pieces(segments: Iterable[Stored], pool: ThreadPoolExecutor) -> Generator[Piece, None, None]:
    fetching: deque[tuple[Stored, Future[IO[bytes]]]] = deque()
    try:
        for segment in segments:
            fetching.append((segment, pool.submit(segment.fetch)))
            if len(fetching) > _AHEAD:
                yield _piece(*fetching.popleft())
        while fetching:
            yield _piece(*fetching.popleft())
    finally:
        for _, future in fetching:
            if not future.cancel() and future.exception() is None:
                future.result().close()


def _piece(segment: Stored, fetched: Future[IO[bytes]]) -> Piece:
    return Piece(fetched.result(), segment.timerange, segment.ts_offset_ns)
