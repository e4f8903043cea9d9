"""`/analytics`: the named analyses, as JSON, as an Arrow IPC stream, or as CSV. An extension of TAMS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
from flask import Response, request
from pydantic import Field, create_model
from werkzeug.exceptions import NotAcceptable

from api.filters import VALUES_PATTERN, check_count, truth, values_of
from api.models.answers import Rows
from api.models.common import Format, QueryBool, TimerangeText, query_int_within
from api.openapi import answers, as_problem, blueprint
from api.paging import json
from api.state import analytics
from api.validation import Query, validated
from tams_data.queries.analytics import ANALYSES
from tams_data.queries.analytics.analysis import Analysis, Parameter
from tams_data.timerange import TimeRange

bp = blueprint("analytics", "What is in the store, what it adds up to, and what is missing")

ARROW, CSV, JSON = "application/vnd.apache.arrow.stream", "text/csv", "application/json"

_FILTERS: dict[str, Any] = {
    "flow_id": (str | None, Field(None, pattern=VALUES_PATTERN, description="Only these flows, a comma list")),
    "source_id": (str | None, Field(None, description="Only flows of this source")),
    "format": (Format | None, Field(None, description="Only flows of this format")),
    "codec": (str | None, Field(None, description="Only flows of this codec")),
    "storage_id": (str | None, Field(None, description="Only objects on this storage backend")),
    "timerange": (TimerangeText | None, Field(None, description="Only this media time; segments are cut to it")),
    "created": (
        TimerangeText | None,
        Field(None, description="Only what was registered in this time, a time range of seconds since 1970 UTC"),
    ),
    "tag": (
        str | None,
        Field(
            None,
            alias="tag.{name}",
            pattern=VALUES_PATTERN,
            description="Only flows with one of these values, a comma list, of a tag",
        ),
    ),
    "tag_exists": (
        QueryBool | None,
        Field(None, alias="tag_exists.{name}", description="Only flows with, or without, a tag"),
    ),
}
"""The parameters that stand for the filters of `queries.analytics.filters`."""

_STANDS_FOR = {
    "any_tags": "tag",
    "no_tags": "tag_exists",
    "start_ns": "timerange",
    "end_ns": "timerange",
    "created_from_ns": "created",
    "created_until_ns": "created",
}


class AnalysisQuery(Query):
    """The parameters of an analysis, as `Analytics.run` takes them."""

    def parameters(self) -> dict[str, Any]:
        """Those that were given.

        :raise InvalidInput: a filter by tag is not one.
        :raise InvalidTimeRange: a window is not one.
        """
        given = self.model_dump(exclude_none=True, exclude={"tag", "tag_exists"})
        for name in ("timerange", "created"):
            if name in given:
                given[name] = TimeRange.parse(given[name], field=name)
        if "flow_id" in given:
            given["flow_id"] = values_of("flow_id", given["flow_id"])
        tags, exists = self.named("tag"), self.named("tag_exists")
        given["tags"] = {name: values_of(f"tag.{name}", text) for name, text in tags.items()}
        given["tag_exists"] = {name: truth(f"tag_exists.{name}", text) for name, text in exists.items()}
        check_count("tag", sum(map(len, given["tags"].values())) + len(exists))
        return given


def _model(analysis: Analysis) -> type[AnalysisQuery]:
    """The parameters of an analysis: its filters and its own."""
    names = dict.fromkeys(_STANDS_FOR.get(name, name) for name in analysis.takes)
    own = {name: _field(one) for name, one in analysis.parameters.items()}
    return create_model(
        _camel(analysis.name) + "Query",
        __base__=AnalysisQuery,
        __doc__=f"How to ask for {analysis.name}.",
        **{name: _FILTERS[name] for name in names},
        **own,
    )


def _field(parameter: Parameter) -> Any:
    description = f"{parameter.description}; default: {parameter.default_text or parameter.default}"
    if parameter.choices:
        kind: Any = Literal[parameter.choices]
        return kind | None, Field(None, description=description)
    return query_int_within(parameter.least, parameter.most) | None, Field(None, description=description)


def _view(analysis: Analysis) -> Callable[..., Response]:
    """What answers for an analysis."""

    def view(query: AnalysisQuery) -> Response:
        return _negotiated()(analysis, query.parameters())

    view.__name__ = f"analyse_{analysis.name.replace('-', '_')}"
    view.__doc__ = f"{analysis.description}: an extension."
    view.__annotations__ = {"query": _model(analysis), "return": Response}
    return validated(view)


def _negotiated() -> Callable[[Analysis, Mapping[str, Any]], Response]:
    """How the client wants the rows.

    :raise NotAcceptable: in a way that is not known here.
    """
    best = request.accept_mimetypes.best_match(_ANSWERS) if request.accept_mimetypes else JSON
    if best is None:
        raise NotAcceptable(f"rows are given as {', '.join(_ANSWERS)}")
    return _ANSWERS[best]


def _as_json(analysis: Analysis, parameters: Mapping[str, Any]) -> Response:
    rows, summary = analytics().summarised(analysis.name, **parameters)
    return json({**summary, "columns": dict(analysis.columns), "rows": rows.to_pylist()})


def _as_arrow(analysis: Analysis, parameters: Mapping[str, Any]) -> Response:
    rows, sink = analytics().run(analysis.name, **parameters), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return Response(sink.getvalue().to_pybytes(), mimetype=ARROW)


def _as_csv(analysis: Analysis, parameters: Mapping[str, Any]) -> Response:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(analytics().run(analysis.name, **parameters), sink)
    return Response(sink.getvalue().to_pybytes(), mimetype=CSV)


_ANSWERS = {JSON: _as_json, ARROW: _as_arrow, CSV: _as_csv}


def _responses() -> dict[Any, Any]:
    unavailable = as_problem("The engine that analyses run on cannot serve now")
    found = answers(400, ok=Rows, status_503=unavailable)
    found[200]["content"] |= {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (ARROW, CSV)}
    return found


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


for _analysis in ANALYSES.values():
    bp.get(f"/analytics/{_analysis.name}", responses=_responses())(_view(_analysis))
