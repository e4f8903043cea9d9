"""Long deletions become requests: accepted, carried out in batches that can be watched, and kept for a day."""

from __future__ import annotations

from collections.abc import Iterator
from time import time_ns

import pytest

from tams_data import media
from tams_data.engines.base import Database
from tams_data.errors import StoreUnavailable, TransactionConflict
from tams_data.settings import Settings
from tams_data.store import deletions
from tams_data.store.attempts import retry_s
from tams_data.store.store import Store
from tests.api.builders import Json, new_id, video_flow
from tests.api.client import CheckedClient, as_list, as_object, client_of

AT_ONCE = 3


@pytest.fixture
def store(database: Database, settings: Settings) -> Iterator[Store]:
    """A store that deletes three segments in one transaction."""
    opened = Store(database, {one.backend.id: one for one in media.connect(settings)}, delete_at_once=AT_ONCE)
    yield opened
    opened.close()


@pytest.fixture
def client(store: Store, settings: Settings) -> CheckedClient:
    """A client of the API over `store`."""
    return client_of(store, settings)


@pytest.fixture
def flow(client: CheckedClient) -> Json:
    """A flow of seven segments, a second each."""
    created = client.create_flow(video_flow())
    client.add(created["id"], *(f"[{second}:0_{second + 1}:0)" for second in range(7)))
    return created


def step(store: Store) -> None:
    """Carry out one batch of one request."""
    store._deleting._step()


def accepted(client: CheckedClient, url: str) -> str:
    """Delete what is accepted as a request; where the request is."""
    response = client.delete(url)
    assert response.status_code == 202, response.text
    assert as_object(response) == as_object(client.get(response.headers["Location"]))
    return response.headers["Location"].removeprefix("http://localhost")


def test_few_segments_are_deleted_at_once(client: CheckedClient, flow: Json) -> None:
    assert client.delete(f"/flows/{flow['id']}/segments?timerange=[0:0_3:0)").status_code == 204
    assert len(client.segments(flow["id"])) == 4
    assert as_list(client.get("/flow-delete-requests")) == []


def test_many_segments_are_deleted_in_batches_that_can_be_watched(
    client: CheckedClient, store: Store, flow: Json
) -> None:
    url = accepted(client, f"/flows/{flow['id']}/segments?timerange=[0:0_4:0]")
    created = as_object(client.get(url))
    assert (created["status"], created["delete_flow"]) == ("created", False)
    assert (created["timerange_to_delete"], created["timerange_remaining"]) == ("[0:0_4:0]", "[0:0_4:1)")
    assert "expiry" not in created
    assert len(client.segments(flow["id"])) == 7
    step(store)
    started = as_object(client.get(url))
    assert (started["status"], started["timerange_remaining"]) == ("started", "[3:0_4:1)")
    assert client.timeranges(flow["id"])[0] == "[3:0_4:0)"
    store.jobs.run_due()
    done = as_object(client.get(url))
    assert (done["status"], done["timerange_remaining"]) == ("done", "()")
    assert done["expiry"] > done["updated"] > done["created"]
    assert client.timeranges(flow["id"]) == ["[4:0_5:0)", "[5:0_6:0)", "[6:0_7:0)"]
    shown = as_object(client.get(f"/flows/{flow['id']}?include_timerange=true"))
    assert shown["timerange"] == "[4:0_7:0)"


def test_long_flow_goes_with_what_came_meanwhile(client: CheckedClient, store: Store, flow: Json) -> None:
    url = accepted(client, f"/flows/{flow['id']}")
    step(store)
    assert client.get(f"/flows/{flow['id']}").status_code == 200
    client.add(flow["id"], "[0:0_1:0)", "[100:0_101:0)")
    assert accepted(client, f"/flows/{flow['id']}") == url, "the same deletion is the same request"
    store.jobs.run_due()
    assert client.get(f"/flows/{flow['id']}").status_code == 404
    assert as_object(client.get(url))["status"] == "done"
    assert client.segments(flow["id"]) == []


