"""The systemd units are valid, run commands of ours, and keep what they run apart from the rest."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from api.cli import main
from tests.deploy.environments import ROOT
from tests.deploy.variables import VARIABLES

FOLDER = ROOT / "deploy/systemd"
UNITS = sorted(FOLDER.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def values(unit: Path, name: str) -> list[str]:
    """What a unit sets by a name."""
    pairs = [line.partition("=") for line in unit.read_text().splitlines()]
    return [value for key, _, value in pairs if key == name]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_a_command_of_ours_with_settings_that_there_are(unit: Path) -> None:
    (command,) = values(unit, "ExecStart")
    program, name = command.split()
    assert program == "/opt/tams/bin/tams"
    assert name in main.list_commands(click.Context(main))
    given = [one.split("=")[0] for line in values(unit, "Environment") for one in line.split()]
    assert set(given) - {"PYTHONUNBUFFERED"} <= VARIABLES
    assert values(unit, "EnvironmentFile") == ["/etc/tams/tams.env"]


def test_the_file_of_settings_has_settings() -> None:
    lines = (FOLDER / "tams.env").read_text().splitlines()
    assert {line.split("=")[0] for line in lines if line and not line.startswith("#")} <= VARIABLES


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: Path, tmp_path: Path) -> None:
    """With a program that is there in the place of the one that is installed."""
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/tams/bin/tams", sys.executable).replace(" tams.service", ""))
    assert ANALYZE is not None
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", "--recursive-errors=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_exposed_little(unit: Path) -> None:
    """3.0 of 10 by systemd's own measure, or less: what serves a network cannot do without one."""
    assert ANALYZE is not None
    command = [ANALYZE, "security", "--offline=true", "--threshold=30", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
