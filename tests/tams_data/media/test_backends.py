"""What `TAMS_STORAGE_BACKENDS` may say, and what is said of it when it cannot be used."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tams_data import media
from tams_data.errors import InvalidSetting
from tams_data.media import LocalMediaStore, backends
from tams_data.media.s3 import S3MediaStore
from tams_data.settings import Settings

SECRET = "not-for-anybody"
ID, OTHER_ID = "5d7b0a3e-4c2f-4d7a-9f3e-2f6c6d1b8a10", "a3f1c7d2-88d4-4a43-b0c4-0f1f4c8f7e55"
S3 = {"type": "s3", "id": ID, "bucket": "media", "access_key": "key", "secret_key": SECRET}
LOCAL = {"type": "local"}


def text_of(*described: Any) -> str:
    return json.dumps(described)


def settings_of(folder: Path, text: str) -> Settings:
    return Settings(data_dir=folder / "data", storage_backends=SecretStr(text), _env_file=None)  # type: ignore[call-arg]


def test_backends_are_as_they_are_described(tmp_path: Path) -> None:
    vast = {
        **S3,
        "label": "vast",
        "tags": {"tier": "hot", "site": ["salford", "london"]},
        "default": True,
        "endpoint": "https://s3.vast.example:8080/",
        "region": "vast-1",
        "store_product": "vast-s3",
        "availability_zone": "a",
    }
    archive = {**S3, "id": OTHER_ID, "label": "archive", "provider": "the archive"}
    tape = {**LOCAL, "label": "tape", "folder": str(tmp_path / "tape"), "tags": {"tier": "cold"}}
    stores = media.connect(settings_of(tmp_path, text_of(vast, archive, LOCAL, tape)))
    assert [type(one) for one in stores] == [S3MediaStore, S3MediaStore, LocalMediaStore, LocalMediaStore]
    shown = [one.backend for one in stores]
    assert [one.id for one in shown[:2]] == [ID, OTHER_ID]
    assert [one.label for one in shown] == ["vast", "archive", None, "tape"]
    assert [one.default_storage for one in shown] == [True, False, False, False]
    assert [one.provider for one in shown] == ["s3.vast.example:8080", "the archive", "self-hosted", "self-hosted"]
    assert (shown[0].region, shown[0].store_product, shown[0].availability_zone) == ("vast-1", "vast-s3", "a")
    assert (shown[0].tags, shown[3].tags) == (vast["tags"], {"tier": "cold"})
    assert (tmp_path / "data" / "media" / "storage-id").read_text() == shown[2].id
    assert (tmp_path / "tape" / "storage-id").read_text() == shown[3].id
    plain = [one.get_url("a", presigned=False, base_url="http://tams") for one in stores]
    assert plain[2:] == ["http://tams/media/a", "http://tams/media-2/a"]
    assert len(set(plain)) == 4


def test_folder_in_the_data_folder_stays_the_backend_it_was(tmp_path: Path) -> None:
    """Whoever adds a bucket to a store that has media already keeps those."""
    (before,) = media.connect(Settings(data_dir=tmp_path / "data", _env_file=None))  # type: ignore[call-arg]
    _, after = media.connect(settings_of(tmp_path, text_of(S3, LOCAL)))
    assert after.backend.id == before.backend.id


def test_single_backend_is_the_default_and_of_several_none_has_to_be(tmp_path: Path) -> None:
    assert [one.default for one in backends.read(text_of(S3))] == [True]
    assert [one.default for one in backends.read(text_of(S3, LOCAL))] == [False, False]


def test_description_may_be_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "backends.json"
    path.write_text(text_of(S3))
    assert backends.read(str(path)) == backends.read(text_of(S3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(text_of(), ": List should have at least 1 item", id="none"),
        pytest.param(json.dumps(S3), ": Input should be a valid array", id="no-array"),
        pytest.param("[{", ": Invalid JSON: ", id="no-json"),
        pytest.param(
            "/nowhere/backends.json", " is neither a JSON array nor a file that can be read: No", id="no-file"
        ),
        pytest.param(f"'{text_of(S3)}'", " is neither a JSON array nor a file that can be read: No", id="quoted"),
        pytest.param(text_of(LOCAL, {"bucket": "x"}), "[1]: Unable to extract tag using discriminator", id="no-type"),
        pytest.param(text_of({"type": "ftp"}), "[0]: Input tag 'ftp' found using 'type'", id="another-type"),
        pytest.param(text_of(LOCAL, {"type": "s3", "id": ID}), "[1].bucket: Field required", id="no-bucket"),
        pytest.param(text_of({**S3, "id": "x"}), "[0].id: Input should be a valid UUID", id="no-uuid"),
        pytest.param(text_of({**S3, "buckets": 1}), "[0].buckets: Extra inputs are not permitted", id="misspelt"),
        pytest.param(text_of({**LOCAL, "id": ID}), "[0].id: Extra inputs are not permitted", id="id-of-a-folder"),
        pytest.param(text_of({**S3, "bucket": "a/b"}), "[0].bucket: String should match", id="path-for-a-bucket"),
        pytest.param(text_of({**S3, "prefix": "/a"}), "[0].prefix: String should match", id="prefix-with-a-root"),
        pytest.param(text_of({**S3, "prefix": "a/../"}), "[0].prefix: String should match", id="prefix-with-dots"),
        pytest.param(text_of({**S3, "endpoint": "s3.example"}), "[0].endpoint: String should", id="no-url"),
        pytest.param(text_of({**S3, "endpoint": "https://a:b@c"}), "[0].endpoint: String should", id="password-in-url"),
        pytest.param(text_of({**S3, "tags": {"a": 1}}), "[0].tags.a.", id="tag-that-is-none"),
        pytest.param(
            text_of({**S3, "access_key": None}),
            "[0]: Value error, access_key and secret_key come together",
            id="half-a-pair",
        ),
        pytest.param(text_of(LOCAL, S3, LOCAL), ": two backends have the id '", id="folder-twice"),
        pytest.param(text_of(S3, LOCAL, S3), f": two backends have the id '{ID}'", id="id-twice"),
        pytest.param(
            text_of({**S3, "label": "a"}, {**LOCAL, "label": "a"}),
            ": two backends have the label 'a'",
            id="label-twice",
        ),
        pytest.param(
            text_of({**S3, "default": True}, {**LOCAL, "default": True}),
            ": more than one backend is the default",
            id="two-defaults",
        ),
    ],
)
def test_description_that_cannot_be_used_is_named_without_its_secrets(tmp_path: Path, text: str, message: str) -> None:
    settings = settings_of(tmp_path, text)
    with pytest.raises(InvalidSetting) as caught:
        media.connect(settings)
    assert str(caught.value).startswith(f"TAMS_STORAGE_BACKENDS{message}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_settings_do_not_show_their_secrets(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, text_of(S3))
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()
    assert SECRET not in repr(backends.read(text_of(S3)))


def test_variable_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TAMS_STORAGE_BACKENDS", text_of(S3))
    (store,) = media.connect(Settings.load(data_dir=tmp_path / "data", _env_file=None))
    assert store.backend.id == ID
