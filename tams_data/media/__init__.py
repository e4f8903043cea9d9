"""Where the bytes live: `connect(settings)` gives the media stores of a service."""

from __future__ import annotations

from itertools import chain, count

from tams_data.media import backends, signing
from tams_data.media.backends import LocalBackend, S3Backend
from tams_data.media.base import CHECKSUMS, NO_CHECKSUMS, MediaStore, OpenObject, Stat, StorageBackend, Stream
from tams_data.media.local import LocalMediaStore
from tams_data.settings import Settings

__all__ = [
    "CHECKSUMS",
    "NO_CHECKSUMS",
    "LocalMediaStore",
    "MediaStore",
    "OpenObject",
    "Stat",
    "StorageBackend",
    "Stream",
    "connect",
    "secret",
]


def connect(settings: Settings) -> list[MediaStore]:
    """The media stores of the service. Folders and the signing key are made if missing.

    They are those of `storage_backends`, or the one folder in the data folder.

    :raise InvalidSetting: the data folder, the signing key in it, or a storage backend cannot be used.
    """
    if settings.storage_backends is None:
        local = LocalBackend(type="local", label=settings.storage_label, default=True)
        return [_local(local, settings, path="/media")]
    described = backends.read(settings.storage_backends.get_secret_value())
    paths = chain(["/media"], (f"/media-{number}" for number in count(2)))
    stores = [
        _in_s3(one, settings) if isinstance(one, S3Backend) else _local(one, settings, path=next(paths))
        for one in described
    ]
    backends.refuse_twice([one.backend.id for one in stores], "id")
    return stores


def _local(backend: LocalBackend, settings: Settings, *, path: str) -> LocalMediaStore:
    return LocalMediaStore(
        backend.folder or settings.data_dir / "media",
        secret=secret(settings),
        label=backend.label,
        url_timeout_s=settings.url_timeout,
        default_storage=backend.default,
        path=path,
        tags=backend.tags,
    )


def _in_s3(backend: S3Backend, settings: Settings) -> MediaStore:
    # Not above: boto3 takes a fifth of a second, which every command would pay.
    from tams_data.media.s3 import S3MediaStore  # noqa: PLC0415

    return S3MediaStore(backend, url_timeout_s=settings.url_timeout)


def secret(settings: Settings) -> bytes:
    """The service's secret, from `secret.key` in the data folder; made when the service first starts.

    :raise InvalidSetting: it cannot be read or made, or is too short.
    """
    return signing.load_secret(settings.data_dir / "secret.key")
