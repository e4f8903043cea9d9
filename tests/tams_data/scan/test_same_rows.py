"""Whatever Ibis asks, a source that is scanned gives the rows that the same tables give inside DuckDB."""
# ruff: noqa: ARG005  # every expression is given the three tables

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from functools import cache, reduce
from operator import and_, or_
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from ibis import _

from tams_data.scan import Backend, tams
from tests.api.tables_server import serve
from tests.tams_data.scan.data import TABLES
from tests.tams_data.scan.memory import MemorySource

INSTANT = datetime(2024, 2, 29, tzinfo=timezone.utc)
NAN = float("nan")
FEW = ibis.memtable({"flow": ["flow-1", "flow-2", "flow-9"], "weight": [1, 2, 3]})
MANY = ibis.memtable({"key": list(range(0, 400, 3))})
ROW = ibis.window(group_by="flow", order_by=["start", "key"])

EXPRESSIONS: dict[str, Callable[[ir.Table, ir.Table, ir.Table], ir.Table]] = {
    # columns
    "everything": lambda t, u, e: t,
    "a few columns": lambda t, u, e: t.select("label", "key"),
    "one column of many dropped": lambda t, u, e: t.drop("label"),
    "renamed and filtered": lambda t, u, e: t.rename(name="label").filter(_.name == "abc").select("name", "size"),
    "computed": lambda t, u, e: t.mutate(end=_.start + 10, long=_.label.length(), first=_.terms[0]),
    "unnested": lambda t, u, e: t.select("key", term=_.terms.unnest()),
    "cast": lambda t, u, e: (
        t.select(_.key, text=_.start.cast("string"), number=_.rate.cast("decimal(10, 2)").nullif(0))
        .filter(~_.number.isnull())
        .limit(0)
    ),
    # comparisons with every kind of column
    "int equal": lambda t, u, e: t.filter(_.key == 7),
    "int not equal": lambda t, u, e: t.filter(_.size != 500),
    "int less": lambda t, u, e: t.filter(_.start < 5000),
    "int at most": lambda t, u, e: t.filter(_.start <= 5000),
    "int between": lambda t, u, e: t.filter(_.start.between(1000, 2000)),
    "int least": lambda t, u, e: t.filter(_.size == -(2**63)),
    "int greatest": lambda t, u, e: t.filter(_.size >= 2**63 - 1),
    "int against a fraction": lambda t, u, e: t.filter(_.start < 1234.5),
    "int against a decimal": lambda t, u, e: t.filter(_.start > Decimal("1234.5")),
    "small int": lambda t, u, e: t.filter(_.small > 100),
    "small int out of its range": lambda t, u, e: t.filter(_.small < 1000),
    "literal on the left": lambda t, u, e: t.filter(ibis.literal(5000) < _.start),
    "inverted arithmetic": lambda t, u, e: t.filter(_.start * 2 > 9990),
    "text equal": lambda t, u, e: t.filter(_.label == "abc"),
    "text empty": lambda t, u, e: t.filter(_.label == ""),
    "text not equal": lambda t, u, e: t.filter(_.label != "abc"),
    "text greater": lambda t, u, e: t.filter(_.label > "abc"),
    "text of other alphabets": lambda t, u, e: t.filter(_.label >= "ü"),
    "text prefix": lambda t, u, e: t.filter(_.label.startswith("ab")),
    "text like": lambda t, u, e: t.filter(_.label.like("a%d")),
    "text contains": lambda t, u, e: t.filter(_.label.contains("b")),
    "text with wildcards in it": lambda t, u, e: t.filter(_.label.startswith("%")),
    "bool bare": lambda t, u, e: t.filter(_.live),
    "bool not": lambda t, u, e: t.filter(~_.live),
    "bool equal": lambda t, u, e: t.filter(_.live == True),  # noqa: E712
    "list contains": lambda t, u, e: t.filter(_.terms.contains(3)),
    "list equal": lambda t, u, e: t.filter(_.terms == [1]),
    "timestamp": lambda t, u, e: t.filter(_.seen > INSTANT),
    "timestamp equal": lambda t, u, e: t.filter(_.seen == INSTANT),
    # floats, of which NaN is the greatest
    "float equal": lambda t, u, e: t.filter(_.rate == 1.5),
    "float zero": lambda t, u, e: t.filter(_.rate == 0.0),
    "float greater": lambda t, u, e: t.filter(_.rate > 1.0),
    "float at least": lambda t, u, e: t.filter(_.rate >= float("inf")),
    "float less": lambda t, u, e: t.filter(_.rate < 1.5),
    "float not equal": lambda t, u, e: t.filter(_.rate != 1.5),
    "float not above": lambda t, u, e: t.filter(~(_.rate > 1.0)),
    "float in": lambda t, u, e: t.filter(_.rate.isin([1.5, NAN])),
    "float is NaN": lambda t, u, e: t.filter(_.rate.isnan()),
    "float equal NaN": lambda t, u, e: t.filter(_.rate == NAN),
    "float unlike NaN": lambda t, u, e: t.filter(_.rate != NAN),
    "float ordered": lambda t, u, e: t.order_by(_.rate.desc(), _.key).select("rate", "key").limit(50),
    "float summed up": lambda t, u, e: t.group_by("rate").agg(n=_.count()),
    "float joined": lambda t, u, e: t.select("rate", "key").join(u.select("rate", other="key"), "rate"),
    # nulls
    "null": lambda t, u, e: t.filter(_.label.isnull()),
    "not null": lambda t, u, e: t.filter(_.label.notnull(), _.size > 0),
    "null or": lambda t, u, e: t.filter((_.label == "a") | _.label.isnull()),
    "null compared": lambda t, u, e: t.filter(_.size == ibis.null("int64")),
    "identical to null": lambda t, u, e: t.filter(_.label.identical_to("a") | _.size.identical_to(ibis.null("int64"))),
    "coalesced": lambda t, u, e: t.filter(_.size.coalesce(0) == 0),
    # lists of values, and chains of OR
    "in": lambda t, u, e: t.filter(_.flow.isin(["flow-1", "flow-5"])),
    "in with null": lambda t, u, e: t.filter(_.size.isin([0, None])),
    "not in": lambda t, u, e: t.filter(_.flow.notin(["flow-1", "flow-5"])),
    "in nothing": lambda t, u, e: t.filter(_.flow.isin([])),
    "in 5,000 numbers": lambda t, u, e: t.filter(_.key.isin(list(range(0, 10_000, 2)))),
    "in 5,000 texts": lambda t, u, e: t.filter(_.flow.isin([f"flow-{i}" for i in range(4, 5004)])),
    "or on one column": lambda t, u, e: t.filter((_.start < 100) | (_.start > 9900) | (_.start == 5000)),
    "or of ranges": lambda t, u, e: t.filter(_.start.between(1, 100) | _.start.between(9000, 9100)),
    "or of columns": lambda t, u, e: t.filter((_.key == 1) | (_.label == "a")),
    "or 300 deep": lambda t, u, e: t.filter(reduce(or_, [_.key == i for i in range(0, 600, 2)])),
    "or 300 deep with a range": lambda t, u, e: t.filter(
        reduce(or_, [_.key == i for i in range(0, 600, 2)]) | (_.key > 390)
    ),
    "and 100 deep": lambda t, u, e: t.filter(reduce(and_, [_.key != i for i in range(100)])),
    "keyset tuple": lambda t, u, e: (
        t.filter((_.start > 5000) | ((_.start == 5000) & (_.key > 100))).order_by("start", "key").limit(20)
    ),
    "keyset tuple with a bound": lambda t, u, e: t.filter(
        _.start >= 5000, (_.start > 5000) | ((_.start == 5000) & (_.key > 100))
    ),
    # order and number
    "limit in order": lambda t, u, e: t.order_by(_.start.desc(), "key").limit(7, offset=3),
    "count": lambda t, u, e: t.count().as_table(),
    "count of the filtered": lambda t, u, e: t.filter(_.size > 0).count().as_table(),
    "distinct": lambda t, u, e: t.select("flow", "live").distinct(),
    # aggregates and windows
    "grouped": lambda t, u, e: t.group_by("flow").agg(n=_.count(), least=_.start.min(), sizes=_.small.sum()),
    "grouped and filtered": lambda t, u, e: t.group_by("flow").having(_.count() > 50).agg(n=_.count()),
    "aggregate with a filter": lambda t, u, e: t.agg(n=_.count(where=_.live), m=_.start.max(where=_.label == "a")),
    "aggregate of nothing": lambda t, u, e: e.agg(n=_.count(), s=_.size.sum()),
    "quantile": lambda t, u, e: t.agg(median=_.start.median(), many=_.flow.nunique()),
    "collected": lambda t, u, e: t.group_by("flow").agg(keys=_.key.collect(order_by=_.key)),
    "window lag": lambda t, u, e: t.mutate(gap=_.start - _.start.lag().over(ROW)),
    "window rank": lambda t, u, e: t.mutate(n=ibis.row_number().over(ROW)).filter(_.n < 3),
    "window filtered below": lambda t, u, e: t.filter(_.flow == "flow-1").mutate(total=_.small.sum().over(ROW)),
    # several tables
    "join": lambda t, u, e: t.join(u, "key").select("key", "start", "start_right"),
    "join filtered": lambda t, u, e: t.join(u.filter(_.start > 5000), "flow").select("key", "key_right", "flow"),
    "join of two columns": lambda t, u, e: t.join(u, ["flow", "label"]).select("flow", "label", "key", "key_right"),
    "left join": lambda t, u, e: t.left_join(u, "key").filter(_.key_right.isnull()).select("key", "label"),
    "outer join": lambda t, u, e: t.outer_join(u, "key").select("key", "key_right"),
    "semi join": lambda t, u, e: t.semi_join(u, "key"),
    "anti join": lambda t, u, e: t.anti_join(u, "key"),
    "self-join": lambda t, u, e: t.join(t.view(), [("key", "small")]).select("key", "flow", "flow_right"),
    "self-join of neighbours": lambda t, u, e: (
        t.filter(_.start < 2000).join(t.view().filter(_.start > 1500), "flow").select("key", "key_right")
    ),
    "union": lambda t, u, e: t.filter(_.live).union(u),
    "union of the same": lambda t, u, e: t.filter(_.start < 100).union(t.filter(_.start > 9900)),
    "difference": lambda t, u, e: t.select("flow", "label").difference(u.select("flow", "label")),
    "intersection": lambda t, u, e: t.select("flow", "live").intersect(u.select("flow", "live")),
    "in a subquery": lambda t, u, e: t.filter(_.key.isin(u.filter(u.live).key)),
    "scalar subquery": lambda t, u, e: t.filter(_.start > u.start.mean()),
    "greatest of all": lambda t, u, e: t.filter(_.start == t.start.max()),
    "joined with a memtable": lambda t, u, e: t.join(FEW, "flow").group_by("flow").agg(w=_.weight.sum()),
    "joined with a long memtable": lambda t, u, e: t.semi_join(MANY, "key"),
    # a table without rows
    "empty": lambda t, u, e: e,
    "empty filtered": lambda t, u, e: e.filter(_.label == "a", _.rate > 1.0),
    "empty joined": lambda t, u, e: t.join(e, "key").select("key"),
    "empty left-joined": lambda t, u, e: t.left_join(e, "key").select("key", "key_right"),
    "empty counted by group": lambda t, u, e: e.group_by("flow").agg(n=_.count()),
}


