"""OpenTelemetry traces, if the settings ask for them and it is installed, with `pip install tams-data-service[otel]`.

Spans of requests, of the commits they wait for, of transactions and of jobs. Where they go, which of them, and the name
of the service are what OpenTelemetry's own `OTEL_*` variables say. Without the setting, nothing of it is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.watching.requests import Environ, OpenSpan, Seen
from tams_data.errors import InvalidSetting
from tams_data.settings import Settings
from tams_data.tracing import NO_TRACER, Attribute, Tracer

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer as OpenTelemetryTracer


@dataclass(frozen=True)
class Tracing:
    """How spans are recorded in a process, and what sends those that have not been sent."""

    tracer: Tracer = NO_TRACER
    open_span: OpenSpan | None = None
    close: Callable[[], object] = lambda: None


def connect(settings: Settings) -> Tracing:
    """What the settings ask for.

    :raise InvalidSetting: they ask for traces, and OpenTelemetry is not installed.
    """
    if not settings.traces:
        return Tracing()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise InvalidSetting(
            f"TAMS_TRACES=true needs OpenTelemetry, pip install 'tams-data-service[otel]': {error}"
        ) from error
    resource = Resource.create({"service.name": "tams"}).merge(Resource.create())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return over(provider.get_tracer("tams"), close=provider.shutdown)


def over(tracer: OpenTelemetryTracer, *, close: Callable[[], object] = lambda: None) -> Tracing:
    """Spans recorded by this tracer of OpenTelemetry."""
    spans = _Tracer(tracer)
    return Tracing(spans, lambda environ: _RequestSpan(tracer, environ), close)


class _Tracer:
    """OpenTelemetry, as the store knows it."""

    def __init__(self, tracer: OpenTelemetryTracer) -> None:
        self._tracer = tracer

    def span(self, name: str, /, **attributes: Attribute) -> AbstractContextManager[object]:
        named = {f"tams.{key}": value for key, value in attributes.items()}
        opened: AbstractContextManager[object] = self._tracer.start_as_current_span(name, attributes=named)
        return opened


class _RequestSpan:
    """The span of a request: opened when its head is there, closed after the last byte of its answer.

    Both in one thread, which a server of threads like ours gives each request.
    """

    def __init__(self, tracer: OpenTelemetryTracer, environ: Environ) -> None:
        from opentelemetry import context, trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._detach: Callable[[Any], object] = context.detach
        given = {"traceparent": environ.get("HTTP_TRACEPARENT", ""), "tracestate": environ.get("HTTP_TRACESTATE", "")}
        parent = TraceContextTextMapPropagator().extract({name: value for name, value in given.items() if value})
        self._span = tracer.start_span(environ["REQUEST_METHOD"], parent, kind=trace.SpanKind.SERVER)
        self._token = context.attach(trace.set_span_in_context(self._span))
        said = self._span.get_span_context()
        self.ids = (trace.format_trace_id(said.trace_id), trace.format_span_id(said.span_id))

    def end(self, seen: Seen) -> None:
        self._span.update_name(f"{seen.method} {seen.route}")
        self._span.set_attributes(
            {
                "http.request.method": seen.method,
                "http.route": seen.route,
                "http.response.status_code": seen.status,
                "http.response.body.size": seen.sent_bytes,
                "url.path": seen.path,
            }
        )
        self._span.end()
        self._detach(self._token)
