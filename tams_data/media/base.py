"""What every media store offers: a small interface between the rules of the store and the bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import IO, Any, Protocol

CHECKSUMS = ("md5", "sha256")
"""The algorithms an upload can be checked by, as `hashlib` names them."""

NO_CHECKSUMS: Mapping[str, bytes] = MappingProxyType({})

NO_TAGS: Mapping[str, Any] = MappingProxyType({})


def url_step_s(url_timeout_s: int) -> int:
    """How long presigned URLs stay the same, in seconds: a sixtieth of how long they hold.

    A cache knows the bytes then, and who asks for an object again gets 304.
    """
    return max(url_timeout_s // 60, 1)


@dataclass(frozen=True, kw_only=True)
class StorageBackend:
    """What is said of a media store to clients (TAMS 8.2, storage-backends-list)."""

    id: str
    provider: str
    store_product: str
    store_type: str = "http_object_store"
    label: str | None = None
    region: str | None = None
    availability_zone: str | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)
    default_storage: bool = False


@dataclass(frozen=True, kw_only=True)
class Stat:
    """What is known of stored bytes.

    `etag` changes when the bytes do and carries no quotes; `sha256` is None where the store does not know it;
    `modified_ns` counts from the Unix epoch, UTC.
    """

    size_bytes: int
    content_type: str
    etag: str
    sha256: bytes | None
    modified_ns: int


@dataclass(frozen=True)
class OpenObject:
    """Stored bytes, open for reading, and what is known of these very bytes. Close it, or use it as a context.

    `file` reads and seeks: for a range, seek to its start.
    """

    stat: Stat
    file: IO[bytes]

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        self.file.close()

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Stream(Protocol):
    """Where an upload is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class MediaStore(Protocol):
    """Keeps the bytes of objects, by object id. Safe to use from several threads.

    An object id is any text but the empty one. Each method raises `InvalidInput` for an id that is none, and
    `MediaStoreFailed` when the place where the bytes live cannot do what is asked.
    """

    @property
    def backend(self) -> StorageBackend:
        """What is said of this store to clients."""
        ...

    def put_url(self, object_id: str, *, content_type: str, presigned: bool, base_url: str) -> str:
        """Where to PUT an object's bytes, sent as `content_type`. A presigned URL needs no credentials.

        `base_url` is the service's own, without a slash at the end; stores with an address of their own ignore it.
        """
        ...

    def get_url(self, object_id: str, *, presigned: bool, base_url: str) -> str:
        """Where to GET an object's bytes, whether or not there are any yet. Cheap: one is made per object listed."""
        ...

    def stat(self, object_id: str) -> Stat | None:
        """What is known of an object's bytes; None when there are none."""
        ...

    def open(self, object_id: str) -> OpenObject:
        """An object's bytes, as they are now: a replacement or deletion meanwhile does not touch them.

        :raise ObjectNotFound: there are none.
        """
        ...

    def write(
        self,
        object_id: str,
        stream: Stream,
        *,
        length: int,
        content_type: str,
        checksums: Mapping[str, bytes] = NO_CHECKSUMS,
        confirm: Callable[[], object] | None = None,
    ) -> Stat:
        """Store an object's bytes, durably, in place of any before. Nobody ever sees part of them.

        `length` is what `stream` must hold, in bytes, and `checksums` are its digests by algorithm (of `CHECKSUMS`).
        `confirm` is called when all is stored and nothing yet visible: what it raises undoes the upload.

        :raise UploadBroken: the stream holds less or more than `length`, or could not be read.
        :raise InvalidInput: a checksum differs.
        """
        ...

    def copy_from(
        self, source: MediaStore, object_id: str, *, going_on: Callable[[], object], confirm: Callable[[], object]
    ) -> bool:
        """Copy an object from another store without its bytes passing through here; false when that cannot be done.

        What `going_on`, which is called now and then, raises breaks the copy off; `confirm` is that of `write`.

        :raise ObjectNotFound: `source` has no bytes for it.
        """
        ...

    def delete(self, object_ids: Iterable[str]) -> None:
        """Delete the bytes of objects; those that have none are passed over.

        One that cannot be deleted does not keep the others; the error comes at the end.
        """
        ...

    def check(self) -> None:
        """Return when objects can be stored now, as far as a few milliseconds can tell.

        :raise MediaStoreFailed: they cannot.
        """
        ...

    def close(self) -> None:
        """Release what it holds of the place where the bytes live; nothing is asked of it afterwards."""
        ...
