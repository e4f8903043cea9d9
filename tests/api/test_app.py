"""The application as a whole: HEAD beside GET, other methods, and requests that nobody should send."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api.builders import FLOWS, Json, profile, video_flow
from tests.api.client import CheckedClient, as_object, client_of, lasting
from tests.strategies import time_range_texts

FLOW_ID = "4f79cfd1-c057-47f4-8e4d-1b126ca7bf34"
SOURCE_ID = "2aa143ac-0ab7-4d75-bc32-5c00c13d186f"
PROFILE_ID = "1b3a1a52-9a53-4a1c-9b6b-0a3c3b0c5b11"
OBJECT_ID = "an/object"

FLOW = f"/flows/{FLOW_ID}"

READ = [
    *("/", "/service", "/service/storage-backends", "/sources", f"/sources/{SOURCE_ID}"),
    *("/flows", FLOW, f"{FLOW}/segments", "/objects/an%2Fobject"),
    *("/service/profiles", f"/service/profiles/{PROFILE_ID}", "/service/webhooks", "/webhooks", "/health"),
    *(f"/sources/{SOURCE_ID}/{name}" for name in ("label", "description", "tags", "tags/a")),
    *(f"{FLOW}/{name}" for name in ("label", "description", "read_only", "max_bit_rate", "avg_bit_rate")),
    *(f"{FLOW}/{name}" for name in ("flow_collection", "tags", "tags/a")),
]
"""A path of every operation that reads."""

WRITTEN = [
    *(("PUT", FLOW), ("POST", f"{FLOW}/segments"), ("POST", f"{FLOW}/storage")),
    *(("POST", "/service"), ("POST", f"/service/profiles/{PROFILE_ID}"), ("POST", "/service/webhooks")),
    *(("POST", "/sources"), ("POST", "/flows"), ("POST", "/objects"), ("PUT", f"{FLOW}/flow_collection")),
]
"""Every operation that takes a body."""


SET = [
    *(("PUT", f"{FLOW}/{name}") for name in ("label", "tags/a", "max_bit_rate", "avg_bit_rate")),
    *(("PUT", f"/sources/{SOURCE_ID}/{name}") for name in ("description", "tags/a")),
]
"""Properties that are set to a text or a number."""


@pytest.fixture(scope="module")
def served(shared_client: CheckedClient) -> CheckedClient:
    """A client of a service where every path of READ and WRITTEN is there."""
    described = {"label": "a", "description": "a", "tags": {"a": "b"}, "max_bit_rate": 2, "avg_bit_rate": 1}
    shared_client.create_flow(video_flow(id=FLOW_ID, source_id=SOURCE_ID, **described))
    get_urls = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]
    shared_client.register(FLOW_ID, {"object_id": OBJECT_ID, "timerange": "[0:0_1:0)", "get_urls": get_urls})
    shared_client.create_flow(video_flow(source_id=SOURCE_ID, label="b"))
    shared_client.create_profile(profile(id=PROFILE_ID))
    for _ in range(2):
        shared_client.create_webhook()
    return shared_client


# --- methods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?limit=1", "?limit=0", "?no_such_parameter=1"])
@pytest.mark.parametrize("path", READ)
def test_head_answers_as_get_does_but_without_a_body(served: CheckedClient, path: str, query: str) -> None:
    get, head = served.get(path + query), served.head(path + query)
    assert head.status_code == get.status_code
    assert lasting(head.headers) == lasting(get.headers)
    assert head.headers["Content-Length"] == str(len(get.data))
    assert head.data == b""


@pytest.mark.parametrize("path", ["/flows/x", "/sources/x", f"/sources/{FLOW_ID}", f"/flows/{SOURCE_ID}", "/objects/x"])
def test_head_of_what_is_not_there_is_not_found(served: CheckedClient, path: str) -> None:
    assert served.head(path).status_code == served.get(path).status_code == 404


@pytest.mark.parametrize("path", [*READ, f"{FLOW}/storage"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_method_that_a_path_has_not_is_refused_with_those_it_has(served: CheckedClient, path: str, method: str) -> None:
    allowed = set(served.options(path).headers["Allow"].split(", "))
    assert "OPTIONS" in allowed
    assert ({"GET", "HEAD"} <= allowed) == (path in READ)
    if method not in allowed:
        response = served.open(path, method=method)
        assert response.status_code == 405
        assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/flows/",
        f"{FLOW}/",
        f"{FLOW}//segments",
        f"{FLOW}/segments/",
        "/objects/",
        "/%00",
        "/%ff",
    ],
)
def test_path_that_is_none_is_not_found(served: CheckedClient, path: str) -> None:
    """And not sent elsewhere: slashes count."""
    assert served.get(path).status_code == 404


# --- bodies ----------------------------------------------------------------------------------------------------------


def send(client: CheckedClient, method: str, path: str, data: bytes, **headers: Any) -> TestResponse:
    """Send a body as it is."""
    return client.open(path, method=method, data=data, **{"content_type": "application/json", **headers})


MALFORMED = {
    "nothing": b"",
    "a space": b" ",
    "an open object": b"{",
    "an open array": b"[",
    "two values": b"{}{}",
    "a trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "a comment": b"{/**/}",
    "no UTF-8": b'{"a":"\xff"}',
    "a part of a character": b'{"a":"\xe2\x82"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a null byte": b"\0",
    "a control character in text": b'{"a":"\n"}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone low surrogate": b'{"a":"\\udc00x"}',
    "a bad escape": b'{"a":"\\x41"}',
    "deep arrays": b"[" * 100_000,
    "deep arrays, closed": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "an endless number": b'{"a":' + b"9" * 10_000 + b"}",
    "XML": b"<flow/>",
    "a form": b"limit=1",
}
"""Bodies that are no JSON, or more of it than a service should read."""

VALUES = {
    "null": b"null",
    "true": b"true",
    "a number": b"5",
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "a huge number": b"1e400",
    "a text": b'"text"',
    "an array of arrays": b"[[]]",
    "an array of null": b"[null]",
    "an array of an endless number": b"[" + b"9" * 5_000 + b"]",
    "an object with an empty name": b'{"":1}',
}
"""JSON, or nearly, that no operation takes."""


@pytest.mark.parametrize("body", [*MALFORMED.values(), *VALUES.values()], ids=[*MALFORMED, *VALUES])
@pytest.mark.parametrize(("method", "path"), WRITTEN, ids=[path for _, path in WRITTEN])
def test_body_that_makes_no_sense_is_refused(served: CheckedClient, method: str, path: str, body: bytes) -> None:
    response = send(served, method, path, body)
    # Nothing is asked for: one object; nothing is said: the service stays as it is.
    taken = {(f"{FLOW}/storage", b""): 201, (f"{FLOW}/storage", b'{"":1}'): 201, ("/service", b'{"":1}'): 200}
    assert response.status_code == taken.get((path, body), 400)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 204),
        ("application/json; charset=utf-8", 204),
        ("APPLICATION/JSON", 204),
        pytest.param(None, 204, id="nothing said"),
        pytest.param("application/x-www-form-urlencoded", 204, id="what curl says when it is told nothing"),
        ("text/plain", 415),
        ("text/json", 415),
        ("application/xml", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/problem+json", 415),
        ("x", 415),
    ],
)
def test_body_is_json_by_its_type(served: CheckedClient, content_type: str | None, status: int) -> None:
    flow = video_flow(id=FLOW_ID, source_id=SOURCE_ID, label="a")
    assert send(served, "PUT", FLOW, json.dumps(flow).encode(), content_type=content_type).status_code == status


@pytest.mark.parametrize(("method", "path"), [*WRITTEN, *SET, ("DELETE", f"{FLOW}/label"), ("DELETE", FLOW)])
def test_parameter_that_a_write_does_not_have_is_refused(served: CheckedClient, method: str, path: str) -> None:
    """DELETE of a flow with a time range, without `/segments`, would delete all of it."""
    response = send(served, method, f"{path}?timerange=[0:0_1:0)", b"{}")
    assert (response.status_code, as_object(response)["field"]) == (400, "timerange")
    assert served.get(f"{FLOW}/label").status_code == 200


def test_answer_without_a_body_says_no_type(client: CheckedClient) -> None:
    flow = client.create_flow(video_flow())
    path = f"/flows/{flow['id']}"
    (object_id,) = client.allocate(flow["id"])
    answers = [
        client.put(f"{path}/label", json="a"),
        client.post(f"{path}/segments", json={"object_id": object_id, "timerange": "[0:0_1:0)"}),
        client.delete(f"{path}/segments"),
        client.delete(path),
        client.options("/flows"),
    ]
    assert [answer.data for answer in answers] == [b""] * len(answers)
    assert [answer.headers.get("Content-Type") for answer in answers] == [None] * len(answers)
    assert client.head("/docs").content_type == "text/html; charset=utf-8"


def test_body_that_is_compressed_is_refused_as_that(client: CheckedClient) -> None:
    flow = video_flow()
    body = gzip.compress(json.dumps(flow).encode())
    answer = send(client, "PUT", f"/flows/{flow['id']}", body, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, "gzip" in as_object(answer)["detail"]) == (415, True)


def test_last_of_two_equal_names_counts(client: CheckedClient) -> None:
    flow = video_flow(label="first")
    body = json.dumps(flow)[:-1] + ', "label": "last"}'
    assert send(client, "PUT", f"/flows/{flow['id']}", body.encode()).status_code == 201
    assert as_object(client.get(f"/flows/{flow['id']}"))["label"] == "last"


@pytest.mark.parametrize("known", [True, False], ids=["length known", "chunked"])
@pytest.mark.parametrize(("size", "status"), [(1024, 201), (1025, 413)])
def test_body_has_a_largest_size(store: Store, settings: Settings, size: int, status: int, known: bool) -> None:
    client = client_of(store, settings.model_copy(update={"max_body": 1024}))
    flow = video_flow(label="")
    body = json.dumps({**flow, "label": "x" * (size - len(json.dumps(flow)))}).encode()
    assert len(body) == size
    length = {} if known else {"environ_overrides": {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}}
    assert send(client, "PUT", f"/flows/{flow['id']}", body, **length).status_code == status


def test_errors_show_little_of_what_was_sent(client: CheckedClient) -> None:
    response = client.put(FLOW, json={"id": "x" * 100_000, "format": 10**40})
    assert response.status_code == 400
    assert len(response.data) < 2_000


# --- anything --------------------------------------------------------------------------------------------------------

ANYTHING = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(max_size=20)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**25]),
    st.floats(),
    texts,
    time_range_texts(),
    st.sampled_from(["", "urn:x-nmos:format:video", "video/mp2t", FLOW_ID, "0:0", "-0:1", "profile", "tags"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def mutated(whole: Json) -> st.SearchStrategy[Json]:
    """A good body, of which some members, at any depth, are anything or gone."""

    @st.composite
    def draw_one(draw: st.DrawFn) -> Json:
        body: Json = json.loads(json.dumps(whole))
        for _ in range(draw(st.integers(1, 3))):
            holder = draw(st.sampled_from(list(holders(body))))
            name = draw(st.sampled_from([*holder, "label", "read_only", "profile_id", "generation"]))
            if draw(st.booleans()) and name in holder:
                del holder[name]
            else:
                holder[name] = draw(values)
        return body

    return draw_one()


def holders(value: Any) -> Iterator[Json]:
    """The objects in a JSON value, itself included."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from holders(one)
    elif isinstance(value, list):
        for one in value:
            yield from holders(one)


