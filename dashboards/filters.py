"""The filters that all pages share. They stand in the page's URL as they stand in a request to the API."""

from __future__ import annotations

from collections.abc import Mapping

import param

from tams_data.errors import InvalidTimeRange
from tams_data.timerange import MAX_NS, MIN_NS, TimeRange

_TAG = "tag."


class Filters(param.Parameterized):
    """What the pictures are of. None, and no tags, is everything."""

    source_id = param.String(default=None, allow_None=True, doc="Only flows of this source")
    format = param.String(default=None, allow_None=True, doc="Only flows of this content format, a URN")
    tags = param.Dict(default={}, doc="Only flows with these tags: values by name; a comma list is alternatives")
    start_ns = param.Integer(default=None, allow_None=True, doc="Start of the media time, ns TAI; None: open")
    end_ns = param.Integer(default=None, allow_None=True, doc="End of the media time, exclusive, ns TAI; None: open")

    @property
    def window(self) -> TimeRange:
        """The media time.

        :raise InvalidTimeRange: it ends before it starts.
        """
        start_ns = MIN_NS if self.start_ns is None else self.start_ns
        return TimeRange(start_ns, MAX_NS if self.end_ns is None else self.end_ns)

    def parameters(self) -> dict[str, str]:
        """The filters that are set, in the names of the HTTP parameters: of the API, and of the page's URL.

        >>> Filters(tags={"demo": "ball"}, start_ns=0, end_ns=10).parameters()
        {'tag.demo': 'ball', 'timerange': '[0:0_0:10)'}
        """
        given = {"source_id": self.source_id, "format": self.format}
        given |= {f"{_TAG}{name}": value for name, value in self.tags.items()}
        if not self.window.is_eternity:
            given["timerange"] = str(self.window)
        return {name: value for name, value in given.items() if value}

    def read(self, parameters: Mapping[str, str]) -> None:
        """Take the filters from the parameters of a URL; what is not among them is no filter.

        :raise InvalidTimeRange: `timerange` is none, or holds no time; nothing is changed then.
        """
        window = TimeRange.parse(parameters.get("timerange") or "_", field="timerange")
        if window.is_never:
            text = parameters["timerange"]
            raise InvalidTimeRange(f"{text!r} holds no time", field="timerange", value=text)
        tags = {name.removeprefix(_TAG): value for name, value in parameters.items() if name.startswith(_TAG)}
        self.param.update(
            source_id=parameters.get("source_id") or None,
            format=parameters.get("format") or None,
            tags={name: value for name, value in tags.items() if name and value},
            start_ns=None if window.starts_open else window.start_ns,
            end_ns=None if window.ends_open else window.end_ns,
        )

    def clear(self) -> None:
        """Take every filter away."""
        self.read({})
