"""Reading and uploading bytes over HTTP: rules on Flask's test client, transport on a granian process."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.media import blueprint
from tams_data.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    ObjectConflict,
    StoreUnavailable,
    TamsDataError,
    UploadBroken,
)
from tams_data.media import LocalMediaStore

ROOT = Path(__file__).parents[2]
SECRET = bytes(32)
BASE_URL = "http://localhost"
MP2T = "video/mp2t"
CONTENT = bytes(range(256)) * 4
SHA256 = hashlib.sha256(CONTENT)
MODIFIED_NS = 1_800_000_000_987_654_321
STATUS = {InvalidInput: 400, UploadBroken: 400, Forbidden: 403, NotFound: 404, StoreUnavailable: 503}


def base64_of(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


@dataclass
class Rules:
    """What the API says of objects and callers."""

    allocated: dict[str, str] = field(default_factory=lambda: {"one": MP2T})
    anyone: bool = True
    asked: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    def may_write(self, object_id: str) -> str:
        self.asked.append(object_id)
        if object_id not in self.allocated:
            raise ObjectConflict(f"object {object_id!r} is not allocated")
        return self.allocated[object_id]

    def written(self, object_id: str, size_bytes: int) -> None:
        self.may_write(object_id)
        self.sizes.append(size_bytes)

    def authorise(self, object_id: str) -> None:  # noqa: ARG002  # anybody may have each object
        if not self.anyone:
            raise Forbidden("no credentials")


def application(media: LocalMediaStore, rules: Rules) -> Flask:
    app = Flask("media")
    routes = blueprint(
        media,
        may_write=rules.may_write,
        written=rules.written,
        placed=rules.placed.append,
        read=rules.read.append,
        authorise=rules.authorise,
        receiving=nullcontext,
    )
    app.register_blueprint(routes)

    def answer(error: TamsDataError) -> tuple[str, int]:
        return str(error), next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)

    app.register_error_handler(TamsDataError, answer)
    return app


class AnyObject(dict[str, str]):
    """Every object is allocated."""

    def __contains__(self, object_id: object) -> bool:
        return object_id != "registered"

    def __missing__(self, object_id: str) -> str:
        return MP2T


def served() -> Flask:
    """The application that granian serves."""
    media = LocalMediaStore(Path(os.environ["TEST_MEDIA_FOLDER"]), secret=SECRET)
    app = application(media, Rules(AnyObject()))
    app.add_url_rule("/memory", view_func=lambda: Path("/proc/self/statm").read_text().split()[1])
    return app


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
def media(tmp_path: Path) -> LocalMediaStore:
    return LocalMediaStore(tmp_path / "media", secret=SECRET, url_timeout_s=60, clock_ns=lambda: MODIFIED_NS)


@pytest.fixture
def client(media: LocalMediaStore, rules: Rules) -> FlaskClient:
    return application(media, rules).test_client()


@pytest.fixture
def stored(media: LocalMediaStore) -> None:
    media.write("one", BytesIO(CONTENT), length=len(CONTENT), content_type=MP2T)


# GET and HEAD.


@pytest.mark.usefixtures("stored")
def test_get_gives_the_bytes_and_says_what_they_are(client: FlaskClient) -> None:
    response = client.get("/media/one")
    assert response.status_code == 200
    assert response.data == CONTENT
    headers = {name: value for name, value in response.headers.items() if name != "Date"}
    assert headers == {
        "Content-Type": MP2T,
        "Content-Length": "1024",
        "Accept-Ranges": "bytes",
        "ETag": f'"{SHA256.hexdigest()}"',
        "x-amz-checksum-sha256": base64_of(SHA256.digest()),
        "Last-Modified": "Fri, 15 Jan 2027 08:00:00 GMT",
        "Cache-Control": "private, max-age=86400, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=10-19"}], ids=["whole", "range"])
def test_head_equals_get_without_the_bytes(client: FlaskClient, headers: dict[str, str]) -> None:
    head, get = client.head("/media/one", headers=headers), client.get("/media/one", headers=headers)
    assert head.data == b""
    assert head.status_code == get.status_code
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        pytest.param("bytes=0-0", 206, (0, 1), id="first-byte"),
        pytest.param("bytes=100-199", 206, (100, 200), id="middle"),
        pytest.param("bytes=1000-", 206, (1000, 1024), id="from"),
        pytest.param("bytes=0-", 206, (0, 1024), id="from-the-start"),
        pytest.param("bytes=-24", 206, (1000, 1024), id="last"),
        pytest.param("bytes=1000-9999", 206, (1000, 1024), id="beyond-the-end"),
        pytest.param("bytes=1024-", 416, None, id="at-the-end"),
        pytest.param("bytes=5000-6000", 416, None, id="behind-the-end"),
        pytest.param("bytes=-1024", 200, (0, 1024), id="last-as-many-as-there-are"),
        pytest.param("bytes=-9999", 200, (0, 1024), id="last-more-than-there-are"),
        pytest.param("bytes=0-1,5-6", 200, (0, 1024), id="several"),
        pytest.param("bytes=9-5", 200, (0, 1024), id="backwards"),
        pytest.param("bytes=a-b", 200, (0, 1024), id="not-numbers"),
        pytest.param("lines=1-2", 200, (0, 1024), id="other-unit"),
        pytest.param("nonsense", 200, (0, 1024), id="nonsense"),
    ],
)
def test_a_range_gives(client: FlaskClient, asked: str, status: int, expected: tuple[int, int] | None) -> None:
    response = client.get("/media/one", headers={"Range": asked})
    assert response.status_code == status
    if expected is None:
        assert response.headers["Content-Range"] == "bytes */1024"
        return
    start, end = expected
    assert response.data == CONTENT[start:end]
    assert response.headers["Content-Length"] == str(end - start)
    assert response.headers.get("Content-Range") == (f"bytes {start}-{end - 1}/1024" if status == 206 else None)


ETAG = f'"{SHA256.hexdigest()}"'
NO_DATE = f"Thu, 01 Jan {'9' * 20} 00:00:00 GMT"


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"If-None-Match": ETAG}, 304, id="etag-is-known"),
        pytest.param({"If-None-Match": f'"x", W/{ETAG}'}, 304, id="etag-is-among-those-known"),
        pytest.param({"If-None-Match": '"x"'}, 200, id="another-etag-is-known"),
        pytest.param({"If-Modified-Since": "Fri, 15 Jan 2027 08:00:00 GMT"}, 304, id="not-modified-since"),
        pytest.param({"If-Modified-Since": "Fri, 15 Jan 2027 07:59:59 GMT"}, 200, id="modified-since"),
        pytest.param({"Range": "bytes=0-9", "If-Range": ETAG}, 206, id="range-of-the-same"),
        pytest.param({"Range": "bytes=0-9", "If-Range": '"x"'}, 200, id="range-of-another"),
        pytest.param({"If-Match": '"x"'}, 412, id="another-is-asked-for"),
        pytest.param({"If-Modified-Since": NO_DATE}, 200, id="modified-since-no-date"),
        pytest.param({"Range": "bytes=0-9", "If-Range": NO_DATE}, 200, id="range-of-no-date"),
    ],
)
def test_a_condition_gives(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    response = client.get("/media/one", headers=headers)
    assert response.status_code == status
    assert response.headers["ETag"] == ETAG
    assert len(response.data) == {200: 1024, 206: 10}.get(status, len(response.data))


def test_an_empty_object_is_given_whole(client: FlaskClient, media: LocalMediaStore) -> None:
    media.write("one", BytesIO(), length=0, content_type=MP2T)
    response = client.get("/media/one", headers={"Range": "bytes=0-9"})
    assert (response.status_code, response.data) == (200, b"")


@pytest.mark.parametrize("token", ["one", "~YS9i", "~", "~YQ", "%2e%2e", "a%20b"])
def test_what_is_not_there_is_404(client: FlaskClient, token: str) -> None:
    assert client.get(f"/media/{token}").status_code == 404


# PUT.


def put(client: FlaskClient, url: str = "/media/one", content: bytes = CONTENT, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(url, data=content, headers={"Content-Type": MP2T, **named})


def test_put_stores_and_answers_with_the_etag(client: FlaskClient) -> None:
    response = put(client)
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["ETag"] == ETAG
    assert response.headers["x-amz-checksum-sha256"] == base64_of(SHA256.digest())
    assert client.get("/media/one").data == CONTENT


def test_a_repeated_put_is_answered_alike(client: FlaskClient) -> None:
    assert put(client).status_code == put(client).status_code == 200


@pytest.mark.parametrize(
    ("allocated", "given", "status"),
    [
        pytest.param(MP2T, MP2T, 200, id="same"),
        pytest.param(MP2T, "Video/MP2T", 200, id="case"),
        pytest.param('video/mp4; codecs="avc1"', "video/mp4;codecs=avc1", 200, id="spelling"),
        pytest.param(MP2T, None, 200, id="none"),
        pytest.param(MP2T, "video/mp4", 415, id="other"),
        pytest.param(MP2T, "application/x-www-form-urlencoded", 415, id="what-curl-says-by-default"),
        pytest.param(MP2T, "video/mp2t; charset=utf-8", 415, id="other-parameters"),
    ],
)
def test_content_type(client: FlaskClient, rules: Rules, allocated: str, given: str | None, status: int) -> None:
    rules.allocated["one"] = allocated
    response = client.put("/media/one", data=CONTENT, content_type=given)
    assert response.status_code == status
    if status == 200:
        assert client.get("/media/one").headers["Content-Type"] == allocated


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Content-MD5": base64_of(hashlib.md5(CONTENT).digest())}, 200, id="md5"),
        pytest.param({"x-amz-checksum-sha256": base64_of(SHA256.digest())}, 200, id="sha256"),
        pytest.param({"Content-MD5": base64_of(hashlib.md5(b"other").digest())}, 400, id="other-md5"),
        pytest.param({"x-amz-checksum-sha256": base64_of(bytes(32))}, 400, id="other-sha256"),
        pytest.param({"Content-MD5": base64_of(SHA256.digest())}, 400, id="sha256-as-md5"),
        pytest.param({"Content-MD5": hashlib.md5(CONTENT).hexdigest()}, 400, id="hexadecimal"),
        pytest.param({"Content-MD5": "é"}, 400, id="not-ascii"),
        pytest.param({"Content-MD5": ""}, 400, id="empty"),
        pytest.param({"Content-Range": "bytes 0-1023/2048"}, 400, id="part-of-an-object"),
    ],
)
def test_checksum(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    response = put(client, **headers)
    assert response.status_code == status
    assert client.get("/media/one").status_code == (200 if status == 200 else 404)


@pytest.mark.parametrize(
    ("announced", "status"),
    [
        pytest.param("1024", 200, id="right"),
        pytest.param("1025", 400, id="one-more-than-comes"),
        pytest.param("1023", 400, id="one-less-than-comes"),
        pytest.param(None, 411, id="unknown"),
    ],
)
def test_length(client: FlaskClient, announced: str | None, status: int) -> None:
    """The stream ends with the body, as granian has it."""
    environ = {"wsgi.input_terminated": True, "wsgi.input": BytesIO(CONTENT), "CONTENT_LENGTH": announced}
    response = client.put("/media/one", environ_overrides=environ)
    assert response.status_code == status
    assert client.get("/media/one").status_code == (200 if status == 200 else 404)


def test_an_object_that_is_not_allocated_is_refused(client: FlaskClient) -> None:
    response = put(client, "/media/two")
    assert (response.status_code, response.text) == (400, "object 'two' is not allocated")


def test_an_upload_that_ends_after_registration_is_undone(client: FlaskClient, rules: Rules) -> None:
    class Registering(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            rules.allocated.clear()
            return super().read(size)

    environ = {"wsgi.input_terminated": True, "wsgi.input": Registering(CONTENT), "CONTENT_LENGTH": "1024"}
    assert client.put("/media/one", environ_overrides=environ).status_code == 400
    assert rules.asked == ["one", "one"]
    assert client.get("/media/one").status_code == 404


# Who may.


@pytest.mark.usefixtures("stored")
def test_a_plain_url_asks_for_credentials(client: FlaskClient, rules: Rules) -> None:
    rules.anyone = False
    for response in (client.get("/media/one"), client.head("/media/one"), put(client)):
        assert response.status_code == 403
    assert rules.asked == []


@pytest.mark.usefixtures("stored")
def test_a_presigned_url_needs_no_credentials(client: FlaskClient, rules: Rules, media: LocalMediaStore) -> None:
    rules.anyone = False
    get = media.get_url("one", presigned=True, base_url=BASE_URL)
    upload = media.put_url("one", content_type=MP2T, presigned=True, base_url=BASE_URL)
    assert [client.get(get).status_code, client.head(get).status_code, put(client, upload).status_code] == [200] * 3
    assert [client.get(upload).status_code, client.head(upload).status_code, put(client, get).status_code] == [403] * 3


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda url: url.replace("/one?", "/two?"), id="another-object"),
        pytest.param(lambda url: url.replace("expires=1", "expires=2"), id="longer"),
        pytest.param(lambda url: url[:-1], id="cut"),
        pytest.param(lambda url: re.sub("&signature=.*", "", url), id="no-signature"),
        pytest.param(lambda url: re.sub("expires=.*&", "", url), id="no-expiry"),
        pytest.param(lambda url: re.sub("signature=.*", "signature=", url), id="empty-signature"),
        pytest.param(lambda url: url.replace("expires=", "expires=1&expires="), id="expiry-twice"),
    ],
)
def test_a_spoiled_url_is_refused_even_where_a_plain_one_is_not(
    client: FlaskClient, media: LocalMediaStore, spoil: Callable[[str], str]
) -> None:
    url = spoil(media.get_url("one", presigned=True, base_url=BASE_URL))
    assert client.get(url).status_code == 403


@pytest.mark.usefixtures("stored")
def test_an_expired_url_is_refused(client: FlaskClient, tmp_path: Path) -> None:
    earlier = LocalMediaStore(
        tmp_path / "media", secret=SECRET, url_timeout_s=60, clock_ns=lambda: MODIFIED_NS - 62 * 10**9
    )
    response = client.get(earlier.get_url("one", presigned=True, base_url=BASE_URL))
    assert response.status_code == 403
    assert "expired" in response.text


# On granian.


@dataclass(frozen=True)
class Server:
    """A granian process."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and path.name != "storage-id"]

    def settles_at(self, count: int) -> bool:
        """Whether there come to be so many files, and stay."""
        deadline = time.monotonic() + 5
        while len(self.files()) != count and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(self.files()) == count


