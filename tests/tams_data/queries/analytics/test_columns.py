"""VAST is asked for the columns that an analysis needs, and for no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tams_data.engines.vast import Vast
from tams_data.queries.analytics import ANALYSES
from tests import vast_engine

_GAPS = {"flow_gaps": "end_ns flow_id start_ns"}
_RUNS = {**_GAPS, "flow_timelines": "end_ns flow_id start_ns"}
_STORED = {"object_instances": "object_key storage_id"}

READ = {
    "flow-usage": {
        "flow_timelines": "covered_ns flow_id segment_count size_bytes",
        "flows": "avg_bit_rate codec container format frame_height frame_width id status",
    },
    "flows": {
        "flow_timelines": "covered_ns end_ns flow_id segment_count segments_updated_ns size_bytes start_ns",
        "flows": "avg_bit_rate codec container format frame_height frame_width id label max_bit_rate source_id status",
    },
    "ingest-delay": {"flows": "format id", "segments": "created_ns end_ns flow_id"},
    "reuse": {"objects": "key size_bytes", "segments": "object_key"},
    "storage-usage": {"flows": "format id", **_STORED, "objects": "first_flow_id key size_bytes"},
    "storage-by-source": {
        "flow_timelines": "flow_id size_bytes",
        "flows": "id source_id",
        **_STORED,
        "objects": "first_flow_id key size_bytes",
        "sources": "id label",
    },
    "stored-and-logical": {
        "flow_timelines": "flow_id size_bytes",
        "flows": "format id",
        **_STORED,
        "objects": "first_flow_id key size_bytes",
    },
    "object-ages": {**_STORED, "objects": "created_ns key size_bytes"},
    "storage-growth": {**_STORED, "objects": "created_ns key size_bytes"},
    "unreferenced-objects": {
        "objects": "created_ns first_flow_id id init_object_key key size_bytes",
        "segments": "object_key",
        "storage_allocations": "created_ns flow_id object_id size_bytes",
    },
    "unreferenced-totals": {
        "objects": "created_ns init_object_key key size_bytes",
        "segments": "object_key",
        "storage_allocations": "created_ns size_bytes",
    },
    "instances-per-object": {"object_instances": "object_key", "objects": "key size_bytes"},
    "object-access": {"object_accesses": "last_ns media_gets object_key urls_given", "objects": "id key size_bytes"},
    "access-totals": {"object_accesses": "last_ns media_gets urls_given", "objects": "key"},
    "time-range-analysis": {"flow_gaps": "end_ns start_ns", "segments": "end_ns start_ns"},
    "coverage": {**_RUNS, "flows": "id"},
    "gaps": _GAPS,
    "gap-lengths": {"flow_gaps": "end_ns start_ns"},
    "discontinuities": {"segments": "end_ns flow_id start_ns ts_offset_ns"},
    "segment-lengths": {"segments": "end_ns start_ns"},
    "live-flows": _RUNS,
    "timeline": {
        **_GAPS,
        "flow_timelines": "covered_ns end_ns flow_id segment_count start_ns",
        "segments": "end_ns flow_id start_ns",
    },
}
"""By the name of an analysis, without filters, the columns of each table. A mere count needs one all the same."""


@pytest.fixture(scope="module")
def vast() -> Iterator[Vast]:
    database = vast_engine.database()
    database.create_tables()
    yield database
    database.close()


@pytest.mark.parametrize("name", READ)
def test_an_analysis_reads_the_columns_that_it_needs(vast, name):
    values, options = ANALYSES[name].split({})
    columns: dict[str, set[str]] = {}
    for scan in vast.explain(ANALYSES[name].query, values, **options):
        columns.setdefault(scan.table, set()).update(scan.columns)
    assert columns == {table: set(names.split()) for table, names in READ[name].items()}


def test_every_analysis_of_the_tables_is_here():
    assert set(READ) == ANALYSES.keys() - {"catalog-summary"}
