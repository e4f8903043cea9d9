"""The tables of the store: THE schema module.

Every table is described here once, with a pyarrow type and a sentence for each column, its key and the order its
rows are kept in. The engines create tables from it, queries and commands name columns from it, and analysts read
it; no other module names a column's type.

Conventions, for every table:

- Media time is two int64 columns of nanoseconds, `start_ns` inclusive and `end_ns` exclusive (see `timerange`).
- Clock time (`created_ns` and the like) is int64 nanoseconds since 1970-01-01T00:00:00 UTC.
- A client's own text of a time range is kept only where it differs from the canonical text of its interval: a
  column of nulls costs nothing, a column of distinct text is what a page pays for.
- Tags are kept twice in one row, so that they can never disagree for long: `tags` is the JSON text as given, which
  tells `"a"` from `["a"]`, and `tag_terms` is a list of 64-bit terms, one for each name and for each name with a
  value (see `tag_terms`). Filtering a million flows by a tag costs 9 to 19 ms this way; the same filter took 60 ms
  on the JSON text, 50 ms on a list of text, and 35 to 57 ms on a separate table of tags.
- Segments refer to media objects by `object_key`, a 64-bit number given out in ascending order; the client's text
  id lives once, in `objects`. The objects of neighbouring segments are then neighbours in `objects`.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tams_data import markup

if TYPE_CHECKING:
    import ibis.expr.schema

VERSION = 5
"""The version of this schema; a store remembers the one it was written with. A step forward only adds columns that may
be null, and tables, which are empty or filled with what follows from others: see `engines.steps`."""

RESTORING = 2**62
"""The version of a store that a backup is being restored into: no software knows it."""


@dataclass(frozen=True)
class Column:
    """A column of a table: `description` says what it holds and in which unit. A `secret` one never leaves."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False
    secret: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its columns, the columns that identify a row, and the order its rows are best kept in.

    `indexed` names columns that an engine with secondary indexes looks rows up by.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order: tuple[str, ...]
    indexed: tuple[str, ...] = ()

    @cached_property
    def arrow(self) -> pa.Schema:
        """The pyarrow schema; each field's metadata carries the column's description."""
        return pa.schema(
            [pa.field(c.name, c.type, c.nullable, metadata={"description": c.description}) for c in self.columns],
            metadata={"description": self.description},
        )

    @cached_property
    def readable(self) -> pa.Schema:
        """The columns that may leave the service, as `arrow` has them."""
        return pa.schema([self.arrow.field(c.name) for c in self.columns if not c.secret], self.arrow.metadata)

    @cached_property
    def ibis(self) -> ibis.expr.schema.Schema:
        """The same columns as an Ibis schema."""
        from ibis import Schema  # noqa: PLC0415  # a quarter of a second, of which who only names columns has no need

        return Schema.from_pyarrow(self.arrow)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def record(self) -> Any:
        """A named tuple of a row's columns: what to make rows of where many are made."""
        return namedtuple(self.name, self.names)  # its fields are known when it runs

    def records(self, records: Iterable[tuple[object, ...]]) -> pa.Table:
        """An Arrow table of tuples in the order of the columns, `record`s for one.

        >>> SCHEMA_VERSIONS.records([SCHEMA_VERSIONS.record(version=1, applied_ns=5)]).to_pylist()
        [{'version': 1, 'applied_ns': 5}]
        """
        columns = list(zip(*records, strict=True)) or [()] * len(self.names)
        return pa.table(dict(zip(self.names, map(list, columns), strict=True)), schema=self.arrow)

    def columns_of(self, count: int, **columns: object) -> pa.Table:
        """An Arrow table of `count` rows: a column is given as a list, as one value for all rows, or left out: null.

        >>> SCHEMA_VERSIONS.columns_of(2, version=[1, 2], applied_ns=5).to_pylist()
        [{'version': 1, 'applied_ns': 5}, {'version': 2, 'applied_ns': 5}]
        """
        arrays = [_array(columns.pop(column.name, None), column.type, count) for column in self.columns]
        if columns:
            raise TypeError(f"{self.name} has no columns {sorted(columns)}")
        return pa.table(arrays, schema=self.arrow)

    def rows(self, rows: Iterable[Mapping[str, object]]) -> pa.Table:
        """An Arrow table of `rows`, a missing key being null.

        >>> SCHEMA_VERSIONS.rows([{"version": 1, "applied_ns": 5}]).to_pylist()
        [{'version': 1, 'applied_ns': 5}]
        """
        return self.records(tuple(map(row.get, self.names)) for row in rows)

    def part(self, names: Sequence[str], rows: Iterable[Mapping[str, object]]) -> pa.Table:
        """An Arrow table of some columns of `rows`: what to delete by, or a key and what to change."""
        given = list(rows)
        schema = pa.schema([self.arrow.field(name) for name in names])
        return pa.table({name: [row.get(name) for row in given] for name in names}, schema=schema)

    def keys(self, rows: Iterable[Mapping[str, object]]) -> pa.Table:
        """An Arrow table of the key columns of `rows`, to delete them by."""
        return self.part(self.key, rows)

    def _repr_html_(self) -> str:
        """Its columns with types and meanings, for a notebook; those of the key are marked."""
        headings = [markup.Heading(text) for text in ("column", "type", "key", "what it holds")]
        rows = [
            (one.name, _type_text(one), "key" if one.name in self.key else "", one.description) for one in self.columns
        ]
        return markup.table(headings, rows, caption=f"{self.name}: {self.description}")


