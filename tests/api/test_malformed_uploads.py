"""Uploads that are wrong in every way a client, a network or an enemy can think of: none does harm or lasts."""

from __future__ import annotations

import base64
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
import pytest

from tams_data import media
from tams_data.keeping import service as keeping
from tams_data.media.signing import Signer
from tams_data.media.tokens import token
from tams_data.settings import Settings
from tests.api.builders import video_flow
from tests.api.process import Service, wait_until

LENGTH = 5000
EXCESS = b"x" * 700

Ending = Literal["read", "close", "reset", "half-close"]


@dataclass
class Upload:
    """An upload to be made: where to, what of, and what may be found there afterwards; None: nothing may."""

    port: int
    signer: Signer = field(repr=False)
    object_id: str
    target: str
    content_type: str
    content: bytes = field(repr=False)
    second: bytes = field(repr=False)
    found: list[bytes | None] = field(default_factory=lambda: [None])

    @property
    def other(self) -> Upload:
        """The same object with other content."""
        return Upload(self.port, self.signer, self.object_id, self.target, self.content_type, self.second, self.content)

    def lines(self, *more: str, length: object = LENGTH, content_type: str | None = None) -> list[str]:
        """The headers of a good upload, with others beside or instead."""
        given = [] if length is None else [f"Content-Length: {length}"]
        return [f"Content-Type: {content_type or self.content_type}", *given, *more]

    def send(
        self,
        body: bytes | None = None,
        lines: Sequence[str] | None = None,
        *,
        method: str = "PUT",
        target: str | None = None,
        ending: Ending = "read",
    ) -> int | None:
        """Send a request, and return the status of the answer; None when there is none."""
        head = [
            f"{method} {target or self.target} HTTP/1.1",
            f"Host: localhost:{self.port}",
            *(self.lines() if lines is None else lines),
        ]
        return self.send_bytes(
            "\r\n".join([*head, "", ""]).encode("latin-1") + (self.content if body is None else body), ending
        )

    def send_bytes(self, request: bytes, ending: Ending = "read") -> int | None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            with suppress(ConnectionError):  # whoever refuses need not read on
                connection.sendall(request)
            if ending == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if ending == "half-close":
                connection.shutdown(socket.SHUT_WR)
            return _status(connection) if ending in ("read", "half-close") else None


def _status(connection: socket.socket) -> int | None:
    answer = b""
    with suppress(ConnectionError):
        while b"\r\n" not in answer and (block := connection.recv(4096)):
            answer += block
    return int(answer.split()[1]) if answer else None


Kind = Callable[[Upload], "int | None"]


def whole(one: Upload) -> int | None:
    one.found = [one.content]
    return one.send()


def twice(one: Upload) -> int | None:
    one.found = [one.second]
    return max(one.send() or 0, one.other.send() or 0)


def at_once(one: Upload) -> int | None:
    one.found = [one.content, one.second]
    with ThreadPoolExecutor(2) as threads:
        statuses = list(threads.map(lambda upload: upload.send() or 0, (one, one.other)))
    return max(statuses)


def broken_off_after_a_whole_one(one: Upload) -> int | None:
    one.found = [one.content]
    assert one.send() == 200
    return one.other.send(one.second[:1234], ending="reset")


def wrong_after_a_whole_one(one: Upload) -> int | None:
    one.found = [one.content]
    assert one.send() == 200
    return one.other.send(lines=one.lines(f"x-amz-checksum-sha256: {base64.b64encode(bytes(32)).decode()}"))


def more_than_announced(one: Upload) -> int | None:
    """What is announced is an object; the rest is another request, and none that anybody understands."""
    one.found = [one.content]
    return one.send(one.content + EXCESS)


def empty(one: Upload) -> int | None:
    one.found = [b""]
    return one.send(b"", one.lines(length=0))


def cut(one: Upload, *, size: int, ending: Ending) -> int | None:
    return one.send(one.content[:size], ending=ending)


def signed(one: Upload, *, method: str = "PUT", of: str = "", in_s: int = 100) -> int | None:
    expires_s = int(time.time()) + in_s
    return one.send(
        target=f"/media/{token(one.object_id)}?{one.signer.query(method, of or one.object_id, expires_s=expires_s)}"
    )


