"""A page at work: asks all that its pictures need at once, shows each when its answer is there, and asks again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from time import monotonic_ns, time_ns

import pyarrow as pa

from dashboards import markup
from dashboards.answers import Answers, Question
from dashboards.clock import Clock
from dashboards.filters import Filters
from dashboards.markup import View
from dashboards.picture import Frame, Picture
from tams_data.errors import RequestFailed, TamsDataError
from tams_data.timerange import NS_PER_SECOND

Schedule = Callable[[Callable[[], None]], None]
"""Has a function run where the page may be changed. Called from any thread."""

_LEAST_PAUSE_NS = 3 * NS_PER_SECOND
_LEAST_PAUSE_AFTER_NEWS_NS = NS_PER_SECOND // 2
_LOST_AFTER_NS = 10 * NS_PER_SECOND
"""When an answer that was given and has not reached the page counts as lost."""

_REST = 4
"""How many times as long as its answers took a page waits before it asks again: a slow store is not kept busy by it."""


class Board:
    """The pictures of a page.

    `frames` are where they are shown, by their names; `status` says whether the page follows the store, and `alert`
    what is wrong when it cannot. `service` is the service's name in these, and `news` counts what happened there.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        answers: Answers,
        filters: Filters,
        clock: Clock,
        *,
        service: str,
        news: Callable[[], int] = lambda: 0,
        schedule: Schedule = lambda change: change(),
    ) -> None:
        self._pictures = pictures
        self._answers = answers
        self._filters, self._clock = filters, clock
        self._service = service
        self._news, self._heard = news, 0
        self._schedule = schedule
        self._names: dict[str, str] = {}
        self.frames = {one.name: Frame(one, clock, self._names) for one in pictures}
        self.status, self.alert = View(""), View("")
        self._round = 0
        self._waiting: dict[Question, list[Picture]] = {}
        self._asked: list[Future[pa.Table]] = []
        self._began_ns, self._due_ns, self._due_after_news_ns = 0, 0, 0
        self._away = ""
        self._say()
        filters.param.watch(lambda *_: self.ask(), ["source_id", "format", "tags", "start_ns", "end_ns"])
        clock.param.watch(lambda *_: self._redraw(), ["scale"])

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._waiting)

    def ask(self) -> None:
        """Ask for everything that the filters want; answers to questions before are of no interest any more."""
        self._round += 1
        self._began_ns, self._heard = monotonic_ns(), self._news()
        self._away = ""
        filters = self._filters.parameters()
        self._waiting, self._asked = {}, []
        for picture in self._pictures:
            self._waiting.setdefault(picture.question(filters), []).append(picture)
        for question, pictures in list(self._waiting.items()):
            self._ask(question, pictures)
        if not self._waiting:
            self._finish()

    def call(self, names: Mapping[str, str]) -> None:
        """Call flows and storage backends by these names, by their ids."""
        if any(self._names.get(one) != name for one, name in names.items()):
            self._names.update(names)
            self._redraw()

    def ask_again(self) -> None:
        """Ask anew if everything is answered and it is time to, or if an answer was lost on its way to the page."""
        if self._has_lost() if self.is_waiting else self._is_due():
            self.ask()

    def _is_due(self) -> bool:
        due_ns = self._due_ns if self._news() == self._heard else self._due_after_news_ns
        return monotonic_ns() >= due_ns

    def _has_lost(self) -> bool:
        """Whether all was answered and the page still waits: a document that has just begun may drop a change."""
        return monotonic_ns() - self._began_ns > _LOST_AFTER_NS and all(future.done() for future in self._asked)

    def _ask(self, question: Question, pictures: Sequence[Picture]) -> None:
        if (known := self._answers.recent(question)) is not None:
            self._show(pictures, known)
        else:
            for picture in pictures:
                self.frames[picture.name].waits(True)
        asked_in = self._round

        def answered(future: Future[pa.Table]) -> None:
            if not future.cancelled():
                self._schedule(partial(self._answered, asked_in, question, future))

        future = self._answers.ask(question)
        self._asked.append(future)
        future.add_done_callback(answered)

    def _answered(self, asked_in: int, question: Question, future: Future[pa.Table]) -> None:
        if asked_in != self._round:
            return
        pictures = self._waiting.pop(question)
        try:
            self._show(pictures, future.result())
        except RequestFailed as error:
            self._failed(pictures, error)
        finally:
            if not self._waiting:
                self._finish()

    def _show(self, pictures: Sequence[Picture], rows: pa.Table) -> None:
        filtered = bool(self._filters.parameters())
        for picture in pictures:
            self.frames[picture.name].show(rows, filtered=filtered)

    def _failed(self, pictures: Sequence[Picture], error: TamsDataError) -> None:
        """Without an answer, pictures stay as they are and the page says so; what is refused has no picture."""
        refused = isinstance(error, RequestFailed) and error.status is not None and error.status < 500
        if refused:
            for picture in pictures:
                self.frames[picture.name].fail(str(error))
        else:
            self._away = str(error)

    def _finish(self) -> None:
        now_ns = monotonic_ns()
        rest_ns = _REST * (now_ns - self._began_ns)
        self._due_ns = now_ns + max(_LEAST_PAUSE_NS, rest_ns)
        self._due_after_news_ns = now_ns + max(_LEAST_PAUSE_AFTER_NEWS_NS, rest_ns)
        self._say()

    def _redraw(self) -> None:
        for frame in self.frames.values():
            frame.redraw()
        self._say()

    def _say(self) -> None:
        if self._away:
            self.status.html = markup.status("No answer", kind="away")
            self.alert.html = markup.alert(
                f"The service at {self._service} does not answer. What is shown may be old; it is asked again.",
                self._away,
            )
        elif self._round:
            time = self._clock.wall_text(time_ns(), zone=True).partition(" ")[2]
            self.status.html, self.alert.html = markup.status(f"Live, {time}"), ""
        else:
            self.status.html = markup.status("Loading", kind="waiting")
