"""Flows and segments as commands take them, rows as queries find them, and a look at whole tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import uuid4

import ibis.expr.types as ir
from hypothesis import HealthCheck, settings

from tams_data import schema
from tams_data.engines.base import Database, Reader, Tables, Transaction
from tams_data.errors import TamsDataError
from tams_data.store import discards, flows, profiles, segments, service, sources, webhooks
from tams_data.store.allocations import Allocations
from tams_data.store.discards import Orphan
from tams_data.store.flows import ChangeFlow, DeleteFlow, PutFlow
from tams_data.store.keys import KeySequence
from tams_data.store.objects import (
    AllocateObjects,
    Allocation,
    Allocator,
    RecordUpload,
    UploadRecorder,
)
from tams_data.store.outbox import Announcing, Outbox
from tams_data.store.profiles import CreateProfile
from tams_data.store.registration import CreateObject, ObjectCreator
from tams_data.store.segments import AddSegments, DeleteSegments, NewSegment, SegmentAdder
from tams_data.store.service import DescribeService
from tams_data.store.sources import ChangeSource, CreateSource
from tams_data.store.webhooks import PutWebhook
from tams_data.timerange import TimeRange

VIDEO = "urn:x-nmos:format:video"
AUDIO = "urn:x-nmos:format:audio"
MULTI = "urn:x-nmos:format:multi"

NOW_NS = 1_700_000_000_000_000_000
BACKEND = "5b0f1ff5-6d34-4f4d-9b69-2d1a0c9c6b52"

Row = dict[str, Any]

on_one_database = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""For property tests whose examples share the `database` of their test and do not see each other's rows."""


def new_id() -> str:
    """A UUID that nothing has yet."""
    return str(uuid4())


def flow(**members: Any) -> Row:
    """A video flow as a client puts it, with `members` in place of its own or beside them."""
    of_video = {"format": VIDEO, "codec": "video/h264", "container": "video/mp2t"}
    return {"id": new_id(), "source_id": new_id(), **of_video, **members}


def fragmented_flow(**members: Any) -> Row:
    """A flow whose objects need an initialisation object."""
    return flow(**{"container": "video/mp4", "essence_parameters": {"init_segments": True}, **members})


def segment(object_id: str, start_ns: int, end_ns: int, **members: Any) -> NewSegment:
    """A segment from `start_ns` up to `end_ns`."""
    return NewSegment(object_id=object_id, timerange=TimeRange(start_ns, end_ns), **members)


def uncontrolled(object_id: str, start_ns: int, end_ns: int, **members: Any) -> NewSegment:
    """A segment whose object is elsewhere, so that nothing has to be allocated first."""
    urls = [(f"https://elsewhere.example/{object_id}", "elsewhere")]
    return segment(object_id, start_ns, end_ns, **{"get_urls": urls, **members})


