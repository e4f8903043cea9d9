"""Analyses as a person asks for them: of whichever store there is, with rows that show what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from tams_data import formatting, markup
from tams_data.analytics import Analytics, Runs
from tams_data.client.analytics import RemoteAnalytics
from tams_data.engines.reading import ServicePlace, located
from tams_data.queries.analytics import ANALYSES

_SHOWN_ROWS = 20


class Answer:
    """The rows of an analysis. A notebook shows them with units; `table` has the exact values, as Arrow.

    Whatever reads Arrow's stream interface reads this as well: `polars.DataFrame(answer)`.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"Answer({len(self)} rows of {', '.join(self.table.schema.names)})"

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> Any:
        """The rows as a DataFrame of pandas. Integers stay whole: where some are missing, they are objects."""
        return self.table.to_pandas(integer_object_nulls=True)

    def rows(self) -> list[dict[str, Any]]:
        """The rows as Python has them."""
        found: list[dict[str, Any]] = self.table.to_pylist()
        return found

    def _repr_html_(self) -> str:
        fields = list(self.table.schema)
        tell = {field.name: text_of(field) for field in fields}
        headings = [markup.Heading(one.name, _description(one), number=pa.types.is_integer(one.type)) for one in fields]
        shown = self.table.slice(0, _SHOWN_ROWS).to_pylist()
        rows = [[tell[name](value) for name, value in row.items()] for row in shown]
        return markup.table(headings, rows) + self._rest(len(rows))

    def _rest(self, shown: int) -> str:
        if not shown:
            return "<p>no rows</p>"
        return f"<p>… and {len(self) - shown:,} more</p>" if len(self) > shown else ""


def _description(field: pa.Field) -> str:
    text: bytes = (field.metadata or {}).get(b"description", b"")
    return text.decode()


def text_of(field: pa.Field) -> Callable[[Any], str]:
    """How a person is told the values of a column of an analysis: by its name, and the unit in its description.

    >>> text_of(pa.field("covered_ns", pa.int64(), metadata={"description": "Time that is covered, ns"}))(4 * 10**9)
    '4 s'
    """
    name, description = field.name, _description(field)
    if name.endswith("_ns"):
        if "ns TAI" in description:
            return formatting.utc_text
        return formatting.clock_text if "UTC" in description else formatting.duration_text
    for ending, tell in _BY_ENDING.items():
        if name.endswith(ending):
            return tell
    return formatting.count_text if pa.types.is_integer(field.type) else _text


def _text(value: object) -> str:
    return formatting.UNKNOWN if value is None else str(value)


_BY_ENDING: Mapping[str, Callable[[Any], str]] = {
    "bytes": formatting.bytes_text,
    "bit_rate": formatting.bit_rate_text,
    "format": formatting.format_text,
    "frame_width": _text,
    "frame_height": _text,
}


class Analyses:
    """The named analyses of one store. A notebook shows which there are."""

    def __init__(self, runner: Runs, close: Callable[[], None] = lambda: None) -> None:
        """`close` gives back what the runner holds."""
        self._runner = runner
        self._close = close

    def close(self) -> None:
        """Give back the connections, or the database, which a service may have then."""
        self._close()

    def run(self, name: str, /, **parameters: Any) -> Answer:
        """The rows of an analysis; parameters as `tams_data.analytics.Analytics.run` takes them.

        :raise AnalysisNotFound, InvalidInput: there is none of this name, or it cannot be asked so, at a database.
        :raise RequestFailed: the same at a service, or it does not answer.
        """
        return Answer(self._runner.run(name, **parameters))

    def __repr__(self) -> str:
        return f"Analyses({', '.join(ANALYSES)})"

    def _repr_html_(self) -> str:
        headings = [markup.Heading(one) for one in ("analysis", "what its rows are", "parameters")]
        rows = [[one.name, one.description, ", ".join(one.parameters)] for one in ANALYSES.values()]
        return markup.table(headings, rows)


def connect(url: str | None, token: str | None) -> Analyses:
    """See `tams_data.analyses`."""
    found = located(url, token)
    if isinstance(found, ServicePlace):
        remote = RemoteAnalytics(found.url, found.token)
        return Analyses(remote, remote.close)
    return Analyses(Analytics(found), found.close)
