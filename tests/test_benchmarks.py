"""The benchmarks run; what they measure is for `make bench` to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import NAMES

ROOT = Path(__file__).parents[1]


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES, ids="of {}".format)
def test_a_benchmark_runs_to_its_end(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", name, "--small", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "figures.json").exists()