def test_read_only_flow_ends_its_requests_with_an_error(client: CheckedClient, store: Store, flow: Json) -> None:
    url = accepted(client, f"/flows/{flow['id']}/segments")
    step(store)
    assert client.put(f"/flows/{flow['id']}", json={**_put(flow), "read_only": True}).status_code == 204
    store.jobs.run_due()
    failed = as_object(client.get(url))
    assert (failed["status"], failed["timerange_remaining"]) == ("error", "[3:0_")
    assert (failed["error"]["type"], failed["error"]["time"]) == ("FlowReadOnly", failed["updated"])
    assert len(client.segments(flow["id"])) == 4


def _put(flow: Json) -> Json:
    names = ("id", "source_id", "format", "codec", "container", "essence_parameters")
    return {name: flow[name] for name in names}


def test_request_does_not_touch_a_flow_that_is_put_anew(client: CheckedClient, store: Store, flow: Json) -> None:
    url = accepted(client, f"/flows/{flow['id']}/segments")
    step(store)
    client.delete(f"/flows/{flow['id']}/segments?timerange=[3:0_5:0)")
    assert client.delete(f"/flows/{flow['id']}").status_code == 204
    client.create_flow(_put(flow))
    client.add(flow["id"], "[5:0_6:0)")
    store.jobs.run_due()
    assert as_object(client.get(url))["status"] == "done"
    assert client.timeranges(flow["id"]) == ["[5:0_6:0)"]


def test_many_segments_of_one_object_are_deleted_as_a_request(client: CheckedClient, store: Store) -> None:
    flow_id = client.create_flow(video_flow())["id"]
    client.allocate(flow_id, "again")
    whole = {"object_id": "again", "object_timerange": "[0:0_1:0)"}
    again = [{**whole, "timerange": f"[{2 * i}:0_{2 * i + 1}:0)", "ts_offset": f"{2 * i}:0"} for i in range(4)]
    client.register(flow_id, *again)
    client.add(flow_id, *(f"[{2 * i + 1}:0_{2 * i + 2}:0)" for i in range(4)))
    url = accepted(client, f"/flows/{flow_id}/segments?object_id=again")
    store.jobs.run_due()
    assert as_object(client.get(url))["status"] == "done"
    assert client.timeranges(flow_id) == [f"[{2 * i + 1}:0_{2 * i + 2}:0)" for i in range(4)]
    assert client.get_object("again").status_code == 404


def test_bytes_go_with_the_objects_of_a_request(client: CheckedClient, store: Store) -> None:
    flow_id = client.create_flow(video_flow())["id"]
    ids = [client.upload(flow_id, b"media") for _ in range(5)]
    client.register(flow_id, *({"object_id": one, "timerange": f"[{i}:0_{i + 1}:0)"} for i, one in enumerate(ids)))
    accepted(client, f"/flows/{flow_id}")
    assert all(store.backend().stat(one) for one in ids)
    store.jobs.run_due()
    assert [store.backend().stat(one) for one in ids] == [None] * 5


# --- lists -----------------------------------------------------------------------------------------------------------


def test_requests_are_listed_by_when_they_were_made_or_expire(client: CheckedClient, store: Store) -> None:
    def made(count: int) -> list[str]:
        ids = [client.create_flow(video_flow())["id"] for _ in range(count)]
        return [as_object(client.post("/deletion-requests", json={"flow_id": one}))["id"] for one in ids]

    ended = made(2)
    store.jobs.run_due()
    waiting = made(2)

    def listed(query: str) -> list[str]:
        return [one["id"] for one in as_list(client.get(f"/flow-delete-requests?{query}"))]

    assert listed("") == [*reversed(waiting), *reversed(ended)]
    assert listed("reverse_order=true") == [*ended, *waiting]
    expiring = [one["id"] for one in sorted(map(_found(client), ended), key=lambda one: one["expiry"], reverse=True)]
    assert listed("sort_by=expiry") == [*expiring, *sorted(waiting)]
    assert listed("sort_by=expiry&reverse_order=true") == [*sorted(waiting, reverse=True), *reversed(expiring)]
    for sort_by in ("created", "expiry"):
        query = f"sort_by={sort_by}&reverse_order=true"
        pages = list(client.walk(f"/flow-delete-requests?limit=1&{query}"))
        assert [as_list(page)[0]["id"] for page in pages] == listed(query)
        assert {page.headers["X-Paging-Limit"] for page in pages} == {"1"}
        assert {page.headers["X-Paging-Count"] for page in pages} == {"1"}
        assert {page.headers["X-Paging-Reverse-Order"] for page in pages} == {"true"}
        assert client.head(f"/flow-delete-requests?{query}").status_code == 200


