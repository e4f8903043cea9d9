"""The boxes of MP4 (ISO 14496-12), as far as FFmpeg does not set them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction

_SIZE_AND_KIND = struct.Struct(">I4s")
_TICKS = struct.Struct(">II")  # of a full box of version 0: how many ticks a second has, and how many it lasts
_TO_TICKS = _SIZE_AND_KIND.size + 12  # behind version and flags, and two dates
_MOST = 2**32 - 1


def with_duration(header: bytes, seconds: Fraction) -> bytes:
    """Return the beginning of a fragmented MP4 with the duration of its movie and tracks set.

    FFmpeg leaves it 0 there, as all media is in fragments. Then a player that is not given the file's length shows
    what it has read so far as the whole.
    """
    told = bytearray(header)
    for start, end in _inside(header, b"moov", 0, len(header)):
        tracks = list(_inside(header, b"trak", start, end))
        media = [place for track in tracks for place in _inside(header, b"mdia", *track)]
        headers = [at for place in media for at, _ in _inside(header, b"mdhd", *place)]
        for at in [*(at for at, _ in _inside(header, b"mvhd", start, end)), *headers]:
            _set(told, at - _SIZE_AND_KIND.size + _TO_TICKS, seconds)
    return bytes(told)


def _set(told: bytearray, at: int, seconds: Fraction) -> None:
    rate, _ = _TICKS.unpack_from(told, at)
    _TICKS.pack_into(told, at, rate, min(round(seconds * rate), _MOST))


def _inside(data: bytes, wanted: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the contents of the boxes of a kind begin and end, between two places."""
    while start + _SIZE_AND_KIND.size <= end:
        size, kind = _SIZE_AND_KIND.unpack_from(data, start)
        if size < _SIZE_AND_KIND.size:  # to the end of the file, or of 64 bits: not in a header
            return
        if kind == wanted:
            yield start + _SIZE_AND_KIND.size, min(start + size, end)
        start += size
