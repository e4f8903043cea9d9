"""Spans of requests, commits, transactions and jobs, where OpenTelemetry is installed; nothing where it is not."""

from __future__ import annotations

import pytest

from api.watching import traces
from tams_data import media
from tams_data.errors import InvalidSetting
from tams_data.settings import Settings
from tams_data.store.store import Store
from tams_data.tracing import NO_TRACER
from tests.api.builders import new_id, video_flow
from tests.api.client import CheckedClient
from tests.conftest import ENGINES

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_nothing_is_recorded_unless_it_is_asked_for(settings: Settings) -> None:
    tracing = traces.connect(settings)
    assert (tracing.tracer, tracing.open_span) == (NO_TRACER, None)


def test_traces_without_opentelemetry_are_refused_by_name(settings: Settings) -> None:
    try:
        import opentelemetry.sdk  # noqa: F401, PLC0415
    except ImportError:
        with pytest.raises(InvalidSetting, match=r"TAMS_TRACES=true needs OpenTelemetry.*\[otel\]"):
            traces.connect(settings.model_copy(update={"traces": True}))
    else:
        pytest.skip("it is installed")


@pytest.fixture
def exporter():
    """Where spans go, in memory."""
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    return InMemorySpanExporter()


@pytest.fixture
def traced(exporter, settings: Settings) -> CheckedClient:
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415

    from api.app import create_app  # noqa: PLC0415

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = traces.over(provider.get_tracer("test"))
    stores = {one.backend.id: one for one in media.connect(settings)}
    store = Store(ENGINES["duckdb"](), stores, tracer=tracing.tracer)
    app = create_app(store, settings, secret=bytes(32), open_span=tracing.open_span)
    app.test_client_class = CheckedClient
    yield app.test_client()
    store.close()


def test_request_is_a_span_of_the_trace_its_sender_began(traced: CheckedClient, exporter) -> None:
    response = traced.get(f"/flows/{new_id()}", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.attributes["http.response.status_code"]) == ("GET /flows/<flow_id>", 404)
    assert format(span.context.trace_id, "032x") == TRACE
    assert format(span.parent.span_id, "016x") == SPAN
    assert response.headers["traceparent"] == f"00-{TRACE}-{format(span.context.span_id, '016x')}-01"


def test_commit_is_a_span_in_that_of_its_request(traced: CheckedClient, exporter) -> None:
    traced.create_flow(video_flow())
    spans = {one.name: one for one in exporter.get_finished_spans()}
    assert spans.keys() == {"PUT /flows/<flow_id>", "commit", "transaction"}
    request, commit = spans["PUT /flows/<flow_id>"], spans["commit"]
    assert commit.parent.span_id == request.context.span_id
    assert commit.attributes["tams.command"] == "put"
    assert spans["transaction"].attributes["tams.commands"] == 1
    assert spans["transaction"].parent is None, "one transaction is of many requests"


def test_spans_of_one_request_are_not_in_those_of_the_one_before(traced: CheckedClient, exporter) -> None:
    for _ in range(2):
        traced.get("/service")
    first, second = exporter.get_finished_spans()
    assert first.context.trace_id != second.context.trace_id
    assert second.parent is None


def test_job_is_a_span(traced: CheckedClient, exporter) -> None:
    traced.application.config["TAMS_STORE"].jobs.run_due()
    assert "job deleting" in {one.name for one in exporter.get_finished_spans()}
