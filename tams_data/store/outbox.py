"""The outbox: events written in the transaction of what they tell, and the one order in which they are read.

Whoever reads keeps the sequence of the last event it has had, and asks for those after it. So no event may become
visible after one with a higher sequence:

- The sole writer of a store gives out sequences in ascending order, and commits one transaction after the other.
- Of several writers, each commits when it is done, and none may wait for the others. Their events go to `new_events`,
  and `Sequencer` moves what is committed from there to `events`, in one transaction that conflicts with every other of
  its kind. They are moved in the order of `number`, which is the time, but always above what the transaction that
  writes the event finds there: two transactions on one flow conflict, so the later one has seen the earlier one's
  events, or they have their sequence already. That keeps the order of a flow whatever the machines' clocks say.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

import orjson
import pyarrow as pa

from tams_data import schema
from tams_data.engines.base import Database, Query, Reader, Transaction
from tams_data.engines.binding import Value
from tams_data.engines.retrying import retried
from tams_data.queries import events as queries
from tams_data.queries import flows as flow_queries
from tams_data.queries import locks as lock_queries
from tams_data.queries import new_events as new_queries
from tams_data.queries import sources as source_queries

SEQUENCED_AT_ONCE = 1000
"""Most events that are given their sequence in one transaction."""

_MOST_NEW = 10**6
"""More than there ever are without a sequence."""

_REMEMBERED = 10_000
"""Of so many flows it is remembered what collects them."""


class Collected(NamedTuple):
    """The flows that collect a flow, and the sources that collect its source."""

    flow: tuple[str, ...] = ()
    source: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """Something that happened; `detail` and `tag_terms` are columns of `events`, the first one JSON text.

    What collects its flow and its source is looked up where `collected` is None: before it is deleted, say it.
    """

    event_type: str
    flow_id: str | None = None
    source_id: str
    detail: str
    created_ns: int
    tag_terms: tuple[int, ...] = ()
    collected: Collected | None = None


class Announcing(Transaction, Protocol):
    """A transaction that can be told what it does."""

    def announce(self, *events: NewEvent) -> None:
        """Have these events written with the transaction, after those announced before."""
        ...


class Outbox:
    """Writes the events of one writer's transactions."""

    def __init__(self, database: Database) -> None:
        self._writer = uuid4().hex
        self._sole = database.sole_writer
        self._last: int | None = None
        self._known: dict[About, Collected] = {}

    def begin(self, transaction: Transaction) -> Announcer:
        """The transaction, for commands to announce events in. `write` has to be called before it is committed."""
        return Announcer(transaction, self)

    def forget(self) -> None:
        """A transaction was not committed: what was read in it may not be so."""
        self._known.clear()

    def collected(self, reader: Reader, events: Sequence[NewEvent]) -> list[Collected]:
        """What collects the flow and the source of each event.

        It changes only with an event of a flow, and only by the sole writer: segments come by the thousand, and it is
        not looked up for each.
        """
        if not self._sole or any(not event.event_type.startswith("flows/segments") for event in events):
            self._known.clear()
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        about = [About(event.flow_id, event.source_id) for event in events]
        unknown = [one for one, event in zip(about, events, strict=True) if event.collected is None]
        unknown = [one for one in dict.fromkeys(unknown) if one not in self._known]
        self._known.update(zip(unknown, collected(reader, unknown), strict=True))
        return [event.collected or self._known[one] for one, event in zip(about, events, strict=True)]

    def write(self, transaction: Transaction, events: Sequence[tuple[NewEvent, Collected]]) -> None:
        """Write the events of a transaction."""
        if not events:
            return
        table, numbers = (schema.EVENTS, "sequence") if self._sole else (schema.NEW_EVENTS, "number")
        first = 1 + self._latest(transaction)
        last = self._last = first + len(events) - 1
        transaction.insert(
            table,
            table.columns_of(
                len(events),
                **{numbers: list(range(first, last + 1))},
                **({} if self._sole else {"writer": self._writer}),
                created_ns=[event.created_ns for event, _ in events],
                event_type=[event.event_type for event, _ in events],
                flow_id=[event.flow_id for event, _ in events],
                source_id=[event.source_id for event, _ in events],
                flow_collected_by=[_ids(by.flow) for _, by in events],
                source_collected_by=[_ids(by.source) for _, by in events],
                tag_terms=[event.tag_terms for event, _ in events],
                detail=[event.detail for event, _ in events],
            ),
        )

    def _latest(self, transaction: Transaction) -> int:
        """A number that is not below those of all events that this transaction may have to come after."""
        if self._sole:
            return (last_sequence(transaction) or 0) if self._last is None else self._last
        (row,) = transaction.rows(new_queries.last_number)
        return max(time_ns(), self._last or 0, row["number"] or 0)


