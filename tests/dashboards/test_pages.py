"""Every picture of every page, drawn of what its analysis answers, and of nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from bokeh.plotting import figure

from dashboards.app import PAGES
from dashboards.clock import Clock
from dashboards.page import Page
from dashboards.picture import Frame, Picture
from dashboards.table import Rows
from tams_data.analytics import Analytics
from tams_data.engines.duckdb import DuckDB
from tests.tams_data.queries.analytics import paper

PICTURES = [pytest.param(one, id=f"{page.path or 'overview'}-{one.name}") for page in PAGES for one in page.pictures]


def opened(*, filled: bool) -> Iterator[Analytics]:
    database = DuckDB(None)
    database.create_tables()
    if filled:
        paper.fill(database)
    yield Analytics(database, clock=lambda: paper.ON_AIR_UTC + paper.DAY)
    database.close()


@pytest.fixture(scope="module")
def filled() -> Iterator[Analytics]:
    """The store on paper, on one engine: that answers are the same on every one is tested with the analyses."""
    yield from opened(filled=True)


@pytest.fixture(scope="module")
def empty() -> Iterator[Analytics]:
    """A store with nothing in it."""
    yield from opened(filled=False)


def answer(analytics: Analytics, picture: Picture) -> pa.Table:
    name, parameters = picture.question({})
    return analytics.run(name, **dict(parameters))


def checked(drawn: Any) -> Any:
    """What a picture drew, once it is of a kind that can be shown."""
    assert isinstance(drawn, str | figure | Rows)
    if isinstance(drawn, Rows):
        assert {one.name for one in drawn.columns} <= set(drawn.rows.column_names)
    return drawn


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_draws_what_its_analysis_answers_on_both_scales(filled: Analytics, picture: Picture):
    rows = answer(filled, picture)
    assert rows.num_rows or picture.title == "Asked for most"  # on paper nobody asks
    for scale in ("UTC", "TAI"):
        checked(picture.draw(rows, Clock(scale=scale)))


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_of_an_empty_store_is_drawn_or_says_that_there_is_nothing(empty: Analytics, picture: Picture):
    rows = answer(empty, picture)
    frame = Frame(picture, Clock())
    frame.show(rows, filtered=False)
    if not rows.num_rows:
        assert picture.empty in frame.view[0].html


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path or "overview")
def test_the_pictures_of_a_page_have_names_of_their_own(page: Page):
    names = [one.name for one in page.pictures]
    assert len(set(names)) == len(names)


def test_pages_have_places_of_their_own():
    assert [page.path for page in PAGES] == ["", "timeline", "flow-usage", "storage-usage", "time-ranges"]
