"""The media store in a bucket: keys, parts, copies by S3 itself, and what comes of what S3 refuses."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import httpx
import pytest

from tams_data.errors import InvalidInput, InvalidSetting, MediaStoreFailed, ObjectNotFound, UploadBroken
from tams_data.media import LocalMediaStore
from tams_data.media.s3 import S3MediaStore
from tests import s3
from tests.tams_data.media.conftest import PART
from tests.tams_data.media.stores import BASE_URL, MP2T, Broken, Clock, Kept, content_of, put

ELSEWHERE = "https://s3.example"


@pytest.fixture
def kept(request: pytest.FixtureRequest, s3_endpoint: str, bucket: Kept) -> Iterator[Kept]:
    """The media store of the tests in a bucket, empty."""
    yield bucket
    s3.empty(s3_endpoint, bucket.store._bucket)


@pytest.fixture
def store(kept: Kept) -> S3MediaStore:
    assert isinstance(kept.store, S3MediaStore)
    return kept.store


@pytest.fixture(scope="module")
def other(s3_endpoint: str) -> Iterator[Kept]:
    """A media store in another bucket of the same service, which the same keys open."""
    described = s3.described(f"{s3_endpoint}/")
    opened = S3MediaStore(described, part_bytes=PART)
    yield Kept(opened, lambda: s3.keys(s3_endpoint, described.bucket))
    opened.close()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[S3MediaStore]:
    """A media store that nobody answers for, whose URLs can be looked at."""
    opened = S3MediaStore(s3.described(ELSEWHERE, bucket="media", prefix="tams/"), url_timeout_s=60, clock_ns=Clock())
    yield opened
    opened.close()


# Keys and URLs.


@pytest.mark.parametrize(
    ("object_id", "key"),
    [
        pytest.param("one.ts", "one.ts", id="plain"),
        pytest.param("a/b", "~YS9i", id="coded"),
        pytest.param("é" * 500, f"~~{hashlib.sha256(('é' * 500).encode()).hexdigest()}", id="long"),
    ],
)
def test_key_is_the_token_of_the_id_behind_the_prefix(kept: Kept, object_id: str, key: str) -> None:
    put(kept.store, object_id, b"media")
    assert kept.kept() == [f"some/where/{key}"]


def test_plain_urls_are_those_of_the_bucket(elsewhere: S3MediaStore) -> None:
    expected = f"{ELSEWHERE}/media/tams/one.ts"
    assert elsewhere.get_url("one.ts", presigned=False, base_url=BASE_URL) == expected
    assert elsewhere.put_url("one.ts", content_type=MP2T, presigned=False, base_url=BASE_URL) == expected


def test_presigned_urls_say_for_whom_and_for_how_long(elsewhere: S3MediaStore) -> None:
    get = elsewhere.get_url("one.ts", presigned=True, base_url=BASE_URL)
    put = elsewhere.put_url("one.ts", content_type=MP2T, presigned=True, base_url=BASE_URL)
    for url, signed in ((get, "host"), (put, "content-type;host")):
        query = parse_qs(urlsplit(url).query)
        assert url.startswith(f"{ELSEWHERE}/media/tams/one.ts?")
        assert query["X-Amz-Credential"] == [f"{s3.ACCESS_KEY}/20270115/us-east-1/s3/aws4_request"]
        assert query["X-Amz-Expires"] == ["61"]
        assert query["X-Amz-SignedHeaders"] == [signed]
    assert get.rpartition("=")[2] != put.rpartition("=")[2]


def test_urls_are_at_the_address_that_clients_see(s3_endpoint: str) -> None:
    described = s3.described(s3_endpoint, bucket="media", public_endpoint="https://media.example/")
    store = S3MediaStore(described)
    assert store.get_url("a", presigned=False, base_url=BASE_URL) == "https://media.example/media/a"
    assert store.get_url("a", presigned=True, base_url=BASE_URL).startswith("https://media.example/media/a?X-Amz-")
    store.close()


def test_bucket_of_aws_has_a_name_of_its_own() -> None:
    store = S3MediaStore(s3.described(None, bucket="media", region="eu-west-2"))  # type: ignore[arg-type]
    url = store.get_url("a", presigned=False, base_url=BASE_URL)
    assert url == "https://media.s3.eu-west-2.amazonaws.com/a"
    assert store.backend.provider == "aws"
    store.close()


def test_page_of_urls_is_signed_in_5_ms(elsewhere: S3MediaStore) -> None:
    ids = [f"93743497-c697-5753-ab1d-{number:012}" for number in range(100)]
    took_ns = []
    for _ in range(5):  # the least of several: other processes share the machine
        begun = time.perf_counter_ns()
        for one in ids:
            elsewhere.get_url(one, presigned=True, base_url=BASE_URL)
            elsewhere.get_url(one, presigned=False, base_url=BASE_URL)
        took_ns.append(time.perf_counter_ns() - begun)
    assert min(took_ns) < 5 * 10**6


def test_urls_take_and_give_the_bytes(store: S3MediaStore) -> None:
    put_url = store.put_url("feed 1/ä", content_type=MP2T, presigned=True, base_url=BASE_URL)
    assert httpx.put(put_url, content=b"media", headers={"Content-Type": MP2T}).status_code == 200
    got = httpx.get(store.get_url("feed 1/ä", presigned=True, base_url=BASE_URL))
    assert (got.status_code, got.content, got.headers["Content-Type"]) == (200, b"media", MP2T)
    stat = store.stat("feed 1/ä")
    assert stat is not None
    assert (stat.size_bytes, stat.content_type, stat.sha256) == (5, MP2T, None)


def test_time_of_an_object_is_that_of_its_upload(store: S3MediaStore) -> None:
    begun_s = time.time_ns() // 10**9
    modified_s, rest = divmod(put(store, "one", b"media").modified_ns, 10**9)
    assert rest == 0
    assert begun_s <= modified_s <= time.time_ns() // 10**9


# Parts.


def test_large_object_is_stored_in_parts(kept: Kept, store: S3MediaStore, s3_endpoint: str) -> None:
    content = os.urandom(2 * PART + 1)
    put(store, "one", content)
    assert content_of(store, "one") == content
    head = s3.client(s3_endpoint).head_object(Bucket=store._bucket, Key="some/where/one", PartNumber=1)
    assert head["PartsCount"] == 3
    assert kept.kept() == ["some/where/one"], "no upload is left open"


@pytest.mark.parametrize("announced", [True, False])
def test_sha256_of_a_large_object_is_known_if_it_was_announced(store: S3MediaStore, announced: bool) -> None:
    content = os.urandom(PART + 1)
    digest = hashlib.sha256(content).digest()
    stat = put(store, "one", content, checksums={"sha256": digest} if announced else {})
    assert stat.sha256 == (digest if announced else None)


def refuse() -> None:
    raise InvalidInput("registered meanwhile")


@pytest.mark.parametrize(
    ("upload", "error"),
    [
        pytest.param(lambda store: put(store, "one", bytes(PART + 1), length=PART + 2), UploadBroken, id="short"),
        pytest.param(lambda store: put(store, "one", bytes(PART + 2), length=PART + 1), UploadBroken, id="long"),
        pytest.param(lambda store: put(store, "one", bytes(PART + 1), confirm=refuse), InvalidInput, id="refused"),
        pytest.param(
            lambda store: put(store, "one", bytes(PART + 1), checksums={"sha256": bytes(32)}),
            InvalidInput,
            id="another-checksum",
        ),
        pytest.param(
            lambda store: store.write(
                "one", Broken(bytes(PART + 1), KeyboardInterrupt()), length=2 * PART, content_type=MP2T
            ),
            KeyboardInterrupt,
            id="interrupt",
        ),
    ],
)
def test_large_upload_that_fails_leaves_nothing(
    kept: Kept, upload: Callable[[Any], object], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        upload(kept.store)
    assert kept.kept() == []


# Reading.


def test_reading_from_a_place_asks_for_the_rest_alone(store: S3MediaStore) -> None:
    content = os.urandom(3 * 2**20)
    put(store, "one", content)
    with store.open("one") as opened:
        assert opened.file.read(10) == content[:10]
        opened.file.seek(2 * 2**20)
        assert opened.file.read(10) == content[2 * 2**20 :][:10]
        opened.file.seek(-5, os.SEEK_END)
        assert opened.file.read() == content[-5:]


def test_bytes_of_two_versions_are_never_mixed(store: S3MediaStore) -> None:
    put(store, "one", bytes(2**20))
    with store.open("one") as opened:
        put(store, "one", b"\1" * 2**20)
        opened.file.seek(2**19)
        with pytest.raises(MediaStoreFailed, match=r"cannot read object 'one' in bucket b-.*: S3 answered "):
            opened.file.read(1)


# Copies by S3 itself.


def nothing() -> None:
    """All is well."""


@pytest.mark.parametrize("size", [0, 5, PART, 2 * PART + 1])
def test_object_is_copied_between_buckets(kept: Kept, store: S3MediaStore, other: Kept, size: int) -> None:
    content = os.urandom(size)
    before = put(store, "a/b", content, checksums={"sha256": hashlib.sha256(content).digest()})
    confirmed = []

    def confirm() -> None:
        assert other.store.stat("a/b") is None
        confirmed.append(True)

    assert other.store.copy_from(store, "a/b", going_on=nothing, confirm=confirm)
    assert confirmed == [True]
    assert content_of(other.store, "a/b") == content
    after = other.store.stat("a/b")
    assert after is not None
    assert (after.size_bytes, after.content_type, after.sha256) == (size, MP2T, before.sha256)
    other.store.delete(["a/b"])
    assert other.kept() == []


@pytest.mark.parametrize(("when", "size"), [("confirm", 5), ("confirm", PART + 1), ("going_on", PART + 1)])
def test_copy_that_is_broken_off_leaves_nothing(store: S3MediaStore, other: Kept, when: str, size: int) -> None:
    put(store, "one", bytes(size))
    with pytest.raises(InvalidInput, match="registered meanwhile"):
        other.store.copy_from(store, "one", **{"going_on": nothing, "confirm": nothing, when: refuse})
    assert other.kept() == []


def test_copy_of_what_is_not_there_is_refused(store: S3MediaStore, other: Kept) -> None:
    with pytest.raises(ObjectNotFound, match="'one'"):
        other.store.copy_from(store, "one", going_on=nothing, confirm=nothing)


@pytest.mark.parametrize("source", ["a folder", "another service", "other keys"])
def test_copy_is_not_left_to_s3_when_its_keys_do_not_open_the_source(
    tmp_path: Path, store: S3MediaStore, elsewhere: S3MediaStore, s3_endpoint: str, source: str
) -> None:
    others = {
        "a folder": lambda: LocalMediaStore(tmp_path, secret=bytes(32)),
        "another service": lambda: elsewhere,
        "other keys": lambda: S3MediaStore(s3.described(s3_endpoint, bucket="media", access_key="another")),
    }
    assert not store.copy_from(others[source](), "one", going_on=refuse, confirm=refuse)


# Deletion.


def test_any_number_is_deleted(kept: Kept, store: S3MediaStore) -> None:
    """S3 takes 1,000 in one request."""
    for one in ("first", "last", "kept"):
        put(store, one, b"media")
    store.delete(["first", *(f"never-{number}" for number in range(1000)), "last"])
    assert kept.kept() == ["some/where/kept"]


# What S3 refuses.


class Answers(ThreadingHTTPServer):
    """An S3 service that gives one answer after another, the last again and again, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []


