"""What every media store promises: what is written whole is read whole, and nothing else is ever seen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tams_data import media
from tams_data.errors import InvalidInput, ObjectNotFound, UploadBroken
from tams_data.media import MediaStore
from tams_data.media.uploads import CHUNK
from tests.tams_data.media.stores import BASE_URL, MP2T, Broken, Kept, content_of, put


@pytest.fixture
def store(kept: Kept) -> MediaStore:
    return kept.store


@pytest.fixture
def leaves_nothing(kept: Kept) -> Iterator[None]:
    yield
    assert kept.kept() == []
    assert kept.store.stat("one") is None


def test_what_is_written_is_read(store: MediaStore) -> None:
    stat = put(store, "one", b"media")
    assert (stat.size_bytes, stat.content_type, stat.sha256) == (5, MP2T, hashlib.sha256(b"media").digest())
    assert store.stat("one") == stat
    with store.open("one") as opened:
        assert opened.stat == stat
        assert opened.file.read() == b"media"
    assert opened.file.closed


def test_the_etag_changes_with_the_bytes(store: MediaStore) -> None:
    etags = [put(store, "one", content).etag for content in (b"media", b"other", b"media")]
    assert etags[0] == etags[2] != etags[1]
    assert '"' not in etags[0]


@pytest.mark.parametrize(
    "object_id",
    [
        pytest.param("a/b/c.ts", id="slashes"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("..", id="the-folder-above"),
        pytest.param("../../outside", id="folders-above"),
        pytest.param("a\0b", id="nul"),
        pytest.param("a?b=%2F#c&d+e", id="characters-of-urls"),
        pytest.param("Ⅷ/日本/é", id="unicode"),
        pytest.param("🎬" * 4000, id="long"),
        pytest.param("a" * 200, id="long-and-plain"),
        pytest.param(" ", id="space"),
    ],
)
def test_any_id_is_an_id(kept: Kept, object_id: str) -> None:
    put(kept.store, object_id, b"media")
    put(kept.store, object_id + "x", b"other")
    assert content_of(kept.store, object_id) == b"media"
    kept.store.delete([object_id])
    assert kept.store.stat(object_id) is None
    assert len(kept.kept()) == 1


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_any_size_is_kept_to_the_byte(store: MediaStore, size: int) -> None:
    content = os.urandom(size)
    assert put(store, "one", content).size_bytes == size
    assert content_of(store, "one") == content


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(min_size=1), st.binary(max_size=40), min_size=1, max_size=5))
def test_objects_do_not_touch_each_other(store: MediaStore, contents: dict[str, bytes]) -> None:
    for object_id, content in contents.items():
        put(store, object_id, content)
    assert {object_id: content_of(store, object_id) for object_id in contents} == contents


@pytest.mark.parametrize("object_id", ["", "\ud800"], ids=["empty", "lone-surrogate"])
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda store, id_: store.stat(id_), id="stat"),
        pytest.param(lambda store, id_: store.open(id_), id="open"),
        pytest.param(lambda store, id_: put(store, id_, b""), id="write"),
        pytest.param(lambda store, id_: store.delete([id_]), id="delete"),
        pytest.param(lambda store, id_: store.get_url(id_, presigned=False, base_url=BASE_URL), id="get_url"),
    ],
)
def test_what_is_no_id_is_refused(store: MediaStore, use: Callable[[MediaStore, str], object], object_id: str) -> None:
    with pytest.raises(InvalidInput):
        use(store, object_id)


def test_what_is_not_there_is_not_there(store: MediaStore) -> None:
    assert store.stat("one") is None
    with pytest.raises(ObjectNotFound, match="'one'"):
        store.open("one")


def test_the_file_knows_its_end(store: MediaStore) -> None:
    """Nothing behind the bytes is ever read, from wherever reading starts."""
    put(store, "one", b"0123456789")
    with store.open("one") as opened:
        assert opened.file.seek(-3, os.SEEK_END) == 7
        assert opened.file.read() == b"789"
        assert opened.file.seek(4) == 4
        assert opened.file.read(2) == b"45"
        assert opened.file.seek(1, os.SEEK_CUR) == 7
        assert opened.file.seek(10**6) == 10**6
        assert opened.file.read() == b""


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize(
    ("length", "message"),
    [
        pytest.param(6, "ended after 5 of 6 bytes", id="short"),
        pytest.param(4, "more than the 4 bytes", id="long"),
        pytest.param(0, "more than the 0 bytes", id="none-announced"),
    ],
)
def test_an_upload_of_another_length_is_refused(store: MediaStore, length: int, message: str) -> None:
    with pytest.raises(UploadBroken, match=message):
        put(store, "one", b"media", length=length)


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(ConnectionResetError("gone"), UploadBroken, id="client-gone"),
        pytest.param(RuntimeError("a bug"), RuntimeError, id="anything-else"),
        pytest.param(KeyboardInterrupt(), KeyboardInterrupt, id="interrupt"),
    ],
)
def test_an_upload_that_fails_is_undone(store: MediaStore, error: BaseException, expected: type[BaseException]) -> None:
    with pytest.raises(expected):
        store.write("one", Broken(b"x" * CHUNK, error), length=2 * CHUNK, content_type=MP2T)


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("algorithm", media.CHECKSUMS)
def test_a_wrong_checksum_is_refused(store: MediaStore, algorithm: str) -> None:
    with pytest.raises(InvalidInput, match=f"the bytes have the {algorithm} ") as caught:
        put(store, "one", b"media", checksums={algorithm: hashlib.new(algorithm, b"other").digest()})
    assert caught.value.field == algorithm


def test_right_checksums_are_accepted(store: MediaStore) -> None:
    checksums = {name: hashlib.new(name, b"media").digest() for name in media.CHECKSUMS}
    put(store, "one", b"media", checksums=checksums)
    assert content_of(store, "one") == b"media"


def test_a_broken_upload_leaves_what_was_there(store: MediaStore) -> None:
    before = put(store, "one", b"before")
    with pytest.raises(UploadBroken):
        put(store, "one", b"after", length=1000)
    assert store.stat("one") == before
    assert content_of(store, "one") == b"before"


@pytest.mark.usefixtures("leaves_nothing")
def test_confirmation_can_undo(store: MediaStore) -> None:
    def refuse() -> None:
        assert store.stat("one") is None
        raise InvalidInput("registered meanwhile")

    with pytest.raises(InvalidInput, match="registered meanwhile"):
        put(store, "one", b"media", confirm=refuse)


def test_deletion_passes_over_what_is_not_there(kept: Kept) -> None:
    for object_id in ("one", "two", "three"):
        put(kept.store, object_id, b"media")
    kept.store.delete(["one", "never", "two"])
    kept.store.delete([])
    assert len(kept.kept()) == 1
    assert content_of(kept.store, "three") == b"media"


def test_a_store_that_works_passes_the_check_and_keeps_nothing_of_it(kept: Kept) -> None:
    kept.store.check()
    assert kept.kept() == []
