"""Backups: whole or absent, of one instant, and restored into either engine as they were."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tams_data import schema
from tams_data.engines.base import Database
from tams_data.engines.duckdb import DuckDB
from tams_data.errors import AlreadyExists, BackupFailed, InvalidBackup, SchemaMismatch, StoreUnavailable
from tams_data.keeping import backup, contents, manifest
from tams_data.keeping.restore import restore
from tams_data.keeping.verify import verify
from tams_data.keeping.versions import brought_forward, check_store
from tams_data.store import outbox
from tams_data.store.keys import KeySequence
from tests import vast_engine
from tests.disks import small_disk
from tests.tams_data.builders import everything, insert, object_row, rows_of
from tests.tams_data.keeping.conftest import fill

ENGINES = {"embedded": lambda: DuckDB(None), "cluster": vast_engine.database}
"""Under names by which no test is left out."""


@contextmanager
def opened(engine: str) -> Iterator[Database]:
    database = ENGINES[engine]()
    try:
        database.create_tables()
        yield database
    finally:
        database.close()


def backed_up(database: Database, folder: Path) -> manifest.Manifest:
    with database.scanning() as scan:
        return backup.write(folder, contents.contents_of(database, scan))


def restored_rows(database: Database) -> dict:
    """What a restored store should have: its own versions, and all else as it was."""
    return {name: rows for name, rows in everything(database).items() if name != schema.SCHEMA_VERSIONS.name}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDB]:
    """A store that is only read."""
    database = DuckDB(tmp_path_factory.mktemp("store") / "tams.duckdb")
    database.create_tables()
    fill(database)
    yield database
    database.close()


@pytest.fixture(scope="module")
def kept(store: DuckDB, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    folder = tmp_path_factory.mktemp("kept") / "backup"
    backed_up(store, folder)
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """That backup, to be damaged."""
    return shutil.copytree(kept, tmp_path / "backup")


def test_a_backup_of_one_engine_is_restored_into_the_other_and_back(store: DuckDB, kept: Path, tmp_path: Path) -> None:
    before = restored_rows(store)
    with opened("cluster") as cluster:
        told: list[tuple[str, int]] = []
        said = restore(cluster, kept, lambda *done: told.append(done))
        assert ("segments", said.tables["segments"].rows) in told
        assert restored_rows(cluster) == before
        assert list(verify(cluster)) == []
        last = max(row["key"] for row in before["objects"])
        assert KeySequence.of(cluster)() > last, "a key would be given out again"
        events = before["events"]
        assert outbox.last_sequence(cluster) == events[-1]["sequence"], "a sequence would be given out again"
        assert backed_up(cluster, tmp_path / "back").engine == "vast"
        new = {name: value for name, value in events[-1].items() if name != "sequence"}
        with cluster.transaction() as transaction:
            insert(transaction, schema.NEW_EVENTS, {**new, "number": 1, "writer": "w"})
        backed_up(cluster, tmp_path / "with-an-event")
    with opened("embedded") as embedded:
        restore(embedded, tmp_path / "with-an-event")
        told = rows_of(embedded, schema.EVENTS)
        assert told == [*events, {**new, "sequence": events[-1]["sequence"] + 1}]
    with opened("embedded") as embedded:
        restore(embedded, tmp_path / "back")
        assert restored_rows(embedded) == before
        assert list(verify(embedded)) == []


@pytest.fixture
def empty() -> Iterator[Database]:
    with opened("embedded") as database:
        yield database


def test_the_manifest_says_what_is_there(folder: Path) -> None:
    said = json.loads((folder / "manifest.json").read_text())
    assert {name: said[name] for name in ("format", "engine", "schema_version")} == {
        "format": 1,
        "engine": "duckdb",
        "schema_version": schema.VERSION,
    }
    assert said["tables"].keys() == schema.TABLES.keys()
    for table in said["tables"].values():
        path = folder / table["file"]
        assert (path.stat().st_size, manifest.sha256_of(path)) == (table["size_bytes"], table["sha256"])
        assert parquet.read_metadata(path).num_rows == table["rows"]
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *(t["file"] for t in said["tables"].values())}


def test_the_columns_of_a_file_say_what_they_are(folder: Path) -> None:
    field = parquet.read_schema(folder / "segments.parquet").field("start_ns")
    assert field.metadata[b"description"].startswith(b"Start on the flow's timeline")


def test_a_backup_is_for_its_owner_alone(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


def test_a_secret_is_in_the_backup(folder: Path, empty: Database) -> None:
    restore(empty, folder)
    assert [row["api_key_value"] for row in everything(empty)["webhooks"]] == ["secret"]


# --- one instant -----------------------------------------------------------------------------------------------------


def test_what_is_written_while_a_backup_is_taken_is_in_it_whole_or_not(empty: Database, tmp_path: Path) -> None:
    """Each transaction writes an object and its instance: of any instant, there are as many of one as of the other."""

    def write(key: int) -> None:
        with empty.transaction() as transaction:
            insert(transaction, schema.OBJECTS, object_row(key, start_ns=0, end_ns=1))
            insert(transaction, schema.OBJECT_INSTANCES, {"object_key": key, "storage_id": "s", "created_ns": 1})

    with ThreadPoolExecutor(1) as other:
        writing = other.submit(lambda: [write(key) for key in range(300)])
        manifests = []
        while not writing.done():
            manifests.append(backed_up(empty, tmp_path / f"backup-{len(manifests)}"))
        writing.result()
    counts = [tuple(one.tables[name].rows for name in ("objects", "object_instances")) for one in manifests]
    assert all(objects == instances for objects, instances in counts)
    assert len(set(counts)) > 1, "nothing was written meanwhile"


# --- whole or absent -------------------------------------------------------------------------------------------------


def test_a_backup_that_is_broken_off_leaves_nothing(store: DuckDB, tmp_path: Path) -> None:
    def broken(table: str, _: int) -> None:
        if table == "objects":
            raise KeyboardInterrupt

    place = tmp_path / "backups"
    with pytest.raises(KeyboardInterrupt), store.scanning() as scan:
        backup.write(place / "backup", contents.contents_of(store, scan), broken)
    assert list(place.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(store: DuckDB, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        disk.fill()
        with pytest.raises(BackupFailed, match=r"disk/backup cannot be written: .*No space left on device"):
            backed_up(store, disk.folder / "backup")
        assert [one.name for one in disk.folder.iterdir()] == ["filler"]


def test_a_folder_with_something_in_it_is_left_as_it_is(store: DuckDB, folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(AlreadyExists, match="is there already"):
        backed_up(store, folder)
    assert (folder / "manifest.json").read_bytes() == before


def test_an_empty_folder_is_taken(store: DuckDB, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    backed_up(store, tmp_path / "made")
    assert manifest.read(tmp_path / "made").rows


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_store_with_something_in_it_is_left_as_it_is(store: DuckDB, folder: Path) -> None:
    before = everything(store)
    with pytest.raises(AlreadyExists, match="the store is not empty: it has 5 rows in sources"):
        restore(store, folder)
    assert everything(store) == before


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edited(**members: object):
    def edit(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **members}))

    return edit


def with_table(name: str, **members: object):
    def edit(folder: Path) -> None:
        tables = json.loads((folder / "manifest.json").read_text())["tables"]
        edited(tables={**tables, name: {**tables["flows"], **members}})(folder)

    return edit


@pytest.mark.parametrize(
    ("damage", "error", "says"),
    [
        (lambda folder: damaged(folder / "segments.parquet"), InvalidBackup, "segments.parquet has SHA-256"),
        (lambda folder: (folder / "flows.parquet").unlink(), InvalidBackup, "flows.parquet: No such file"),
        (lambda folder: (folder / "manifest.json").unlink(), InvalidBackup, "is no backup"),
        (lambda folder: (folder / "manifest.json").write_text("{"), InvalidBackup, "manifest.json: JSON: "),
        (shutil.rmtree, InvalidBackup, "is no backup"),
        (edited(format=2), SchemaMismatch, "has format 2; this software knows format 1"),
        (edited(schema_version=schema.VERSION + 1), SchemaMismatch, f"knows versions up to {schema.VERSION}$"),
        (edited(schema_version=0), SchemaMismatch, "schema version 0"),
        (with_table("inventions"), SchemaMismatch, "a table inventions, which"),
        (with_table("flows", file="../flows.parquet"), InvalidBackup, "tables.flows.file: "),
        (with_table("flows", rows=99), InvalidBackup, "flows.parquet has 4 rows, and the manifest says 99"),
        (with_table("sources"), SchemaMismatch, "rows of sources have the columns"),
    ],
)
def test_what_is_not_what_was_written_is_refused_and_nothing_is_restored(
    folder: Path, empty: Database, damage, error: type[Exception], says: str
) -> None:
    damage(folder)
    with pytest.raises(error, match=says):
        restore(empty, folder)
    assert not any(restored_rows(empty).values())


def test_a_store_that_a_restore_was_broken_off_in_is_refused(folder: Path, empty: Database) -> None:
    def broken(table: str, _: int) -> None:
        if table == "objects":
            raise StoreUnavailable("pulled out")

    with pytest.raises(StoreUnavailable):
        restore(empty, folder, broken)
    says = "was broken off: remove it"
    with pytest.raises(SchemaMismatch, match=says):
        empty.create_tables()
    with pytest.raises(SchemaMismatch, match=says):
        restore(empty, folder)
    with pytest.raises(SchemaMismatch, match=says):
        check_store(empty)


# --- over HTTP -------------------------------------------------------------------------------------------------------


def sent(store: DuckDB) -> bytes:
    with store.scanning() as scan:
        return b"".join(contents.sent(contents.contents_of(store, scan)))


def test_what_is_sent_is_what_is_received(store: DuckDB, tmp_path: Path, empty: Database) -> None:
    received = contents.received(io.BytesIO(sent(store)))
    backup.write(tmp_path / "backup", received)
    restore(empty, tmp_path / "backup")
    assert restored_rows(empty) == restored_rows(store)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.999])
def test_what_breaks_off_is_no_backup(store: DuckDB, tmp_path: Path, share: float) -> None:
    whole = sent(store)
    file = io.BytesIO(whole[: int(len(whole) * share)])
    with pytest.raises(InvalidBackup):
        backup.write(tmp_path / "backups" / "backup", contents.received(file))
    assert not (tmp_path / "backups").exists() or list((tmp_path / "backups").iterdir()) == []


# --- versions --------------------------------------------------------------------------------------------------------


def test_rows_of_an_older_version_get_the_newer_columns(folder: Path, empty: Database) -> None:
    """As a backup from before `label` of flows was there would be."""
    path = folder / "flows.parquet"
    parquet.write_table(parquet.read_table(path).drop_columns(["label"]), path)
    digest, size_bytes = manifest.sha256_of(path), path.stat().st_size
    edited(schema_version=1)(folder)
    with_table("flows", sha256=digest, size_bytes=size_bytes)(folder)
    restore(empty, folder)
    assert {row["label"] for row in everything(empty)["flows"]} == {None}


def test_rows_that_lack_what_they_must_have_are_refused() -> None:
    with pytest.raises(SchemaMismatch, match="rows of schema_versions lack the columns applied_ns"):
        brought_forward(schema.SCHEMA_VERSIONS, pa.record_batch({"version": [1]}))
