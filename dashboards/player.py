"""What lies behind a bar of the timeline: a flow's segments, their objects and URLs, and the stretch to play."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import panel as pn

from dashboards.bars import Row
from dashboards.clock import Clock
from tams_data.client import GetUrl, Segment, TamsClient
from tams_data.errors import TamsDataError
from tams_data.formatting import duration_text
from tams_data.timerange import MAX_NS, MIN_NS, NS_PER_SECOND, TimeRange
from tams_data.transfer.stretch import PLAYABLE

SEGMENTS = 10
"""How many segments are listed at once."""

PLAYED_NS = 60 * NS_PER_SECOND
"""How much is played from a segment on; the service sends twice that at most."""

_COLLECTION, _ALONE = "Picture and sound", "This flow alone"

STYLE = (Path(__file__).parent / "assets" / "timeline.css").read_text()
"""The looks of the timeline and the player, for every shadow tree they have."""


def html(text: str) -> pn.pane.HTML:
    """A pane of HTML with these looks."""
    return pn.pane.HTML(text, stylesheets=[STYLE], sizing_mode="stretch_width", margin=0)


def button(name: str, clicked: Callable[[Any], object]) -> pn.widgets.Button:
    """A button with these looks."""
    return pn.widgets.Button(label=name, on_click=clicked, stylesheets=[STYLE], margin=(0, 6, 6, 0))


def select(name: str) -> pn.widgets.Select:
    """A choice with these looks; what can be chosen is set later."""
    return pn.widgets.Select(
        label=name, options={}, stylesheets=[STYLE], margin=(0, 6, 6, 0), styles={"flex": "1 1 9rem"}, min_width=100
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What was read for the flow that is open: a page of its segments, and the flow that collects it, if one does.

    `token` is what a browser plays it with, where the service asks for one.
    """

    segments: Sequence[Segment]
    collection_id: str | None
    token: str | None = None


