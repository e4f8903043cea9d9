"""Tables of what there is: of the store's tables, the settings, the analyses, and the errors."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
from pydantic_settings import BaseSettings

from api.errors import kind_of, status_of
from docs.generated.markdown import code, paragraphs, table
from tams_data import schema
from tams_data.errors import TamsDataError
from tams_data.queries.analytics import ANALYSES
from tams_data.queries.analytics.analysis import Analysis, Parameter
from tams_data.settings import Settings, VastSettings

FILTERS = {
    "flow_id": "flow_id",
    "source_id": "source_id",
    "format": "format",
    "codec": "codec",
    "storage_id": "storage_id",
    "any_tags": "tag.{name}",
    "no_tags": "tag_exists.{name}",
    "start_ns": "timerange",
    "end_ns": "timerange",
    "created_from_ns": "created",
    "created_until_ns": "created",
}
"""The parameter of a request that stands for a filter of the analyses."""


def settings() -> str:
    """Every `TAMS_` variable."""
    return _settings(Settings, "TAMS_")


def vast_settings() -> str:
    """Every `VAST_` variable."""
    return _settings(VastSettings, "VAST_")


def _settings(of: type[BaseSettings], prefix: str) -> str:
    rows = []
    for name, field in of.model_fields.items():
        default = "required" if field.is_required() else "" if field.default is None else code(field.default)
        rows.append([code(field.alias or f"{prefix}{name.upper()}"), default, field.description or ""])
    return table(["variable", "default", "what it is"], rows)


def store_tables() -> str:
    """Every table of a store: columns, key and order."""
    return paragraphs(*map(_store_table, schema.ALL.values()))


def _store_table(one: schema.Table) -> str:
    rows = [
        [
            code(column.name),
            code(_type(column.type)),
            "yes" if column.nullable else "",
            column.description + (" (never leaves the service)" if column.secret else ""),
        ]
        for column in one.columns
    ]
    indexed = f" The embedded engine has an index on {_names(one.indexed)}." if one.indexed else ""
    return paragraphs(
        f"## {one.name}",
        one.description,
        f"Key: {_names(one.key)}. Sorted by: {_names(one.order)}.{indexed}",
        table(["column", "type", "may be null", "what it holds"], rows),
    )


def _type(kind: pa.DataType) -> str:
    return str(kind).replace(" not null", "")


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(map(code, columns))


def analyses() -> str:
    """Every analysis, in short: its name leads to what it takes and gives."""
    rows = [[f"[`{one.name}`](#{one.name})", one.description] for one in ANALYSES.values()]
    return table(["analysis", "what its rows are"], rows)


def analyses_in_full() -> str:
    """Every analysis: filters, parameters, and columns with their types and units."""
    return paragraphs(*map(_analysis, ANALYSES.values()))


def _analysis(one: Analysis) -> str:
    filters = dict.fromkeys(FILTERS.get(name, name) for name in one.takes)
    columns = [[code(field.name), code(_type(field.type)), one.columns[field.name]] for field in one.schema]
    return paragraphs(
        f"## {one.name}",
        f"{one.description}.",
        f"Filters: {', '.join(map(code, filters))}." if filters else "It takes no filters.",
        table(["parameter", "values", "default", "what it is"], [_parameter(*item) for item in one.parameters.items()]),
        table(["column", "type", "what it holds"], columns),
    )


def _parameter(name: str, one: Parameter) -> list[str]:
    values = ", ".join(map(code, one.choices)) or f"{one.least} to {one.most}"
    return [code(name), values, one.default_text or code(one.default), one.description]


def errors() -> str:
    """Every error: the status and the problem type that a request is answered with."""
    rows = [
        [code(int(status_of(one))), code(kind_of(one("")).rpartition(":")[2]), code(one.__name__), _first_line(one)]
        for one in _derived(TamsDataError)
    ]
    return table(["status", "problem type ends in", "class", "what is wrong"], sorted(rows))


def _derived(error: type[TamsDataError]) -> Iterator[type[TamsDataError]]:
    for one in error.__subclasses__():
        yield one
        yield from _derived(one)


def _first_line(one: type[TamsDataError]) -> str:
    return re.split(r"\n\s*\n", one.__doc__ or "")[0]