@pytest.fixture(scope="module")
def duckdb() -> ibis.BaseBackend:
    """The tables inside DuckDB."""
    connection = ibis.duckdb.connect()
    connection.compiler = Backend.compiler  # its own does not drop columns
    for name, table in TABLES.items():
        connection.create_table(name, table)
    return connection


@pytest.fixture(scope="module")
def expected(duckdb: ibis.BaseBackend) -> Callable[[str], pa.Table]:
    """The result that DuckDB has for the expression of a name."""
    return cache(lambda name: result_of(name, duckdb))


@pytest.fixture(scope="module")
def filtering() -> Backend:
    """The tables of a source that filters."""
    return Backend().connect(MemorySource(TABLES, rows_per_batch=64))


@pytest.fixture(scope="module")
def lax() -> Backend:
    """The tables of a source that ignores every predicate."""
    return Backend().connect(MemorySource(TABLES, lax=True, rows_per_batch=64))


@pytest.fixture(scope="module")
def remote() -> Iterator[tams.Backend]:
    """The tables of a service, over HTTP."""
    with serve(TABLES) as url:
        connection = tams.Backend().connect(url)
        yield connection
        connection.disconnect()


@pytest.fixture(params=["filtering", "lax", "remote"])
def scan(request: pytest.FixtureRequest) -> Backend:
    """The tables of each source."""
    found: Backend = request.getfixturevalue(request.param)
    return found


