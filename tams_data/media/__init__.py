"""Where the bytes live: `connect(settings)` gives the media stores of a service."""

from __future__ import annotations

from tams_data.media import signing
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
    """The media stores of the service; one of them is the default. Folders and the signing key are made if missing.

    :raise InvalidSetting: the data folder, or the signing key in it, cannot be used.
    """
    return [
        LocalMediaStore(
            settings.data_dir / "media",
            secret=secret(settings),
            label=settings.storage_label,
            url_timeout_s=settings.url_timeout,
        )
    ]


def secret(settings: Settings) -> bytes:
    """The service's secret, from `secret.key` in the data folder; made when the service first starts.

    :raise InvalidSetting: it cannot be read or made, or is too short.
    """
    return signing.load_secret(settings.data_dir / "secret.key")
