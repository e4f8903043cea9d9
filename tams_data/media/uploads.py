"""What every media store does with an upload: read exactly what was announced, and hold it against its checksums."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping

from tams_data.errors import InvalidInput, UploadBroken
from tams_data.media.base import Stream

CHUNK = 256 * 1024
"""Bytes moved at once: the fewest at which granian moves them at full speed, so what a transfer holds of memory."""


class Upload:
    """A stream read to its end, once, in chunks; its digests by algorithm stand when the last chunk has come."""

    def __init__(self, stream: Stream, *, length: int, algorithms: Iterable[str]) -> None:
        """`length` is how many bytes there must be."""
        self._stream, self._length = stream, length
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}

    def __iter__(self) -> Iterator[bytes]:
        """Chunks of up to `CHUNK` bytes.

        :raise UploadBroken: there are fewer or more than announced, or reading failed.
        """
        left = self._length
        while left:
            chunk = self._read(min(left, CHUNK))
            if not chunk:
                # Servers end the stream when the client goes away: only the length tells it from a whole upload.
                raise UploadBroken(f"the upload ended after {self._length - left} of {self._length} bytes")
            for one in self._hashes.values():
                one.update(chunk)
            left -= len(chunk)
            yield chunk
        if self._read(1):
            raise UploadBroken(f"the upload has more than the {self._length} bytes it announced")

    def digest(self, algorithm: str) -> bytes:
        """The digest of what was read."""
        return self._hashes[algorithm].digest()

    def compare(self, checksums: Mapping[str, bytes]) -> None:
        """Accept what was read, or raise.

        :raise InvalidInput: it has another digest than `checksums` says, by algorithm.
        """
        for name, expected in checksums.items():
            if self.digest(name) != expected:
                given, found = (base64.b64encode(one).decode() for one in (expected, self.digest(name)))
                raise InvalidInput(f"the bytes have the {name} {found}, not {given}", field=name, value=given)

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            raise UploadBroken(f"the upload of {self._length} bytes could not be read: {error}") from error