def rows(table: pa.Table) -> Counter[str]:
    """The rows, in any order; by their text, for NaN is unlike itself, with one zero, for a group has either."""
    return Counter(str(row).replace("-0.0", "0.0") for row in table.to_pylist())


def result_of(name: str, connection: Any) -> pa.Table:
    """What a connection has for the expression of a name."""
    t, u, e = (connection.table(table) for table in TABLES)
    return connection.to_pyarrow(EXPRESSIONS[name](t, u, e))


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_scanned_source_gives_the_rows_that_duckdb_gives(name, scan, expected):
    found = result_of(name, scan)
    assert found.schema == expected(name).schema
    assert rows(found) == rows(expected(name))


@pytest.mark.parametrize("name", ["limit in order", "float ordered", "keyset tuple"])
def test_a_scanned_source_gives_rows_in_order(name, scan, expected):
    assert list(map(str, result_of(name, scan).to_pylist())) == list(map(str, expected(name).to_pylist()))


def test_most_expressions_are_not_about_nothing(expected):
    """An expression without rows would agree with anything."""
    empty = {name for name in EXPRESSIONS if not expected(name).num_rows}
    assert empty == {
        *("cast", "in nothing"),
        *("empty", "empty filtered", "empty joined", "empty counted by group"),
    }
