"""Clients that do everything at once, and know what must be in the store when their service is gone."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

import httpx

from tams_data.engines.base import Database
from tams_data.queries import flows as flow_queries
from tams_data.queries import objects as object_queries
from tams_data.queries import segments as segment_queries
from tams_data.timerange import MAX_NS, MIN_NS, NS_PER_SECOND
from tests.api.builders import Json, video_flow

URLS = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]

_AGAIN_S = 0.05


@dataclass(frozen=True)
class Held:
    """What a flow holds: object ids by the second they are on, and its label. None: it is not there."""

    segments: Mapping[int, str] = field(default_factory=dict)
    label: str = ""


def timerange(first: int, count: int = 1) -> str:
    """So many seconds from one on."""
    return f"[{first}:0_{first + count}:0)"


class Unexpected(AssertionError):
    """An answer that the service should not have given."""


@dataclass(eq=False)
class Client:
    """Writes to a flow of its own, one request after the other, until its service is gone or it is told to stop.

    `held` is what was acknowledged. `pending` is what is held if the request under way was carried out, which nobody
    knows once its answer is lost.
    """

    url: str
    seed: int
    library: Sequence[str] = ()
    flow: Json = field(default_factory=video_flow)
    held: Held = field(default_factory=Held)
    pending: Held | None = None
    acknowledged: int = 0
    error: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Write until told to stop."""
        choices = random.Random(self.seed + self.acknowledged)
        try:
            with httpx.Client(base_url=self.url, timeout=60) as client:
                self.resolve(client)
                while not stop.is_set():
                    self._step(client, choices)
        except httpx.TransportError:
            return  # it is gone
        except Exception as error:  # noqa: BLE001  # it is told where the thread is joined
            self.error = error

    def resolve(self, client: httpx.Client) -> None:
        """Put the flow as it is to be: whichever came of the last request, the client knows then."""
        if self.pending is not None or not self.acknowledged:
            was = self.held
            self.held = replace(was, label=f"begun {self.acknowledged}")
            self._delete_all(client)
            self._put(client, self.held.label)

    def _step(self, client: httpx.Client, choices: random.Random) -> None:
        steps: list[Callable[[httpx.Client, random.Random], None]] = [
            self._record,
            self._record,
            self._upload,
            self._reuse,
            self._delete,
            self._describe,
        ]
        choices.choice(steps)(client, choices)

    def _free(self, count: int) -> list[int]:
        first = max(self.held.segments, default=-1) + 1
        return list(range(first, first + count))

    def _record(self, client: httpx.Client, choices: random.Random) -> None:
        """Register some segments at once, whose objects are elsewhere."""
        seconds = self._free(choices.choice((1, 1, 5)))
        ids = {second: f"{self.flow['id']}/{uuid4()}" for second in seconds}
        self._register(client, ids, get_urls=URLS)

    def _upload(self, client: httpx.Client, choices: random.Random) -> None:
        """Have an object allocated, send its bytes, and register it."""
        (second,) = self._free(1)
        storage = self._sent(
            client, "POST", f"/flows/{self.flow['id']}/storage", lambda: {"object_ids": [str(uuid4())]}
        )
        (one,) = storage.json()["media_objects"]
        put, content = one["put_url"], choices.randbytes(choices.randint(1, 4000))
        self._sent(client, "PUT", put["url"], content=content, headers={"Content-Type": put["content-type"]})
        self._register(client, {second: one["object_id"]})

    def _reuse(self, client: httpx.Client, choices: random.Random) -> None:
        """Register an object of the library, whose first second is 0, at another time."""
        if self.library:
            (second,) = self._free(1)
            number = choices.randrange(len(self.library))
            offset = second - number
            sign = "-" if offset < 0 else ""
            self._register(client, {second: self.library[number]}, ts_offset=f"{sign}{abs(offset)}:0")

    def _delete(self, client: httpx.Client, choices: random.Random) -> None:
        """Delete the segments of some seconds."""
        if self.held.segments:
            first, count = choices.choice(sorted(self.held.segments)), choices.randint(1, 10)
            gone = range(first, first + count)
            after = {second: one for second, one in self.held.segments.items() if second not in gone}
            self._write(
                client,
                replace(self.held, segments=after),
                "DELETE",
                f"/flows/{self.flow['id']}/segments?timerange={timerange(first, count)}",
            )

    def _delete_all(self, client: httpx.Client) -> None:
        """Delete the flow with all it has, if it is there."""
        self.pending = Held()
        response = self._sent(client, "DELETE", f"/flows/{self.flow['id']}", expected=(202, 204, 404))
        while response.status_code == 202 and client.get(f"/flows/{self.flow['id']}").status_code != 404:
            threading.Event().wait(_AGAIN_S)
        self.held, self.pending = Held(), None

    def _describe(self, client: httpx.Client, choices: random.Random) -> None:
        """Put the flow with another label, or seldom delete it and put it anew."""
        if choices.randint(0, 5) == 0:
            self._delete_all(client)
        self._put(client, f"label {choices.random()}")

    def _put(self, client: httpx.Client, label: str) -> None:
        path = f"/flows/{self.flow['id']}"
        self._write(client, replace(self.held, label=label), "PUT", path, {**self.flow, "label": label})

    def _register(self, client: httpx.Client, ids: Mapping[int, str], **members: object) -> None:
        segments = [{"object_id": one, "timerange": timerange(second), **members} for second, one in ids.items()]
        after = replace(self.held, segments={**self.held.segments, **ids})
        body = segments if len(segments) > 1 else segments[0]
        self._write(client, after, "POST", f"/flows/{self.flow['id']}/segments", body)

    def _write(self, client: httpx.Client, after: Held, method: str, path: str, body: object = None) -> None:
        """Send a request after which the flow holds this, until an answer says that it was carried out."""
        self.pending = after
        self._sent(client, method, path, None if body is None else lambda: body)
        self.held, self.pending = after, None
        self.acknowledged += 1

    def _sent(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        body: Callable[[], object] | None = None,
        *,
        expected: Sequence[int] = (200, 201, 204),
        **given: object,
    ) -> httpx.Response:
        """The answer to a request, sent again while the service is unavailable."""
        while True:
            json = {} if body is None else {"json": body()}
            response = client.request(method, path, **json, **given)  # type: ignore[arg-type]
            if response.status_code in expected:
                return response
            if response.status_code != 503 or "Retry-After" not in response.headers:
                raise Unexpected(f"{method} {path}: {response.status_code} {response.text[:500]}")
            threading.Event().wait(_AGAIN_S)


