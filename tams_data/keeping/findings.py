"""What `verify` looks for: the rules of the store, and how what breaks one is told."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import Any, TypeAlias

import orjson

from tams_data import schema
from tams_data.engines.base import Query, Scan
from tams_data.queries import invariants
from tams_data.queries import tables as table_queries
from tams_data.store.flows import derived_from_essence
from tams_data.timerange import format_timestamp

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """A rule that is broken, by which rows, in words of one line; and whether it was mended."""

    rule: str
    text: str
    row: Row
    mended: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON: `ids` are what names the rows, and times are ns."""
        return {"rule": self.rule, "text": self.text, "ids": dict(self.row), "mended": self.mended}


@dataclass(frozen=True)
class Rule:
    """A rule of the store, and what finds the rows that break it.

    `says` is a format of their columns, in which `{start}` is `start_ns` as a TAMS timestamp.
    """

    name: str
    says: str
    rows: Callable[[Scan], Iterator[Row]] = field(repr=False)

    def findings(self, scan: Scan) -> Iterator[Finding]:
        """What breaks it."""
        for row in self.rows(scan):
            yield Finding(self.name, self.says.format(**row, start=_start(row)), row)


def _start(row: Row) -> str:
    start_ns = row.get("start_ns")
    return "" if start_ns is None else format_timestamp(start_ns)


def _found_by(query: Query, **options: Hashable) -> Callable[[Scan], Iterator[Row]]:
    def rows(scan: Scan) -> Iterator[Row]:
        for batch in scan.batches(query, **options):
            yield from batch.to_pylist()

    return rows


def _rule(query: Query, says: str) -> Rule:
    return Rule(query.__name__.replace("_", "-"), says, _found_by(query))


def _key(table: str, *columns: str) -> Rule:
    values = ", ".join(f"{name} {{{name}}}" for name in columns)
    rows = _found_by(invariants.repeated, table=table, columns=columns)
    return Rule(f"repeated-{table}".replace("_", "-"), f"{{count}} rows of {table} have {values}", rows)


# --- columns that are computed ---------------------------------------------------------------------------------------


Compute: TypeAlias = Callable[..., tuple[Any, ...]]
"""Values of some columns from those of others, in a row."""


@dataclass(frozen=True)
class _Derived:
    """Columns of a table that `compute` gives from the `given` ones."""

    table: schema.Table
    given: tuple[str, ...]
    columns: tuple[str, ...]
    compute: Compute

    @property
    def rule(self) -> Rule:
        named = ", ".join(f"{name} {{{name}}}" for name in self.table.key)
        says = f"{self.table.name}, {named}: {' or '.join(self.columns)} does not follow from {', '.join(self.given)}"
        return Rule(f"derived-{self.table.name}".replace("_", "-"), says, self.wrong)

    def wrong(self, scan: Scan) -> Iterator[Row]:
        """The rows where it is not so: their keys, and the columns as they should be."""
        parts = (self.table.key, self.given, self.columns)
        for batch in scan.batches(table_queries.columns, table=self.table.name, names=sum(parts, ())):
            # Tuples, for there may be ten million of them: dictionaries would take three times as long.
            keys, given, found = (list(zip(*(batch[name].to_pylist() for name in part), strict=True)) for part in parts)
            for i, right in enumerate(starmap(self.compute, given)):
                if right != found[i]:
                    yield dict(zip((*self.table.key, *self.columns), (*keys[i], *right), strict=True))


def _hash_of(object_id: str) -> tuple[Any, ...]:
    return (schema.id_hash(object_id),)


def _terms_of(tags: str) -> tuple[Any, ...]:
    return (schema.tag_terms(orjson.loads(tags)),)


def _flow_columns_of(tags: str, essence: str | None) -> tuple[Any, ...]:
    return (*_terms_of(tags), *derived_from_essence(orjson.loads(essence or "{}")).values())


_DERIVED = (
    *(
        _Derived(one, ("tags",), ("tag_terms",), _terms_of)
        for one in (schema.SOURCES, schema.PROFILES, schema.WEBHOOKS)
    ),
    _Derived(schema.FLOWS, ("tags", "essence_parameters"), ("tag_terms", *derived_from_essence({})), _flow_columns_of),
    _Derived(schema.OBJECTS, ("id",), ("id_hash",), _hash_of),
    _Derived(schema.STORAGE_ALLOCATIONS, ("object_id",), ("id_hash",), _hash_of),
)

