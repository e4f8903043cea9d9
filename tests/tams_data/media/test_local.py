"""The media store in a folder: what is written whole is read whole, and nothing else is ever seen."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from tams_data import media
from tams_data.errors import InvalidInput, InvalidSetting, MediaStoreFailed, UrlRefused
from tams_data.media import LocalMediaStore, Stat
from tams_data.media.uploads import CHUNK
from tams_data.settings import Settings
from tests.tams_data.media.stores import BASE_URL, MP2T, NOW_NS, Clock, content_of, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def store(folder: Path, clock: Clock) -> LocalMediaStore:
    return LocalMediaStore(folder, secret=bytes(32), url_timeout_s=60, clock_ns=clock)


def files(folder: Path) -> list[Path]:
    """Every file of the store but the one that holds its id."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "storage-id"]


@pytest.fixture
def leaves_nothing(store: LocalMediaStore, folder: Path) -> Iterator[None]:
    yield
    assert files(folder) == []
    assert store.stat("one") is None


# What is written is read.


def test_a_folder_that_is_made_is_nothing_to_others(store: LocalMediaStore, folder: Path) -> None:
    assert store.path
    assert folder.stat().st_mode & 0o007 == 0


def test_what_is_written_is_read(store: LocalMediaStore) -> None:
    stat = put(store, "one", b"media")
    digest = hashlib.sha256(b"media")
    assert stat == Stat(
        size_bytes=5, content_type=MP2T, etag=digest.hexdigest(), sha256=digest.digest(), modified_ns=NOW_NS
    )
    assert store.stat("one") == stat
    with store.open("one") as opened:
        assert opened.stat == stat
        assert opened.file.read() == b"media"
    assert opened.file.closed


@pytest.mark.parametrize(
    "object_id",
    [
        pytest.param("a/b/c.ts", id="slashes"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("..", id="the-folder-above"),
        pytest.param("../../outside", id="folders-above"),
        pytest.param("incoming", id="name-of-a-folder-of-ours"),
        pytest.param("a\0b", id="nul"),
        pytest.param("Ⅷ/日本/é", id="unicode"),
        pytest.param("🎬" * 4000, id="long"),
        pytest.param(" ", id="space"),
    ],
)
def test_any_id_is_safe(store: LocalMediaStore, folder: Path, object_id: str) -> None:
    put(store, object_id, b"media")
    assert content_of(store, object_id) == b"media"
    (path,) = files(folder.parent)
    assert path.relative_to(folder).parts == (path.name[:2], path.name[2:4], path.name)


# Uploads that break leave nothing.


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_a_failing_disk_is_named_and_leaves_nothing(
    store: LocalMediaStore, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(call, full)
        with pytest.raises(MediaStoreFailed, match="cannot store object 'one': No space left on device"):
            put(store, "one", b"media")


def test_confirmation_comes_last_and_can_undo(store: LocalMediaStore, folder: Path) -> None:
    def refuse() -> None:
        assert store.stat("one") is None
        assert len(files(folder)) == 1
        raise InvalidInput("registered meanwhile")

    with pytest.raises(InvalidInput, match="registered meanwhile"):
        put(store, "one", b"media", confirm=refuse)
    assert files(folder) == []


# Several at once.


def test_of_uploads_that_race_one_is_kept_whole(store: LocalMediaStore, folder: Path) -> None:
    contents = [bytes([n]) * (CHUNK + n) for n in range(8)]
    together = Barrier(len(contents))

    def upload(content: bytes) -> None:
        put(store, "one", content, confirm=together.wait)

    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(upload, contents))
    assert content_of(store, "one") in contents
    assert len(files(folder)) == 1


def test_readers_see_one_version_while_it_is_replaced(store: LocalMediaStore) -> None:
    versions = {content: put(store, "one", content).etag for content in (b"a" * CHUNK, b"b" * 2 * CHUNK)}

    def read(_: int) -> bool:
        with store.open("one") as opened:
            return versions[opened.file.read()] == opened.stat.etag

    def write(n: int) -> None:
        put(store, "one", list(versions)[n % 2])

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, n) for n in range(20)]
        assert all(pool.map(read, range(200)))
        for one in writing:
            one.result()


def test_what_is_open_outlives_replacement_and_deletion(store: LocalMediaStore) -> None:
    put(store, "one", b"before")
    with store.open("one") as opened:
        put(store, "one", b"after")
        store.delete(["one"])
        assert opened.file.read() == b"before"


# Deletion.


def test_one_that_cannot_be_deleted_does_not_keep_the_others(
    store: LocalMediaStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "stuck", b"media")
    (stuck,) = files(folder)
    put(store, "one", b"media")
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == stuck:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(MediaStoreFailed, match="cannot delete object 'stuck': Permission denied"):
        store.delete(["stuck", "one"])
    assert files(folder) == [stuck]


# Crashes and damage.


def test_a_start_sweeps_what_a_crash_left_and_not_what_is_being_written(
    store: LocalMediaStore, folder: Path, clock: Clock
) -> None:
    put(store, "one", b"media")
    dead, alive = folder / "incoming" / "dead", folder / "incoming" / "alive"
    dead.write_bytes(b"half")
    with alive.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        again = LocalMediaStore(folder, secret=bytes(32), clock_ns=clock)
        assert [path.name for path in (folder / "incoming").iterdir()] == ["alive"]
    assert content_of(again, "one") == b"media"


