"""What must never be found in a store: each query gives the rows that break one of its rules, none where all is well.

Each reads whole tables, and gives no more columns than it takes to name what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from tams_data import timerange
from tams_data.engines.base import Tables
from tams_data.engines.steps import gaps_of_segments
from tams_data.queries.paging import Bound

TOTALS = ("start_ns", "end_ns", "segment_count", "covered_ns", "size_bytes")
"""The columns of `flow_timelines` that are exactly what the flow's segments add up to."""

UNFINISHED = ("created", "started")
"""The statuses of deletion requests that are still to be carried out."""


def repeated(tables: Tables, *, table: str, columns: Sequence[str]) -> ir.Table:
    """Values that rows of a table share and should not, none of them null: `columns`, and `count`, the rows."""
    rows = getattr(tables, table)
    given = rows.filter([rows[name].notnull() for name in columns])
    counted = given.group_by(list(columns)).aggregate(count=given.count())
    return counted.filter(counted["count"] > 1)


def repeated_object_ids(tables: Tables) -> ir.Table:
    """Object ids that several objects have, or an object and an allocation: `id`, and `count`."""
    objects = tables.objects.select("id", "id_hash")
    allocated = tables.storage_allocations.select("id_hash", id=tables.storage_allocations.object_id)
    ids = objects.union(allocated.select("id", "id_hash"))
    hashes = ids.group_by("id_hash").aggregate(count=ids.count())  # of a fixed width, which many ids are not
    twice = ids.semi_join(hashes.filter(hashes["count"] > 1), "id_hash")
    counted = twice.group_by("id").aggregate(count=twice.count())
    return counted.filter(counted["count"] > 1)


# --- segments --------------------------------------------------------------------------------------------------------


def overlapping_segments(tables: Tables) -> ir.Table:
    """Segments that begin before the one before them has ended: `flow_id`, `start_ns`, `end_ns`, `before_end_ns`."""
    return _overlapping(tables.segments)


def _overlapping(t: ir.Table) -> ir.Table:
    segments = t.select("flow_id", "start_ns", "end_ns")
    before = segments.end_ns.lag().over(group_by=segments.flow_id, order_by=(segments.start_ns, segments.end_ns))
    placed = segments.mutate(before_end_ns=before)
    return placed.filter(placed.before_end_ns > placed.start_ns)


def segments_without_length(tables: Tables) -> ir.Table:
    """Segments that end where they start, or before, or have an open end: `flow_id`, `start_ns`, `end_ns`."""
    segments = tables.segments
    is_open = (segments.start_ns == timerange.MIN_NS) | (segments.end_ns == timerange.MAX_NS)
    return segments.filter((segments.end_ns <= segments.start_ns) | is_open).select("flow_id", "start_ns", "end_ns")


def segments_without_flow(tables: Tables) -> ir.Table:
    """Flows that are not there and have segments: `flow_id`, and `count` of these."""
    segments = tables.segments
    counted = segments.group_by("flow_id").aggregate(count=segments.count())
    return counted.anti_join(tables.flows, counted.flow_id == tables.flows.id)


def segments_without_object(tables: Tables) -> ir.Table:
    """Segments whose object is not there: `flow_id`, `start_ns`, `object_key`."""
    segments = tables.segments
    return segments.anti_join(tables.objects, segments.object_key == tables.objects.key).select(
        "flow_id", "start_ns", "object_key"
    )


def segments_outside_object(tables: Tables) -> ir.Table:
    """Segments that are not within the time range of their object: `flow_id`, `start_ns`, `object_id`.

    An initialisation object has none.
    """
    segments = tables.segments.select("flow_id", "start_ns", "end_ns", "ts_offset_ns", "object_key")
    objects = tables.objects.select("key", "id", from_ns=tables.objects.start_ns, to_ns=tables.objects.end_ns)
    used = segments.join(objects, segments.object_key == objects.key)
    offset_ns = used.ts_offset_ns.fill_null(0)
    inside = timerange.lies_within(used.start_ns, used.end_ns, offset_ns=offset_ns, within=(used.from_ns, used.to_ns))
    return used.filter(~inside.fill_null(False)).select("flow_id", "start_ns", object_id=used.id)


# --- timelines -------------------------------------------------------------------------------------------------------


def untrue_timelines(tables: Tables) -> ir.Table:
    """Flows whose row of `flow_timelines` is not what their segments add up to, or is not there.

    `flow_id`, the columns `TOTALS` as they should be, and what is kept of them under `kept_` and their names.
    """
    totals, kept = _totals(tables), tables.flow_timelines
    flows = tables.flows.select(flow_id=tables.flows.id)
    known = flows.left_join(kept, "flow_id").select(
        "flow_id",
        present=kept.flow_id.notnull(),
        kept_longest_ns=kept.longest_ns,
        **{f"kept_{name}": kept[name] for name in TOTALS},
    )
    found = known.left_join(totals, "flow_id").drop("flow_id_right")
    zeros = {name: found[name].fill_null(0) for name in ("segment_count", "size_bytes", "longest_ns")}
    none = found.segment_count.isnull()
    found = found.mutate(**zeros, covered_ns=ibis.ifelse(none, 0, found.covered_ns))
    differs = [~found[name].identical_to(found[f"kept_{name}"]) for name in TOTALS]
    wrong = ibis.or_(~found.present, found.longest_ns > found.kept_longest_ns, *differs)
    return found.filter(wrong).select("flow_id", *TOTALS, *(f"kept_{name}" for name in TOTALS))