def make_library(url: str, count: int = 5) -> list[str]:
    """A flow that nobody changes, and the ids of its objects, each of one second from 0 on."""
    flow = video_flow()
    ids = [f"library/{flow['id']}/{number}" for number in range(count)]
    segments = [{"object_id": one, "timerange": timerange(number), "get_urls": URLS} for number, one in enumerate(ids)]
    with httpx.Client(base_url=url, timeout=60) as client:
        client.put(f"/flows/{flow['id']}", json=flow).raise_for_status()
        assert client.post(f"/flows/{flow['id']}/segments", json=segments).status_code == 201
    return ids


def run_all(clients: Sequence[Client], until: Callable[[], bool]) -> Callable[[], None]:
    """Have clients write until a condition holds; what it gives ends them, and raises what went wrong with one."""
    stop = threading.Event()
    threads = [threading.Thread(target=one.run, args=(stop,), daemon=True) for one in clients]
    for thread in threads:
        thread.start()
    while not until() and not any(one.error for one in clients):
        threading.Event().wait(0.01)

    def end() -> None:
        stop.set()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()
        for one in clients:
            if one.error is not None:
                raise one.error

    return end


def check_held(database: Database, clients: Sequence[Client]) -> None:
    """Each flow holds what its client was told, or that and the one request whose answer was lost."""
    for one in clients:
        found = held_in(database, one.flow["id"])
        assert found in (one.held, one.pending), f"{one.flow['id']}: {found} is neither {one.held} nor {one.pending}"


def held_in(database: Database, flow_id: str) -> Held:
    """What a flow holds by the tables."""
    flows = database.read(flow_queries.by_id, {"ids": [flow_id]}).to_pylist()
    window = {"flow_id": flow_id, "start_ns": MIN_NS, "end_ns": MAX_NS}
    rows = database.read(segment_queries.covered_by, window).to_pylist()
    keys = sorted({row["object_key"] for row in rows})
    ids = {row["key"]: row["id"] for row in _objects(database, keys)}
    segments = {row["start_ns"] // NS_PER_SECOND: ids[row["object_key"]] for row in rows}
    assert len(segments) == len(rows)
    return Held(segments, flows[0]["label"] if flows else "")


def _objects(database: Database, keys: list[int]) -> list[Json]:
    return database.read(object_queries.by_key, {"keys": keys}).to_pylist() if keys else []