def _type_text(column: Column) -> str:
    return f"{column.type} or null" if column.nullable else str(column.type)


def _array(given: object, kind: pa.DataType, count: int) -> pa.Array:
    if given is None:
        return pa.nulls(count, kind)
    return pa.array(given, kind) if isinstance(given, list) else pa.repeat(pa.scalar(given, kind), count)


def _term(*parts: str) -> int:
    # Lengths are part of what is hashed, so that ("ab", "c") and ("a", "bc") are different terms.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return _hash64(text)


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


def tag_term(name: str, value: str | None = None) -> int:
    """The 64-bit term of a tag name, or of a name with one value.

    Two different tags share a term with a chance of one in 1.8e19.

    >>> tag_term("genre") == tag_term("genre", "news")
    False
    """
    return _term(name) if value is None else _term(name, value)


def tag_terms(tags: Mapping[str, str | list[str]]) -> list[int]:
    """The terms a row with these tags is found by: each name, and each name with each of its values.

    >>> len(tag_terms({"genre": ["news", "live"], "site": "london"}))
    5
    """
    terms = []
    for name, value in tags.items():
        terms.append(tag_term(name))
        terms.extend(tag_term(name, one) for one in ([value] if isinstance(value, str) else value))
    return terms


def id_hash(object_id: str) -> int:
    """The 64-bit hash a media object is found by when only its text id is known.

    A scan of one fixed-width column; whoever looks up compares the id itself as well.
    """
    return _hash64(object_id)


_TEXT = pa.string()
_INT = pa.int64()
_BOOL = pa.bool_()
_TERMS = pa.list_(pa.field("item", pa.int64(), nullable=False))

_TAGS = (
    Column("tags", _TEXT, "Tags as a JSON object; a value is a string or a list of strings, as given"),
    Column("tag_terms", _TERMS, "64-bit terms of the tags, to filter by: see schema.tag_terms"),
)
_TIMERANGE = Column("timerange", _TEXT, "The client's own text of the time range; null: the canonical text", True)

SOURCES = Table(
    "sources",
    "Sources: pieces of media whatever their encoding. Created with their first flow or before, deleted with the last.",
    (
        Column("id", _TEXT, "Source id, a UUID"),
        Column("format", _TEXT, "Content format, a URN"),
        Column("label", _TEXT, "Short label for people", True),
        Column("description", _TEXT, "Longer text for people", True),
        *_TAGS,
        Column("created_by", _TEXT, "Who created it", True),
        Column("updated_by", _TEXT, "Who changed its metadata last", True),
        Column("created_ns", _INT, "When it was created, ns UTC"),
        Column("updated_ns", _INT, "When its metadata changed last, ns UTC"),
    ),
    key=("id",),
    order=("created_ns",),
)

