"""A store of a dozen flows, small enough that whatever is asked of it can be worked out on paper.

Media time counts from ON_AIR, 2026-01-01T10:00:00 UTC, in seconds; below, `0-10` is `[ON_AIR, ON_AIR + 10 s)`.
"Late" is how long after the end of its media a segment was registered.

    flow          format  codec       size       segments (object: bytes)                               late
    camera-a      video   video/h264  1920x1080  0-10 (1: 1000), 10-20 (2: 2000), 20-30 (3: 3000)       1 s, 1 s, 4 s
    camera-a-snd  audio   audio/aac              0-30 (4: 300)                                          2 s
    camera-b      video   video/h264  1920x1080  0-10 (5: 1000), 20-30 (6: 1000), 30-40 (7: 1000)       1 s each
    camera-b-hi   video   video/hevc  3840x2160  5-35 (8: 9000)                                         1 s
    proxy-a       video   video/h264  480x270    0-15 (9: 150), 15-30 (10: 150)                         10 s each
    edit          video   video/h264  1920x1080  0-10 (2), 10-20 (6), 20-25 (2)                         1 h each
    news          multi                          collects edit and camera-a-snd; takes no segments
    empty         video   video/h264  1920x1080  none yet
    captions      data    text/vtt               0-60 (11: size not known, elsewhere)                   0 s
    stills        image   image/jpeg  1920x1080  0 (one ns) (12: 500), 3600 (one ns) (13: 500)          0 s
    archive       video   video/h264  720x576    -86400 to -86300 (14: 50000), 0-100 (15: 50000)        1 day, 0 s
    elsewhere     audio   audio/aac              100-101 (16: 10), 101-102 (17: 10), 103-104 (18: 10)   0 s

Sources: camera-a and proxy-a are of source A, camera-b and camera-b-hi of source B, every other flow of one of its own
that is called like the flow. Objects are on backend DISK; 1, 2 and 3 on TAPE as well; 11 at a URL. Objects 19 (700
bytes) and 20 (size not known) are registered and no segment refers to them. Object 21 was allocated for `empty` and
never registered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tams_data import schema
from tams_data.engines.base import Database
from tests.tams_data.builders import gap_rows

SECOND = 10**9
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
ON_AIR_UTC = 1_767_261_600 * SECOND
ON_AIR = ON_AIR_UTC + 37 * SECOND
DISK, TAPE = "5b0f1ff5-6d34-4f4d-9b69-2d1a0c9c6b52", "0a3ff2cc-3b1a-4f5e-8b3c-2f6d5c1e7a90"
VIDEO, AUDIO, IMAGE, DATA, MULTI = (
    "urn:x-nmos:format:video",
    "urn:x-nmos:format:audio",
    "urn:x-tam:format:image",
    "urn:x-nmos:format:data",
    "urn:x-nmos:format:multi",
)
HD = {"frame_width": 1920, "frame_height": 1080}
H264 = {"format": VIDEO, "codec": "video/h264", "container": "video/mp2t"}
AAC = {"format": AUDIO, "codec": "audio/aac", "container": "video/mp2t"}

FLOWS: dict[str, dict[str, Any]] = {
    "camera-a": {**H264, **HD, "source_id": "A", "status": "ingesting", "avg_bit_rate": 2},
    "camera-a-snd": {**AAC, "status": "ingesting"},
    "camera-b": {**H264, **HD, "source_id": "B", "status": "ingesting", "avg_bit_rate": 4, "max_bit_rate": 5},
    "camera-b-hi": {**H264, "codec": "video/hevc", "frame_width": 3840, "frame_height": 2160, "source_id": "B"},
    "proxy-a": {**H264, "container": "video/mp4", "frame_width": 480, "frame_height": 270, "source_id": "A"},
    "edit": {**H264, **HD, "status": "closed_complete"},
    "news": {"format": MULTI},
    "empty": {**H264, **HD, "status": "awaiting_content"},
    "captions": {"format": DATA, "codec": "text/vtt", "container": "text/vtt"},
    "stills": {"format": IMAGE, "codec": "image/jpeg", "container": "image/jpeg", **HD},
    "archive": {**H264, "frame_width": 720, "frame_height": 576, "status": "closed_complete"},
    "elsewhere": AAC,
}
TAGS: dict[str, dict[str, Any]] = {"camera-a": {"site": "london"}, "camera-b": {"site": ["leeds", "live"]}}

# flow, start and end in ns from ON_AIR, object, late in ns
SEGMENTS: list[tuple[str, int, int, int, int]] = [
    *(("camera-a", 10 * i * SECOND, 10 * (i + 1) * SECOND, i + 1, late * SECOND) for i, late in enumerate((1, 1, 4))),
    ("camera-a-snd", 0, 30 * SECOND, 4, 2 * SECOND),
    *(("camera-b", start * SECOND, (start + 10) * SECOND, key, SECOND) for start, key in ((0, 5), (20, 6), (30, 7))),
    ("camera-b-hi", 5 * SECOND, 35 * SECOND, 8, SECOND),
    *(("proxy-a", 15 * i * SECOND, 15 * (i + 1) * SECOND, 9 + i, 10 * SECOND) for i in range(2)),
    ("edit", 0, 10 * SECOND, 2, HOUR),
    ("edit", 10 * SECOND, 20 * SECOND, 6, HOUR),
    ("edit", 20 * SECOND, 25 * SECOND, 2, HOUR),
    ("captions", 0, 60 * SECOND, 11, 0),
    ("stills", 0, 1, 12, 0),
    ("stills", HOUR, HOUR + 1, 13, 0),
    ("archive", -DAY, -DAY + 100 * SECOND, 14, DAY),
    ("archive", 0, 100 * SECOND, 15, 0),
    *(("elsewhere", s * SECOND, (s + 1) * SECOND, key, 0) for s, key in ((100, 16), (101, 17), (103, 18))),
]
OFFSETS = {("edit", 0): 5 * SECOND, ("edit", 10 * SECOND): -10 * SECOND, ("edit", 20 * SECOND): 15 * SECOND}
"""Time stamp offsets of segments, ns, by flow and start; the others have none."""

_NOT_KNOWN = (11, 20)
SIZES: dict[int, int | None] = {
    **dict.fromkeys(range(1, 21), 10),
    **dict(zip(range(1, 11), (1000, 2000, 3000, 300, 1000, 1000, 1000, 9000, 150, 150), strict=True)),
    **dict.fromkeys((12, 13), 500),
    **dict.fromkeys((14, 15), 50_000),
    19: 700,
    **dict.fromkeys(_NOT_KNOWN),
}
"""Bytes of objects by their key."""

UNUSED = {19: ON_AIR_UTC - DAY, 20: ON_AIR_UTC}
"""When the objects that no segment refers to were registered, ns UTC."""


def fill(database: Database) -> None:
    """Put it all into an empty database."""
    database.create_tables()
    with database.transaction() as transaction:
        for table, rows in _rows():
            transaction.insert(table, table.rows(rows))


def _rows() -> Iterator[tuple[schema.Table, Sequence[dict[str, Any]]]]:
    flows = list(_flows())
    yield schema.FLOWS, flows
    sources = {one["source_id"]: one["format"] for one in flows}
    yield schema.SOURCES, [{**_described(name), "format": kind, "updated_ns": 0} for name, kind in sources.items()]
    yield schema.FLOW_COLLECTIONS, [_member(i, name) for i, name in enumerate(("edit", "camera-a-snd"))]
    yield schema.SEGMENTS, [_segment(*one) for one in SEGMENTS]
    yield schema.FLOW_TIMELINES, [_timeline(name) for name in FLOWS]
    yield schema.FLOW_GAPS, [gap for name in FLOWS for gap in gap_rows(name, _spans(name))]
    yield schema.OBJECTS, [_object(key) for key in SIZES]
    yield schema.OBJECT_INSTANCES, list(_instances())
    yield schema.STORAGE_ALLOCATIONS, [_allocation()]


def _flows() -> Iterator[dict[str, Any]]:
    for name, members in FLOWS.items():
        yield {**_described(name), "source_id": name, "metadata_version": "1", "metadata_updated_ns": 0, **members}


def _described(name: str) -> dict[str, Any]:
    tags = TAGS.get(name, {})
    terms = schema.tag_terms(tags)
    return {"id": name, "label": name, "tags": "{}", "tag_terms": terms, "created_ns": ON_AIR_UTC - DAY}


def _member(position: int, name: str) -> dict[str, Any]:
    return {"flow_id": "news", "position": position, "member_id": name}


def _segment(flow_id: str, start_ns: int, end_ns: int, key: int, late_ns: int) -> dict[str, Any]:
    return {
        "flow_id": flow_id,
        "start_ns": ON_AIR + start_ns,
        "end_ns": ON_AIR + end_ns,
        "object_key": key,
        "ts_offset_ns": OFFSETS.get((flow_id, start_ns)),
        "created_ns": ON_AIR_UTC + end_ns + late_ns,
    }


def _spans(name: str) -> Iterator[tuple[int, int]]:
    return ((ON_AIR + start_ns, ON_AIR + end_ns) for flow, start_ns, end_ns, _, _ in SEGMENTS if flow == name)


def _timeline(name: str) -> dict[str, Any]:
    own = [_segment(*one) for one in SEGMENTS if one[0] == name]
    lengths = [one["end_ns"] - one["start_ns"] for one in own]
    return {
        "flow_id": name,
        "start_ns": min((one["start_ns"] for one in own), default=None),
        "end_ns": max((one["end_ns"] for one in own), default=None),
        "segment_count": len(own),
        "covered_ns": sum(lengths),
        "longest_ns": max(lengths, default=0),
        "size_bytes": sum(SIZES[one["object_key"]] or 0 for one in own),
        "segments_updated_ns": max((one["created_ns"] for one in own), default=None),
    }


def _object(key: int) -> dict[str, Any]:
    uses = [_segment(*one) for one in SEGMENTS if one[3] == key]
    first = min(uses, key=lambda one: int(one["created_ns"]), default=None)
    return {
        "key": key,
        "id": f"object-{key}",
        "id_hash": schema.id_hash(f"object-{key}"),
        "is_init": False,
        "start_ns": 0,
        "end_ns": 0 if first is None else first["end_ns"] - first["start_ns"],
        "size_bytes": SIZES[key],
        "first_flow_id": "empty" if first is None else first["flow_id"],
        "created_ns": UNUSED[key] if first is None else first["created_ns"],
    }


def _instances() -> Iterator[dict[str, Any]]:
    for key in SIZES:
        created = {"object_key": key, "created_ns": _object(key)["created_ns"]}
        if key == 11:
            yield {**created, "label": "elsewhere", "url": "https://elsewhere.example/11"}
        else:
            yield {**created, "storage_id": DISK}
        if key <= 3:
            yield {**created, "storage_id": TAPE}


def _allocation() -> dict[str, Any]:
    allocated = {"object_key": 21, "object_id": "object-21", "id_hash": schema.id_hash("object-21")}
    return {**allocated, "flow_id": "empty", "storage_id": DISK, "content_type": "video/mp2t", "created_ns": ON_AIR_UTC}
