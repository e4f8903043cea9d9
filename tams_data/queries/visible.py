"""The tables as a restricted caller sees them: the one rule of what is hidden, for every query.

A query is asked on these tables in place of the store's, so that nothing has to be taken out of its answer: pages are
full, sums are right, and a list is never told what it may not show. What is seen of a table follows from its columns:

    tag_terms           rows with a tag `auth_classes` that the caller may read: sources, flows, webhooks, events
    flow_id             rows of flows that are seen: of all, or of the one that a query is about
    object_key          rows of objects that are seen
    none of these       nothing, but for the tables of `_EVERYBODYS`

An object is seen by who sees a flow that uses it, or the flow that was the first to. That is costly to say of objects
at large, and `objects.seen` says it of a few: `everywhere=False` leaves the tables of objects alone, for readers that
come from a flow, or ask `objects.seen` first.

What a flow collects is a part of the flow, and shown to who sees it. Hidden members would be lost when it is put back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from tams_data.engines.base import Query, Tables
from tams_data.engines.binding import Value
from tams_data.queries import tags
from tams_data.queries.paging import Bound

_EVERYBODYS = frozenset({"profiles", "service_info", "schema_versions", "write_locks"})
"""What is about the service as a whole, and not about anybody's media."""

_COLLECTED_BY = ',"collected_by":\\["[0-9a-f-]{36}"(,"[0-9a-f-]{36}")*\\]'
"""What the `detail` of an event, which is JSON as we write it, has of what collects a flow or a source."""

_OF_OBJECTS = frozenset({"objects", "object_instances", "object_accesses", "object_copies"})


@dataclass(frozen=True)
class Restricted:
    """A query on the tables as a caller sees them; `seen_by` is that of an `access.Caller`.

    Equal ones are compiled once, as other queries are.
    """

    query: Query
    everywhere: bool

    def __call__(self, tables: Tables, *, seen_by: tuple[Sequence[Bound], Sequence[Bound], Bound], **given: Any) -> Any:
        # What asks for one flow is not to look at the tags of all. Analyses may compare it with others.
        about = None if self.everywhere else given.get("flow_id")
        return self.query(Visible(tables, seen_by, everywhere=self.everywhere, about=about), **given)

    @staticmethod
    def bound(values: Mapping[str, Value] | None, seen_by: Value) -> dict[str, Value]:
        """The values of a query with those of what is seen."""
        return {**(values or {}), "seen_by": seen_by}


class Visible:
    """The tables that a caller sees, by attribute like those they are made of."""

    def __init__(
        self,
        tables: Tables,
        seen_by: tuple[Sequence[Bound], Sequence[Bound], Bound],
        *,
        everywhere: bool,
        about: Bound | None = None,
    ) -> None:
        """`seen_by`: terms of the tags that let read, those that let delete, and who asks.

        With `about`, the id of a flow, rows of other flows are hidden as well.
        """
        self._tables, self._everywhere, self._about = tables, everywhere, about
        self._reading, self._deleting, self._name = seen_by
        self._made: dict[str, ir.Table] = {}

    def __getattr__(self, name: str) -> ir.Table:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._made:
            self._made[name] = self._seen(name, getattr(self._tables, name))
        return self._made[name]

    def _seen(self, name: str, table: ir.Table) -> ir.Table:
        if name in _EVERYBODYS or (name in _OF_OBJECTS and not self._everywhere):
            return table
        rules = {"objects": self._objects, "deletion_requests": self._deletion_requests, "events": self._events}
        return rules.get(name, self._by_its_columns)(table)

    def _by_its_columns(self, table: ir.Table) -> ir.Table:
        # Filters and no joins: Ibis would not know the tables of a join apart when a query joins them again.
        if "tag_terms" in table.columns:
            return tags.matching(table, any_of=(self._reading,))
        if "flow_id" in table.columns:
            flows = self.flows if self._about is None else self.flows.filter(self.flows.id == self._about)
            return table.filter(table.flow_id.isin(flows.id))
        if "object_key" in table.columns:
            return table.filter(table.object_key.isin(self.objects.key))
        return table.filter(ibis.literal(False))

    def _objects(self, table: ir.Table) -> ir.Table:
        """Objects that segments use which are seen, or that a flow which is seen was the first to; and their inits."""
        flows, segments, nullable = self.flows, self.segments, table.init_object_key.type()
        used = segments.select(key=segments.object_key.cast(nullable))
        first = table.filter(table.first_flow_id.isin(flows.id))
        keys = ibis.union(used, first.select(key=first.key.cast(nullable)), distinct=True)
        needed = table.filter(table.key.isin(keys.key)).select(key="init_object_key")
        seen = ibis.union(keys, needed, distinct=True)
        return table.filter(table.key.isin(seen.key))

    def _events(self, table: ir.Table) -> ir.Table:
        """Those of what is seen; without what collects it, which may be hidden. `store.events` tells of the rest."""
        seen = self._by_its_columns(table)
        if not self._everywhere:
            return seen
        nothing = ibis.null(seen.flow_collected_by.type())
        detail = seen.detail.re_replace(_COLLECTED_BY, "")
        return seen.mutate(flow_collected_by=nothing, source_collected_by=nothing, detail=detail)

    def _deletion_requests(self, table: ir.Table) -> ir.Table:
        """Those of flows that the caller may delete, and the caller's own: the flow may be gone by now."""
        flows = tags.matching(self._tables.flows, any_of=(self._deleting,))
        return table.filter((table.created_by == self._name) | table.flow_id.isin(flows.id))