FLOWS = Table(
    "flows",
    "Flows: sources rendered to one encoding. Technical parameters that lists filter by are columns of their own.",
    (
        Column("id", _TEXT, "Flow id, a UUID"),
        Column("source_id", _TEXT, "Id of the source it renders"),
        Column("format", _TEXT, "Content format, a URN"),
        Column("codec", _TEXT, "MIME type of the coding", True),
        Column("container", _TEXT, "MIME type of the media objects; null: the flow takes no segments", True),
        Column("label", _TEXT, "Short label for people", True),
        Column("description", _TEXT, "Longer text for people", True),
        *_TAGS,
        Column("status", _TEXT, "Ingest status as the client last said", True),
        Column("generation", _INT, "How many lossy encodings the content has been through", True),
        Column("read_only", _BOOL, "Whether every change but lifting this is refused; null: never said", True),
        Column("profile_id", _TEXT, "Id of the profile it was made from", True),
        Column("max_bit_rate", _INT, "Declared maximum bit rate, 1000 bit/s", True),
        Column("avg_bit_rate", _INT, "Declared average bit rate, 1000 bit/s", True),
        Column("frame_width", _INT, "Picture width in pixels", True),
        Column("frame_height", _INT, "Picture height in pixels", True),
        Column("init_segments", _BOOL, "Whether objects need an initialisation object", True),
        Column("segment_duration", _TEXT, "Target segment duration in seconds, a JSON rational", True),
        Column("essence_parameters", _TEXT, "Essence parameters, a JSON object, as given", True),
        Column("container_mapping", _TEXT, "Where the essence is in the container, a JSON object", True),
        Column("metadata_version", _TEXT, "Changes whenever the metadata does"),
        Column("created_by", _TEXT, "Who created it", True),
        Column("updated_by", _TEXT, "Who changed its metadata last", True),
        Column("created_ns", _INT, "When it was created, ns UTC"),
        Column("metadata_updated_ns", _INT, "When its metadata changed last, ns UTC"),
    ),
    key=("id",),
    order=("created_ns",),
)

FLOW_COLLECTIONS = Table(
    "flow_collections",
    "Which flows a flow collects, in order. What collects a flow, and the collections of sources, follow from it.",
    (
        Column("flow_id", _TEXT, "The collecting flow"),
        Column("position", _INT, "Place in the collection, from 0"),
        Column("member_id", _TEXT, "The collected flow"),
        Column("role", _TEXT, "What the member is in the collection", True),
        Column("container_mapping", _TEXT, "Where the member is in the container, a JSON object", True),
    ),
    key=("flow_id", "position"),
    order=("flow_id", "position"),
)

FLOW_TIMELINES = Table(
    "flow_timelines",
    "What the segments of each flow add up to, kept with every write: listings read this instead of segments.",
    (
        Column("flow_id", _TEXT, "The flow"),
        Column("start_ns", _INT, "Start of the first segment; null: no segments", True),
        Column("end_ns", _INT, "End of the last segment; null: no segments", True),
        Column("segment_count", _INT, "How many segments"),
        Column("covered_ns", _INT, "Sum of the segments' durations, ns"),
        Column("longest_ns", _INT, "No segment is longer than this, ns"),
        Column("size_bytes", _INT, "Bytes of the objects of all segments, as far as known"),
        Column("segments_updated_ns", _INT, "When a segment was added or deleted last, ns UTC", True),
    ),
    key=("flow_id",),
    order=("flow_id",),
)

FLOW_GAPS = Table(
    "flow_gaps",
    "What is missing between the first and the last segment of each flow, kept with every write: analyses of coverage"
    " read this instead of segments.",
    (
        Column("flow_id", _TEXT, "The flow"),
        Column("start_ns", _INT, "End of the segment before the gap, where the gap starts, inclusive"),
        Column("end_ns", _INT, "Start of the segment after it, where it ends, exclusive"),
    ),
    key=("flow_id", "start_ns"),
    order=("flow_id", "start_ns"),
)

