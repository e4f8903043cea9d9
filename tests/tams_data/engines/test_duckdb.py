"""The embedded engine: its file, its lock, its errors, and the SQL it runs."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tams_data.engines import connect
from tams_data.engines.compiling import sql_of
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import DatabaseLocked, StoreUnavailable
from tams_data.queries import flows, objects, segments, sources
from tams_data.schema import FLOWS, OBJECTS, SCHEMA_VERSIONS, TABLES, VERSION
from tests.tams_data.builders import everything, flow_row, insert, object_row, rows_of

WINDOW = {"flow_id": "f", "start_ns": 0, "end_ns": 10}

OPEN = """
import sys
from pathlib import Path
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import TamsDataError
try:
    DuckDB(Path(sys.argv[1])).close()
except TamsDataError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def open_elsewhere(path: Path) -> subprocess.CompletedProcess[str]:
    """Open a database in another process, and close it."""
    root = Path(__file__).parents[3]
    return subprocess.run(
        [sys.executable, "-c", OPEN, str(path)], cwd=root, capture_output=True, text=True, check=False
    )


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_file_and_its_folder_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "tams.duckdb"
    database = connect(f"duckdb:///{path}")
    database.create_tables()
    database.close()
    assert path.is_file()


def test_a_relative_path_is_relative_to_where_the_process_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    connect("duckdb:///data/tams.duckdb").close()
    assert (tmp_path / "data" / "tams.duckdb").is_file()


def test_what_was_committed_is_there_when_the_store_is_opened_again(tmp_path):
    first = DuckDB(tmp_path / "tams.duckdb")
    first.create_tables()
    with first.transaction() as transaction:
        insert(transaction, OBJECTS, object_row(1))
    before = everything(first)
    first.close()
    second = DuckDB(tmp_path / "tams.duckdb")
    second.create_tables()
    after = everything(second)
    second.close()
    assert after == before
    assert len(after["objects"]) == 1


def test_a_store_of_an_older_version_gets_the_tables_and_columns_it_lacks_and_keeps_its_rows(tmp_path):
    path = tmp_path / "tams.duckdb"
    with duckdb.connect(str(path)) as older:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in older_flows().items())
        older.execute(f"CREATE TABLE flows ({columns})")
        older.execute("INSERT INTO flows (id, created_ns) VALUES ('a', 1)")
        older.execute("CREATE TABLE schema_versions (version BIGINT NOT NULL, applied_ns BIGINT NOT NULL)")
        older.execute("INSERT INTO schema_versions VALUES (1, 5)")
    database = DuckDB(path)
    database.create_tables()
    (flow,) = rows_of(database, FLOWS)
    versions = [row["version"] for row in rows_of(database, SCHEMA_VERSIONS)]
    assert set(everything(database)) == set(TABLES)
    database.close()
    assert (flow["id"], flow["created_ns"], flow["profile_id"]) == ("a", 1, None)
    assert versions == [1, VERSION]


def older_flows() -> dict[str, str]:
    """The columns of a table of flows that knew of no profiles."""
    kinds = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.bool_(): "BOOLEAN"}
    return {column.name: kinds.get(column.type, "BIGINT[]") for column in FLOWS.columns if column.name != "profile_id"}


@pytest.mark.parametrize("url", ["duckdb://", "duckdb:///"])
def test_a_database_without_a_path_is_in_memory_and_nobody_elses(url):
    one, other = connect(url), connect(url)
    one.create_tables()
    other.create_tables()
    with one.transaction() as transaction:
        insert(transaction, OBJECTS, object_row(1))
    assert [len(rows_of(database, OBJECTS)) for database in (one, other)] == [1, 0]
    assert repr(one) == "DuckDB(:memory:)"
    one.close()
    other.close()


def test_a_database_that_another_process_has_open_is_locked(tmp_path):
    path = tmp_path / "tams.duckdb"
    holder = subprocess.Popen(
        [sys.executable, "-c", "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(); sys.stdin.read()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        holder.stdout.readline()  # it has it
        with pytest.raises(DatabaseLocked, match=r"^cannot open the database .*tams\.duckdb: "):
            DuckDB(path)
    finally:
        holder.communicate()  # end of its input: it ends
    DuckDB(path).close()


def test_the_folder_of_a_new_database_is_nothing_to_others(tmp_path):
    DuckDB(tmp_path / "data" / "tams.duckdb").close()
    assert (tmp_path / "data").stat().st_mode & 0o007 == 0


def test_a_closed_database_is_free_for_another_process(tmp_path):
    path = tmp_path / "tams.duckdb"
    database = DuckDB(path)
    database.create_tables()
    rows_of(database, OBJECTS)
    assert open_elsewhere(path).stderr.startswith("DatabaseLocked: ")
    database.close()
    assert open_elsewhere(path).returncode == 0


@pytest.mark.parametrize("folder", ["data", "clocks"])
def test_a_file_that_is_no_database_is_not_said_to_be_locked(tmp_path, folder):
    path = tmp_path / folder / "tams.duckdb"
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match=r"^cannot open the database ") as raised:
        DuckDB(path)
    assert raised.type is StoreUnavailable


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match=r"^cannot make the folder of the database .*tams\.duckdb: "):
        DuckDB(tmp_path / "file" / "tams.duckdb")


