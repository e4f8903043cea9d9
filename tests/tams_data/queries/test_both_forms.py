"""Each query gives an analyst, who has plain values and Ibis, the rows that it gives the API, compiled and bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from tams_data import schema
from tams_data.engines.base import UNBOUND
from tams_data.queries import deletions, events, flows, jobs, objects, segments, sources
from tams_data.schema import id_hash, tag_term
from tams_data.timerange import MAX_NS
from tests.tams_data.builders import (
    AUDIO,
    BACKEND,
    MULTI,
    VIDEO,
    Commands,
    event_row,
    flow,
    fragmented_flow,
    insert,
    rows_of,
    segment,
    uncontrolled,
)
from tests.tams_data.queries.compiled import compared_with_itself

A, B, C, M = "flow-a", "flow-b", "flow-c", "flow-m"
OF_A = {"flow_id": A}
WINDOW = {**OF_A, "start_ns": 5, "end_ns": 35}
HASHES = pa.table({"id_hash": pa.array([id_hash(one) for one in ("o1", "o2", "spare", "none")], pa.int64())})
KEYS = pa.table({"key": pa.array(range(10), pa.int64())})
PLACES = pa.table({"from_ns": pa.array([5, 30], pa.int64()), "until_ns": pa.array([6, 35], pa.int64())})
NEWS, LIVE, SITE = tag_term("genre", "news"), tag_term("genre", "live"), tag_term("site")
COLUMNS = {
    "source_id": "source-a",
    "format": VIDEO,
    "codec": "video/h264",
    "label": "A",
    "status": "ingesting",
    "frame_width": 1920,
    "frame_height": 1080,
}

CASES: list[tuple[Callable[..., ir.Table], dict[str, Any], dict[str, Any]]] = [
    *((segments.page, values, {"limit": 2, "reverse": back}) for values in (OF_A | WINDOW,) for back in (False, True)),
    (segments.page, {**WINDOW, "object_key": 1}, {"limit": 9}),
    (segments.placed, WINDOW, {}),
    (segments.extent, WINDOW, {}),
    *((segments.runs, {**WINDOW, "end_ns": end_ns, "seam_ns": 1}, {}) for end_ns in (6, 35, MAX_NS)),
    (segments.extent, {**WINDOW, "start_ns": 1000, "end_ns": MAX_NS}, {}),
    (segments.covered_by, WINDOW, {}),
    (segments.covered_by, {**WINDOW, "object_key": 2}, {}),
    (segments.totals, OF_A, {}),
    (segments.timeline, OF_A, {}),
    (segments.timeline, {"flow_id": M}, {}),
    (segments.gaps, OF_A, {}),
    (segments.gaps_near, {**WINDOW, "places": PLACES}, {}),
    (segments.covered_by, WINDOW, {"limit": 2}),
    (segments.counted, WINDOW, {"most": 2}),
    (segments.bounds, OF_A, {}),
    (segments.object_keys, {"keys": KEYS}, {}),
    (segments.uses, {"keys": [1, 2, 3]}, {}),
    *((flows.page, {}, {"limit": 9, "sort_by": by, "reverse": back}) for by in flows.ORDERS for back in (False, True)),
    (flows.page, {"after": (1, "", "")}, {"limit": 9, "sort_by": "label"}),
    (flows.page, {"after": (2**62, "x")}, {"limit": 2}),
    (flows.page, {"any_tags": ((NEWS, LIVE), (SITE,)), "no_tags": (LIVE,)}, {"limit": 9}),
    (flows.page, {"start_ns": 5, "end_ns": 6}, {"limit": 9}),
    (flows.page, {}, {"limit": 9, "without_content": True}),
    (flows.page, {}, {"limit": 9, "init_segments": True}),
    (flows.page, {"collected_by": [M, "none"]}, {"limit": 9}),
    (flows.page, {}, {"limit": 9, "top_level": True}),
    *((flows.page, {name: value}, {"limit": 9}) for name, value in COLUMNS.items()),
    (flows.by_id, {"ids": [A, M, "none"]}, {}),
    (flows.for_writing, {"ids": [A, C, "none"]}, {}),
    (flows.of_source, {"source_id": "source-a"}, {"limit": 3}),
    (flows.members, {"ids": [M, A]}, {}),
    (flows.collecting, {"ids": [A, B]}, {}),
    *(
        (sources.page, {}, {"limit": 9, "sort_by": by, "reverse": back})
        for by in sources.ORDERS
        for back in (False, True)
    ),
    (sources.page, {"label": "A", "format": VIDEO, "any_tags": ((NEWS,),)}, {"limit": 9}),
    (sources.page, {"collected_by": ["source-m"]}, {"limit": 9}),
    (sources.page, {}, {"limit": 9, "top_level": True}),
    (sources.by_id, {"ids": ["source-a", "none"]}, {}),
    (sources.collections, {}, {}),
    (sources.members, {"ids": ["source-m"]}, {}),
    (sources.collecting, {"ids": ["source-a", "source-b"]}, {}),
    (objects.keys_by_hash, {"hashes": HASHES}, {}),
    (objects.by_key, {"keys": [1, 2, 3]}, {}),
    (objects.shown, {"keys": [1, 2, 3]}, {}),
    (objects.instances, {"keys": [1, 2, 3]}, {}),
    (objects.allocated, {"hashes": HASHES}, {}),
    (objects.allocated, {"hashes": [id_hash("o1"), id_hash("spare")]}, {}),
    (objects.allocated_for, OF_A, {}),
    (objects.needing_init, {"keys": KEYS}, {}),
    (objects.copies, {"keys": [1, 2]}, {}),
    (objects.copies_due, {"now_ns": 2**62}, {"limit": 9}),
    (objects.sizes, {"keys": [1, 2]}, {}),
    (objects.accesses, {"keys": KEYS}, {}),
    (objects.unsized, {"storage_id": BACKEND, "after": (0, 0), "before_ns": 2**62}, {"limit": 9}),
    *((objects.referring_flows, {"key": key}, {"is_init": key == 4, "limit": 9}) for key in (1, 4)),
    (objects.referring_flows, {"key": 1, "after": ("",), "no_tags": (LIVE,)}, {"is_init": False, "limit": 9}),
    (objects.last_key, {}, {}),
    (objects.allocated_before, {"before_ns": 2**62}, {"limit": 9}),
    (objects.registered_before, {"after_key": 1, "before_ns": 2**62}, {"limit": 2}),
    *((objects.seen, {"keys": [1, 4, 99]}, {"inits": inits}) for inits in (False, True)),
    *(
        (deletions.page, {}, {"limit": 9, "sort_by": by, "reverse": back})
        for by in deletions.ORDERS
        for back in (False, True)
    ),
    (deletions.page, {"after": (0, 2**62, "x")}, {"limit": 9, "sort_by": "expiry"}),
    (deletions.by_id, {"request_id": "waiting"}, {}),
    (deletions.unfinished, {}, {}),
    (deletions.unfinished, OF_A, {}),
    (deletions.due, {"now_ns": 9}, {"limit": 9}),
    (deletions.expired, {"now_ns": 9}, {"limit": 9}),
    (deletions.discarded, {"storage_id": BACKEND}, {"limit": 9}),
    (deletions.discarded_of, {"object_ids": ["gone", "none"]}, {}),
    (jobs.queued, {"expired_before_ns": 2**62, "old_before_ns": 2**62, "had": 3}, {}),
    (jobs.walk, {"job": "walking"}, {}),
    (events.page, {"after": 1}, {"limit": 3}),
    (events.between, {"after": 1, "until": 4}, {}),
    (events.last, {}, {}),
    (events.next_after, {"after": 2}, {}),
    (events.expired, {"before_ns": 2**62, "until": 3}, {"limit": 9}),
]


IN_ORDER = {
    *(segments.page, flows.page, sources.page, objects.referring_flows, objects.copies_due, objects.unsized),
    *(deletions.page, deletions.unfinished, deletions.due, deletions.discarded, events.page, events.between),
    *(objects.registered_before, jobs.queued),
    *(flows.members, flows.collecting, sources.members, sources.collecting),
}


@pytest.fixture
def filled(database):
    """Four flows: a of two objects, b of one of them and one elsewhere, c with initialisation, m that collects."""
    commands = Commands(database)
    essence = {"frame_width": 1920, "frame_height": 1080}
    of_a = {"status": "ingesting", "tags": {"genre": ["news"], "site": "x"}, "essence_parameters": essence}
    commands.put_flow(flow(id=A, source_id="source-a", label="A", **of_a))
    commands.put_flow(flow(id=B, source_id="source-b", format=AUDIO, tags={"genre": "live"}))
    commands.put_flow(fragmented_flow(id=C, source_id="source-c", label=""))
    members = [{"id": B, "role": "audio"}, {"id": A}]
    commands.put_flow({"id": M, "source_id": "source-m", "format": MULTI, "flow_collection": members})
    commands.allocate(A, "o1", "o2", "spare")
    commands.allocate(C, "init", "o3")
    commands.record_upload("o1", 1000)
    added = [
        *commands.add(A, segment("o1", 0, 10), segment("o2", 10, 20), segment("o1", 30, 35, ts_offset_ns=30)),
        *commands.add(B, segment("o1", 0, 10), uncontrolled("o4", 10, 20)),
        *commands.add(C, segment("o3", 0, 10, init_object_id="init")),
    ]
    assert added == [None] * 6
    of_request = {"flow_id": A, "start_ns": 0, "end_ns": 9, "delete_flow": False, "created_ns": 1, "updated_ns": 1}
    of_copy = {"object_key": 1, "storage_id": BACKEND, "attempts": 0, "next_ns": 1, "created_ns": 1}
    with database.transaction() as transaction:
        insert(transaction, schema.DELETION_REQUESTS, {**of_request, "id": "waiting", "status": "created"})
        insert(transaction, schema.DELETION_REQUESTS, {**of_request, "id": "ended", "status": "done", "expiry_ns": 9})
        insert(transaction, schema.OBJECT_COPIES, of_copy)
        transaction.delete(schema.EVENTS, schema.EVENTS.keys(rows_of(transaction, schema.EVENTS)))
        insert(transaction, schema.EVENTS, *(event_row(sequence) for sequence in range(1, 6)))
        insert(transaction, schema.OBJECT_ACCESSES, {"object_key": 1, "media_gets": 2, "urls_given": 3, "last_ns": 4})
        insert(transaction, schema.JOB_WALKS, {"job": "walking", "position": 7, "next_ns": 8})
        insert(transaction, schema.DISCARDED_BYTES, {"object_id": "gone", "storage_id": BACKEND, "created_ns": 1})
    return database


def plain(value: object) -> object:
    """A value as an analyst gives it: tables are in memory."""
    return ibis.memtable(value) if isinstance(value, pa.Table) else value


def test_plain_values_give_the_rows_that_bound_ones_give(filled, subtests):
    tables = filled.ibis().tables
    for query, values, options in CASES:
        with subtests.test(query=f"{query.__module__}.{query.__name__}", values=values, options=options):
            bound = filled.read(query, values, **options)
            expression = query(tables, **{name: plain(value) for name, value in values.items()}, **options)
            analyst = expression.to_pyarrow()
            assert bound.schema.names == analyst.schema.names
            rows, others = bound.to_pylist(), analyst.to_pylist()
            if query in IN_ORDER:
                assert rows == others
            else:
                assert sorted(rows, key=repr) == sorted(others, key=repr)
            assert rows, "a case that finds nothing compares nothing"


def test_rows_one_by_one_are_those_of_the_table(filled, subtests):
    for query, values, options in CASES:
        with subtests.test(query=f"{query.__module__}.{query.__name__}", values=values, options=options):
            rows, others = filled.rows(query, values, **options), filled.read(query, values, **options).to_pylist()
            assert sorted(rows, key=repr) == sorted(others, key=repr)


def test_no_query_compares_a_column_with_itself(subtests):
    for query, values, options in CASES:
        with subtests.test(query=f"{query.__module__}.{query.__name__}", options=options):
            expression = query(UNBOUND, **{name: plain(value) for name, value in values.items()}, **options)
            assert compared_with_itself(ibis.to_sql(expression, dialect="duckdb")) == []


def test_every_query_is_among_the_cases():
    """A query is a public function of one of the modules whose first parameter is `tables`."""
    there = {
        function
        for module in (segments, flows, sources, objects, deletions, events, jobs)
        for function in vars(module).values()
        if callable(function) and getattr(function, "__module__", None) == module.__name__
        if not function.__name__.startswith("_") and function.__code__.co_varnames[:1] == ("tables",)
    }
    assert there == {query for query, _, _ in CASES}
