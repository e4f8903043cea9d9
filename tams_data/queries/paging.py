"""Keyset paging: a page starts after the last row of the one before, so page N costs what page 1 costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, itemgetter, or_
from typing import TypeAlias

import ibis
import ibis.expr.types as ir

Bound: TypeAlias = "int | str | ir.Value"


@dataclass(frozen=True)
class SortKey:
    """One column that a list is sorted by; never null. `value` gives it from a table that has it."""

    value: Callable[[ir.Table], ir.Value]
    descending: bool = False


def orders(*times: str) -> dict[str, tuple[SortKey, ...]]:
    """What resources can be sorted by, each order by its name: `times` most recent first, and `label`.

    TAMS 8.2, `sort_by`: ties, and what has no label, are sorted by id; what has no label comes last.
    """
    by_id = SortKey(lambda t: t.id)
    unlabelled, label = SortKey(lambda t: t.label.isnull().cast("int64")), SortKey(lambda t: t.label.fill_null(""))
    by_time = {time: (SortKey(itemgetter(f"{time}_ns"), descending=True), by_id) for time in times}
    return {**by_time, "label": (unlabelled, label, by_id)}


def page(
    table: ir.Table, order: Sequence[SortKey], *, after: Sequence[Bound] | None, reverse: bool, limit: int
) -> ir.Table:
    """The first `limit` rows of `table` in `order`, or of those that come after the row whose keys are `after`.

    `reverse` turns the whole order round. The last key must tell any two rows apart.
    """
    keys = [SortKey(key.value, key.descending != reverse) for key in order]
    if after is not None:
        table = table.filter(_comes_after(table, keys, after))
    return table.order_by([ibis.desc(k.value(table)) if k.descending else k.value(table) for k in keys]).limit(limit)


def _comes_after(table: ir.Table, keys: Sequence[SortKey], after: Sequence[Bound]) -> ir.BooleanValue:
    """(a, b, c) after (x, y, z): a > x, or a = x and b > y, or a = x and b = y and c > z."""
    alternatives = []
    for i, key in enumerate(keys):
        tied = [k.value(table) == bound for k, bound in zip(keys[:i], after, strict=False)]
        value, bound = key.value(table), after[i]
        beyond = value < bound if key.descending else value > bound
        alternatives.append(reduce(and_, [*tied, beyond]))
    return reduce(or_, alternatives)
