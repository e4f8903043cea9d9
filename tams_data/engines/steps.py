"""What a step forward fills: tables of what follows from others, in a store that was written before they were.

A step is one transaction, with the note of the new version in it: cut short, it leaves nothing, and is done again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

import ibis.expr.types as ir

from tams_data import schema, timerange
from tams_data.engines.base import Query, Tables


def gaps_of_segments(tables: Tables) -> ir.Table:
    """The rows of `flow_gaps`, from the segments."""
    return gaps_between(tables.segments)


def gaps_between(segments: ir.Table) -> ir.Table:
    """The same of some flows, from all segments of each: right even where some overlap, as none ever should."""
    return timerange.gaps(timerange.condensed(segments)).select(*schema.FLOW_GAPS.names)


class Fill(NamedTuple):
    """A table that is there from a version of the schema on, and what gives its rows."""

    version: int
    table: schema.Table
    query: Query


_FILLS = (Fill(5, schema.FLOW_GAPS, gaps_of_segments),)


def fills(versions: Collection[int]) -> Iterator[Fill]:
    """What is to be filled where these are the versions that rows have had: nothing of a new store, which has none."""
    for fill in _FILLS:
        if versions and max(versions) < fill.version:
            yield fill
