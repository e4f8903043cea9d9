"""The application: a session of a page, with its filters in the URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import panel as pn
import pyarrow as pa
from bokeh.document import Document
from panel.io.location import Location

from dashboards import flow_usage, overview, storage_usage, time_ranges, timeline_page
from dashboards.answers import question
from dashboards.board import Board, Schedule
from dashboards.clock import Clock
from dashboards.filter_bar import FilterBar
from dashboards.filters import Filters
from dashboards.page import Page, Service
from tams_data import __version__
from tams_data.errors import InvalidTimeRange

ASSETS = Path(__file__).parent / "assets"
PAGES = (overview.PAGE, timeline_page.PAGE, flow_usage.PAGE, storage_usage.PAGE, time_ranges.PAGE)

_TEMPLATE = (ASSETS / "page.html").read_text()
_LOOKS_EVERY_MS = 500
_NAMES_EVERY_MS = 15_000
_NAMES = question("flows", {"limit": 10_000})


class _Template(pn.Template):
    """Panel writes out what a template holds at every view that is added, which takes longer than making them."""

    def __repr__(self) -> str:
        return type(self).__name__


class Session:
    """A page as one person sees it. `template` is what is shown."""

    def __init__(self, page: Page, service: Service, location: Location) -> None:
        self.filters, self.clock = Filters(), Clock()
        self._location = location
        problem = self._read_url()
        self.bar = FilterBar(self.filters, self.clock, problem=problem)
        schedule = _schedule()
        self.board = Board(
            page.pictures,
            service.answers,
            self.filters,
            self.clock,
            service=service.url,
            news=service.news,
            schedule=schedule,
        )
        self.template = self._built(page, service)
        self.filters.param.watch(self._write_url, ["source_id", "format", "tags", "start_ns", "end_ns"])
        self.clock.param.watch(self._write_url, ["scale"])
        self._service, self._schedule = service, schedule
        self.board.ask()
        self.ask_names()

    def ask_names(self) -> None:
        """Ask what flows, sources and storage backends are called: new ones come, and old ones are renamed."""
        answers, schedule = self._service.answers, self._schedule
        answers.ask(_NAMES).add_done_callback(lambda done: schedule(partial(self._name_flows, done)))
        answers.submit(self._service.sources).add_done_callback(
            lambda done: schedule(partial(self._name_sources, done.result()))
        )
        answers.submit(self._service.backends).add_done_callback(
            lambda done: schedule(partial(self.board.call, done.result()))
        )

    def _name_flows(self, answered: Future[pa.Table]) -> None:
        if answered.cancelled() or answered.exception() is not None:
            return
        rows = answered.result()
        labels = zip(rows["flow_id"].to_pylist(), rows["label"].to_pylist(), strict=True)
        self.board.call({flow_id: label for flow_id, label in labels if label})

    def _name_sources(self, labels: Mapping[str, str]) -> None:
        if labels:  # none is what there is while the service does not answer
            self.bar.sources = dict(labels)

    def _read_url(self) -> str:
        """Take filters and clock from the URL; what is wrong with it."""
        given = dict(parse_qsl(self._location.search.removeprefix("?")))
        if given.get("scale") in self.clock.param.scale.objects:
            self.clock.scale = given["scale"]
        try:
            self.filters.read(given)
        except InvalidTimeRange as error:
            return str(error)
        return ""

    def _write_url(self, *_: object) -> None:
        given = self.filters.parameters()
        if self.clock.scale != self.clock.param.scale.default:
            given["scale"] = self.clock.scale
        self._location.search = f"?{urlencode(given)}" if given else ""

    def _built(self, page: Page, service: Service) -> pn.Template:
        template = _Template(_TEMPLATE, location=True)
        for name, frame in self.board.frames.items():
            template.add_panel(name, frame.view)
        template.add_panel("filters", self.bar)
        template.add_panel("status", self.board.status)
        template.add_panel("alert", self.board.alert)
        if page.top is not None:
            template.add_panel("top", page.top(service, self.filters, self.clock))
        variables = {"page": page, "pages": PAGES, "pictures": page.pictures, "service": "TAMS", "assets": "assets"}
        for name, value in {**variables, "version": __version__}.items():
            template.add_variable(name, value)
        return template


def _schedule() -> Schedule:
    """What changes the page of the session that is being made: in the event loop, when its document may be changed."""
    document = pn.state.curdoc
    if document is None:
        return lambda change: change()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # before the server runs, to have everything loaded: nobody looks
        return lambda _: None
    changes = _Changes(document)
    document.on_session_destroyed(changes.drop)
    pn.state.onload(changes.begin)

    def schedule(change: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(changes.add, change)

    return schedule


class _Changes:
    """Changes to a document, in its event loop. They wait until a browser shows it: what comes sooner may be lost."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._waiting: list[Callable[[], None]] | None = []
        self._gone = False

    def add(self, change: Callable[[], None]) -> None:
        if self._waiting is not None:
            self._waiting.append(change)
        elif not self._gone:
            self._document.add_next_tick_callback(change)

    def begin(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        for change in waiting:
            self.add(change)

    def drop(self, _: object) -> None:
        self._gone, self._waiting = True, None


def application(page: Page, service: Service) -> Callable[[], pn.Template]:
    """What makes a session of a page when a browser asks for it."""

    def session() -> pn.Template:
        made = Session(page, service, pn.state.location or Location())
        pn.state.add_periodic_callback(made.board.ask_again, period=_LOOKS_EVERY_MS)
        pn.state.add_periodic_callback(made.ask_names, period=_NAMES_EVERY_MS)
        return made.template

    return session
