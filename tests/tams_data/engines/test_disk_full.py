"""A full disk: what was committed stays, reads go on, and writes do once there is room, all in the same process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tams_data.engines.duckdb import DuckDB
from tams_data.errors import StoreUnavailable, TransactionConflict
from tams_data.schema import OBJECTS
from tests.disks import SmallDisk, small_disk
from tests.tams_data.builders import whole

ROWS = 4000
LOG_MIB = 16
"""How large DuckDB lets its log grow before it makes a checkpoint."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 4) as small:
        yield small


def opened(disk: SmallDisk) -> DuckDB:
    database = DuckDB(disk.folder / "tams.duckdb", memory_limit="512MB")
    database.create_tables()
    return database


def id_of(key: int) -> str:
    """Text that does not compress, and by which its row is known."""
    return hashlib.sha512(str(key).encode()).hexdigest()


def write(database: DuckDB, first_key: int) -> int:
    """Commit rows that do not compress; the key after theirs."""
    keys = list(range(first_key, first_key + ROWS))
    ids = [id_of(key) for key in keys]
    rows = OBJECTS.columns_of(ROWS, key=keys, id=ids, id_hash=1, is_init=False, first_flow_id="", created_ns=1)
    with database.transaction() as transaction:
        transaction.insert(OBJECTS, rows)
    return first_key + ROWS


def fill(database: DuckDB, written: int) -> tuple[int, StoreUnavailable]:
    """Write until the disk is full; how many rows there are then, and the error."""
    while True:
        try:
            written = write(database, written)
        except StoreUnavailable as error:
            return written, error


def counted(tables):
    return tables.objects.aggregate(count=tables.objects.count())


def count(database: DuckDB) -> int:
    return database.read(counted)["count"][0].as_py()


def check_rows(database: DuckDB, written: int) -> None:
    """Every row that was committed is there as it was, and no other."""
    rows = database.read(whole, name=OBJECTS.name)
    found = dict(zip(rows["key"].to_pylist(), rows["id"].to_pylist(), strict=True))
    assert len(rows) == len(found)
    # Of a commit whose checkpoint failed DuckDB says that it failed, and it may have been written.
    assert found.keys() - range(written, written + ROWS) == set(range(written))
    assert [key for key, text in found.items() if text != id_of(key)] == []


def test_a_commit_that_finds_the_disk_full_is_no_conflict_and_the_next_finds_room(disk: SmallDisk) -> None:
    database = opened(disk)
    written, error = fill(database, write(database, 0))
    assert not isinstance(error, TransactionConflict)
    assert "No space left on device" in str(error)
    assert count(database) == written
    disk.set_size(16)
    for _ in range(3):
        written = write(database, written)
    check_rows(database, written)
    database.close()
    reopened = DuckDB(database.path)
    check_rows(reopened, written)
    reopened.close()


@pytest.fixture
def failed(disk: SmallDisk) -> tuple[DuckDB, int]:
    """A database whose checkpoint found the disk full, and how many rows were committed to it."""
    disk.set_size(LOG_MIB + 4)
    database = opened(disk)
    written, error = fill(database, 0)
    assert "checkpoint" in str(error)
    return database, written


def test_after_a_failed_checkpoint_reads_go_on_and_writes_are_refused(failed: tuple[DuckDB, int]) -> None:
    database, written = failed
    assert count(database) == written
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="is full: "):
            write(database, written)
        assert count(database) == written
    with ThreadPoolExecutor(1) as other:
        assert other.submit(count, database).result() == written
    database.close()


def test_after_a_failed_checkpoint_writes_go_on_once_there_is_room(disk: SmallDisk, failed: tuple[DuckDB, int]) -> None:
    database, written = failed
    disk.set_size(64)
    for _ in range(3):
        written = write(database, written)
    assert count(database) == written
    database.close()
    reopened = DuckDB(database.path)
    check_rows(reopened, written)
    reopened.close()


@pytest.mark.parametrize("room", [False, True], ids=["still-full", "with-room-again"])
def test_a_database_that_is_closed_after_a_failed_checkpoint_loses_nothing(
    disk: SmallDisk, failed: tuple[DuckDB, int], room: bool
) -> None:
    """DuckDB 1.3.2 by itself loses every row of the file when it is closed then and there is room again."""
    database, written = failed
    if room:
        disk.set_size(64)
    database.close()
    reopened = DuckDB(database.path)
    check_rows(reopened, written)
    reopened.close()


def test_who_still_reads_when_the_database_fails_is_waited_for(disk: SmallDisk, failed: tuple[DuckDB, int]) -> None:
    database, written = failed
    disk.set_size(64)
    written = write(database, written)  # opened anew
    with database.scanning() as scan:
        disk.set_size(LOG_MIB + 8)
        filled, _ = fill(database, written)
        with ThreadPoolExecutor(1) as other, pytest.raises(StoreUnavailable, match="about to be opened anew"):
            other.submit(count, database).result()
        with pytest.raises(StoreUnavailable):
            list(scan.batches(counted))
    assert count(database) == filled
    database.close()