def _found(client: CheckedClient):
    return lambda request_id: as_object(client.get(f"/flow-delete-requests/{request_id}"))


@pytest.mark.parametrize("query", ["sort_by=label", "reverse_order=1", "limit=0", "page=x", "status=done"])
def test_list_refuses_a_bad_parameter_by_its_name(client: CheckedClient, query: str) -> None:
    response = client.get(f"/flow-delete-requests?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, query.partition("=")[0])


def test_token_of_one_order_is_none_of_another(client: CheckedClient, flow: Json) -> None:
    for _ in range(2):
        client.post("/deletion-requests", json={"flow_id": client.create_flow(video_flow())["id"]})
    (first, _) = client.walk("/flow-delete-requests?limit=1")
    token = first.headers["X-Paging-NextKey"]
    assert client.get("/flow-delete-requests", query_string={"page": token, "sort_by": "expiry"}).status_code == 400


@pytest.mark.parametrize("request_id", [new_id(), "x"])
def test_request_that_is_not_there_is_not_found(client: CheckedClient, request_id: str) -> None:
    assert client.get(f"/flow-delete-requests/{request_id}").status_code == 404
    assert client.head(f"/flow-delete-requests/{request_id}").status_code == 404
    assert client.get(f"/deletion-requests/{request_id}").status_code == 404


# --- the extension ---------------------------------------------------------------------------------------------------


def test_posted_request_is_carried_out_in_the_background(client: CheckedClient, store: Store, flow: Json) -> None:
    response = client.post("/deletion-requests", json={"flow_id": flow["id"], "timerange": "[1:0_2:0)"})
    assert response.status_code == 201
    request = as_object(response)
    assert (request["status"], request["timerange_to_delete"]) == ("created", "[1:0_2:0)")
    for listed in (f"/deletion-requests/{request['id']}", response.headers["Location"]):
        assert as_object(client.get(listed)) == request
    assert as_list(client.get("/deletion-requests")) == [request]
    store.jobs.run_due()
    assert len(client.segments(flow["id"])) == 6


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        pytest.param({"flow_id": new_id()}, 404, None, id="no-such-flow"),
        pytest.param({}, 400, "flow_id", id="no-flow"),
        pytest.param({"timerange": "x"}, 400, "timerange", id="no-time-range"),
        pytest.param({"timerange": "[0:0_1:0)", "delete_flow": True}, 400, "timerange", id="flow-with-a-part"),
        pytest.param({"delete_flow": "yes"}, 400, "delete_flow", id="neither-true-nor-false"),
    ],
)
def test_posted_request_is_refused(
    client: CheckedClient, flow: Json, body: Json, status: int, field: str | None
) -> None:
    given = body if status == 404 or not body else {"flow_id": flow["id"], **body}
    response = client.post("/deletion-requests", json=given)
    assert (response.status_code, as_object(response).get("field")) == (status, field)


# --- failures --------------------------------------------------------------------------------------------------------


MOST_ATTEMPTS = 3


