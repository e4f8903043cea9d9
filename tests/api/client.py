"""A client that calls the application without a network and holds every answer against the specification."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import pyarrow as pa
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from api.app import create_app
from tams_data import media
from tams_data.settings import Settings
from tams_data.store.store import Store
from tests.api import specification
from tests.api.builders import Json

BESIDE_THE_SPECIFICATION = re.compile(
    r"/media[^/]*/|/flows/[^/]+/(hls\.m3u8|stretch\.mp4)$|/openapi\.json$|/docs$|/swagger|/redoc|/webhooks$|/events$|/health"
    r"|/analytics/|/deletion-requests|/tables|/keeping/|/jobs$|/metrics$|/access-token$"
)
"""Paths that the service has and TAMS does not."""

EXTENSIONS = {("POST", "/sources"), ("POST", "/flows"), ("POST", "/objects")}
"""Operations that the service has on paths of TAMS, or beside them, and TAMS does not."""

UNNAMED = {
    (method, path)
    for method in ("GET", "HEAD")
    for path in ("/service/storage-backends", "/service/webhooks", "/flow-delete-requests")
}
"""Operations for which the specification names no 400, though it gives them parameters that can be wrong."""

NEXT = re.compile(r'^<(?P<url>[^>]+)>; rel="next"$')


class CheckedClient(FlaskClient):
    """Checks what it gets, and knows the few steps that most tests begin with.

    Every answer must be one that the TAMS specification allows, and every error a problem (RFC 9457).
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        response.get_data()  # read whole, so that files it comes from can be closed
        response.close()
        # The path as it was asked for: the request's own has its escapes decoded.
        path = urlsplit(args[0]).path if args and isinstance(args[0], str) else response.request.path
        check(response.request.method, path, response)
        return response

    def create_flow(self, flow: Json) -> Json:
        """Put a flow that is not there yet; the answer."""
        response = self.put(f"/flows/{flow['id']}", json=flow)
        assert response.status_code == 201, response.text
        return as_object(response)

    def create_profile(self, profile: Json) -> Json:
        """Post a profile that is not there yet; the answer."""
        response = self.post(f"/service/profiles/{profile['id']}", json=profile)
        assert response.status_code == 201, response.text
        return as_object(response)

    def create_webhook(self, **webhook: Any) -> Json:
        """Register a webhook for new flows, or with what is given; the answer."""
        response = self.post(
            "/service/webhooks", json={"url": "https://a.example", "events": ["flows/created"], **webhook}
        )
        assert response.status_code == 201, response.text
        return as_object(response)

    def allocate(self, flow_id: str, *object_ids: str) -> list[str]:
        """Have objects with these ids allocated, or one with an id of the service's."""
        body = {"object_ids": object_ids} if object_ids else None
        response = self.post(f"/flows/{flow_id}/storage", json=body or {})
        assert response.status_code == 201, response.text
        return [one["object_id"] for one in as_object(response)["media_objects"]]

    def upload(self, flow_id: str, content: bytes, **storage: Any) -> str:
        """Have an object allocated and send its bytes where the service says; its id."""
        response = self.post(f"/flows/{flow_id}/storage", json=storage)
        assert response.status_code == 201, response.text
        (one,) = as_object(response)["media_objects"]
        put = one["put_url"]
        uploaded = self.put(put["url"], data=content, content_type=put["content-type"])
        assert uploaded.status_code == 200, uploaded.text
        return str(one["object_id"])

    def register(self, flow_id: str, *segments: Json) -> None:
        """Register segments, all of which the service takes."""
        response = self.post(f"/flows/{flow_id}/segments", json=segments if len(segments) > 1 else segments[0])
        assert response.status_code == 201, response.text

    def add(self, flow_id: str, *timeranges: str) -> list[str]:
        """A segment for each time range, each with an object of its own that is not uploaded; their object ids."""
        object_ids = [self.allocate(flow_id)[0] for _ in timeranges]
        pairs = zip(object_ids, timeranges, strict=True)
        self.register(flow_id, *({"object_id": one, "timerange": timerange} for one, timerange in pairs))
        return object_ids

    def segments(self, flow_id: str, **query: str) -> list[Json]:
        """A page of the segments of a flow."""
        response = self.get(f"/flows/{flow_id}/segments", query_string=query)
        assert response.status_code == 200, response.text
        return as_list(response)

    def timeranges(self, flow_id: str, **query: str) -> list[str]:
        """The time ranges on a page of the segments of a flow."""
        return [segment["timerange"] for segment in self.segments(flow_id, **query)]

    def get_object(self, object_id: str, **query: str) -> TestResponse:
        """An object, whatever is in its id."""
        return self.get(f"/objects/{quote(object_id, safe='')}", query_string=query)

    def walk(self, path: str) -> Iterator[TestResponse]:
        """The pages of a list, from one `Link` to the next."""
        url: str | None = path
        while url is not None:
            response = self.get(url)
            assert response.status_code == 200, response.text
            yield response
            link = response.headers.get("Link")
            url = None if link is None else next_url(link)


