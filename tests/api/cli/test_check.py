"""`tams check` tells what held, ends with 1 when something did not, and cleans up when it is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import main
from tams_data import check
from tests import s3
from tests.api.process import ROOT


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the command on a store in a folder of the test's own, with what is timed done twice."""
    monkeypatch.setattr(check, "ROWS", 200)
    monkeypatch.setattr(check, "ROUNDS", 2)
    return lambda **more: CliRunner().invoke(main, ["check"], env={"TAMS_DATA_DIR": str(tmp_path), **more})


def test_what_held_is_listed(run):
    done = run()
    assert done.exit_code == 0, done.output
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["PROBE", "HELD", "DETAIL"]
    assert len([line for line in lines if line.split("  ")[0].startswith(("database:", "media:"))]) == len(lines)
    assert "NO" not in done.stdout.split()


def test_a_bucket_is_tried_and_left_as_it_was(run, s3_endpoint):
    backend = s3.described(s3_endpoint, label="cold")
    described = {**backend.model_dump(mode="json", exclude_none=True), "secret_key": s3.SECRET_KEY}
    done = run(TAMS_STORAGE_BACKENDS=json.dumps([described]))
    assert done.exit_code == 0, done.output
    tried = [line.split("  ")[0] for line in done.stdout.splitlines() if line.startswith("media:")]
    assert tried[1:] == [f"media: cold{rest}" for rest in ("", ", round trip", ", URLs", ", times", ", clean up")]
    assert s3.SECRET_KEY not in done.output
    assert s3.keys(s3_endpoint, backend.bucket) == []


def test_the_command_fails_when_something_did_not_hold(run):
    done = run(TAMS_DATABASE_URL="mysql://somewhere/db")
    assert done.exit_code == 1
    first = done.stdout.splitlines()[1].split()
    assert first[:4] == ["database:", "connect", "NO", "InvalidSetting:"]
    assert "media: local" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_cleans_up(tmp_path, number):
    command = [sys.executable, "-c", "from api.cli import main; main()", "check"]
    environment = {**os.environ, "TAMS_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(
        command,
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        # whoever runs the tests in the background may have it ignored
        preexec_fn=partial(signal.signal, number, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("tams-check-*/tams.duckdb")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "database: clean up" in output
    assert "media:" not in output
    assert list(tmp_path.iterdir()) == []