class Announcer:
    """A transaction with the events that were announced in it."""

    def __init__(self, transaction: Transaction, outbox: Outbox) -> None:
        self._transaction, self._outbox = transaction, outbox
        self._events: list[tuple[NewEvent, Collected]] = []
        self.sorts = transaction.sorts

    def announce(self, *events: NewEvent) -> None:
        """Have these events written with the transaction, after those announced before."""
        self._events += zip(events, self._outbox.collected(self._transaction, events), strict=True)

    def write(self) -> bool:
        """Write what was announced; whether there was anything."""
        self._outbox.write(self._transaction, self._events)
        return bool(self._events)

    def read(self, query: Query, values: Mapping[str, Value] | None = None, /, **options: Hashable) -> pa.Table:
        return self._transaction.read(query, values, **options)

    def rows(
        self, query: Query, values: Mapping[str, Value] | None = None, /, **options: Hashable
    ) -> list[dict[str, Any]]:
        return self._transaction.rows(query, values, **options)

    def insert(self, table: schema.Table, rows: pa.Table) -> None:
        self._transaction.insert(table, rows)

    def update(self, table: schema.Table, rows: pa.Table) -> None:
        self._transaction.update(table, rows)

    def delete(self, table: schema.Table, keys: pa.Table) -> None:
        self._transaction.delete(table, keys)

    def lock(self, *names: str) -> None:
        self._transaction.lock(*names)


class About(NamedTuple):
    """A flow and its source, or a source alone."""

    flow_id: str | None
    source_id: str


def collected(reader: Reader, about: Sequence[About]) -> list[Collected]:
    """What collects the flow and the source of each."""
    if not about:
        return []
    flow_ids = sorted({one.flow_id for one in about if one.flow_id is not None})
    by_flow: Mapping[str, tuple[str, ...]] = {}
    if flow_ids:
        rows = reader.rows(flow_queries.collecting, {"ids": flow_ids})
        by_flow = _grouped((row["member_id"], row["flow_id"]) for row in rows)
    rows = reader.rows(source_queries.collecting, {"ids": sorted({one.source_id for one in about})})
    by_source = _grouped((row["member_id"], row["source_id"]) for row in rows)
    return [Collected(by_flow.get(one.flow_id or "", ()), by_source.get(one.source_id, ())) for one in about]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for member, by in pairs:
        if by not in groups.get(member, ()):
            groups[member] = (*groups.get(member, ()), by)
    return groups


def _ids(ids: Sequence[str]) -> str | None:
    return orjson.dumps(ids).decode() if ids else None


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """An event as it is read; `detail` is JSON text."""

    sequence: int
    created_ns: int
    event_type: str
    flow_id: str | None
    source_id: str
    collected: Collected
    tag_terms: frozenset[int]
    detail: str


def last_sequence(reader: Reader) -> int | None:
    """The highest sequence in the outbox; None when there is none."""
    if not reader.sorts:  # an engine that cannot sort would have to send them all
        (row,) = reader.rows(lock_queries.events)
        return row["number"] or None
    last: int | None = reader.read(queries.last)["sequence"][0].as_py()
    return last


def reserve_known(database: Database, transaction: Transaction) -> None:
    """See that no sequence in the store is given again, after rows came into it past its commands."""
    if database.sole_writer:
        return  # it looks for the highest
    (row,) = transaction.rows(lock_queries.events)
    last = highest(transaction)
    if row["number"] < last:
        transaction.update(schema.WRITE_LOCKS, schema.WRITE_LOCKS.rows([{**row, "number": last}]))


