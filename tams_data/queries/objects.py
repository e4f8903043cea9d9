"""Media objects, where their bytes are, and which flows refer to them."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from tams_data.engines.base import Tables
from tams_data.queries import tags
from tams_data.queries.paging import Bound, SortKey
from tams_data.queries.paging import page as page_of


def keys_by_hash(tables: Tables, *, hashes: ir.Table) -> ir.Table:
    """The keys of the objects whose `id_hash` is in the column `id_hash` of `hashes`; compare their ids as well.

    Only two columns of `objects` are scanned. Rows are then fetched by key, which is indexed.
    """
    return tables.objects.semi_join(hashes, "id_hash").select("key")


def by_key(tables: Tables, *, keys: Sequence[Bound]) -> ir.Table:
    """The objects with these keys."""
    return tables.objects.filter(tables.objects.key.isin(keys))


def shown(tables: Tables, *, keys: Sequence[Bound]) -> ir.Table:
    """Of the objects with these keys, what a segment or an object shows of them."""
    columns = ("key", "id", "start_ns", "end_ns", "timerange", "key_frame_count", "init_object_key")
    return by_key(tables, keys=keys).select(*columns)


def instances(tables: Tables, *, keys: Sequence[Bound]) -> ir.Table:
    """Where the bytes of the objects with these keys are: rows of `object_instances`."""
    return tables.object_instances.filter(tables.object_instances.object_key.isin(keys))


def allocated(tables: Tables, *, hashes: ir.Table | Sequence[Bound]) -> ir.Table:
    """Storage allocations whose `id_hash` is among `hashes`, or in their column `id_hash` if they are a table.

    Compare `object_id` as well. A few hashes are found by index, many are better joined.
    """
    allocations = tables.storage_allocations
    if isinstance(hashes, ir.Table):
        return allocations.semi_join(hashes, "id_hash")
    return allocations.filter(allocations.id_hash.isin(hashes))


def allocated_for(tables: Tables, *, flow_id: Bound) -> ir.Table:
    """Storage allocations that only this flow may register."""
    return tables.storage_allocations.filter(tables.storage_allocations.flow_id == flow_id)


def allocated_before(tables: Tables, *, before_ns: Bound, limit: int) -> ir.Table:
    """Ids of up to `limit` objects that were allocated before then and are not registered yet."""
    allocations = tables.storage_allocations
    return allocations.filter(allocations.created_ns < before_ns).select("object_id").limit(limit)


def registered_before(tables: Tables, *, after_key: Bound, before_ns: Bound, limit: int) -> ir.Table:
    """Keys of up to `limit` objects that were registered before then, in order, from the first after `after_key`."""
    objects = tables.objects.filter(tables.objects.key > after_key, tables.objects.created_ns < before_ns)
    return objects.select("key").order_by("key").limit(limit)


def copies(tables: Tables, *, keys: Sequence[Bound]) -> ir.Table:
    """The copies of the objects with these keys that are under way: rows of `object_copies`."""
    return tables.object_copies.filter(tables.object_copies.object_key.isin(keys))


def copies_due(tables: Tables, *, now_ns: Bound, limit: int) -> ir.Table:
    """Up to `limit` copies that are to be tried now, the one that has waited longest first."""
    copies = tables.object_copies
    return copies.filter(copies.next_ns <= now_ns).order_by("next_ns", "object_key", "storage_id").limit(limit)


def sizes(tables: Tables, *, keys: Sequence[Bound]) -> ir.Table:
    """`key` and `size_bytes` of the objects with these keys."""
    return by_key(tables, keys=keys).select("key", "size_bytes")


def accesses(tables: Tables, *, keys: ir.Table) -> ir.Table:
    """The objects with the keys in the column `key` of `keys`, and how often each was asked for; null: never noted."""
    objects, counts = tables.objects.select("key"), tables.object_accesses
    found = objects.semi_join(keys, "key")
    found = found.left_join(counts, found.key == counts.object_key)
    return found.select("key", "media_gets", "urls_given", "last_ns")


def unsized(tables: Tables, *, storage_id: Bound, after: Sequence[Bound], before_ns: Bound, limit: int) -> ir.Table:
    """Up to `limit` objects on a backend whose size is not known: `created_ns`, `key`, `id`, in order of the first two.

    They were registered before `before_ns`, and come after the (created_ns, key) of `after`.
    """
    objects, instances = tables.objects, tables.object_instances
    created_ns, key = after
    found = objects.filter(
        objects.size_bytes.isnull(),
        objects.created_ns < before_ns,
        objects.created_ns >= created_ns,  # says no more than the next, and is what engines can look up
        (objects.created_ns > created_ns) | (objects.key > key),
    )
    there = instances.filter(instances.storage_id == storage_id)
    found = found.semi_join(there, found.key == there.object_key).select("created_ns", "key", "id")
    return found.order_by("created_ns", "key").limit(limit)


def needing_init(tables: Tables, *, keys: ir.Table) -> ir.Table:
    """Those of the column `key` of `keys` that some object needs as its initialisation object, `init_object_key`."""
    objects = tables.objects
    return objects.semi_join(keys, objects.init_object_key == keys.key).select("init_object_key").distinct()


def seen(tables: Tables, *, keys: Sequence[Bound], inits: bool) -> ir.Table:
    """`key` of those of the objects with these keys that some flow uses, or was the first to use.

    It says something on tables in which flows are missing: see `queries.visible`. With `inits`, initialisation objects
    may be among them, which are used by the segments of the objects that need them; that takes longer to see.
    """
    segments, objects, flows = tables.segments, tables.objects, tables.flows
    nullable = objects.init_object_key.type()  # the types of a union are equal, also in what may be null
    used = segments.filter(segments.object_key.isin(keys))
    wanted = objects.filter(objects.key.isin(keys))
    first = wanted.semi_join(flows, wanted.first_flow_id == flows.id)
    found = [used.select(key=used.object_key.cast(nullable)), first.select(key=first.key.cast(nullable))]
    if inits:
        needing = objects.filter(objects.init_object_key.isin(keys))
        needed = needing.semi_join(segments, needing.key == segments.object_key)
        found.append(needed.select(key="init_object_key"))
    return ibis.union(*found, distinct=True)


def referring_flows(
    tables: Tables,
    *,
    key: Bound,
    is_init: bool,
    limit: int,
    after: Sequence[Bound] | None = None,
    any_tags: Sequence[Sequence[Bound]] = (),
    no_tags: Sequence[Bound] = (),
) -> ir.Table:
    """Ids of up to `limit` flows with a segment that uses the object, in order of id.

    An initialisation object is used by the segments of the objects that need it.
    """
    segments = tables.segments
    if is_init:
        users = tables.objects.filter(tables.objects.init_object_key == key)
        used = segments.semi_join(users, segments.object_key == users.key)
    else:
        used = segments.filter(segments.object_key == key)
    flows = tags.matching(tables.flows, any_of=any_tags, none_of=no_tags)
    found = flows.semi_join(used, flows.id == used.flow_id).select("id")
    return page_of(found, (SortKey(lambda t: t.id),), after=after, reverse=False, limit=limit)


def last_key(tables: Tables) -> ir.Table:
    """One row, `key`: the highest object key given out and still known, or null in an empty store.

    A deletion request may outlive its object, whose key must not become that of another.
    """
    nullable = tables.deletion_requests.object_key.type()  # the types of a union are equal, also in what may be null
    keys = ibis.union(
        tables.objects.aggregate(key=tables.objects.key.max().cast(nullable)),
        tables.storage_allocations.aggregate(key=tables.storage_allocations.object_key.max().cast(nullable)),
        tables.deletion_requests.aggregate(key=tables.deletion_requests.object_key.max()),
    )
    return keys.aggregate(key=keys.key.max())
