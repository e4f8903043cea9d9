"""A page at work, over answers made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Queue
from time import monotonic_ns
from typing import Any

import pyarrow as pa
import pytest

from dashboards import board
from dashboards.answers import Answers
from dashboards.board import Board
from dashboards.clock import Clock
from dashboards.filters import Filters
from dashboards.picture import Picture
from tams_data.errors import RequestFailed
from tams_data.timerange import NS_PER_SECOND

FLOWS = pa.table({"label": ["Camera A"], "last_write_ns": [1_767_261_600 * 10**9]})


class Service:
    """Gives the rows that a test has set for an analysis, or fails with the error set for it."""

    def __init__(self) -> None:
        self.rows: dict[str, pa.Table] = {
            "flows": FLOWS,
            "flow-usage": pa.table({"flows": [7]}),
            "storage-usage": pa.table({"storage_id": ["disk", "tape", None]}),
        }
        self.errors: dict[str, RequestFailed] = {}
        self.news = 0
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def run(self, name: str, /, **parameters: Any) -> pa.Table:
        self.asked.append((name, parameters))
        if name in self.errors:
            raise self.errors[name]
        return self.rows[name]


class Page:
    """A board and what a browser would see of it."""

    def __init__(self, service: Service) -> None:
        self._changes: Queue[Callable[[], None]] = Queue()
        self._answers = Answers(service, fresh_ns=0)
        self.filters, self.clock = Filters(), Clock()
        self.board = Board(
            PICTURES,
            self._answers,
            self.filters,
            self.clock,
            service="http://tams",
            news=lambda: service.news,
            schedule=self._changes.put,
        )

    def settle(self) -> None:
        """Let every answer arrive and be shown."""
        while self.board.is_waiting:
            self.next_change()

    def lose(self, count: int) -> None:
        """Let so many answers arrive and never be shown."""
        for _ in range(count):
            self._changes.get(timeout=10)

    def next_change(self) -> None:
        self._changes.get(timeout=10)()

    def close(self) -> None:
        self._answers.close()

    def shown(self, name: str) -> str:
        return str(self.board.frames[name].view[0].html)


PICTURES = [
    Picture(
        "Count", "flow-usage", lambda rows, _: f"{rows['flows'][0]} flows", empty="No flow yet", hint="Type `this`"
    ),
    Picture("Kinds", "flow-usage", lambda rows, _: f"kinds of {rows['flows'][0]}"),
    Picture("Where", "storage-usage", lambda rows, _: f"on {rows['storage_id'].to_pylist()}", named="storage_id"),
    Picture("Last", "flows", lambda rows, clock: clock.wall_text(rows["last_write_ns"][0].as_py()), {"limit": 1}),
]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def page(service: Service) -> Iterator[Page]:
    made = Page(service)
    yield made
    made.close()


def test_a_page_asks_at_once_and_each_question_once(page: Page, service: Service):
    page.board.ask()
    page.settle()
    assert sorted(name for name, _ in service.asked) == ["flow-usage", "flows", "storage-usage"]
    assert page.shown("count") == "7 flows"
    assert page.shown("kinds") == "kinds of 7"
    assert page.shown("last") == "2026-01-01 10:00:00"
    assert "Live" in page.board.status.html


def test_a_page_asks_with_the_filters_and_what_the_picture_wants(page: Page, service: Service):
    page.filters.read({"source_id": "A", "tag.demo": "ball", "timerange": "[0:0_5:0)"})
    page.settle()
    filters = {"source_id": "A", "tag.demo": "ball", "timerange": "[0:0_5:0)"}
    assert sorted(service.asked) == [
        ("flow-usage", filters),
        ("flows", {**filters, "limit": 1}),
        ("storage-usage", filters),
    ]


def test_an_answer_to_filters_before_is_not_shown(page: Page, service: Service):
    page.board.ask()
    page.settle()
    service.rows["flow-usage"] = pa.table({"flows": [1]})
    page.filters.source_id = "A"
    service.rows["flow-usage"] = pa.table({"flows": [2]})
    page.filters.source_id = "B"
    page.settle()
    assert page.shown("count") == "2 flows"


def test_pictures_say_that_they_wait_for_other_filters(page: Page):
    page.board.ask()
    page.settle()
    assert page.board.frames["count"].view.css_classes == []
    page.filters.source_id = "A"
    assert page.board.frames["count"].view.css_classes == ["waiting"]
    page.settle()
    assert page.board.frames["count"].view.css_classes == []


def test_an_empty_store_says_what_to_do_and_filters_that_leave_nothing_say_so(page: Page, service: Service):
    service.rows["flow-usage"] = pa.table({"flows": pa.array([], pa.int64())})
    page.board.ask()
    page.settle()
    assert "No flow yet" in page.shown("count")
    assert "<code>this</code>" in page.shown("count")
    page.filters.source_id = "A"
    page.settle()
    assert "Nothing passes the filters" in page.shown("count")


def test_the_switch_of_the_clock_draws_again_without_asking(page: Page, service: Service):
    page.board.ask()
    page.settle()
    service.asked.clear()
    page.clock.scale = "TAI"
    assert page.shown("last") == "2026-01-01 10:00:37"
    assert service.asked == []


def test_what_has_a_name_is_drawn_by_it_as_soon_as_it_is_known(page: Page, service: Service):
    page.board.ask()
    page.settle()
    assert page.shown("where") == "on ['disk', 'tape', None]"
    page.board.call({"tape": "The archive"})
    assert page.shown("where") == "on ['disk', 'The archive', None]"


def test_a_page_follows_the_store(page: Page, service: Service, monkeypatch: pytest.MonkeyPatch):
    page.board.ask()
    page.settle()
    service.rows["flow-usage"] = pa.table({"flows": [8]})
    page.board.ask_again()
    assert not page.board.is_waiting
    monkeypatch.setattr("dashboards.board.monotonic_ns", lambda: 2**62)
    page.board.ask_again()
    page.settle()
    assert page.shown("count") == "8 flows"


def test_a_page_asks_sooner_when_something_happened(page: Page, service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dashboards.board._REST", 0)
    page.board.ask()
    page.settle()
    now_ns = monotonic_ns() + NS_PER_SECOND
    monkeypatch.setattr("dashboards.board.monotonic_ns", lambda: now_ns)
    page.board.ask_again()
    assert not page.board.is_waiting
    service.news += 1
    page.board.ask_again()
    assert page.board.is_waiting
    page.settle()
    page.board.ask_again()
    assert not page.board.is_waiting, "what was heard of is not asked for again"


def test_without_an_answer_pictures_stay_and_the_page_says_what_is_wrong_until_it_is_back(page: Page, service: Service):
    page.board.ask()
    page.settle()
    service.errors = {name: RequestFailed("GET http://tams/analytics: no answer") for name in service.rows}
    page.board.ask()
    page.settle()
    assert page.shown("count") == "7 flows"
    assert "No answer" in page.board.status.html
    assert "http://tams" in page.board.alert.html
    assert "GET http://tams/analytics: no answer" in page.board.alert.html
    service.errors.clear()
    page.board.ask()
    page.settle()
    assert page.board.alert.html == ""
    assert "Live" in page.board.status.html


def test_a_page_that_never_had_an_answer_says_so_in_its_pictures(page: Page, service: Service):
    service.errors["flows"] = RequestFailed("no answer")
    page.board.ask()
    page.settle()
    assert "skeleton" in page.shown("last")
    assert "no answer" in page.board.alert.html


def test_what_the_service_refuses_is_told_in_the_picture_alone(page: Page, service: Service):
    service.errors["flow-usage"] = RequestFailed("400 Bad Request: <no such filter>", status=400)
    page.board.ask()
    page.settle()
    assert "400 Bad Request: &lt;no such filter&gt;" in page.shown("count")
    assert page.shown("last") == "2026-01-01 10:00:00"
    assert page.board.alert.html == ""


def test_an_answer_that_does_not_reach_the_page_is_asked_for_again(page, service, monkeypatch):
    page.board.ask()
    page.lose(3)
    page.board.ask_again()
    assert page.board.is_waiting
    assert len(service.asked) == 3
    monkeypatch.setattr(board, "_LOST_AFTER_NS", 0)
    page.board.ask_again()
    page.settle()
    assert page.shown("last") == "2026-01-01 10:00:00"
    assert len(service.asked) == 6
