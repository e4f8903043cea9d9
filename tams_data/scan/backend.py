"""An Ibis backend over a source that can scan its tables.

A private DuckDB, in memory, plans each query and pushes columns and filters down to the scans; what the source
cannot do, DuckDB does with the rows that stream out of it. So whatever Ibis can say to DuckDB, it can say here.

A query runs on the thread that asks for it, and on no other; queries of several threads run side by side. What can be
known of an expression beforehand is found out once (`plans`), and so are cursors with tables set up (`cursors`).

Two things are DuckDB's way with Arrow, and cannot be seen from a scan: `count()` of a whole table reads its first
column, and a float column compared by `<= NaN`, which every number satisfies, keeps nulls as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from html import escape
from threading import Lock
from typing import Any, NoReturn, TypeAlias

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot as sg
import sqlglot.expressions as sge
from ibis.backends import duckdb as ibis_duckdb
from ibis.backends.sql import SQLBackend
from ibis.backends.sql.compilers.base import SQLGlotCompiler
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler
from ibis.common.exceptions import UnsupportedOperationError

from tams_data.scan.cursors import Cursors, TableCursor
from tams_data.scan.explain import Explanation, Recorder, operators
from tams_data.scan.plans import Plan, Plans, is_lasting
from tams_data.scan.source import Snapshot, Source


class Compiler(DuckDBCompiler):  # type: ignore[misc]  # ibis's compilers are untyped
    """Ibis's compiler for DuckDB."""

    __slots__ = ()

    # ibis 10.8 has `* EXCLUDE (…)` written by a name that sqlglot 28 does not know: it drops nothing. The general
    # form names the columns that stay.
    visit_DropColumns = SQLGlotCompiler.visit_DropColumns  # noqa: N815


Run: TypeAlias = Callable[[str], duckdb.DuckDBPyConnection]
"""Runs a text, whose result is then to be had from what it returns."""


class _Engine(ibis_duckdb.Backend):  # type: ignore[misc]
    """Ibis's DuckDB backend on one cursor, for one expression, whose tables and functions are registered there."""

    compiler = Compiler()

    def __init__(self, cursor: duckdb.DuckDBPyConnection, plan: Plan | None = None, run: Run | None = None) -> None:
        """`run` runs the plan's text, in a better way than `cursor.execute` if there is one."""
        super().__init__()
        self.con = cursor
        self._plan = plan
        self._run = run or cursor.execute
        self._record_batch_readers_consumed: dict[str, bool] = {}

    def compile(self, expr: ir.Expr, /, **options: Any) -> str:
        """The text that the plan has."""
        return super().compile(expr, **options) if self._plan is None else self._plan.sql

    def _run_pre_execute_hooks(self, expr: ir.Expr) -> None:
        """Every memtable goes with the cursor. Ibis's own way would keep each cursor for as long as a memtable."""
        if self._plan is None or not self._plan.lasting:
            for memtable in self._verify_in_memory_tables_are_unique(expr):
                self._register_in_memory_table(memtable)

    def _to_duckdb_relation(self, expr: ir.Expr, **options: Any) -> duckdb.DuckDBPyConnection:
        """The result, of which a relation, as Ibis makes one, would have the query planned once more."""
        self._run_pre_execute_hooks(expr)
        return self._run(self.compile(expr.as_table(), **options))


