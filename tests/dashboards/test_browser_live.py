"""The dashboard of a store that changes, and of a service that goes and comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from dashboards.app import PAGES
from tams_data.client import TamsClient
from tests.api.process import Service
from tests.dashboards.conftest import Watched
from tests.dashboards.process import Dashboard
from tests.dashboards.test_browser import WAIT_MS, card, ready


@pytest.fixture
def empty_service(service: Service) -> Iterator[Service]:
    """A service of the module, with nothing in it when the first test asks."""
    yield service
    if service.group_is_gone():
        service.start()


@pytest.fixture(scope="module")
def empty_dashboard(service: Service, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The dashboard of that service, also while it is away."""
    del chromium
    with Dashboard(tmp_path_factory.mktemp("dashboard"), service.url) as running:
        yield running


@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("page_of", PAGES, ids=lambda page: page.path or "overview")
def test_a_page_of_an_empty_store_looks_right(
    empty_dashboard: Dashboard,
    watched: Callable[..., Watched],
    picture_of: Callable[[Page, str], None],
    page_of,
    width: str,
):
    opened = watched(f"{empty_dashboard.url}/{page_of.path}", width=width)
    ready(opened.page)
    picture_of(opened.page, f"empty-{page_of.path or 'overview'}-{width}")
    assert opened.complaints == []


def test_a_page_follows_the_store_without_a_reload(
    empty_dashboard: Dashboard, empty_service: Service, watched: Callable[..., Watched]
):
    opened = watched(f"{empty_dashboard.url}/")
    page = ready(opened.page)
    expect(card(page, "At a glance")).to_contain_text("This store is empty")
    with TamsClient(empty_service.url) as client:
        flow_id = str(uuid4())
        flow = {"id": flow_id, "source_id": str(uuid4()), "format": "urn:x-nmos:format:multi", "label": "News"}
        client.put_flow(flow)
    expect(card(page, "At a glance")).to_contain_text(re.compile(r"Flows\s*1"), timeout=WAIT_MS)
    expect(card(page, "Written last")).to_contain_text("News")
    assert opened.complaints == []


def test_a_service_that_is_away_is_told_of_until_it_is_back(
    empty_dashboard: Dashboard, empty_service: Service, watched: Callable[..., Watched]
):
    page = ready(watched(f"{empty_dashboard.url}/").page)
    empty_service.kill()
    alert = page.get_by_role("alert").filter(has_text="does not answer")
    expect(alert).to_be_visible(timeout=WAIT_MS)
    expect(alert).to_contain_text(empty_service.url)
    late = watched(f"{empty_dashboard.url}/flow-usage").page
    expect(late.get_by_role("alert").filter(has_text="does not answer")).to_be_visible(timeout=WAIT_MS)
    empty_service.start()
    ready(page)
    ready(late)
    expect(alert).to_have_count(0)
