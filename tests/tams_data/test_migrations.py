"""A store of each earlier version is brought forward with all that is in it, and then as good as a new one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyarrow import parquet

from tams_data import schema
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.engines.vast import Vast
from tams_data.errors import SchemaMismatch, StoreUnavailable
from tams_data.keeping.restore import restore
from tams_data.keeping.verify import verify
from tams_data.keeping.versions import check_store
from tests import vast_engine
from tests.saved_stores import Saved, saved
from tests.tams_data.builders import Commands, everything, flow, gaps_between, rows_of, segment
from tests.vast_emulator.faults import Fault

SAVED = list(saved())
OLDER = [one for one in SAVED if one.version < schema.VERSION]


def test_a_store_of_every_version_is_saved() -> None:
    versions = [one.version for one in SAVED]
    assert versions == list(range(1, schema.VERSION + 1)), "python -m tests.saved_stores saves one of the present"


WAYS = [*((one, "embedded") for one in OLDER), *((one, "cluster") for one in OLDER[-1:])]
"""The saved stores of all versions on DuckDB, and that of the previous one on VAST: the steps are the same."""


@pytest.fixture(params=WAYS, ids=lambda way: f"version-{way[0].version}-{way[1]}")
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Saved, Database]]:
    """A saved store, in an engine."""
    of, engine = request.param
    database: Database
    if engine == "embedded":
        database = of.in_duckdb(tmp_path / "tams.duckdb")
    else:
        database = of.in_vast(f"saved-{vast_engine.settings().schema_name}")
    yield of, database
    database.close()


def check_brought_forward(of: Saved, database: Database) -> None:
    """All rows are there as they were, and nothing is wrong with them."""
    now = everything(database)
    for name in of.tables:
        if name != "schema_versions":
            was = of.rows(name)
            assert [{column: row[column] for column in was[0]} for row in now[name]] == was if was else not now[name]
    for name in now.keys() - of.tables.keys():
        assert now[name] == (gaps_between(of.rows("segments")) if name == "flow_gaps" else [])
    assert list(verify(database)) == []
    commands = Commands(database)
    new = flow()
    commands.put_flow(new)
    commands.allocate(new["id"], "new")
    assert commands.add(new["id"], segment("new", 0, 10), segment("o1", 10, 15, ts_offset_ns=10)) == [None, None]
    assert list(verify(database)) == []


def test_the_saved_stores_have_gaps() -> None:
    assert all(len(gaps_between(one.rows("segments"))) > 1 for one in SAVED)


def test_an_older_store_is_brought_forward(older: tuple[Saved, Database]) -> None:
    of, database = older
    with pytest.raises(SchemaMismatch, match=f"has schema version {of.version}, and is brought to {schema.VERSION}"):
        check_store(database)
    database.create_tables()
    check_store(database)
    assert [row["version"] for row in rows_of(database, schema.SCHEMA_VERSIONS)] == [of.version, schema.VERSION]
    check_brought_forward(of, database)


# --- steps that are cut short, or taken by two -----------------------------------------------------------------------

LAST = OLDER[-1]

KILLED = """
import os, sys
from pathlib import Path
from tams_data.engines import duckdb
database = duckdb.DuckDB(Path(sys.argv[1]))
with database._writing() as cursor:
    duckdb._bring_up_to_date(cursor, [int(sys.argv[2])])
    assert cursor.cursor.execute("SELECT count(*) FROM flow_gaps").fetchone() != (0,)
    os._exit(7)
"""


def test_a_step_that_a_killed_process_began_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "tams.duckdb"
    LAST.in_duckdb(path).close()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), str(LAST.version)], check=False)
    assert killed.returncode == 7
    database = DuckDB(path)
    database.create_tables()
    check_brought_forward(LAST, database)
    database.close()


@pytest.fixture
def on_vast() -> Iterator[Vast]:
    """The store of the previous version, on VAST, whose faults end with the test."""
    database = LAST.in_vast(f"saved-{vast_engine.settings().schema_name}")
    yield database
    vast_engine.emulator().faults.clear()
    database.close()


@pytest.mark.parametrize("skip", range(2))
def test_a_step_that_vast_broke_off_is_taken_anew(on_vast: Vast, skip: int) -> None:
    """At the gaps, or at the note of the version after them."""
    vast_engine.emulator().faults.add(Fault("lost_answer", on="insert", skip=skip))
    with pytest.raises(StoreUnavailable):
        on_vast.create_tables()
    on_vast.create_tables()
    check_brought_forward(LAST, on_vast)


def test_of_two_processes_that_take_a_step_at_once_one_waits_for_the_other(
    on_vast: Vast, caplog: pytest.LogCaptureFixture
) -> None:
    other = Vast(vast_engine.settings(on_vast._settings.schema_name))
    vast_engine.emulator().faults.add(Fault("latency", on="insert", seconds=1))  # the first is not done for so long
    with ThreadPoolExecutor(2) as processes:
        both = [processes.submit(one.create_tables) for one in (on_vast, other)]
        assert [one.result() for one in both] == [None, None]
    assert any("it is waited for" in one.message for one in caplog.records)
    assert [row["version"] for row in rows_of(other, schema.SCHEMA_VERSIONS)] == [LAST.version, schema.VERSION]
    check_brought_forward(LAST, on_vast)
    other.close()


# --- backups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", OLDER, ids=lambda one: f"version-{one.version}")
def test_an_older_backup_is_brought_forward(one: Saved, tmp_path: Path) -> None:
    database = DuckDB(None)
    restore(database, backup_of(one, tmp_path))
    check_brought_forward(one, database)
    database.close()


def backup_of(of: Saved, folder: Path) -> Path:
    """The store as a backup of its time."""
    tables = {}
    for name, rows in of.tables.items():
        path = folder / f"{name}.parquet"
        parquet.write_table(rows, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        size_bytes = path.stat().st_size
        tables[name] = {"file": path.name, "rows": rows.num_rows, "size_bytes": size_bytes, "sha256": digest}
    said = {"format": 1, "software": "1", "engine": "duckdb", "schema_version": of.version}
    instant = {"instant_ns": 1, "instant": "1970-01-01T00:00:00+00:00"}
    (folder / "manifest.json").write_text(json.dumps({**said, **instant, "tables": tables}))
    return folder
