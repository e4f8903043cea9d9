"""What is too much is refused, with its reason: requests a second, bytes, depth and items of a body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.access.rates import Rates
from tams_data import media
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import TooManyRequests
from tams_data.store.store import Store
from tests.api.access.people import House, entry, settings_with
from tests.api.builders import multi_flow, new_id, profile, video_flow
from tests.api.client import CheckedClient, as_object

URLS = [{"url": "https://elsewhere.example/a.ts", "label": str(number)} for number in range(11)]
ELEVEN = list("abcdefghijk")


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_ns = 10**15

    def __call__(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def taken(rates: Rates, caller: str = "a") -> int:
    """How many requests are taken at once."""
    for count in range(10_000):
        try:
            rates.take(caller)
        except TooManyRequests:
            return count
    raise AssertionError("there is no end")


def test_ten_seconds_worth_is_taken_at_once_and_then_the_rate() -> None:
    clock = Clock()
    rates = Rates(5, clock=clock)
    assert taken(rates) == 50
    clock.wait(1)
    assert taken(rates) == 5
    clock.wait(3600)
    assert taken(rates) == 50


def test_each_caller_has_a_bucket() -> None:
    rates = Rates(1, clock=Clock())
    assert (taken(rates, "a"), taken(rates, "b"), taken(rates, "a")) == (10, 10, 0)


@pytest.mark.parametrize(("per_second", "expected"), [(5, 1), (0.1, 10), (0.01, 100)])
def test_who_asks_too_often_is_told_when_to_come_again(per_second: float, expected: int) -> None:
    clock = Clock()
    rates = Rates(per_second, clock=clock)
    taken(rates)
    with pytest.raises(TooManyRequests) as refused:
        rates.take("a")
    assert refused.value.retry_after_s == expected
    clock.wait(expected)
    rates.take("a")


def test_callers_without_number_are_not_remembered_without_end() -> None:
    clock = Clock()
    rates = Rates(1, clock=clock)
    for number in range(25_000):
        rates.take(f"caller {number}")
    assert len(rates._empty_ns) <= 10_000


@pytest.fixture
def limited(tmp_path: Any) -> Iterator[House]:
    settings = settings_with(tmp_path, entry("a"), entry("b"), rate_limit=0.5, max_items=10, max_body=4096)
    store = Store(DuckDB(None), {one.backend.id: one for one in media.connect(settings)})
    yield House(store, settings)
    store.close()


def test_a_caller_who_asks_too_often_is_answered_429_and_others_are_not(limited: House) -> None:
    asked = (limited.client("a").get("/flows") for _ in range(50))
    refused = next(answer for answer in asked if answer.status_code != 200)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] in ("1", "2")
    assert as_object(refused)["type"] == "urn:x-tams-data:problem:too-many-requests"
    assert limited.client("b").get("/flows").status_code == 200
    assert limited.client().get("/health").status_code == 200


def test_a_stranger_who_tries_too_often_is_answered_429_and_those_known_are_not(limited: House) -> None:
    tried = [limited.client("guessed").get("/flows").status_code for _ in range(20)]
    assert (tried[0], tried[-1]) == (401, 429)
    assert limited.client("a").get("/flows").status_code == 200


FLOW_ID = new_id()

TOO_MANY: list[tuple[str, str, Callable[[], Any], str]] = [
    ("PUT", "/flows/{}", lambda: video_flow(id=FLOW_ID, tags=dict.fromkeys(ELEVEN, "x")), "tags"),
    ("PUT", "/flows/{}", lambda: video_flow(id=FLOW_ID, tags={"a": ELEVEN}), "tags.a"),
    ("PUT", "/flows/{}", lambda: multi_flow(id=FLOW_ID, flow_collection=[{"id": FLOW_ID}] * 11), "flow_collection"),
    ("POST", "/flows", lambda: {**video_flow(), "tags": {"a": ELEVEN}}, "tags.a"),
    ("POST", "/sources", lambda: {"format": "urn:x-nmos:format:video", "tags": {"a": ELEVEN}}, "tags.a"),
    ("PUT", "/flows/{}/flow_collection", lambda: [{"id": FLOW_ID}] * 11, "flow_collection"),
    ("PUT", "/flows/{}/tags/a", lambda: ELEVEN, "tags.a"),
    ("POST", "/service/webhooks", lambda: {"url": "https://a.example", "events": ["flows/created"] * 11}, "events"),
    (
        "POST",
        "/flows/{}/segments",
        lambda: {"object_id": "x", "timerange": "[0:0_1:0)", "get_urls": URLS},
        "get_urls",
    ),
    ("POST", "/flows/{}/storage", lambda: {"object_ids": ELEVEN}, "object_ids"),
]


@pytest.mark.parametrize(("method", "path", "body", "field"), TOO_MANY)
def test_an_array_of_too_many_items_is_refused_by_its_name(
    limited: House, method: str, path: str, body: Callable[[], Any], field: str
) -> None:
    answer = limited.client("a").open(path.format(FLOW_ID), method=method, json=body())
    assert (answer.status_code, as_object(answer)["field"]) == (400, field), answer.text


@pytest.mark.parametrize("length", [True, False], ids=["announced", "chunked"])
def test_a_body_of_too_many_bytes_is_refused(limited: House, length: bool) -> None:
    environ = {} if length else {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    body = b'{"id": "' + b"x" * 5000 + b'"}'
    answer = limited.client("a").put(
        f"/flows/{FLOW_ID}", data=body, content_type="application/json", environ_overrides=environ
    )
    assert answer.status_code == 413


OPERATIONS = [
    ("PUT", f"/flows/{FLOW_ID}"),
    ("POST", "/flows"),
    ("POST", "/sources"),
    ("POST", "/objects"),
    ("POST", "/service"),
    ("POST", "/service/webhooks"),
    ("POST", f"/service/profiles/{profile()['id']}"),
    ("POST", f"/flows/{FLOW_ID}/segments"),
    ("POST", f"/flows/{FLOW_ID}/storage"),
    ("POST", "/objects/x/instances"),
    ("POST", "/deletion-requests"),
    ("PUT", f"/flows/{FLOW_ID}/flow_collection"),
    ("PUT", f"/flows/{FLOW_ID}/tags/a"),
    ("PUT", f"/sources/{FLOW_ID}/label"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("opening", ["[", '{"a":', '{"tags":{"a":', '[{"essence_parameters":'])
def test_a_body_that_is_nested_too_deeply_is_refused(
    shared_client: CheckedClient, method: str, path: str, opening: str
) -> None:
    answer = shared_client.open(path, method=method, data=opening * 20_000, content_type="application/json")
    assert answer.status_code == 400, answer.text