def test_a_table_weighs_the_blocks_of_its_file(tmp_path):
    path = tmp_path / "tams.duckdb"
    database = DuckDB(path)
    database.create_tables()
    before = sizes(database)
    with database.transaction() as transaction:
        insert(transaction, OBJECTS, *(object_row(key) for key in range(20_000)))
    database.ibis().raw_sql("CHECKPOINT")
    after = sizes(database)
    assert after["objects"] > max(before["objects"], 20_000 * 8)
    assert {name: size for name, size in after.items() if name not in ("objects", "schema_versions")} == {
        name: 0 for name in TABLES if name not in ("objects", "schema_versions")
    }
    assert sum(after.values()) <= path.stat().st_size
    database.close()


def test_a_table_in_memory_is_on_no_disk():
    database = DuckDB(None)
    database.create_tables()
    assert set(sizes(database).values()) == {None}
    database.close()


def sizes(database: DuckDB) -> dict[str, int | None]:
    """The bytes of each table."""
    return {one.name: one.size_bytes for one in database.describe().tables}


def test_memory_is_limited():
    database = connect("duckdb://", memory_limit="64MB")
    (limit,) = database.ibis().raw_sql("SELECT current_setting('memory_limit')").fetchone()
    database.close()
    assert limit == "61.0 MiB"


def test_columns_without_null_refuse_it(tmp_path):
    database = connect("duckdb://")
    database.create_tables()
    with pytest.raises(duckdb.ConstraintException, match="NOT NULL"), database.transaction() as transaction:
        insert(transaction, FLOWS, flow_row(metadata_version=None))
    assert rows_of(database, FLOWS) == []
    database.close()


# --- the SQL ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_a_page_of_segments_filters_flow_and_window_and_stops_at_its_limit(reverse):
    """What zone maps skip by, and what keeps a page of ten million segments a page."""
    sql = sql_of(segments.page, WINDOW, limit=30, reverse=reverse)
    scan = re.search(r'FROM "segments" AS "t0" WHERE (.*) ORDER BY (.*) LIMIT 30\b', sql)
    assert set(scan[1].replace('"t0".', "").split(" AND ")) == {
        '"flow_id" = $flow_id',
        '"start_ns" < $end_ns',
        '"end_ns" > $start_ns',
    }
    assert scan[2] == f'"t0"."start_ns" {"DESC" if reverse else "ASC"}'
    assert sql.count('"segments"') == 1
    assert "JOIN" not in sql


def test_the_next_page_starts_after_the_last_row_of_the_one_before():
    sql = sql_of(flows.page, {"after": (1, "f")}, limit=10)
    assert '"created_ns" < $after_0' in sql
    assert '"id" > $after_1' in sql
    assert "OFFSET" not in sql


@pytest.mark.parametrize("query", [flows.page, sources.page])
def test_flows_and_sources_are_limited_before_anything_is_joined_to_them(query):
    sql = sql_of(query, {}, limit=10)
    assert sql.index("LIMIT 10") < sql.index("JOIN") if "JOIN" in sql else sql.rstrip().endswith("LIMIT 10")


@pytest.mark.parametrize(
    ("query", "column"), [(objects.by_key, "key"), (objects.shown, "key"), (objects.instances, "object_key")]
)
def test_objects_are_fetched_by_a_list_of_keys_which_alone_uses_the_index(query, column):
    sql = sql_of(query, {"keys": [1, 2]})
    placeholders = ", ".join(f"$keys_{i}" for i in range(8))
    assert f'"{column}" IN ({placeholders})' in sql


def test_a_query_is_compiled_once_for_all_values_of_one_shape():
    built = []

    def query(tables, *, key, descending):
        built.append(key)
        column = tables.objects.id if key.type().is_string() else tables.objects.key
        return tables.objects.filter(column > key if descending else column < key)

    texts = {sql_of(query, {"key": key}, descending=True) for key in range(5)}
    assert (len(texts), len(built)) == (1, 1)
    assert sql_of(query, {"key": 1}, descending=False) not in texts
    assert len(built) == 2
    sql_of(query, {"key": "text"}, descending=True)
    assert len(built) == 3


def test_options_in_any_order_are_the_same_options():
    built = []

    def query(tables, *, limit, column):
        built.append(limit)
        return tables.objects.select(column).limit(limit)

    assert sql_of(query, {}, limit=1, column="key") == sql_of(query, {}, column="key", limit=1)
    assert len(built) == 1


def test_closing_brings_what_is_committed_into_the_file_though_other_threads_have_read(tmp_path):
    path = tmp_path / "tams.duckdb"
    database = DuckDB(path)
    database.create_tables()
    threads = [threading.Thread(target=lambda: rows_of(database, FLOWS)) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    assert path.with_name("tams.duckdb.wal").exists()
    database.close()
    assert not path.with_name("tams.duckdb.wal").exists()
    database.close()