SEGMENTS = Table(
    "segments",
    "Flow segments: which object holds which stretch of which flow. Segments of one flow never overlap.",
    (
        Column("flow_id", _TEXT, "The flow"),
        Column("start_ns", _INT, "Start on the flow's timeline, inclusive"),
        Column("end_ns", _INT, "End on the flow's timeline, exclusive"),
        _TIMERANGE,
        Column("object_key", _INT, "The media object, by objects.key"),
        Column("ts_offset_ns", _INT, "Flow time minus object time; null: not given, 0", True),
        Column("last_duration_ns", _INT, "Time range end minus last sample, ns", True),
        Column("sample_offset", _INT, "Deprecated count of samples before the segment in the object", True),
        Column("sample_count", _INT, "Deprecated count of samples in the segment", True),
        Column("created_ns", _INT, "When it was registered, ns UTC"),
    ),
    key=("flow_id", "start_ns"),
    order=("flow_id", "start_ns"),
)

OBJECTS = Table(
    "objects",
    "Media objects and initialisation objects that a segment refers to. Immutable but for size_bytes.",
    (
        Column("key", _INT, "The object's number inside the store, ascending with time"),
        Column("id", _TEXT, "Object id, any text"),
        Column("id_hash", _INT, "64-bit hash of id: see schema.id_hash"),
        Column("is_init", _BOOL, "Whether it is an initialisation object"),
        Column("start_ns", _INT, "Start of its samples on its own timeline, inclusive; null: init object", True),
        Column("end_ns", _INT, "End of its samples on its own timeline, exclusive; null: init object", True),
        _TIMERANGE,
        Column("key_frame_count", _INT, "How many key frames it holds", True),
        Column("init_object_key", _INT, "The initialisation object it needs, by objects.key", True),
        Column("size_bytes", _INT, "Its size in bytes; null: not known", True),
        Column("first_flow_id", _TEXT, "The first flow that referred to it"),
        Column("created_ns", _INT, "When it was first registered, ns UTC"),
    ),
    key=("key",),
    order=("key",),
    indexed=("key",),
)

OBJECT_INSTANCES = Table(
    "object_instances",
    "Where the bytes of an object are: on a storage backend of this service, or at a URL a client named.",
    (
        Column("object_key", _INT, "The object, by objects.key"),
        Column("storage_id", _TEXT, "The storage backend; null: uncontrolled", True),
        Column("label", _TEXT, "Label of an uncontrolled instance", True),
        Column("url", _TEXT, "URL of an uncontrolled instance", True),
        Column("created_ns", _INT, "When it was added, ns UTC"),
    ),
    key=("object_key",),
    order=("object_key",),
    indexed=("object_key",),
)

OBJECT_ACCESSES = Table(
    "object_accesses",
    "How often objects were asked for. Counted in batches: a crash loses the last seconds.",
    (
        Column("object_key", _INT, "The object, by objects.key"),
        Column("media_gets", _INT, "How often this service sent bytes of it, a range of them or all"),
        Column("urls_given", _INT, "In how many answers there were URLs of it, one or several"),
        Column("last_ns", _INT, "When it was last asked for in either way, ns UTC"),
    ),
    key=("object_key",),
    order=("object_key",),
)

STORAGE_ALLOCATIONS = Table(
    "storage_allocations",
    "Objects a client was given an upload URL for and has not registered yet.",
    (
        Column("object_key", _INT, "The number the object will have in objects"),
        Column("object_id", _TEXT, "Object id, any text"),
        Column("id_hash", _INT, "64-bit hash of object_id: see schema.id_hash"),
        Column("flow_id", _TEXT, "The only flow that may register it first"),
        Column("storage_id", _TEXT, "The storage backend it is to be uploaded to"),
        Column("content_type", _TEXT, "The content type it must be uploaded with"),
        Column("size_bytes", _INT, "Size of what was uploaded; null: nothing yet, or not known", True),
        Column("created_ns", _INT, "When it was allocated, ns UTC"),
    ),
    key=("object_key",),
    order=("object_key",),
    indexed=("id_hash",),
)

SERVICE_INFO = Table(
    "service_info",
    "What clients said of the service in place of its settings: a row for each of its properties that was set.",
    (
        Column("property", _TEXT, "Name of the property: name or description"),
        Column("value", _TEXT, "What it was set to"),
        Column("updated_ns", _INT, "When it was set, ns UTC"),
    ),
    key=("property",),
    order=("property",),
)