class Catalogue:
    """A store that is put together once: sources or flows by names of one letter, to be listed."""

    def __init__(self, client: CheckedClient, path: str, ids: Mapping[str, str]) -> None:
        self.client, self.path, self.ids = client, path, ids
        self._names = {id_: name for name, id_ in ids.items()}

    def named(self, query: str) -> str:
        """The names of what is listed, in order."""
        response = self.client.get(f"{self.path}?{query}")
        assert response.status_code == 200, response.text
        return self.names(as_list(response))

    def names(self, listed: Iterable[Json]) -> str:
        """The names of some items, in order."""
        return "".join(self._names[one["id"]] for one in listed)


def _keep_url_builders() -> None:
    """Compile what builds the URL of a rule once: Werkzeug does for each application, of which tests make thousands."""
    compile_builder = Rule._compile_builder
    kept: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}

    def kept_builder(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if key not in kept:
            kept[key] = compile_builder(rule, append_unknown)  # it asks the rule it is called with for converters
        return kept[key]

    Rule._compile_builder = kept_builder  # type: ignore[method-assign]


_keep_url_builders()


def client_of(store: Store, settings: Settings) -> CheckedClient:
    """A client of an application over a store."""
    app = create_app(store, settings, secret=media.secret(settings))
    app.test_client_class = CheckedClient
    made = app.test_client()
    assert isinstance(made, CheckedClient)
    return made


def next_url(link: str) -> str:
    """The URL of a `Link` header that has nothing but the next page."""
    found = NEXT.match(link)
    assert found is not None, link
    return found["url"]


def content_of(response: TestResponse) -> bytes:
    """The body of an answer, unpacked if it came compressed."""
    coding = response.headers.get("Content-Encoding")
    if coding is None or not response.data:
        return response.data
    return bytes(pa.input_stream(pa.py_buffer(response.data), compression=coding).read())


OF_ONE_REQUEST = ("traceparent", "x-request-id")
"""Headers that name the one request they answer."""


def lasting(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers of an answer but for those that name the request: what the same request gets again."""
    return {name: value for name, value in headers if name.lower() not in OF_ONE_REQUEST}


def as_object(response: TestResponse) -> Json:
    """The JSON object of an answer."""
    found = json.loads(response.data)
    assert isinstance(found, dict)
    return found


def as_list(response: TestResponse) -> list[Any]:
    """The JSON array of an answer."""
    found = json.loads(response.data)
    assert isinstance(found, list)
    return found


def check(method: str, path: str, response: TestResponse) -> None:
    """Raise unless an answer is what the specification allows, and a problem where it is an error."""
    if response.status_code >= 400 and method != "HEAD":
        check_problem(response)
    spec = specification.load()
    if (method, path) in EXTENSIONS or _is_conditional(response):
        return
    if spec is None or BESIDE_THE_SPECIFICATION.match(path) or method not in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        return
    if response.status_code in (404, 405) and not _is_specified(spec, method, path):
        return
    if response.status_code == 403 and (
        "Authorization" in response.request.headers or b":not-permitted" in response.data
    ):
        return  # application note 0016: any operation may be refused to who may not use it
    if response.status_code == 400 and ((method, path) in UNNAMED or not _is_text(response.request.query_string)):
        return
    if response.status_code == 400 and method == "DELETE" and response.request.query_string:
        return  # a parameter that it does not have would have said to delete less
    spec.check(method, path, response.status_code, dict(response.headers), content_of(response))


def check_problem(response: TestResponse) -> None:
    """Raise unless an error is `application/problem+json` with the members that a client reads."""
    assert response.content_type == "application/problem+json", response.content_type
    problem = as_object(response)
    assert problem["status"] == response.status_code
    assert problem["title"] == HTTPStatus(response.status_code).phrase
    assert re.fullmatch(r"about:blank|urn:x-tams-data:problem:[a-z-]+", problem["type"])
    assert problem["detail"]


def _is_conditional(response: TestResponse) -> bool:
    """Whether an answer is one that HTTP gives to a condition: the specification does not speak of them."""
    asked = response.request.headers
    return (response.status_code == 304 and "If-None-Match" in asked) or (
        response.status_code == 412 and "If-Match" in asked
    )


def _is_text(query: bytes) -> bool:
    try:
        query.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_specified(spec: Any, method: str, path: str) -> bool:
    return any(one.method == method.lower() and one.pattern.match(path) for one in spec.operations)
