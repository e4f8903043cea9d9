"""What a page is, and what it is of: its place in the URL, its words, and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from panel.viewable import Viewable

from dashboards.answers import Answers
from dashboards.clock import Clock
from dashboards.filters import Filters
from dashboards.picture import Picture
from tams_data.analytics import Runs
from tams_data.client import TamsClient


@dataclass(frozen=True)
class Service:
    """The service that the dashboard is of: its URL, its analyses, and labels of sources and backends by their id.

    `media_url` is its URL as browsers see it, and `news` counts what happened there.
    """

    url: str
    media_url: str
    client: TamsClient
    runner: Runs
    answers: Answers
    sources: Callable[[], Mapping[str, str]]
    backends: Callable[[], Mapping[str, str]]
    news: Callable[[], int] = lambda: 0


Top = Callable[[Service, Filters, Clock], Viewable]


@dataclass(frozen=True)
class Page:
    """A page of the dashboard. `path` is its place below the dashboard's URL; `top` makes a view above the pictures."""

    path: str
    title: str
    about: str
    pictures: Sequence[Picture]
    top: Top | None = None
    top_title: str = ""
