"""The timeline: flows as rows, what of them is covered as bars, from years down to frames.

What is seen decides what is asked: the flows of one page, in the window and half as much on either side, in steps of a
pixel. So an answer has a bounded number of rows at every zoom, and while it is on its way the browser moves and scales
what it has. Asking waits until the last of a series of moves, and is done off the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from time import time_ns
from typing import Any

import panel as pn
from bokeh.events import Event, RangesUpdate, Tap
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, PanTool, Range1d, WheelZoomTool
from bokeh.models.annotations import BoxAnnotation, Span
from bokeh.plotting import figure
from bokeh.transform import factor_cmap

from dashboards import axis, bars
from dashboards.bars import Bar, Bars, Row
from dashboards.clock import Clock, tai_from_unix
from dashboards.filters import Filters
from dashboards.player import Player, button, html, select
from tams_data.analytics import Runs
from tams_data.client import TamsClient
from tams_data.errors import TamsDataError
from tams_data.formatting import count_text, duration_text, format_text
from tams_data.timerange import NS_PER_SECOND, TimeRange

PAGE = 40
"""How many flows are shown at once."""

LIVE_MS = 3000
"""How often the store is asked what is new."""

_SETTLE_S = 0.12
_ROW_PX = 38  # as in timeline.css
_PIXELS_A_TICK = 125
_PIXELS = 1000  # until the browser says how wide the figure is
_TAP_PX = 8
_KEYS_MOST = 200
_LONGEST_NOW_NS, _USUAL_NOW_NS = 24 * 3600 * NS_PER_SECOND, 600 * NS_PER_SECOND
_NARROW_PX = 560

# On white and on black alike: what is drawn does not follow the page, but for axes and grids.
_COLOURS = {"video": "#4080ee", "audio": "#1fa38f", "image": "#c85fc8", "data": "#8b6cf0", "multi": "#8593a8"}
_COLUMNS = ("left", "right", "top", "bottom", "covered_top", "gaps", "kind", "text")
_GAPS, _MARK, _LINE = "#e8a13c", "#e5484d", "#8888884d"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is shown, the window and the resolution it was asked for, and what the answer was."""

    rows: Sequence[Row]
    page: Sequence[Row]
    window: TimeRange
    asked: TimeRange
    step_ns: int
    bars: Bars

    def has(self, page: Sequence[Row], window: TimeRange, step_ns: int) -> bool:
        """Whether asking for a window again, perhaps from nearer, would bring nothing that is not here."""
        if page != self.page or not self.asked.contains(window) or step_ns > self.step_ns:
            return False
        return step_ns == self.step_ns or self.bars.hide_nothing


