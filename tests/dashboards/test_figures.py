"""Figures with axes, without a browser: what is drawn where, and what changes when new rows come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import figures

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("highest", "steps"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (7, [0, 2, 4, 6, 8]),
        (51, [0, 20, 40, 60]),
        (10**18, [number * 2 * 10**17 for number in range(6)]),
    ],
)
def test_steps_are_round(highest: int, steps: list[int]):
    assert figures.steps_to(highest) == steps


@given(st.integers(0, 2**63))
def test_steps_reach_what_is_highest_and_are_few(highest: int):
    steps = figures.steps_to(highest)
    assert steps[0] == 0
    assert steps[-1] >= highest
    assert 2 <= len(steps) <= 6


def test_columns_stand_over_their_names_and_say_their_values():
    drawn = figures.columns(["1 s", "2 s"], [30, 7], str)
    assert drawn.x_range.factors == ["1 s", "2 s"]
    assert drawn.renderers[0].data_source.data == {"name": ["1 s", "2 s"], "value": [30, 7], "text": ["30", "7"]}
    assert drawn.yaxis[0].major_label_overrides == {0: "0", 10: "10", 20: "20", 30: "30"}


def test_the_course_goes_on_with_what_is_foreseen_from_its_last_point():
    drawn = figures.course([0, DAY_MS, 2 * DAY_MS], [1, 2, 3], ["a", "b", "c"], str, foreseen=1)
    known, then = drawn.renderers[1].data_source.data, drawn.renderers[2].data_source.data
    assert known["value"] == [1, 2]
    assert then["value"] == [2, 3]


def test_a_course_of_which_nothing_is_foreseen_has_no_second_line():
    drawn = figures.course([0], [1], ["a"], str)
    assert drawn.renderers[2].data_source.data == {"time": [], "value": [], "name": [], "text": []}


def test_a_figure_takes_over_what_another_of_its_kind_shows():
    shown = figures.columns(["a"], [1], str)
    assert figures.moved_into(shown, figures.columns(["a", "b"], [1, 70], str))
    assert shown.x_range.factors == ["a", "b"]
    assert shown.renderers[0].data_source.data["value"] == [1, 70]
    assert shown.yaxis[0].ticker.ticks == [0, 20, 40, 60, 80]
    assert shown.y_range.end > 80


def test_where_the_reader_has_moved_to_is_kept_until_the_time_shown_is_another():
    shown = figures.columns_in_time([0, DAY_MS], DAY_MS, [1, 2], ["a", "b"], str)
    shown.x_range.update(start=5, end=10)
    figures.moved_into(shown, figures.columns_in_time([0, DAY_MS], DAY_MS, [1, 3], ["a", "b"], str))
    assert (shown.x_range.start, shown.x_range.end) == (5, 10)
    figures.moved_into(shown, figures.columns_in_time([0, DAY_MS, 2 * DAY_MS], DAY_MS, [1, 3, 4], ["a", "b", "c"], str))
    assert shown.x_range.end > 3 * DAY_MS


@pytest.mark.parametrize("other", ["<p>text</p>", figures.course([0], [1], ["a"], str)], ids=["text", "another kind"])
def test_a_figure_takes_over_nothing_of_another_kind(other):
    shown = figures.columns(["a"], [1], str)
    assert not figures.moved_into(shown, other)
    assert shown.x_range.factors == ["a"]
