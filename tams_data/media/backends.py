"""Which storage backends a service has: what `TAMS_STORAGE_BACKENDS` says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, model_validator

from tams_data.errors import InvalidSetting
from tams_data.media.base import StorageBackend

_NAME = "TAMS_STORAGE_BACKENDS"
_URL = r"^https?://[^/?#@\s]+/?$"


class _Described(BaseModel):
    """What every kind of backend may say of itself."""

    # Input stays out of errors: there are keys in it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    label: str | None = Field(None, min_length=1, description="Name that clients see and choose by")
    tags: dict[str, str | list[str]] = Field({}, description="Tags that clients see and choose by")
    default: bool = Field(False, description="Whether uploads go here unless a client says otherwise")


class LocalBackend(_Described):
    """A folder of this machine. Its id is in the folder, and moves with it."""

    type: Literal["local"]
    folder: Path | None = Field(None, description="Default: `media` in the data folder")


class S3Backend(_Described):
    """A bucket, or the keys with one prefix in it, of VAST, AWS, MinIO or another S3."""

    type: Literal["s3"]
    id: UUID = Field(description="The backend's id: of your choice, and for ever, since objects are noted with it")
    bucket: str = Field(pattern=r"^[A-Za-z0-9._-]{1,255}$", description="The bucket, which must exist")
    prefix: str = Field(
        "", pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*/?)*$", description="What every key begins with, `tams/`"
    )
    endpoint: str | None = Field(None, pattern=_URL, description="URL of the S3 service; default: that of AWS")
    public_endpoint: str | None = Field(None, pattern=_URL, description="The same service as clients reach it")
    region: str = Field("us-east-1", min_length=1, description="The region, also of those that have only one")
    access_key: str | None = Field(
        None, min_length=1, description="Default: what AWS tools find, `AWS_ACCESS_KEY_ID` and so on"
    )
    secret_key: SecretStr | None = Field(None, min_length=1, description="Comes with `access_key`")
    provider: str | None = Field(None, min_length=1, description="Shown to clients; default: `aws`, or the endpoint")
    store_product: str = Field("s3", min_length=1, description="Shown to clients")
    availability_zone: str | None = Field(None, min_length=1, description="Shown to clients")

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> S3Backend:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key come together")
        return self

    @property
    def shown(self) -> StorageBackend:
        """What is said of the backend to clients."""
        host = None if self.endpoint is None else self.endpoint.partition("://")[2].rstrip("/")
        return StorageBackend(
            id=str(self.id),
            provider=self.provider or host or "aws",
            store_product=self.store_product,
            label=self.label,
            region=self.region,
            availability_zone=self.availability_zone,
            tags=self.tags,
            default_storage=self.default,
        )


Backend: TypeAlias = Annotated[LocalBackend | S3Backend, Field(discriminator="type")]

_BACKENDS = TypeAdapter(Annotated[list[Backend], Field(min_length=1)], config=ConfigDict(hide_input_in_errors=True))


def read(text: str) -> Sequence[LocalBackend | S3Backend]:
    """The backends that `TAMS_STORAGE_BACKENDS` describes: a JSON array, or the path of a file with one in it.

    A single one is the default, whether it says so or not.

    :raise InvalidSetting: it cannot be read, or describes what cannot be; the message names the entry and no value.
    """
    try:
        found = _BACKENDS.validate_json(text if text.lstrip().startswith(("[", "{")) else _content(Path(text)))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InvalidSetting(f"{_NAME}{_place(first['loc'])}: {first['msg']}") from error
    refuse_twice([one.label for one in found if one.label is not None], "label")
    if sum(one.default for one in found) > 1:
        raise InvalidSetting(f"{_NAME}: more than one backend is the default")
    return [found[0].model_copy(update={"default": True})] if len(found) == 1 else found


def refuse_twice(values: Sequence[str], name: str) -> None:
    """Refuse values, one of each backend, that are not all different.

    :raise InvalidSetting: two are equal; the message has the value.
    """
    twice = next((one for one in values if values.count(one) > 1), None)
    if twice is not None:
        raise InvalidSetting(f"{_NAME}: two backends have the {name} {twice!r}")


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        # Not the text: what is meant as JSON and begins with a stray character has keys in it.
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InvalidSetting(f"{_NAME} is neither a JSON array nor a file that can be read: {reason}") from None


def _place(location: Sequence[int | str]) -> str:
    """Where in the text: the entry by its number, and within it the names.

    >>> _place((1, "s3", "bucket"))
    '[1].bucket'
    """
    if not location:
        return ""
    entry, *names = location
    return f"[{entry}]" + "".join(f".{name}" for name in names[1:])
