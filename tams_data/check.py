"""What holds where a service is to run: probes of its database and of its media, each of them with a finding.

The probes of a database write to a place of its own beside the store (see `engines.scratch`), never to the store, and
leave nothing behind: neither when one fails nor when they are interrupted. Whatever goes wrong in a probe is what it
found, so none of them raises.
"""

from __future__ import annotations

import io
import statistics
import tempfile
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from time import perf_counter_ns
from typing import Any, ParamSpec, Protocol, runtime_checkable
from uuid import uuid4

import httpx
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from tams_data import engines, media, schema
from tams_data.analytics import Analytics
from tams_data.engines import scratch
from tams_data.engines.base import Database, Reader, Tables
from tams_data.engines.binding import Value
from tams_data.errors import TransactionConflict
from tams_data.media import LocalMediaStore, MediaStore, Stat
from tams_data.queries import segments as queries
from tams_data.queries.analytics import ANALYSES
from tams_data.queries.paging import Bound
from tams_data.scan.explain import TableScan
from tams_data.scan.predicate import Comparison
from tams_data.settings import Settings
from tams_data.store.appends import NewSegment
from tams_data.store.reading import flow_rows, objects_with_instances
from tams_data.store.store import Store
from tams_data.timerange import MAX_NS, MIN_NS, NS_PER_SECOND, TimeRange

P = ParamSpec("P")

ROWS = 20_000
"""Segments that are inserted at once: enough for a rate, and few enough for a test."""

ROUNDS = 20
"""How often what is timed is done."""

PAGE = 30
"""Segments on a page."""

_CONTENT = bytes(range(256)) * 1024
_CONTENT_TYPE = "video/mp2t"
_URL_TIMEOUT_S = 30
_SEGMENT_NS = 2 * NS_PER_SECOND
_FILLED_FLOW = "filled"
"""The flow of the inserted segments, which needs no row of its own."""


@dataclass(frozen=True)
class Finding:
    """What a probe found; `held` is None when there was nothing to probe."""

    name: str
    held: bool | None
    detail: str


class _Skipped(Exception):
    """There is nothing to probe; the message says why."""


class _Unexpected(Exception):
    """What came is not what should have; the message says both."""


def _probe(name: str) -> Callable[[Callable[P, str]], Callable[P, Finding]]:
    """Make a finding of what a function returns, the detail, or raises."""

    def decorate(work: Callable[P, str]) -> Callable[P, Finding]:
        @wraps(work)
        def probe(*given: P.args, **named: P.kwargs) -> Finding:
            try:
                return Finding(name, True, work(*given, **named))
            except _Skipped as reason:
                return Finding(name, None, str(reason))
            except _Unexpected as difference:
                return Finding(name, False, str(difference))
            except Exception as error:  # noqa: BLE001  # whatever a cluster does is what was asked for
                return Finding(name, False, f"{type(error).__name__}: {error}")

        return probe

    return decorate


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise _Unexpected(f"{what}: {found!r}, not {expected!r}")


# --- all of them -----------------------------------------------------------------------------------------------------


def check(settings: Settings, report: Callable[[Finding], object]) -> None:
    """Probe the database and the media stores that a service with these settings has, and report each finding."""
    check_database(settings.database, report, memory_limit=settings.database_memory)
    check_media(settings, report)


def check_database(url: str, report: Callable[[Finding], object], *, memory_limit: str | None = None) -> None:
    """Probe the engine of `url` in a scratch place, and remove that; report each finding."""
    places: list[scratch.Scratch] = []
    databases: list[Database] = []

    @_probe("database: connect")
    def connect() -> str:
        places.append(scratch.beside(url))
        databases.append(engines.connect(places[0].url, memory_limit=memory_limit))
        return repr(databases[0])

    try:
        report(connect())
        for database in databases:
            with closing(database):
                _check_tables(database, report)
    finally:
        for place in places:
            report(leaves_nothing(place))


def _check_tables(database: Database, report: Callable[[Finding], object]) -> None:
    created = creates_tables(database)
    report(created)
    if created.held:
        for probe in _PROBES:
            report(probe(database))


def check_media(settings: Settings, report: Callable[[Finding], object]) -> None:
    """Probe each media store with an object of its own, and delete that; report each finding."""
    stores: list[MediaStore] = []

    @_probe("media: connect")
    def connect() -> str:
        stores.extend(media.connect(settings))
        return ", ".join(map(_name, stores))

    report(connect())
    for store in stores:
        with closing(store):
            _check_media_store(store, report)


def _check_media_store(store: MediaStore, report: Callable[[Finding], object]) -> None:
    reached = is_in_reach(store)
    report(reached)
    if reached.held:
        object_id = f"tams-check-{uuid4()}"
        try:
            for probe in _MEDIA_PROBES:
                report(probe(store, object_id))
        finally:
            report(leaves_no_bytes(store, object_id))


