"""Every rule of the store, broken: what breaks it is told by its ids, and mended where it follows from other rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tams_data import schema
from tams_data.engines.base import Database, Transaction
from tams_data.keeping.findings import RULES, Finding
from tams_data.keeping.repair import repair
from tams_data.keeping.verify import verify
from tams_data.timerange import MAX_NS
from tests.tams_data.builders import (
    AUDIO,
    BACKEND,
    VIDEO,
    event_row,
    everything,
    flow_row,
    insert,
    object_row,
    rows_of,
    segment_row,
    source_row,
    timeline_row,
)
from tests.tams_data.keeping.conftest import A, B, M

Damage = Callable[[Transaction], None]

Case = tuple[str, Damage, "set[str] | None"]
"""A rule, what breaks it, and every rule that is broken then where it is not this one alone."""


def put(table: schema.Table, *rows: dict) -> Damage:
    return lambda transaction: insert(transaction, table, *rows)


def change(table: schema.Table, **columns: object) -> Damage:
    return lambda transaction: transaction.update(table, table.part(list(columns), [columns]))


def remove(table: schema.Table, **columns: object) -> Damage:
    return lambda transaction: transaction.delete(table, table.part(list(columns), [columns]))


def again(table: schema.Table, **columns: object) -> Damage:
    """A second row like the first that has these columns."""

    def damage(transaction: Transaction) -> None:
        rows = [row for row in rows_of(transaction, table) if columns.items() <= row.items()]
        insert(transaction, table, rows[0])

    return damage


def instance(key: int, **columns: object) -> dict:
    return {"object_key": key, "created_ns": 1, **columns}


def request(**columns: object) -> dict:
    of_all = {"start_ns": 0, "end_ns": 9, "delete_flow": False, "created_ns": 1, "updated_ns": 1, "flow_id": A}
    return {"id": "new", **of_all, **columns}


NOT_MENDED = [
    ("repeated-flows", again(schema.FLOWS, id=A), {"repeated-flows"}),
    ("repeated-sources", again(schema.SOURCES, id="source-a"), {"repeated-sources"}),
    ("repeated-webhooks", lambda t: insert(t, schema.WEBHOOKS, *rows_of(t, schema.WEBHOOKS)), {"repeated-webhooks"}),
    ("repeated-object-accesses", again(schema.OBJECT_ACCESSES), {"repeated-object-accesses"}),
    ("repeated-object-instances", put(schema.OBJECT_INSTANCES, instance(1, storage_id=BACKEND)), None),
    (
        "repeated-object-instances",
        put(schema.OBJECT_INSTANCES, *[instance(1, label="l", url=u) for u in ("https://a", "https://b")]),
        None,
    ),
    (
        "repeated-object-ids",
        put(schema.OBJECTS, object_row(900, id="o1", start_ns=0, end_ns=1)),
        {"repeated-object-ids", "objects-without-instance"},
    ),
    (
        "overlapping-segments",
        put(schema.SEGMENTS, segment_row(A, 5, 8)),
        {"overlapping-segments", "untrue-timelines"},
    ),
    (
        "segments-without-length",
        put(schema.SEGMENTS, segment_row(A, 40, 40)),
        {"segments-without-length", "segments-outside-object", "untrue-timelines", "untrue-gaps"},
    ),
    (
        "segments-without-length",
        put(schema.SEGMENTS, segment_row(A, 40, MAX_NS)),
        {"segments-without-length", "segments-outside-object", "untrue-timelines", "untrue-gaps"},
    ),
    ("segments-without-flow", put(schema.SEGMENTS, segment_row("none", 0, 10)), None),
    (
        "segments-without-object",
        put(schema.SEGMENTS, segment_row(A, 40, 50, object_key=999)),
        {"segments-without-object", "untrue-timelines", "untrue-gaps"},
    ),
    (
        "segments-outside-object",
        put(schema.SEGMENTS, segment_row(A, 40, 50, ts_offset_ns=39)),
        {"segments-outside-object", "untrue-timelines", "untrue-gaps"},
    ),
    ("flows-without-source", remove(schema.SOURCES, id="source-a"), None),
    ("flows-of-another-format", change(schema.SOURCES, id="source-a", format=AUDIO), None),
    ("flows-without-profile", remove(schema.PROFILES, id="profile"), None),
    ("collections-without-member", put(schema.FLOW_COLLECTIONS, {"flow_id": M, "position": 7, "member_id": "x"}), None),
    ("collections-without-member", put(schema.FLOW_COLLECTIONS, {"flow_id": M, "position": 7, "member_id": M}), None),
    ("objects-with-untrue-time", change(schema.OBJECTS, key=4, start_ns=0, end_ns=1), None),
    ("objects-without-init", change(schema.OBJECTS, key=1, init_object_key=5), None),
    ("objects-without-instance", remove(schema.OBJECT_INSTANCES, object_key=1), None),
    ("instances-of-no-place", put(schema.OBJECT_INSTANCES, instance(1)), None),
    ("instances-of-no-place", put(schema.OBJECT_INSTANCES, instance(1, label="l", storage_id="another")), None),
    (
        "allocations-without-flow",
        change(schema.STORAGE_ALLOCATIONS, object_key=3, flow_id="none"),
        None,
    ),
    (
        "discarded-and-needed",
        put(schema.DISCARDED_BYTES, {"object_id": "o1", "storage_id": BACKEND, "created_ns": 1}),
        None,
    ),
    (
        "discarded-and-needed",
        put(schema.DISCARDED_BYTES, {"object_id": "spare", "storage_id": BACKEND, "created_ns": 1}),
        None,
    ),
    ("untrue-deletions", put(schema.DELETION_REQUESTS, request(status="started")), None),
    ("untrue-deletions", put(schema.DELETION_REQUESTS, request(status="of no kind")), None),
]

MENDED = [
    ("untrue-timelines", change(schema.FLOW_TIMELINES, flow_id=A, segment_count=7), None),
    ("untrue-timelines", change(schema.FLOW_TIMELINES, flow_id=A, start_ns=None), None),
    ("untrue-timelines", change(schema.FLOW_TIMELINES, flow_id=A, size_bytes=1), None),
    ("untrue-timelines", change(schema.FLOW_TIMELINES, flow_id=A, longest_ns=1), None),
    ("untrue-timelines", change(schema.FLOW_TIMELINES, flow_id=M, covered_ns=1), None),
    ("untrue-timelines", remove(schema.FLOW_TIMELINES, flow_id=A), None),
    ("untrue-gaps", remove(schema.FLOW_GAPS, flow_id=A), None),
    ("untrue-gaps", change(schema.FLOW_GAPS, flow_id=A, start_ns=10, end_ns=29), None),
    ("untrue-gaps", put(schema.FLOW_GAPS, {"flow_id": A, "start_ns": 35, "end_ns": 40}), None),
    ("untrue-gaps", put(schema.FLOW_GAPS, {"flow_id": "none", "start_ns": 35, "end_ns": 40}), None),
    ("untrue-gaps", again(schema.FLOW_GAPS, flow_id=A), {"untrue-gaps", "repeated-flow-gaps"}),
    ("timelines-without-flow", put(schema.FLOW_TIMELINES, timeline_row("none")), None),
    (
        "collections-without-flow",
        put(schema.FLOW_COLLECTIONS, {"flow_id": "none", "position": 0, "member_id": A}),
        None,
    ),
    ("instances-without-object", put(schema.OBJECT_INSTANCES, instance(999, storage_id=BACKEND)), None),
    (
        "accesses-without-object",
        put(schema.OBJECT_ACCESSES, {"object_key": 999, "media_gets": 1, "urls_given": 1, "last_ns": 1}),
        None,
    ),
    (
        "copies-without-object",
        put(schema.OBJECT_COPIES, {"object_key": 999, "storage_id": "s", "attempts": 0, "next_ns": 1, "created_ns": 1}),
        None,
    ),
    (
        "copies-without-object",
        put(schema.OBJECT_INSTANCES, instance(1, storage_id="other")),
        None,
    ),
    (
        "registered-allocations",
        lambda t: insert(
            t,
            schema.STORAGE_ALLOCATIONS,
            {
                **rows_of(t, schema.STORAGE_ALLOCATIONS)[0],
                "object_key": 1,
                "object_id": "o1",
                "id_hash": schema.id_hash("o1"),
            },
        ),
        {"registered-allocations", "repeated-object-ids"},
    ),
    (
        "lost-deletions",
        put(
            schema.DELETION_REQUESTS,
            request(status="created", flow_id="none", remaining_start_ns=0, remaining_end_ns=1),
        ),
        None,
    ),
    ("derived-flows", change(schema.FLOWS, id=A, frame_width=1), None),
    ("derived-flows", change(schema.FLOWS, id=A, tag_terms=[1]), None),
    ("derived-sources", change(schema.SOURCES, id="source-a", tag_terms=[]), None),
    ("derived-profiles", change(schema.PROFILES, id="profile", tag_terms=[]), None),
    (
        "derived-webhooks",
        lambda t: change(schema.WEBHOOKS, id=rows_of(t, schema.WEBHOOKS)[0]["id"], tag_terms=[1])(t),
        None,
    ),
    ("derived-objects", change(schema.OBJECTS, key=1, id_hash=1), None),
    ("derived-storage-allocations", change(schema.STORAGE_ALLOCATIONS, object_key=3, id_hash=1), None),
]


def test_a_store_that_its_commands_made_breaks_no_rule(filled: Database) -> None:
    assert list(verify(filled)) == []
    assert list(repair(filled, verify(filled))) == []


def test_an_empty_store_breaks_no_rule(database: Database) -> None:
    assert list(verify(database)) == []


def name_of(case: Case) -> str:
    return case[0]


def found_by(database: Database, name: str) -> list[Finding]:
    """What the rules of one name find."""
    with database.scanning() as scan:
        return [found for rule in RULES if rule.name == name for found in rule.findings(scan)]


def apply(database: Database, damage: Damage) -> None:
    with database.transaction() as transaction:
        damage(transaction)


@pytest.mark.parametrize("case", NOT_MENDED, ids=name_of)
def test_what_breaks_a_rule_is_told_and_left_as_it_is(filled: Database, case: Case) -> None:
    rule, damage, _ = case
    apply(filled, damage)
    found = found_by(filled, rule)
    assert found
    assert all("\n" not in one.text for one in found)
    before = everything(filled)
    assert list(repair(filled, found)) == found
    assert everything(filled) == before


@pytest.mark.parametrize("case", MENDED, ids=name_of)
def test_what_follows_from_other_rows_is_told_and_mended(filled: Database, case: Case) -> None:
    rule, damage, _ = case
    sound = everything(filled)
    apply(filled, damage)
    found = found_by(filled, rule)
    assert found
    assert all(one.mended for one in repair(filled, found))
    assert found_by(filled, rule) == []
    if rule.startswith(("derived", "timelines", "collections", "untrue-gaps")):
        assert everything(filled) == sound


@pytest.mark.soak
@pytest.mark.parametrize("case", [*NOT_MENDED, *MENDED], ids=name_of)
def test_what_breaks_one_rule_breaks_no_other(filled: Database, case: Case) -> None:
    rule, damage, also = case
    apply(filled, damage)
    assert {one.rule for one in verify(filled)} == (also or {rule})


def test_every_rule_is_among_the_cases() -> None:
    cases = {rule for rule, _, _ in (*NOT_MENDED, *MENDED)}
    repeated = {rule.name for rule in RULES if rule.name.startswith("repeated-")}
    assert {rule.name for rule in RULES} - repeated <= cases


def test_each_finding_names_what_it_is_of(filled: Database) -> None:
    with filled.transaction() as transaction:
        insert(transaction, schema.SEGMENTS, segment_row(B, 1_000_000_005, 1_000_000_005))
        insert(transaction, schema.FLOWS, flow_row(id="x", source_id="source-a", format=AUDIO))
        insert(transaction, schema.SOURCES, source_row(id="source-x", format=VIDEO))
    told = {one.rule: one for one in verify(filled)}
    assert told["segments-without-length"].text == f"flow {B}: the segment at 1:5 has no length, or no end"
    assert told["flows-of-another-format"].as_dict()["ids"]["id"] == "x"
    assert told["untrue-timelines"].row["flow_id"] in ("x", B)


def test_gaps_are_told_by_how_many_they_are(filled: Database) -> None:
    with filled.transaction() as transaction:
        transaction.delete(schema.FLOW_GAPS, schema.FLOW_GAPS.keys([{"flow_id": A, "start_ns": 10}]))
        insert(transaction, schema.FLOW_GAPS, *({"flow_id": A, "start_ns": n, "end_ns": n + 1} for n in (12, 14)))
    (found,) = verify(filled)
    assert found.text == f"flow {A}: 1 of the gaps between its segments are not kept, and 2 are kept that are none"
    assert found.as_dict()["ids"] == {"flow_id": A, "lacking": 1, "untrue": 2}


def test_a_segment_that_overlaps_another_makes_no_gap_untrue(filled: Database) -> None:
    """It starts and ends within a segment; the next is still as far away."""
    with filled.transaction() as transaction:
        insert(transaction, schema.SEGMENTS, segment_row(A, 5, 8))
    assert found_by(filled, "untrue-gaps") == []


def test_keys_and_sequences_that_would_be_given_out_again_are_reserved(filled: Database) -> None:
    if filled.sole_writer:
        pytest.skip("the sole writer looks for the highest key itself")
    with filled.transaction() as transaction:
        insert(transaction, schema.OBJECTS, object_row(10_000, start_ns=0, end_ns=1))
        insert(transaction, schema.OBJECT_INSTANCES, instance(10_000, storage_id=BACKEND))
        insert(transaction, schema.EVENTS, event_row(10_000))
    assert [one.rule for one in verify(filled)] == ["spent-keys", "spent-sequences"]
    assert [one.mended for one in repair(filled, verify(filled))] == [True, True]
    assert list(verify(filled)) == []
