"""Events as they come: Server-Sent Events of a service, read where they stood when a connection is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tams_data.client.connection import Connection
from tams_data.client.shapes import StoreEvent
from tams_data.errors import RequestFailed

_ACCEPT = {"Accept": "text/event-stream"}


class Following:
    """The events of a service, as long as somebody reads on."""

    def __init__(
        self, connection: Connection, filters: Mapping[str, str], last_event_id: str | None, *, patience_s: float
    ) -> None:
        """`last_event_id` is that of the event before the first one; None: the one that is the last by now."""
        self._connection, self._filters = connection, filters
        self._last_event_id, self._patience_s = last_event_id, patience_s

    def __iter__(self) -> Iterator[StoreEvent]:
        """Yield the events.

        :raise RequestFailed: the service refuses, or has said nothing for too long.
        """
        fields: dict[str, str] = {}
        for line in self._connection.follow(
            "events", self._filters, headers=self._headers, patience_s=self._patience_s
        ):
            if line is None:
                fields = {}  # an event that broke off comes again, whole
            elif line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            else:
                yield from self._dispatched(fields)
                fields = {}

    def _headers(self) -> Mapping[str, str]:
        return _ACCEPT if self._last_event_id is None else {**_ACCEPT, "Last-Event-ID": self._last_event_id}

    def _dispatched(self, fields: Mapping[str, str]) -> Iterator[StoreEvent]:
        """What a block of lines makes: an event, or only a place among them (HTML, 9.2.6)."""
        self._last_event_id = fields.get("id", self._last_event_id)
        if "data" in fields:
            yield _event(self._last_event_id or "", fields["data"])


def _event(id_: str, data: str) -> StoreEvent:
    try:
        told = json.loads(data)
        return StoreEvent(id_, told["event_type"], told["event_timestamp"], told["event"])
    except (ValueError, KeyError, TypeError) as error:
        raise RequestFailed(f"GET events: event {id_!r} cannot be read: {data[:200]!r}") from error
