"""Every failure has one status, and is told in one form."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from flask import Flask

from api import errors as api_errors
from tams_data import errors
from tams_data.errors import TamsDataError
from tests.api.builders import video_flow
from tests.api.client import CheckedClient, as_object


def derived(error: type[TamsDataError]) -> Iterator[type[TamsDataError]]:
    """The classes below this one, at any depth."""
    for one in error.__subclasses__():
        yield one
        yield from derived(one)


STATUSES = {
    errors.InvalidInput: 400,
    errors.InvalidTimestamp: 400,
    errors.InvalidTimeRange: 400,
    errors.InvalidPageToken: 400,
    errors.UnknownStorageBackend: 400,
    errors.SegmentOverlap: 400,
    errors.ObjectConflict: 400,
    errors.NotPlayable: 400,
    errors.DestinationRefused: 400,
    errors.TooManyListeners: 503,
    errors.TooManyBodies: 503,
    errors.InvalidBackup: 400,
    errors.UploadBroken: 400,
    errors.UnreadableMedia: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.FlowReadOnly: 403,
    errors.UrlRefused: 403,
    errors.NotPermitted: 403,
    errors.TooManyRequests: 429,
    errors.NotFound: 404,
    errors.SourceNotFound: 404,
    errors.FlowNotFound: 404,
    errors.AnalysisNotFound: 404,
    errors.ObjectNotFound: 404,
    errors.ProfileNotFound: 404,
    errors.WebhookNotFound: 404,
    errors.TableNotFound: 404,
    errors.PropertyNotFound: 404,
    errors.AlreadyExists: 409,
    errors.VersionMismatch: 412,
    errors.DeletionRequestNotFound: 404,
    errors.SchemaMismatch: 500,
    errors.InvalidSetting: 500,
    errors.RequestFailed: 502,
    errors.FetchFailed: 502,
    errors.StoreUnavailable: 503,
    errors.DatabaseLocked: 503,
    errors.TransactionConflict: 503,
    errors.CommitUnconfirmed: 503,
    errors.AnalyticsUnavailable: 503,
    errors.MediaStoreFailed: 503,
    errors.BackupFailed: 503,
}

OURS = [one for one in derived(TamsDataError) if one.__module__.startswith(("tams_data.", "api."))]


@pytest.mark.parametrize("error", OURS, ids=lambda one: one.__name__)
def test_every_error_has_the_status_that_was_decided_for_it(error: type[TamsDataError]) -> None:
    assert api_errors.status_of(error) == STATUSES[error]


def test_table_names_no_error_twice_in_one_line_of_descent() -> None:
    """A class in the table stands for those below it, unless it has another status."""
    for error, status in api_errors.STATUS.items():
        above = [api_errors.STATUS[base] for base in error.__mro__[1:] if base in api_errors.STATUS]
        assert above[:1] != [status]


@pytest.fixture
def failing() -> Flask:
    """An application whose one view raises what it is told to."""
    app = Flask("failing")
    api_errors.register(app)
    raised: dict[str, Exception] = {
        "overlap": errors.SegmentOverlap("it overlaps", field="timerange", value="[0:0_1:0)"),
        "bare": errors.InvalidInput("it is wrong"),
        "huge": errors.InvalidInput("it is huge", field="limit", value=10**40),
        "locked": errors.DatabaseLocked("another process holds it"),
        "listeners": errors.TooManyListeners("as many as may"),
        "conflict": errors.TransactionConflict("another was first"),
        "schema": errors.SchemaMismatch("it is from the future"),
        "unforeseen": RuntimeError("a secret in a message"),
        "interrupted": ZeroDivisionError(),
    }

    @app.get("/<name>")
    def fail(name: str) -> str:
        raise raised[name]

    return app


@pytest.mark.parametrize(
    ("name", "status", "members"),
    [
        ("overlap", 400, {"type": "segment-overlap", "field": "timerange", "value": "[0:0_1:0)"}),
        ("bare", 400, {"type": "invalid-input", "detail": "it is wrong"}),
        ("huge", 400, {"type": "invalid-input", "field": "limit", "value": str(10**40)}),
        ("locked", 503, {"type": "database-locked"}),
        ("conflict", 503, {"type": "transaction-conflict"}),
        ("schema", 500, {"type": "schema-mismatch"}),
        ("unforeseen", 500, {"type": "about:blank", "detail": "the service failed to answer; its log says why"}),
        ("interrupted", 500, {"type": "about:blank"}),
    ],
)
def test_error_is_a_problem(failing: Flask, name: str, status: int, members: dict[str, object]) -> None:
    response = failing.test_client().get(f"/{name}")
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    kind = members["type"]
    wanted = {**members, "type": kind if kind == "about:blank" else f"urn:x-tams-data:problem:{kind}"}
    found = as_object(response)
    assert {member: found[member] for member in wanted} == wanted
    assert (found["status"], found["title"], found["instance"]) == (status, HTTPStatus(status).phrase, f"/{name}")
    assert {"field", "value"} <= found.keys() or "field" not in wanted
    assert (response.headers.get("Retry-After") is not None) == (status == 503)


def test_what_an_error_says_of_the_inside_stays_inside(failing: Flask) -> None:
    assert b"secret" not in failing.test_client().get("/unforeseen").data


def test_what_was_not_foreseen_is_logged_with_its_cause(failing: Flask, caplog: pytest.LogCaptureFixture) -> None:
    failing.test_client().get("/unforeseen")
    (record,) = [one for one in caplog.records if one.name == "api.errors"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)


def test_what_a_client_did_wrong_is_not_logged(failing: Flask, caplog: pytest.LogCaptureFixture) -> None:
    failing.test_client().get("/overlap")
    assert [one for one in caplog.records if one.name == "api.errors"] == []


def test_a_limit_that_is_reached_is_logged_in_a_line(failing: Flask, caplog: pytest.LogCaptureFixture) -> None:
    assert failing.test_client().get("/listeners").status_code == 503
    (record,) = [one for one in caplog.records if one.name == "api.errors"]
    assert (record.levelname, record.exc_info) == ("WARNING", None)


def test_every_fault_of_a_body_is_told(client: CheckedClient) -> None:
    flow = video_flow(label=1, tags={"a": 2})
    flow["essence_parameters"]["frame_width"] = -1
    response = client.put(f"/flows/{flow['id']}", json=flow)
    assert response.status_code == 400
    problem = as_object(response)
    assert problem["faults"][0]["field"] == problem["field"] == "label"
    assert {fault["field"] for fault in problem["faults"]} == {"label", "tags.a", "essence_parameters.frame_width"}
    assert problem["detail"] == f"label: {problem['faults'][0]['message']}"


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/nothing", 404, "about:blank"),
        ("/flows/x", 404, "urn:x-tams-data:problem:not-found"),
        ("/flows/2aa143ac-0ab7-4d75-bc32-5c00c13d186f", 404, "urn:x-tams-data:problem:flow-not-found"),
        ("/sources/2aa143ac-0ab7-4d75-bc32-5c00c13d186f", 404, "urn:x-tams-data:problem:source-not-found"),
        ("/objects/x", 404, "urn:x-tams-data:problem:object-not-found"),
        ("/flows?limit=x", 400, "urn:x-tams-data:problem:invalid-input"),
        ("/flows?page=x", 400, "urn:x-tams-data:problem:invalid-page-token"),
        ("/flows?timerange=x", 400, "urn:x-tams-data:problem:invalid-time-range"),
        ("/flows?\xff", 400, "urn:x-tams-data:problem:invalid-input"),
    ],
)
def test_problem_has_a_type_by_which_programs_tell_it(client: CheckedClient, path: str, status: int, kind: str) -> None:
    path, _, query = path.partition("?")
    response = client.get(path, environ_overrides={"QUERY_STRING": query})
    assert (response.status_code, as_object(response)["type"]) == (status, kind)


@pytest.mark.parametrize("path", ["/nothing", "/flows/", "/analytics/nothing"])
def test_a_path_that_is_none_leads_to_those_that_there_are(client: CheckedClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert as_object(response)["detail"] == "there is nothing at this path; /docs shows what there is"


@pytest.mark.parametrize(
    ("change", "value"),
    [
        pytest.param({"format": "urn:x-nmos:format:smell"}, "urn:x-nmos:format:smell", id="unknown"),
        pytest.param({"format": None}, None, id="left-out"),
    ],
)
def test_a_format_that_is_none_is_told_with_those_that_are(
    client: CheckedClient, change: dict[str, object], value: object
) -> None:
    flow = {name: given for name, given in {**video_flow(), **change}.items() if given is not None}
    response = client.put(f"/flows/{flow['id']}", json=flow)
    assert response.status_code == 400
    problem = as_object(response)
    assert (problem["field"], problem.get("value")) == ("format", value)
    assert problem["detail"].startswith("format: Input should be one of urn:x-nmos:format:video, urn:x-tam:format")


@pytest.mark.parametrize(
    ("path", "body", "detail", "value"),
    [
        ("label", "val", "label: Invalid JSON: expected value at line 1 column 1", None),
        ("tags/a", "5", "tags.a: a tag is a string or an array of strings", 5),
        ("flow_collection", '[{"role": "video"}]', "flow_collection.0.id: Field required", None),
        ("storage", '{"limit": 1, "object_ids": ["a"]}', "body: limit and object_ids exclude each other", ...),
    ],
)
def test_a_fault_is_told_in_the_words_of_the_service(
    client: CheckedClient, path: str, body: str, detail: str, value: object
) -> None:
    flow = client.create_flow(video_flow())
    send = client.post if path == "storage" else client.put
    response = send(f"/flows/{flow['id']}/{path}", data=body, content_type="application/json")
    assert response.status_code == 400
    problem = as_object(response)
    assert problem["detail"] == detail
    assert value is ... or problem.get("value") == value


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"api_key_value": "the secret é"}, id="itself-at-fault"),
        pytest.param({"events": None}, id="beside-what-is-at-fault"),
        pytest.param({"url": {"api_key_value": "the secret"}}, id="within-what-is-at-fault"),
    ],
)
def test_a_fault_of_a_webhook_is_told_without_its_key(client: CheckedClient, change: dict[str, object]) -> None:
    webhook = {"url": "https://a.example", "api_key_name": "X", "api_key_value": "the secret", "events": [], **change}
    given = {name: value for name, value in webhook.items() if value is not None}
    response = client.post("/service/webhooks", json=given)
    assert response.status_code == 400
    assert b"secret" not in response.data


@pytest.mark.parametrize("body", ['{"api_key_value": "the secret",}', '[{"api_key_value": "the secret"}]'])
def test_a_body_that_cannot_be_read_is_not_sent_back(client: CheckedClient, body: str) -> None:
    response = client.post("/service/webhooks", data=body, content_type="application/json")
    assert response.status_code == 400
    assert b"secret" not in response.data
