"""An Ibis connection over a source: what is pushed down, how transactions end, whose errors are raised."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pytest
from ibis import _
from ibis.common.exceptions import UnsupportedOperationError

from tams_data.scan import Backend
from tams_data.scan.cursors import MOST_PREPARED
from tams_data.scan.explain import TableScan
from tests.tams_data.scan.data import TABLES
from tests.tams_data.scan.memory import Asked, MemorySource

NAN = float("nan")


class SourceBroken(Exception):
    """What the source raises."""


@pytest.fixture
def source() -> MemorySource:
    """The tables, in batches of two rows."""
    return MemorySource(TABLES)


@pytest.fixture
def con(source: MemorySource) -> Backend:
    """A connection to `source`."""
    return Backend().connect(source)


@ibis.udf.scalar.python
def doubled(x: int) -> int:
    """Twice."""
    return 2 * x


# ---------------------------------------------------------------------- what is pushed down


@pytest.mark.parametrize(
    ("build", "columns", "predicate"),
    [
        pytest.param(lambda t: t.select("label", "key"), ["key", "label"], [], id="columns"),
        pytest.param(lambda t: t.start.max().as_table(), ["start"], [], id="column-of-an-aggregate"),
        pytest.param(lambda t: t.filter(_.key > 5).key.as_table(), ["key"], ["key > 5"], id="comparison"),
        pytest.param(
            lambda t: t.filter(_.start.between(10, 20), _.flow == "flow-1").select("key"),
            ["key", "flow", "start"],
            ["flow = 'flow-1'", "start >= 10", "start <= 20"],
            id="several",
        ),
        pytest.param(
            lambda t: t.filter(_.flow.isin(["b", "a"])).select("flow"), ["flow"], ["flow IN ('a', 'b')"], id="in"
        ),
        pytest.param(
            lambda t: t.filter((_.key < 5) | (_.key > 9) | (_.key == 7)).select("key"),
            ["key"],
            ["(key = 7 OR key < 5 OR key > 9)"],
            id="or",
        ),
        pytest.param(
            lambda t: t.filter(_.label.like("ab%")).select("label"),
            ["label"],
            ["label >= 'ab'", "label < 'ac'"],
            id="prefix",
        ),
        pytest.param(
            lambda t: t.filter(_.start * 2 > 9990).select("start"),
            ["start"],
            ["start > 4995"],
            id="inverted-arithmetic",
        ),
        pytest.param(
            lambda t: t.rename(s="start").filter(_.s > 5).select("s"), ["start"], ["start > 5"], id="through-a-renaming"
        ),
        pytest.param(
            lambda t: t.group_by("flow").agg(n=_.key.max()).filter(_.flow == "x"),
            ["key", "flow"],
            ["flow = 'x'"],
            id="through-an-aggregate",
        ),
        pytest.param(lambda t: t.filter(_.label.isnull()).select("key"), ["key", "label"], [], id="null-is-not"),
        pytest.param(lambda t: t.filter(_.live).select("live"), ["live"], [], id="bare-bool-is-not"),
        pytest.param(lambda t: t.filter(_.live == True).live.as_table(), ["live"], ["live = True"], id="bool"),  # noqa: E712
        pytest.param(
            lambda t: t.filter((_.key == 1) | (_.start == 2)).select("key"),
            ["key", "start"],
            [],
            id="or-of-columns-is-not",
        ),
    ],
)
def test_a_source_is_asked_for_what_is_needed(build, columns, predicate, con, source):
    con.to_pyarrow(build(con.tables.things))
    (asked,) = source.asked
    assert (sorted(asked.columns), sorted(asked.predicate)) == (sorted(columns), sorted(predicate))


def test_a_source_is_asked_for_a_list_of_5_000(con, source):
    con.to_pyarrow(con.tables.things.filter(_.key.isin(list(range(0, 10_000, 2)))).select("key"))
    (asked,) = source.asked
    assert asked.predicate[0].endswith("… 4,995 more)")


def test_the_keys_of_a_small_side_are_sought_on_the_other(con, source):
    few = ibis.memtable({"key": [3, 5, 8]})
    con.to_pyarrow(con.tables.things.join(few, "key").select("key"))
    (asked,) = source.asked
    assert any(one.startswith("key IN (") for one in asked.predicate)


def test_each_occurrence_of_a_table_is_a_scan_of_its_own(con, source):
    t = con.tables.things
    con.to_pyarrow(t.filter(_.start < 10).select("key").join(t.view().filter(_.start > 90).select("key"), "key"))
    assert sorted(predicate for asked in source.asked for predicate in asked.predicate if "start" in predicate) == [
        "start < 10",
        "start > 90",
    ]
    assert source.transactions == 1


def test_a_predicate_that_nothing_satisfies_asks_for_nothing(con, source):
    assert con.to_pyarrow(con.tables.things.filter(_.rate > NAN)).num_rows == 0
    assert source.asked == []


def test_a_limit_stops_the_stream_early():
    source = MemorySource({"long": pa.table({"n": range(100_000)})}, rows_per_batch=10)
    assert Backend().connect(source).tables.long.limit(3).execute()["n"].tolist() == [0, 1, 2]
    assert source.batches < 1000


# ---------------------------------------------------------------------- transactions, and how readers end


def end_of_reading(reader: pa.RecordBatchReader) -> None:
    """To the end."""
    reader.read_all()


def end_half_way(reader: pa.RecordBatchReader) -> None:
    """After one batch."""
    reader.read_next_batch()


def end_at_once(reader: pa.RecordBatchReader) -> None:
    """Never read."""


@pytest.mark.parametrize("end", [end_of_reading, end_half_way, end_at_once], ids=lambda end: end.__name__)
def test_a_transaction_ends_with_its_reader(end: Callable[[pa.RecordBatchReader], None], con, source):
    reader = con.to_pyarrow_batches(con.tables.things, chunk_size=10)
    assert source.open == 1
    end(reader)
    del reader
    gc.collect()
    assert source.open == 0


def test_a_reader_reads_as_it_goes():
    """DuckDB runs ahead of the reader by a megabyte or a few, of the 80 there are."""
    source = MemorySource({"long": pa.table({"n": np.arange(10_000_000)})}, rows_per_batch=10_000)
    reader = Backend().connect(source).tables.long.to_pyarrow_batches(chunk_size=1000)
    reader.read_next_batch()
    assert 0 < source.batches < 1000
    del reader


def test_a_reader_may_be_dropped_while_threads_are_scanning():
    """One scan of a union runs ahead; closing it under a running thread would be an error that nobody can catch."""
    long = pa.table({"n": range(200_000)})
    source = MemorySource({"a": long, "b": long}, rows_per_batch=500, seconds_per_batch=0.0005)
    con = Backend().connect(source)
    for _again in range(8):
        reader = con.to_pyarrow_batches(con.tables.a.union(con.tables.b))
        del reader
        gc.collect()
        assert source.open == 0


def test_a_session_reads_in_the_transaction_it_is_given(con, source):
    with source.transaction() as snapshot, con.session(["things"], snapshot) as cursor:
        found = cursor.execute("SELECT count(*) FROM things WHERE key < $least", {"least": 10}).fetchone()
    assert found == (10,)
    assert source.asked == [Asked("things", ("key",), ("key < 10",))]
    assert (source.transactions, source.open) == (1, 0)


def test_batches_together_are_the_table(con):
    t = con.tables.things.order_by("key")
    batches = list(con.to_pyarrow_batches(t, chunk_size=50))
    assert max(batch.num_rows for batch in batches) <= 50
    assert str(pa.Table.from_batches(batches).to_pylist()) == str(con.to_pyarrow(t).to_pylist())


@pytest.mark.parametrize("method", ["execute", "to_pyarrow"])
def test_every_query_is_one_transaction(method, con, source):
    t, u = con.tables.things, con.tables.others
    getattr(con, method)(t.join(u, "key").filter(t.start > u.start.mean()))
    assert (source.transactions, source.open) == (1, 0)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda con, t: con.execute(t), id="execute"),
        pytest.param(lambda con, t: con.to_pyarrow(t), id="to_pyarrow"),
        pytest.param(lambda con, t: con.to_pyarrow_batches(t).read_all(), id="batches"),
        pytest.param(lambda con, t: con.to_pyarrow(t.join(t.view(), "key").order_by("key")), id="join"),
    ],
)
@pytest.mark.parametrize("moment", ["scan", "stream"])
def test_an_error_of_the_source_is_raised_as_it_is(run, moment, con, source, monkeypatch):
    broken = SourceBroken("the network is down")

    def scan(*_given: object) -> None:
        raise broken

    source.failing = broken
    if moment == "scan":
        monkeypatch.setattr(source, "scan", scan)
    with pytest.raises(SourceBroken) as caught:
        run(con, con.tables.things)
    assert caught.value is broken
    del caught
    assert source.open == 0


def test_a_table_that_is_not_there_is_the_sources_error(con):
    with pytest.raises(KeyError, match="absent"):
        con.table("absent")


def test_queries_run_side_by_side(con, source):
    t = con.tables.things
    with ThreadPoolExecutor(8) as pool:
        counts = pool.map(lambda i: con.execute(t.filter(_.key >= i).count()), range(40))
    assert list(counts) == [400 - i for i in range(40)]
    assert source.open == 0


# ---------------------------------------------------------------------- what is kept from query to query


class Compiling(Backend):
    """A connection that notes what it compiles."""

    def do_connect(self, source: MemorySource) -> None:
        super().do_connect(source)
        self.compiled: list[str] = []

    def compile(self, expr: ir.Expr, /, **options: object) -> str:
        self.compiled.append(super().compile(expr, **options))
        return self.compiled[-1]


@pytest.fixture
def compiling(source: MemorySource) -> Compiling:
    """A connection to `source` that notes what it compiles."""
    return Compiling().connect(source)


def test_an_expression_is_compiled_once_even_when_it_is_built_anew(compiling):
    for _again in range(3):
        t = compiling.tables.things
        assert compiling.to_pyarrow(t.filter(_.key < 10)).num_rows == 10
        assert len(compiling.execute(t.filter(_.key < 10))) == 10
        assert compiling.to_pyarrow_batches(t.filter(_.key < 10)).read_all().num_rows == 10
    assert len(compiling.compiled) == 1


def test_a_limit_and_parameters_are_their_own_queries(compiling, monkeypatch):
    t, least = compiling.tables.things, ibis.param("int64")
    above = t.filter(_.key >= least)
    assert [compiling.to_pyarrow(t, limit=limit).num_rows for limit in (3, 5, None)] == [3, 5, 400]
    assert [compiling.to_pyarrow(above, params={least: value}).num_rows for value in (390, 399)] == [10, 1]
    assert len(compiling.execute(t, limit="default")) == 400
    monkeypatch.setattr(ibis.options.sql, "default_limit", 7)
    assert len(compiling.execute(t, limit="default")) == 7


def test_rows_are_those_of_the_moment(con, source):
    t = con.tables.nothing
    assert con.execute(t.count()) == 0
    source.tables = {**TABLES, "nothing": pa.table({name: TABLES["others"][name] for name in t.columns})}
    assert con.execute(t.count()) == TABLES["others"].num_rows


def test_an_expression_on_columns_that_have_changed_gives_what_they_are_now(con, source):
    source.tables = {"t": pa.table({"a": [1]})}
    assert con.execute(con.table("t")).to_dict("list") == {"a": [1]}
    source.tables = {"t": pa.table({"a": ["x"], "b": [2.5]})}
    assert con.execute(con.table("t")).to_dict("list") == {"a": ["x"], "b": [2.5]}


def test_sql_text_names_a_table_that_has_come_since(con, source):
    text = con.sql("SELECT n FROM late", schema={"n": "int64"})
    with pytest.raises(duckdb.CatalogException, match="late"):
        con.to_pyarrow(text)
    source.tables = {**TABLES, "late": pa.table({"n": [1, 2, 3]})}
    assert con.to_pyarrow(text)["n"].to_pylist() == [1, 2, 3]


def test_a_memtable_lives_no_longer_than_its_expression(con):
    frame = pa.table({"key": [3, 5]})
    joined = con.tables.things.join(ibis.memtable(frame), "key")
    assert con.to_pyarrow(joined).num_rows == 2
    gone = weakref.ref(frame)
    del frame, joined
    gc.collect()
    assert gone() is None


def test_memtables_of_one_name_are_not_mixed_up(con):
    def joined(keys: list[int]) -> list[int]:
        few = ibis.memtable({"key": keys}, name="few")
        return sorted(con.to_pyarrow(con.tables.things.join(few, "key").select("key"))["key"].to_pylist())

    assert [joined([3, 5]), joined([8]), joined([3, 5])] == [[3, 5], [8], [3, 5]]


def test_a_query_succeeds_after_one_that_failed(con, source):
    t = con.tables.things.select("key")
    for failing in (SourceBroken("once"), None, SourceBroken("again"), None):
        source.failing = failing
        if failing is None:
            assert con.to_pyarrow(t).num_rows == 400
        else:
            with pytest.raises(SourceBroken) as caught:
                con.to_pyarrow(t)
            assert caught.value is failing


def test_what_was_not_fetched_in_a_session_disturbs_no_other(con, source):
    with con.session(["things"]) as cursor:
        cursor.execute("SELECT * FROM things")
    assert source.open == 0
    with con.session(["things"]) as again:
        assert again is cursor
        assert again.execute("SELECT count(*) FROM things").fetchone() == (400,)


def test_a_cursor_of_its_own_is_nobody_elses(con):
    with con.session(["things"], own=True) as own:
        own.register("more", pa.table({"n": [1]}))
        assert own.execute("SELECT n FROM more").fetchall() == [(1,)]
    with con.session(["things"]) as other, pytest.raises(duckdb.CatalogException, match="more"):
        other.execute("SELECT n FROM more")


def test_a_query_is_planned_once_by_a_cursor_and_the_oldest_of_many_again(con):
    table = con.table("things")
    queries = [table.filter(table.key == key).select("key") for key in range(MOST_PREPARED + 1)]
    rows = [con.to_pyarrow(query).to_pylist() for query in (*queries, *queries)]
    assert rows[: len(queries)] == rows[len(queries) :]
    assert rows[1] == [{"key": 1}]
    with con.session(["things"]) as cursor:
        prepared = cursor.execute("SELECT count(*) FROM duckdb_prepared_statements()").fetchall()
    assert prepared == [(MOST_PREPARED,)]


def test_no_more_plans_and_cursors_are_kept_than_a_few(con, source):
    source.tables = {f"t{i}": pa.table({"a": [i]}) for i in range(80)}
    for i in range(80):
        for more in range(4):
            assert con.execute(con.table(f"t{i}").a.max() + more) == i + more
    assert len(con._cursors._idle) == 64
    assert len(con._plans._plans) == 256


# ---------------------------------------------------------------------- the rest of a connection


def test_the_tables_are_listed(con):
    assert con.list_tables() == ["nothing", "others", "things"]
    assert con.list_tables(like="^o") == ["others"]
    assert "things" in con.tables
    assert con.tables.nothing.columns == tuple(TABLES["nothing"].column_names)
    assert con.table("things").schema().to_pyarrow() == TABLES["things"].schema


def test_a_table_is_what_it_has_become(con, source):
    assert "new" not in con.table("nothing").columns
    source.tables = {**TABLES, "nothing": pa.table({"new": [1]})}
    assert con.execute(con.table("nothing"))["new"].tolist() == [1]


def test_results_are_what_pandas_and_arrow_call_them(con):
    t = con.tables.others
    assert con.execute(t.key.max()) == con.to_pyarrow(t.key.max()).as_py() == max(TABLES["others"]["key"].to_pylist())
    assert isinstance(con.to_pyarrow(t.key), pa.ChunkedArray)
    assert con.execute(t.key.name("k")).name == "k"
    assert t.start.execute().tolist() == TABLES["others"]["start"].to_pylist()


def test_parameters_and_limits_reach_the_query(con):
    least = ibis.param("int64")
    t = con.tables.things
    assert con.execute(t.filter(_.key >= least).count(), params={least: 390}) == 10
    assert con.to_pyarrow(t, limit=3).num_rows == 3


def test_sql_text_may_name_the_tables(con, source):
    t = con.sql("SELECT key, start FROM things WHERE start > 5000").filter(_.key < 100)
    assert con.to_pyarrow(t).num_rows == con.execute(con.tables.things.filter(_.start > 5000, _.key < 100).count())
    assert source.asked[0] == Asked("things", ("key", "start"), ("key < 100", "start > 5000"))


def test_memtables_and_functions_of_python_work_again_and_again(con):
    few = ibis.memtable({"key": [3, 5]})
    for _again in range(2):
        joined = con.tables.things.join(few, "key").mutate(twice=doubled(_.key))
        assert sorted(con.execute(joined)["twice"]) == [6, 10]


def test_results_are_written_to_files(con, tmp_path):
    t = con.tables.things.filter(_.key < 10).select("key")
    con.to_parquet(t, tmp_path / "keys.parquet")
    con.to_csv(t, tmp_path / "keys.csv")
    assert ibis.read_parquet(tmp_path / "keys.parquet").count().execute() == 10
    assert ibis.read_csv(tmp_path / "keys.csv").count().execute() == 10


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda con: con.create_table("new", schema={"a": "int64"}), id="create_table"),
        pytest.param(lambda con: con.create_view("new", con.tables.things), id="create_view"),
        pytest.param(lambda con: con.drop_table("things"), id="drop_table"),
        pytest.param(lambda con: con.drop_view("things"), id="drop_view"),
        pytest.param(lambda con: con.insert("things", con.tables.others), id="insert"),
        pytest.param(lambda con: con.truncate_table("things"), id="truncate_table"),
        pytest.param(lambda con: con.rename_table("things", "other"), id="rename_table"),
        pytest.param(lambda con: con.tables.things.cache(), id="cache"),
    ],
)
def test_nothing_is_written(write, con):
    with pytest.raises(UnsupportedOperationError, match="only reads"):
        write(con)


def test_two_connections_are_two(con, source):
    other = Backend().connect(source)
    assert con != other
    with pytest.raises(ibis.common.exceptions.IbisError, match="Multiple backends"):
        con.tables.things.join(other.tables.others, "key").execute()


def test_a_closed_connection_has_closed_its_source(con, source):
    con.disconnect()
    assert source.tables == {}


# ---------------------------------------------------------------------- explain


def explained(con: Backend) -> ir.Table:
    """A query with something for the source, and something for DuckDB."""
    t, u = con.tables.things, con.tables.others
    recent = t.filter(_.start > 5000, _.label.isnull()).join(u, "key").select("key", "start", "flow")
    return recent.group_by("flow").agg(last=_.start.max()).order_by("flow").limit(5)


def test_explain_says_what_the_source_is_asked_for_and_what_is_done_here(con):
    explanation = con.explain(explained(con))
    scan = explanation.of("things")
    assert sorted(scan.columns) == ["flow", "key", "label", "start"]
    assert list(map(str, scan.predicate)) == ["start > 5000"]
    assert explanation.of("others").columns == ("key",)
    assert "filter: (label IS NULL)" in explanation.local
    assert "top n: 5; t8.flow ASC" not in explanation.scans
    assert [step.split(":")[0] for step in explanation.local] == ["top n", "hash group by", "hash join", "filter"]


def test_explain_reads_nothing_and_opens_nothing(con, source):
    con.explain(explained(con))
    assert (source.transactions, source.batches, source.asked) == (0, 0, [])


def test_explain_says_what_the_source_cannot_filter_by(source):
    source.lax = True
    con = Backend().connect(source)
    scan = con.explain(con.tables.things.filter(_.key > 5).select("key")).of("things")
    assert (scan.predicate, list(map(str, scan.rest))) == ((), ["key > 5"])


def test_an_explanation_is_text_for_people(con):
    assert repr(con.explain(con.tables.things.filter(_.key > 5).select("key"))) == (
        "things\n  columns: key\n  filter: key > 5\ndone here:\n  nothing"
    )
    scan = TableScan("t", ("a", "b"), (), con.explain(con.tables.things.filter(_.key > 5)).of("things").predicate)
    assert str(scan) == "t\n  columns: a, b\n  filter: none\n  filtered here: key > 5"


def test_the_one_scan_of_a_table_scanned_twice_is_not_given(con):
    t = con.tables.things
    explanation = con.explain(t.join(t.view(), "key"))
    with pytest.raises(ValueError, match="too many values"):
        explanation.of("things")
