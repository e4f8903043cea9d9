"""Figures with axes: one look for all of them. Colours of text and lines follow the page, see `assets/page.css`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bokeh.models import ColumnDataSource, DatetimeTickFormatter, FactorRange, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure

# On white and on black alike: the glyphs of a figure do not follow the page.
ACCENT, SECOND = "#4080ee", "#d98a2b"

_HEIGHT = 240
_TOOLTIP = "<div class='tip'><span>@name</span><b>@text</b></div>"
_DATES = DatetimeTickFormatter(
    milliseconds="%H:%M:%S.%3N",
    seconds="%H:%M:%S",
    minsec="%H:%M:%S",
    minutes="%H:%M",
    hourmin="%H:%M",
    hours="%H:%M",
    days="%d %b",
    months="%b %Y",
    years="%Y",
).properties_with_values()

Say = Callable[[int | None], str]
"""Tells a value of the upward axis."""


def columns(names: Sequence[str], values: Sequence[int], say: Say) -> Any:
    """A column for each name; `say` tells how high it is."""
    made: Any = _empty("columns", x_range=FactorRange(factors=list(names), range_padding=0.02), values=values, say=say)
    data = {"name": list(names), "value": list(values), "text": [say(one) for one in values]}
    made.vbar(x="name", top="value", width=0.82, source=ColumnDataSource(data), color=ACCENT, line_alpha=0)
    made.xaxis.major_label_orientation = "horizontal" if len(names) <= 6 else 0.7
    return made


def columns_in_time(
    starts_ms: Sequence[int], width_ms: int, values: Sequence[int], names: Sequence[str], say: Say
) -> Any:
    """A column for each stretch of `width_ms`, ms since 1970, with the names of the stretches."""
    made: Any = _in_time("columns in time", [*starts_ms, *(one + width_ms for one in starts_ms)], values, say)
    data = {
        "left": list(starts_ms),
        "right": [one + width_ms for one in starts_ms],
        "value": list(values),
        "name": list(names),
        "text": [say(one) for one in values],
    }
    made.quad(
        left="left", right="right", top="value", bottom=0, source=ColumnDataSource(data), color=ACCENT, line_alpha=0
    )
    return made


def course(times_ms: Sequence[int], values: Sequence[int], names: Sequence[str], say: Say, *, foreseen: int = 0) -> Any:
    """A line over the area below it; the last `foreseen` points are not yet, and stand apart."""
    made: Any = _in_time("course", times_ms, values, say)
    known = len(times_ms) - foreseen
    data: dict[str, list[Any]] = {"time": [*times_ms], "value": [*values], "name": [*names]}
    data["text"] = [say(one) for one in values]
    now = ColumnDataSource({name: column[:known] for name, column in data.items()})
    # The line to come starts where the other ends.
    then = ColumnDataSource({name: column[known - 1 :] if foreseen else [] for name, column in data.items()})
    made.varea(x="time", y1=0, y2="value", source=now, color=ACCENT, alpha=0.14)
    made.line("time", "value", source=now, color=ACCENT, line_width=2)
    made.line("time", "value", source=then, color=SECOND, line_width=2, line_dash=[5, 4])
    points = [made.scatter("time", "value", source=then, color=SECOND, size=6)]
    points.append(made.scatter("time", "value", source=now, color=ACCENT, size=6))
    made.hover.renderers = points
    return made


def moved_into(old: Any, new: Any) -> bool:
    """Put what the `new` figure shows into the `old` one, if both are of one kind; whether they are.

    A figure that is replaced blinks, and forgets where the reader was.
    """
    if not (isinstance(old, figure) and isinstance(new, figure)) or old.tags != new.tags:
        return False
    _move(old, new)
    return True


def _move(old: Any, new: Any) -> None:
    for into, renderer in zip(old.renderers, new.renderers, strict=True):
        into.data_source.data = dict(renderer.data_source.data)
    _move_range(old.x_range, new.x_range)
    _move_range(old.y_range, new.y_range)
    old.xaxis.major_label_orientation = new.xaxis[0].major_label_orientation
    old.yaxis.ticker = FixedTicker(ticks=new.yaxis[0].ticker.ticks)
    old.yaxis.major_label_overrides = new.yaxis[0].major_label_overrides


def _move_range(old: Any, new: Any) -> None:
    if isinstance(new, FactorRange):
        old.factors = new.factors
    elif (old.reset_start, old.reset_end) != (new.start, new.end):
        old.update(start=new.start, end=new.end, reset_start=new.start, reset_end=new.end)


def steps_to(highest: int) -> list[int]:
    """Round numbers from 0 to at least `highest`, four to six of them.

    >>> steps_to(7), steps_to(1200), steps_to(0)
    ([0, 2, 4, 6, 8], [0, 500, 1000, 1500], [0, 1])
    """
    size = 1
    while highest > size * 50:
        size *= 10
    step = next(one for one in (1, 2, 5, 10, 20) if highest <= one * size * 5) * size
    count = max(1, -(-highest // step))
    return [number * step for number in range(count + 1)]


def _in_time(kind: str, times_ms: Sequence[int], values: Sequence[int], say: Say) -> Any:
    first, last = min(times_ms), max(times_ms)
    room = max((last - first) // 50, 1)
    x_range = _range(first - room, last + room)
    made: Any = _empty(kind, x_range=x_range, values=values, say=say, x_axis_type="datetime")
    made.xaxis.formatter = DatetimeTickFormatter(**_DATES)
    made.xaxis.ticker.desired_num_ticks = 5
    return made


def _empty(kind: str, *, values: Sequence[int], say: Say, **options: Any) -> Any:
    ticks = steps_to(max(values, default=0))
    y_range = _range(0, ticks[-1] * 1.04)
    hover = HoverTool(tooltips=_TOOLTIP, mode="mouse", point_policy="follow_mouse")
    made: Any = figure(
        height=_HEIGHT,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools=[hover],
        y_range=y_range,
        tags=[kind],
        **options,
    )
    made.yaxis.ticker = FixedTicker(ticks=ticks)
    made.yaxis.major_label_overrides = {tick: say(tick) for tick in ticks}
    made.xgrid.visible = False
    made.outline_line_color = None
    made.background_fill_alpha = made.border_fill_alpha = 0
    made.min_border = 4
    made.axis.major_tick_line_color = made.axis.minor_tick_line_color = None
    made.yaxis.axis_line_color = None
    made.axis.major_label_text_font = "system-ui, sans-serif"
    made.axis.major_label_text_font_size = "12px"
    return made


def _range(start: float, end: float) -> Range1d:
    return Range1d(start=start, end=end, reset_start=start, reset_end=end)
