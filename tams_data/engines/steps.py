"""What a step forward fills: tables of what follows from others, in a store that was written before they were.

A step is one transaction, with the note of the new version in it: cut short, it leaves nothing, and is taken anew. Its
rows are found some flows at a time, so that few are in memory, however many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from tams_data import schema, timerange
from tams_data.engines.base import Reader, Tables

_SEGMENTS = 1_000_000
"""Flows are looked at together up to so many segments; one of more, alone."""

_GAPS_SINCE = 5
"""The version of the schema that first has `flow_gaps`."""


def filled(reader: Reader, versions: Collection[int]) -> Iterator[tuple[schema.Table, pa.Table]]:
    """What to insert where these are the versions that rows have had: nothing of a new store, which has had none."""
    if versions and max(versions) < _GAPS_SINCE:
        for ids in _parts(reader):
            yield schema.FLOW_GAPS, reader.read(_gaps_of_flows, {"ids": ids}).cast(schema.FLOW_GAPS.arrow)


def gaps_of_segments(tables: Tables) -> ir.Table:
    """The rows of `flow_gaps`, from the segments."""
    return gaps_between(tables.segments)


def gaps_between(segments: ir.Table) -> ir.Table:
    """The same of some flows, from all segments of each."""
    return timerange.seams(timerange.condensed(segments)).select(*schema.FLOW_GAPS.names)


def _gaps_of_flows(tables: Tables, *, ids: Sequence[Any]) -> ir.Table:
    return gaps_between(tables.segments.filter(tables.segments.flow_id.isin(ids)))


def _parts(reader: Reader) -> Iterator[list[str]]:
    """The flows that have segments, in lists that have no more than `_SEGMENTS` of them."""
    part: list[str] = []
    total = 0
    for row in reader.rows(_counts):
        if part and total + row["segments"] > _SEGMENTS:
            yield part
            part, total = [], 0
        part.append(row["flow_id"])
        total += row["segments"]
    if part:
        yield part


def _counts(tables: Tables) -> ir.Table:
    return tables.segments.group_by("flow_id").aggregate(segments=tables.segments.count()).order_by("flow_id")
