"""The bar of filters above every page: what a person types in it, as filters, and the other way round."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from time import time_ns
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from dashboards.clock import Clock, tai_from_unix
from dashboards.filters import Filters
from tams_data.errors import InvalidInput
from tams_data.formatting import format_text
from tams_data.timerange import NS_PER_SECOND

_ASSETS = Path(__file__).parent / "assets"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

FORMATS = (
    "urn:x-nmos:format:video",
    "urn:x-nmos:format:audio",
    "urn:x-tam:format:image",
    "urn:x-nmos:format:data",
    "urn:x-nmos:format:multi",
)
_HOUR_NS = 3600 * NS_PER_SECOND
RECENT_NS = {
    "Last hour": _HOUR_NS,
    "Last 24 hours": 24 * _HOUR_NS,
    "Last 7 days": 168 * _HOUR_NS,
    "Last 30 days": 720 * _HOUR_NS,
}


class FilterBar(JSComponent):
    """Fields for the filters and the clock. A text that cannot be used is told of in `problem` and changes nothing."""

    source = param.String(default="", doc="Label or id of a source")
    sources = param.Dict(default={}, doc="Labels of sources by their id, to choose from")
    format = param.String(default="", doc="URN of a content format")
    formats = param.List(default=[[one, format_text(one)] for one in FORMATS], doc="URNs and names to choose from")
    tag = param.String(default="", doc="Tags as name=value, with semicolons between")
    start = param.String(default="", doc="Start of the media time, on the clock's scale")
    end = param.String(default="", doc="End of the media time, on the clock's scale")
    recent = param.String(default="", doc="One of `recents`, as the media time until now")
    recents = param.List(default=[*RECENT_NS], doc="Names of times to choose from")
    scale = param.String(default="UTC", doc="The clock's scale")
    problem = param.String(default="", doc="What cannot be used, and why")
    count = param.Integer(default=0, doc="How many filters are set")
    cleared = param.Integer(default=0, doc="Counts how often all were taken away")

    _esm: ClassVar[str] = (_ASSETS / "filter_bar.js").read_text()
    _stylesheets: ClassVar[list[str]] = [(_ASSETS / "filter_bar.css").read_text()]

    def __init__(self, filters: Filters, clock: Clock, **params: Any) -> None:
        super().__init__(sizing_mode="stretch_width", **params)
        self._filters, self._clock = filters, clock
        self._show()
        filters.param.watch(self._changed, ["source_id", "format", "tags", "start_ns", "end_ns"])
        clock.param.watch(self._show, ["scale"])
        self.param.watch(self._show, ["sources"])
        self.param.watch(self._take, ["source", "format", "tag", "start", "end"])
        self.param.watch(self._take_recent, ["recent"])
        self.param.watch(self._take_scale, ["scale"])
        self.param.watch(lambda _: filters.clear(), ["cleared"])

    def _show(self, *_: object) -> None:
        """Write what is set into the fields."""
        filters = self._filters
        self.param.update(
            source=self.sources.get(filters.source_id, filters.source_id or ""),
            format=filters.format or "",
            tag=tags_text(filters.tags),
            start="" if filters.start_ns is None else self._clock.text(filters.start_ns),
            end="" if filters.end_ns is None else self._clock.text(filters.end_ns),
            scale=self._clock.scale,
            count=len(filters.parameters()),
        )

    def _changed(self, *_: object) -> None:
        self.problem = ""
        self._show()

    def _take(self, *_: object) -> None:
        """Set what is in the fields."""
        try:
            given = self._parameters()
        except InvalidInput as error:
            self.problem = str(error)
            return
        self._filters.param.update(**given)
        self._changed()

    def _parameters(self) -> dict[str, Any]:
        start_ns = self._clock.parse(self.start) if self.start.strip() else None
        end_ns = self._clock.parse(self.end) if self.end.strip() else None
        if start_ns is not None and end_ns is not None and end_ns <= start_ns:
            raise InvalidInput(f"{self.end!r} is not after {self.start!r}", field="end", value=self.end)
        return {
            "source_id": self._source_id(),
            "format": self.format or None,
            "tags": tags_of(self.tag),
            "start_ns": start_ns,
            "end_ns": end_ns,
        }

    def _source_id(self) -> str | None:
        text = self.source.strip()
        if not text or _UUID.fullmatch(text.lower()):
            return text.lower() or None
        found = [one for one, label in self.sources.items() if label == text]
        if not found:
            raise InvalidInput(f"no source is called {text!r}", field="source", value=text)
        return str(found[0])

    def _take_recent(self, *_: object) -> None:
        if self.recent:
            now_ns = tai_from_unix(time_ns() // NS_PER_SECOND * NS_PER_SECOND)
            self._filters.param.update(start_ns=now_ns - RECENT_NS[self.recent], end_ns=None)
            self.recent = ""

    def _take_scale(self, *_: object) -> None:
        self._clock.scale = self.scale


def tags_text(tags: Mapping[str, str]) -> str:
    """Tags as `tags_of` reads them."""
    return "; ".join(f"{name}={value}" for name, value in tags.items())


def tags_of(text: str) -> dict[str, str]:
    """Values of tags by name, from `name=value` with semicolons between. A comma list is alternatives.

    :raise InvalidInput: a piece is not name=value.

    >>> tags_of("demo=bouncing ball; camera=A,B")
    {'demo': 'bouncing ball', 'camera': 'A,B'}
    """
    tags = {}
    for piece in filter(None, map(str.strip, text.split(";"))):
        name, separator, value = (part.strip() for part in piece.partition("="))
        if not (name and separator and value):
            raise InvalidInput(f"{piece!r} is not name=value", field="tag", value=piece)
        tags[name] = value
    return tags
