"""`/tables` of the service as a process: a long table streams, and who leaves holds nobody up."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pytest
from ibis import _

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.scan.tams import Backend, ServiceError, StreamBroken
from tests.api.process import Service

ROWS = 3_000_000
FLOWS = 100
THREADS = 4

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says in /proc how much memory a process has")


def segments() -> pa.Table:
    """Segments of a hundred flows, interleaved, of 4 s each: 150 bytes a row."""
    number = np.arange(ROWS)
    flows = pa.array([f"93743497-c697-5753-ab1d-{i:012}" for i in range(FLOWS)])
    start_ns = number // FLOWS * 4_000_000_000
    columns = {
        "flow_id": flows.take(pa.array(number % FLOWS)),
        "start_ns": start_ns,
        "end_ns": start_ns + 4_000_000_000,
        "object_key": number,
        "created_ns": start_ns,
    }
    given = [
        columns.get(name, pa.nulls(ROWS, schema.SEGMENTS.arrow.field(name).type)) for name in schema.SEGMENTS.names
    ]
    return pa.table(given, schema=schema.SEGMENTS.arrow)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a long table, which serves few requests at once."""
    folder = tmp_path_factory.mktemp("tables")
    database = DuckDB(folder / "data" / "tams.duckdb")
    database.create_tables()
    with database.transaction() as transaction:
        transaction.insert(schema.SEGMENTS, segments())
    database.close()
    with Service(folder, TAMS_THREADS=str(THREADS)) as running:
        yield running


@pytest.fixture
def con(service: Service) -> Iterator[Backend]:
    """A connection of an analyst."""
    connection = Backend().connect(service.url)
    yield connection
    connection.disconnect()


def memory(pid: int | str, of: str = "VmRSS") -> int:
    """Bytes of memory that a process has now, or had at most: VmHWM."""
    (line,) = (one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith(f"{of}:"))
    return int(line.split()[1]) * 1024


def worker(service: Service) -> int:
    """The process that serves: the child of the main one with most memory."""
    pids = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    return max((pid for pid in pids if parent(pid) == service.process.pid), key=memory)


def parent(pid: int) -> int:
    """The parent of a process; 0 when it has ended meanwhile."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


@on_linux
def test_a_long_table_is_never_whole_in_memory_at_either_end(service: Service, con: Backend) -> None:
    t = con.table("segments")
    con.to_pyarrow(t.limit(1))  # what is loaded once is there
    serving, served, here = worker(service), memory(worker(service)), memory("self")
    read, size, most = 0, 0, 0
    for batch in con.to_pyarrow_batches(t):
        if not read:
            time.sleep(1)  # who is slow does not make the service read ahead
        read, size, most = read + batch.num_rows, size + batch.nbytes, max(most, memory("self"))
    assert (read, size > 250e6) == (ROWS, True)
    assert memory(serving, "VmHWM") - served < size / 2
    assert most - here < size / 2


def test_what_the_service_filters_is_what_comes(con: Backend) -> None:
    t = con.table("segments")
    flow = "93743497-c697-5753-ab1d-000000000007"
    query = t.filter(_.flow_id == flow, _.start_ns.between(0, 40_000_000_000)).select("object_key")
    assert sorted(con.to_pyarrow(query)["object_key"].to_pylist()) == list(range(7, 11 * FLOWS, FLOWS))
    assert list(map(str, con.explain(query).of("segments").predicate)) == [
        f"flow_id = {flow!r}",
        "start_ns >= 0",
        "start_ns <= 40000000000",
    ]


def test_those_who_hang_up_hold_nobody_up(service: Service, con: Backend) -> None:
    """Each would keep a thread of the service, of which there are four."""
    for _again in range(3 * THREADS):
        assert con.to_pyarrow(con.table("segments").limit(1)).num_rows == 1
    assert con.table("segments").count().execute() == ROWS


def whole(con: Backend, t: ibis.Table) -> Callable[[], object]:
    """What reads a table to its end, once its first batch has come."""
    reader = con.to_pyarrow_batches(t, chunk_size=1000)
    reader.read_next_batch()
    return reader.read_all


def test_a_service_that_dies_breaks_the_stream(service: Service, con: Backend) -> None:
    read = whole(con, con.table("segments"))
    service.kill()
    with pytest.raises(StreamBroken):
        read()
    with pytest.raises(ServiceError):
        con.list_tables()
    service.start()
    assert con.table("segments").count().execute() == ROWS