class Failing:
    """A job whose clock a test moves on, and whose next batches fail for some requests with an error."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, *requests: str) -> None:
        self.now_ns, self.error, self.requests = time_ns(), error, requests
        monkeypatch.setattr("tams_data.store.deletions.MOST_ATTEMPTS", MOST_ATTEMPTS)
        self._worker = store._deleting._step.__self__
        monkeypatch.setattr(self._worker, "_clock_ns", lambda: self.now_ns)
        advance = self._worker._advance

        def fail(transaction, arguments):
            if any(argument.request_id in self.requests for argument in arguments):
                raise self.error
            return advance(transaction, arguments)

        monkeypatch.setattr(self._worker, "_advance", fail)

    def step(self, *, after_s: int = 0) -> bool:
        self.now_ns += after_s * 10**9
        return self._worker.step()

    def run(self, *, after_s: int = 0) -> None:
        """Take what is due then; the clock stands still meanwhile."""
        self.step(after_s=after_s)
        while self.step():
            pass


def _two(client: CheckedClient) -> tuple[str, str]:
    ids = [client.create_flow(video_flow())["id"] for _ in range(2)]
    first, second = (as_object(client.post("/deletion-requests", json={"flow_id": one}))["id"] for one in ids)
    return first, second


def _status(client: CheckedClient, request_id: str) -> str:
    return as_object(client.get(f"/flow-delete-requests/{request_id}"))["status"]


def test_request_whose_batch_fails_holds_up_no_other_and_is_tried_again(
    client: CheckedClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = _two(client)
    failing = Failing(store, monkeypatch, ValueError("unforeseen"), first)
    failing.run()
    assert (_status(client, first), _status(client, second)) == ("created", "done")
    queued = {row["job"]: row for row in store.queues()}["deleting"]
    assert (queued["waiting"], queued["failing"], queued["error"]) == (1, 1, "ValueError: unforeseen")
    failing.requests = ()
    assert not failing.step(after_s=retry_s(1) - 1), "it waits its time"
    failing.step(after_s=1)
    assert _status(client, first) == "done"
    assert {row["job"]: row for row in store.queues()}["deleting"]["waiting"] == 0


def test_request_that_fails_too_often_ends_with_an_error(
    client: CheckedClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = _two(client)
    failing = Failing(store, monkeypatch, ValueError("unforeseen"), first)
    for attempt in range(MOST_ATTEMPTS):
        assert _status(client, first) == "created", attempt
        failing.run(after_s=retry_s(MOST_ATTEMPTS))
    failed = as_object(client.get(f"/flow-delete-requests/{first}"))
    assert (failed["status"], failed["error"]["type"]) == ("error", "ValueError")
    assert failed["error"]["summary"] == "unforeseen"
    assert failed["expiry"] > failed["updated"]


def test_request_that_another_process_claimed_is_left_to_it_for_a_while(client: CheckedClient, store: Store) -> None:
    first, _ = _two(client)
    now_ns = time_ns()
    with store.database.transaction() as transaction:
        assert deletions.claim(transaction, deletions.Claim(first, now_ns))
    with store.database.transaction() as transaction:
        assert not deletions.claim(transaction, deletions.Claim(first, now_ns + deletions.CLAIM_NS - 1))
    store.jobs.run_due()
    assert _status(client, first) == "created"
    with store.database.transaction() as transaction:
        assert deletions.claim(transaction, deletions.Claim(first, now_ns + deletions.CLAIM_NS))
        assert not deletions.claim(transaction, deletions.Claim(first, now_ns + deletions.CLAIM_NS))


def test_conflicts_never_end_a_request(client: CheckedClient, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tams_data.store.writer.retried", lambda attempt: attempt())
    first, _ = _two(client)
    failing = Failing(store, monkeypatch, TransactionConflict("another was first"), first)
    for _ in range(MOST_ATTEMPTS + 1):
        failing.run(after_s=retry_s(MOST_ATTEMPTS))
    assert _status(client, first) == "created"


def test_store_that_cannot_be_written_is_no_fault_of_a_request(
    client: CheckedClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = _two(client)
    failing = Failing(store, monkeypatch, StoreUnavailable("the disk is full"), first)
    with pytest.raises(StoreUnavailable):
        failing.step()
    assert {row["job"]: row for row in store.queues()}["deleting"]["failing"] == 0