class Commands:
    """The commands of the store, each carried out in a transaction of its own, `now_ns` being one more each time."""

    def __init__(self, database: Database, labels: Collection[str] = ("local",)) -> None:
        self.database, self.now_ns = database, NOW_NS
        new_key = KeySequence.of(database)
        # What is remembered after each command is tested with every one that follows.
        allocations = Allocations(most=4)
        self._allocator, self._adder = Allocator(new_key, allocations), SegmentAdder(new_key, labels, allocations)
        self._upload_recorder = UploadRecorder(allocations)
        self._allocations, self._outbox = allocations, Outbox(database)
        self._creator = ObjectCreator(new_key, labels)

    def put_flow(
        self, given: Mapping[str, Any], *, principal: str | None = None, only_version: str | None = None
    ) -> bool:
        return self._run(flows.put, PutFlow(given, principal, self._tick(), only_version))

    def create_flow(self, given: Mapping[str, Any], *, principal: str | None = None) -> None:
        self._run(flows.create, PutFlow(given, principal, self._tick()))

    def change_flow(
        self, flow_id: str, *, tags: Mapping[str, Any] | None = None, principal: str | None = None, **properties: Any
    ) -> None:
        self._run(flows.change, ChangeFlow(flow_id, properties, tags or {}, principal, self._tick()))

    def create_source(self, given: Mapping[str, Any], *, principal: str | None = None) -> None:
        self._run(sources.create, CreateSource(given, principal, self._tick()))

    def change_source(
        self, source_id: str, *, tags: Mapping[str, Any] | None = None, principal: str | None = None, **properties: Any
    ) -> None:
        self._run(sources.change, ChangeSource(source_id, properties, tags or {}, principal, self._tick()))

    def create_object(self, object_id: str, flow_id: str, **members: Any) -> None:
        urls = [(f"https://elsewhere.example/{object_id}", "elsewhere")]
        left_out = {"timerange": None, "timerange_text": None, "key_frame_count": None, "init_object_id": None}
        given = {"get_urls": urls, **left_out, **members}
        request = CreateObject(object_id=object_id, flow_id=flow_id, now_ns=self._tick(), **given)
        self._run(self._creator, request)

    def delete_flow(self, flow_id: str) -> list[Orphan]:
        return self._run(partial(flows.delete, allocations=self._allocations), DeleteFlow(flow_id, self._tick()))

    def describe_service(self, **properties: str) -> None:
        self._run(service.describe, DescribeService(properties, self._tick()))

    def create_profile(self, given: Mapping[str, Any], *, principal: str | None = None) -> None:
        self._run(profiles.create, CreateProfile(given, principal, self._tick()))

    def create_webhook(self, *, principal: str | None = None, **given: Any) -> str:
        return self._run(webhooks.create, PutWebhook(given, principal, self._tick()))

    def change_webhook(self, **given: Any) -> None:
        self._run(webhooks.change, PutWebhook(given, None, self._tick()))

    def delete_webhook(self, webhook_id: str) -> None:
        self._run(webhooks.delete, webhook_id)

    def forget(self, *gone: Orphan) -> None:
        """The bytes of these are deleted."""
        self._run(discards.forget, gone)

    def allocate(
        self, flow_id: str, *object_ids: str, count: int = 1, content_type: str | None = None
    ) -> list[Allocation]:
        request = AllocateObjects(
            flow_id=flow_id,
            storage_id=BACKEND,
            count=count,
            object_ids=object_ids or None,
            content_type=content_type,
            now_ns=self._tick(),
        )
        return self._run(self._allocator, request)

    def record_upload(self, object_id: str, size_bytes: int) -> None:
        self._run(self._upload_recorder, RecordUpload(object_id, size_bytes))

    def add(self, flow_id: str, *new: NewSegment) -> list[TamsDataError | None]:
        """The verdict on each segment of one request; an error for the whole request is raised."""
        (verdict,) = self.add_group((flow_id, new))
        if isinstance(verdict, TamsDataError):
            raise verdict
        return verdict

    def add_group(
        self, *requests: tuple[str, Sequence[NewSegment]]
    ) -> list[list[TamsDataError | None] | TamsDataError]:
        """The verdicts on several requests that are committed together."""
        now_ns = self._tick()
        added = [AddSegments(flow_id, new, now_ns) for flow_id, new in requests]
        with self.database.transaction() as transaction:
            announcer = self._outbox.begin(transaction)
            verdicts = self._adder(announcer, added)
            announcer.write()
            return verdicts

    def delete(self, flow_id: str, timerange: TimeRange, object_id: str | None = None) -> list[Orphan]:
        return self._run(segments.delete, DeleteSegments(flow_id, timerange, object_id, self._tick()))

    def _run(self, command: Callable[[Announcing, Any], Any], request: object) -> Any:
        try:
            with self.database.transaction() as transaction:
                announcer = self._outbox.begin(transaction)
                result = command(announcer, request)
                announcer.write()
                return result
        except BaseException:
            self._allocations.forget()
            self._outbox.forget()
            raise

    def _tick(self) -> int:
        self.now_ns += 1
        return self.now_ns


# --- rows ------------------------------------------------------------------------------------------------------------


def source_row(**columns: Any) -> Row:
    """A row of `sources`."""
    tags = columns.pop("tags", {})
    stamps = {"created_ns": NOW_NS, "updated_ns": NOW_NS}
    return {"id": new_id(), "format": VIDEO, **_tagged(tags), **stamps, **columns}


def flow_row(**columns: Any) -> Row:
    """A row of `flows`."""
    tags = columns.pop("tags", {})
    stamps = {"created_ns": NOW_NS, "metadata_updated_ns": NOW_NS, "metadata_version": "1"}
    return {"id": new_id(), "source_id": new_id(), "format": VIDEO, **_tagged(tags), **stamps, **columns}