class Backend(SQLBackend):  # type: ignore[misc]
    """An Ibis connection that reads the tables of a `Source`. Safe to use from several threads."""

    name = "scan"
    compiler = Compiler()
    supports_python_udfs = True

    def do_connect(self, source: Source) -> None:
        """Read the tables of `source`."""
        self.source = source
        self._schemas: dict[str, pa.Schema] = {}
        self._functions: set[type[ops.ScalarUDF]] = set()
        self._registering = Lock()
        # With more threads, the one that waits for a scan in another spins meanwhile, and takes from the source's
        # threads the time and Python's lock that they need to deliver: half of the rows per second.
        self._duckdb = duckdb.connect(config={"threads": 1})
        # a cursor takes over what is set for all, as ibis.duckdb sets it for its one connection
        self._duckdb.execute("SET GLOBAL timezone = 'UTC'")
        self._duckdb.execute("SET GLOBAL python_enable_replacements = false")
        self._cursors = Cursors(self._duckdb)
        self._plans = Plans()

    @cached_property
    def db_identity(self) -> str:
        """What tells this connection from another. Ibis would put every argument of `connect` into it."""
        return f"{self.name} {id(self)}"

    @property
    def version(self) -> str:
        """The version of the DuckDB inside."""
        return duckdb.__version__

    def disconnect(self) -> None:
        """Close the source. Queries under way fail."""
        self._duckdb.close()
        self.source.close()

    def _repr_html_(self) -> str:
        """The connection and its tables, for a notebook."""
        return f"<p>{escape(repr(self))}</p><p>{escape(', '.join(sorted(self.list_tables())))}</p>"

    def list_tables(self, *, like: str | None = None, database: None = None) -> list[str]:  # noqa: ARG002
        """The names of the source's tables; `like` is a regular expression."""
        names: list[str] = self._filter_with_like(self.source.list_tables(), like)
        return names

    def get_schema(self, name: str, *, catalog: None = None, database: None = None) -> sch.Schema:  # noqa: ARG002
        """The columns of a table, as they are now."""
        self._schemas[name] = self.source.schema(name)
        return sch.Schema.from_pyarrow(self._schemas[name])

    # ------------------------------------------------------------------ reading

    def execute(self, expr: ir.Expr, /, **options: Any) -> Any:
        """The result as pandas has it: a DataFrame, a Series or a scalar."""
        with self._engine(expr, **options) as engine:
            return engine.execute(expr, **options)

    def to_pyarrow(self, expr: ir.Expr, /, **options: Any) -> Any:
        """The result as Arrow has it: a table, an array or a scalar."""
        with self._engine(expr, **options) as engine:
            return engine.to_pyarrow(expr, **options)

    def to_pyarrow_batches(
        self, expr: ir.Expr, /, *, chunk_size: int = 100_000, **options: Any
    ) -> pa.ipc.RecordBatchReader:
        """The result as a stream of batches of up to `chunk_size` rows, which runs as it is read.

        The transaction ends when the reader is at its end, fails, or is let go of. pyarrow's `close()` tells a
        reader over Python batches nothing, so what is not read to its end is better deleted.
        """
        schema = expr.as_table().schema().to_pyarrow()
        batches = self._batches(expr, schema, chunk_size, options)
        next(batches)
        return pa.RecordBatchReader.from_batches(schema, batches)

    def _batches(
        self, expr: ir.Expr, schema: pa.Schema, chunk_size: int, options: Mapping[str, Any]
    ) -> Iterator[pa.RecordBatch | None]:
        """None, then the batches: a generator that has begun leaves its blocks whenever and however it ends."""
        with (
            self._engine(expr, **options) as engine,
            engine._to_duckdb_relation(expr, **options).fetch_record_batch(chunk_size) as reader,
        ):
            yield None
            for batch in reader:
                yield batch.cast(schema)  # to DuckDB every column may hold nulls

    def to_parquet(self, expr: ir.Table, /, path: Any, **options: Any) -> None:
        """Write the result to a Parquet file."""
        with self._engine(expr, **options) as engine:
            engine.to_parquet(expr, path, **options)

    def to_csv(self, expr: ir.Table, /, path: Any, **options: Any) -> None:
        """Write the result to a CSV file."""
        with self._engine(expr, **options) as engine:
            engine.to_csv(expr, path, **options)

    def explain(self, expr: ir.Expr, /, *, params: Mapping[ir.Scalar, Any] | None = None) -> Explanation:
        """What the source is asked for, and what is left to DuckDB, were the expression executed.

        Nothing is read: the query runs over tables without rows. What DuckDB derives from the rows it has read, as
        the keys of a join's one side that it seeks on the other, is therefore not in it: a query may ask for less
        than its explanation says.
        """
        recorder = Recorder(self.source)
        with self._engine(expr, recorder, params=params) as engine:
            sql = engine.compile(expr)
            engine._run_pre_execute_hooks(expr)
            engine.con.execute(sql).fetch_arrow_table()
            ((_, plan),) = engine.con.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()
        return Explanation(tuple(recorder.scans), operators(plan))

    @contextmanager
    def session(
        self, tables: Iterable[str], snapshot: Snapshot | None = None, *, own: bool = False
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB cursor on which these tables of the source are registered, to run SQL on inside the block.

        They are scanned in `snapshot`, or in a transaction of their own, which ends with the block. An error of the
        source is raised as it is. The cursor serves other queries afterwards, so results are fetched inside the block
        and nothing is left on it; one that more is registered on is to be the session's `own`.
        """
        with self._lent(tables, snapshot, own=own) as cursor:
            yield cursor.duckdb

    @contextmanager
    def _lent(self, tables: Iterable[str], snapshot: Snapshot | None, *, own: bool) -> Iterator[TableCursor]:
        with ExitStack() as stack:
            state = stack.enter_context(self.source.transaction()) if snapshot is None else snapshot
            schemas = {name: self._schema_of(name) for name in tables}
            scans = {name: partial(state.scan, name) for name in schemas}
            cursor = stack.enter_context(self._cursors.lent(schemas, scans, own=own))
            try:
                yield cursor
            except Exception as error:
                if cursor.error is None or cursor.error is error:
                    raise
                raise cursor.error from error

    def _schema_of(self, name: str) -> pa.Schema:
        schema = self._schemas.get(name)
        if schema is None:
            schema = self._schemas[name] = self.source.schema(name)
        return schema

    @contextmanager
    def _engine(self, expr: ir.Expr, snapshot: Snapshot | None = None, **options: Any) -> Iterator[_Engine]:
        plan = self._plan(expr, **options)
        with self._lent(plan.tables, snapshot, own=not plan.lasting) as cursor:
            yield _Engine(cursor.duckdb, plan, cursor.run if plan.lasting else None)

    def _plan(
        self, expr: ir.Expr, *, params: Mapping[ir.Scalar, Any] | None = None, limit: Any = None, **_: object
    ) -> Plan:
        if limit == "default":
            limit = ibis.options.sql.default_limit
        key = (expr.op(), limit)
        plan = None if params else self._plans.get(key)
        if plan is None:
            self._register_udfs(expr)
            sql = self.compile(expr.as_table(), params=params, limit=limit)
            plan = Plan(sql, frozenset(self._tables(expr)), is_lasting(expr))
            if not params:
                self._plans.put(key, plan)
        return plan

    def _tables(self, expr: ir.Expr) -> set[str]:
        """The source's tables in an expression, those in SQL text included."""
        names = {op.name for op in expr.op().find(ops.DatabaseTable)}
        for op in expr.op().find((ops.SQLQueryResult, ops.SQLStringView)):
            names |= self._named(op.query)
        return names

    def _named(self, query: str) -> set[str]:
        mentioned = {table.name for table in sg.parse_one(query, dialect=self.dialect).find_all(sge.Table)}
        return mentioned & set(self.source.list_tables())

    def _get_schema_using_query(self, query: str) -> sch.Schema:
        with self.session(self._named(query)) as cursor:
            return _Engine(cursor)._get_schema_using_query(query)

    def _register_udfs(self, expr: ir.Expr) -> None:
        """Register each function once, as cursors share them, on the connection that lasts and keeps it alive."""
        with self._registering:
            for function in expr.op().find(ops.ScalarUDF):
                kind = type(function)
                if kind not in self._functions:
                    engine = _Engine(self._duckdb)
                    register = getattr(engine, f"_register_{kind.__input_type__.name.lower()}_udf")(function)
                    if register is not None:
                        register(self._duckdb)
                    self._functions.add(kind)

    # ------------------------------------------------------------------ what Ibis asks for, and is not done here

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        """Nothing: see `_Engine`."""

    def _finalize_memtable(self, name: str) -> None:
        """Nothing: see `_Engine`."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        """Refused: the tables are the source's, and this only reads them.

        :raise UnsupportedOperationError: always.
        """
        raise UnsupportedOperationError(f"the {self.name} backend only reads")

    create_table = create_view = drop_table = drop_view = _refuse
    insert = truncate_table = rename_table = _refuse
