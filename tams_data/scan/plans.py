"""What is known of an expression before it is run, and need not be found out again: its SQL text and its tables.

Ibis takes 5 ms to compile an expression, more than DuckDB takes to plan and run most queries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock

import ibis.expr.operations as ops
import ibis.expr.types as ir


@dataclass(frozen=True)
class Plan:
    """The text that DuckDB runs, and the tables of the source that it names.

    A `lasting` one is the same whenever the expression is run. Others bring something with them: a memtable, which
    nothing here may keep alive, a function, or text that may come to name a table which is created later.
    """

    sql: str
    tables: frozenset[str]
    lasting: bool


_PASSING = (ops.InMemoryTable, ops.ScalarUDF, ops.AggUDF, ops.SQLQueryResult, ops.SQLStringView)


def is_lasting(expr: ir.Expr) -> bool:
    """Whether an expression means the same SQL text and the same tables whenever it is run."""
    return not expr.op().find(_PASSING)


class Plans:
    """The plans of the expressions that were run of late. Safe to use from several threads."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._plans: OrderedDict[Hashable, Plan] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Plan | None:
        """The plan that was put there, unless `most` others were used since."""
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
            return plan

    def put(self, key: Hashable, plan: Plan) -> None:
        """Keep a plan, if it is lasting."""
        if plan.lasting:
            with self._lock:
                self._plans[key] = plan
                if len(self._plans) > self._most:
                    self._plans.popitem(last=False)
