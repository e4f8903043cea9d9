"""A store's tables are read through any engine of Ibis, and no error of one shows what is secret in its URL."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from pydantic import SecretStr

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.engines.reader import IbisReader, connect_reader
from tams_data.errors import AnalyticsUnavailable, InvalidInput, InvalidSetting
from tests.tams_data.builders import insert, object_row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store with the objects 1, 2 and 3."""
    database = DuckDB(tmp_path / "store.duckdb")
    database.create_tables()
    with database.transaction() as transaction:
        insert(transaction, schema.OBJECTS, *(object_row(key) for key in (1, 2, 3)))
    database.close()
    return tmp_path / "store.duckdb"


def reader_at(url: str) -> IbisReader:
    return connect_reader(SecretStr(url))


def datafusion_at(path: Path) -> IbisReader:
    """The tables of a file on DataFusion."""
    there = ibis.duckdb.connect(path)
    tables = {name: there.table(name).to_pyarrow() for name in schema.TABLES}
    there.disconnect()

    def connect() -> ibis.BaseBackend:
        here = ibis.datafusion.connect()
        for name, rows in tables.items():
            here.create_table(name, rows)
        return here

    return IbisReader("datafusion", connect, secrets=frozenset())


@pytest.fixture(params=["duckdb", "datafusion"])
def reader(request: pytest.FixtureRequest, path: Path) -> IbisReader:
    return reader_at(f"duckdb://{path}?read_only=True") if request.param == "duckdb" else datafusion_at(path)


def with_key(tables, *, key):
    return tables.objects.filter(tables.objects.key == key).select("key")


def with_keys(tables, *, keys):
    return tables.objects.filter(tables.objects.key.isin(keys)).select("key").order_by("key")


def with_either(tables, *, groups):
    objects = tables.objects
    return objects.filter(*(objects.key.isin(group) for group in groups)).select("key").order_by("key")


def joined(tables, *, given):
    return tables.objects.join(given, tables.objects.key == given.key).select("key").order_by("key")


def first(tables, *, limit):
    return tables.objects.select("key").order_by("key").limit(limit)


def sums(tables, *, ns):
    objects = tables.objects
    return objects.filter(objects.key == 1).select(later_ns=objects.key + ns, text=ns.cast("string"))


@pytest.mark.parametrize(
    ("query", "values", "options", "found"),
    [
        pytest.param(with_key, {"key": 2}, {}, [2], id="a value"),
        pytest.param(with_keys, {"keys": [1, 3, 9]}, {}, [1, 3], id="a list"),
        pytest.param(with_either, {"groups": ([1, 2], [2, 3])}, {}, [2], id="a tuple of lists"),
        pytest.param(joined, {"given": pa.table({"key": [2, 3, 4]})}, {}, [2, 3], id="a table"),
        pytest.param(first, {}, {"limit": 2}, [1, 2], id="an option"),
    ],
)
def test_queries_are_read_with_what_they_are_bound_to(reader, query, values, options, found):
    assert reader.read(query, values, **options)["key"].to_pylist() == found


def test_numbers_are_of_64_bits_whatever_their_size(reader):
    rows = reader.read(sums, {"ns": 2**62})
    assert rows["later_ns"].to_pylist() == [2**62 + 1]
    assert reader.read(sums, {"ns": 1})["later_ns"].type == pa.int64()


def test_threads_read_at_once(reader):
    with ThreadPoolExecutor(8) as threads:
        rows = list(threads.map(lambda key: reader.read(with_key, {"key": key % 3 + 1}), range(40)))
    assert [one["key"].to_pylist() for one in rows] == [[key % 3 + 1] for key in range(40)]


def test_an_engine_is_described_by_counting(reader):
    described = reader.describe()
    assert described.engine in repr(reader)
    assert described.version
    assert {one.name: one.row_count for one in described.tables} == {
        **dict.fromkeys(schema.TABLES, 0),
        "objects": 3,
        "schema_versions": 1,
    }
    assert {(one.size_bytes, one.columns) for one in described.tables if one.name == "flows"} == {
        (None, schema.FLOWS.names)
    }


def test_a_table_that_is_not_there_is_named():
    with pytest.raises(AnalyticsUnavailable, match=r"^the engine of TAMS_ANALYTICS_URL, sqlite: .*objects"):
        reader_at("sqlite://").read(with_key, {"key": 1})


def test_an_engine_that_comes_back_is_read_again(tmp_path, path):
    moved = path.rename(tmp_path / "moved.duckdb")
    reader = reader_at(f"duckdb://{path}?read_only=True")
    with pytest.raises(AnalyticsUnavailable, match="does not exist"):
        reader.read(with_key, {"key": 1})
    moved.rename(path)
    assert reader.read(with_key, {"key": 1}).num_rows == 1


def test_what_a_query_refuses_is_no_fault_of_the_engine(reader):
    def refusing(tables):
        raise InvalidInput("it is wrong")

    with pytest.raises(InvalidInput, match=r"^it is wrong$"):
        reader.read(refusing)


# --- URLs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is not engine://place"),
        ("store.duckdb", "is not engine://place"),
        ("duckdb:/store", "is not engine://place"),
        ("://hunter2", "is not engine://place"),
        ("nosuch://hunter2", "Ibis knows no engine 'nosuch'"),
        ("literal://hunter2", "Ibis knows no engine 'literal'"),
        ("trino://[hunter2", "is not a URL"),
        ("trino://user:hunter2/more@host/catalog", "%2F"),
        ("trino://user:hunter2?more@host/catalog", "%2F"),
        ("trino://user:hunter2#more@host/catalog", "%2F"),
    ],
)
def test_a_url_that_is_no_engines_is_refused_and_not_shown(url, said):
    with pytest.raises(InvalidSetting, match=f"^TAMS_ANALYTICS_URL.*{said}") as caught:
        reader_at(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.skipif(find_spec("trino") is not None, reason="it is installed")
@pytest.mark.parametrize("url", ["trino://user:hunter2@host/catalog"])
def test_an_engine_whose_package_is_missing_says_how_to_get_it(url):
    with pytest.raises(InvalidSetting, match=r"pip install 'ibis-framework\[trino\]'") as caught:
        reader_at(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        pytest.param("duckdb:///nowhere/x?read_only=hunter2", ["hunter2"], id="a parameter that is refused"),
        pytest.param("duckdb://u:hunter2@nowhere/x", ["hunter2"], id="a password in a path"),
        pytest.param("duckdb://u:hunter%2F2@nowhere/x", ["hunter%2F2", "hunter/2"], id="with an escape"),
    ],
)
def test_no_error_shows_a_secret(url, secrets):
    reader = reader_at(url)
    with pytest.raises(AnalyticsUnavailable) as caught:
        reader.read(with_key, {"key": 1})
    told = "".join(traceback.format_exception(caught.value)) + repr(reader)
    assert [one for one in secrets if one in told] == []