@_probe("database: clean up")
def leaves_nothing(place: scratch.Scratch) -> str:
    """Whether the scratch place can be removed. Where it cannot, the detail names it: somebody else has to."""
    try:
        place.remove()
    except Exception as error:
        raise _Unexpected(f"remove {place.url} yourself: {type(error).__name__}: {error}") from error
    return f"removed {place.url}"


# --- the database ----------------------------------------------------------------------------------------------------


@_probe("database: create tables")
def creates_tables(database: Database) -> str:
    """Whether the tables can be created, and are left alone once they are there."""
    database.create_tables()
    database.create_tables()
    _expect("schema version", database.read(_versions)["version"].to_pylist(), [schema.VERSION])
    return f"{len(schema.TABLES)} tables, schema version {schema.VERSION}"


@_probe("database: round trip")
def round_trip(database: Database) -> str:
    """Whether a flow gets segments by the rules of the store, shows them, and loses them again.

    Its media are in a folder of the probe's own. The database is closed afterwards, as every store's is.
    """
    with tempfile.TemporaryDirectory() as folder:
        local = LocalMediaStore(Path(folder), secret=bytes(32))
        with closing(Store(database, {local.backend.id: local})) as store:
            return _round_trip(store)


def _round_trip(store: Store) -> str:
    flow_id = str(uuid4())
    flow = {"id": flow_id, "source_id": str(uuid4()), "format": "urn:x-nmos:format:video"}
    store.put_flow({**flow, "codec": "video/h264", "container": "video/mp2t"})
    _, allocated = store.allocate(flow_id, count=3)
    segments = [
        NewSegment(object_id=one.object_id, timerange=TimeRange(i * _SEGMENT_NS, (i + 1) * _SEGMENT_NS))
        for i, one in enumerate(allocated)
    ]
    _expect("verdicts", store.add_segments(flow_id, segments), [None] * 3)
    _expect("page", _page(store.database, flow_id), [segment.object_id for segment in segments])
    store.delete_segments(flow_id, TimeRange(0, _SEGMENT_NS))
    _expect("page after a deletion", _page(store.database, flow_id), [one.object_id for one in segments[1:]])
    store.delete_flow(flow_id)
    _expect("flow after its deletion", flow_rows(store.database, [flow_id]), {})
    return "a flow, 3 objects and 3 segments: created, listed and deleted"


def _page(reader: Reader, flow_id: str) -> list[str]:
    """The ids of the objects on the first page of segments, found as the API finds them."""
    window = {"flow_id": flow_id, "start_ns": MIN_NS, "end_ns": MAX_NS}
    keys = reader.read(queries.page, window, reverse=False, limit=PAGE + 1)["object_key"].to_pylist()
    objects = objects_with_instances(reader, set(keys))
    return [objects[key]["id"] for key in keys]


@runtime_checkable
class _Explaining(Protocol):
    """A database that sends queries on, and can say what of them."""

    def explain(self, query: Any, values: Mapping[str, Value], /, **options: Hashable) -> tuple[TableScan, ...]: ...


@_probe("database: pushdown")
def explains(database: Database) -> str:
    """Whether a page of segments asks for its columns only, and by its flow and where segments start."""
    if not isinstance(database, _Explaining):
        raise _Skipped("this engine reads its own tables")
    window = {"flow_id": _FILLED_FLOW, "start_ns": 0, "end_ns": 60 * NS_PER_SECOND}
    scans = database.explain(queries.page, window, reverse=False, limit=PAGE + 1)
    _expect("tables", [scan.table for scan in scans], [schema.SEGMENTS.name])
    more = set(scans[0].columns) - {*queries.PAGE_COLUMNS, "flow_id"}
    _expect("columns beside those of a page", more, set())
    asked = [one for one in scans[0].predicate if isinstance(one, Comparison)]
    _expect(
        "flow asked for", [str(one) for one in asked if one.column == ("flow_id",)], [f"flow_id = {_FILLED_FLOW!r}"]
    )
    if not any(one.column == ("start_ns",) for one in asked):
        raise _Unexpected(f"no condition on start_ns among {list(map(str, asked))}")
    return " AND ".join(map(str, scans[0].predicate))


