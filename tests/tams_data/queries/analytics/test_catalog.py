"""What tables there are: of the store on paper, row by row."""

from __future__ import annotations

from tams_data import schema
from tams_data.queries.analytics import ANALYSES
from tests.tams_data.queries.analytics.paper import FLOWS, SEGMENTS, SIZES

ROWS = {
    "flows": len(FLOWS),
    "sources": 10,  # A, B, and one for each of the other eight
    "flow_collections": 2,
    "flow_timelines": len(FLOWS),
    "flow_gaps": 4,  # of archive, camera-b, elsewhere and stills
    "segments": len(SEGMENTS),
    "objects": len(SIZES),
    "object_instances": len(SIZES) + 3,
    "storage_allocations": 1,
    "schema_versions": 1,
}


def test_each_table_is_counted(analytics):
    rows = {one["table_name"]: one for one in analytics.run("catalog-summary").to_pylist()}
    assert rows.keys() - {schema.WRITE_LOCKS.name} == schema.TABLES.keys()
    for name, table in schema.TABLES.items():
        assert (rows[name]["rows"], rows[name]["columns"]) == (ROWS.get(name, 0), len(table.columns))


def test_tables_are_in_order_of_name(analytics):
    names = analytics.run("catalog-summary")["table_name"].to_pylist()
    assert names == sorted(names)


def test_the_summary_has_tables_by_name_and_versions(analytics):
    analysis = ANALYSES["catalog-summary"]
    rows = analytics.run("catalog-summary")
    assert analysis.summary is not None
    summary = analysis.summary(rows)
    assert summary["total_tables"] == rows.num_rows
    assert summary["table_names"] == rows["table_name"].to_pylist()
    (flows,) = (one for one in rows.to_pylist() if one["table_name"] == "flows")
    assert summary["table_stats"]["flows"] == {"rows": 12, "bytes": flows["bytes"], "columns": len(schema.FLOWS.names)}
    assert summary["engine"] in ("duckdb", "vast")
    assert summary["versions"] == {"engine": flows["engine_version"], "schema": schema.VERSION}


def test_a_store_without_tables_has_an_empty_summary():
    analysis = ANALYSES["catalog-summary"]
    assert analysis.summary is not None
    assert analysis.summary(analysis.schema.empty_table())["total_tables"] == 0
