"""The dashboard as a process: one event loop, and threads that wait for the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from itertools import islice

import httpx
import panel as pn

from dashboards.answers import Answers
from dashboards.app import ASSETS, PAGES, application
from dashboards.news import News
from dashboards.page import Service
from tams_data.client import TamsClient
from tams_data.client.analytics import RemoteAnalytics
from tams_data.errors import RequestFailed
from tams_data.processes import end_with_parent
from tams_data.settings import Settings

_MOST_SOURCES = 1000


def serve(settings: Settings, api: str | None = None, *, token: str | None = None, with_parent: bool = False) -> None:
    """Serve the dashboard of the service at `api`, or of that of the settings, until the process is told to stop.

    With `with_parent` it stops, too, when the process that started it is gone.
    """
    if with_parent:
        end_with_parent()
    url = api or settings.url
    runner = RemoteAnalytics(url, token)
    client = TamsClient(url, token)
    media_url = _without_credentials(url if api else settings.public_url or url)
    labels = partial(labels_of_sources, client), partial(labels_of_backends, client)
    news = News(client)
    news.start()
    service = Service(
        _without_credentials(url), media_url, client, runner, Answers(runner), *labels, news=lambda: news.count
    )
    pn.serve(
        {f"/{page.path}": application(page, service) for page in PAGES},
        address=settings.dashboard_host,
        port=settings.dashboard_port,
        websocket_origin=_origins(settings),
        static_dirs={"assets": str(ASSETS)},
        use_index=False,
        warm=True,  # the first to come does not wait for imports
        show=False,
        verbose=False,
    )


def _without_credentials(url: str) -> str:
    """The URL as people may see it."""
    return str(httpx.URL(url).copy_with(username=None, password=None, query=None))


def _origins(settings: Settings) -> list[str]:
    """Hosts with ports whose pages may open a session."""
    if settings.dashboard_origins:
        return settings.dashboard_origins.split(",")
    hosts = {"localhost", "127.0.0.1", settings.dashboard_host}
    return sorted(f"{host}:{settings.dashboard_port}" for host in hosts)


def labels_of_sources(client: TamsClient) -> Mapping[str, str]:
    """Labels of the sources to choose from by their id, each label once; none while the service does not answer."""
    try:
        found = {str(one["id"]): str(one.get("label") or one["id"]) for one in islice(client.sources(), _MOST_SOURCES)}
    except RequestFailed:
        return {}
    twice = {label for label, count in Counter(found.values()).items() if count > 1}
    return {one: f"{label} ({one})" if label in twice else label for one, label in found.items()}


def labels_of_backends(client: TamsClient) -> Mapping[str, str]:
    """Labels of the storage backends that have one by their id; none while the service does not answer."""
    try:
        return {str(one["id"]): str(one["label"]) for one in client.storage_backends() if one.get("label")}
    except RequestFailed:
        return {}
