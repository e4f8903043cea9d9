"""Inputs: opening what FFmpeg reads, and reading its packets with errors that name the place.

An `Input` is one stream of bytes that FFmpeg can demultiplex: a file, a URL, or the segments of an HLS playlist one
after another. Everything that FFmpeg or the operating system refuses becomes `UnreadableMedia`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import av
from av.container import InputContainer
from av.error import FFmpegError

from tams_data.errors import UnreadableMedia
from tams_data.essence.ending import check_ending

Packet: TypeAlias = Any
"""An `av.Packet`: a generic class in newer PyAV only, so the annotation that suits one version fails in another."""

_BLOCK = 1 << 20


class Digest(Protocol):
    """What `hashlib` makes."""

    def update(self, data: bytes, /) -> None: ...


class Input(Protocol):
    """Bytes that FFmpeg can demultiplex."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def open(self) -> InputContainer:
        """Open it from its start. `FFmpegError` or `OSError` when that fails."""

    def check_ending(self, container: InputContainer, end: Fraction) -> None:
        """Raise `UnreadableMedia` if the bytes end otherwise than their container says; `end` is what was reached."""

    def update(self, digest: Digest) -> None:
        """Feed what tells this input from others into a digest: the bytes, or for a URL its text."""


@dataclass(frozen=True, slots=True)
class FileInput:
    """A local file, or anything else that FFmpeg opens by name, such as an `https` URL."""

    name: str

    def open(self) -> InputContainer:
        return av.open(self.name, "r")

    def check_ending(self, container: InputContainer, end: Fraction) -> None:
        if not is_url(self.name):
            check_ending(Path(self.name), container, end)

    def update(self, digest: Digest) -> None:
        if is_url(self.name):
            digest.update(self.name.encode())
        else:
            digest_file(Path(self.name), digest)


def is_url(location: str) -> bool:
    """Whether FFmpeg would fetch the location over a network."""
    return "://" in location and not location.startswith("file://")


def digest_file(path: Path, digest: Digest) -> None:
    """Feed a file's bytes into a digest."""
    with readable(str(path)), path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)


def fingerprint(inputs: Sequence[Input]) -> str:
    """Return a text that is the same for the same media, and another for other media (BLAKE2, 32 hex digits)."""
    digest = hashlib.blake2b(digest_size=16)
    for source in inputs:
        source.update(digest)
    return digest.hexdigest()


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what FFmpeg and the operating system raise into `UnreadableMedia` about `name`."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        raise UnreadableMedia(f"{name}: {reason(error)}") from error


def reason(error: FFmpegError | OSError) -> str:
    """Return what an error says, without the numbers and the file name that PyAV repeats."""
    if isinstance(error, BlockingIOError):  # FFmpeg's mpegts: "try again" once no packet has come for a while
        return "nothing that can be read follows"
    return error.strerror or str(error)


def read_packets(source: Input, container: InputContainer) -> Iterator[Packet]:
    """Yield the packets of an opened input in the order in which they are stored.

    `UnreadableMedia` comes after the last packet that could be read: when FFmpeg fails, when a stream's last packet
    is damaged, or when the bytes end otherwise than they should. FFmpeg alone takes a truncated file for a shorter
    one. Damage before the end is what recordings are like, and no error.
    """
    damaged_end: dict[int, bool] = {}
    ends: dict[int, int] = {}
    with readable(source.name):
        for packet in container.demux():
            if not packet.size:  # PyAV ends with an empty packet for each stream, meant for decoders
                continue
            index = packet.stream.index
            damaged_end[index] = packet.is_corrupt
            if packet.pts is not None:
                ends[index] = max(ends.get(index, 0), packet.pts + (packet.duration or 0))
            yield packet
    if any(damaged_end.values()):
        raise UnreadableMedia(f"{source.name}: the last packet is incomplete; the file was cut short")
    seconds = (ticks * (container.streams[index].time_base or Fraction(0)) for index, ticks in ends.items())
    source.check_ending(container, max(seconds, default=Fraction(0)))
