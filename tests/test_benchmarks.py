"""The benchmarks run; what they measure is for `make bench` to say."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.benchmarks.__main__ import NAMES, main


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_to_its_end(name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [name, "--small", "--folder", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "figures.json").exists()
