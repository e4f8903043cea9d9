"""HLS playlists as inputs (RFC 8216): their segments, one after another, are one stream of bytes.

MPEG-TS segments in a row are a transport stream, and an initialisation section with fragments behind it is a
fragmented MP4. So FFmpeg reads a `Chain` of segments like a file, and a playlist needs no demultiplexer of its own.

What a playlist says, and what becomes of it here:

- EXT-X-DISCONTINUITY, and a change of EXT-X-MAP, end a run. The runs follow each other without a gap on the flow's
  timeline, as a player would show them, whatever time stamps each of them has.
- Of a multivariant playlist the variant with the highest bandwidth is taken, with the default audio rendition of its
  group, or the first.
- Without EXT-X-ENDLIST the playlist is live: the segments it lists now are taken, with a notice.
- EXT-X-KEY: encrypted segments are refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import av
import httpx
import m3u8
from av.container import InputContainer

from tams_data.errors import UnreadableMedia
from tams_data.essence.inputs import Digest, Input, is_url, readable
from tams_data.essence.timing import to_ns

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Resource:
    """A file or URL, or a range of its bytes."""

    location: str
    offset: int = 0
    length: int | None = None

    def read(self) -> bytes:
        """Return the bytes. `UnreadableMedia` when they cannot be had, or are fewer than the range has."""
        data = _fetch(self) if is_url(self.location) else _read(self)
        if self.length is not None and len(data) != self.length:
            raise UnreadableMedia(f"{self.location}: {len(data)} bytes at {self.offset}, not {self.length}")
        return data


@dataclass(frozen=True, slots=True)
class Chain:
    """Segments that are one stream of bytes. An `Input`."""

    name: str
    resources: tuple[Resource, ...]

    def open(self) -> InputContainer:
        return av.open(_ChainReader(self.resources), "r")

    def check_ending(self, container: InputContainer, end: Fraction) -> None:
        """Do nothing: a segment that is missing or short has already raised."""

    def update(self, digest: Digest) -> None:
        for resource in self.resources:
            digest.update(f"{resource.location}@{resource.offset}".encode() if is_url(resource.location) else b"")
            if not is_url(resource.location):
                digest.update(resource.read())


class _ChainReader(io.RawIOBase):
    """Reads resources one after another, each when the one before is used up."""

    def __init__(self, resources: tuple[Resource, ...]) -> None:
        self._waiting = iter(resources)
        self._current = io.BytesIO()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while not (data := self._current.read(size)):
            following = next(self._waiting, None)
            if following is None:
                return b""
            self._current = io.BytesIO(following.read())
        return data


@dataclass(frozen=True, slots=True)
class Playlist:
    """What to read of a playlist: its runs, each one or two inputs on one timeline, and what a person should know."""

    runs: tuple[tuple[Input, ...], ...]
    notices: tuple[str, ...]
    duration_ns: int


def is_playlist(location: str) -> bool:
    """Whether the location names an HLS playlist.

    >>> is_playlist("https://example.com/live/index.m3u8?token=x")
    True
    """
    path = urlsplit(location).path if is_url(location) else location
    return path.lower().endswith((".m3u8", ".m3u"))


def load(location: str) -> Playlist:
    """Read a playlist, media or multivariant. `UnreadableMedia` when that fails, or nothing can be taken from it."""
    playlist = _parse(location)
    if not playlist.is_variant:
        return _of_media([(location, playlist)])
    chosen = [(where, _parse(where)) for where in _chosen(location, playlist)]
    return _of_media(chosen)


def _of_media(playlists: list[tuple[str, m3u8.M3U8]]) -> Playlist:
    columns = [_chains(location, playlist) for location, playlist in playlists]
    runs = list(zip_longest(*columns))
    if any(None in run for run in runs):
        names = " and ".join(location for location, _ in playlists)
        raise UnreadableMedia(f"{names} have different numbers of discontinuities: {[len(c) for c in columns]}")
    live = [location for location, playlist in playlists if not playlist.is_endlist]
    notices = tuple(f"{location} is live: the segments that it lists now are taken" for location in live)
    duration_ns = sum(to_ns(Fraction(str(segment.duration or 0))) for segment in playlists[0][1].segments)
    return Playlist(tuple(runs), notices, duration_ns)


def _chosen(location: str, multivariant: m3u8.M3U8) -> list[str]:
    if not multivariant.playlists:
        raise UnreadableMedia(f"{location}: a multivariant playlist without variants")
    best = max(multivariant.playlists, key=lambda variant: variant.stream_info.bandwidth or 0)
    group = [media for media in best.media if media.type == "AUDIO" and media.uri]
    group.sort(key=lambda media: media.default != "YES")
    return [_resolve(location, item.uri) for item in (best, *group[:1])]


def _chains(location: str, playlist: m3u8.M3U8) -> list[Chain]:
    if not playlist.segments:
        raise UnreadableMedia(f"{location}: the playlist has no segments")
    runs: list[list[Resource]] = []
    section: Resource | None = None
    for segment, resource in zip(playlist.segments, _ranges(location, playlist), strict=True):
        _refuse_encrypted(location, segment)
        needed = _section(location, segment)
        if not runs or segment.discontinuity or needed != section:
            runs.append([needed] if needed else [])
            section = needed
        runs[-1].append(resource)
    return [Chain(location, tuple(run)) for run in runs]


def _refuse_encrypted(location: str, segment: m3u8.Segment) -> None:
    if segment.key is not None and segment.key.method not in (None, "", "NONE"):
        raise UnreadableMedia(f"{location}: segment {segment.uri} is encrypted ({segment.key.method})")


def _section(location: str, segment: m3u8.Segment) -> Resource | None:
    section = segment.init_section
    if section is None:
        return None
    return _ranged(_resolve(location, section.uri), section.byterange, 0)


def _ranges(location: str, playlist: m3u8.M3U8) -> Iterator[Resource]:
    # A byte range without an offset begins where the one before ended (RFC 8216, 4.3.2.2).
    end = 0
    for segment in playlist.segments:
        resource = _ranged(_resolve(location, segment.uri), segment.byterange, end)
        end = resource.offset + (resource.length or 0)
        yield resource


def _ranged(location: str, byterange: str | None, default_offset: int) -> Resource:
    if not byterange:
        return Resource(location)
    length, _, offset = byterange.partition("@")
    return Resource(location, int(offset) if offset else default_offset, int(length))


def _parse(location: str) -> m3u8.M3U8:
    text = Resource(location).read().decode("utf-8", errors="replace")
    if not text.lstrip("\ufeff \r\n").startswith("#EXTM3U"):
        raise UnreadableMedia(f"{location}: not an HLS playlist (it does not begin with #EXTM3U)")
    try:
        return m3u8.loads(text)
    except (m3u8.ParseError, ValueError) as error:
        raise UnreadableMedia(f"{location}: {error}") from error


def _resolve(playlist: str, uri: str) -> str:
    if is_url(uri) or is_url(playlist):
        return urljoin(playlist, uri)
    return str(Path(playlist).parent / unquote(uri))


def _read(resource: Resource) -> bytes:
    with readable(resource.location), Path(resource.location).open("rb") as file:
        file.seek(resource.offset)
        return file.read(-1 if resource.length is None else resource.length)


def _fetch(resource: Resource) -> bytes:
    headers = {}
    if resource.length is not None:
        headers["Range"] = f"bytes={resource.offset}-{resource.offset + resource.length - 1}"
    try:
        response = httpx.get(resource.location, headers=headers, follow_redirects=True, timeout=_TIMEOUT_S)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise UnreadableMedia(f"{resource.location}: {error}") from error
    return response.content