class Timeline(pn.viewable.Viewer):
    """The timeline of the flows that the filters leave, and the player of what is clicked.

    `analytics` runs the analyses `flows` and `timeline`; `service` has segments and URLs. `figure` counts nanoseconds
    from `origin_ns`. Without a session `refresh` does what a session does by itself.
    """

    def __init__(
        self,
        analytics: Runs,
        service: TamsClient,
        *,
        filters: Filters,
        clock: Clock,
        media_url: str | None = None,
        clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """`media_url` is the URL of the service as the browser sees it; `clock_ns` the present, ns since 1970 UTC."""
        super().__init__()
        self._filters, self._clock = filters, clock
        self._analytics, self._clock_ns = analytics, clock_ns
        self._seen: _Seen | None = None
        self._window: TimeRange | None = None
        self.origin_ns, self._number, self._moves, self._pixels = 0, 0, 0, _PIXELS
        self._page, self._following = 0, False
        self.player = Player(
            service, clock=clock, media_url=media_url or service.url, changed=partial(self._when_locked, self._mark)
        )
        self._ticker = FixedTicker(ticks=[])
        self._frame = BoxAnnotation(fill_color=None, line_color=_MARK, line_alpha=1, line_width=2, visible=False)
        self._present = Span(dimension="height", line_color=_MARK, line_dash="dashed", location=None)
        self._build_figure()
        self._build_controls()
        filters.param.watch(lambda *_: self._start(self._refit), [name for name in filters.param if name != "name"])
        clock.param.watch(lambda _: self._when_locked(self._redraw), "scale")

    # --- what there is ---

    @property
    def window(self) -> TimeRange | None:
        """What is seen; None while there is nothing to see."""
        return self._window

    @property
    def rows(self) -> Sequence[Row]:
        """All flows that the filters leave and that have segments, in order."""
        return self._seen.rows if self._seen else ()

    @property
    def following(self) -> bool:
        """Whether the present stays at the right edge."""
        return self._following

    @property
    def bars(self) -> Bars | None:
        """The bars of the page of flows that is seen; None before the first answer."""
        return self._seen.bars if self._seen else None

    @property
    def told(self) -> str:
        """What is told in place of bars; empty when there are bars."""
        return str(self._message.object) if self._message.visible else ""

    def __panel__(self) -> pn.viewable.Viewable:
        return self._view

    async def start(self) -> None:
        """Read the store, and follow it for as long as the session lasts."""
        if pn.state.curdoc is not None and pn.state.curdoc.session_context is not None:
            pn.state.add_periodic_callback(self.follow, period=LIVE_MS)  # type: ignore[arg-type]  # it awaits them
        await self.refresh(fit=True)

    async def follow(self) -> None:
        """Show what is new; the window stays, or follows the present."""
        if self._following and self._window is not None:
            self.move(self._present_window(self._window))
        await self.refresh()

    async def refresh(self, *, fit: bool = False, rows: Sequence[Row] | None = None) -> None:
        """Ask for what is seen and show it, unless something else is asked for meanwhile.

        `fit` has the window follow from the flows; `rows` are the flows if they are known.
        """
        self._number += 1
        number = self._number
        try:
            seen = await asyncio.to_thread(self._ask, fit=fit, rows=rows)
        except TamsDataError as error:
            self._when_locked(partial(self._say, f"The service cannot tell: {error}"))
        else:
            self._when_locked(partial(self._show, seen, number, fit=fit))

    # --- asking ---

    def _ask(self, *, fit: bool, rows: Sequence[Row] | None) -> _Seen | None:
        rows = bars.read_rows(self._analytics, self._filters) if rows is None else rows
        window = self._first_window(rows) if fit or self._window is None else self._window
        if window is None:
            return None
        first = min(self._page, max(len(rows) - 1, 0) // PAGE) * PAGE
        page, half_ns = rows[first : first + PAGE], (window.end_ns - window.start_ns) // 2
        step_ns = axis.resolution_ns(window, self._pixels)
        if self._seen is not None and self._seen.has(page, window, step_ns):
            return replace(self._seen, rows=rows, window=window)
        asked = axis.clamped(window.start_ns - half_ns, window.end_ns + half_ns)
        found = bars.read_bars(self._analytics, page, asked, step_ns)
        return _Seen(rows, page, window, asked, step_ns, Bars.of(page, found))

    def _first_window(self, rows: Sequence[Row]) -> TimeRange | None:
        wanted = self._filters.window
        if not (wanted.starts_open or wanted.ends_open):
            return axis.fitted(wanted.start_ns, wanted.end_ns)
        found = bars.latest(rows)
        return None if found is None else axis.with_margin(found)

    def _present_window(self, window: TimeRange) -> TimeRange:
        length_ns = window.end_ns - window.start_ns
        length_ns = length_ns if length_ns <= _LONGEST_NOW_NS else _USUAL_NOW_NS
        end_ns = tai_from_unix(self._clock_ns()) + length_ns // 20
        return axis.fitted(end_ns - length_ns, end_ns)

    def _start(self, work: Callable[[], Any]) -> None:
        pn.state.execute(work)

    def _when_locked(self, change: Callable[[], None]) -> None:
        """Change models of Bokeh when the session allows it; without one, at once."""
        document = self.figure.document
        if document is None or document.session_context is None:
            change()
        else:
            document.add_next_tick_callback(change)

    async def _refit(self) -> None:
        self._page, self._following = 0, False
        await self.refresh(fit=True)

    async def _settle(self, move: int) -> None:
        await asyncio.sleep(_SETTLE_S)
        if move == self._moves:
            await self.refresh(rows=self.rows)

    # --- moving ---

    def move(self, window: TimeRange) -> None:
        """Show a window; what is known of it at once, the rest when it has come."""
        self._window = window
        self._when_locked(partial(self._draw, move=True))
        self._moves += 1
        self._start(partial(self._settle, self._moves))

    def _moved_by_hand(self, event: Event) -> None:
        if not isinstance(event, RangesUpdate) or event.x0 is None or event.x1 is None:
            return
        self._following = False
        self._window = axis.fitted(*(axis.instant(place, self.origin_ns) for place in (event.x0, event.x1)))
        self._draw_axis()
        self._moves += 1
        self._start(partial(self._settle, self._moves))

    def _on_button(self, change: Callable[[TimeRange], TimeRange | None]) -> Callable[[object], None]:
        def clicked(_: object) -> None:
            wanted = None if self._window is None else change(self._window)
            if wanted is not None:
                self._following = False
                self.move(wanted)

        return clicked

    def _go_now(self, _: object) -> None:
        if self._window is not None:
            self.move(self._present_window(self._window))
            self._following = True

    def _turn(self, by: int) -> None:
        self._page = max(0, self._page + by)
        self._start(partial(self.refresh, rows=self.rows))

    def _resized(self, _: str, __: int | None, pixels: int | None) -> None:
        if pixels and pixels != self._pixels:
            self._pixels = pixels
            self._draw(move=False)
            self._moves += 1
            self._start(partial(self._settle, self._moves))

    # --- opening ---

    def _tapped(self, event: Event) -> None:
        if self._seen is None or self._window is None:
            return
        if not isinstance(event, Tap) or event.x is None or event.y is None:
            return
        ns, number = axis.instant(event.x, self.origin_ns), int(event.y)
        within_ns = axis.resolution_ns(self._window, self._pixels) * _TAP_PX
        bar = self._seen.bars.at(number, ns, within_ns=within_ns)
        if bar is not None:
            self._open(bar, ns)

    def _open(self, bar: Bar, ns: int) -> None:
        if self._seen is not None:
            within = min(max(ns, bar.start_ns), bar.end_ns - 1)
            self._start(partial(self.player.open, self._seen.page[bar.row], within))

    def _open_chosen(self, _: object) -> None:
        if self._keys_bar.value is not None:
            self._open(self._keys_bar.value, self._keys_bar.value.start_ns)

    # --- drawing ---

    def _show(self, seen: _Seen | None, number: int, *, fit: bool) -> None:
        if number != self._number:
            return
        if seen is None:
            self._seen = None
            self._say("Nothing is recorded yet. What is registered appears here by itself.")
            return
        self._seen = seen
        move = fit or self._window is None
        self._window = seen.window if move or self._window is None else self._window
        self._body.visible, self._message.visible = True, False
        self._draw(move=move)
        self._offer_keys()

    def _say(self, text: str) -> None:
        self._message.param.update(object=f'<div class="message" role="status">{escape(text)}</div>', visible=True)
        self._body.visible = self._seen is not None

    def _redraw(self) -> None:
        self._draw(move=False)
        self._offer_keys()

    def _draw(self, *, move: bool) -> None:
        if self._seen is None or self._window is None:
            return
        origin_ns = axis.origin_for(self._window, self.origin_ns)
        move, self.origin_ns = move or origin_ns != self.origin_ns, origin_ns
        page = self._seen.page
        with pn.io.hold(self.figure.document):
            if move:
                ends = {"start": self._place(self._window.start_ns), "end": self._place(self._window.end_ns)}
                self.figure.x_range.update(**ends)
            self._source.data = self._seen.bars.columns(page, origin_ns, self._clock)
            self._hover.visible = bool(self._source.data["text"][:1] != [""])
            self.figure.y_range.update(start=max(len(page), 1), end=0)
            self.figure.frame_height = max(len(page), 1) * _ROW_PX
            self._draw_axis()
            self._mark()

    def _draw_axis(self) -> None:
        if self._seen is None or self._window is None:
            return
        window, length_ns = self._window, self._window.end_ns - self._window.start_ns
        wide = axis.clamped(window.start_ns - length_ns, window.end_ns + length_ns)
        found = axis.ticks(wide, self._clock, most=3 * max(2, self._pixels // _PIXELS_A_TICK))
        texts = {self._place(tick.ns): tick.text for tick in found}
        self._ticker.ticks = list(texts)
        self.figure.xaxis.major_label_overrides = texts
        ends = axis.ends_text(window, self._clock)
        shown = f"<b>{escape(ends)}</b><small>{duration_text(length_ns)}</small>"
        self._caption.object = f'<div class="ends">{shown}{_key(self._seen.page)}</div>'
        self._name_rows(self._seen.page, window)

    def _name_rows(self, page: Sequence[Row], window: TimeRange) -> None:
        """Put the names over the figure: as text of the page they follow its colours, and can be read out."""
        named = "".join(_row_html(row, window) for row in page)
        narrow = " narrow" if self._pixels < _NARROW_PX else ""
        self._names.object = f'<ol class="rows{narrow}">{named}</ol>'
        height = len(page) * _ROW_PX
        self._names.param.update(height=height, margin=(-height, 0, 0, 0))

    def _mark(self) -> None:
        """Frame what is played, and draw a line where the present is."""
        playing, row = self.player.playing, self.player.row
        page = self._seen.page if self._seen else ()
        number = next((n for n, one in enumerate(page) if row is not None and one.flow_id == row.flow_id), None)
        self._frame.visible = number is not None and playing is not None
        if number is not None and playing is not None:
            ends = {"left": self._place(playing.start_ns), "right": self._place(playing.end_ns)}
            self._frame.update(**ends, top=number + 0.04, bottom=number + 0.98)
        self._present.location = self._place(tai_from_unix(self._clock_ns()))

    def _place(self, ns: int) -> float:
        return float(ns - self.origin_ns)

    def _offer_keys(self) -> None:
        page = self._seen.page if self._seen else ()
        flows = {f"{row.name} · {row.flow_id[:8]}": number for number, row in enumerate(page)}
        if flows != self._keys_flow.options:
            self._keys_flow.options = flows
        self._offer_bars()
        self._say_page()

    def _say_page(self) -> None:
        count, first = len(self.rows), self._page * PAGE
        shown = f"{count_text(first + 1)} to {count_text(min(first + PAGE, count))} of {count_text(count)} flows"
        self._turned.object = f"<small>{shown}</small>"
        self._pages.visible = count > PAGE
        self._before.disabled, self._behind.disabled = first == 0, first + PAGE >= count

    def _offer_bars(self, _: object = None) -> None:
        number = self._keys_flow.value
        window = self._window or TimeRange.never()
        of_row = [
            bar
            for bar in (self._seen.bars if self._seen else ())
            if bar.row == number and bar.start_ns < window.end_ns and bar.end_ns > window.start_ns
        ]
        offered = {bars.bar_text(bar, self._clock): bar for bar in of_row[:_KEYS_MOST]}
        chosen = (
            self._keys_bar.value if self._keys_bar.value in offered.values() else next(iter(offered.values()), None)
        )
        self._keys_bar.param.update(options=offered, value=chosen)
        self._keys_open.disabled = not offered

    # --- building ---

    def _build_figure(self) -> None:
        self._source = ColumnDataSource(dict.fromkeys(_COLUMNS, ()))
        wheel = WheelZoomTool(dimensions="width")
        self.figure: Any = figure(
            x_range=Range1d(start=0, end=1, min_interval=float(axis.SHORTEST_NS), max_interval=float(axis.LONGEST_NS)),
            y_range=Range1d(start=1, end=0),
            frame_height=_ROW_PX,
            sizing_mode="stretch_width",
            x_axis_location="above",
            toolbar_location=None,
            tools=[],
            active_scroll=None,
            background_fill_alpha=0,
            border_fill_alpha=0,
            outline_line_color=None,
            min_border=0,
        )
        edges: dict[str, Any] = {"left": "left", "right": "right", "bottom": "bottom", "source": self._source}
        plot = self.figure
        plot.quad(top="top", color=_GAPS, fill_alpha="gaps", line_alpha="gaps", **edges)
        colour = factor_cmap("kind", list(_COLOURS.values()), list(_COLOURS))
        drawn = plot.quad(top="covered_top", color=colour, **edges)
        self._hover = HoverTool(renderers=[drawn], tooltips="@text", point_policy="follow_mouse")
        plot.add_tools(PanTool(dimensions="width"), wheel, self._hover)
        plot.toolbar.active_scroll = wheel
        self._build_axes(plot)
        plot.on_event(RangesUpdate, self._moved_by_hand)
        plot.on_event(Tap, self._tapped)
        plot.on_change("inner_width", self._resized)

    def _build_axes(self, plot: Any) -> None:
        plot.yaxis.visible = False
        plot.ygrid.ticker = FixedTicker(ticks=list(range(PAGE + 1)))
        plot.xaxis.ticker = self._ticker
        plot.xaxis.update(axis_line_color=None, minor_tick_line_color=None, major_tick_line_color=_LINE)
        plot.xaxis.update(major_label_text_font_size="12px", major_label_text_color="#6b7686")
        plot.xgrid.grid_line_color = plot.ygrid.grid_line_color = _LINE
        for mark in (self._frame, self._present):
            plot.add_layout(mark)

    def _build_controls(self) -> None:
        moves = [
            button("◀ Earlier", self._on_button(lambda window: axis.panned(window, -1, 2))),
            button("Later ▶", self._on_button(lambda window: axis.panned(window, 1, 2))),
            button("− Zoom out", self._on_button(lambda window: axis.zoomed(window, 2, 1))),
            button("+ Zoom in", self._on_button(lambda window: axis.zoomed(window, 1, 2))),
            button("Latest", self._on_button(lambda _: self._fit(bars.latest))),
            button("All", self._on_button(lambda _: self._fit(bars.everything))),
            button("Now", self._go_now),
        ]
        self._before = button("▲ Flows before", lambda _: self._turn(-1))
        self._behind = button("▼ More flows", lambda _: self._turn(1))
        self._caption, self._names, self._turned = html(""), html(""), html("")
        self._names.styles = {"pointer-events": "none"}
        self._message = html('<div class="message" role="status">Reading the store …</div>')
        self._keys_flow = select("Flow")
        self._keys_bar = select("Stretch in view")
        self._keys_open = button("Open", self._open_chosen)
        self._keys_flow.param.watch(self._offer_bars, "value")
        pages = pn.FlexBox(self._before, self._behind, self._turned, align_items="center", visible=False)
        self._pages = pages
        drawn = pn.Column(
            pn.FlexBox(*moves, margin=0),
            self._caption,
            pn.pane.Bokeh(self.figure, sizing_mode="stretch_width", margin=0),
            self._names,
            pages,
            pn.FlexBox(self._keys_flow, self._keys_bar, self._keys_open, align_items="end", margin=(8, 0, 0, 0)),
            sizing_mode="stretch_width",
            styles={"flex": "3 1 480px", "min-width": "0"},
            margin=0,
        )
        self._body = pn.FlexBox(drawn, self.player, gap="1.25rem", sizing_mode="stretch_width", visible=False, margin=0)
        self._view = pn.Column(self._message, self._body, sizing_mode="stretch_width", margin=0)

    def _fit(self, of: Callable[[Sequence[Row]], TimeRange | None]) -> TimeRange | None:
        found = of(self.rows)
        return None if found is None else axis.with_margin(found)


def _row_html(row: Row, window: TimeRange) -> str:
    """What stands over a row, with an arrow to where its bars are when none is in view."""
    before = "◀ " if row.end_ns <= window.start_ns else ""
    after = " ▶" if row.start_ns >= window.end_ns else ""
    name = f'<b title="{escape(row.name)}">{escape(row.name)}</b>'
    return f'<li>{name}<span class="about">{before}<span>{escape(row.about)}</span>{after}</span></li>'


def _key(page: Sequence[Row]) -> str:
    """What the colours mean."""
    found = {format_text(row.format) for row in page}
    shown = {**{kind: colour for kind, colour in _COLOURS.items() if kind in found}, "with gaps": _GAPS}
    items = "".join(f'<span><i style="background:{colour}"></i>{kind}</span>' for kind, colour in shown.items())
    return f'<span class="key">{items}</span>'