PROFILES = Table(
    "profiles",
    "Profiles: technical metadata that flows are made with. Immutable.",
    (
        Column("id", _TEXT, "Profile id, a UUID"),
        Column("label", _TEXT, "Short label for people", True),
        Column("description", _TEXT, "Longer text for people", True),
        *_TAGS,
        Column("format", _TEXT, "Content format of the flows, a URN"),
        Column("codec", _TEXT, "MIME type of their coding", True),
        Column("flow_metadata", _TEXT, "What flows take from it, a JSON object, as given"),
        Column("created_by", _TEXT, "Who created it", True),
        Column("created_ns", _INT, "When it was created, ns UTC"),
    ),
    key=("id",),
    order=("created_ns",),
)

WEBHOOKS = Table(
    "webhooks",
    "Webhooks: where events are to be sent, which of them, and how the sending goes.",
    (
        Column("id", _TEXT, "Webhook id, a UUID"),
        Column("url", _TEXT, "URL that events are posted to"),
        Column("api_key_name", _TEXT, "Header that carries the key", True),
        Column("api_key_value", _TEXT, "The key: a secret of the receiver's, never shown", True, secret=True),
        Column("selection", _TEXT, "Events, filters and options, a JSON object of the specification's properties"),
        *_TAGS,
        Column("status", _TEXT, "created, started, disabled or error"),
        Column("error", _TEXT, "What ended in the status error, a JSON object", True),
        Column("created_by", _TEXT, "Who created it", True),
        Column("created_ns", _INT, "When it was created, ns UTC"),
        Column("updated_ns", _INT, "When it was changed last, ns UTC"),
        Column("position", _INT, "Sequence of the last event it was sent, or was not to be; null: none yet", True),
        Column("attempts", _INT, "How often sending has failed since it last succeeded; null: never", True),
        Column("next_ns", _INT, "Not before then is it sent anything, ns UTC; null: at any time", True),
        Column("holder", _TEXT, "Which process sends to it; null: none", True),
        Column("held_until_ns", _INT, "Until when that process may, ns UTC; null: it is nobody's", True),
        Column("groups", _TEXT, "Groups of who set it up, a JSON array: told is what they may read; null: all", True),
    ),
    key=("id",),
    order=("created_ns",),
)

_EVENT = (
    Column("created_ns", _INT, "When what it tells of was asked for, ns UTC"),
    Column("event_type", _TEXT, "What happened: a name of the specification's webhooks"),
    Column("flow_id", _TEXT, "The flow it is about; null: it is about a source", True),
    Column("source_id", _TEXT, "The source it is about, or that of the flow"),
    Column("flow_collected_by", _TEXT, "Flows that collected the flow then, a JSON array of ids; null: none", True),
    Column("source_collected_by", _TEXT, "Sources that collected the source then, the same", True),
    Column("tag_terms", _TERMS, "64-bit terms of its tag auth_classes as it was then: see schema.tag_terms"),
    Column("detail", _TEXT, "The specification's `event`, as JSON; of segments an array for each: see store.events"),
)

EVENTS = Table(
    "events",
    "The outbox: what happened to sources, flows and segments, written with it and kept for a time.",
    (
        Column("sequence", _INT, "Its place: higher than that of whatever was committed before it could be read"),
        *_EVENT,
    ),
    key=("sequence",),
    order=("sequence",),
)

DELETION_REQUESTS = Table(
    "deletion_requests",
    "Deletions that take longer than a request: carried out in batches, and resumed where they stood.",
    (
        Column("id", _TEXT, "Deletion request id, a UUID"),
        Column("flow_id", _TEXT, "The flow whose segments are deleted"),
        Column("start_ns", _INT, "Segments wholly inside are deleted: start, inclusive"),
        Column("end_ns", _INT, "Segments wholly inside are deleted: end, exclusive"),
        _TIMERANGE,
        Column("object_key", _INT, "Only segments of this object are deleted, by objects.key; null: of any", True),
        Column("remaining_start_ns", _INT, "Where the part not yet deleted starts; null: nothing remains", True),
        Column("remaining_end_ns", _INT, "Where the part not yet deleted ends; null: nothing remains", True),
        Column("delete_flow", _BOOL, "Whether the flow goes with its last segment"),
        Column("status", _TEXT, "created, started, done or error"),
        Column("error", _TEXT, "What ended in the status error, a JSON object", True),
        Column("created_by", _TEXT, "Who asked for it", True),
        Column("created_ns", _INT, "When it was asked for, ns UTC"),
        Column("updated_ns", _INT, "When it moved last, ns UTC"),
        Column("expiry_ns", _INT, "When the request itself goes, ns UTC; null: while it is carried out", True),
        Column("attempts", _INT, "How often in a row its next batch failed; null: the last one did not", True),
        Column("last_error", _TEXT, "Why its last batch failed; null: it did not", True),
        Column("next_ns", _INT, "When it is tried next after a failure, ns UTC; null: at once", True),
    ),
    key=("id",),
    order=("created_ns",),
)

