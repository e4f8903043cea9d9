"""Events are written with what they tell of, and read in one order that never has an earlier one come later."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tams_data import schema
from tams_data.engines.vast import Vast
from tams_data.errors import FlowReadOnly, TransactionConflict
from tams_data.queries import locks as lock_queries
from tams_data.store.outbox import NewEvent, Outbox, Sequencer, events_after, last_sequence, reserve_known
from tams_data.timerange import TimeRange
from tests.tams_data.builders import (
    AUDIO,
    MULTI,
    Commands,
    event_row,
    flow,
    insert,
    rows_of,
    scratch,
    segment,
    uncontrolled,
)


def told(database) -> list[tuple[str, str | None]]:
    """What happened, in order, and to which flow."""
    if not database.sole_writer:
        Sequencer(database, sequenced=lambda: None).step()
    return [(event.event_type, event.flow_id) for event in events_after(database, 0, limit=1000)]


def details(database) -> list[Any]:
    told(database)
    return [json.loads(event.detail) for event in events_after(database, 0, limit=1000)]


def test_every_command_tells_what_it_did(database, commands):
    commands.create_source({"id": "early", "format": AUDIO})
    commands.change_source("early", label="x")
    commands.put_flow(flow(id="f", source_id="s"))
    commands.put_flow(flow(id="g", source_id="s"))
    commands.change_flow("f", label="x")
    commands.put_flow({"id": "m", "source_id": "t", "format": MULTI, "flow_collection": [{"id": "f"}]})
    commands.allocate("f", "a")
    commands.add("f", segment("a", 0, 10), uncontrolled("b", 10, 20))
    commands.delete("f", TimeRange(0, 10))
    commands.delete_flow("f")
    commands.delete_flow("g")
    assert told(database) == [
        ("sources/created", None),
        ("sources/updated", None),
        ("sources/created", None),
        ("flows/created", "f"),
        ("flows/created", "g"),
        ("flows/updated", "f"),
        ("sources/created", None),
        ("flows/created", "m"),
        ("flows/segments_added", "f"),
        ("flows/segments_deleted", "f"),
        ("flows/segments_deleted", "f"),
        ("flows/deleted", "f"),
        ("flows/updated", "m"),
        ("flows/deleted", "g"),
        ("sources/deleted", None),
    ]


def test_what_changes_nothing_is_not_told(database, commands):
    commands.put_flow(given := flow(id="f"))
    commands.put_flow(given)
    commands.change_flow("f", label=None)
    commands.change_flow("f", read_only=True)
    commands.change_flow("f", read_only=True)
    with pytest.raises(FlowReadOnly):
        commands.change_flow("f", label="x")
    assert told(database) == [("sources/created", None), ("flows/created", "f"), ("flows/updated", "f")]


def test_a_repeated_segment_is_told_once(database, commands):
    commands.put_flow(flow(id="f"))
    commands.allocate("f", "a", "b")
    for new in ([segment("a", 0, 10)], [segment("a", 0, 10)], [segment("a", 0, 10), segment("b", 10, 20)]):
        commands.add("f", *new)
    ids = [[one[1] for one in detail] for detail in details(database)[2:]]
    assert ids == [["a"], ["b"]]


def test_deleted_time_ranges_have_nothing_in_them_that_stays(database, commands):
    """Of one object the segments may be far apart, and others between them."""
    commands.put_flow(flow(id="f"))
    commands.add("f", uncontrolled("a", 0, 10), uncontrolled("b", 10, 20))
    commands.add("f", segment("a", 20, 30, ts_offset_ns=20), segment("a", 30, 35, ts_offset_ns=30))
    commands.delete("f", TimeRange(0, 99), "a")
    commands.add("f", uncontrolled("c", 50, 60))
    commands.delete("f", TimeRange(0, 99))
    timeranges = [detail["timerange"] for detail in details(database) if "timerange" in detail]
    assert timeranges == [str(TimeRange(0, 10)), str(TimeRange(20, 35)), str(TimeRange(10, 60))]


def test_an_event_knows_what_collected_its_flow_then(database, commands):
    commands.put_flow(flow(id="f", source_id="s"))
    commands.allocate("f", "a", "b")
    commands.add("f", segment("a", 0, 10))
    commands.put_flow({"id": "m", "source_id": "t", "format": MULTI, "flow_collection": [{"id": "f"}]})
    commands.add("f", segment("b", 10, 20))
    commands.delete_flow("f")
    told(database)
    by = [(one.event_type, *one.collected) for one in events_after(database, 0, limit=99) if one.flow_id == "f"]
    assert by == [
        ("flows/created", (), ()),
        ("flows/segments_added", (), ()),
        ("flows/segments_added", ("m",), ("t",)),
        ("flows/segments_deleted", ("m",), ("t",)),
        ("flows/deleted", ("m",), ("t",)),
    ]
    assert events_after(database, 0, limit=99)[-1].collected == ((), ("t",))


def test_events_are_read_from_where_one_stands(database, commands):
    for i in range(4):
        commands.put_flow(flow(id=f"f{i}", source_id="s"))
    told(database)
    found, position = [], 0
    while page := events_after(database, position, limit=2):
        found += [event.flow_id for event in page]
        position = page[-1].sequence
    assert found == [None, "f0", "f1", "f2", "f3"]
    assert last_sequence(database) == position


def test_reading_goes_on_where_much_was_removed(database, commands):
    for i in range(4):
        commands.put_flow(flow(id=f"f{i}", source_id="s"))
    told(database)
    with database.transaction() as transaction:
        gone = schema.EVENTS.keys(rows_of(transaction, schema.EVENTS)[:-1])
        transaction.delete(schema.EVENTS, gone)
    assert [event.flow_id for event in events_after(database, 0, limit=2)] == ["f3"]
    commands.put_flow(flow(id="g", source_id="s"))
    assert told(database)[-1] == ("flows/created", "g"), "sequences go on"


def test_sequences_go_on_after_events_that_were_restored(database, commands):
    with database.transaction() as transaction:
        insert(transaction, schema.EVENTS, *(event_row(sequence) for sequence in (3, 4)))
        reserve_known(database, transaction)
    assert last_sequence(database) == 4
    commands.create_source({"id": "s", "format": AUDIO})
    assert told(database) == [("sources/deleted", None), ("sources/deleted", None), ("sources/created", None)]
    assert last_sequence(database) == 5


def test_what_is_rolled_back_is_not_told(database):
    outbox = Outbox(database)
    event = NewEvent(event_type="sources/created", source_id="s", detail="{}", created_ns=1)
    with scratch(database) as transaction:
        announcer = outbox.begin(transaction)
        announcer.announce(event)
        assert announcer.write()
    assert told(database) == []
    with database.transaction() as transaction:
        announcer = outbox.begin(transaction)
        announcer.announce(event)
        assert announcer.write()
    assert told(database) == [("sources/created", None)]


# --- several writers -------------------------------------------------------------------------------------------------


def test_the_events_of_two_writers_get_one_order_that_is_each_flows_own(databases, monkeypatch):
    """Also when the clock of the one that writes later is behind."""
    one, other = map(Commands, databases)
    one.put_flow(flow(id="f", source_id="s"))
    monkeypatch.setattr("tams_data.store.outbox.time_ns", lambda: 5)
    other.change_flow("f", label="x")
    one.change_flow("f", label="y")
    sequencers = [Sequencer(database, sequenced=lambda: None) for database in databases]
    assert [sequencer.step() for sequencer in sequencers] == [False, False]
    other.delete_flow("f")
    sequencers[1].step()
    found = events_after(databases[0], 0, limit=99)
    assert [event.sequence for event in found] == list(range(1, 7))
    labels = [json.loads(event.detail).get("flow", {}).get("label") for event in found]
    assert labels == [None, None, "x", "y", None, None]
    assert [event.event_type for event in found][-2:] == ["flows/deleted", "sources/deleted"]
    assert rows_of(databases[0], schema.NEW_EVENTS) == []


def test_two_that_give_sequences_at_once_give_each_event_one(databases):
    Commands(databases[0]).put_flow(flow(id="f"))
    one, other = (Sequencer(database, sequenced=lambda: None) for database in databases)
    with pytest.raises(TransactionConflict):
        overtaken(databases[0], by=other.step)
    assert one.step() is False
    assert [event.sequence for event in events_after(databases[0], 0, limit=9)] == [1, 2]


def overtaken(database: Vast, *, by: Callable[[], object]) -> None:
    """Give sequences in a transaction that another overtakes."""
    with database.transaction() as transaction:
        assert transaction.read(lock_queries.events).num_rows == 1
        by()
        transaction.update(schema.WRITE_LOCKS, schema.WRITE_LOCKS.rows([{"slot": lock_queries.EVENTS, "number": 2}]))


def test_a_store_from_before_gets_the_row_that_counts_events(databases):
    one, other = databases
    with one.transaction() as transaction:
        transaction.delete(schema.WRITE_LOCKS, schema.WRITE_LOCKS.keys([{"slot": lock_queries.EVENTS}]))
        transaction.delete(schema.SCHEMA_VERSIONS, schema.SCHEMA_VERSIONS.keys([{"version": schema.VERSION}]))
        insert(transaction, schema.SCHEMA_VERSIONS, {"version": 3, "applied_ns": 1})
    other.create_tables()
    assert last_sequence(other) is None
    Commands(other).put_flow(flow(id="f"))
    assert Sequencer(other, sequenced=lambda: None).step() is False
    assert last_sequence(other) == 2