START = """
import sys, granian
granian.Granian("tests.api.test_media_bytes:served", factory=True, interface="wsgi", workers=1, blocking_threads=8,
                address="127.0.0.1", port=int(sys.argv[1]), http="1", log_enabled=False).serve()
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(free_port(), tmp_path_factory.mktemp("served") / "media")
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(server.port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TEST_MEDIA_FOLDER": str(server.folder)},
    )
    try:
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "granian ended"
        try:
            httpx.get(f"{server.url}/memory")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("granian does not answer")


@pytest.fixture
def nothing_left(server: Server) -> Iterator[None]:
    """The test stores nothing, for good or for a while."""
    before = len(server.files())
    yield
    assert server.settles_at(before)


def upload(server: Server, token: str, content: bytes) -> httpx.Response:
    return httpx.put(f"{server.url}/media/{token}", content=content, headers={"Content-Type": MP2T})


def request_head(server: Server, token: str, *lines: str) -> bytes:
    return "\r\n".join([f"PUT /media/{token} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *lines, "", ""]).encode()


@pytest.mark.parametrize("object_id", ["plain", "a/b/../c", "🎬" * 4000], ids=["plain", "path", "long"])
def test_bytes_come_back_over_the_wire(server: Server, object_id: str) -> None:
    media = LocalMediaStore(server.folder, secret=SECRET)
    put_url = media.put_url(object_id, content_type=MP2T, presigned=True, base_url=server.url)
    get_url = media.get_url(object_id, presigned=True, base_url=server.url)
    content = os.urandom(3_000_000)
    assert httpx.put(put_url, content=content, headers={"Content-Type": MP2T}).status_code == 200
    assert httpx.get(get_url).content == content
    part = httpx.get(get_url, headers={"Range": "bytes=1000000-1999999"})
    assert (part.status_code, part.content) == (206, content[1_000_000:2_000_000])
    assert httpx.get(get_url, headers={"If-None-Match": part.headers["ETag"]}).status_code == 304


def test_head_equals_get_over_the_wire(server: Server) -> None:
    upload(server, "headed", CONTENT)
    head, get = (httpx.request(method, f"{server.url}/media/headed") for method in ("HEAD", "GET"))
    assert head.content == b""
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    assert head.headers["Content-Length"] == "1024"


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("sent", [0, 1000, 2_000_000], ids=["nothing", "a-little", "much"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_an_upload_whose_client_goes_away_leaves_nothing(server: Server, sent: int, reset: bool) -> None:
    before = len(server.files())
    connection = server.connect()
    connection.sendall(request_head(server, "broken", f"Content-Type: {MP2T}", "Content-Length: 5000000"))
    connection.sendall(bytes(sent))
    assert server.settles_at(before + 1), "the upload has begun"
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    assert server.settles_at(before)
    assert httpx.head(f"{server.url}/media/broken").status_code == 404


@pytest.mark.usefixtures("nothing_left")
def test_a_body_of_unknown_length_is_refused(server: Server) -> None:
    """Broken off after a chunk it would look whole."""
    with server.connect() as connection:
        connection.sendall(request_head(server, "chunked", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 411 ")


@pytest.mark.usefixtures("nothing_left")
def test_a_refusal_comes_before_the_upload(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(request_head(server, "registered", "Content-Length: 1024", "Expect: 100-continue"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_waits_is_told_to_go_on(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(request_head(server, "waited", "Content-Length: 1024", "Expect: 100-continue"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(CONTENT)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_of_puts_that_race_one_is_kept_whole(server: Server) -> None:
    contents = [bytes([n]) * 1_000_000 for n in range(8)]
    before = len(server.files())
    with ThreadPoolExecutor(len(contents)) as pool:
        answers = list(pool.map(lambda content: upload(server, "raced", content), contents))
    assert {answer.status_code for answer in answers} == {200}
    kept = httpx.get(f"{server.url}/media/raced")
    assert kept.content in contents
    assert kept.headers["ETag"] == f'"{hashlib.sha256(kept.content).hexdigest()}"'
    assert server.settles_at(before + 1)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_large_objects_pass_through_little_memory(server: Server) -> None:
    def pages() -> int:
        return int(httpx.get(f"{server.url}/memory").text)

    size, before = 200_000_000, pages()
    headers = {"Content-Type": MP2T, "Content-Length": str(size)}
    answer = httpx.put(f"{server.url}/media/large", content=(bytes(10**6) for _ in range(200)), headers=headers)
    assert answer.status_code == 200
    with httpx.stream("GET", f"{server.url}/media/large") as response:
        assert sum(map(len, response.iter_raw())) == size
    grown = (pages() - before) * os.sysconf("SC_PAGE_SIZE")
    assert grown < 20_000_000
    LocalMediaStore(server.folder, secret=SECRET).delete(["large"])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed in /proc")
def test_a_download_that_is_given_up_releases_its_file(server: Server) -> None:
    upload(server, "given-up", bytes(20_000_000))
    assert not _open_below(server.folder)
    with server.connect() as connection:
        connection.sendall(b"GET /media/given-up HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000)
        assert _open_below(server.folder)
    deadline = time.monotonic() + 5
    while _open_below(server.folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _open_below(server.folder)


def _open_below(folder: Path) -> list[str]:
    """The files below a folder that any process has open."""
    targets = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # processes end, and some may not be looked at
            targets.append(str(link.readlink()))
    return [target for target in targets if target.startswith(str(folder))]
