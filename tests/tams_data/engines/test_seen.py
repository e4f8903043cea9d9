"""On each engine, a restricted caller reads of each table what is theirs; a table that nobody thought of is empty."""

from __future__ import annotations

import re
from types import SimpleNamespace

import ibis
import pyarrow as pa
import pytest

from tams_data import schema
from tams_data.access import TAG, Caller, Scope
from tams_data.engines.base import UNBOUND
from tams_data.engines.compiling import sql_of
from tams_data.errors import NotPermitted
from tams_data.queries import objects
from tams_data.queries import segments as segment_queries
from tams_data.queries.visible import Restricted, Visible
from tams_data.seen import SeenDatabase, SeenReader
from tests.conftest import ENGINES
from tests.tams_data.builders import BACKEND, MULTI, Commands, flow, fragmented_flow, insert, segment, uncontrolled

A, B, C, M = "flow-a", "flow-b", "flow-c", "flow-m"
NEWS = Caller("news", frozenset(Scope) - {Scope.ADMIN}, frozenset({"news"}))
NOBODY = Caller("nobody", frozenset(), frozenset())

SEEN = {
    "sources": {"id": {"source-a", "source-m"}},
    "flows": {"id": {A, M}},
    "flow_collections": {"flow_id": {M}, "member_id": {A, B}},
    "flow_timelines": {"flow_id": {A, M}},
    "flow_gaps": {"flow_id": {A}},
    "segments": {"flow_id": {A}},
    "objects": {"id": {"o1", "o2"}},
    "object_instances": {"object_key": {1, 2}},
    "object_accesses": {"object_key": {1}},
    "object_copies": {"object_key": {1}},
    "storage_allocations": {"object_id": {"spare"}},
    "service_info": {},
    "profiles": {},
    "webhooks": {"id": {"of news"}},
    "events": {"sequence": {1, 3}},
    "deletion_requests": {"id": {"of a", "own"}},
    "discarded_bytes": {},
    "schema_versions": {"version": {schema.VERSION}},
}
"""Of each table, what a caller of the group news sees."""


@pytest.fixture(scope="module", params=ENGINES)
def filled(request):
    """Flow a and what collects it are of news; b and c, with initialisation objects, are of nobody."""
    database = ENGINES[request.param]()
    database.create_tables()
    commands = Commands(database)
    news = {"tags": {TAG: ["news"]}}
    commands.put_flow(flow(id=A, source_id="source-a", **news))
    commands.put_flow(flow(id=B, source_id="source-b", tags={TAG: ["sport"]}))
    commands.put_flow(fragmented_flow(id=C, source_id="source-c"))
    members = [{"id": B}, {"id": A}]
    commands.put_flow({"id": M, "source_id": "source-m", "format": MULTI, "flow_collection": members, **news})
    commands.put_flow({"id": "hidden", "source_id": "source-h", "format": MULTI, "flow_collection": [{"id": A}]})
    commands.allocate(A, "o1", "o2", "spare")
    commands.allocate(C, "init", "o3")
    commands.allocate(B, "hidden")
    added = [
        *commands.add(A, segment("o1", 0, 10), segment("o2", 12, 20)),
        *commands.add(B, segment("o1", 0, 10), uncontrolled("o4", 12, 20)),
        *commands.add(C, segment("o3", 0, 10, init_object_id="init")),
    ]
    assert added == [None] * 5
    request = {"start_ns": 0, "end_ns": 9, "delete_flow": False, "status": "done", "created_ns": 1, "updated_ns": 1}
    hook = {"url": "https://a.example", "selection": "{}", "status": "created", "created_ns": 1, "updated_ns": 1}
    with database.transaction() as transaction:
        for id_, flow_id, by in (("of a", A, "x"), ("of b", B, "x"), ("own", "gone", "news"), ("other", "gone", "x")):
            row = {**request, "id": id_, "flow_id": flow_id, "created_by": by}
            insert(transaction, schema.DELETION_REQUESTS, row)
        for id_, tags in (("of news", {TAG: ["news_ro"]}), ("of nobody", {})):
            tagged = {"tags": "{}", "tag_terms": schema.tag_terms(tags)}
            insert(transaction, schema.WEBHOOKS, {**hook, **tagged, "id": id_})
        transaction.delete(schema.EVENTS, transaction.read(lambda tables: tables.events.select("sequence")))
        subjects = ((A, "source-a"), (B, "source-b"), (None, "source-a"), (None, "source-b"), ("gone", "source-a"))
        for sequence, (flow_id, source_id) in enumerate(subjects, 1):
            event = {"sequence": sequence, "event_type": "x", "flow_id": flow_id, "source_id": source_id}
            terms = schema.tag_terms({TAG: ["news"]} if sequence in (1, 3) else {})
            insert(transaction, schema.EVENTS, {**event, "created_ns": 1, "detail": "{}", "tag_terms": terms})
        for key in (1, 4):
            copy = {"object_key": key, "storage_id": BACKEND, "attempts": 0, "next_ns": 1, "created_ns": 1}
            insert(transaction, schema.OBJECT_COPIES, copy)
            accesses = {"object_key": key, "media_gets": 2, "urls_given": 3, "last_ns": 4}
            insert(transaction, schema.OBJECT_ACCESSES, accesses)
        insert(transaction, schema.DISCARDED_BYTES, {"object_id": "x", "storage_id": BACKEND, "created_ns": 1})
    yield database
    database.close()