class Player(pn.viewable.Viewer):
    """The segments of a flow from an instant on, and a player of them. Nothing is shown before something is opened."""

    def __init__(
        self, service: TamsClient, *, clock: Clock, media_url: str, changed: Callable[[], object] = lambda: None
    ) -> None:
        """`media_url` is the URL of the service as the browser sees it; `changed` is called when another one plays."""
        super().__init__()
        self._service, self._clock, self._media_url = service, clock, media_url.rstrip("/")
        self._changed = changed
        self._playing: TimeRange | None = None
        self._row: Row | None = None
        self._choosing, self._wants_alone = True, False
        self._shown = _Shown((), None)
        self._title, self._video, self._list = html(""), html(""), html("")
        self._of, self._from = select("Play"), select("From")
        self._view = self._built()
        for choice in (self._of, self._from):
            choice.param.watch(self._chosen, "value")
        clock.param.watch(lambda _: self._tell(), "scale")

    def _built(self) -> pn.Column:
        buttons = [
            button("◀ Segments before", self._go_earlier),
            button("Segments after ▶", self._go_later),
            button("Close", lambda _: self.close()),
        ]
        return pn.Column(
            self._title,
            self._video,
            pn.FlexBox(self._of, self._from, margin=(8, 0, 0, 0)),
            pn.FlexBox(*buttons, margin=0),
            self._list,
            visible=False,
            sizing_mode="stretch_width",
            styles={"flex": "1 1 320px", "min-width": "0"},
            margin=0,
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._view

    @property
    def row(self) -> Row | None:
        """The flow that is open."""
        return self._row

    @property
    def playing(self) -> TimeRange | None:
        """The stretch in the player."""
        return self._playing

    async def open(self, row: Row, ns: int) -> None:
        """Show the segments of a flow from an instant on, and play them."""
        await self._read(row, TimeRange(ns, MAX_NS))

    def close(self) -> None:
        """Show nothing."""
        self._row, self._shown = None, _Shown((), None)
        self._view.visible = False
        self._play()

    async def _go_earlier(self, _: object) -> None:
        if self._row is not None and self._shown.segments:
            await self._read(self._row, TimeRange(MIN_NS, _place(self._shown.segments[0]).start_ns), backwards=True)

    async def _go_later(self, _: object) -> None:
        if self._row is not None and self._shown.segments:
            await self._read(self._row, TimeRange(_place(self._shown.segments[-1]).end_ns, MAX_NS))

    async def _read(self, row: Row, window: TimeRange, *, backwards: bool = False) -> None:
        try:
            shown = await asyncio.to_thread(self._ask, row, window, backwards=backwards)
        except TamsDataError as error:
            self._title.object, self._view.visible = f"<p role=alert>{escape(str(error))}</p>", True
            return
        if shown.segments or self._row is None or row.flow_id != self._row.flow_id:
            self._row, self._shown = row, shown
            self._tell()

    def _ask(self, row: Row, window: TimeRange, *, backwards: bool) -> _Shown:
        asked = self._service.segments(
            row.flow_id, window, limit=str(SEGMENTS), reverse_order="true" if backwards else "false"
        )
        found = list(islice(asked, SEGMENTS))
        flow: Mapping[str, Any] = self._service.find_flow(row.flow_id) or {}
        collection_id = next(iter(flow.get("collected_by") or ()), None)
        return _Shown(found[::-1] if backwards else found, collection_id, self._service.lent_token())

    # --- telling ---

    def _tell(self) -> None:
        if self._row is None:
            return
        self._choosing = False  # what is set here is no choice of the user's
        starts = {self._clock.text(place.start_ns): place.start_ns for place in map(_place, self._shown.segments)}
        chosen = self._from.value if self._from.value in starts.values() else next(iter(starts.values()), None)
        self._from.param.update(options=starts, value=chosen)
        names = [_COLLECTION, _ALONE] if self._shown.collection_id else [_ALONE]
        self._of.param.update(options=names, value=names[-1 if self._wants_alone else 0])
        self._choosing = True
        segments = "".join(_segment_html(segment, self._clock) for segment in self._shown.segments)
        self._list.object = (
            f'<ol class="segments">{segments}</ol>' if segments else "<p>There are no segments from here on.</p>"
        )
        self._view.visible = True
        self._play()

    def _chosen(self, _: object) -> None:
        if self._choosing:
            self._wants_alone = self._of.value == _ALONE and len(self._of.options) > 1
            self._play()

    def _play(self) -> None:
        row, start_ns = self._row, self._from.value
        if row is None or start_ns is None:
            self._playing, self._video.object = None, ""
        else:
            self._playing = TimeRange(start_ns, min(start_ns + PLAYED_NS, max(row.end_ns, start_ns + 1)))
            told = f"{self._clock.text(start_ns, zone=True)}, {duration_text(self._playing.length_ns)}"
            self._title.object = (
                f"<h3>{escape(row.name)}</h3><p><small>{escape(row.about)}</small><br>{escape(told)}</p>"
            )
            self._video.object = self._player_of(row, self._playing)
        self._changed()

    def _player_of(self, row: Row, playing: TimeRange) -> str:
        if row.codec not in PLAYABLE:
            return f"<p role=alert>Browsers do not play {escape(str(row.codec))}.</p>"
        together = self._shown.collection_id if self._of.value == _COLLECTION else None
        url = self.stretch_url(together or row.flow_id, playing)
        return _player_html(url, seen=together is not None or not row.format.endswith(":audio"))

    def stretch_url(self, flow_id: str, timerange: TimeRange) -> str:
        """Where the browser gets a stretch: with a token that was lent for it, where the service asks for one."""
        token = {} if self._shown.token is None else {"access_token": self._shown.token}
        query = urlencode({"timerange": str(timerange), **token})
        return f"{self._media_url}/flows/{flow_id}/stretch.mp4?{query}"


def _place(segment: Segment) -> TimeRange:
    return TimeRange.parse(segment["timerange"], field="timerange")


def _player_html(url: str, *, seen: bool) -> str:
    kind, source = "video" if seen else "audio", escape(url, quote=True)
    refused = "this.nextElementSibling.hidden = false"
    return (
        f'<{kind} controls autoplay playsinline src="{source}" onerror="{refused}"></{kind}>'
        '<p role="alert" hidden>This cannot be played here. '
        f'<a href="{source}" target="_blank">What the service says</a></p>'
    )


def _segment_html(segment: Segment, clock: Clock) -> str:
    place = _place(segment)
    urls = " ".join(
        _link(one["url"], one.get("label"), presigned=one.get("presigned", False)) for one in _urls(segment)
    )
    return (
        f"<li><b>{escape(clock.text(place.start_ns))}</b> · {duration_text(place.length_ns)}"
        f"<code>{escape(segment['object_id'])}</code>{urls}</li>"
    )


def _urls(segment: Segment) -> Sequence[GetUrl]:
    return segment.get("get_urls") or ()


def _link(url: str, label: str | None, *, presigned: bool) -> str:
    name = label or urlsplit(url).hostname or url
    shown = f"{name}, presigned" if presigned else name
    if urlsplit(url).scheme not in ("http", "https"):  # an address that a client registered: never a script
        return f"<span>{escape(url)}</span>"
    return f'<a href="{escape(url, quote=True)}" target="_blank" rel="noopener noreferrer">{escape(shown)}</a>'