def test_a_second_store_on_the_folder_lets_uploads_of_the_first_finish(store: LocalMediaStore, folder: Path) -> None:
    put(store, "one", b"media", confirm=lambda: LocalMediaStore(folder, secret=bytes(32)))
    assert content_of(store, "one") == b"media"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:0], id="empty"),
        pytest.param(lambda content: content[:10], id="cut-to-less-than-a-footer"),
        pytest.param(lambda content: content[:-1], id="last-byte-missing"),
        pytest.param(lambda content: content[1:], id="first-byte-missing"),
        pytest.param(lambda content: content + b"\0" * 100, id="zeros-behind"),
        pytest.param(lambda content: b"\0" * len(content), id="zeros"),
    ],
)
@pytest.mark.parametrize("use", [LocalMediaStore.stat, LocalMediaStore.open], ids=["stat", "open"])
def test_a_damaged_file_is_named(
    store: LocalMediaStore,
    folder: Path,
    damage: Callable[[bytes], bytes],
    use: Callable[[LocalMediaStore, str], object],
) -> None:
    put(store, "one", b"media")
    (path,) = files(folder)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MediaStoreFailed, match="the file of object 'one' is damaged"):
        use(store, "one")


def test_a_file_can_be_named_and_verified_without_a_database(store: LocalMediaStore, folder: Path) -> None:
    put(store, "feed 1/0001", b"media")
    (path,) = files(folder)
    assert b'"object_id":"feed 1/0001"' in path.read_bytes()
    assert hashlib.sha256(b"media").hexdigest().encode() in path.read_bytes()


# URLs.


@pytest.mark.parametrize(
    ("object_id", "expected"),
    [
        pytest.param("one.ts", "http://tams.example/media/one.ts", id="plain"),
        pytest.param("a/b", "http://tams.example/media/~YS9i", id="coded"),
    ],
)
def test_the_plain_url_of(store: LocalMediaStore, object_id: str, expected: str) -> None:
    assert store.get_url(object_id, presigned=False, base_url=BASE_URL) == expected
    assert store.put_url(object_id, content_type=MP2T, presigned=False, base_url=BASE_URL) == expected


def parameters(url: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query, strict_parsing=True).items()}


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_presigned_url_holds_for_the_time_announced_and_for_its_method(
    store: LocalMediaStore, clock: Clock, method: str
) -> None:
    urls = {
        "GET": store.get_url("one", presigned=True, base_url=BASE_URL),
        "PUT": store.put_url("one", content_type=MP2T, presigned=True, base_url=BASE_URL),
    }
    given = parameters(urls[method])
    clock.now_ns = NOW_NS + 60 * 10**9
    store.check_url(method, "one", **given)
    with pytest.raises(UrlRefused):
        store.check_url({"GET": "PUT", "PUT": "GET"}[method], "one", **given)
    clock.now_ns = NOW_NS + 62 * 10**9
    with pytest.raises(UrlRefused, match="expired"):
        store.check_url(method, "one", **given)


def test_a_presigned_url_stays_the_same_for_a_sixtieth_of_its_time(tmp_path: Path, clock: Clock) -> None:
    clock.now_ns = NOW_NS - NOW_NS % 10**9 + 10**9
    hourly = LocalMediaStore(tmp_path / "hourly", secret=bytes(32), url_timeout_s=3600, clock_ns=clock)
    urls = []
    for _ in range(61):
        urls.append(hourly.get_url("one", presigned=True, base_url=BASE_URL))
        clock.now_ns += 10**9
    assert len(set(urls[:60])) == 1
    assert urls[60] != urls[0]


# The backend.


def test_the_backend_keeps_its_id_with_the_bytes(tmp_path: Path) -> None:
    first = LocalMediaStore(tmp_path / "a", secret=bytes(32), label="tape")
    other = LocalMediaStore(tmp_path / "b", secret=bytes(32))
    (tmp_path / "a").rename(tmp_path / "moved")
    moved = LocalMediaStore(tmp_path / "moved", secret=bytes(32))
    assert UUID(first.backend.id).version == 4
    assert first.backend.id == moved.backend.id != other.backend.id
    assert first.backend.label == "tape"
    assert first.backend.store_type == "http_object_store"


def test_the_service_has_one_store_in_its_data_folder(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path / "data", storage_label="shelf", _env_file=None)  # type: ignore[call-arg]
    (store,) = media.connect(chosen)
    assert store.backend.default_storage
    assert store.backend.label == "shelf"
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"media", "secret.key"}
    assert media.secret(chosen) == (tmp_path / "data" / "secret.key").read_bytes()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file")
    with pytest.raises(InvalidSetting, match=r"media folder .*media: "):
        LocalMediaStore(tmp_path / "media", secret=bytes(32))


# --- checking --------------------------------------------------------------------------------------------------------


def test_a_folder_that_takes_files_passes_and_keeps_nothing_of_the_check(store: LocalMediaStore, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    store.check()
    assert sorted(folder.rglob("*")) == before


def test_a_folder_that_takes_no_files_is_named(store: LocalMediaStore, folder: Path) -> None:
    (folder / "incoming").rmdir()
    with pytest.raises(MediaStoreFailed, match=f"^media folder {folder}: No such file or directory$"):
        store.check()
