"""What tests of media stores do with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from tams_data.media import MediaStore, Stat

NOW_NS = 1_800_000_000_123_456_789
BASE_URL = "http://tams.example"
MP2T = "video/mp2t"


class Clock:
    """A clock that stands until it is told otherwise."""

    now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


class Broken:
    """A stream that gives some bytes and then fails."""

    def __init__(self, start: bytes, error: BaseException) -> None:
        self._start, self._error = BytesIO(start), error

    def read(self, size: int, /) -> bytes:
        chunk = self._start.read(size)
        if not chunk:
            raise self._error
        return chunk


@dataclass(frozen=True)
class Kept:
    """A media store, and how to see what it keeps: whole objects, and what is left of broken uploads."""

    store: MediaStore
    kept: Callable[[], list[str]]


def put(store: MediaStore, object_id: str, content: bytes, **more: object) -> Stat:
    """Store bytes, as `length` and `content_type` say or as they are."""
    return store.write(object_id, BytesIO(content), **{"length": len(content), "content_type": MP2T, **more})  # type: ignore[arg-type]


def content_of(store: MediaStore, object_id: str) -> bytes:
    """The bytes of an object."""
    with store.open(object_id) as opened:
        return opened.file.read()
