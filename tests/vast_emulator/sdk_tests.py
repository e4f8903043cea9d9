"""Run the tests that ship with the VAST SDK against the emulator: `python -m tests.vast_emulator.sdk_tests`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import vastdb

from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator

ROOT = Path(__file__).parent.parent.parent
SITE = Path(vastdb.__file__).parent.parent
MODULES = (
    "test_sanity",
    "test_schemas",
    "test_tables",
    "test_table_in_tx",
    "test_projections",
    "test_nested",
    "test_duckdb",
    "test_fixed_list",
)
LEFT_OUT = {
    "test_tables.py::test_catalog_select": "VAST Catalog: the cluster's own table of the files that it stores",
    "test_tables.py::test_audit_log_select": "VAST Audit Log: the cluster's own table of who did what",
    "test_tables.py::test_catalog_snapshots_select": "snapshots of VAST Catalog, which the cluster takes by itself",
}
"""Tests that do not run, each with its reason."""


def run(options: Sequence[str] = (), *, captured: bool) -> subprocess.CompletedProcess[str]:
    """Run the SDK's tests, in a process of their own; what pytest says is `captured`, or shown as it comes."""
    with Emulator() as emulator, tempfile.TemporaryDirectory() as folder:
        emulator.create_bucket("vastdb")
        settings = Path(folder) / "pytest.ini"
        settings.write_text("[pytest]\nmarkers = flaky: for pytest-retry\n")
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-c", settings, "-p", "tests.vast_emulator.sdk_plugin"),
            *("-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore", "--tabular-bucket-name", "vastdb"),
            *("--tabular-endpoint-url", emulator.endpoint),
            *("--tabular-access-key", ACCESS_KEY, "--tabular-secret-key", SECRET_KEY),
            *("--rootdir", SITE),
            *(f"--deselect=vastdb/tests/{name}" for name in LEFT_OUT),
            *options,
            *(SITE / "vastdb/tests" / f"{module}.py" for module in MODULES),
        ]
        return subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=captured, text=True, check=False)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], captured=False).returncode)
