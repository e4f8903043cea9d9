"""Which events a receiver wants, and how segments are shown to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tams_data.media.urls import UrlChoice
from tams_data.store.outbox import Event


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The filters and options of a webhook (TAMS 8.2, webhook); where a filter is None, it lets everything pass."""

    events: frozenset[str] | None = None
    flow_ids: frozenset[str] | None = None
    source_ids: frozenset[str] | None = None
    flow_collected_by_ids: frozenset[str] | None = None
    source_collected_by_ids: frozenset[str] | None = None
    urls: UrlChoice = field(default_factory=UrlChoice)
    include_object_timerange: bool = False
    readable: frozenset[int] | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any], readable: frozenset[int] | None = None) -> Selection:
        """The selection that the properties of a webhook make; what is not given is no filter.

        With `readable`, terms as of `access.Caller.terms`, only events of what had one of them.

        >>> Selection.of({"events": ["flows/created"], "accept_get_urls": []}).urls.labels
        frozenset()
        """
        return cls(
            events=_set(given.get("events")),
            flow_ids=_set(given.get("flow_ids")),
            source_ids=_set(given.get("source_ids")),
            flow_collected_by_ids=_set(given.get("flow_collected_by_ids")),
            source_collected_by_ids=_set(given.get("source_collected_by_ids")),
            urls=UrlChoice(
                labels=_set(given.get("accept_get_urls")),
                storage_ids=_set(given.get("accept_storage_ids")) or None,
                presigned=given.get("presigned"),
                verbose=bool(given.get("verbose_storage")),
            ),
            include_object_timerange=bool(given.get("include_object_timerange")),
            readable=readable,
        )

    def wants(self, event: Event) -> bool:
        """Whether an event passes every filter. Those of flows let events of sources pass."""
        if self.readable is not None and self.readable.isdisjoint(event.tag_terms):
            return False
        if self.events is not None and event.event_type not in self.events:
            return False
        if event.flow_id is not None and not (
            _among(self.flow_ids, event.flow_id) and _collected(self.flow_collected_by_ids, event.collected.flow)
        ):
            return False
        return _among(self.source_ids, event.source_id) and _collected(
            self.source_collected_by_ids, event.collected.source
        )


def _set(given: Iterable[str] | None) -> frozenset[str] | None:
    return None if given is None else frozenset(given)


def _among(wanted: Collection[str] | None, one: str) -> bool:
    return wanted is None or one in wanted


def _collected(wanted: frozenset[str] | None, by: Collection[str]) -> bool:
    """Whether something is collected by one of those wanted; when none is, whether it is not collected at all."""
    if wanted is None:
        return True
    return not wanted.isdisjoint(by) if wanted else not by
