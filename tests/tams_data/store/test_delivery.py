"""Webhooks are sent what they ask for, in order and at least once, whatever becomes of receivers and processes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from time import asctime, gmtime, monotonic, sleep, tzset
from typing import Any

import orjson
import pytest

from tams_data import schema
from tams_data.access import Caller, Scope
from tams_data.destinations import PUBLIC, Destinations
from tams_data.engines.vast import Vast
from tams_data.errors import DestinationRefused, InvalidInput
from tams_data.queries import webhooks as webhook_queries
from tams_data.queries.locks import EVENTS
from tams_data.store import delivery
from tams_data.store.delivery import Pruner
from tams_data.store.events import TYPES
from tams_data.store.seen import seen_by
from tams_data.store.store import Store
from tams_data.timerange import NS_PER_SECOND, TimeRange
from tests import vast_engine
from tests.tams_data.builders import MULTI, event_row, flow, rows_of, segment, uncontrolled
from tests.tams_data.store.receiver import Receiver

LOOPBACK = Destinations.parse("127.0.0.0/8")
ATTEMPTS = 3


@pytest.fixture
def store(database) -> Iterator[Store]:
    """A store that gives a webhook up after three attempts."""
    opened = Store(database, {}, destinations=LOOPBACK, webhook_attempts=ATTEMPTS, base_url="http://tams.example")
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def hook(store: Store, receiver: Receiver, **properties: Any) -> str:
    return store.create_webhook({"url": receiver.url, "events": TYPES, **properties})


def row_of(store: Store, webhook_id: str) -> dict[str, Any]:
    return next(row for row in rows_of(store.database, schema.WEBHOOKS) if row["id"] == webhook_id)


def member(*groups: str) -> Caller:
    """Somebody of groups, with every scope but admin."""
    return Caller("somebody", frozenset({Scope.READ, Scope.WRITE, Scope.DELETE}), frozenset(groups))


def about(body: Any) -> str:
    """The flow, or else the source, that an event is about."""
    event = body["event"]
    return next(
        found
        for found in (event.get(f"{kind}_id") or event.get(kind, {}).get("id") for kind in ("flow", "source"))
        if found
    )


def due_now(store: Store, webhook_id: str) -> None:
    """Let the time of the next attempt come."""
    row = {"id": webhook_id, "next_ns": 0}
    with store.database.transaction() as transaction:
        transaction.update(schema.WEBHOOKS, schema.WEBHOOKS.part(tuple(row), [row]))


def tried_out(store: Store, webhook_id: str) -> dict[str, Any]:
    """The row of a webhook after as many attempts as it is given."""
    for _ in range(ATTEMPTS):
        store.jobs.run_due()
        due_now(store, webhook_id)
    return row_of(store, webhook_id)


def enable(store: Store, webhook_id: str, receiver: Receiver, status: str = "created") -> None:
    store.change_webhook({"id": webhook_id, "url": receiver.url, "events": TYPES, "status": status})


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_events_are_sent_in_order_with_the_key(store, receiver):
    webhook_id = hook(store, receiver, api_key_name="X-Key", api_key_value="secret")
    store.put_flow(flow(id="f", source_id="s"))
    store.change_flow("f", {"label": "x"}, {})
    store.delete_flow("f")
    store.jobs.run_due()
    assert receiver.types == ["sources/created", "flows/created", "flows/updated", "flows/deleted", "sources/deleted"]
    assert {(one["X-Key"], one["Content-Type"]) for one in receiver.headers} == {("secret", "application/json")}
    assert row_of(store, webhook_id)["status"] == "started"


@pytest.mark.parametrize("has_its_place", [True, False])
def test_a_webhook_is_told_of_what_happens_from_its_creation_on(store, receiver, has_its_place):
    """Whether what happened before has its place among the events yet or not, where several processes write."""
    store.put_flow(flow(id="f"))
    if has_its_place:
        store.jobs.run_due()
    hook(store, receiver)
    store.change_flow("f", {"label": "x"}, {})
    store.jobs.run_due()
    assert receiver.types == ["flows/updated"]


FLOW, SOURCE, MEMBER, OF_MEMBER = "flow", "source", "member", "source of member"
FLOWS_ALONE = {FLOW, MEMBER}

FILTERS = [
    pytest.param({}, {FLOW, SOURCE, MEMBER, OF_MEMBER}, id="none"),
    pytest.param({"events": ["flows/updated"]}, {FLOW, MEMBER}, id="events"),
    pytest.param({"flow_ids": ["f"]}, {FLOW, SOURCE, OF_MEMBER}, id="flow-ids-let-sources-pass"),
    pytest.param({"flow_ids": []}, {SOURCE, OF_MEMBER}, id="no-flow-ids"),
    pytest.param({"source_ids": ["s"]}, {FLOW, SOURCE}, id="source-ids"),
    pytest.param({"source_ids": ["s", "t"], "flow_ids": ["g"]}, {SOURCE, MEMBER, OF_MEMBER}, id="both"),
    pytest.param({"flow_collected_by_ids": ["m"]}, {SOURCE, MEMBER, OF_MEMBER}, id="collected-by-a-flow"),
    pytest.param({"flow_collected_by_ids": ["x"]}, {SOURCE, OF_MEMBER}, id="collected-by-another"),
    pytest.param({"flow_collected_by_ids": []}, {FLOW, SOURCE, OF_MEMBER}, id="not-collected"),
    pytest.param({"source_collected_by_ids": ["u"]}, {MEMBER, OF_MEMBER}, id="collected-by-a-source"),
    pytest.param({"source_collected_by_ids": []}, {FLOW, SOURCE}, id="not-collected-by-a-source"),
]


def test_a_webhook_is_told_of_what_the_groups_of_its_caller_may_read_at_the_time(store, receiver):
    news = seen_by(store, member("news"))
    webhook_id = news.create_webhook({"url": receiver.url, "events": TYPES})
    for flow_id, classes in (
        ("ours", "news"),
        ("shared", ["sport", "news_ro"]),
        ("theirs", "sport"),
        ("nobodys", None),
    ):
        tags = {"tags": {"auth_classes": classes}} if classes else {}
        store.put_flow(flow(id=flow_id, source_id=f"source of {flow_id}", **tags))
    for flow_id in ("ours", "theirs"):
        store.add_segments(flow_id, [uncontrolled(f"object of {flow_id}", 0, 1)])
    store.change_flow("shared", {}, {"auth_classes": ["sport"]})
    for flow_id in ("ours", "shared", "theirs"):
        store.delete_flow(flow_id)
    store.jobs.run_due()
    told = Counter((one["event_type"], about(one)) for one in receiver.bodies)
    assert {one for _, one in told} == {"ours", "source of ours", "shared", "source of shared"}
    assert {kind for kind, one in told if one == "ours"} >= {"flows/created", "flows/segments_added", "flows/deleted"}
    assert [kind for kind, one in told if one == "shared"] == ["flows/created"]
    assert {kind for kind, one in told if one.startswith("source of")} == {"sources/created", "sources/deleted"}
    other = seen_by(store, member("news", "sport"))
    other.change_webhook({"id": webhook_id, "url": receiver.url, "events": TYPES, "status": "created"})
    assert row_of(store, webhook_id)["groups"] == '["news"]'


def test_a_webhook_is_not_told_of_what_collects_a_flow_and_is_hidden(store, receiver):
    seen_by(store, member("news")).create_webhook({"url": receiver.url, "events": ["flows/updated", "sources/updated"]})
    store.put_flow(flow(id="f", source_id="s", tags={"auth_classes": ["news"]}))
    for name in ("news", "sport"):
        collection = {"id": f"{name} flow", "source_id": f"{name} source", "format": MULTI}
        store.put_flow({**collection, "tags": {"auth_classes": [name]}, "flow_collection": [{"id": "f"}]})
    store.change_flow("f", {"label": "x"}, {})
    store.change_source("s", {"label": "x"}, {})
    store.jobs.run_due()
    told = [one["event"] for one in receiver.bodies]
    by = {kind: [one[kind].get("collected_by") for one in told if kind in one] for kind in ("flow", "source")}
    assert by["flow"][-1] == ["news flow"]
    assert by["source"][-1] == ["news source"]
    assert not any("sport flow" in (one or []) for one in by["flow"])


@pytest.mark.parametrize(("properties", "expected"), FILTERS)
def test_each_filter_lets_pass_what_it_says(store, receiver, properties, expected):
    """Flow f is of source s; flow g, of source t, is collected by flow m, of source u."""
    store.put_flow(flow(id="f", source_id="s"))
    store.put_flow(flow(id="g", source_id="t"))
    store.put_flow({"id": "m", "source_id": "u", "format": MULTI, "flow_collection": [{"id": "g"}]})
    store.jobs.run_due()
    hook(store, receiver, **properties)
    for one in "fg":
        store.change_flow(one, {"label": "x"}, {})
    for one in "st":
        store.change_source(one, {"label": "x"}, {})
    store.jobs.run_due()
    names = {"f": FLOW, "g": MEMBER, "s": SOURCE, "t": OF_MEMBER}
    told = [body["event"].get("flow") or body["event"]["source"] for body in receiver.bodies]
    assert {names[one["id"]] for one in told} == expected
    assert len(told) == len(expected)


URLS = [("https://a.example/o", "a"), ("https://b.example/o", "b")]


@pytest.mark.parametrize(
    ("properties", "labels", "object_timerange"),
    [
        pytest.param({}, ["a", "b"], False, id="all"),
        pytest.param({"accept_get_urls": ["b", "c"]}, ["b"], False, id="by-label"),
        pytest.param({"accept_get_urls": []}, None, False, id="none"),
        pytest.param({"presigned": True}, [], False, id="presigned"),
        pytest.param({"presigned": False}, ["a", "b"], False, id="not-presigned"),
        pytest.param({"accept_storage_ids": ["x"]}, [], False, id="by-backend"),
        pytest.param({"include_object_timerange": True}, ["a", "b"], True, id="object-timerange"),
        pytest.param({"verbose_storage": True}, ["a", "b"], False, id="verbose"),
    ],
)
def test_segments_are_shown_as_asked(store, receiver, properties, labels, object_timerange):
    store.put_flow(flow(id="f"))
    store.jobs.run_due()
    hook(store, receiver, **properties)
    store.add_segments("f", [segment("o", 10, 20, ts_offset_ns=5, get_urls=URLS, key_frame_count=2)])
    store.jobs.run_due()
    (body,) = receiver.bodies
    (shown,) = body["event"]["segments"]
    urls = shown.pop("get_urls", None)
    assert (urls if urls is None else [one["label"] for one in urls]) == labels
    assert {one.get("controlled") for one in urls or ()} <= {False if "verbose_storage" in properties else None}
    expected = {"object_id": "o", "timerange": "[0:10_0:20)", "ts_offset": "0:5", "key_frame_count": 2}
    assert shown == expected | ({"object_timerange": "[0:5_0:15)"} if object_timerange else {})


def test_segments_that_are_gone_by_then_are_told_nevertheless(store, receiver):
    store.put_flow(flow(id="f"))
    store.jobs.run_due()
    hook(store, receiver)
    store.add_segments("f", [segment("o", 10, 20, get_urls=URLS)])
    store.delete_flow("f")
    store.jobs.run_due()
    assert receiver.types == ["flows/segments_added", "flows/segments_deleted", "flows/deleted", "sources/deleted"]
    assert receiver.bodies[0]["event"] == {
        "flow_id": "f",
        "segments": [{"object_id": "o", "timerange": "[0:10_0:20)", "get_urls": []}],
    }


def test_segments_that_are_gone_by_then_have_no_urls_of_what_came_since(store, receiver):
    """Of a store that is opened anew by its sole writer, the next object has the key of the last one."""
    store.put_flow(flow(id="f"))
    store.jobs.run_due()
    hook(store, receiver)
    store.add_segments("f", [uncontrolled("gone", 0, 10)])
    store.delete_segments("f", TimeRange.eternity())
    anew = Store(store.database, {})
    anew.add_segments("f", [uncontrolled("new", 0, 10)])
    anew._writer.close()
    store.jobs.run_due()
    told = [one for body in receiver.bodies for one in body["event"].get("segments", ())]
    assert [(one["object_id"], [url["url"] for url in one["get_urls"]]) for one in told] == [
        ("gone", []),
        ("new", ["https://elsewhere.example/new"]),
    ]


# --- failures --------------------------------------------------------------------------------------------------------


def test_what_fails_is_sent_again_from_where_it_stood_and_then_given_up(store, receiver, caplog):
    webhook_id = hook(store, receiver)
    refused = Counter[str]()

    def answer(body: Any) -> int:
        refused[body["event_type"]] += body["event_type"] == "flows/created"
        return 500 if body["event_type"] == "flows/created" else 200

    receiver.answer = answer
    store.put_flow(flow(id="f"))
    store.change_flow("f", {"label": "x"}, {})
    waits = []
    for _ in range(ATTEMPTS):
        before_ns = delivery.time_ns()
        store.jobs.run_due()
        waits.append(((row_of(store, webhook_id)["next_ns"] or before_ns) - before_ns) // NS_PER_SECOND)
        due_now(store, webhook_id)
    row = row_of(store, webhook_id)
    assert waits == [1, 2, 0]
    assert refused["flows/created"] == ATTEMPTS
    assert receiver.types == ["sources/created"], "nothing overtakes what fails"
    assert row["status"] == "error"
    error = orjson.loads(row["error"])
    assert error.keys() == {"type", "summary", "time"}
    assert "the receiver answered 500" in error["summary"]
    assert f"webhook {webhook_id} has failed" in caplog.text
    store.jobs.run_due()
    assert refused["flows/created"] == ATTEMPTS, "it is left alone"

    receiver.answer = lambda _: 200
    store.delete_flow("f")
    enable(store, webhook_id, receiver)
    store.jobs.run_due()
    assert receiver.types[1:] == ["flows/created", "flows/updated", "flows/deleted", "sources/deleted"]


def test_an_event_that_cannot_be_told_is_given_up_as_well(store, receiver):
    webhook_id = hook(store, receiver)
    with store.database.transaction() as transaction:
        transaction.insert(schema.EVENTS, schema.EVENTS.rows([event_row(9, detail="no JSON")]))
        if not store.database.sole_writer:  # the row that has the last sequence of an event
            transaction.update(schema.WRITE_LOCKS, schema.WRITE_LOCKS.rows([{"slot": EVENTS, "number": 9}]))
    row = tried_out(store, webhook_id)
    assert row["status"] == "error"
    assert "event 9 cannot be told: JSONDecodeError" in orjson.loads(row["error"])["summary"]


def test_an_event_whose_sending_nobody_thought_would_fail_is_given_up_as_well(store, receiver, monkeypatch):
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(delivery, "_read_some", fail)
    webhook_id = hook(store, receiver)
    store.put_flow(flow(id="f"))
    row = tried_out(store, webhook_id)
    assert row["status"] == "error"
    assert "cannot be sent: ZeroDivisionError" in orjson.loads(row["error"])["summary"]


def test_a_disabled_webhook_is_sent_what_it_missed_when_it_is_enabled(store, receiver):
    webhook_id = hook(store, receiver)
    enable(store, webhook_id, receiver, "disabled")
    store.put_flow(flow(id="f"))
    store.jobs.run_due()
    assert receiver.types == []
    enable(store, webhook_id, receiver)
    store.jobs.run_due()
    assert receiver.types == ["sources/created", "flows/created"]


def test_a_crash_after_sending_sends_again(store, receiver):
    """The position is written after the batch: a process that ends in between has written nothing."""
    webhook_id = hook(store, receiver)
    store.put_flow(flow(id="f"))
    store._sequencing.run()  # on several writers, events have to get their sequence
    crashed = store._deliverer._sent(row_of(store, webhook_id), monotonic() + 9)
    assert crashed.sent == 2
    store.change_flow("f", {"label": "x"}, {})
    store.jobs.run_due()
    assert receiver.types == ["sources/created", "flows/created"] * 2 + ["flows/updated"]


@pytest.mark.parametrize(("status", "reason"), [(404, "answered 404"), (307, "answered 307"), (301, "answered 301")])
def test_an_answer_that_is_no_success_is_a_failure(store, receiver, caplog, status, reason):
    receiver.answer = lambda _: status
    webhook_id = hook(store, receiver)
    store.put_flow(flow(id="f"))
    store.jobs.run_due()
    assert row_of(store, webhook_id)["attempts"] == 1
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("120", 120),
        ("1", 1),
        ("86400", 600),
        ("later", 1),
        pytest.param(f"Thu, 01 Jan {'9' * 20} 00:00:00 GMT", 1, id="no-year"),
        pytest.param(f"Thu, 01 Jan 2060 00:00:00 +{'9' * 20}", 1, id="no-zone"),
    ],
)
def test_a_receiver_is_left_alone_for_as_long_as_it_asks(store, receiver, asked, waited):
    receiver.answer, receiver.answer_headers = lambda _: 503, {"Retry-After": asked}
    webhook_id = hook(store, receiver)
    store.put_flow(flow(id="f"))
    before_ns = delivery.time_ns()
    store.jobs.run_due()
    assert (row_of(store, webhook_id)["next_ns"] - before_ns) // NS_PER_SECOND == waited


def test_a_date_of_the_oldest_form_is_utc_wherever_the_service_runs(store, receiver, monkeypatch):
    """RFC 9110, 5.6.7: the form of asctime names no zone."""
    monkeypatch.setenv("TZ", "America/New_York")
    tzset()
    try:
        asked = asctime(gmtime(delivery.time_ns() // NS_PER_SECOND + 120))
        receiver.answer, receiver.answer_headers = lambda _: 503, {"Retry-After": asked}
        webhook_id = hook(store, receiver)
        store.put_flow(flow(id="f"))
        before_ns = delivery.time_ns()
        store.jobs.run_due()
        assert 60 < (row_of(store, webhook_id)["next_ns"] - before_ns) // NS_PER_SECOND <= 120
    finally:
        monkeypatch.undo()
        tzset()


def test_what_an_answer_says_after_its_status_is_not_waited_for(store, receiver, monkeypatch):
    monkeypatch.setattr(delivery, "ANSWER_S", 0.3)
    receiver.answer_length = 10
    webhook_id = hook(store, receiver)
    store.put_flow(flow(id="f"))
    store.jobs.run_due()
    assert receiver.types == ["sources/created", "flows/created"], "each once"
    assert row_of(store, webhook_id)["attempts"] is None


@pytest.fixture
def patient(monkeypatch) -> None:
    """Receivers may take as long as they like."""
    monkeypatch.setattr(delivery, "ANSWER_S", 120.0)


@pytest.mark.usefixtures("patient")
def test_slow_and_dead_receivers_delay_nobody(store, receiver):
    """Not even when there are more of them than threads, once it is known that they are slow."""
    ending = threading.Event()

    def slow(_: object) -> int:
        ending.wait(60)
        return 200

    with Receiver(slow) as stuck:
        for _ in range(delivery.THREADS // 2 + 4):
            hook(store, stuck)
        for i in range(3):
            hook(store, receiver, url=f"http://127.0.0.1:{9 + i}/")
        for _ in range(delivery.THREADS):
            store._deliverer._troubled.add(hook(store, stuck))
        hook(store, receiver)
        store.jobs.start()
        began = monotonic()
        store.put_flow(flow(id="f"))
        while len(receiver.bodies) < 2:
            assert monotonic() - began < 30
            sleep(0.01)
        ending.set()
        store._deliverer.close()


def test_a_key_that_cannot_be_sent_is_not_told(store, receiver, caplog):
    webhook_id = hook(store, receiver, api_key_name="X-Key", api_key_value=" secret ")
    store.put_flow(flow(id="f"))
    row = tried_out(store, webhook_id)
    assert row["status"] == "error"
    assert "secret" not in row["error"] + caplog.text


def test_a_webhook_at_a_host_that_idna_has_no_name_for_is_given_up(store, receiver):
    """Browsers know such hosts, and so do URLs as Pydantic takes them."""
    webhook_id = store.create_webhook({"url": "https://xn--ls8h.la/", "events": TYPES})
    store.put_flow(flow(id="f"))
    assert tried_out(store, webhook_id)["status"] == "error"


def test_a_destination_that_is_not_allowed_is_refused_and_not_sent_to(store, receiver, caplog):
    webhook_id = hook(store, receiver)
    store.destinations = store._deliverer._destinations = PUBLIC
    for refused in (lambda: hook(store, receiver), lambda: enable(store, webhook_id, receiver)):
        with pytest.raises(DestinationRefused) as error:
            refused()
        assert error.value.field == "url"
    store.put_flow(flow(id="f"))
    store.jobs.run_due()
    assert receiver.bodies == []
    assert "sends no requests" in caplog.text
    enable(store, webhook_id, receiver, "disabled")


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
def test_a_key_cannot_be_in_a_header_of_http(store, receiver, name):
    with pytest.raises(InvalidInput) as refused:
        hook(store, receiver, api_key_name=name, api_key_value="x")
    assert refused.value.field == "api_key_name"


# --- what is old -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "left"),
    [
        pytest.param(None, ["flows/updated"], id="without-webhooks"),
        pytest.param("created", ["flows/created", "flows/updated"], id="not-before-a-webhook-has-had-them"),
        pytest.param("disabled", ["flows/updated"], id="a-disabled-one-may-miss-them"),
    ],
)
def test_old_events_are_removed(store, receiver, status, left):
    if status is not None:
        webhook_id = hook(store, receiver, status=status)
    store.put_flow(flow(id="f"))
    store.change_flow("f", {"label": "x"}, {})
    store._sequencing.run()
    if status is not None:
        row = {"id": webhook_id, "position": 1}
        with store.database.transaction() as transaction:
            transaction.update(schema.WEBHOOKS, schema.WEBHOOKS.part(tuple(row), [row]))
    assert Pruner(store.database, store._writer, kept_s=60).step() is False
    assert len(rows_of(store.database, schema.EVENTS)) == 3, "they are not old yet"
    Pruner(store.database, store._writer, kept_s=-60).step()
    assert [row["event_type"] for row in rows_of(store.database, schema.EVENTS)] == left


# --- several processes -----------------------------------------------------------------------------------------------


@pytest.fixture
def stores(patient) -> Iterator[tuple[Store, Store]]:
    """Two processes on one database."""
    settings = vast_engine.settings()
    one, other = Vast(settings), Vast(settings)
    opened = [Store(database, {}, destinations=LOOPBACK) for database in (one, other)]
    yield opened[0], opened[1]
    one.drop_tables()
    for store in opened:
        store.close()


def test_one_process_at_a_time_sends_to_a_webhook(stores, receiver):
    one, other = stores
    webhook_id = hook(one, receiver)
    one.put_flow(flow(id="f"))
    one._sequencing.run()

    def meanwhile(_: object) -> int:
        other._delivering.run()
        return 200

    receiver.answer = meanwhile
    one._delivering.run()
    assert receiver.types == ["sources/created", "flows/created"]
    receiver.answer = lambda _: 200
    other.change_flow("f", {"label": "x"}, {})
    other.jobs.run_due()
    assert receiver.types[2:] == ["flows/updated"]
    assert row_of(one, webhook_id)["holder"] is None


def test_a_process_that_ended_while_it_was_sending_holds_a_webhook_up_for_the_term_only(stores, receiver):
    one, other = stores
    webhook_id = hook(one, receiver)
    one.put_flow(flow(id="f"))
    one._sequencing.run()
    assert one._writer.submit(one._deliverer._hold, webhook_id)["id"] == webhook_id
    other._delivering.run()
    assert receiver.types == []
    other._deliverer._clock_ns = lambda: delivery.time_ns() + 61 * NS_PER_SECOND
    other._delivering.run()
    assert receiver.types == ["sources/created", "flows/created"]
    one._writer.submit(one._deliverer._note, delivery.Turn(webhook_id, 0, 0, None, 0))
    (row,) = other.database.read(webhook_queries.enabled).to_pylist()
    assert row["position"] == 2, "who lost it changes nothing"
