"""Filters by tag, for any table with `tag_terms`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

import ibis.expr.types as ir

from tams_data.queries.paging import Bound


def matching(table: ir.Table, *, any_of: Sequence[Sequence[Bound]] = (), none_of: Sequence[Bound] = ()) -> ir.Table:
    """Rows that have, for each group of `any_of`, at least one of its terms, and none of the terms of `none_of`.

    Terms are those of `schema.tag_term`. A comma list of values is one group of terms of a name with a value; a tag
    that must exist is a group of one term of its name.
    """
    terms = table.tag_terms
    wanted = [reduce(or_, [terms.contains(term) for term in group]) for group in any_of]
    # One filter, not one after the other: Ibis merges those in quadratic time.
    return table.filter(*wanted, *(~terms.contains(term) for term in none_of)) if any_of or none_of else table
