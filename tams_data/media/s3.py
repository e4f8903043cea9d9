"""The media store in a bucket of S3: VAST, AWS, MinIO or another.

    <prefix><token>     an object, by the token of its id: see `tokens`

No key has a slash after the prefix: VAST and MinIO keep keys as paths, where `a` and `a/b` cannot both be.

Clients send and fetch the bytes by themselves, at URLs of the bucket. Only copies pass through here, and those between
two buckets that the same keys open do not even that.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from time import time_ns
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tams_data.errors import InvalidSetting, MediaStoreFailed, ObjectNotFound
from tams_data.media.backends import S3Backend
from tams_data.media.base import NO_CHECKSUMS, MediaStore, OpenObject, Stat, StorageBackend, Stream, url_step_s
from tams_data.media.presigning import LONGEST_S, NS_PER_S, Credentials, Presigner
from tams_data.media.tokens import token, utf8
from tams_data.media.uploads import CHUNK, Upload

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

log = logging.getLogger(__name__)

PART = 16 * 2**20
"""Bytes of a part, unless the object would have too many: what an upload holds of memory. S3 wants at least 5 MiB."""

_MOST_PARTS = 10_000  # of an object, by S3
_MOST_DELETED = 1000  # in one request, by S3
_PARTS_AT_ONCE = 4

# Keys are paths on some: their parts may have 255 bytes. The token of an id is longer when it is long, or odd and long.
_LONGEST_TOKEN = 240

_SHA256 = "tams-sha256"
"""The metadata of an object that this service wrote: the SHA-256 of its bytes, in hexadecimal."""

_COMMON = {
    "signature_version": "s3v4",
    # CRCs in the trailer of a body are new, and not known to every S3.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


class S3MediaStore:
    """A `MediaStore` whose bytes are in a bucket."""

    def __init__(
        self,
        settings: S3Backend,
        *,
        url_timeout_s: int = 3600,
        part_bytes: int = PART,
        clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """Open the store; nothing is asked of it yet.

        Presigned URLs hold for `url_timeout_s` seconds; `clock_ns` counts from the Unix epoch, UTC.

        :raise InvalidSetting: there are no credentials, or URLs of S3 cannot hold for so long.
        """
        self._backend, self._bucket, self._prefix = settings.shown, settings.bucket, settings.prefix
        self._part_bytes = part_bytes
        step_s = url_step_s(url_timeout_s)
        if url_timeout_s + step_s > LONGEST_S:
            raise InvalidSetting(
                f"TAMS_URL_TIMEOUT={url_timeout_s}: with {step_s} s more, URLs of S3 hold for {LONGEST_S} s at most"
            )
        try:
            session = _session(settings)
            self._client = _client(session, settings, connect_timeout=5, read_timeout=60, attempts=4)
            self._probe = _client(session, settings, connect_timeout=2, read_timeout=3, attempts=1)
            self._credentials = session.get_credentials()
            if self._credentials is None:
                raise InvalidSetting(f"storage backend {self._backend.id}: no access_key, and AWS tools find none")
            self._urls = Presigner(
                _address(self._client, settings),
                region=settings.region,
                expires_s=url_timeout_s,
                step_s=step_s,
                credentials=self._current_credentials,
                clock_ns=clock_ns,
            )
        except BotoCoreError as error:
            raise InvalidSetting(f"storage backend {self._backend.id}: {error}") from error
        # Whoever may write to one of these may read from the other.
        self._account = (settings.endpoint and settings.endpoint.rstrip("/"), settings.access_key)

    @property
    def backend(self) -> StorageBackend:
        """What is said of this store to clients."""
        return self._backend

    def put_url(self, object_id: str, *, content_type: str, presigned: bool, base_url: str) -> str:  # noqa: ARG002  # it has its own
        """Where to PUT an object's bytes. See `MediaStore.put_url`."""
        key = self._key(object_id)
        return self._urls.put_url(key, content_type=content_type) if presigned else self._urls.plain(key)

    def get_url(self, object_id: str, *, presigned: bool, base_url: str) -> str:  # noqa: ARG002  # it has its own
        """Where to GET an object's bytes. See `MediaStore.get_url`."""
        key = self._key(object_id)
        return self._urls.get_url(key) if presigned else self._urls.plain(key)

    def stat(self, object_id: str) -> Stat | None:
        """What is known of an object's bytes; None when there are none."""
        key = self._key(object_id)
        try:
            with self._naming("read", object_id):
                return _stat(self._client.head_object(Bucket=self._bucket, Key=key))
        except ObjectNotFound:
            return None

    def open(self, object_id: str) -> OpenObject:
        """An object's bytes. See `MediaStore.open`.

        What is read after a `seek` is asked for anew: it fails when the bytes were replaced or deleted meanwhile.
        """
        key = self._key(object_id)

        def ask(**more: str) -> Any:
            with self._naming("read", object_id):
                return self._client.get_object(Bucket=self._bucket, Key=key, **more)

        answer = ask()
        stat = _stat(answer)
        return OpenObject(stat, io.BufferedReader(_Body(answer["Body"], stat, ask), CHUNK))

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
        """Store an object's bytes. See `MediaStore.write`.

        Those of up to one part are sent when `confirm` has been called, others before.
        """
        key = self._key(object_id)
        upload = Upload(stream, length=length, algorithms={"sha256", *checksums})

        def finished() -> None:
            upload.compare(checksums)
            if confirm is not None:
                confirm()

        with self._naming("store", object_id):
            if length <= self._part_bytes:
                content = b"".join(upload)
                finished()
                metadata = {_SHA256: upload.digest("sha256").hex()}
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=content, ContentType=content_type, Metadata=metadata
                )
            else:
                # Metadata come first, when the digest of what follows is only known if it was announced.
                parts = self._parts(key, content_type, _metadata(checksums.get("sha256")))
                self._write_parts(parts, upload, length, finished)
            return _stat(self._client.head_object(Bucket=self._bucket, Key=key))

    def copy_from(
        self, source: MediaStore, object_id: str, *, going_on: Callable[[], object], confirm: Callable[[], object]
    ) -> bool:
        """Have S3 copy an object from a bucket that the same keys open. See `MediaStore.copy_from`."""
        if not (isinstance(source, S3MediaStore) and source._account == self._account):
            return False
        stat = source.stat(object_id)
        if stat is None:
            raise ObjectNotFound(f"no bytes are stored for object {object_id!r}")
        there = {
            "CopySource": {"Bucket": source._bucket, "Key": source._key(object_id)},
            "CopySourceIfMatch": f'"{stat.etag}"',
        }
        with self._naming("copy", object_id):
            if stat.size_bytes <= self._part_bytes:
                confirm()
                self._client.copy_object(Bucket=self._bucket, Key=self._key(object_id), **there)
            else:
                self._copy_parts(self._key(object_id), stat, there, going_on, confirm)
        return True

    def delete(self, object_ids: Iterable[str]) -> None:
        """Delete the bytes of objects. See `MediaStore.delete`."""
        by_key = {self._key(one): one for one in object_ids}
        keys = list(by_key)
        batches = [keys[start : start + _MOST_DELETED] for start in range(0, len(keys), _MOST_DELETED)]
        failures = [error for batch in batches if (error := self._delete(batch, by_key)) is not None]
        if failures:
            raise failures[0]

    def check(self) -> None:
        """Return when the bucket is there and the credentials open it. See `MediaStore.check`."""
        try:
            self._probe.head_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError) as error:
            raise MediaStoreFailed(f"bucket {self._bucket}: {_reason(error)}") from error

    def close(self) -> None:
        """Release the connections."""
        self._client.close()
        self._probe.close()

    def _key(self, object_id: str) -> str:
        name = token(object_id)
        if len(name) > _LONGEST_TOKEN:
            # No token begins so: `~` is none of the characters of base64url.
            name = f"~~{hashlib.sha256(utf8(object_id)).hexdigest()}"
        return self._prefix + name

    def _current_credentials(self) -> Credentials:
        try:
            frozen = self._credentials.get_frozen_credentials()  # new ones, if these are temporary and end soon
        except BotoCoreError as error:
            raise MediaStoreFailed(f"storage backend {self._backend.id}: {_reason(error)}") from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _write_parts(
        self,
        parts: AbstractContextManager[_Parts],
        upload: Upload,
        length: int,
        finished: Callable[[], object],
    ) -> None:
        with parts as open_parts:
            for number, content in zip(count(1), _gathered(upload, self._part_size(length)), strict=False):
                open_parts.upload(number, content)
            finished()

    def _copy_parts(
        self,
        key: str,
        stat: Stat,
        there: Mapping[str, Any],
        going_on: Callable[[], object],
        confirm: Callable[[], object],
    ) -> None:
        size = self._part_size(stat.size_bytes)
        with self._parts(key, stat.content_type, _metadata(stat.sha256)) as parts:

            def copy(number: int, start: int) -> None:
                going_on()
                parts.copy(number, start, min(start + size, stat.size_bytes), there)

            with ThreadPoolExecutor(_PARTS_AT_ONCE, "tams-copy-part") as pool:
                list(pool.map(copy, count(1), range(0, stat.size_bytes, size)))
            confirm()

    @contextmanager
    def _parts(self, key: str, content_type: str, metadata: Mapping[str, str]) -> Iterator[_Parts]:
        """An upload in parts: they become an object at the end, or are gone when it is not reached."""
        begun = self._client.create_multipart_upload(
            Bucket=self._bucket, Key=key, ContentType=content_type, Metadata=metadata
        )
        parts = _Parts(self._client, Bucket=self._bucket, Key=key, UploadId=begun["UploadId"])
        try:
            yield parts
            parts.complete()
        except BaseException:
            parts.abort()
            raise

    def _part_size(self, length: int) -> int:
        return max(self._part_bytes, -(-length // _MOST_PARTS))

    def _delete(self, keys: Sequence[str], by_key: Mapping[str, str]) -> MediaStoreFailed | None:
        wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            with self._naming("delete", by_key[keys[0]]):
                errors = self._client.delete_objects(Bucket=self._bucket, Delete=wanted).get("Errors", [])
        except MediaStoreFailed as error:
            return error
        if not errors:
            return None
        return MediaStoreFailed(f"cannot delete object {by_key[errors[0]['Key']]!r}: {errors[0].get('Code')}")

    @contextmanager
    def _naming(self, action: str, object_id: str) -> Iterator[None]:
        """Give what S3 says the name of the object.

        :raise ObjectNotFound: S3 says that there is none.
        :raise MediaStoreFailed: it says another error, or nothing.
        """
        try:
            yield
        except ClientError as error:
            # NoSuchKey, or what answers a HEAD, which has no body. A bucket that is not there is another matter.
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise ObjectNotFound(f"no bytes are stored for object {object_id!r}") from error
            raise self._failed(action, object_id, error) from error
        except BotoCoreError as error:
            raise self._failed(action, object_id, error) from error

    def _failed(self, action: str, object_id: str, error: BotoCoreError | ClientError) -> MediaStoreFailed:
        return MediaStoreFailed(f"cannot {action} object {object_id!r} in bucket {self._bucket}: {_reason(error)}")


class _Parts:
    """The parts of an object that is being put together."""

    def __init__(self, client: Any, **named: str) -> None:
        self._client, self._named = client, named
        self._etags: dict[int, str] = {}

    def upload(self, number: int, content: bytes) -> None:
        answer = self._client.upload_part(**self._named, PartNumber=number, Body=content)
        self._etags[number] = answer["ETag"]

    def copy(self, number: int, start: int, end: int, there: Mapping[str, Any]) -> None:
        answer = self._client.upload_part_copy(
            **self._named, PartNumber=number, CopySourceRange=f"bytes={start}-{end - 1}", **there
        )
        self._etags[number] = answer["CopyPartResult"]["ETag"]

    def complete(self) -> None:
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(self._etags.items())]
        self._client.complete_multipart_upload(**self._named, MultipartUpload={"Parts": parts})

    def abort(self) -> None:
        try:
            self._client.abort_multipart_upload(**self._named)
        except (BotoCoreError, ClientError) as error:
            log.warning("parts of an upload to %s stay: %s", self._named["Key"], _reason(error))


class _Body(io.RawIOBase):
    """The bytes of an object as a file: each time another place is wanted, they are asked for from there."""

    def __init__(self, body: Any, stat: Stat, ask: Callable[..., Any]) -> None:
        self._body, self._stat, self._ask = body, stat, ask
        self._at = self._body_at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._stat.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._at >= self._stat.size_bytes:
            return 0
        if self._at != self._body_at:
            self._body.close()
            self._body = self._ask(Range=f"bytes={self._at}-", IfMatch=f'"{self._stat.etag}"')["Body"]
        view = memoryview(buffer)
        try:
            chunk = self._body.read(len(view))
        except BotoCoreError as error:
            raise MediaStoreFailed(f"an object broke off after {self._at} bytes: {_reason(error)}") from error
        view[: len(chunk)] = chunk
        self._at = self._body_at = self._at + len(chunk)
        return len(chunk)

    def close(self) -> None:
        self._body.close()
        super().close()


def _session(settings: S3Backend) -> Any:
    secret = settings.secret_key
    return boto3.session.Session(
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=None if secret is None else secret.get_secret_value(),
        region_name=settings.region,
    )


def _client(session: Any, settings: S3Backend, *, connect_timeout: int, read_timeout: int, attempts: int) -> Any:
    config = Config(
        **_COMMON,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=32,
        # A name for each bucket is how AWS wants it; others often have no such names.
        s3={"addressing_style": "virtual" if settings.endpoint is None else "path"},
    )
    client = session.client("s3", endpoint_url=settings.endpoint, config=config)
    client.meta.events.register("before-sign.s3.DeleteObjects", _add_md5)
    return client


def _add_md5(request: Any, **_: object) -> None:
    """Give a request the checksum that some services insist on; botocore sends the newer one, which others want."""
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()


def _address(client: Any, settings: S3Backend) -> str:
    """The URL of the bucket for clients, with a slash at the end."""
    if settings.public_endpoint is not None:
        return f"{settings.public_endpoint.rstrip('/')}/{settings.bucket}/"
    # botocore knows the names of every region.
    url: str = client.generate_presigned_url("get_object", Params={"Bucket": settings.bucket, "Key": "x"})
    return url.partition("?")[0].removesuffix("x")


def _stat(answer: Mapping[str, Any]) -> Stat:
    sha256 = answer["Metadata"].get(_SHA256)
    return Stat(
        size_bytes=answer["ContentLength"],
        content_type=answer.get("ContentType", "application/octet-stream"),
        etag=answer["ETag"].strip('"'),
        sha256=None if sha256 is None else bytes.fromhex(sha256),
        modified_ns=calendar.timegm(answer["LastModified"].utctimetuple()) * NS_PER_S,
    )


def _gathered(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Chunks, of less than `size` bytes, put together to parts of `size`; the last one has the rest."""
    part = bytearray()
    for chunk in chunks:
        part += chunk
        if len(part) >= size:
            yield bytes(part[:size])
            del part[:size]
    if part:
        yield bytes(part)


def _metadata(sha256: bytes | None) -> dict[str, str]:
    return {} if sha256 is None else {_SHA256: sha256.hex()}


def _reason(error: BotoCoreError | ClientError) -> str:
    """What went wrong, in a few words. What S3 says beside the code may quote the request, and so stays out."""
    if not isinstance(error, ClientError):
        return str(error)
    return f"S3 answered {error.response['Error']['Code']}"
