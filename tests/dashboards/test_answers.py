"""Questions to the service: asked once for all who want the same, in threads."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import pyarrow as pa
import pytest

from dashboards.answers import Answers, question
from tams_data.errors import RequestFailed

SECOND = 10**9
ASKED = question("flows", {"limit": 5, "format": "video"})


class Counting:
    """Gives the number of the run as the answer, when it `may` answer; fails where it is told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.may = Event()
        self.may.set()
        self.fails = False

    def run(self, name: str, /, **parameters: Any) -> pa.Table:
        self.runs += 1
        number = self.runs
        assert self.may.wait(10)
        if self.fails:
            raise RequestFailed("no answer")
        return pa.table({"run": [number], "asked": [f"{name} {sorted(parameters)}"]})


@pytest.fixture
def runner() -> Counting:
    return Counting()


@pytest.fixture
def time() -> list[int]:
    """The present, ns; a test moves it."""
    return [0]


@pytest.fixture
def answers(runner: Counting, time: list[int]) -> Iterator[Answers]:
    made = Answers(runner, fresh_ns=SECOND, kept=2, clock=lambda: time[0])
    yield made
    runner.may.set()
    made.close()


def run_of(answers: Answers, asked=ASKED) -> int:
    return answers.ask(asked).result(10)["run"][0].as_py()


def test_an_answer_is_that_of_the_analysis_with_its_parameters(answers: Answers):
    assert answers.ask(ASKED).result(10).to_pylist() == [{"run": 1, "asked": "flows ['format', 'limit']"}]


def test_who_asks_while_the_answer_is_on_its_way_waits_for_the_same(answers: Answers, runner: Counting):
    runner.may.clear()
    first, second = answers.ask(ASKED), answers.ask(ASKED)
    runner.may.set()
    assert first.result(10) is second.result(10)
    assert runner.runs == 1


def test_a_fresh_answer_is_given_again_and_an_old_one_is_not(answers: Answers, time: list[int]):
    assert run_of(answers) == 1
    time[0] = SECOND - 1
    assert run_of(answers) == 1
    time[0] = SECOND
    assert run_of(answers) == 2


def test_an_old_answer_is_there_to_look_at(answers: Answers, time: list[int]):
    assert answers.recent(ASKED) is None
    run_of(answers)
    time[0] = 1000 * SECOND
    assert answers.recent(ASKED)["run"].to_pylist() == [1]


def test_only_the_latest_answers_are_kept(answers: Answers):
    others = [question("flows", {"limit": limit}) for limit in (1, 2)]
    for one in (ASKED, *others):
        run_of(answers, one)
    assert answers.recent(ASKED) is None
    assert all(answers.recent(one) is not None for one in others)


def test_a_failure_is_told_to_who_asked_and_not_kept(answers: Answers, runner: Counting):
    runner.fails = True
    with pytest.raises(RequestFailed, match="no answer"):
        answers.ask(ASKED).result(10)
    runner.fails = False
    assert run_of(answers) == 2
