"""Runs the named analyses of `queries.analytics` on a store's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from typing import Any, Protocol

import pyarrow as pa

from tams_data.access import Caller
from tams_data.engines.base import Database, Described, Reader
from tams_data.engines.binding import LIST_SIZES
from tams_data.engines.reader import connect_reader
from tams_data.errors import AnalysisNotFound, InvalidInput
from tams_data.queries.analytics import ANALYSES
from tams_data.queries.analytics.analysis import Analysis
from tams_data.schema import tag_term
from tams_data.seen import SeenTables
from tams_data.settings import Settings
from tams_data.timerange import TimeRange

_PRESENT = "now_ns"
"""The parameter of analyses that say how long ago something was."""


_EQUALS = ("flow_id", "source_id", "format", "codec", "storage_id")


class Runs(Protocol):
    """What runs analyses: on a database, or at a service that does (`client.analytics`)."""

    def run(self, name: str, /, **parameters: Any) -> pa.Table:
        """The rows of an analysis. See `Analytics.run`."""
        ...


class Analytics:
    """The analyses, run by a reader. `clock` is the present, ns UTC, for those that ask how long ago something was."""

    def __init__(self, reader: Described, *, clock: Callable[[], int] = time_ns) -> None:
        self._reader = reader
        self._clock = clock

    def run(self, name: str, /, **parameters: Any) -> pa.Table:
        """The rows of an analysis, with its `schema`.

        Parameters are its own, and of these filters those it takes: `flow_id`, one or a list of up to 512;
        `source_id`, `format`, `codec`, `storage_id`; `tags`, lists of values by name of which a flow has one, and
        `tag_exists`, truths by name; `timerange`, a `TimeRange` of media time, and `created`, one of clock time (ns
        UTC). None is no filter.

        :raise AnalysisNotFound: there is none of this name.
        :raise InvalidInput: it has no such parameter, or a value is none that it can have.
        """
        return self._rows(self._reader, find(name), parameters)

    def _rows(self, reader: Reader, analysis: Analysis, parameters: Mapping[str, Any]) -> pa.Table:
        filters, own = _separated(parameters)
        if _PRESENT in analysis.parameters:
            own = {_PRESENT: self._clock(), **own}
        values, options = analysis.split(own)
        if filters is None:
            return analysis.schema.empty_table()
        for one in filters.keys() - set(analysis.takes):
            raise InvalidInput(f"{analysis.name} cannot be filtered by {one}", field=one, value=filters[one])
        rows = analysis.rows(reader, {**filters, **values}, options, describe=self._reader.describe)
        return rows.select(analysis.schema.names).cast(analysis.schema)

    def seen_by(self, caller: Caller) -> Analytics:
        """The analyses of what a caller sees: themselves, unless something may be hidden from the caller."""
        if not caller.is_restricted:
            return self
        return Analytics(SeenTables(self._reader, caller, everywhere=True), clock=self._clock)

    def summarised(self, name: str, /, **parameters: Any) -> tuple[pa.Table, Mapping[str, Any]]:
        """The rows of an analysis as `run` gives them, and what they add up to; nothing where it has no summary.

        Both are of one state of the store, where the engine can hold one. Errors are those of `run`.
        """
        analysis = find(name)
        if _PRESENT in analysis.parameters:
            parameters = {_PRESENT: self._clock(), **parameters}
        if analysis.summary is None:
            return self.run(name, **parameters), {}
        with self._reader.snapshot() as state:
            rows = self._rows(state, analysis, parameters)
            others = {
                key: self._rows(state, find(other), {**_shared(analysis, find(other), parameters), **own})
                for key, (other, own) in analysis.beside.items()
            }
        return rows, analysis.summary(rows, **others)


def analytics_of(database: Database, settings: Settings) -> Analytics:
    """The analyses of a store, run on the engine of `TAMS_ANALYTICS_URL` where one is set, else on its database.

    :raise InvalidSetting: there is no such engine, or the package that it needs is not installed.
    """
    return Analytics(connect_reader(settings.analytics_url) if settings.analytics_url else database)


def find(name: str) -> Analysis:
    """The analysis of this name.

    :raise AnalysisNotFound: there is none.
    """
    try:
        return ANALYSES[name]
    except KeyError:
        raise AnalysisNotFound(f"there is no analysis {name!r}") from None


def _shared(analysis: Analysis, other: Analysis, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters, and those of the parameters that both analyses have."""
    only_here = analysis.parameters.keys() - other.parameters.keys()
    return {name: value for name, value in parameters.items() if name not in only_here}


def _separated(parameters: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Filters as queries take them, None where nothing can pass them, and the parameters that are no filters."""
    given = {name: value for name, value in parameters.items() if value is not None}
    filters: dict[str, Any] = {name: given.pop(name) for name in _EQUALS if name in given}
    if "flow_id" in filters:
        filters["flow_id"] = _one_or_list(filters["flow_id"])
    filters |= _tag_terms(given.pop("tags", {}), given.pop("tag_exists", {}))
    windows = {"start_ns": given.pop("timerange", None), "created_from_ns": given.pop("created", None)}
    if filters.get("flow_id") == [] or any(window is not None and window.is_never for window in windows.values()):
        return None, given
    filters |= _window(windows["start_ns"], "start_ns", "end_ns")
    filters |= _window(windows["created_from_ns"], "created_from_ns", "created_until_ns")
    return filters, given


def _one_or_list(flow_id: str | Sequence[str]) -> str | list[str]:
    wanted = [flow_id] if isinstance(flow_id, str) else list(flow_id)
    if len(wanted) > LIST_SIZES[-1]:
        # the engine would run the query for each batch of the list, and every batch would have its own sums
        message = f"flow_id lists {len(wanted)} flows; at most {LIST_SIZES[-1]} are taken"
        raise InvalidInput(message, field="flow_id", value=len(wanted))
    return wanted[0] if len(wanted) == 1 else wanted


def _window(window: TimeRange | None, start: str, end: str) -> dict[str, int]:
    return {} if window is None or window.is_eternity else {start: window.start_ns, end: window.end_ns}


def _tag_terms(tags: Mapping[str, Sequence[str]], exists: Mapping[str, bool]) -> dict[str, Any]:
    wanted = [[tag_term(name, value) for value in values] for name, values in tags.items()]
    wanted += [[tag_term(name)] for name, there in exists.items() if there]
    absent = [tag_term(name) for name, there in exists.items() if not there]
    return {**({"any_tags": tuple(wanted)} if wanted else {}), **({"no_tags": absent} if absent else {})}
