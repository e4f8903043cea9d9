"""What waits for the jobs of events is told with its age, and how far they are behind, on either engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tams_data import schema
from tams_data.destinations import PUBLIC
from tams_data.engines.duckdb import DuckDB
from tams_data.store.queues import Ages, event_lags_ns, queues, webhooks_by_status
from tams_data.store.store import Store
from tams_data.timerange import NS_PER_SECOND
from tests import vast_engine
from tests.tams_data.builders import event_row, flow, insert

DAY_NS = 24 * 3600 * NS_PER_SECOND
NOW_NS = 100 * DAY_NS
AGES = Ages(garbage_ns=None, events_ns=7 * DAY_NS)
WEBHOOK = {"url": "https://receiver.example", "events": ["flows/created"]}


@pytest.fixture
def store(database) -> Iterator[Store]:
    opened = Store(database, {}, destinations=PUBLIC)
    yield opened
    opened.close()


def of(store: Store, job: str) -> dict[str, Any]:
    """What waits for a job."""
    (found,) = (row for row in queues(store.database, AGES, now_ns=NOW_NS) if row["job"] == job)
    return found


def written(store: Store, *created_ns: int) -> None:
    """Events that were written, and given their sequences from 1 on, at these times."""
    rows = [event_row(sequence, created_ns=one) for sequence, one in enumerate(created_ns, 1)]
    with store.database.transaction() as transaction:
        insert(transaction, schema.EVENTS, *rows)
        if not store.database.sole_writer:
            last = {"slot": 4097, "number": len(rows)}
            transaction.update(schema.WRITE_LOCKS, schema.WRITE_LOCKS.rows([last]))


def hook(store: Store, **columns: Any) -> str:
    """A webhook with these columns; its id."""
    row = {"id": store.create_webhook(WEBHOOK), **columns}
    with store.database.transaction() as transaction:
        transaction.update(schema.WEBHOOKS, schema.WEBHOOKS.part(tuple(row), [row]))
    return str(row["id"])


def test_nothing_waits_in_an_empty_store(store):
    found = queues(store.database, AGES, now_ns=NOW_NS)
    assert [row["job"] for row in found] == sorted(row["job"] for row in found)
    assert {row["waiting"] for row in found} == {0}
    assert {row["oldest_ns"] for row in found} == {None}
    assert set(event_lags_ns(store.database).values()) == {0}


def test_webhooks_wait_for_deliveries_from_the_first_event_that_one_has_not_had(store):
    hook(store, position=4)
    hook(store, position=2)
    failing = hook(store, position=1, attempts=3)
    hook(store, position=None, status="disabled")
    hook(store, position=1, status="error")
    written(store, *(NOW_NS + number for number in (10, 20, 30, 40)))
    error = f"webhook {failing}: 3 attempts failed; the log says why"
    expected = {"job": "delivering", "waiting": 2, "failing": 1, "oldest_ns": NOW_NS + 20, "error": error}
    assert of(store, "delivering") == expected
    assert event_lags_ns(store.database)["delivering"] == 30, "from the first, which one has had, to the fourth"
    assert webhooks_by_status(store.database) == {"created": 3, "started": 0, "disabled": 1, "error": 1}


def test_of_webhooks_that_fail_the_one_is_told_that_has_failed_most_often(store):
    hook(store, position=1, attempts=2)
    worst = hook(store, position=1, attempts=10)
    hook(store, position=3, attempts=None)
    written(store, NOW_NS, NOW_NS, NOW_NS, NOW_NS)
    row = of(store, "delivering")
    assert (row["waiting"], row["failing"]) == (3, 2)
    assert row["error"] == f"webhook {worst}: 10 attempts failed; the log says why"


def test_a_webhook_that_had_events_which_are_removed_since_lags_behind_from_the_first_that_is_left(store):
    hook(store, position=None)
    written(store, NOW_NS, NOW_NS + 70)
    with store.database.transaction() as transaction:
        transaction.delete(schema.EVENTS, schema.EVENTS.keys([{"sequence": 1}]))
    hook(store, position=2)
    assert (of(store, "delivering")["waiting"], of(store, "delivering")["oldest_ns"]) == (1, NOW_NS + 70)
    assert event_lags_ns(store.database)["delivering"] == 0


def test_events_wait_to_be_removed_from_the_day_they_may_be(store):
    hook(store, position=2)
    old_ns = NOW_NS - 8 * DAY_NS
    written(store, old_ns, old_ns + 1, old_ns + 2, NOW_NS)
    found = of(store, "pruning")
    assert (found["waiting"], found["oldest_ns"]) == (2, old_ns + 7 * DAY_NS), "the third is still to be sent"


def test_the_last_event_is_never_one_to_be_removed(store):
    written(store, NOW_NS - 9 * DAY_NS, NOW_NS - 8 * DAY_NS)
    assert of(store, "pruning")["waiting"] == 1


def test_a_sole_writer_has_no_events_that_wait_for_their_sequence():
    with closing(Store(DuckDB(None), {})) as store:
        assert "sequencing" not in {row["job"] for row in queues(store.database, AGES, now_ns=NOW_NS)}
        assert event_lags_ns(store.database).keys() == {"delivering"}


@pytest.fixture
def of_several() -> Iterator[Store]:
    """A store that several processes may write to."""
    opened = Store(vast_engine.database(), {}, destinations=PUBLIC)
    yield opened
    opened.close()


def test_events_of_several_writers_wait_for_their_sequence(of_several):
    store = of_several
    hook(store)
    store.put_flow(flow(id="f"))
    assert of(store, "sequencing")["waiting"] == 2, "the source and the flow"
    assert event_lags_ns(store.database)["sequencing"] >= 0
    store._sequencing.run()
    assert of(store, "sequencing")["waiting"] == 0
    assert event_lags_ns(store.database)["sequencing"] == 0
    store.change_flow("f", {"label": "x"}, {})
    found = of(store, "sequencing")
    assert found["waiting"] == 1
    assert found["oldest_ns"] > NOW_NS
    assert event_lags_ns(store.database)["sequencing"] > 0
