"""What to look for in the SQL that Ibis makes of a query."""

from __future__ import annotations

import sqlglot
from sqlglot import expressions as sge


def compared_with_itself(sql: str) -> list[str]:
    """Comparisons whose two sides are the same.

    That is what Ibis makes of a join by a column that is computed of another join, and every row passes it.
    """
    found = sqlglot.parse_one(sql, dialect="duckdb").find_all(sge.EQ, sge.NEQ, sge.LT, sge.LTE, sge.GT, sge.GTE)
    return [one.sql() for one in found if one.left == one.right and one.find(sge.Column)]
