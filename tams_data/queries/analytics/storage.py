"""What is stored: where, of what, for how long, how it grows, what nothing refers to, and what is asked for.

Which objects the filters mean: those that a segment of such a flow refers to, in the window of media time where there
is one, with the initialisation objects that they need; `created` is when an object was registered, and `storage_id`
leaves the instances on that backend. An object that several flows use is counted once, and its format and its source
are those of the flow that referred to it first.

Stored bytes are those of each object once for each storage backend that has it. What is at URLs of others is not
stored, and an object whose size is not known weighs nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from tams_data.engines.base import Tables
from tams_data.queries.analytics import filters as filtering
from tams_data.queries.analytics.analysis import PRESENT, Analysis, Parameter
from tams_data.queries.analytics.keysets import among, counted, keyset, outside

_DAY_NS = 86_400 * 10**9

_AGES = (0, 1, 7, 30, 90, 365)
"""Where the buckets of ages begin, in days."""

_NOTHING = ibis.literal(0, "int64")

_COUNTS = ("accesses", "media_gets", "urls_given", "last_access_ns")

_OF_USE = (*filtering.OF_FLOW, "start_ns", "end_ns")
"""The filters that choose objects by the segments that refer to them."""

_NO_WINDOW = tuple(name for name in filtering.NAMES if name not in ("start_ns", "end_ns"))


def usage(tables: Tables, **filters: Any) -> ir.Table:
    """Objects by the backend that has them and their format; the largest group first."""
    held = _held(tables, **filters)
    by_flow = held.group_by("storage_id", "first_flow_id").aggregate(
        objects=held.count(), size_bytes=_total(held.size_bytes), unsized=held.count(where=held.size_bytes.isnull())
    )
    named = _with_flow(tables, by_flow)
    groups = named.group_by("storage_id", "format").aggregate(
        **{name: _total(named[name]) for name in ("objects", "size_bytes", "unsized")}
    )
    return groups.order_by(ibis.desc("size_bytes"), ibis.desc("objects"), "storage_id", "format")


def by_source(tables: Tables, *, limit: int, **filters: Any) -> ir.Table:
    """What each source has stored, and what its segments would weigh; the largest first."""
    flows = _by_flow(tables, **filters)
    groups = flows.group_by("source_id").aggregate(
        objects=_total(flows.objects),
        size_bytes=_total(flows.stored_bytes),
        logical_bytes=_total(flows.logical_bytes),
    )
    groups = groups.filter((groups.objects > 0) | (groups.logical_bytes > 0))
    labels = tables.sources.select("id", "label")
    found = groups.left_join(labels, groups.source_id == labels.id)
    rows = found.select("source_id", "label", "objects", "size_bytes", "logical_bytes")
    return rows.order_by(ibis.desc("size_bytes"), ibis.desc("logical_bytes"), "source_id").limit(limit)


def stored_and_logical(tables: Tables, **filters: Any) -> ir.Table:
    """What is stored against what segments would weigh if each had its own copy, by format; the largest first."""
    flows = _by_flow(tables, **filters)
    names = ("objects", "object_bytes", "stored_bytes", "logical_bytes")
    groups = flows.group_by("format").aggregate(**{name: _total(flows[name]) for name in names})
    groups = groups.filter((groups.objects > 0) | (groups.logical_bytes > 0))
    rows = groups.mutate(saved_bytes=groups.logical_bytes - groups.object_bytes)
    return rows.order_by(ibis.desc("stored_bytes"), ibis.desc("logical_bytes"), "format")


def ages(tables: Tables, *, now_ns: Any, **filters: Any) -> ir.Table:
    """Objects in buckets of age, the youngest first."""

    def bucket(objects: ir.Table) -> ir.Value:
        age_ns = now_ns - objects.created_ns
        ends = zip(_AGES[1:], _AGES, strict=False)
        return ibis.cases(*((age_ns < end * _DAY_NS, begin) for end, begin in ends), else_=_AGES[-1]).cast("int64")

    found = _weighed(tables, "from_days", bucket, **filters)
    ends = [(found.from_days == begin, end) for begin, end in itertools.pairwise(_AGES)]
    rows = found.select(
        "from_days",
        "objects",
        to_days=ibis.cases(*ends, else_=ibis.null("int64")).cast("int64"),
        size_bytes=found.stored_bytes,
    )
    return rows.order_by("from_days")


def growth(tables: Tables, *, now_ns: Any, days_ahead: int, **filters: Any) -> ir.Table:
    """What was registered on each day, what it adds up to, and what it will if it goes on like that."""
    found = _weighed(tables, "day_ns", lambda objects: _day(objects.created_ns), **filters)
    so_far = ibis.cumulative_window(order_by="day_ns")
    days = found.select(
        "day_ns",
        "objects",
        size_bytes=found.stored_bytes,
        total_bytes=found.stored_bytes.sum().over(so_far).cast("int64"),
    )
    # Not a union of days and projected days, for which engines would weigh all objects twice.
    ahead = ibis.array(list(range(days_ahead + 1))).cast("array<int64>").unnest().name("ahead").as_table()
    rows = _fitted(days, now_ns).cross_join(ahead)
    projected = rows.ahead > 0
    rows = rows.filter(~projected | (rows.is_last & rows.slope.notnull()))
    more = (rows.slope.fill_null(0) * rows.ahead).round().cast("int64")
    return rows.select(
        day_ns=ibis.ifelse(projected, rows.today_ns + rows.ahead * _DAY_NS, rows.day_ns),
        objects=ibis.ifelse(projected, ibis.null("int64"), rows.objects),
        size_bytes=ibis.ifelse(projected, ibis.null("int64"), rows.size_bytes),
        total_bytes=rows.total_bytes + more,
        projected=projected,
    ).order_by("day_ns", "projected")


def unreferenced(tables: Tables, *, now_ns: Any, at_least_ns: Any, limit: int, **filters: Any) -> ir.Table:
    """Objects that nothing refers to, the oldest first."""
    found = _unreferenced(tables, **filters)
    found = found.mutate(age_ns=now_ns - found.created_ns)
    return found.filter(found.age_ns >= at_least_ns).order_by("created_ns", "object_id").limit(limit)


def unreferenced_totals(tables: Tables, *, now_ns: Any, at_least_ns: Any, **filters: Any) -> ir.Table:
    """What the objects that nothing refers to add up to, by how far they came."""
    found = _unreferenced(tables, **filters)
    found = found.filter(now_ns - found.created_ns >= at_least_ns)
    groups = found.group_by("state").aggregate(
        objects=found.count(), size_bytes=_total(found.size_bytes), oldest_ns=found.created_ns.min()
    )
    return groups.order_by("state")


def instances_per_object(tables: Tables, **filters: Any) -> ir.Table:
    """How many objects have how many instances."""
    objects = _objects(tables, **filters).select("key", "size_bytes")
    found = counted(objects, _instances(tables, **filters), "object_key")
    groups = found.group_by(instances="count").aggregate(objects=found.count(), size_bytes=_total(found.size_bytes))
    return groups.order_by("instances")


def accessed(tables: Tables, *, order: str, limit: int, **filters: Any) -> ir.Table:
    """The objects that were asked for most, or least, with how often."""
    accesses = _accesses(tables, **filters)
    if order == "most":
        # among equals the one that was asked for last, then the one that is there longest
        by: list[Any] = [ibis.desc("accesses"), ibis.desc("last_access_ns"), "key"]
    else:
        never = outside(_objects(tables, **filters), keyset(accesses, "key")).order_by("key").limit(limit)
        accesses = _stacked(accesses, _never(never))
        by = ["accesses", accesses.last_access_ns.asc(nulls_first=True), "key"]
    # Limited before the ids are joined: those are text of ten million rows.
    chosen = accesses.order_by(by).limit(limit)
    objects = tables.objects.select("id", "size_bytes", object_key="key")
    found = chosen.join(objects, chosen.key == objects.object_key).rename(object_id="id").order_by(by)
    return found.select("object_id", *_COUNTS, "size_bytes")


def access_totals(tables: Tables, **filters: Any) -> ir.Table:
    """One row: how often objects were asked for in all."""
    objects, accesses = _objects(tables, **filters), _accesses(tables, **filters)
    asked = accesses.aggregate(
        accessed_objects=accesses.count(),
        **{name: _total(accesses[name]) for name in ("accesses", "media_gets", "urls_given")},
        last_access_ns=accesses.last_access_ns.max(),
    )
    return objects.aggregate(objects=objects.count()).cross_join(asked)


# --- which objects ---------------------------------------------------------------------------------------------------


def _objects(tables: Tables, **filters: Any) -> ir.Table:
    """The objects that the filters leave."""
    objects = filtering.registered(tables.objects, **filters)
    if filters.keys() & set(_OF_USE):
        objects = among(objects, _used(tables, **filters)).select(*objects.columns)
    if "storage_id" in filters:
        objects = among(objects, keyset(_instances(tables, **filters), "object_key")).select(*objects.columns)
    return objects


def _used(tables: Tables, **filters: Any) -> ir.Table:
    """The keyset of what the segments that the filters of `_OF_USE` leave need: objects, and what initialises them."""
    segments = filtering.segments(tables, **_only(_OF_USE, filters))
    return _with_inits(tables, segments)


def _with_inits(tables: Tables, segments: ir.Table) -> ir.Table:
    objects = tables.objects
    needing = objects.filter(objects.init_object_key.notnull())
    needing = among(needing, keyset(segments, "object_key"))
    keys = _stacked(
        segments.select(key=segments.object_key),
        needing.select(key=needing.init_object_key),
    )
    return keyset(keys, "key")


def _instances(tables: Tables, **filters: Any) -> ir.Table:
    return filtering.stored(tables, **filters) if "storage_id" in filters else tables.object_instances


def _held(tables: Tables, **filters: Any) -> ir.Table:
    """The objects that filters leave, a row for each `storage_id` that has one; null: it is at a URL."""
    kept = {name: value for name, value in filters.items() if name != "storage_id"}  # the join below does it
    return among(_objects(tables, **kept), keyset(_instances(tables, **filters), "object_key", "storage_id"))


def _unreferenced(tables: Tables, **filters: Any) -> ir.Table:
    """Objects that no segment refers to and none needs to be initialised, and allocations that were never registered.

    Filters by flow choose the flow that referred to an object first, or that it was allocated for.
    """
    allocated = filtering.registered(tables.storage_allocations, **filters)
    if "storage_id" in filters:
        allocated = allocated.filter(allocated.storage_id == filters["storage_id"])
    kept = {name: value for name, value in filters.items() if name not in _OF_USE}
    registered = outside(_objects(tables, **kept), _with_inits(tables, tables.segments))
    states = {"allocated": allocated, "registered": registered.rename(object_id="id", flow_id="first_flow_id")}
    columns = ("object_id", "flow_id", "size_bytes", "created_ns")
    found = _stacked(*(t.select(*columns, state=ibis.literal(state)) for state, t in states.items()))
    if filters.keys() & set(filtering.OF_FLOW):
        flows = filtering.flows(tables, **filters)
        found = found.semi_join(flows, found.flow_id == flows.id)
    return found


def _accesses(tables: Tables, **filters: Any) -> ir.Table:
    """How often those of the objects that filters leave were asked for that ever were; with their `key`."""
    t = tables.object_accesses
    counts = t.select(
        "media_gets", "urls_given", key=t.object_key, accesses=t.media_gets + t.urls_given, last_access_ns=t.last_ns
    )
    if filters:
        counts = among(counts, keyset(_objects(tables, **filters), "key"))
    return counts.select("key", *_COUNTS)


def _never(objects: ir.Table) -> ir.Table:
    """The same of objects that nobody asked for yet."""
    nothing = dict.fromkeys(("accesses", "media_gets", "urls_given"), _NOTHING)
    return objects.select("key", **nothing, last_access_ns=ibis.null("int64"))


# --- in groups -------------------------------------------------------------------------------------------------------


def _weighed(tables: Tables, name: str, group: Callable[[ir.Table], ir.Value], **filters: Any) -> ir.Table:
    """Objects in groups, called `name`: how many, their bytes each counted once, and their bytes on all backends.

    Two passes, so that no object has to be told from its copies.
    """
    objects, held = _objects(tables, **filters), _held(tables, **filters)
    held = held.filter(held.storage_id.notnull())
    once, copies = (t.select(group(t).name(name), "size_bytes") for t in (objects, held))
    counted = once.group_by(name).aggregate(objects=once.count(), object_bytes=_total(once.size_bytes))
    stored = copies.group_by(name).aggregate(stored_bytes=_total(copies.size_bytes))
    parts = _stacked(
        counted.select(name, "objects", "object_bytes", stored_bytes=_NOTHING),
        stored.select(name, "stored_bytes", objects=_NOTHING, object_bytes=_NOTHING),
    )
    return parts.group_by(name).aggregate(**{one: _total(parts[one]) for one in parts.columns if one != name})


def _by_flow(tables: Tables, **filters: Any) -> ir.Table:
    """What is stored by the flow that referred to it first, and the `logical_bytes` of each flow's own segments.

    With the flow's `source_id` and `format`: null where it is deleted.
    """
    stored = _weighed(tables, "flow_id", lambda objects: objects.first_flow_id, **filters)
    logical = _logical(tables, **filters)
    parts = _stacked(
        stored.mutate(logical_bytes=_NOTHING),
        logical.select(
            "flow_id", objects=_NOTHING, object_bytes=_NOTHING, stored_bytes=_NOTHING, logical_bytes=logical.size_bytes
        ),
    )
    return _with_flow(tables, parts, "flow_id")


def _logical(tables: Tables, **filters: Any) -> ir.Table:
    """`flow_id` and `size_bytes`: what the segments of each flow weigh, each use of an object counted."""
    if not filters.keys() & set(filtering.OF_SEGMENT):
        flows, timelines = filtering.flows(tables, **filters), tables.flow_timelines
        return timelines.semi_join(flows, timelines.flow_id == flows.id).select("flow_id", "size_bytes")
    segments = filtering.segments(tables, **_only(_OF_USE, filters))
    objects = _objects(tables, **filters).select("key", "size_bytes")
    found = segments.join(objects, segments.object_key == objects.key)
    return found.group_by("flow_id").aggregate(size_bytes=_total(found.size_bytes))


def _with_flow(tables: Tables, t: ir.Table, column: str = "first_flow_id") -> ir.Table:
    flows = tables.flows.select("id", "source_id", "format")
    return t.left_join(flows, t[column] == flows.id).drop("id")


def _stacked(*parts: ir.Table) -> ir.Table:
    """The rows of tables with the same columns: Ibis has their types agree, also in what may be null."""
    nullable = [t.cast({name: kind(nullable=True) for name, kind in t.schema().items()}) for t in parts]
    return ibis.union(*nullable)


def _total(column: ir.IntegerColumn) -> ir.IntegerValue:
    return column.sum().fill_null(0).cast("int64")


def _only(names: tuple[str, ...], filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if name in names}


# --- growth ----------------------------------------------------------------------------------------------------------


def _day(ns: Any) -> Any:
    """The midnight, UTC, before a clock time: not before 1970, where the remainder would be negative."""
    return ns - ns % _DAY_NS


def _days(ns: ir.IntegerValue) -> ir.FloatingValue:
    return (ns.cast("float64") / _DAY_NS).round().cast("float64")


def _fitted(days: ir.Table, now_ns: Any) -> ir.Table:
    """The days, each with the `slope` of the totals of all days until today, bytes a day; null: there is but one.

    Least squares over every day, those as well on which nothing was registered: a row stands for itself and the days
    until the next one, `n` of them, over which sums of their numbers are known. `is_last` marks the last row, which
    reaches to `today_ns`.
    """
    in_order, all_days = ibis.window(order_by="day_ns"), ibis.window()
    following = days.day_ns.lead().over(in_order)
    marked = days.mutate(is_last=following.isnull(), today_ns=ibis.greatest(_day(now_ns), days.day_ns))
    points = marked.mutate(
        x=_days(days.day_ns - days.day_ns.min().over(all_days)),
        n=_days(following.fill_null(marked.today_ns + _DAY_NS) - days.day_ns),
        y=days.total_bytes.cast("float64"),
    )
    numbers = points.n * points.x + points.n * (points.n - 1) / 2
    squares = (
        points.n * points.x * points.x
        + points.x * points.n * (points.n - 1)
        + (points.n - 1) * points.n * (2 * points.n - 1) / 6
    )
    parts = (points.n, numbers, squares, points.n * points.y, points.y * numbers)
    n, x, xx, y, xy = (part.sum().over(all_days) for part in parts)
    return points.select(*marked.columns, slope=(n * xy - x * y) / (n * xx - x * x).nullif(0))


# --- what they add up to ---------------------------------------------------------------------------------------------


def _usage_summary(rows: pa.Table, *, totals: pa.Table, most: pa.Table, least: pa.Table) -> Mapping[str, Any]:
    # no row: a filter that nothing can pass is not even asked
    counted = next(iter(totals.to_pylist()), {"objects": 0, "accesses": 0})
    objects = counted["objects"]
    size = sum(one["size_bytes"] for one in rows.to_pylist() if one["storage_id"] is not None)
    return {
        "total_objects": objects,
        "total_size_bytes": size,
        "average_size_bytes": size / objects if objects else 0,
        "most_accessed": most.to_pylist(),
        "least_accessed": least.to_pylist(),
        "average_access_count": counted["accesses"] / objects if objects else 0,
    }


def _unreferenced_summary(rows: pa.Table, *, totals: pa.Table) -> Mapping[str, Any]:  # noqa: ARG001  # see Analysis
    return {"totals": totals.to_pylist()}


_OBJECTS = "How many objects"
_STORED = "Bytes stored: of each object once for each storage backend that has it, as far as sizes are known"
_ONCE = "Bytes of the objects, each counted once wherever it is, as far as sizes are known"
_LOGICAL = "Bytes of the objects of segments, each use counted, as far as sizes are known"
_AT_LEAST = Parameter("Only those that are at least so old, ns", 0)
_OF_ACCESSES = {
    "accesses": "How often they were asked for: media_gets and urls_given",
    "media_gets": "How often this service sent bytes of them, a range or all",
    "urls_given": "In how many answers there were URLs of them",
}
_LISTED = 10
"""How many objects the summary of `storage-usage` names."""

ANALYSES = (
    Analysis(
        "storage-usage",
        usage,
        "Objects by the storage backend that has them and their format",
        {
            "storage_id": "The storage backend; null: at URLs of others, which is in no total",
            "format": "Format of the flow that referred to them first, a URN; null: it is deleted",
            "objects": "How many objects are there; one on two backends is in a row of each",
            "size_bytes": "Their bytes there, as far as sizes are known",
            "unsized": "How many of them are of unknown size",
        },
        takes=filtering.NAMES,
        summary=_usage_summary,
        beside={
            "totals": ("access-totals", {}),
            "most": ("object-access", {"order": "most", "limit": _LISTED}),
            "least": ("object-access", {"order": "least", "limit": _LISTED}),
        },
    ),
    Analysis(
        "storage-by-source",
        by_source,
        "What each source has stored, and what its segments refer to",
        {
            "source_id": "Id of the source; null: that of deleted flows",
            "label": "Its label; null: none",
            "objects": "How many objects flows of the source were the first to refer to",
            "size_bytes": _STORED,
            "logical_bytes": f"{_LOGICAL}: of the segments of the source's flows, whoever referred to an object first",
        },
        takes=filtering.NAMES,
        parameters={"limit": Parameter("Most rows", 1000, least=1, most=100_000, shapes=True)},
    ),
    Analysis(
        "stored-and-logical",
        stored_and_logical,
        "What is stored, against what it would be if each segment had its own copy",
        {
            "format": "Of objects that of the flow first to refer to them, of segments their flow's; null: deleted",
            "objects": _OBJECTS,
            "object_bytes": _ONCE,
            "stored_bytes": _STORED,
            "logical_bytes": _LOGICAL,
            "saved_bytes": "logical_bytes less object_bytes: what use by reference saved, less what nothing refers to",
        },
        takes=filtering.NAMES,
    ),
    Analysis(
        "object-ages",
        ages,
        "Objects in buckets of age: how long ago they were first registered",
        {
            "from_days": "Least age in days of 24 hours",
            "to_days": "The age they have not reached; null: no limit",
            "objects": _OBJECTS,
            "size_bytes": _STORED,
        },
        takes=filtering.NAMES,
        parameters={"now_ns": PRESENT},
    ),
    Analysis(
        "storage-growth",
        growth,
        "Objects that are there now by the day they were first registered, and what they will add up to",
        {
            "day_ns": "Midnight at which the day begins, ns UTC",
            "objects": f"{_OBJECTS} were registered; null: projected",
            "size_bytes": f"{_STORED}; null: projected",
            "total_bytes": "The same of this and all earlier days; projected: the present total and, for each day from"
            " today, the slope of the least squares line through the totals of all days until today",
            "projected": "Whether the day is to come; only where there are two days to lay a line through",
        },
        takes=filtering.NAMES,
        parameters={
            "now_ns": PRESENT,
            "days_ahead": Parameter("How many days are projected", 30, most=3650, shapes=True),
        },
    ),
    Analysis(
        "unreferenced-objects",
        unreferenced,
        "Objects that no segment refers to and none needs, and allocations never registered; the oldest first",
        {
            "object_id": "Object id",
            "state": "registered, or allocated and not registered yet",
            "flow_id": "The flow that referred to it first, or that it was allocated for",
            "size_bytes": "Its size; null: not known",
            "created_ns": "When it was registered or allocated, ns UTC",
            "age_ns": "How long ago that was, ns",
        },
        takes=_NO_WINDOW,
        parameters={
            "now_ns": PRESENT,
            "at_least_ns": _AT_LEAST,
            "limit": Parameter("Most rows", 1000, least=1, most=100_000, shapes=True),
        },
        summary=_unreferenced_summary,
        beside={"totals": ("unreferenced-totals", {})},
    ),
    Analysis(
        "unreferenced-totals",
        unreferenced_totals,
        "What the objects that nothing refers to add up to",
        {
            "state": "registered, or allocated and not registered yet",
            "objects": _OBJECTS,
            "size_bytes": _ONCE,
            "oldest_ns": "When the first of them was registered or allocated, ns UTC",
        },
        takes=_NO_WINDOW,
        parameters={"now_ns": PRESENT, "at_least_ns": _AT_LEAST},
    ),
    Analysis(
        "instances-per-object",
        instances_per_object,
        "How many objects have how many instances, on storage backends and at URLs",
        {
            "instances": "How many instances; with a filter by backend, on that one",
            "objects": _OBJECTS,
            "size_bytes": _ONCE,
        },
        takes=filtering.NAMES,
    ),
    Analysis(
        "object-access",
        accessed,
        "The objects that were asked for most, or least",
        {
            "object_id": "Object id",
            **_OF_ACCESSES,
            "last_access_ns": "When it was last asked for, ns UTC; null: never",
            "size_bytes": "Its size; null: not known",
        },
        takes=filtering.NAMES,
        parameters={
            "order": Parameter(
                "Which: the most, of those that ever were asked for, or the least of all",
                "most",
                choices=("most", "least"),
                shapes=True,
            ),
            "limit": Parameter("Most rows", 100, least=1, most=100_000, shapes=True),
        },
    ),
    Analysis(
        "access-totals",
        access_totals,
        "How often objects were asked for in all",
        {
            "objects": _OBJECTS,
            "accessed_objects": "How many of them were ever asked for",
            **_OF_ACCESSES,
            "last_access_ns": "When one was last asked for, ns UTC; null: never",
        },
        takes=filtering.NAMES,
    ),
)