FULL_FLOW = video_flow(
    id=FLOW_ID,
    source_id=SOURCE_ID,
    label="a",
    tags={"a": "b", "c": ["d"]},
    flow_collection=[{"id": SOURCE_ID, "role": "x", "container_mapping": {"mxf_container": {"track_id": 1}}}],
    segment_duration={"numerator": 1},
    container_mapping={"audio_track": {"channel_numbers": [0]}},
)
FULL_SEGMENT = {
    "object_id": OBJECT_ID,
    "timerange": "[0:0_1:0)",
    "ts_offset": "0:0",
    "object_timerange": "[0:0_1:0)",
    "last_duration": "0:1",
    "sample_offset": 0,
    "sample_count": 1,
    "key_frame_count": 1,
    "init_object_id": "init",
    "get_urls": [{"url": "https://elsewhere.example/b.ts", "label": "b"}],
}
FULL_WEBHOOK = {
    "url": "https://a.example",
    "api_key_name": "a",
    "api_key_value": "b",
    "events": ["flows/created"],
    "flow_ids": [FLOW_ID],
    "accept_get_urls": ["a"],
    "presigned": True,
    "tags": {"a": "b"},
    "status": "created",
}
FULL_STORAGE = {"limit": 1, "object_ids": ["a"], "storage_id": SOURCE_ID, "content_type": "a/b", "presigned": True}

