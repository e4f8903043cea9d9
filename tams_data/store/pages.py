"""Pages of segments, read so that no engine has to read much more than it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tams_data.engines.base import Reader
from tams_data.queries import segments as queries
from tams_data.timerange import TimeRange

_SECOND = 10**9

_LONG = 2 * _SECOND
"""A window with less than so much time for each segment of a page is read at once: segments are rarely shorter."""

_MARGIN = 5, 4
"""How much more of a flow is read than its segments take on average."""

_FASTER = 4
"""Where segments are sparse, each stretch is so many times as long as the one before."""


def segments_page(
    reader: Reader, flow_id: str, window: TimeRange, *, object_key: int | None = None, reverse: bool, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` segments of a flow that share media time with the window, in time order: see `queries.page`.

    An engine that cannot sort sends all that a window has. So the window is read in stretches, until there are
    enough: each segment is taken from the first that it reaches into. A window that is never has none.
    """
    if window.is_never:
        return []
    values = {"flow_id": flow_id} if object_key is None else {"flow_id": flow_id, "object_key": object_key}
    page: list[dict[str, Any]] = []
    # One object is used by few segments.
    whole = reader.sorts or object_key is not None
    for stretch in [window] if whole else _stretches(reader, flow_id, window, reverse, limit):
        bounds = {"start_ns": stretch.start_ns, "end_ns": stretch.end_ns}
        found = reader.rows(queries.page, {**values, **bounds}, reverse=reverse, limit=limit)
        page += [row for row in found if not page or _begins_in(row, stretch, reverse)]
        if len(page) >= limit:
            break
    return page[:limit]


def _begins_in(segment: Mapping[str, Any], stretch: TimeRange, reverse: bool) -> bool:
    """Whether a stretch is the first, in the order of the page, that the segment reaches into."""
    return bool(segment["end_ns"] <= stretch.end_ns if reverse else segment["start_ns"] >= stretch.start_ns)


def _stretches(reader: Reader, flow_id: str, window: TimeRange, reverse: bool, limit: int) -> Iterator[TimeRange]:
    """Parts of the window, the first of which has about as many segments as are wanted; at least one."""
    length_ns = window.length_ns
    if length_ns is not None and length_ns <= limit * _LONG:
        yield window
        return
    (totals,) = reader.rows(queries.totals, {"flow_id": flow_id}) or [{"segment_count": 0}]
    if not totals["segment_count"]:
        yield window
        return
    content = window.intersection(TimeRange(totals["start_ns"], totals["end_ns"]))
    more, than = _MARGIN
    step_ns = 1 + limit * totals["covered_ns"] * more // (totals["segment_count"] * than)
    yield from _walk(content, step_ns, reverse)


def _walk(content: TimeRange, step_ns: int, reverse: bool) -> Iterator[TimeRange]:
    start_ns, end_ns = content.start_ns, content.end_ns
    while True:
        if end_ns - start_ns <= step_ns:
            yield TimeRange(start_ns, end_ns)
            return
        if reverse:
            yield TimeRange(end_ns - step_ns, end_ns)
            end_ns -= step_ns
        else:
            yield TimeRange(start_ns, start_ns + step_ns)
            start_ns += step_ns
        step_ns *= _FASTER