def highest(reader: Reader) -> int:
    """The highest sequence of an event that is there, 0 when there is none."""
    return int(reader.read(queries.last)["sequence"][0].as_py() or 0)


def events_after(reader: Reader, sequence: int, *, limit: int) -> list[Event]:
    """Up to `limit` events after a sequence, in order; none only when there are none."""
    if reader.sorts:
        rows = reader.rows(queries.page, {"after": sequence}, limit=limit)
    else:
        rows = _between(reader, sequence, limit)
    return [_event(row) for row in rows]


def _between(reader: Reader, sequence: int, limit: int) -> list[dict[str, Any]]:
    """The sequences that a `Sequencer` gives have no gaps, but for what has been removed since."""
    while True:
        window = {"after": sequence, "until": sequence + limit}
        rows = reader.rows(queries.between, window)
        if rows or sequence + limit >= (last_sequence(reader) or 0):
            return rows
        found = reader.read(queries.next_after, {"after": sequence})["sequence"][0].as_py()
        if found is None:
            return []
        sequence = found - 1


def _event(row: Mapping[str, Any]) -> Event:
    by = (tuple(orjson.loads(row[name] or "[]")) for name in ("flow_collected_by", "source_collected_by"))
    return Event(
        row["sequence"],
        row["created_ns"],
        row["event_type"],
        row["flow_id"],
        row["source_id"],
        Collected(*by),
        frozenset(row["tag_terms"]),
        row["detail"],
    )


def sequenced(reader: Reader) -> pa.Table:
    """The events that have yet to be given a sequence, as rows of `events` with what they would be given next."""
    new = reader.read(new_queries.first, limit=_MOST_NEW)
    (row,) = reader.rows(lock_queries.events)
    return _sequenced(new, row["number"])


def _sequenced(new: pa.Table, last: int) -> pa.Table:
    sequences = pa.array(range(last + 1, last + 1 + new.num_rows), pa.int64())
    told = new.drop_columns(list(schema.NEW_EVENTS.key)).append_column("sequence", sequences)
    return told.select(list(schema.EVENTS.names)).cast(schema.EVENTS.arrow)


class Sequencer:
    """Gives the events of several writers their sequence; several may be at work."""

    def __init__(self, database: Database, *, sequenced: Callable[[], object]) -> None:
        """`sequenced` is called when there are new events to read."""
        self._database, self._sequenced = database, sequenced

    def step(self) -> bool:
        """Give a sequence to events that have none; whether there may be more.

        :raise TransactionConflict: others did so again and again.
        """
        if self._database.sole_writer or not self._database.read(new_queries.first, limit=1).num_rows:
            return False
        count = retried(self._move)
        self._sequenced()
        return count == SEQUENCED_AT_ONCE

    def _move(self) -> int:
        with self._database.transaction() as transaction:
            return _move(transaction, SEQUENCED_AT_ONCE)


def settle(transaction: Transaction) -> int | None:
    """Give every event that a transaction sees its sequence; the last one, None when there is none.

    What is committed after the transaction has a higher one: events without a sequence are in no order yet, so what
    has happened until now could not be told from what happens from now on.
    """
    last = last_sequence(transaction)
    if transaction.sorts:  # the sole writer gives sequences at once
        return last
    return (last or 0) + _move(transaction, _MOST_NEW)


def _move(transaction: Transaction, most: int) -> int:
    """Give a sequence to so many events that have none; how many there were."""
    new = transaction.read(new_queries.first, limit=most)
    if not new.num_rows:
        return 0
    (row,) = transaction.rows(lock_queries.events)
    last = row["number"] + new.num_rows
    # To have written this row is what keeps two from doing it at once.
    transaction.update(schema.WRITE_LOCKS, schema.WRITE_LOCKS.rows([{**row, "number": last}]))
    transaction.insert(schema.EVENTS, _sequenced(new, row["number"]))
    transaction.delete(schema.NEW_EVENTS, new.select(list(schema.NEW_EVENTS.key)))
    return int(new.num_rows)
