"""The timeline: what is recorded when, and a player of it."""

from __future__ import annotations

import panel as pn

from dashboards.clock import Clock
from dashboards.filters import Filters
from dashboards.page import Page, Service
from dashboards.timeline import Timeline


def _timeline(service: Service, filters: Filters, clock: Clock) -> pn.viewable.Viewable:
    timeline = Timeline(service.runner, service.client, filters=filters, clock=clock, media_url=service.media_url)
    pn.state.onload(timeline.start)
    return timeline.__panel__()


PAGE = Page(
    "timeline",
    "Timeline",
    "What is recorded when. A click on a bar lists its segments and plays it.",
    [],
    top=_timeline,
    top_title="From years to frames",
)