def chunks(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)


def with_lines(one: Upload, *lines: str) -> int | None:
    return one.send(lines=one.lines(*lines))


def of_length(one: Upload, length: object, ending: Ending = "read") -> int | None:
    return one.send(lines=one.lines(length=length), ending=ending)


CHUNKED = "Transfer-Encoding: chunked"

KINDS: Mapping[str, tuple[Kind, set[int | None]]] = {
    "whole": (whole, {200}),
    "twice": (twice, {200}),
    "two at once": (at_once, {200}),
    "broken off after a whole one": (broken_off_after_a_whole_one, {None}),
    "wrong after a whole one": (wrong_after_a_whole_one, {400}),
    "more than announced": (more_than_announced, {200}),
    "empty": (empty, {200}),
    **{
        f"cut after {size} bytes, {ending}": (partial(cut, size=size, ending=ending), statuses)
        for size in (0, 1, LENGTH // 2, LENGTH - 1)
        for ending, statuses in (("close", {None}), ("reset", {None}), ("half-close", {400, None}))
    },
    "signed for reading": (partial(signed, method="GET"), {403}),
    "signed for another object": (partial(signed, of="another"), {403}),
    "expired": (partial(signed, in_s=-100), {403}),
    "forged": (lambda one: one.send(target=one.target[:-3] + "aaa"), {403}),
    "unsigned half": (lambda one: one.send(target=one.target.partition("&")[0]), {403}),
    "no object": (lambda one: one.send(target=f"/media/{one.object_id}x"), {400, 404}),
    "no token": (lambda one: one.send(target="/media/~~"), {404}),
    "a path": (lambda one: one.send(target="/media/..%2f..%2fsecret.key"), {400, 404}),
    "chunked": (lambda one: one.send(chunks(one.content), one.lines(CHUNKED, length=None)), {411}),
    "chunked garbage": (lambda one: one.send(b"zz\r\n" + one.content, one.lines(CHUNKED, length=None)), {400, 411}),
    "chunked, cut": (
        lambda one: one.send(chunks(one.content)[:99], one.lines(CHUNKED, length=None), ending="half-close"),
        {400, 411, None},
    ),
    "chunked with a length": (lambda one: one.send(chunks(one.content), one.lines(CHUNKED)), {400, 411}),
    "no length": (lambda one: one.send(b"", one.lines(length=None)), {411}),
    "two lengths": (lambda one: with_lines(one, "Content-Length: 17"), {400}),
    "length of less than nothing": (lambda one: of_length(one, -1), {400}),
    "length that is no number": (lambda one: of_length(one, "many"), {400}),
    "length beyond 64 bits": (lambda one: of_length(one, 10**30), {400}),
    "length of exabytes": (lambda one: of_length(one, 2**62, "half-close"), {400, 413, None}),
    "wrong sha256": (
        lambda one: with_lines(one, f"x-amz-checksum-sha256: {base64.b64encode(bytes(32)).decode()}"),
        {400},
    ),
    "wrong md5": (lambda one: with_lines(one, f"Content-MD5: {base64.b64encode(bytes(16)).decode()}"), {400}),
    "checksum that is none": (lambda one: with_lines(one, "Content-MD5: \xff\xfe"), {400}),
    "part of an object": (lambda one: with_lines(one, f"Content-Range: bytes 0-{LENGTH - 1}/{2 * LENGTH}"), {400}),
    "another type": (lambda one: one.send(lines=one.lines(content_type="text/html")), {415}),
    "type that is none": (lambda one: one.send(lines=one.lines(content_type='"\xff; ;;=')), {415}),
    **{method: (partial(Upload.send, method=method), {405}) for method in ("POST", "PATCH", "DELETE")},
    "method of nobody": (partial(Upload.send, method="SMUGGLE"), {405}),
    "headers that do not end": (lambda one: one.send_bytes(b"PUT /media/x HTTP/1.1\r\nHost", "reset"), {None}),
    "headers too large": (lambda one: with_lines(one, f"X: {'x' * 2_000_000}"), {400, 431, None}),
    "noise": (lambda one: one.send_bytes(one.content), {400, None}),
}


class Shop:
    """A service, and uploads to it."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service, self._random = service, random.Random(seed)
        self._settings = Settings(data_dir=service.folder / "data", port=service.port, _env_file=None)
        self._signer = Signer(media.secret(self._settings))
        self._client = httpx.Client(base_url=service.url, timeout=60)
        self._flow = video_flow()
        assert self._client.put(f"/flows/{self._flow['id']}", json=self._flow).status_code == 201

    def close(self) -> None:
        self._client.close()

    def allocated(self, count: int) -> list[Upload]:
        """So many uploads of new objects."""
        answer = self._client.post(f"/flows/{self._flow['id']}/storage", json={"limit": count, "presigned": True})
        return [
            Upload(
                self.service.port,
                self._signer,
                one["object_id"],
                "{0.path}?{0.query}".format(urlsplit(one["put_url"]["url"])),
                one["put_url"]["content-type"],
                *(self._random.randbytes(LENGTH) for _ in range(2)),
            )
            for one in answer.json()["media_objects"]
        ]

    def files(self, *folder: str) -> list[Path]:
        """The files that there are of objects, or below a folder of theirs."""
        root = self.service.folder / "data" / "media"
        return [one for one in root.joinpath(*folder).rglob("*") if one.is_file() and one.name != "storage-id"]

    def check(self, uploads: Sequence[Upload]) -> None:
        """There is what was uploaded, whole, and nothing else; registered, it is as it must be."""
        wait_until(lambda: not self.files("incoming"), within_s=20, failing=lambda: f"left: {self.files('incoming')}")
        stored = []
        for one in uploads:
            content = self.bytes_of(one)
            assert content in one.found, one.object_id
            stored += [] if content is None else [one.object_id]
        before = len(self.files())
        self.register(stored)
        assert before == len(self.files())
        assert [one.text for one in keeping.findings(self._settings, with_media=True, at_once=8)] == []

    def bytes_of(self, one: Upload) -> bytes | None:
        """What is there of an object, if it is."""
        answer = self._client.get(f"/media/{token(one.object_id)}")
        assert answer.status_code in (200, 404), answer.text
        return answer.content if answer.status_code == 200 else None

    def register(self, object_ids: Sequence[str]) -> None:
        segments = [
            {"object_id": one, "timerange": f"[{second}:0_{second + 1}:0)"} for second, one in enumerate(object_ids)
        ]
        for first in range(0, len(segments), 1000):
            path = f"/flows/{self._flow['id']}/segments"
            assert self._client.post(path, json=segments[first : first + 1000]).status_code == 201


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_uploads_that_are_wrong_do_no_harm(tmp_path: Path, rounds: int) -> None:
    """In any order, eight at a time: some hundred, or a thousand."""
    with Service(tmp_path) as service, closing(Shop(service, rounds)) as shop:
        uploads = shop.allocated(rounds * len(KINDS))
        work = list(zip(uploads, list(KINDS) * rounds, strict=True))
        random.Random(rounds).shuffle(work)
        wrong: Counter[tuple[str, int | None]] = Counter()

        def upload(one: Upload, kind: str) -> None:
            make, expected = KINDS[kind]
            if (status := make(one)) not in expected:
                wrong[kind, status] += 1

        warm = len(KINDS)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda pair: upload(*pair), work[:warm]))
            before = service.memory_mib()
            list(threads.map(lambda pair: upload(*pair), work[warm:]))
        assert wrong == {}
        assert service.memory_mib() - before < 50
        assert len(shop.files()) - len(shop.files("incoming")) == sum(None not in one.found for one in uploads)
        shop.check(uploads)
        assert "Traceback" not in service.logged()


def test_an_object_that_is_registered_stays_as_it_is(service: Service) -> None:
    with closing(Shop(service, 0)) as shop:
        (one,) = shop.allocated(1)
        assert whole(one) == 200
        shop.register([one.object_id])
        assert one.other.send() in (400, 409)
        assert one.other.send(b"", one.lines(length=0)) in (400, 409)
        assert shop.bytes_of(one) == one.content
