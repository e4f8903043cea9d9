"""What tables there are, on which engine."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Reader, Tables
from tams_data.queries.analytics.analysis import Analysis, Describe


def schema_version(tables: Tables) -> ir.Table:
    """The version of the schema that the store was brought to last."""
    return tables.schema_versions.aggregate(schema_version=tables.schema_versions.version.max())


class _Catalog(Analysis):
    """Of its rows the tables know but the schema's version; the engine is asked for the others."""

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field(name, _TYPES.get(name, pa.int64()), metadata={"description": text})
                for name, text in self.columns.items()
            ]
        )

    def rows(
        self, reader: Reader, values: Mapping[str, Any], options: Mapping[str, Hashable], *, describe: Describe
    ) -> pa.Table:
        (version,) = super().rows(reader, values, options, describe=describe)["schema_version"].to_pylist()
        found = describe()
        whole = {"engine": found.engine, "engine_version": found.version, "schema_version": version}
        rows = [
            {
                "table_name": one.name,
                "rows": one.row_count,
                "bytes": one.size_bytes,
                "columns": len(one.columns),
                **whole,
            }
            for one in found.tables
            if one.name in schema.ALL
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


def _summary(rows: pa.Table) -> Mapping[str, Any]:
    tables = rows.to_pylist()
    first = tables[0] if tables else dict.fromkeys(rows.schema.names)
    figures = ("rows", "bytes", "columns")
    return {
        "total_tables": len(tables),
        "table_names": [one["table_name"] for one in tables],
        "table_stats": {one["table_name"]: {name: one[name] for name in figures} for one in tables},
        "engine": first["engine"],
        "versions": {"engine": first["engine_version"], "schema": first["schema_version"]},
    }


_TYPES = dict.fromkeys(("table_name", "engine", "engine_version"), pa.string())

ANALYSES = (
    _Catalog(
        "catalog-summary",
        schema_version,
        "What tables the store has, and how large they are",
        {
            "table_name": "Name of the table",
            "rows": "How many rows",
            "bytes": "Bytes on the engine's disks, as it counts them; null: it does not say",
            "columns": "How many columns",
            "engine": "Name of the engine",
            "engine_version": "Version of the engine",
            "schema_version": "Version of the store's schema",
        },
        takes=(),
        summary=_summary,
    ),
)