@_probe("database: conflict")
def refuses_conflicts(database: Database) -> str:
    """Whether of two transactions that write one row the later is refused."""
    flow_id = str(uuid4())
    _insert_timeline(database, flow_id)

    def count(segments: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        with database.transaction() as transaction:
            _segment_count(transaction, flow_id)
            meanwhile()
            transaction.update(schema.FLOW_TIMELINES, _counting(flow_id, segments))

    with ThreadPoolExecutor(max_workers=1) as elsewhere:  # a transaction belongs to the thread that began it
        try:
            count(2, meanwhile=lambda: elsewhere.submit(count, 1).result())
        except TransactionConflict:
            _expect("row", _segment_count(database, flow_id), 1)
        else:
            raise _Unexpected(f"both were committed; the row has {_segment_count(database, flow_id)}")
    count(2)
    _expect("row after another try", _segment_count(database, flow_id), 2)
    return "the later of two writers of a row was refused, and not when it tried again"


@_probe("database: snapshot")
def keeps_snapshots(database: Database) -> str:
    """Whether several reads in one snapshot see one state, whatever is committed in between."""
    flow_id = str(uuid4())
    _insert_timeline(database, flow_id)
    with ThreadPoolExecutor(max_workers=1) as elsewhere:
        with database.snapshot() as snapshot:
            _expect("row", _segment_count(snapshot, flow_id), 0)
            elsewhere.submit(_count, database, flow_id, 1).result()
            _expect("row in the snapshot after a commit", _segment_count(snapshot, flow_id), 0)
        _expect("row after the snapshot", _segment_count(database, flow_id), 1)
    return "a commit was seen after a snapshot, not in it"


@_probe("database: insert rate")
def fill_rate(database: Database) -> str:
    """How fast many segments are inserted at once."""
    rows = _filling(ROWS)
    began = perf_counter_ns()
    with database.transaction() as transaction:
        transaction.insert(schema.SEGMENTS, rows)
    seconds = (perf_counter_ns() - began) / 1e9
    return f"{ROWS / seconds:,.0f} rows/s, {ROWS:,} rows in one transaction"


@_probe("database: analysis")
def analyses(database: Database) -> str:
    """Whether an Ibis connection adds up what was inserted."""
    segments = database.ibis().table(schema.SEGMENTS.name)
    found = segments.filter(segments.flow_id == _FILLED_FLOW)
    totals = found.aggregate(count=found.count(), covered_ns=(found.end_ns - found.start_ns).sum().cast("int64"))
    _expect("totals", totals.to_pyarrow().to_pylist(), [{"count": ROWS, "covered_ns": ROWS * _SEGMENT_NS}])
    return f"{ROWS:,} segments counted and added up"


@_probe("database: named analyses")
def named_analyses(database: Database) -> str:
    """Whether each of the named analyses runs, and which takes longest."""
    analytics, taken_ms = Analytics(database), {}
    for name in ANALYSES:
        analytics.run(name)  # compiled once, and not again
        began = perf_counter_ns()
        analytics.run(name)
        taken_ms[name] = (perf_counter_ns() - began) / 1e6
    counted = analytics.run("time-range-analysis", flow_id=_FILLED_FLOW)["total_segments"].to_pylist()
    _expect("segments", counted, [ROWS])
    longest = max(taken_ms, key=taken_ms.__getitem__)
    return f"{len(taken_ms)} ran; the longest, {longest}, took {taken_ms[longest]:,.0f} ms"


@_probe("database: page read")
def page_time(database: Database) -> str:
    """How long a page of segments from the middle of many takes to read."""
    start_ns = ROWS // 2 * _SEGMENT_NS
    window = {"flow_id": _FILLED_FLOW, "start_ns": start_ns, "end_ns": start_ns + PAGE * _SEGMENT_NS}

    def read(_: int) -> None:
        rows = database.read(queries.page, window, reverse=False, limit=PAGE + 1)
        _expect("rows", rows.num_rows, PAGE)

    return _median(read)


@_probe("database: commit")
def commit_time(database: Database) -> str:
    """How long it takes to change one row and commit."""
    flow_id = str(uuid4())
    _insert_timeline(database, flow_id)
    return _median(lambda number: _count(database, flow_id, number))


_PROBES = (
    explains,
    refuses_conflicts,
    keeps_snapshots,
    fill_rate,
    analyses,
    named_analyses,
    page_time,
    commit_time,
    round_trip,  # the last: it closes the database
)


def _versions(tables: Tables) -> ir.Table:
    return tables.schema_versions.select("version")


def _timeline(tables: Tables, *, flow_id: Bound) -> ir.Table:
    timelines = tables.flow_timelines
    return timelines.filter(timelines.flow_id == flow_id).select("segment_count")


def _segment_count(reader: Reader, flow_id: str) -> int:
    (count,) = reader.read(_timeline, {"flow_id": flow_id})["segment_count"].to_pylist()
    return int(count)


def _insert_timeline(database: Database, flow_id: str) -> None:
    none = {"segment_count": 0, "covered_ns": 0, "longest_ns": 0, "size_bytes": 0}
    with database.transaction() as transaction:
        transaction.insert(schema.FLOW_TIMELINES, schema.FLOW_TIMELINES.rows([{"flow_id": flow_id, **none}]))


def _count(database: Database, flow_id: str, segments: int) -> None:
    with database.transaction() as transaction:
        transaction.update(schema.FLOW_TIMELINES, _counting(flow_id, segments))


def _counting(flow_id: str, segments: int) -> pa.Table:
    changed = [{"flow_id": flow_id, "segment_count": segments}]
    return schema.FLOW_TIMELINES.part(("flow_id", "segment_count"), changed)


def _filling(count: int) -> pa.Table:
    """Segments of one flow, one after the other."""
    starts = np.arange(count, dtype=np.int64) * _SEGMENT_NS
    return schema.SEGMENTS.columns_of(
        count,
        flow_id=_FILLED_FLOW,
        start_ns=starts.tolist(),
        end_ns=(starts + _SEGMENT_NS).tolist(),
        object_key=list(range(1, count + 1)),
        created_ns=0,
    )


def _median(work: Callable[[int], object]) -> str:
    times = []
    for number in range(-1, ROUNDS):  # the first time of anything takes longer
        began = perf_counter_ns()
        work(number)
        times.append(perf_counter_ns() - began)
    return f"{statistics.median(times[1:]) / 1e6:.1f} ms, median of {ROUNDS}"


# --- the media -------------------------------------------------------------------------------------------------------


def _name(store: MediaStore) -> str:
    return store.backend.label or store.backend.id


def is_in_reach(store: MediaStore) -> Finding:
    """Whether the place is there, and the credentials open it."""

    @_probe(f"media: {_name(store)}")
    def reaches() -> str:
        store.check()
        return f"{store.backend.store_product} of {store.backend.provider}"

    return reaches()


def keeps_bytes(store: MediaStore, object_id: str) -> Finding:
    """Whether a media store takes an object and gives it back."""

    @_probe(f"media: {_name(store)}, round trip")
    def keeps() -> str:
        stat = _write(store, object_id)
        _expect("size", stat.size_bytes, len(_CONTENT))
        _expect("size asked for", _size(store, object_id), len(_CONTENT))
        _expect_content(_read(store, object_id))
        return f"{len(_CONTENT):,} bytes were stored and read"

    return keeps()


def serves_urls(store: MediaStore, object_id: str) -> Finding:
    """Whether the presigned URLs that clients get take an object and give it, as seen from here."""

    @_probe(f"media: {_name(store)}, URLs")
    def serves() -> str:
        address = store.put_url(object_id, content_type=_CONTENT_TYPE, presigned=True, base_url="")
        if not httpx.URL(address).is_absolute_url:
            raise _Skipped("they lead to the service itself")
        with httpx.Client(timeout=_URL_TIMEOUT_S) as client:
            stored = client.put(address, content=_CONTENT, headers={"Content-Type": _CONTENT_TYPE})
            _expect("status of a PUT", stored.status_code, httpx.codes.OK)
            found = client.get(store.get_url(object_id, presigned=True, base_url=""))
            _expect("status of a GET", found.status_code, httpx.codes.OK)
        _expect_content(found.content)
        return f"{len(_CONTENT):,} bytes were sent to {httpx.URL(address).host} and fetched from there"

    return serves()


def media_times(store: MediaStore, object_id: str) -> Finding:
    """How long it takes to store an object and to read it."""

    @_probe(f"media: {_name(store)}, times")
    def times() -> str:
        stored = _median(lambda _: _write(store, object_id))
        read = _median(lambda _: _read(store, object_id))
        return f"to store {len(_CONTENT):,} bytes: {stored}; to read them: {read}"

    return times()


def leaves_no_bytes(store: MediaStore, object_id: str) -> Finding:
    """Whether the object can be deleted. Where it cannot, the detail names it: somebody else has to."""

    @_probe(f"media: {_name(store)}, clean up")
    def deletes() -> str:
        try:
            store.delete([object_id])
            left = store.stat(object_id)
        except Exception as error:
            raise _Unexpected(f"delete object {object_id} yourself: {type(error).__name__}: {error}") from error
        _expect(f"object {object_id} after its deletion", left, None)
        return "the object was deleted"

    return deletes()


_MEDIA_PROBES = (keeps_bytes, serves_urls, media_times)


def _write(store: MediaStore, object_id: str) -> Stat:
    return store.write(object_id, io.BytesIO(_CONTENT), length=len(_CONTENT), content_type=_CONTENT_TYPE)


def _read(store: MediaStore, object_id: str) -> bytes:
    with store.open(object_id) as opened:
        return opened.file.read()


def _size(store: MediaStore, object_id: str) -> int | None:
    stat = store.stat(object_id)
    return None if stat is None else stat.size_bytes


def _expect_content(found: bytes) -> None:
    if found != _CONTENT:
        raise _Unexpected(f"{len(found):,} bytes came back, and not those that were stored")
