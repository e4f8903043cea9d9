"""A stretch of a flow for a browser, remuxed while it is sent: from the rows and the media of the store itself."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeAlias

import orjson

from tams_data.engines.base import Reader
from tams_data.errors import InvalidInput, NotPlayable, ObjectNotFound
from tams_data.essence import stream
from tams_data.media import MediaStore, Stream
from tams_data.media.remote import Incoming
from tams_data.media.uploads import CHUNK
from tams_data.queries import flows as flow_queries
from tams_data.queries import segments as queries
from tams_data.store.reading import flow_row, flow_rows, objects_with_instances
from tams_data.timerange import NS_PER_SECOND, TimeRange
from tams_data.transfer import tracks
from tams_data.transfer.tracks import Member, Stored

Fetch: TypeAlias = Callable[..., AbstractContextManager[Incoming]]
"""The bytes at a URL, at most `most_bytes`, as `media.remote.fetch` gives them."""

LONGEST_NS = 120 * NS_PER_SECOND
"""How much of a timeline one stretch shows at most."""

MOST_SEGMENTS = 5000
"""How many segments of one flow a stretch is made of at most."""

LARGEST_OBJECT = 2**29
"""The largest object that is remuxed, in bytes: all packets of an object are in memory while it is."""

PLAYABLE = frozenset(
    {
        "audio/aac",
        "audio/flac",
        "audio/mpeg",
        "audio/opus",
        "video/av1",
        "video/h264",
        "video/h265",
        "video/vp9",
    }
)
"""What both MP4 holds and a browser may play; which of them one does depends on its build and its machine."""

_IN_MEMORY = 8 << 20


class Stretch:
    """What a flow has in a time range, as a fragmented MP4. Its rows are read when it is made, its media by `chunks`.

    A multi-essence flow gives the first video and the first audio that it collects. How exact the ends are is told in
    `tams_data.essence.join`; what is missing in the store is missing, at its place.
    """

    def __init__(
        self,
        reader: Reader,
        media: Mapping[str, MediaStore],
        flow_id: str,
        timerange: TimeRange | None = None,
        *,
        fetch: Fetch,
    ) -> None:
        """`timerange` is that of the flow by default; `fetch` gives the bytes at a URL outside.

        :raise FlowNotFound: there is none with this id.
        :raise NotPlayable: no browser plays its codec, from MP4.
        :raise InvalidInput: it is neither video nor audio, or the range has nothing, or more than `LONGEST_NS`, in it.
        """
        self._members = _first_of_each_kind(tracks.members(partial(_flow, reader), flow_id))
        for member in self._members:
            _check_codec(member)
        places = {member.stored_in for member in self._members}
        self.timerange = _bounded(timerange or TimeRange.eternity(), [flow_row(reader, one) for one in places])
        self._segments = {
            one: list(_segments(reader, partial(_fetched, media, fetch), one, self.timerange)) for one in places
        }

    @property
    def content_type(self) -> str:
        """Its media type."""
        return "video/mp4" if any(member.kind == "video" for member in self._members) else "audio/mp4"

    def chunks(self) -> Generator[bytes, None, None]:
        """Yield the file, piece by piece; closing the generator ends all that it started.

        :raise InvalidInput: the range has nothing in it, or MP4 cannot hold it after all.
        :raise ObjectNotFound, FetchFailed, MediaStoreFailed, UnreadableMedia: an object cannot be had, or read.
        """
        with ExitStack() as stack:
            opened = tracks.opened(self._members, self._segments.__getitem__, stack)
            yield from stream(opened, self.timerange)


def _first_of_each_kind(members: Iterable[Member]) -> list[Member]:
    first: dict[str, Member] = {}
    for member in members:
        first.setdefault(member.kind, member)
    return list(first.values())


def _check_codec(member: Member) -> None:
    codec = member.flow.get("codec")
    if codec not in PLAYABLE:
        raise NotPlayable(
            f"no browser plays {codec} from MP4, which flow {member.flow['id']} is in", field="codec", value=codec
        )


def _bounded(wanted: TimeRange, rows: Iterable[Mapping[str, Any]]) -> TimeRange:
    """The part of a range in which flows have anything.

    :raise InvalidInput: it is longer than a stretch may be, or there is none.
    """
    known = [TimeRange(row["start_ns"], row["end_ns"]) for row in rows if row["start_ns"] is not None]
    shown = TimeRange.never()
    for one in known:
        shown = shown.extend(one.intersection(wanted))
    if shown.is_never:
        raise InvalidInput(f"there are no segments in {wanted}", field="timerange", value=str(wanted))
    if shown.end_ns - shown.start_ns > LONGEST_NS:
        seconds = LONGEST_NS // NS_PER_SECOND
        raise InvalidInput(f"a stretch is {seconds} s at most, not {shown}", field="timerange", value=str(wanted))
    return shown


def _flow(reader: Reader, flow_id: str) -> dict[str, Any]:
    """What of a flow decides how it is stored and shown, as the JSON of TAMS has it."""
    row = flow_row(reader, flow_id)
    flow = {name: row[name] for name in ("id", "format", "codec", "container")}
    parsed = {name: _parsed(row[name]) for name in ("tags", "essence_parameters", "container_mapping")}
    return {**flow, **parsed, "flow_collection": [_member(one) for one in _collected(reader, flow_id)]}


def _collected(reader: Reader, flow_id: str) -> list[dict[str, Any]]:
    """What a flow collects, as far as it is there for who asks."""
    rows = reader.rows(flow_queries.members, {"ids": [flow_id]})
    there = flow_rows(reader, [row["member_id"] for row in rows])
    return [row for row in rows if row["member_id"] in there]


def _member(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": row["member_id"], "container_mapping": _parsed(row["container_mapping"])}


def _parsed(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _segments(
    reader: Reader, fetched: Callable[[Sequence[Mapping[str, Any]]], IO[bytes]], flow_id: str, window: TimeRange
) -> Iterator[Stored]:
    bounds = {"flow_id": flow_id, "start_ns": window.start_ns, "end_ns": window.end_ns}
    rows = reader.rows(queries.page, bounds, limit=MOST_SEGMENTS + 1)
    if len(rows) > MOST_SEGMENTS:
        raise InvalidInput(
            f"flow {flow_id} has more than {MOST_SEGMENTS} segments in {window}", field="timerange", value=str(window)
        )
    objects = objects_with_instances(reader, {row["object_key"] for row in rows})
    inits = objects_with_instances(reader, {one["init_object_key"] for one in objects.values()} - {None})
    for row in rows:
        used = objects[row["object_key"]]
        init = inits.get(used["init_object_key"])
        parts = [used] if init is None else [init, used]
        yield Stored(TimeRange(row["start_ns"], row["end_ns"]), row["ts_offset_ns"] or 0, partial(fetched, parts))


# --- objects ---------------------------------------------------------------------------------------------------------


def _fetched(media: Mapping[str, MediaStore], fetch: Fetch, parts: Sequence[Mapping[str, Any]]) -> IO[bytes]:
    """The bytes of objects, one behind the other, as a file."""
    file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # closed by whoever reads the piece
    try:
        for part in parts:
            with _incoming(media, fetch, part) as incoming:
                file.writelines(iter(partial(incoming.read, CHUNK), b""))
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


@contextmanager
def _incoming(media: Mapping[str, MediaStore], fetch: Fetch, of: Mapping[str, Any]) -> Iterator[Stream]:
    """The bytes of an object, from the first place that has them: a backend of the service, else a URL outside."""
    for instance in of["instances"]:
        backend = media.get(instance["storage_id"])
        if backend is not None and backend.stat(of["id"]) is not None:
            with backend.open(of["id"]) as opened:
                _check_size(of["id"], opened.stat.size_bytes)
                yield opened.file
                return
    url = next((one["url"] for one in of["instances"] if one["url"] is not None), None)
    if url is None:
        raise ObjectNotFound(f"no bytes are stored for object {of['id']!r}")
    with fetch(url, most_bytes=LARGEST_OBJECT) as incoming:
        yield incoming.stream


def _check_size(object_id: str, size_bytes: int) -> None:
    if size_bytes > LARGEST_OBJECT:
        raise NotPlayable(
            f"object {object_id!r} has {size_bytes} bytes; at most {LARGEST_OBJECT} are remuxed",
            field="object_id",
            value=object_id,
        )
