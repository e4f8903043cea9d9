"""Figures for Prometheus: what the application counts, and what its store says when it is asked.

A registry of the application's own: two applications in one process share nothing.
"""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic, time_ns
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from api.openapi import API_VERSION
from api.watching.requests import Seen
from api.watching.traffic import Traffic
from tams_data import __version__, schema
from tams_data.engines.base import Description
from tams_data.errors import StoreUnavailable
from tams_data.store.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_COMMANDS = (1, 2, 4, 8, 16, 32, 64, 128)

QUEUES_HOLD_S, TABLES_HOLD_S = 10, 60
"""For how long what was counted in the database is told again, whoever asks."""


class Metrics:
    """The figures of one application."""

    def __init__(self, store: Store, traffic: Traffic) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tams_requests", "Requests that have ended", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "tams_request_duration_seconds",
            "From the head of a request to the last byte of its answer",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._commands = Histogram(
            "tams_commit_commands", "Commands that were committed together", buckets=_COMMANDS, registry=self.registry
        )
        self._commits = Histogram(
            "tams_commit_duration_seconds",
            "How long carrying out and committing a group took",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_OfStore(store, traffic))
        store.watch_commits(self._committed)

    def observe(self, seen: Seen) -> None:
        """Count a request that has ended."""
        self._requests.labels(seen.method, seen.route, seen.status).inc()
        self._seconds.labels(seen.method, seen.route).observe(seen.took_ns / 1e9)

    def _committed(self, commands: int, took_ns: int) -> None:
        self._commands.observe(commands)
        self._commits.observe(took_ns / 1e9)

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        return generate_latest(_WithoutTimes(self.registry))


class _WithoutTimes(CollectorRegistry):
    """A registry without the time at which each series began, of which the text format makes a series of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric


class Held(Generic[T]):
    """What a function gives, held for some seconds; None while the store cannot say."""

    def __init__(self, find: Callable[[], T], for_s: float, *, clock_s: Callable[[], float] = monotonic) -> None:
        self._find, self._for_s, self._clock_s = find, for_s, clock_s
        self._lock = threading.Lock()
        self._until_s = float("-inf")
        self._found: T | None = None

    def get(self) -> T | None:
        """It."""
        with self._lock:
            if self._clock_s() >= self._until_s:
                self._found = self._look()
                self._until_s = self._clock_s() + self._for_s
            return self._found

    def _look(self) -> T | None:
        try:
            return self._find()
        except StoreUnavailable as error:
            log.warning("figures of the store are left out: %s", error)
            return None


class _OfStore(Collector):
    """What a store says of itself when it is asked."""

    def __init__(self, store: Store, traffic: Traffic) -> None:
        self._store, self._traffic = store, traffic
        self._queues: Held[list[dict[str, Any]]] = Held(store.queues, QUEUES_HOLD_S)
        self._lags: Held[dict[str, int]] = Held(store.event_lags_ns, QUEUES_HOLD_S)
        self._webhooks: Held[dict[str, int]] = Held(store.webhooks_by_status, QUEUES_HOLD_S)
        self._tables: Held[Description] = Held(store.database.describe, TABLES_HOLD_S)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering it asks nothing of the store."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield _gauge("tams_requests_in_flight", "Requests that are being answered", self._traffic.in_flight)
        yield _gauge("tams_draining", "1 while no new requests are let in", int(self._traffic.draining))
        yield _gauge("tams_commands_waiting", "Commands that wait to be committed", self._store.commands_waiting)
        yield from self._of_jobs()
        yield from self._of_queues()
        yield from self._of_events()
        yield from self._of_tables()

    def _of_jobs(self) -> Iterator[Metric]:
        states = self._store.jobs.states()
        yield _counter("tams_job_steps", "Steps that were taken", "job", {one.name: one.steps for one in states})
        failed = {one.name: one.failed_steps for one in states}
        yield _counter("tams_job_failed_steps", "Steps that failed", "job", failed)
        failures = {one.name: one.failures for one in states}
        yield _gauges("tams_job_failures", "Steps that failed, in a row", "job", failures)
        running = {one.name: int(one.since_ns is not None) for one in states}
        yield _gauges("tams_job_running", "1 while a step is taken", "job", running)
        done = {one.name: one.done_ns / 1e9 for one in states if one.done_ns is not None}
        yield _gauges("tams_job_last_success_timestamp_seconds", "When a step last succeeded", "job", done)

    def _of_queues(self) -> Iterator[Metric]:
        rows = self._queues.get() or []
        waiting = {row["job"]: row["waiting"] for row in rows}
        yield _gauges("tams_job_waiting", "What waits for a job", "job", waiting)
        failing = {row["job"]: row["failing"] for row in rows}
        yield _gauges("tams_job_failing", "What of it failed when it was tried last", "job", failing)
        now_ns = time_ns()
        ages = {row["job"]: 0 if row["oldest_ns"] is None else (now_ns - row["oldest_ns"]) / 1e9 for row in rows}
        yield _gauges("tams_job_oldest_age_seconds", "How long the first of it has waited", "job", ages)

    def _of_events(self) -> Iterator[Metric]:
        lags = {job: lag_ns / 1e9 for job, lag_ns in (self._lags.get() or {}).items()}
        description = "From the newest event that is sequenced, or that every webhook has had, to the newest"
        yield _gauges("tams_event_lag_seconds", description, "job", lags)
        yield _gauges("tams_webhooks", "Webhooks of a status", "status", self._webhooks.get() or {})

    def _of_tables(self) -> Iterator[Metric]:
        found = self._tables.get()
        tables = [one for one in found.tables if one.name in schema.ALL] if found else []
        rows = {one.name: one.row_count for one in tables}
        yield _gauges("tams_table_rows", "Rows of a table", "table", rows)
        sizes = {one.name: one.size_bytes for one in tables if one.size_bytes is not None}
        yield _gauges("tams_table_bytes", "Bytes of a table on the disks of its engine", "table", sizes)
        build = {"version": __version__, "api": API_VERSION, "schema": str(schema.VERSION)}
        engine = {"engine": found.engine, "engine_version": found.version} if found else {}
        info = InfoMetricFamily("tams_build", "The software that runs")
        info.add_metric([], {**build, **engine, "python": platform.python_version()})
        yield info


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(name, description, value=value)


def _gauges(name: str, description: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, description, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family


def _counter(name: str, description: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, description, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family
