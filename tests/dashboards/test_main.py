"""`python -m dashboards` as a process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_a_port_that_is_taken_is_told_by_its_settings(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TAMS_")}
        ended = subprocess.run(
            [sys.executable, "-m", "dashboards", "--api", "http://127.0.0.1:9"],
            cwd=tmp_path,
            env={**ours, "PYTHONPATH": str(ROOT), "TAMS_DASHBOARD_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    told = f"tams: the dashboard cannot start: TAMS_DASHBOARD_HOST=127.0.0.1, TAMS_DASHBOARD_PORT={port}: "
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"{told}Address already in use"
