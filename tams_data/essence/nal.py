"""NAL units: what H.264 and HEVC streams are made of, in both of their wrappings.

MP4 and Matroska put a length before each NAL unit and keep the parameter sets apart, in a configuration record
(`avcC`, `hvcC`: ISO/IEC 14496-15). MPEG-TS puts a start code before each and the parameter sets among them
(Annex B of H.264 and of HEVC).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_START_CODE = b"\x00\x00\x00\x01"
_SPS = {"h264": 7, "hevc": 33}
_PARAMETER_SETS = {"h264": {7, 8, 13}, "hevc": {32, 33, 34}}
_RECORD_ARRAYS_AT = 22  # hvcC: where the count of arrays stands


@dataclass(frozen=True, slots=True)
class AvcProfile:
    """The three bytes that name what a decoder must be able to do, as in the codec string `avc1.PPCCLL`."""

    profile: int
    flags: int
    level: int


def nal_type(codec: str, unit: bytes) -> int:
    """Return the type of a NAL unit."""
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def nal_units(data: bytes, length_size: int = 0) -> list[bytes]:
    """Return the NAL units of an access unit: after lengths of `length_size` bytes, or after start codes when 0."""
    return list(_after_lengths(data, length_size) if length_size else _after_start_codes(data))


def length_size(codec: str, extradata: bytes | None) -> int:
    """Return how many bytes the length before each NAL unit has, or 0 when the stream uses start codes."""
    if not extradata or extradata[0] != 1:  # a configuration record begins with its version, 1
        return 0
    return (extradata[4 if codec == "h264" else 21] & 3) + 1


def parameter_sets(codec: str, extradata: bytes | None) -> list[bytes]:
    """Return the parameter sets that are kept apart from the stream, or none."""
    if not extradata:
        return []
    if not length_size(codec, extradata):
        return [unit for unit in nal_units(extradata) if nal_type(codec, unit) in _PARAMETER_SETS[codec]]
    return list(_in_avcc(extradata) if codec == "h264" else _in_hvcc(extradata))


def avc_profile(extradata: bytes | None) -> AvcProfile | None:
    """Return what H.264's sequence parameter set says of profile and level, or None when there is none."""
    for unit in parameter_sets("h264", extradata):
        if nal_type("h264", unit) == _SPS["h264"] and len(unit) >= 4:
            return AvcProfile(profile=unit[1], flags=unit[2], level=unit[3])
    return None


def with_parameter_sets(codec: str, data: bytes, extradata: bytes | None) -> bytes:
    """Return an access unit that can be decoded first: with the parameter sets before it, unless it has its own.

    FFmpeg adds them before an IDR picture only; an open GOP begins with another kind, and an object may begin there.
    """
    if codec not in _SPS:
        return data
    size = length_size(codec, extradata)
    if any(nal_type(codec, unit) == _SPS[codec] for unit in nal_units(data, size) if unit):
        return data
    sets = parameter_sets(codec, extradata)
    return b"".join((len(unit).to_bytes(size, "big") if size else _START_CODE) + unit for unit in sets) + data


def _after_lengths(data: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at + size <= len(data):
        end = at + size + int.from_bytes(data[at : at + size], "big")
        yield data[at + size : end]
        at = end


def _after_start_codes(data: bytes) -> Iterator[bytes]:
    mark = _START_CODE[1:]  # a start code has two zeros or more
    at = data.find(mark)
    while at >= 0:
        following = data.find(mark, at + 3)
        yield data[at + 3 : following if following >= 0 else None].rstrip(b"\x00")
        at = following


def _in_avcc(record: bytes) -> Iterator[bytes]:
    at = 5
    for mask in (0x1F, 0xFF):  # SPS, their count in five bits; then PPS
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            end = at + 2 + int.from_bytes(record[at : at + 2], "big")
            yield record[at + 2 : end]
            at = end


def _in_hvcc(record: bytes) -> Iterator[bytes]:
    at = _RECORD_ARRAYS_AT + 1
    for _ in range(record[_RECORD_ARRAYS_AT]):
        count, at = int.from_bytes(record[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            end = at + 2 + int.from_bytes(record[at : at + 2], "big")
            yield record[at + 2 : end]
            at = end
