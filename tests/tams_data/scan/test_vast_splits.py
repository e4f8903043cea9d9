"""How many requests a scan of VAST is divided into."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from ibis import _
from vastdb.config import QueryConfig
from vastdb.session import Session

from tams_data.scan.vast import Backend, VastSource
from tests.vast_emulator.emulator import Emulator
from tests.vast_emulator.fixtures import (  # noqa: F401  # fixtures are found here
    shared_emulator,
    vast_bucket,
    vast_emulator,
    vast_session,
)

ROWS = pa.table({"flow": [f"flow-{i % 4}" for i in range(200)], "start": range(200), "size": range(200)})


@pytest.fixture
def con(vast_session: Session, vast_bucket: str) -> Backend:  # noqa: F811  # the fixtures above
    """A connection to a table in the order of its flows and starts and one in no order, each good for two splits."""
    with vast_session.transaction() as tx:
        place = tx.bucket(vast_bucket).create_schema("schema")
        place.create_table("ordered", ROWS.schema, sorting_key=["flow", "start"]).insert(ROWS)
        place.create_table("loose", ROWS.schema).insert(ROWS)
    return Backend.over(VastSource(vast_session, vast_bucket, "schema", QueryConfig(rows_per_split=100)))


@pytest.mark.parametrize(
    ("table", "of", "requests"),
    [
        pytest.param("ordered", lambda t: t, 2, id="all"),
        pytest.param("ordered", lambda t: t.filter(_.flow == "flow-1"), 2, id="a-whole-flow"),
        pytest.param("ordered", lambda t: t.filter(_.start.between(10, 20)), 2, id="a-range-in-all-flows"),
        pytest.param("ordered", lambda t: t.filter(_.flow == "flow-1", _.start < 10), 1, id="a-range-with-one-end"),
        pytest.param("ordered", lambda t: t.filter(_.flow > "flow-1", _.start == 10), 2, id="a-range-of-flows"),
        pytest.param("ordered", lambda t: t.filter(_.flow == "flow-1", _.size.between(1, 9)), 2, id="another-column"),
        pytest.param("ordered", lambda t: t.filter(_.flow == "flow-1", _.start.between(10, 20)), 1, id="a-window"),
        pytest.param("ordered", lambda t: t.filter(_.flow.isin(["flow-1", "flow-2"]), _.start == 9), 1, id="keys"),
        pytest.param("loose", lambda t: t.filter(_.flow == "flow-1", _.start.between(10, 20)), 2, id="in-no-order"),
    ],
)
def test_a_stretch_of_a_sorted_table_is_one_request(
    table: str,
    of: Callable[[ir.Table], ir.Table],
    requests: int,
    con: Backend,
    vast_emulator: Emulator,  # noqa: F811
):
    asked = of(con.table(table)).select("size")
    vast_emulator.reset_counts()
    found = con.to_pyarrow(asked)
    assert vast_emulator.counts().requests["query"] == requests
    expected = of(ibis.memtable(ROWS)).select("size").to_pyarrow()
    assert sorted(found["size"].to_pylist()) == sorted(expected["size"].to_pylist())
