"""A session of a page: its filters and clock come from the URL and go there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from panel.io.location import Location

from dashboards.answers import Answers
from dashboards.app import PAGES, Session
from dashboards.page import Service
from tams_data.analytics import Analytics
from tams_data.client import TamsClient
from tams_data.engines.duckdb import DuckDB


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    database = DuckDB(None)
    database.create_tables()
    analytics = Analytics(database)
    answers = Answers(analytics)
    with TamsClient("http://tams") as client:
        yield Service("http://tams", "http://tams", client, analytics, answers, dict, dict)
    answers.close()
    database.close()


def session_at(service: Service, search: str) -> Session:
    return Session(PAGES[0], service, Location(search=search))


def test_a_session_starts_with_what_the_url_says(service: Service):
    session = session_at(service, "?source_id=A&timerange=%5B0%3A0_5%3A0%29&scale=TAI&tag.demo=bouncing+ball")
    assert session.filters.parameters() == {"source_id": "A", "tag.demo": "bouncing ball", "timerange": "[0:0_5:0)"}
    assert session.clock.scale == "TAI"
    assert session.bar.start == "00:00:00"


def test_filters_and_clock_are_written_into_the_url(service: Service):
    location = Location(search="")
    session = Session(PAGES[0], service, location)
    session.filters.tags = {"demo": "bouncing ball"}
    assert location.search == "?tag.demo=bouncing+ball"
    session.clock.scale = "TAI"
    assert location.search == "?tag.demo=bouncing+ball&scale=TAI"
    session.filters.clear()
    session.clock.scale = "UTC"
    assert location.search == ""


@pytest.mark.parametrize("search", ["?timerange=yesterday", "?scale=GPS", "?nothing=known", "?tag.=a"])
def test_a_url_that_cannot_be_used_is_no_filter(service: Service, search: str):
    session = session_at(service, search)
    assert session.filters.parameters() == {}
    assert session.clock.scale == "UTC"


def test_what_is_wrong_with_a_url_is_told(service: Service):
    assert "'yesterday' is not a TAMS time range" in session_at(service, "?timerange=yesterday").bar.problem
