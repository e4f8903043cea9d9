"""Every analysis gives the rows of DuckDB on engines that are none of the store's, and compiles for more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet
import pytest

from tams_data import schema, timerange
from tams_data.engines.base import UNBOUND, Reader
from tams_data.engines.duckdb import DuckDB
from tams_data.engines.reader import IbisReader
from tams_data.queries.analytics import ANALYSES
from tams_data.queries.analytics.analysis import Analysis
from tests.tams_data.queries.analytics import paper
from tests.tams_data.queries.compiled import compared_with_itself

FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "flow": {"flow_id": "edit"},
    "flows": {"flow_id": ("camera-a", "camera-b"), "source_id": "A", "format": paper.VIDEO, "codec": "video/h264"},
    "tags": {"any_tags": ([schema.tag_term("site", "london"), schema.tag_term("site", "leeds")],)},
    "without a tag": {"no_tags": [schema.tag_term("site")]},
    "backend": {"storage_id": paper.TAPE},
    "window": {"start_ns": paper.ON_AIR + 5 * paper.SECOND, "end_ns": paper.ON_AIR + 22 * paper.SECOND},
    "registered": {"created_from_ns": paper.ON_AIR_UTC, "created_until_ns": paper.ON_AIR_UTC + 40 * paper.SECOND},
    "several": {"format": paper.VIDEO, "storage_id": paper.DISK, "start_ns": paper.ON_AIR, "end_ns": 2**62},
}

CASES = [
    pytest.param(analysis, filters, id=f"{analysis.name}-{name}")
    for analysis in ANALYSES.values()
    for name, filters in FILTERS.items()
    if filters.keys() <= set(analysis.takes)
]

FEW = [one for one in CASES if str(one.id).endswith(("-none", "-tags", "-several"))]
"""For what takes long: of each analysis the cases with the most and the least to say."""

NOW = {"now_ns": paper.ON_AIR_UTC + paper.DAY}


def asked(analysis: Analysis, filters: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What its query takes: the values and the options."""
    values, options = analysis.split({name: value for name, value in NOW.items() if name in analysis.parameters})
    return {**filters, **values}, options


def rows_of(reader: Reader, analysis: Analysis, filters: dict[str, Any]) -> list[dict[str, Any]]:
    values, options = asked(analysis, filters)
    return reader.read(analysis.query, values, **options).to_pylist()


@pytest.fixture(scope="module")
def duckdb() -> Iterator[DuckDB]:
    """The store on paper."""
    database = DuckDB(None)
    paper.fill(database)
    yield database
    database.close()


@pytest.fixture(scope="module")
def tables(duckdb: DuckDB) -> dict[str, pa.Table]:
    """Its tables."""
    return {name: duckdb.ibis().table(name).to_pyarrow() for name in schema.TABLES}


@pytest.fixture(scope="module")
def datafusion(tables: dict[str, pa.Table]) -> IbisReader:
    """The same tables on DataFusion."""
    connection = ibis.datafusion.connect()
    for name, rows in tables.items():
        connection.create_table(name, rows)
    return IbisReader("datafusion", lambda: connection, secrets=frozenset())


@pytest.fixture(scope="module")
def spark(tables: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> Iterator[IbisReader]:
    """The same tables on Spark, in this process."""
    reason = "Spark is no dependency: to run analyses on it, pip install pyspark==3.5.6, and have Java 8, 11 or 17"
    sql = pytest.importorskip("pyspark.sql", reason=reason)
    folder = tmp_path_factory.mktemp("spark")
    settings = {"ui.enabled": "false", "sql.shuffle.partitions": "1", "sql.warehouse.dir": str(folder / "warehouse")}
    builder = sql.SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(f"spark.{name}", value)
    session = builder.getOrCreate()
    connection = ibis.pyspark.connect(session)
    for name, rows in tables.items():
        # By a file: what goes through pandas comes with other types where there are nulls.
        path = Path(folder, f"{name}.parquet")
        pa.parquet.write_table(rows, path)
        connection.read_parquet(path, table_name=name)
    yield IbisReader("pyspark", lambda: connection, secrets=frozenset())
    session.stop()


@pytest.mark.parametrize(("analysis", "filters"), FEW)
def test_datafusion_gives_the_same_rows(duckdb, datafusion, analysis, filters):
    assert rows_of(datafusion, analysis, filters) == rows_of(duckdb, analysis, filters)


@pytest.mark.soak
@pytest.mark.parametrize(("analysis", "filters"), [one for one in CASES if one not in FEW])
def test_datafusion_gives_the_same_rows_with_every_filter(duckdb, datafusion, analysis, filters):
    assert rows_of(datafusion, analysis, filters) == rows_of(duckdb, analysis, filters)


@pytest.mark.soak
@pytest.mark.filterwarnings("default")  # Spark's, of what it finds installed
@pytest.mark.parametrize(("analysis", "filters"), FEW)
def test_spark_gives_the_same_rows(duckdb, spark, analysis, filters):
    assert rows_of(spark, analysis, filters) == rows_of(duckdb, analysis, filters)


@pytest.mark.parametrize(("analysis", "filters"), FEW)
def test_no_analysis_compares_a_column_with_itself(analysis, filters):
    values, options = asked(analysis, filters)
    assert compared_with_itself(ibis.to_sql(analysis.query(UNBOUND, **values, **options), dialect="duckdb")) == []


@pytest.fixture(scope="module")
def dialect(request: pytest.FixtureRequest) -> Iterator[Callable[[ibis.Table], str]]:
    """Compiles for an engine that need not be there."""

    class Options(ibis.config.Config):
        """Those of Ibis's compiler for Spark, which come with Spark itself."""

        treat_nan_as_null: bool = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ibis.options, "pyspark", ibis.options.pyspark or Options())
        yield lambda expression: ibis.to_sql(expression, dialect=request.param)


@pytest.mark.parametrize("dialect", ["trino", "pyspark"], indirect=True)
@pytest.mark.parametrize(("analysis", "filters"), FEW)
def test_each_analysis_compiles_for_engines_that_vast_has_connectors_for(dialect, analysis, filters):
    values, options = asked(analysis, filters)
    sql = dialect(analysis.query(UNBOUND, **values, **options))
    assert "SELECT" in sql
    assert "(EXPLODE(" not in sql  # Spark makes rows of an array in a column of its own alone


@pytest.mark.parametrize("engine", ["duckdb", "datafusion"])
@pytest.mark.parametrize(
    ("lengths", "total"),
    [([2**62] * 3, None), ([2**62, 2**62], None), ([2**62, 2**62 - 1], 2**63 - 1), ([5, None, 7], 12), ([], 0)],
)
def test_a_sum_that_int64_cannot_hold_is_null_on_every_engine(engine, lengths, total):
    table = getattr(ibis, engine).connect().create_table("t", pa.table({"ns": pa.array(lengths, pa.int64())}))
    assert table.aggregate(total=timerange.total_ns(table.ns)).to_pyarrow().to_pylist() == [{"total": total}]
