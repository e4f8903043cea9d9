"""The media store in a folder: one file an object.

    <folder>/storage-id            the id of this storage backend: it moves with the bytes it names
    <folder>/incoming/             uploads that are not finished
    <folder>/ab/cd/abcd1234…       an object, by the SHA-256 of its id

A file is the object's bytes and, behind them, a footer that says what they are: object id, content type, size,
SHA-256, time. So one rename makes both visible, one open reads both as they belong together, one fsync makes both
durable, and every file can be named and verified without a database. A sidecar file needs two renames, with a crash
or a reader between them, and doubles the number of files.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import time_ns
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from tams_data.errors import InvalidSetting, MediaStoreFailed, ObjectNotFound
from tams_data.media.base import NO_CHECKSUMS, NO_TAGS, MediaStore, OpenObject, Stat, StorageBackend, Stream, url_step_s
from tams_data.media.files import create_once, make_folder, sync_folder
from tams_data.media.signing import Signer
from tams_data.media.tokens import token, utf8
from tams_data.media.uploads import CHUNK, Upload

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

NS_PER_S = 10**9

_TAIL = struct.Struct(">I8s")  # the length of the JSON before it, and what this is
_MAGIC = b"TAMSobj1"

_STORAGE_ID = "storage-id"


class LocalMediaStore:
    """A `MediaStore` whose bytes are files; the service itself answers its URLs, at `/media/` or another path."""

    def __init__(
        self,
        folder: Path,
        *,
        secret: bytes,
        label: str | None = "local",
        url_timeout_s: int = 3600,
        default_storage: bool = True,
        path: str = "/media",
        tags: Mapping[str, Any] = NO_TAGS,
        clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """Open the store in `folder`, made when missing, and remove what uploads left that a crash ended.

        Presigned URLs are signed with `secret` and hold for `url_timeout_s` seconds; `clock_ns` counts from the
        Unix epoch, UTC. Its URLs are under `path`: of one service, each such store has another.

        :raise InvalidSetting: the folder cannot be used.
        """
        self._folder, self._incoming, self.path = folder, folder / "incoming", path
        self._signer, self._url_timeout_s, self._clock_ns = Signer(secret), url_timeout_s, clock_ns
        try:
            make_folder(self._incoming)
            storage_id = create_once(folder / _STORAGE_ID, lambda: str(uuid4()).encode()).decode()
            _sweep(self._incoming)
        except OSError as error:
            raise InvalidSetting(f"media folder {folder}: {error.strerror}") from error
        self._backend = StorageBackend(
            id=storage_id,
            provider="self-hosted",
            store_product="tams-data-service",
            label=label,
            tags=tags,
            default_storage=default_storage,
        )

    @property
    def backend(self) -> StorageBackend:
        """What is said of this store to clients."""
        return self._backend

    def put_url(self, object_id: str, *, content_type: str, presigned: bool, base_url: str) -> str:  # noqa: ARG002  # see signing
        """Where to PUT an object's bytes. See `MediaStore.put_url`."""
        return self._url("PUT", object_id, presigned=presigned, base_url=base_url)

    def get_url(self, object_id: str, *, presigned: bool, base_url: str) -> str:
        """Where to GET an object's bytes. See `MediaStore.get_url`."""
        return self._url("GET", object_id, presigned=presigned, base_url=base_url)

    def check_url(self, method: str, object_id: str, *, expires: str, signature: str) -> None:
        """Accept the parameters of a presigned URL that this store made, or raise.

        :raise UrlRefused: they are expired, forged, or for another method or object.
        """
        now_s = self._clock_ns() // NS_PER_S
        self._signer.check(method, object_id, expires=expires, signature=signature, now_s=now_s)

    def stat(self, object_id: str) -> Stat | None:
        """What is known of an object's bytes; None when there are none."""
        try:
            with self._file(object_id) as file, _naming("read", object_id):
                return _read_footer(file, object_id)
        except ObjectNotFound:
            return None

    def open(self, object_id: str) -> OpenObject:
        """An object's bytes, as they are now. See `MediaStore.open`."""
        with ExitStack() as cleanup:
            file = cleanup.enter_context(self._file(object_id))
            with _naming("read", object_id):
                stat = _read_footer(file, object_id)
            cleanup.pop_all()  # all is well: closing is the caller's
        return OpenObject(stat, io.BufferedReader(_Head(file, stat.size_bytes), CHUNK))

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
        """Store an object's bytes. See `MediaStore.write`."""
        path = self._path(object_id)
        with _naming("store", object_id), _temporary(self._incoming) as (name, file):
            upload = Upload(stream, length=length, algorithms={"sha256", *checksums})
            file.writelines(upload)
            upload.compare(checksums)
            stat = self._new_stat(length, content_type, upload.digest("sha256"))
            file.write(_footer(object_id, stat))
            file.flush()
            os.fsync(file.fileno())
            make_folder(path.parent)
            if confirm is not None:
                confirm()
            name.replace(path)
            sync_folder(path.parent)
        return stat

    def delete(self, object_ids: Iterable[str]) -> None:
        """Delete the bytes of objects. See `MediaStore.delete`."""
        failures = [error for one in object_ids if (error := self._delete(one)) is not None]
        if failures:
            raise failures[0]

    def copy_from(
        self,
        source: MediaStore,  # noqa: ARG002  # see the protocol
        object_id: str,  # noqa: ARG002
        *,
        going_on: Callable[[], object],  # noqa: ARG002
        confirm: Callable[[], object],  # noqa: ARG002
    ) -> bool:
        """Never: bytes come to this machine through `write`. See `MediaStore.copy_from`."""
        return False

    def check(self) -> None:
        """Return when files can be written to the folder. See `MediaStore.check`."""
        try:
            with tempfile.TemporaryFile(dir=self._incoming) as file:
                file.write(b"x")
        except OSError as error:
            raise MediaStoreFailed(f"media folder {self._folder}: {error.strerror}") from error

    def close(self) -> None:
        """Nothing: files are opened when they are used."""

    def _delete(self, object_id: str) -> MediaStoreFailed | None:
        try:
            # Not made durable: bytes that come back after a crash are waste that no row refers to.
            with _naming("delete", object_id):
                self._unlink(object_id)
        except MediaStoreFailed as error:
            return error
        return None

    def _unlink(self, object_id: str) -> None:
        try:
            self._path(object_id).unlink()
        except FileNotFoundError:
            self._check_there()

    def _new_stat(self, size_bytes: int, content_type: str, sha256: bytes) -> Stat:
        return Stat(
            size_bytes=size_bytes,
            content_type=content_type,
            etag=sha256.hex(),
            sha256=sha256,
            modified_ns=self._clock_ns(),
        )

    def _url(self, method: str, object_id: str, *, presigned: bool, base_url: str) -> str:
        url = f"{base_url}{self.path}/{token(object_id)}"
        if not presigned:
            return url
        # Rounded up: TAMS 8.2 has a URL hold for at least the time that is announced.
        step_s = url_step_s(self._url_timeout_s)
        expires_s = -(-self._clock_ns() // (step_s * NS_PER_S)) * step_s + self._url_timeout_s
        return f"{url}?{self._signer.query(method, object_id, expires_s=expires_s)}"

    def _file(self, object_id: str) -> io.FileIO:
        with _naming("read", object_id):
            try:
                return self._path(object_id).open("rb", buffering=0)
            except FileNotFoundError as error:
                self._check_there()
                raise ObjectNotFound(f"no bytes are stored for object {object_id!r}") from error

    def _check_there(self) -> None:
        """Return when the folder is the one that was opened: what is not in it is nowhere.

        :raise MediaStoreFailed: its disk is away, for one, and all is still on that.
        """
        if not (self._folder / _STORAGE_ID).exists():
            raise MediaStoreFailed(f"media folder {self._folder}: it is not there, or another")

    def _path(self, object_id: str) -> Path:
        digest = hashlib.sha256(utf8(object_id)).hexdigest()
        return self._folder / digest[:2] / digest[2:4] / digest


class _Head(io.RawIOBase):
    """The first `size` bytes of a file, as a file; it closes the other with itself."""

    def __init__(self, file: io.FileIO, size: int) -> None:
        self._file, self._size = file, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_END:
            return self._file.seek(self._size + offset)
        return self._file.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        left = max(0, self._size - self._file.tell())
        return self._file.readinto(memoryview(buffer)[:left])

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def _naming(action: str, object_id: str) -> Iterator[None]:
    """Give what the file system says the name of the object."""
    try:
        yield
    except OSError as error:
        raise MediaStoreFailed(f"cannot {action} object {object_id!r}: {error.strerror}") from error


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file, locked, that is gone afterwards unless it was renamed."""
    handle, text = tempfile.mkstemp(dir=folder)
    name = Path(text)
    try:
        with os.fdopen(handle, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield name, file
    finally:
        name.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove the uploads that nobody is writing.

    A lock ends with its process, however that ends, so what is locked belongs to a process that lives: another one
    may serve, or write to, the same folder.
    """
    for name in folder.iterdir():
        # FileNotFoundError: finished meanwhile; BlockingIOError: locked.
        with suppress(FileNotFoundError, BlockingIOError), name.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            name.unlink()


def _footer(object_id: str, stat: Stat) -> bytes:
    text = orjson.dumps(
        {
            "object_id": object_id,
            "content_type": stat.content_type,
            "size_bytes": stat.size_bytes,
            "sha256": stat.etag,
            "modified_ns": stat.modified_ns,
        }
    )
    return text + _TAIL.pack(len(text), _MAGIC)


def _read_footer(file: io.FileIO, object_id: str) -> Stat:
    """What the footer of a file says.

    :raise MediaStoreFailed: there is none, or the file has not the size that it should.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        length, magic = _TAIL.unpack(os.pread(file.fileno(), _TAIL.size, max(0, size - _TAIL.size)))
        said = orjson.loads(os.pread(file.fileno(), length, max(0, size - _TAIL.size - length)))
    except (struct.error, orjson.JSONDecodeError) as error:
        raise MediaStoreFailed(f"the file of object {object_id!r} is damaged: its footer cannot be read") from error
    if magic != _MAGIC or said["size_bytes"] + length + _TAIL.size != size:
        raise MediaStoreFailed(f"the file of object {object_id!r} is damaged: it has {size} bytes")
    return Stat(
        size_bytes=said["size_bytes"],
        content_type=said["content_type"],
        etag=said["sha256"],
        sha256=bytes.fromhex(said["sha256"]),
        modified_ns=said["modified_ns"],
    )
