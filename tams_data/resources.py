"""Rows as the JSON of TAMS 8.2: what is null in a row is absent in the resource."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson

from tams_data.engines.base import Reader
from tams_data.queries import flows as flow_queries
from tams_data.queries import sources as source_queries
from tams_data.timerange import TimeRange, format_timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def clock(ns: int | None) -> str | None:
    """A moment as RFC 3339 text in UTC, to the microsecond.

    >>> clock(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123456Z'
    """
    if ns is None:
        return None
    moment = _EPOCH + timedelta(microseconds=ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def present(**members: Any) -> dict[str, Any]:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def timerange_text(row: Mapping[str, Any]) -> str:
    """A row's time range: the client's own text, or the canonical one of its interval."""
    return row["timerange"] or str(TimeRange(row["start_ns"], row["end_ns"]))


def flows_of(reader: Reader, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Flows with what they collect and what collects them, in the order of `rows`."""
    if not rows:
        return []
    ids = {"ids": [row["id"] for row in rows]}
    members = _grouped(reader.rows(flow_queries.members, ids), "flow_id")
    collecting = _grouped(reader.rows(flow_queries.collecting, ids), "member_id")
    return [_flow(row, members[row["id"]], collecting[row["id"]]) for row in rows]


def _flow(row: Mapping[str, Any], members: Iterable[Any], collecting: Iterable[Any]) -> dict[str, Any]:
    return present(
        id=row["id"],
        source_id=row["source_id"],
        format=row["format"],
        codec=row["codec"],
        container=row["container"],
        label=row["label"],
        description=row["description"],
        tags=orjson.loads(row["tags"]),
        status=row["status"],
        generation=row["generation"],
        read_only=row["read_only"],
        profile_id=row["profile_id"],
        max_bit_rate=row["max_bit_rate"],
        avg_bit_rate=row["avg_bit_rate"],
        segment_duration=_parsed(row["segment_duration"]),
        essence_parameters=_parsed(row["essence_parameters"]),
        container_mapping=_parsed(row["container_mapping"]),
        metadata_version=row["metadata_version"],
        created_by=row["created_by"],
        updated_by=row["updated_by"],
        created=clock(row["created_ns"]),
        metadata_updated=clock(row["metadata_updated_ns"]),
        segments_updated=clock(row["segments_updated_ns"]),
        flow_collection=[_member(member) for member in members] or None,
        collected_by=list(dict.fromkeys(one["flow_id"] for one in collecting)) or None,
    )


def _member(row: Mapping[str, Any]) -> dict[str, Any]:
    return present(id=row["member_id"], role=row["role"], container_mapping=_parsed(row["container_mapping"]))


def sources_of(reader: Reader, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sources with what they collect and what collects them, in the order of `rows`."""
    if not rows:
        return []
    ids = {"ids": [row["id"] for row in rows]}
    members = _grouped(reader.rows(source_queries.members, ids), "source_id")
    collecting = _grouped(reader.rows(source_queries.collecting, ids), "member_id")
    return [_source(row, members[row["id"]], collecting[row["id"]]) for row in rows]


def _source(row: Mapping[str, Any], members: Iterable[Any], collecting: Iterable[Any]) -> dict[str, Any]:
    return present(
        id=row["id"],
        format=row["format"],
        label=row["label"],
        description=row["description"],
        tags=orjson.loads(row["tags"]),
        created_by=row["created_by"],
        updated_by=row["updated_by"],
        created=clock(row["created_ns"]),
        updated=clock(row["updated_ns"]),
        source_collection=[present(id=one["member_id"], role=one["role"]) for one in members] or None,
        collected_by=[one["source_id"] for one in collecting] or None,
    )


def segment_of(
    row: Mapping[str, Any],
    used: Mapping[str, Any],
    init: Mapping[str, Any] | None,
    *,
    get_urls: Callable[[Mapping[str, Any]], Any],
    with_object_timerange: bool,
) -> dict[str, Any]:
    """A segment, with the object it uses and the initialisation object which that needs.

    `get_urls` gives the URLs of an object with its `instances`; None where they are not to be shown.
    """
    return present(
        object_id=used["id"],
        timerange=timerange_text(row),
        ts_offset=_timestamp(row["ts_offset_ns"]),
        last_duration=_timestamp(row["last_duration_ns"]),
        object_timerange=timerange_text(used) if with_object_timerange else None,
        sample_offset=row["sample_offset"],
        sample_count=row["sample_count"],
        key_frame_count=used["key_frame_count"],
        init_object=None if init is None else present(object_id=init["id"], get_urls=get_urls(init)),
        get_urls=get_urls(used),
    )


def _timestamp(ns: int | None) -> str | None:
    return None if ns is None else format_timestamp(ns)


def profile_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A profile."""
    return present(
        id=row["id"],
        label=row["label"],
        description=row["description"],
        created_by=row["created_by"],
        created=clock(row["created_ns"]),
        tags=orjson.loads(row["tags"]),
        flow_metadata=orjson.loads(row["flow_metadata"]),
    )


def webhook_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A webhook; its key is shown to nobody."""
    return present(
        id=row["id"],
        url=row["url"],
        api_key_name=row["api_key_name"],
        **orjson.loads(row["selection"]),
        tags=orjson.loads(row["tags"]),
        status=row["status"],
        error=_parsed(row["error"]),
    )


def _parsed(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _grouped(rows: Iterable[dict[str, Any]], column: str) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    return groups
