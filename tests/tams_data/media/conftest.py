"""An empty media store of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tams_data.media import LocalMediaStore
from tams_data.media.s3 import S3MediaStore
from tests import s3
from tests.tams_data.media.stores import Kept

PART = 5 * 2**20
"""The least that a part may have in S3."""


@contextmanager
def local(request: pytest.FixtureRequest) -> Iterator[Kept]:
    folder: Path = request.getfixturevalue("tmp_path") / "media"

    def kept() -> list[str]:
        return [str(path) for path in folder.rglob("*") if path.is_file() and path.name != "storage-id"]

    yield Kept(LocalMediaStore(folder, secret=bytes(32)), kept)


@pytest.fixture(scope="session")
def bucket(s3_endpoint: str) -> Iterator[Kept]:
    """A media store in a bucket that tests share: opening one takes a while."""
    described = s3.described(s3_endpoint, prefix="some/where/")
    store = S3MediaStore(described, part_bytes=PART)
    yield Kept(store, lambda: s3.keys(s3_endpoint, described.bucket))
    store.close()
    assert s3.keys(s3_endpoint, described.bucket) == []


@contextmanager
def in_bucket(request: pytest.FixtureRequest) -> Iterator[Kept]:
    shared: Kept = request.getfixturevalue("bucket")
    yield shared
    s3.empty(request.getfixturevalue("s3_endpoint"), shared.store._bucket)


STORES: Mapping[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Kept]]] = {
    "local": local,
    "s3": in_bucket,
}


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    """An empty media store of each kind."""
    with STORES[request.param](request) as made:
        yield made
