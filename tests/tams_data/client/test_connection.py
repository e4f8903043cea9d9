"""Requests: what the client sends, what it makes of answers, and when it tries again. The server is a real one."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from tams_data.client import Allocation, FailedSegment, TamsClient
from tams_data.client.connection import _wait_s
from tams_data.errors import RequestFailed
from tams_data.timerange import TimeRange
from tests.api.process import free_port
from tests.tams_data.client.server import Answer, Seen

FLOW = "11111111-1111-4111-8111-111111111111"


# --- requests and answers --------------------------------------------------------------------------------------------


def test_flows_are_put_and_found(server, client):
    server.answers = [Answer(201, {}), Answer(200, {"id": FLOW}), Answer(404, {"detail": "no such flow"})]
    client.put_flow({"id": FLOW, "label": "x"})
    assert client.find_flow(FLOW, include_timerange=True) == {"id": FLOW}
    assert client.find_flow(FLOW) is None
    assert [(one.method, one.path) for one in server.seen] == [("PUT", f"/flows/{FLOW}")] + 2 * [
        ("GET", f"/flows/{FLOW}")
    ]
    assert json.loads(server.seen[0].body) == {"id": FLOW, "label": "x"}
    assert server.seen[1].query == {"include_timerange": ["true"]}
    assert all(one.headers["authorization"] == "Bearer secret" for one in server.seen)


@pytest.mark.parametrize("how", ["link", "key"])
def test_pages_are_followed(server, client, how):
    """By the `Link` header, which TAMS wants, or by `X-Paging-NextKey` alone; the filters stay."""

    def following(seen: Seen) -> dict[str, str]:
        if how == "key":
            return {"X-Paging-NextKey": "two"}
        return {"Link": f'<{server.url}{seen.path}?timerange=x&page=two>; rel="next"', "X-Paging-NextKey": "two"}

    server.answers = [lambda seen: Answer(200, [{"n": 1}, {"n": 2}], following(seen)), Answer(200, [{"n": 3}])]
    found = list(client.segments(FLOW, TimeRange.parse("[0:0_10:0)"), urls=False))
    assert [one["n"] for one in found] == [1, 2, 3]
    assert server.seen[0].query == {"limit": ["1000"], "timerange": ["[0:0_10:0)"], "accept_get_urls": [""]}
    assert server.seen[1].query["page"] == ["two"]
    assert "timerange" in server.seen[1].query


def test_segments_that_were_refused_are_returned(server, client):
    failure = {"object_id": "b", "timerange": "[1:0_2:0)", "error": {"type": "x", "summary": "overlaps", "time": "t"}}
    server.answers = [
        Answer(201, b""),
        Answer(200, {"failed_segments": [failure, {"object_id": "c"}]}),
    ]
    assert client.register(FLOW, [{"object_id": "a", "timerange": "[0:0_1:0)"}]) == []
    assert client.register(FLOW, []) == [
        FailedSegment("b", "[1:0_2:0)", "overlaps"),
        FailedSegment("c", None, "refused"),
    ]
    assert json.loads(server.seen[0].body) == [{"object_id": "a", "timerange": "[0:0_1:0)"}]


def test_objects_are_allocated_and_uploaded(server, client):
    """With what the service wants sent, and a length: presigned URLs refuse a chunked body."""
    put_url = {"url": f"{server.url}/media/a?signature=x", "content-type": "video/mp2t", "headers": {"x-a": "b"}}
    media_object = {"object_id": "a", "put_url": put_url, "presigned": True}
    server.answers = [Answer(201, {"media_objects": [media_object]}), Answer(200, b"")]
    (allocation,) = client.allocate(FLOW, ["a"])
    client.upload(allocation, io.BytesIO(b"x" * 600_000), 600_000)
    assert json.loads(server.seen[0].body) == {"object_ids": ["a"]}
    sent = server.seen[1]
    assert sent.body == b"x" * 600_000
    assert sent.headers["content-length"] == "600000"
    assert "transfer-encoding" not in sent.headers
    assert (sent.headers["content-type"], sent.headers["x-a"]) == ("video/mp2t", "b")


def url_of(server, host="127.0.0.1"):
    """A URL of an object on the server, or of the same under another name of this machine: another origin."""
    return server.url.replace("127.0.0.1", host) + "/media/a"


@pytest.mark.parametrize(
    ("presigned", "host", "sent"),
    [
        pytest.param(True, "127.0.0.1", False, id="presigned"),
        pytest.param(False, "127.0.0.1", True, id="the service itself"),
        pytest.param(False, "localhost", False, id="another origin"),
    ],
)
def test_credentials_go_to_the_service_only(server, client, presigned, host, sent):
    server.answers = [Answer(200, b""), Answer(200, b"media")]
    url = url_of(server, host)
    client.upload(Allocation("a", url, {}, presigned), io.BytesIO(b"x"), 1)
    client.download({"object_id": "a", "get_urls": [{"url": url, "presigned": presigned}]}, io.BytesIO())
    assert ["authorization" in one.headers for one in server.seen] == [sent, sent]


def test_presigned_urls_are_preferred(server, client):
    server.answers = [Answer(200, b"media")]
    urls = [{"url": f"{server.url}/plain"}, {"url": f"{server.url}/signed", "presigned": True}]
    sink = io.BytesIO()
    assert client.download({"object_id": "a", "get_urls": urls}, sink) == 5
    assert (sink.getvalue(), server.seen[0].path) == (b"media", "/signed")


def test_an_object_without_a_url_is_an_error(client):
    with pytest.raises(RequestFailed, match="'a' has no URL"):
        client.download({"object_id": "a"}, io.BytesIO())


def test_urls_relative_to_the_service_are_understood(server, client):
    server.answers = [Answer(200, b"")]
    client.upload(Allocation("a", "/media/a", {}, presigned=False), io.BytesIO(b"x"), 1)
    assert server.seen[0].path == "/media/a"
    assert "authorization" in server.seen[0].headers


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(Answer(400, {"detail": "label: too long"}), "400 Bad Request: label: too long", id="problem"),
        pytest.param(Answer(403, {"type": "x", "summary": "read-only"}), "403 Forbidden: read-only", id="TAMS"),
        pytest.param(Answer(500, b"out of order"), "500 Internal Server Error: out of order", id="text"),
        pytest.param(Answer(502, b"<html>", {"Content-Type": "text/html"}), "502 Bad Gateway$", id="page of a proxy"),
        pytest.param(Answer(400, [1]), "400 Bad Request$", id="other JSON"),
    ],
)
def test_an_error_says_what_the_service_said(server, client, answer, message):
    server.answers = [answer]
    with pytest.raises(RequestFailed, match=message) as caught:
        client.put_flow({"id": FLOW})
    assert caught.value.status == answer.status
    assert str(caught.value).startswith(f"PUT {server.url}/flows/{FLOW}: ")


def test_an_error_does_not_give_away_a_signature(server, client):
    server.answers = [Answer(403, b"expired")]
    with pytest.raises(RequestFailed) as caught:
        client.upload(Allocation("a", f"{server.url}/media/a?signature=secret", {}, presigned=True), io.BytesIO(b""), 0)
    assert "secret" not in str(caught.value)


def test_a_service_that_is_not_there_is_told():
    with (
        TamsClient(f"http://127.0.0.1:{free_port()}", retries=1) as client,
        pytest.raises(RequestFailed, match=r"no answer \(.*refused") as caught,
    ):
        client.find_flow(FLOW)
    assert caught.value.status is None


# --- trying again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(server, client, status):
    """It has not done what it was asked, so any request may be repeated; a wait it names is kept."""
    server.answers = [Answer(status, {}, {"Retry-After": "0"}), Answer(201, b"")]
    assert client.register(FLOW, []) == []
    assert len(server.seen) == 2


def test_a_service_that_stays_busy_is_given_up(server, client):
    server.answers = [Answer(503, {"detail": "locked"}, {"Retry-After": "0"}) for _ in range(3)]
    with pytest.raises(RequestFailed, match="locked") as caught:
        client.find_flow(FLOW)
    assert (caught.value.status, len(server.seen)) == (503, 3)


def test_a_lost_answer_is_asked_for_again_where_that_is_safe(server, client):
    server.answers = [Answer(None), Answer(200, {"id": FLOW}), Answer(None)]
    assert client.find_flow(FLOW) == {"id": FLOW}
    with pytest.raises(RequestFailed, match="no answer"):
        client.register(FLOW, [])
    assert [one.method for one in server.seen] == ["GET", "GET", "POST"]


def test_an_upload_that_is_repeated_begins_again(server, client):
    server.answers = [Answer(503, {}, {"Retry-After": "0"}), Answer(200, b"")]
    client.upload(Allocation("a", f"{server.url}/a", {}, presigned=False), io.BytesIO(b"whole"), 5)
    assert [one.body for one in server.seen] == [b"whole", b"whole"]


def test_a_download_that_breaks_off_begins_again(server, client):
    server.answers = [Answer(200, b"half", {"Content-Length": "8"}), Answer(200, b"whole")]
    server.answers[0] = lambda _: Answer(200, b"half", {"Content-Length": "8", "Connection": "close"})
    sink = io.BytesIO()
    client.download({"object_id": "a", "get_urls": [{"url": f"{server.url}/a"}]}, sink)
    assert sink.getvalue() == b"whole"


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        pytest.param("3", 3, 3, id="seconds"),
        pytest.param("0", 0, 0, id="at once"),
        pytest.param("86400", 60, 60, id="too long to wait"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0, id="date in the past"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 -0000", 0, 0, id="date of no zone"),
        pytest.param("soon", 0.1, 0.2, id="neither"),
        pytest.param("-1", 0.1, 0.2, id="negative"),
        pytest.param("٣", 0.1, 0.2, id="other digits"),
        pytest.param(None, 0.1, 0.2, id="nothing"),
    ],
)
def test_the_wait_is_what_the_service_asks_for(retry_after, least, most):
    assert least <= _wait_s(0, retry_after) <= most


def test_the_wait_is_until_the_date_that_the_service_names():
    in_half_a_minute = datetime.now(timezone.utc) + timedelta(seconds=30)
    assert 20 < _wait_s(0, format_datetime(in_half_a_minute, usegmt=True)) <= 30


def test_waits_grow_to_an_end():
    assert _wait_s(1, None) <= 0.4 < _wait_s(3, None)
    assert _wait_s(20, None) == 5


# --- services that are not ours --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "path"),
    [
        pytest.param("?page=two", f"/tams/v8/flows/{FLOW}/segments", id="query alone"),
        pytest.param("segments?page=two", f"/tams/v8/flows/{FLOW}/segments", id="beside"),
        pytest.param("/elsewhere?page=two", "/elsewhere", id="from the root"),
    ],
)
def test_a_link_is_relative_to_its_page(server, link, path):
    server.answers = [Answer(200, [{"n": 1}], {"Link": f'<{link}>; rel="next"'}), Answer(200, [{"n": 2}])]
    with TamsClient(f"{server.url}/tams/v8/", "secret") as client:
        assert client.url == f"{server.url}/tams/v8"
        assert [one["n"] for one in client.segments(FLOW)] == [1, 2]
    assert [one.path for one in server.seen] == [f"/tams/v8/flows/{FLOW}/segments", path]
    assert server.seen[1].query["page"] == ["two"]
    assert all(one.headers["authorization"] == "Bearer secret" for one in server.seen)


def with_credentials(server, how):
    """The URL of the server with credentials in it."""
    return {
        "basic": server.url.replace("://", "://us%40er:pa%3Ass@") + "/tams",
        "access_token": f"{server.url}/tams?access_token=secret",
    }[how]


def credentials_in(seen):
    """What of them came with a request."""
    return (seen.headers.get("authorization"), seen.query.get("access_token"))


SENT = {"basic": ("Basic dXNAZXI6cGE6c3M=", None), "access_token": (None, ["secret"])}


@pytest.mark.parametrize("how", SENT)
def test_credentials_may_come_with_the_url(server, how):
    """And go to every URL of the service: the next page, too, which a `Link` names without them."""
    link = {"Link": '</tams/flows?page=two>; rel="next"'}
    server.answers = [Answer(200, [], link), Answer(200, []), Answer(200, {"id": FLOW}), Answer(404, {})]
    with TamsClient(with_credentials(server, how)) as client:
        assert client.url == f"{server.url}/tams"
        assert list(client.flows(label="x")) == []
        client.find_flow(FLOW, include_timerange=True)
        with pytest.raises(RequestFailed) as caught:
            client.put_flow({"id": FLOW})
    assert [credentials_in(one) for one in server.seen] == [SENT[how]] * 4
    assert [one.path for one in server.seen[:2]] == ["/tams/flows"] * 2
    assert [server.seen[0].query["label"], server.seen[1].query["page"]] == [["x"], ["two"]]
    assert server.seen[2].query["include_timerange"] == ["true"]
    assert "secret" not in str(caught.value)
    assert "pa" not in str(caught.value).replace("path", "")


@pytest.mark.parametrize("how", [*SENT, "bearer"])
def test_credentials_go_to_no_other_origin(server, how):
    """Not by a redirect, not by a `Link`, not by `get_urls` or `put_url`."""
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    url, token = (server.url, "secret") if how == "bearer" else (with_credentials(server, how), None)
    server.answers = [
        Answer(307, b"", {"Location": f"{elsewhere}/flows"}),
        Answer(200, [], {"Link": f'<{elsewhere}/flows?page=two>; rel="next"'}),
        Answer(200, []),
        Answer(200, b"media"),
        Answer(200, b""),
    ]
    with TamsClient(url, token) as client:
        assert list(client.flows()) == []
        client.download({"object_id": "a", "timerange": "_", "get_urls": [{"url": f"{elsewhere}/a"}]}, io.BytesIO())
        client.upload(Allocation("a", f"{elsewhere}/a", {}, presigned=False), io.BytesIO(b"x"), 1)
    assert len(server.seen) == 5
    assert [credentials_in(one) for one in server.seen[1:]] == [(None, None)] * 4


def test_an_upload_follows_a_redirect(server, client):
    """As S3 answers while a bucket is new."""
    server.answers = [Answer(307, b"", {"Location": "/moved"}), Answer(200, b"")]
    client.upload(Allocation("a", f"{server.url}/a", {}, presigned=True), io.BytesIO(b"whole"), 5)
    assert [(one.path, one.body) for one in server.seen] == [("/a", b"whole"), ("/moved", b"whole")]


def test_redirects_in_a_circle_are_told(server, client):
    server.otherwise = Answer(307, b"", {"Location": "/round"})
    with pytest.raises(RequestFailed, match="redirects"):
        client.find_flow(FLOW)


# --- bytes -----------------------------------------------------------------------------------------------------------


def segment_of(server):
    """A segment whose object is at the server."""
    return {"object_id": "a", "timerange": "_", "get_urls": [{"url": f"{server.url}/a"}]}


def broken_off(etag):
    """The first four of eight bytes."""
    headers = {"Content-Length": "8", "Connection": "close", **({"ETag": etag} if etag else {})}
    return lambda _: Answer(200, b"half", headers)


def test_a_download_that_broke_off_goes_on(server, client):
    server.answers = [broken_off('"v1"'), Answer(206, b"rest", {"Content-Range": "bytes 4-7/8"})]
    sink, told = io.BytesIO(b"what was there before"), []
    assert client.download(segment_of(server), sink, lambda *done: told.append(done)) == 8
    assert sink.getvalue() == b"halfrest"
    assert (server.seen[1].headers["range"], server.seen[1].headers["if-range"]) == ("bytes=4-", '"v1"')
    assert told == [(4, 8), (8, 8)]


@pytest.mark.parametrize(
    ("etag", "again"),
    [
        pytest.param('"v1"', Answer(200, b"changed!"), id="the bytes are others now"),
        pytest.param('W/"v1"', Answer(200, b"changed!"), id="nobody knows whether they are"),
        pytest.param(None, Answer(200, b"changed!"), id="nothing is said of them"),
    ],
)
def test_a_download_begins_again_unless_the_bytes_are_the_same(server, client, etag, again):
    server.answers = [broken_off(etag), again]
    sink = io.BytesIO()
    assert client.download(segment_of(server), sink) == 8
    assert sink.getvalue() == b"changed!"
    assert ("range" in server.seen[1].headers) is (etag == '"v1"')


def test_a_range_that_is_refused_is_not_insisted_on(server, client):
    server.answers = [broken_off('"v1"'), Answer(416, b""), Answer(200, b"shorter")]
    sink = io.BytesIO()
    assert client.download(segment_of(server), sink) == 7
    assert sink.getvalue() == b"shorter"
    assert "range" not in server.seen[2].headers


def test_progress_of_an_upload_is_told(server, client):
    server.answers = [Answer(200, b"")]
    told = []
    allocation = Allocation("a", f"{server.url}/a", {}, presigned=False)
    client.upload(allocation, io.BytesIO(b"x" * 600_000), 600_000, lambda *done: told.append(done))
    assert told[-1] == (600_000, 600_000)
    assert len(told) == 3