def _totals(tables: Tables) -> ir.Table:
    segments = tables.segments.select("flow_id", "start_ns", "end_ns", "object_key")
    sized = segments.left_join(
        tables.objects.select("key", "size_bytes"), segments.object_key == tables.objects.key
    ).drop("key")
    length_ns = timerange.length_ns(sized)
    return sized.group_by("flow_id").aggregate(
        start_ns=sized.start_ns.min(),
        end_ns=sized.end_ns.max(),
        segment_count=sized.count(),
        covered_ns=timerange.total_ns(length_ns),
        longest_ns=length_ns.max(),
        size_bytes=sized.size_bytes.sum().fill_null(0).cast("int64"),
    )


def untrue_gaps(tables: Tables) -> ir.Table:
    """Flows whose rows of `flow_gaps` are not what their segments leave between them: `flow_id`, `lacking`, `untrue`.

    So many gaps are not kept, and so many that are kept are none, or are kept twice. Flows of which segments overlap
    are left out: what they leave is not known before that is mended.
    """
    none, one = ibis.literal(0, "int64"), ibis.literal(1, "int64")
    left = gaps_of_segments(tables).mutate(left=one, kept=none)
    kept = tables.flow_gaps.mutate(left=none, kept=one)
    both = left.union(kept.select(*left.columns).cast(left.schema()))
    gaps = both.group_by("flow_id", "start_ns", "end_ns").aggregate(left=both.left.sum(), kept=both.kept.sum())
    wrong = gaps.filter(gaps.left != gaps.kept)
    found = wrong.group_by("flow_id").aggregate(
        lacking=(wrong.kept == 0).sum().cast("int64"), untrue=(wrong.kept > wrong.left).sum().cast("int64")
    )
    return found.anti_join(_overlapping(tables.segments.semi_join(found, "flow_id")), "flow_id")


def timelines_without_flow(tables: Tables) -> ir.Table:
    """Timelines of flows that are not there: `flow_id`."""
    timelines = tables.flow_timelines
    return timelines.anti_join(tables.flows, timelines.flow_id == tables.flows.id).select("flow_id")


# --- flows and sources -----------------------------------------------------------------------------------------------


def flows_without_source(tables: Tables) -> ir.Table:
    """Flows whose source is not there: `id`, `source_id`."""
    flows = tables.flows
    return flows.anti_join(tables.sources, flows.source_id == tables.sources.id).select("id", "source_id")


def flows_of_another_format(tables: Tables) -> ir.Table:
    """Flows whose source has another format: `id`, `format`, `source_id`, `source_format`."""
    sources = tables.sources.select(source_format=tables.sources.format, source_id=tables.sources.id)
    flows = tables.flows.select("id", "format", "source_id")
    found = flows.inner_join(sources, "source_id")
    return found.filter(found.format != found.source_format).select("id", "format", "source_id", "source_format")


def flows_without_profile(tables: Tables) -> ir.Table:
    """Flows whose profile is not there: `id`, `profile_id`."""
    flows = tables.flows.filter(tables.flows.profile_id.notnull(), tables.flows.profile_id != "")
    return flows.anti_join(tables.profiles, flows.profile_id == tables.profiles.id).select("id", "profile_id")


def flows_among(tables: Tables, *, ids: Sequence[Bound]) -> ir.Table:
    """Those of `ids` that are flows, `id`, with or without a timeline. No invariant: what mends some asks it."""
    return tables.flows.filter(tables.flows.id.isin(ids)).select("id")


def collections_without_flow(tables: Tables) -> ir.Table:
    """Members collected by flows that are not there: `flow_id`, `position`, `member_id`."""
    collected = tables.flow_collections.select("flow_id", "position", "member_id")
    return collected.anti_join(tables.flows, collected.flow_id == tables.flows.id)


def collections_without_member(tables: Tables) -> ir.Table:
    """Flows that collect one that is not there, or themselves: `flow_id`, `position`, `member_id`."""
    collected = tables.flow_collections.select("flow_id", "position", "member_id")
    found = collected.left_join(tables.flows.select("id"), collected.member_id == tables.flows.id)
    return found.filter(found.id.isnull() | (found.member_id == found.flow_id)).drop("id")


# --- objects ---------------------------------------------------------------------------------------------------------


def objects_with_untrue_time(tables: Tables) -> ir.Table:
    """Media objects without a time range, initialisation objects with one or with one of their own: `id`."""
    objects = tables.objects
    has_time = (objects.start_ns < objects.end_ns).fill_null(False)
    timeless = objects.start_ns.isnull() & objects.end_ns.isnull() & objects.init_object_key.isnull()
    return objects.filter(ibis.ifelse(objects.is_init, ~timeless, ~has_time)).select("id")


