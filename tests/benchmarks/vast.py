"""What VAST Database is asked for, counted by the emulator, and what the Ibis backend adds to a direct select."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from tams_data import schema
from tams_data.engines.vast import Vast
from tams_data.queries import segments as queries
from tams_data.settings import VastSettings
from tams_data.store.reading import objects_with_instances
from tests.benchmarks import dataset
from tests.benchmarks.dataset import SEGMENT_NS, flow_id
from tests.benchmarks.reading import LIMIT, WINDOW_NS
from tests.benchmarks.report import Figure, interleaved_ms, ratio_at_least, ratio_at_most
from tests.benchmarks.service import service
from tests.benchmarks.writing import CLIENTS, _Client, run_all
from tests.vast_emulator.emulator import ACCESS_KEY, CONTROL, SECRET_KEY

BUCKET = "bench"


def figures(folder: Path, *, segments: int, flows: int) -> Iterator[Figure]:
    """All of them; the emulator's store is kept in the folder."""
    place = folder / "vast"
    place.mkdir(parents=True, exist_ok=True)
    data, done = place / f"{segments}.duckdb", place / f"{segments}.{schema.VERSION}.done"
    if not done.exists():
        data.unlink(missing_ok=True)
    with _Emulator.running(data) as emulator:
        database = Vast(emulator.settings())
        if not done.exists():
            dataset.fill(database, segments=segments, flows=flows, storage_id="bench")
            done.touch()
        database.create_tables()
        yield from _pages(emulator, database, segments // flows * SEGMENT_NS)
        yield _aggregate(emulator, database, segments)
        yield from _own_cost(database, segments // flows * SEGMENT_NS)
        database.close()
    yield _group_commit()


class _Emulator:
    """An emulator in a process of its own."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    @classmethod
    @contextmanager
    def running(cls, data: Path) -> Iterator[_Emulator]:
        command = [sys.executable, "-m", "tests.vast_emulator", "--port", "0", "--data", str(data), "--bucket", BUCKET]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield cls(process.stdout.readline().strip())
            finally:
                process.terminate()

    def settings(self) -> VastSettings:
        keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
        return VastSettings(endpoint=self.endpoint, bucket=BUCKET, VAST_SCHEMA="tams", **keys, _env_file=None)

    def counts(self) -> dict[str, dict[str, int]]:
        """What was counted since the last call."""
        counts: dict[str, dict[str, int]] = json.loads(self._control("GET"))
        self._control("DELETE")
        return counts

    def _control(self, method: str) -> bytes:
        request = urllib.request.Request(f"{self.endpoint}{CONTROL}counts", method=method)
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())


def _pages(emulator: _Emulator, database: Vast, end_ns: int) -> Iterator[Figure]:
    """Requests and rows of a page with its objects, read as the API does."""
    for name, start_ns in (("page 1", 0), ("page in the middle", end_ns // 4 // SEGMENT_NS * 2 * SEGMENT_NS)):
        window = {"flow_id": flow_id(0), "start_ns": start_ns, "end_ns": start_ns + WINDOW_NS}
        _read_page(database, window)  # what is asked for once, and not again
        emulator.counts()
        returned = _read_page(database, window)
        counts = emulator.counts()
        requests, rows = sum(counts["requests"].values()), sum(counts["rows_out"].values())
        yield Figure(f"VAST, {name}", requests, "requests", "most", 5, "at most 5", requests <= 5)
        yield ratio_at_most(f"VAST, {name}", "rows sent", rows, "rows of the answer", returned, most=2)


def _read_page(database: Vast, window: dict[str, Any]) -> int:
    """How many rows a page has: its segments, their objects and where those are."""
    with database.snapshot() as reader:
        rows = reader.read(queries.page, window, reverse=False, limit=LIMIT + 1)
        objects = objects_with_instances(reader, set(rows["object_key"].to_pylist()))
    return rows.num_rows + len(objects) + sum(len(one["instances"]) for one in objects.values())


def _aggregate(emulator: _Emulator, database: Vast, segments: int) -> Figure:
    table = database.ibis().table("segments")
    emulator.counts()
    table.aggregate(longest=table.end_ns.max()).to_pyarrow()
    sent = emulator.counts()["bytes_out"]["query"]
    return ratio_at_most(f"VAST, one column of {segments:,}", "bytes", sent, "the column's", 8 * segments, most=1.3)


def _own_cost(database: Vast, end_ns: int) -> Iterator[Figure]:
    """The backend against `select` with the same columns and the same condition, few rows and many."""
    connection = database.ibis()
    table = connection.table("segments")
    few = table.filter(table.flow_id == flow_id(0), table.start_ns < min(end_ns, WINDOW_NS)).select("start_ns")

    def select(few_only: bool) -> pa.Table:
        with database._begun() as transaction:  # the same session
            snapshot = database._source.snapshot(transaction)  # which knows the table, as the backend does
            metadata = snapshot.metadata("segments")
            columns, config = metadata.ibis_table, snapshot.config(metadata)
            of_few = (columns["flow_id"] == flow_id(0)) & (columns["start_ns"] < min(end_ns, WINDOW_NS))
            predicate = of_few if few_only else None
            return snapshot.table("segments").select(["start_ns"], predicate=predicate, config=config).read_all()

    ours, direct = interleaved_ms(lambda _: connection.to_pyarrow(few), lambda _: select(True), rounds=100, warm=10)
    added = ours - direct
    yield Figure("VAST, added to a select", added, "ms", "a select", direct, "under 3 ms", added < 3)
    many = table.select("start_ns")
    ours, direct = interleaved_ms(lambda _: connection.to_pyarrow(many), lambda _: select(False), rounds=5, warm=1)
    yield ratio_at_least("VAST, rows read", "1/ms a scan", 1 / ours, "a select", 1 / direct, least=0.8)


def _group_commit(*, seconds: int = 8) -> Figure:
    """Segments a transaction of VAST, when 16 clients post one at a time."""
    with tempfile.TemporaryDirectory() as folder, _Emulator.running(Path(folder) / "vast.duckdb") as emulator:
        given = {"ENDPOINT": emulator.endpoint, "ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY, "BUCKET": BUCKET}
        variables = {f"VAST_{name}": value for name, value in given.items()}
        with service(Path(folder) / "unused.duckdb", TAMS_DATABASE_URL="vast://", **variables) as running:
            clients = [_Client(running.port, number, 1, seconds) for number in range(CLIENTS)]
            for client in clients:
                client.prepare()
            emulator.counts()
            until = time.monotonic() + seconds
            run_all(clients, until)
            requests = emulator.counts()["requests"]
            # One that adds segments inserts into four tables and updates one, one that puts their events in order
            # inserts into one and updates one; what other jobs look for, they only read.
            transactions = (requests["insert"] - requests["update"]) / 3
    posts = sum(client.posts for client in clients)
    each = posts / transactions
    return Figure("VAST, single posts, 16 clients", each, "segments", "a transaction", 8, "at least 8", each >= 8)