FLAT_FLOW = {
    "source_id": SOURCE_ID,
    "format": "urn:x-nmos:format:video",
    "codec": "video/h264",
    "frame_width": 1,
    "frame_height": 1,
    "frame_rate": "25:1",
    "essence_parameters": {"aspect_ratio": {"numerator": 1, "denominator": 1}},
}
FULL_OBJECT = {
    "first_referenced_by_flow": FLOW_ID,
    "timerange": "[0:0_1:0)",
    "get_urls": [{"url": "https://elsewhere.example/b.ts", "label": "b"}],
    "key_frame_count": 1,
    "init_object": {"id": "init"},
}

bodies = st.one_of(
    st.tuples(
        st.just(("PUT", FLOW)), st.one_of(mutated(FULL_FLOW), *(mutated(make(id=FLOW_ID)) for make in FLOWS.values()))
    ),
    st.tuples(
        st.just(("POST", f"{FLOW}/segments")),
        st.one_of(mutated(FULL_SEGMENT), st.lists(mutated(FULL_SEGMENT), max_size=3)),
    ),
    st.tuples(st.just(("POST", f"{FLOW}/storage")), mutated(FULL_STORAGE)),
    st.tuples(st.just(("POST", "/service")), mutated({"name": "a", "description": "b"})),
    st.tuples(st.just(("POST", f"/service/profiles/{PROFILE_ID}")), mutated(profile(id=PROFILE_ID, label="a"))),
    st.tuples(st.just(("POST", "/service/webhooks")), mutated(FULL_WEBHOOK)),
    st.tuples(st.just(("POST", "/flows")), mutated(FLAT_FLOW)),
    st.tuples(st.just(("POST", "/objects")), mutated(FULL_OBJECT)),
    st.tuples(st.sampled_from([*WRITTEN, *SET]), values),
)


