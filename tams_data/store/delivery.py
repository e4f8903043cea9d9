"""Events sent to webhooks: each at least once, in the order of the outbox.

Each webhook has a position in the outbox, and is sent what comes after it by one thread at a time, of whatever process.
The position is written once a batch was sent; a crash in between sends that batch again. What cannot be sent is tried
again, later each time, and holds up nobody but its own webhook: webhooks that fail or are slow share half of the
threads, however many they are, and the other half is for those that are not, or not known to be. A webhook that goes
on failing ends in the status error, and stays where it is until it is enabled again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from functools import partial
from time import monotonic, time_ns
from typing import Any
from uuid import uuid4

import httpx
import orjson

from tams_data import __version__, schema
from tams_data.access import Caller, Scope
from tams_data.destinations import Destinations, GuardedTransport
from tams_data.engines.base import Database, Reader, Transaction
from tams_data.errors import DestinationRefused, StoreUnavailable
from tams_data.formatting import count_of
from tams_data.media import MediaStore
from tams_data.media.urls import ObjectUrls
from tams_data.queries import events as event_queries
from tams_data.queries import webhooks as queries
from tams_data.resources import clock
from tams_data.seen import SeenReader
from tams_data.store import jobs
from tams_data.store.events import body_of
from tams_data.store.outbox import events_after, last_sequence
from tams_data.store.selection import Selection
from tams_data.store.writer import Writer, each
from tams_data.timerange import NS_PER_SECOND

log = logging.getLogger(__name__)

THREADS = 32
"""How many webhooks are sent to at once. Of those that fail or are slow, half as many."""

BATCH = 100
"""Most events that are looked at before the position is written."""

TURN_S = 1.0
"""After so long the position is written, too, in seconds: what was sent since is sent again after a crash."""

ANSWER_S = 10.0
"""How long a receiver may take for one event, in seconds."""

LOOK_S = 1.0
"""How often it is looked for events of other processes and for what is to be tried again, in seconds."""

LONGEST_S = 600
"""The longest wait before another attempt, in seconds, whatever the receiver asks for."""

_TERM_NS = 60 * NS_PER_SECOND
"""For how long a process has a webhook to itself: several times as long as a turn may take."""

_SLOW_S = 1.0
"""A receiver that takes longer for an event is slow."""

_AT_LEAST_S = 0.05
"""So long it is waited for more events before they are sent: in a storm of commits, not each is looked after."""

_ANSWER_BYTES = 64 * 1024
"""So much of an answer is read, which lets the connection be used again."""

_ENABLED = ("created", "started")


def retry_s(attempts: int) -> int:
    """How long to wait after so many failed attempts, in seconds: 1, 2, 4 … ten minutes.

    >>> [retry_s(attempts) for attempts in (1, 2, 10, 16)]
    [1, 2, 512, 600]
    """
    return int(min(2 ** (attempts - 1), LONGEST_S))


@dataclass(frozen=True)
class Failure:
    """Why an event was not taken, and for how many seconds the receiver wants to be left alone."""

    reason: str
    wait_s: int = 0

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Turn:
    """What came of sending to a webhook: how far it got, and why no further."""

    webhook_id: str
    position: int
    sent: int
    failure: Failure | None
    now_ns: int


class Deliverer:
    """Sends events to the webhooks that want them."""

    def __init__(
        self,
        database: Database,
        media: Mapping[str, MediaStore],
        writer: Writer,
        *,
        destinations: Destinations,
        base_url: str,
        most_attempts: int,
        clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """`base_url` is the service's own, in the URLs of objects that it keeps itself."""
        self._database, self._media, self._writer = database, media, writer
        self._destinations, self._base_url, self._clock_ns = destinations, base_url, clock_ns
        self._hold, self._note = each(self._held), each(partial(self._noted, most_attempts=most_attempts))
        self._holder = uuid4().hex
        self._pool = ThreadPoolExecutor(THREADS, "tams-delivering")
        self._in_flight: dict[str, Future[None]] = {}
        self._begun: dict[str, float] = {}  # when each webhook had its last turn
        self._troubled: set[str] = set()
        self._changed, self._closing = threading.Event(), threading.Event()
        self.has_receivers = True

    def wait_s(self, failures: int) -> float:
        """How long to wait when there is nothing to do, or after so many failures, in seconds."""
        return LOOK_S if self.has_receivers and not failures else jobs.wait_s(failures)

    def wake(self) -> None:
        """Say that there is something to do."""
        self._changed.set()

    def step(self) -> bool:
        """Begin to send to every webhook whose turn it is, and wait for one to end; whether any is under way."""
        if self.has_receivers:
            self._closing.wait(_AT_LEAST_S)
        self._changed.clear()
        for row in self._due():
            self._begin(row["id"])
        if self._in_flight:
            self._changed.wait(LOOK_S)
        return bool(self._in_flight) and not self._closing.is_set()

    def close(self, *, within_s: float = 2.0) -> None:
        """Send no more; returns when what is under way has ended, or after a time: it is sent again then."""
        self._closing.set()
        self._changed.set()
        wait(list(self._in_flight.values()), timeout=within_s)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _due(self) -> list[dict[str, Any]]:
        """The webhooks to be sent to now, as many as there are threads for."""
        rows = self._database.rows(queries.enabled)
        self.has_receivers = bool(rows)
        if not rows or self._closing.is_set():
            return []
        last, now_ns = last_sequence(self._database) or 0, self._clock_ns()
        due = [row for row in rows if row["id"] not in self._in_flight and _is_due(row, last, now_ns)]
        if not self._database.sole_writer:
            due = [row for row in due if row["holder"] in (None, self._holder) or row["held_until_ns"] < now_ns]
        self._troubled.update(row["id"] for row in due if row["attempts"])
        return self._admitted(sorted(due, key=lambda row: self._begun.get(row["id"], 0.0)))

    def _admitted(self, due: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the webhooks that there are threads for, the ones first that come first."""
        under_way, now = list(self._in_flight), monotonic()
        slow = [one for one in under_way if one in self._troubled or now - self._begun[one] > _SLOW_S]
        free, free_for_slow = THREADS - len(under_way), THREADS // 2 - len(slow)
        quick = [row for row in due if row["id"] not in self._troubled]
        troubled = [row for row in due if row["id"] in self._troubled]
        return (quick + troubled[: max(free_for_slow, 0)])[: max(free, 0)]

    def _begin(self, webhook_id: str) -> None:
        self._begun[webhook_id] = monotonic()
        turn = self._pool.submit(self._turn, webhook_id)
        self._in_flight[webhook_id] = turn
        turn.add_done_callback(partial(self._ended, webhook_id))

    def _ended(self, webhook_id: str, turn: Future[None]) -> None:
        error = None if turn.cancelled() else turn.exception()
        if error is not None and not self._closing.is_set():
            log.error("sending events to webhook %s broke off", webhook_id, exc_info=error)
            self._closing.wait(LOOK_S)  # this thread waits, so that it is not begun anew at once
        self._in_flight.pop(webhook_id, None)
        self._changed.set()

    def _turn(self, webhook_id: str) -> None:
        """Send a webhook what comes next."""
        # The sole writer has nobody to keep away.
        row = _enabled(self._database, webhook_id)
        if row is not None and not self._database.sole_writer:
            row = self._writer.submit(self._hold, webhook_id)
        if row is None:
            return
        began = monotonic()
        turn = self._sent(row, began + TURN_S)
        if turn.failure is not None:
            log.warning("event after %s is not sent to webhook %s: %s", turn.position, webhook_id, turn.failure)
        is_slow = turn.failure is not None or monotonic() - began > _SLOW_S * max(turn.sent, 1)
        (self._troubled.add if is_slow else self._troubled.discard)(webhook_id)
        self._writer.submit(self._note, turn)

    def _sent(self, row: Mapping[str, Any], until: float) -> Turn:
        position, sent, failure = row["position"] or 0, 0, None
        receiver = _receiver(row)
        reader: Reader = self._database if receiver is None else SeenReader(self._database, receiver)
        readable = None if receiver is None else frozenset(receiver.terms(Scope.READ))
        selection = Selection.of(orjson.loads(row["selection"]), readable)
        urls = ObjectUrls(self._media, selection.urls, base_url=self._base_url)
        with httpx.Client(
            transport=GuardedTransport(self._destinations, seconds=ANSWER_S), timeout=ANSWER_S, headers=_headers(row)
        ) as http:
            for event in events_after(self._database, position, limit=BATCH):
                if selection.wants(event):
                    body = partial(
                        body_of,
                        reader,
                        event,
                        get_urls=urls.get_urls,
                        with_object_timerange=selection.include_object_timerange,
                    )
                    failure = self._send(http, row["url"], event.sequence, body)
                    if failure is not None:
                        break
                    sent += 1
                position = event.sequence
                if monotonic() > until or self._closing.is_set():
                    break
        return Turn(row["id"], position, sent, failure, self._clock_ns())

    def _send(self, http: httpx.Client, url: str, sequence: int, body: Callable[[], bytes]) -> Failure | None:
        """Send an event; None, or why the receiver has not taken it."""
        try:
            content = body()
        except StoreUnavailable:
            raise  # which says nothing of this event
        except Exception as error:  # noted with the webhook, which would try for ever otherwise
            log.error("event %s cannot be told", sequence, exc_info=error)
            return Failure(f"event {sequence} cannot be told: {type(error).__name__}")
        try:
            with http.stream("POST", url, content=content) as response:
                _read_some(response)
        except (httpx.LocalProtocolError, UnicodeError):  # UnicodeError: a host that IDNA 2008 has no name for
            return Failure("its URL or its key cannot be sent")  # the error itself says the key
        except (httpx.HTTPError, httpx.InvalidURL, DestinationRefused) as error:
            return Failure(str(error) or type(error).__name__)
        except Exception as error:  # as above
            log.error("event %s cannot be sent", sequence, exc_info=error)
            return Failure(f"event {sequence} cannot be sent: {type(error).__name__}")
        # A receiver that has moved is to be told so by its owner: redirects are not followed.
        if response.is_success:
            return None
        wait_s = _wanted_wait_s(response.headers.get("Retry-After", ""), self._clock_ns())
        return Failure(f"the receiver answered {response.status_code}", wait_s)

    def _held(self, transaction: Transaction, webhook_id: str) -> dict[str, Any] | None:
        """A webhook that this process may send to from now on; None when another does, or nobody is to."""
        row, now_ns = _enabled(transaction, webhook_id), self._clock_ns()
        if row is None:
            return None
        if row["holder"] not in (None, self._holder) and row["held_until_ns"] >= now_ns:
            return None
        _change(transaction, {"id": webhook_id, "holder": self._holder, "held_until_ns": now_ns + _TERM_NS})
        return row

    def _noted(self, transaction: Transaction, turn: Turn, *, most_attempts: int) -> None:
        """Write how far a webhook got, unless it is gone or another process has it by now."""
        rows = transaction.rows(queries.by_id, {"webhook_id": turn.webhook_id})
        if not rows:
            return
        row = rows[0]
        if not self._database.sole_writer and row["holder"] != self._holder:
            log.warning("another process sends to webhook %s by now", turn.webhook_id)
            return
        changed = {"id": turn.webhook_id, "position": turn.position, "holder": None, "held_until_ns": None}
        if row["status"] in _ENABLED:  # otherwise it was disabled meanwhile, and stays so
            changed |= _outcome(row, turn, most_attempts)
        _change(transaction, changed)


def _read_some(response: httpx.Response) -> None:
    """Read an answer, if it is short, so that the connection can be used again. What it says is in its status."""
    size = 0
    with suppress(httpx.TransportError):
        for chunk in response.iter_raw():
            size += len(chunk)
            if size > _ANSWER_BYTES:
                return


def _wanted_wait_s(retry_after: str, now_ns: int) -> int:
    """What a receiver's `Retry-After` asks for (RFC 9110, 10.2.3), in seconds; 0 when it is neither of its forms.

    >>> _wanted_wait_s("30", 0), _wanted_wait_s("Thu, 01 Jan 1970 00:01:00 GMT", 0), _wanted_wait_s("soon", 0)
    (30, 60, 0)
    """
    if retry_after.isdecimal() and retry_after.isascii():
        return min(int(retry_after[:9]), LONGEST_S)
    try:
        until = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):  # OverflowError: of a number that no date has
        return 0
    if until.tzinfo is None:  # the form of asctime, which is UTC as well
        until = until.replace(tzinfo=timezone.utc)
    return min(max(int(until.timestamp()) - now_ns // NS_PER_SECOND, 0), LONGEST_S)


def _enabled(reader: Reader, webhook_id: str) -> dict[str, Any] | None:
    """A webhook that is to be sent events, or None."""
    rows = reader.rows(queries.by_id, {"webhook_id": webhook_id})
    return rows[0] if rows and rows[0]["status"] in _ENABLED else None


def _receiver(row: Mapping[str, Any]) -> Caller | None:
    """Whoever is in the groups that a webhook is of, and reads; None when nothing is hidden from it.

    Application note 0016: permissions are evaluated against each event.
    """
    if row["groups"] is None:
        return None
    return Caller(scopes=frozenset({Scope.READ}), groups=frozenset(orjson.loads(row["groups"])))


def _is_due(row: Mapping[str, Any], last: int, now_ns: int) -> bool:
    return (row["position"] or 0) < last and (row["next_ns"] or 0) <= now_ns


def _headers(row: Mapping[str, Any]) -> dict[str, str]:
    """The headers of what is sent to a webhook; its key only when it has both a name and a value."""
    headers = {"User-Agent": f"tams-data/{__version__}"}
    if row["api_key_name"] is not None and row["api_key_value"] is not None:
        headers[row["api_key_name"]] = row["api_key_value"]
    headers["Content-Type"] = "application/json"
    return headers


def _outcome(row: Mapping[str, Any], turn: Turn, most_attempts: int) -> dict[str, Any]:
    """The columns of a webhook that a turn changes beside its position."""
    if turn.failure is None:
        return {"status": "started", "attempts": None, "next_ns": None}
    attempts = 1 if turn.sent else (row["attempts"] or 0) + 1
    if attempts < most_attempts:
        wait_s = max(retry_s(attempts), turn.failure.wait_s)
        return {"attempts": attempts, "next_ns": turn.now_ns + wait_s * NS_PER_SECOND}
    summary = f"an event was not taken in {count_of(attempts, 'attempt')}: {turn.failure}"
    log.error("webhook %s has failed, and is sent no more: %s", turn.webhook_id, summary)
    error = {"type": "DeliveryFailed", "summary": summary, "time": clock(turn.now_ns)}
    return {"status": "error", "error": orjson.dumps(error).decode(), "attempts": None, "next_ns": None}


def _change(transaction: Transaction, row: Mapping[str, Any]) -> None:
    transaction.update(schema.WEBHOOKS, schema.WEBHOOKS.part(tuple(row), [row]))


# --- what is old -----------------------------------------------------------------------------------------------------

PRUNED_AT_ONCE = 5000
"""Most events that are removed in one transaction."""


class Pruner:
    """Removes events that are old, and that every enabled webhook has had."""

    def __init__(
        self, database: Database, writer: Writer, *, kept_s: int, clock_ns: Callable[[], int] = time_ns
    ) -> None:
        """`kept_s` is how long events are kept, in seconds."""
        self._database, self._writer, self._kept_ns = database, writer, kept_s * NS_PER_SECOND
        self._clock_ns, self._remove = clock_ns, each(self._removed)

    def step(self) -> bool:
        """Remove some events; whether there may be more. The last one always stays: sequences go on from it."""
        last = last_sequence(self._database)
        if last is None:
            return False
        return self._writer.submit(self._remove, last - 1) == PRUNED_AT_ONCE

    def _removed(self, transaction: Transaction, until: int) -> int:
        enabled = transaction.read(queries.enabled)["position"].to_pylist()
        until = min([until, *(position or 0 for position in enabled)])
        values = {"before_ns": self._clock_ns() - self._kept_ns, "until": until}
        old = transaction.read(event_queries.expired, values, limit=PRUNED_AT_ONCE)
        transaction.delete(schema.EVENTS, old)
        return int(old.num_rows)