OBJECT_COPIES = Table(
    "object_copies",
    "Copies of objects to further storage backends that were asked for and are not there yet.",
    (
        Column("object_key", _INT, "The object, by objects.key"),
        Column("storage_id", _TEXT, "The storage backend it is to be copied to"),
        Column("attempts", _INT, "How often it was tried"),
        Column("error", _TEXT, "Why the last attempt failed", True),
        Column("next_ns", _INT, "When it is tried next, ns UTC"),
        Column("created_ns", _INT, "When it was asked for, ns UTC"),
    ),
    key=("object_key", "storage_id"),
    order=("created_ns",),
)

DISCARDED_BYTES = Table(
    "discarded_bytes",
    "Bytes in the media store that no row refers to any more: written with what let them go, gone with the bytes.",
    (
        Column("object_id", _TEXT, "Object id, any text"),
        Column("storage_id", _TEXT, "The storage backend they are on"),
        Column("created_ns", _INT, "When they were let go, ns UTC"),
    ),
    key=("object_id", "storage_id"),
    order=("created_ns",),
)

JOB_WALKS = Table(
    "job_walks",
    "Where jobs stand that walk through a whole table in small steps, so that several processes share one walk.",
    (
        Column("job", _TEXT, "Name of the job"),
        Column("position", _INT, "Key of the last row that was looked at; 0: the walk begins anew"),
        Column("next_ns", _INT, "When the next step may be taken, ns UTC"),
    ),
    key=("job",),
    order=("job",),
)

SCHEMA_VERSIONS = Table(
    "schema_versions",
    "The schema versions this store has had; the highest is the present one.",
    (
        Column("version", _INT, "Schema version"),
        Column("applied_ns", _INT, "When the store was brought to it, ns UTC"),
    ),
    key=("version",),
    order=("version",),
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        SOURCES,
        FLOWS,
        FLOW_COLLECTIONS,
        FLOW_TIMELINES,
        FLOW_GAPS,
        SEGMENTS,
        OBJECTS,
        OBJECT_INSTANCES,
        OBJECT_ACCESSES,
        STORAGE_ALLOCATIONS,
        SERVICE_INFO,
        PROFILES,
        WEBHOOKS,
        EVENTS,
        DELETION_REQUESTS,
        OBJECT_COPIES,
        DISCARDED_BYTES,
        JOB_WALKS,
        SCHEMA_VERSIONS,
    )
}
"""Every table of a store by its name."""

WRITE_LOCKS = Table(
    "write_locks",
    "Rows for writers in several processes to meet on. Row 0 counts the blocks of object keys that were given out, row"
    " 4096 says until when one process may delete discarded bytes, and row 4097 is the last sequence of an event.",
    (
        Column("slot", _INT, "Which row: 0, 4096, or where the hash of a locked name leads"),
        Column(
            "number",
            _INT,
            "Of row 0 how many blocks; of 4096 a time, ns UTC; of 4097 a sequence; of others always 0: to have written"
            " it is what matters",
        ),
    ),
    key=("slot",),
    order=("slot",),
)

NEW_EVENTS = Table(
    "new_events",
    "Events of several writers on their way to the outbox: they have yet to be given a sequence.",
    (
        Column("number", _INT, "Order among those of all writers: see store.outbox"),
        Column("writer", _TEXT, "The process that wrote it"),
        *_EVENT,
    ),
    key=("number", "writer"),
    order=("number", "writer"),
)

ALL: Mapping[str, Table] = {**TABLES, WRITE_LOCKS.name: WRITE_LOCKS, NEW_EVENTS.name: NEW_EVENTS}
"""Every table by its name, with those that only engines for several writers have."""