def timeline_row(flow_id: str, **columns: Any) -> Row:
    """A row of `flow_timelines`, of a flow without segments unless `columns` say otherwise."""
    nothing = {"segment_count": 0, "covered_ns": 0, "longest_ns": 0, "size_bytes": 0}
    return {"flow_id": flow_id, **nothing, **columns}


def gap_rows(flow_id: str, spans: Iterable[tuple[int, int]]) -> list[Row]:
    """The rows of `flow_gaps` of a flow with segments of these starts and ends, which do not overlap."""
    return [
        {"flow_id": flow_id, "start_ns": end, "end_ns": start}
        for (_, end), (start, _) in pairwise(sorted(spans))
        if end < start
    ]


def gaps_between(segments: Iterable[Row]) -> list[Row]:
    """The rows of `flow_gaps` of flows with these rows of `segments`, in order."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for row in segments:
        spans.setdefault(row["flow_id"], []).append((row["start_ns"], row["end_ns"]))
    return [gap for flow_id, own in sorted(spans.items()) for gap in gap_rows(flow_id, own)]


def profile_row(**columns: Any) -> Row:
    """A row of `profiles`."""
    tags = columns.pop("tags", {})
    of_all = {"format": VIDEO, "codec": "video/h264", "flow_metadata": "{}", "created_ns": NOW_NS}
    return {"id": new_id(), **_tagged(tags), **of_all, **columns}


def webhook_row(**columns: Any) -> Row:
    """A row of `webhooks`."""
    tags = columns.pop("tags", {})
    of_all = {"url": "https://a.example", "selection": "{}", "status": "created"}
    return {"id": new_id(), **_tagged(tags), **of_all, "created_ns": NOW_NS, "updated_ns": NOW_NS, **columns}


def event_row(sequence: int, **columns: Any) -> Row:
    """A row of `events`, of a source."""
    of_all = {"event_type": "sources/deleted", "source_id": "s", "detail": '{"source_id":"s"}', "created_ns": NOW_NS}
    return {"sequence": sequence, **of_all, "tag_terms": [], **columns}


def segment_row(flow_id: str, start_ns: int, end_ns: int, **columns: Any) -> Row:
    """A row of `segments`."""
    of_all = {"object_key": 1, "created_ns": NOW_NS}
    return {"flow_id": flow_id, "start_ns": start_ns, "end_ns": end_ns, **of_all, **columns}


def object_row(key: int, **columns: Any) -> Row:
    """A row of `objects`."""
    object_id = columns.setdefault("id", f"object-{key}")
    hashed = {"id_hash": schema.id_hash(object_id), "is_init": False}
    return {"key": key, **hashed, "first_flow_id": "", "created_ns": NOW_NS, **columns}


def _tagged(tags: Mapping[str, str | list[str]]) -> Row:
    return {"tags": flows.json_text(tags), "tag_terms": schema.tag_terms(tags)}


def insert(transaction: Transaction, table: schema.Table, *rows: Row) -> None:
    """Put rows into a table, past all rules."""
    transaction.insert(table, table.rows(rows))


def whole(tables: Tables, *, name: str) -> ir.Table:
    """A query: every row of a table."""
    return getattr(tables, name)


def rows_of(reader: Reader, table: schema.Table) -> list[Row]:
    """Every row of a table, in order of its key."""
    return sorted(reader.read(whole, name=table.name).to_pylist(), key=lambda row: [row[name] for name in table.key])


def everything(reader: Reader) -> dict[str, list[Row]]:
    """Every row of every table: equal before and after what writes nothing."""
    return {name: rows_of(reader, table) for name, table in schema.TABLES.items()}


def clear(database: Database) -> None:
    """Delete every row but that of the schema's version."""
    with database.transaction() as transaction:
        for table in schema.TABLES.values():
            if table is not schema.SCHEMA_VERSIONS:
                transaction.delete(table, table.keys(rows_of(transaction, table)))


class _RolledBack(Exception):
    pass


@contextmanager
def scratch(database: Database) -> Iterator[Transaction]:
    """A transaction that leaves the database as it was."""
    try:
        with database.transaction() as transaction:
            yield transaction
            raise _RolledBack
    except _RolledBack:
        pass