@ANYTHING
@given(bodies)
def test_no_body_makes_the_service_fail(served: CheckedClient, sent: tuple[tuple[str, str], Any]) -> None:
    (method, path), body = sent
    text = json.dumps(body)  # NaN and lone surrogates as Python writes them
    assert send(served, method, path, text.encode()).status_code < 500
    assert served.get(FLOW).status_code == 200


@ANYTHING
@given(st.sampled_from(WRITTEN), st.binary(max_size=60))
def test_no_bytes_make_the_service_fail(served: CheckedClient, where: tuple[str, str], body: bytes) -> None:
    assert send(served, *where, body).status_code < 500


NAMES = [
    *("limit", "page", "label", "format", "codec", "status", "source_id", "profile_id", "timerange", "sort_by"),
    *("reverse_order", "frame_width", "frame_height", "init_segments", "collected_by_ids", "include_timerange"),
    *("object_id", "presigned", "verbose_storage", "accept_get_urls", "accept_storage_ids", "access_token"),
    *("include_object_timerange", "tag.a", "tag.", "tag", "tag_exists.a", "flow_tag.a", "flow_tag_exists.a"),
    *("storage_backend_tag.a", "storage_backend_tag_exists.a"),
]
GIVEN = [
    *("", "true", "false", "1", "0", "-1", "999999999999999999", "9223372036854775808", "created", "label", "_", "()"),
    *("[0:0_1:0)", FLOW_ID, f"{FLOW_ID},{SOURCE_ID}", "video/h264", "urn:x-nmos:format:video", "a,b", ",", "\0", "%"),
]
parameters = st.lists(
    st.tuples(st.one_of(st.sampled_from(NAMES), texts), st.one_of(st.sampled_from(GIVEN), texts, time_range_texts())),
    max_size=4,
)
queries = st.one_of(parameters.map(urlencode), st.text('%&=+;,.?#/ab0\\"<>~', max_size=20), st.binary(max_size=12))


@ANYTHING
@given(st.sampled_from(READ), queries)
def test_no_query_makes_the_service_fail(served: CheckedClient, path: str, query: str | bytes) -> None:
    raw = query.decode("latin-1") if isinstance(query, bytes) else query
    assert served.get(path, environ_overrides={"QUERY_STRING": raw}).status_code < 500


@ANYTHING
@given(st.sampled_from([f"{FLOW}/segments", f"/flows/{SOURCE_ID}"]), queries)
def test_no_query_of_a_deletion_makes_the_service_fail(served: CheckedClient, path: str, query: str | bytes) -> None:
    raw = query.decode("latin-1") if isinstance(query, bytes) else query
    assert served.delete(path, environ_overrides={"QUERY_STRING": raw}).status_code < 500
