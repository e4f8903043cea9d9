"""Who is let in, what is counted, and the faults that tests order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
import vastdb
from vastdb import errors
from vastdb.config import BackoffConfig
from vastdb.session import Session

from tests.vast_emulator.conftest import Numbers, numbers_in, rolled_back
from tests.vast_emulator.emulator import ACCESS_KEY, CONTROL, SECRET_KEY, Emulator
from tests.vast_emulator.faults import Fault, Faults, Storm
from tests.vast_emulator.fixtures import connected


def test_a_request_that_is_not_signed_is_refused(vast_emulator: Emulator):
    assert httpx.get(f"{vast_emulator.endpoint}/?transaction").status_code == 403


def test_a_wrong_secret_is_refused(vast_emulator: Emulator):
    with pytest.raises(errors.Forbidden, match="SignatureDoesNotMatch"), connected(vast_emulator.endpoint, secret="x"):
        pass


def test_an_unknown_access_key_is_refused(vast_emulator: Emulator):
    with pytest.raises(errors.Forbidden, match="InvalidAccessKeyId"):
        vastdb.connect(endpoint=vast_emulator.endpoint, access="nobody", secret="x")


def test_a_body_that_is_not_the_one_signed_is_refused(vast_emulator: Emulator, vast_session: Session):
    signed = vast_session.api.begin_transaction().request
    headers = {name: signed.headers[name] for name in ("Authorization", "x-amz-date", "x-amz-content-sha256")}
    assert httpx.post(signed.url, headers=headers).status_code == 200
    assert httpx.post(signed.url, headers=headers, content=b"more").status_code == 403


@pytest.mark.parametrize(
    ("version", "sorts", "error"),
    [
        ("5.2.0.10", False, errors.NotSupportedVersion),
        ("5.4.0.0", True, errors.InternalServerError),
        ("5.5.0.0", True, errors.BadRequest),
    ],
)
def test_the_cluster_is_of_the_version_asked_for(version: str, sorts: bool, error: type[Exception]):
    with Emulator(version=version) as emulator, connected(emulator.endpoint) as session:
        emulator.create_bucket("bucket")
        assert session.api.vast_version == tuple(map(int, version.split(".")))
        with session.transaction() as tx:
            schema = tx.bucket("bucket").create_schema("schema")
            table = schema.create_table("table", pa.schema({"a": pa.int64()}), sorting_key=[0] if sorts else [])
            assert table.sorted_table == sorts
            with pytest.raises(error):
                schema.create_table("other", pa.schema({"a": pa.int64()})).add_sorting_key([7])


def test_requests_rows_and_bytes_are_counted_by_kind(vast_emulator: Emulator, numbers: Numbers):
    with numbers.session.transaction() as tx:
        table = numbers.in_transaction(tx)
        vast_emulator.reset_counts()
        assert numbers_in(table) == [10, 20, 30]
    counts = vast_emulator.counts()
    assert counts.requests["query"] == 1
    assert counts.requests["commit"] == 1
    assert counts.requests["insert"] == 0
    assert counts.rows_out["query"] == 3
    assert counts.bytes_in["query"] > 0
    assert counts.bytes_out["query"] > 3 * 8


def test_latency_makes_requests_wait(vast_emulator: Emulator, numbers: Numbers):
    vast_emulator.faults.add(Fault("latency", on="query", seconds=0.2))
    begun = time.monotonic()
    assert numbers.now() == [10, 20, 30]
    assert time.monotonic() - begun >= 0.2


def test_a_slowdown_is_something_the_sdk_sits_out(vast_emulator: Emulator, numbers: Numbers):
    vast_emulator.faults.add(Fault("slowdown", on="begin"))
    assert numbers.now() == [10, 20, 30]
    assert vast_emulator.counts().requests["begin"] == 1 + 3  # of creation, and of a node's discovery, too


def test_a_slowdown_without_end_reaches_the_caller(vast_emulator: Emulator):
    vast_emulator.faults.add(Fault("slowdown", times=None))
    once = BackoffConfig(max_tries=1)
    with pytest.raises(errors.Slowdown):
        vastdb.connect(endpoint=vast_emulator.endpoint, access=ACCESS_KEY, secret=SECRET_KEY, backoff_config=once)


def test_a_conflict_on_demand(vast_emulator: Emulator, numbers: Numbers):
    vast_emulator.faults.add(Fault("conflict", on="insert"))
    with pytest.raises(errors.Conflict), numbers.session.transaction() as tx:
        numbers.in_transaction(tx).insert(pa.table({"number": [40], "text": ["d"]}))
    assert numbers.now() == [10, 20, 30]


@pytest.mark.parametrize("after_bytes", [0, 1, 100, 500])
def test_a_stream_that_breaks_is_read_again_by_the_sdk(vast_emulator: Emulator, numbers: Numbers, after_bytes: int):
    with numbers.session.transaction() as tx:
        table = numbers.in_transaction(tx)
        vast_emulator.reset_counts()
        vast_emulator.faults.add(Fault("drop", on="query", after_bytes=after_bytes))
        assert numbers_in(table) == [10, 20, 30]
    assert vast_emulator.counts().requests["query"] == 2


def test_a_commit_whose_answer_is_lost_took_effect(vast_emulator: Emulator, numbers: Numbers):
    vast_emulator.faults.add(Fault("lost_answer", on="commit"))
    with pytest.raises(errors.ConnectionError), numbers.session.transaction() as tx:
        numbers.in_transaction(tx).insert(pa.table({"number": [40], "text": ["d"]}))
    assert numbers.now() == [10, 20, 30, 40]


def test_a_fault_may_spare_the_first_requests(vast_emulator: Emulator, numbers: Numbers):
    vast_emulator.faults.add(Fault("conflict", on="insert", skip=1))
    with rolled_back(numbers.session) as tx:
        table = numbers.in_transaction(tx)
        table.insert(pa.table({"number": [40], "text": ["d"]}))
        with pytest.raises(errors.Conflict):
            table.insert(pa.table({"number": [50], "text": ["e"]}))
    assert vast_emulator.counts().requests["insert"] == 3


@contextmanager
def process(*options: str) -> Iterator[str]:
    """Run the emulator in a process of its own, and give its endpoint."""
    command = [sys.executable, "-m", "tests.vast_emulator", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline().strip()
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=20) == 0


def test_a_process_keeps_its_data_and_is_controlled_over_http(tmp_path: Path):
    data = str(tmp_path / "emulator.duckdb")
    with process("--data", data) as endpoint, connected(endpoint) as session:
        httpx.put(f"{endpoint}{CONTROL}buckets/other").raise_for_status()
        numbers = Numbers(session, "other")
        httpx.delete(f"{endpoint}{CONTROL}counts").raise_for_status()
        httpx.post(f"{endpoint}{CONTROL}faults", json={"effect": "conflict", "on": "begin"}).raise_for_status()
        with pytest.raises(errors.Conflict):
            numbers.now()
        assert httpx.get(f"{endpoint}{CONTROL}counts").json()["requests"] == {"begin": 1}
        httpx.post(f"{endpoint}{CONTROL}faults", json={"effect": "conflict", "times": None}).raise_for_status()
        httpx.delete(f"{endpoint}{CONTROL}faults").raise_for_status()
    with process("--data", data) as endpoint, connected(endpoint) as session, session.transaction() as tx:
        table = tx.bucket("other").schema("schema").table("numbers")
        assert numbers_in(table) == [10, 20, 30]
        assert table.insert(pa.table({"number": [40], "text": ["d"]})).to_pylist() == [3]


def test_a_storm_hits_a_share_of_all_requests_until_it_is_cleared() -> None:
    faults = Faults()
    faults.rage(Storm(one_in=10, seed=1))
    hits = [one.effect for _ in range(5000) for one in faults.of("query")]
    assert 400 < len(hits) < 600
    assert set(hits) == {"latency", "slowdown", "conflict", "drop", "lost_answer"}
    faults.clear()
    assert not any(faults.of("query") for _ in range(100))