def objects_without_init(tables: Tables) -> ir.Table:
    """Objects that need an initialisation object which is not there, or is none: `id`, `init_object_key`."""
    objects = tables.objects.select("id", "init_object_key")
    needing = objects.filter(objects.init_object_key.notnull())
    inits = tables.objects.filter(tables.objects.is_init).select("key")
    return needing.anti_join(inits, needing.init_object_key == inits.key)


def objects_without_instance(tables: Tables) -> ir.Table:
    """Objects whose bytes are nowhere: `id`."""
    objects = tables.objects.select("key", "id")
    return objects.anti_join(tables.object_instances, objects.key == tables.object_instances.object_key).select("id")


def instances_without_object(tables: Tables) -> ir.Table:
    """Instances of objects that are not there: `object_key`."""
    return _without_object(tables, tables.object_instances)


def instances_of_no_place(tables: Tables) -> ir.Table:
    """Instances that are neither on a storage backend nor at a labelled URL, or both: `object_key`."""
    instances = tables.object_instances
    somewhere = instances.url.notnull() & instances.label.notnull()
    nowhere = instances.url.isnull() & instances.label.isnull()
    return instances.filter(~ibis.ifelse(instances.storage_id.isnull(), somewhere, nowhere)).select("object_key")


def accesses_without_object(tables: Tables) -> ir.Table:
    """Counts of accesses to objects that are not there: `object_key`."""
    return _without_object(tables, tables.object_accesses)


def copies_without_object(tables: Tables) -> ir.Table:
    """Copies under way of objects that are not there, or to where they are already: `object_key`, `storage_id`."""
    copies = tables.object_copies.select("object_key", "storage_id")
    found = copies.left_join(tables.objects.select("key"), copies.object_key == tables.objects.key)
    there = tables.object_instances.select(there=tables.object_instances.object_key, place="storage_id")
    found = found.left_join(there, (found.object_key == there.there) & (found.storage_id == there.place))
    return found.filter(found.key.isnull() | found.there.notnull()).select("object_key", "storage_id").distinct()


def _without_object(tables: Tables, rows: ir.Table) -> ir.Table:
    return rows.anti_join(tables.objects, rows.object_key == tables.objects.key).select("object_key")


# --- what is on its way in or out ------------------------------------------------------------------------------------


def allocations_without_flow(tables: Tables) -> ir.Table:
    """Allocations for flows that are not there: `object_id`, `flow_id`."""
    allocations = tables.storage_allocations.select("object_id", "flow_id")
    return allocations.anti_join(tables.flows, allocations.flow_id == tables.flows.id)


def registered_allocations(tables: Tables) -> ir.Table:
    """Allocations whose object is registered: `object_key`, `object_id`."""
    allocations = tables.storage_allocations
    return allocations.semi_join(tables.objects, allocations.object_key == tables.objects.key).select(
        "object_key", "object_id"
    )


def discarded_and_needed(tables: Tables) -> ir.Table:
    """Bytes that are to be deleted, and that an object or an allocation has: `object_id`, `storage_id`."""
    discarded = tables.discarded_bytes.select("object_id", "storage_id")
    objects = tables.objects.select(object_key=tables.objects.key, id=tables.objects.id)
    there = tables.object_instances.inner_join(objects, "object_key").select("id", place="storage_id")
    allocated = tables.storage_allocations.select("object_key", one="object_id", at="storage_id")
    found = discarded.left_join(there, (discarded.object_id == there.id) & (discarded.storage_id == there.place))
    found = found.left_join(allocated, (found.object_id == allocated.one) & (found.storage_id == allocated.at))
    needed = found.filter(found.id.notnull() | found.one.notnull())
    return needed.select("object_id", "storage_id").distinct()


def lost_deletions(tables: Tables) -> ir.Table:
    """Deletion requests still to be carried out, of flows that are not there: `id`, `flow_id`."""
    requests = tables.deletion_requests
    unfinished = requests.filter(requests.status.isin(UNFINISHED)).select("id", "flow_id")
    return unfinished.anti_join(tables.flows, unfinished.flow_id == tables.flows.id)


def untrue_deletions(tables: Tables) -> ir.Table:
    """Deletion requests whose status and what remains do not agree: `id`, `status`."""
    requests = tables.deletion_requests
    remains = requests.remaining_start_ns.notnull() & requests.remaining_end_ns.notnull()
    unfinished = requests.status.isin(UNFINISHED)
    wrong = (unfinished & ~remains) | ((requests.status == "done") & remains)
    known = requests.status.isin((*UNFINISHED, "done", "error"))
    return requests.filter(wrong | ~known).select("id", "status")


# --- where the bytes are ---------------------------------------------------------------------------------------------


def stored(tables: Tables) -> ir.Table:
    """Where the bytes of every object are on storage backends: `object_id`, `storage_id`, `size_bytes`."""
    instances = tables.object_instances.filter(tables.object_instances.storage_id.notnull())
    objects = tables.objects.select("key", "id", "size_bytes")
    found = instances.inner_join(objects, instances.object_key == objects.key)
    return found.select("storage_id", "size_bytes", object_id=found.id)
