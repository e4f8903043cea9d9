"""A store with something in every table, by its own commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tams_data import schema
from tams_data.engines.base import Database
from tams_data.store import outbox
from tams_data.timerange import TimeRange
from tests.conftest import ENGINES
from tests.tams_data.builders import (
    AUDIO,
    BACKEND,
    MULTI,
    NOW_NS,
    Commands,
    event_row,
    everything,
    flow,
    fragmented_flow,
    insert,
    segment,
)
from tests.tams_data.builders import uncontrolled as elsewhere

A, B, C, M, GONE = "flow-a", "flow-b", "flow-c", "flow-m", "flow-gone"


def fill(database: Database) -> None:
    """Flows a of two objects, b of one of them and one elsewhere, c with initialisation, m that collects; one is gone.

    Object keys ascend from the first: o1, o2, spare, init, o3, left.
    """
    commands = Commands(database)
    profile = {"id": "profile", "flow_metadata": {"format": AUDIO, "codec": "audio/aac", "container": "video/mp2t"}}
    commands.create_profile({"label": "P", "tags": {"of": "tests"}, **profile})
    essence = {"frame_width": 1920, "frame_height": 1080}
    of_a = {"status": "ingesting", "tags": {"genre": ["news"], "site": "x"}, "essence_parameters": essence}
    commands.put_flow(flow(id=A, source_id="source-a", label="A", **of_a))
    commands.put_flow(flow(id=B, source_id="source-b", format=AUDIO, codec="audio/aac", profile_id="profile"))
    commands.put_flow(fragmented_flow(id=C, source_id="source-c"))
    members = [{"id": B, "role": "audio"}, {"id": A}]
    commands.put_flow({"id": M, "source_id": "source-m", "format": MULTI, "flow_collection": members})
    commands.create_source({"id": "source-alone", "format": AUDIO, "tags": {"is": "alone"}})
    commands.allocate(A, "o1", "o2", "spare")
    commands.allocate(C, "init", "o3")
    commands.record_upload("o1", 1000)
    commands.put_flow(flow(id=GONE, source_id="source-gone"))
    commands.allocate(GONE, "left")
    added = [
        *commands.add(A, segment("o1", 0, 10), segment("o2", 10, 20), segment("o1", 30, 35, ts_offset_ns=30)),
        *commands.add(B, segment("o1", 0, 10), elsewhere("o4", 10, 20)),
        *commands.add(C, segment("o3", 0, 10, init_object_id="init")),
        *commands.add(GONE, segment("left", -5, 5)),
    ]
    assert added == [None] * 7
    commands.delete(A, TimeRange(10, 20))
    commands.delete_flow(GONE)
    commands.create_object("waiting", A, timerange=TimeRange(0, 9))
    commands.describe_service(name="kept")
    commands.create_webhook(url="https://a.example", events=["flows/created"], api_key_name="k", api_key_value="secret")
    put_beside(database)


def put_beside(database: Database) -> None:
    """What only jobs write."""
    of_request = {"flow_id": A, "start_ns": 0, "end_ns": 9, "delete_flow": False, "created_ns": 1, "updated_ns": 1}
    rest = {"remaining_start_ns": 3, "remaining_end_ns": 9}
    with database.transaction() as transaction:
        requests = ({**of_request, **rest, "id": "waiting", "status": "started"}, {**of_request, "id": "ended"})
        insert(transaction, schema.DELETION_REQUESTS, *({"status": "done", "expiry_ns": NOW_NS, **r} for r in requests))
        copy = {"object_key": 1, "storage_id": "other", "attempts": 0, "next_ns": 1, "created_ns": 1}
        insert(transaction, schema.OBJECT_COPIES, copy)
        insert(transaction, schema.OBJECT_ACCESSES, {"object_key": 1, "media_gets": 2, "urls_given": 3, "last_ns": 4})
        if database.sole_writer:
            first = 1 + outbox.highest(transaction)
            insert(transaction, schema.EVENTS, *(event_row(one) for one in (first, first + 1)))
        insert(transaction, schema.DISCARDED_BYTES, {"object_id": "gone", "storage_id": BACKEND, "created_ns": 1})


@pytest.fixture(scope="module", params=ENGINES)
def shared(request: pytest.FixtureRequest) -> Iterator[Database]:
    """That store, on each engine, for all tests of a module."""
    database = ENGINES[request.param]()
    database.create_tables()
    fill(database)
    yield database
    database.close()


@pytest.fixture
def filled(shared: Database) -> Iterator[Database]:
    """That store, which is as it was after each test."""
    before = everything(shared)
    yield shared
    now = everything(shared)
    with shared.transaction() as transaction:
        for name, table in schema.TABLES.items():
            if now[name] != before[name]:
                transaction.delete(table, table.keys(now[name]))
                insert(transaction, table, *before[name])