DERIVED: Mapping[str, schema.Table] = {one.rule.name: one.table for one in _DERIVED}
"""The tables of the rules whose rows have the computed columns as they should be, by the names of the rules."""


# --- all of them -----------------------------------------------------------------------------------------------------

_SHARED = (schema.SEGMENTS, schema.OBJECT_INSTANCES)
"""Tables of whose key several rows may have the same, or are found otherwise: two segments would overlap."""

RULES: Sequence[Rule] = (
    *(_key(table.name, *table.key) for table in schema.TABLES.values() if table not in _SHARED),
    _key("object_instances", "object_key", "storage_id"),
    _key("object_instances", "object_key", "label"),
    _rule(invariants.repeated_object_ids, "object id {id!r} is that of {count} objects or allocations"),
    _rule(
        invariants.overlapping_segments,
        "flow {flow_id}: the segment at {start} begins before the one before it has ended",
    ),
    _rule(invariants.segments_without_length, "flow {flow_id}: the segment at {start} has no length, or no end"),
    _rule(invariants.segments_without_flow, "flow {flow_id} is not there and has {count} segments"),
    _rule(
        invariants.segments_without_object,
        "flow {flow_id}: the object of the segment at {start}, key {object_key}, is not there",
    ),
    _rule(
        invariants.segments_outside_object,
        "flow {flow_id}: the segment at {start} is not within the time range of object {object_id!r}",
    ),
    _rule(
        invariants.untrue_timelines,
        "flow {flow_id}: its timeline has {kept_segment_count} segments, {kept_covered_ns} ns, {kept_size_bytes} bytes"
        " and ends at {kept_end_ns}; its segments are {segment_count}, {covered_ns} ns, {size_bytes} bytes and end at"
        " {end_ns}",
    ),
    _rule(
        invariants.untrue_gaps,
        "flow {flow_id}: {lacking} of the gaps between its segments are not kept, and {untrue} are kept that are none",
    ),
    _rule(invariants.timelines_without_flow, "flow {flow_id} is not there and has a timeline"),
    _rule(invariants.flows_without_source, "flow {id}: its source {source_id} is not there"),
    _rule(invariants.flows_of_another_format, "flow {id} is {format}, and its source {source_id} {source_format}"),
    _rule(invariants.flows_without_profile, "flow {id}: its profile {profile_id} is not there"),
    _rule(invariants.collections_without_flow, "flow {flow_id} is not there and collects flow {member_id}"),
    _rule(invariants.collections_without_member, "flow {flow_id} collects flow {member_id}, which is not there or it"),
    _rule(invariants.objects_with_untrue_time, "object {id!r}: its time range is not that of its kind"),
    _rule(invariants.objects_without_init, "object {id!r}: its initialisation object is not there, or is none"),
    _rule(invariants.objects_without_instance, "object {id!r} has no instance"),
    _rule(invariants.instances_without_object, "object key {object_key} has an instance and no object"),
    _rule(
        invariants.instances_of_no_place, "object key {object_key} has an instance that is nowhere, or in two places"
    ),
    _rule(invariants.accesses_without_object, "object key {object_key} has counts of accesses and no object"),
    _rule(
        invariants.copies_without_object,
        "object key {object_key} is to be copied to {storage_id}, and is there already or no object",
    ),
    _rule(invariants.allocations_without_flow, "object {object_id!r} is allocated for flow {flow_id}, not there"),
    _rule(invariants.registered_allocations, "object {object_id!r} is still allocated and is registered"),
    _rule(
        invariants.discarded_and_needed, "object {object_id!r} is needed and is to be deleted on backend {storage_id}"
    ),
    _rule(invariants.lost_deletions, "deletion request {id} is to be carried out on flow {flow_id}, not there"),
    _rule(invariants.untrue_deletions, "deletion request {id}: its status {status} does not agree with what remains"),
    *(one.rule for one in _DERIVED),
)
"""Every rule that rows can break."""