def rows(reader, table: str) -> pa.Table:
    return reader.read(lambda tables: getattr(tables, table))


def test_of_each_table_a_caller_sees_what_is_theirs(filled, subtests):
    reader = SeenReader(filled, NEWS, everywhere=True)
    for name, expected in SEEN.items():
        with subtests.test(table=name):
            found = rows(reader, name)
            assert found.schema.names == list(schema.TABLES[name].names)
            for column, values in expected.items():
                assert set(found[column].to_pylist()) == values
            assert bool(found.num_rows) == bool(expected)


def test_of_each_table_something_is_hidden_or_nothing_is_anybodys(filled):
    for name in SEEN.keys() - {"service_info", "profiles", "schema_versions"}:
        assert rows(filled, name).num_rows > rows(SeenReader(filled, NEWS, everywhere=True), name).num_rows, name


def test_who_has_no_class_sees_nothing_of_anybodys(filled):
    reader = SeenReader(filled, NOBODY, everywhere=True)
    shown = {name for name in SEEN if rows(reader, name).num_rows}
    assert shown == {"schema_versions"}


def test_an_analyst_sees_the_same_with_plain_values(filled):
    for name in ("flows", "segments", "objects", "deletion_requests"):
        with filled.connected() as connection:
            seen = getattr(Visible(connection.tables, NEWS.seen_by, everywhere=True), name)
            found = connection.to_pyarrow(seen).to_pylist()
        reader = SeenReader(filled, NEWS, everywhere=True)
        assert sorted(found, key=repr) == sorted(rows(reader, name).to_pylist(), key=repr)


@pytest.mark.parametrize(("about", "expected"), [(A, {A}), (B, set()), (M, set()), ("gone", set())])
def test_what_is_asked_about_one_flow_is_that_flows_and_seen(filled, about, expected):
    with filled.connected() as connection:
        seen = Visible(connection.tables, NEWS.seen_by, everywhere=False, about=about)
        assert set(connection.to_pyarrow(seen.segments)["flow_id"].to_pylist()) == expected


def test_a_page_of_segments_of_one_flow_is_planned_without_the_tags_of_all(filled):
    values = {"flow_id": A, "start_ns": 0, "end_ns": 99}
    query = Restricted(segment_queries.page, everywhere=False)
    sql = sql_of(query, query.bound(values, NEWS.seen_by), limit=9, reverse=False)
    of_flows = sql[sql.index('FROM "flows"') :]
    assert re.search(r'"id" = \$flow_id\b', of_flows), sql


@pytest.mark.parametrize(("keys", "expected"), [([1, 2], {1, 2}), ([4, 5], set()), ([99], set())])
def test_objects_are_seen_by_who_sees_what_uses_them(filled, keys, expected):
    found = SeenReader(filled, NEWS).read(objects.seen, {"keys": keys}, inits=False)
    assert set(found["key"].to_pylist()) == expected


def test_an_initialisation_object_is_seen_by_who_sees_what_needs_it(filled):
    key = {row["id"]: row["key"] for row in rows(filled, "objects").to_pylist()}["init"]
    for caller, expected in ((NEWS, set()), (Caller("c", frozenset(), frozenset({"c"})), {key})):
        with filled.transaction() as transaction:
            terms = {"id": C, "tag_terms": schema.tag_terms({TAG: ["c"]})}
            transaction.update(schema.FLOWS, schema.FLOWS.part(("id", "tag_terms"), [terms]))
        assert (
            set(SeenReader(filled, caller).read(objects.seen, {"keys": [key]}, inits=True)["key"].to_pylist())
            == expected
        )
        seen = rows(SeenReader(filled, caller, everywhere=True), "objects")["key"].to_pylist()
        assert (key in seen) == bool(expected)


def test_pages_of_a_flow_that_is_hidden_are_empty(filled):
    window = {"start_ns": 0, "end_ns": 100}
    reader = SeenReader(filled, NEWS)
    counts = [reader.read(segment_queries.page, {"flow_id": one, **window}, limit=9).num_rows for one in (A, B)]
    assert counts == [2, 0]


def test_a_table_that_nobody_thought_of_shows_nothing():
    tables = SimpleNamespace(flows=UNBOUND.flows, secrets=ibis.memtable({"id": ["x"]}))
    assert Visible(tables, NEWS.seen_by, everywhere=True).secrets.execute().empty


def test_there_is_no_other_way_to_a_database(filled):
    seen = SeenDatabase(filled, NEWS)
    for way in (seen.transaction, seen.create_tables, seen.connected, seen.ibis):
        with pytest.raises(NotPermitted):
            way()
    seen.close()
    assert rows(filled, "flows").num_rows == 5