class Answering(BaseHTTPRequestHandler):
    server: Answers

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answers = self.server.answers
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.asked.append((self.command, dict(self.headers)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"x"')
        self.send_header("Last-Modified", "Fri, 15 Jan 2027 08:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815  # http.server's names

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def answering() -> Iterator[tuple[Answers, S3MediaStore]]:
    """A service that answers as it is told, and a media store in it."""
    server = Answers()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    store = S3MediaStore(s3.described(f"http://127.0.0.1:{server.server_port}", bucket="media"))
    yield server, store
    store.close()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def service(answering: tuple[Answers, S3MediaStore]) -> Answers:
    answering[0].asked.clear()
    return answering[0]


@pytest.fixture
def refused(answering: tuple[Answers, S3MediaStore]) -> S3MediaStore:
    return answering[1]


def error(code: str) -> bytes:
    """An error of S3 that quotes more of the request than anybody should read."""
    return f"<Error><Code>{code}</Code><Message>You sent {s3.SECRET_KEY}</Message></Error>".encode()


USES: dict[str, Callable[[S3MediaStore], object]] = {
    "stat": lambda store: store.stat("one"),
    "open": lambda store: store.open("one"),
    "write": lambda store: put(store, "one", b"media"),
    "delete": lambda store: store.delete(["one"]),
    "check": lambda store: store.check(),
}


@pytest.mark.parametrize("use", USES)
def test_refusal_is_named_and_no_secret_shows(
    service: Answers, refused: S3MediaStore, caplog: pytest.LogCaptureFixture, use: str
) -> None:
    service.answers = [(403, error("AccessDenied"))]
    with caplog.at_level(logging.INFO), pytest.raises(MediaStoreFailed) as caught:
        USES[use](refused)
    message = str(caught.value)
    assert message.endswith(("S3 answered AccessDenied", "S3 answered 403"))  # the answer to a HEAD has no body
    assert "media" in message
    assert s3.SECRET_KEY not in message + repr(caught.value) + caplog.text + repr(refused)


def test_missing_bucket_is_not_a_missing_object(service: Answers, refused: S3MediaStore) -> None:
    service.answers = [(404, error("NoSuchBucket"))]
    with pytest.raises(MediaStoreFailed, match="NoSuchBucket"):
        refused.open("one")
    with pytest.raises(MediaStoreFailed, match=r"^bucket media: S3 answered 404$"):
        refused.check()


def test_busy_service_is_asked_again(service: Answers, refused: S3MediaStore) -> None:
    service.answers = [(503, error("SlowDown")), (200, b"media")]
    assert content_of(refused, "one") == b"media"
    assert len(service.asked) == 2


def test_check_asks_once(service: Answers, refused: S3MediaStore) -> None:
    service.answers = [(503, error("SlowDown"))]
    with pytest.raises(MediaStoreFailed):
        refused.check()
    assert len(service.asked) == 1


def test_one_that_cannot_be_deleted_is_named(service: Answers, refused: S3MediaStore) -> None:
    body = f"<Key>~YS9i</Key><Code>AccessDenied</Code><Message>{escape(s3.SECRET_KEY)}</Message>"
    service.answers = [(200, f"<DeleteResult><Error>{body}</Error></DeleteResult>".encode())]
    with pytest.raises(MediaStoreFailed, match=r"^cannot delete object 'a/b': AccessDenied$"):
        refused.delete(["one", "a/b"])


def test_deletion_carries_both_checksums_that_services_ask_for(service: Answers, refused: S3MediaStore) -> None:
    service.answers = [(200, b"<DeleteResult></DeleteResult>")]
    refused.delete(["one"])
    ((method, headers),) = service.asked
    assert method == "POST"
    assert {"Content-MD5", "x-amz-checksum-crc32"} <= headers.keys()
    assert "content-md5" in headers["Authorization"], "it is signed as well"


def test_body_is_sent_as_it_is(service: Answers, refused: S3MediaStore) -> None:
    """Not in the chunks with a checksum behind them that some services store as part of the object."""
    service.answers = [(200, b"")]
    put(refused, "one", b"media")
    _, headers = service.asked[0]
    assert headers["Content-Length"] == "5"
    assert "aws-chunked" not in headers.get("Content-Encoding", "")


def test_service_that_is_not_there_is_named() -> None:
    store = S3MediaStore(s3.described("http://127.0.0.1:9", bucket="media"))
    with pytest.raises(MediaStoreFailed, match=r"^bucket media: Could not connect .*127\.0\.0\.1:9/media"):
        store.check()
    store.close()


# Opening.


def test_store_without_credentials_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    described = s3.described(ELSEWHERE, bucket="media", access_key=None, secret_key=None)
    with pytest.raises(
        InvalidSetting, match=f"^storage backend {described.id}: no access_key, and AWS tools find none"
    ):
        S3MediaStore(described)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = S3MediaStore(described)
    assert "from-the-environment" in store.get_url("a", presigned=True, base_url=BASE_URL)
    store.close()


def test_urls_cannot_hold_for_longer_than_s3_lets_them() -> None:
    with pytest.raises(InvalidSetting, match=r"^TAMS_URL_TIMEOUT=604800: "):
        S3MediaStore(s3.described(ELSEWHERE, bucket="media"), url_timeout_s=604_800)


def test_secrets_do_not_show(elsewhere: S3MediaStore) -> None:
    described = s3.described(ELSEWHERE, bucket="media")
    shown = [repr(described), str(described), repr(elsewhere), repr(elsewhere.backend), described.model_dump_json()]
    assert not [one for one in shown if s3.SECRET_KEY in one]
