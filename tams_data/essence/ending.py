"""Whether a file ends as its container says it should.

FFmpeg stops without an error at the end of a file that was cut short, and passes over bytes it cannot read. For an
archive both are a loss that must be told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer

from tams_data.errors import UnreadableMedia

_TS_SYNC = 0x47
_TS_PACKET_SIZES = (188, 192, 204)  # plain; with a time stamp before (M2TS); with error correction behind
_TAIL_PACKETS = 64
_TIME_BASE = 1_000_000  # AV_TIME_BASE: FFmpeg gives a container's duration in microseconds
_TOLERANCE = Fraction(1)
_EBML_SEGMENT = b"\x18\x53\x80\x67"


def check_ending(path: Path, container: InputContainer, end: Fraction) -> None:
    """Raise `UnreadableMedia` if a file is truncated or ends in something else than media.

    Known are MPEG-TS, the MP4 family, and Matroska; other formats pass. `end` is the last presentation time that was
    read, in seconds.
    """
    formats = container.format.name.split(",")
    with path.open("rb") as file:
        if "mpegts" in formats:
            problem = _mpegts_problem(file)
        elif "mp4" in formats:
            problem = _boxes_problem(file)
        elif "matroska" in formats:
            problem = _matroska_problem(file) or _missing_time(container, end)
        else:
            problem = None
    if problem is not None:
        raise UnreadableMedia(f"{path}: {problem}")


def _missing_time(container: InputContainer, end: Fraction) -> str | None:
    declared = Fraction(container.duration or 0, _TIME_BASE)
    if declared - end < _TOLERANCE:
        return None
    return f"its media end after {round(end * 1000)} ms, not {round(declared * 1000)} ms; the rest cannot be read"


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _mpegts_problem(file: BinaryIO) -> str | None:
    # Each packet begins with the same byte. Its place in the packet follows from the first one of the file.
    sizes = [size for size in _TS_PACKET_SIZES if _in_step(file, size)]
    if not sizes:
        return None  # FFmpeg found packets where there is no order to check
    packets, rest = divmod(_size(file), sizes[0])
    first = max(0, packets - _TAIL_PACKETS)
    for number in range(first, packets):
        if not _starts_packet(file, number, sizes[0]):
            return f"no transport stream packet at byte {number * sizes[0]}; the file ends in something else"
    if rest:
        return f"the last transport stream packet has {rest} of {sizes[0]} bytes; the file was cut short"
    return None


def _in_step(file: BinaryIO, size: int) -> bool:
    return all(_starts_packet(file, number, size) for number in range(5))


def _starts_packet(file: BinaryIO, number: int, size: int) -> bool:
    file.seek(number * size + (4 if size == 192 else 0))
    return file.read(1) == bytes((_TS_SYNC,))


def _boxes_problem(file: BinaryIO) -> str | None:
    end = _size(file)
    for kind, start, box_end in _boxes(file, end):
        if not kind.isalnum():
            return f"no box at byte {start}; the file ends in something else"
        if box_end > end:
            return f"box {kind.decode()!r} at byte {start} lacks its last {box_end - end} bytes; the file was cut short"
    return None


def _boxes(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the boxes at the top level (ISO/IEC 14496-12), up to one that runs past the end."""
    at = 0
    while at < end:
        file.seek(at)
        header = file.read(16).ljust(16, b"\x00")
        size = int.from_bytes(header[:4], "big")
        if size == 1:  # the size follows the kind, in 64 bits
            size = int.from_bytes(header[8:16], "big")
        elif size == 0:  # the box is the rest of the file
            size = end - at
        yield header[4:8], at, at + max(size, 8)
        at += max(size, 8)


def _matroska_problem(file: BinaryIO) -> str | None:
    end = _size(file)
    start, segment_end = _matroska_segment(file)
    if segment_end is None or segment_end == end:
        return None
    if segment_end > end:
        return f"the segment lacks its last {segment_end - end} bytes; the file was cut short"
    return f"{end - segment_end} bytes follow the segment of byte {start}; the file ends in something else"


def _matroska_segment(file: BinaryIO) -> tuple[int, int | None]:
    """Return where the segment starts and ends (RFC 8794). The end is None for a live recording that has no size."""
    file.seek(0)
    head = file.read(4096)
    at = head.find(_EBML_SEGMENT) + len(_EBML_SEGMENT)
    if at < len(_EBML_SEGMENT) or at >= len(head):
        return 0, None
    width = 9 - head[at].bit_length()  # the leading zeros of the first byte say how many bytes the size has
    size = int.from_bytes(head[at : at + width], "big") & ((1 << 7 * width) - 1)
    unknown = size == (1 << 7 * width) - 1
    return at - len(_EBML_SEGMENT), None if unknown else at + width + size
