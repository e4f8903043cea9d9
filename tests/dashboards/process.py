"""A real dashboard process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.api.process import ROOT, free_port, wait_until


class Dashboard:
    """`tams dashboard` of a service, as a process; a context manager."""

    def __init__(self, folder: Path, api: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._folder, self._api = folder, api

    def __enter__(self) -> Dashboard:
        own = {"TAMS_DASHBOARD_PORT": str(self.port), "PYTHONPATH": str(ROOT)}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TAMS_")}
        self._log = (self._folder / "dashboard.log").open("wb")
        command = [sys.executable, "-c", "from api.cli import main; main()", "dashboard", "--api", self._api]
        self._process = subprocess.Popen(
            command, cwd=self._folder, env={**inherited, **own}, stdout=self._log, stderr=self._log
        )
        wait_until(self._answers, within_s=60, failing=lambda: f"no dashboard:\n{self.logged()}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def logged(self) -> str:
        """What the process has said."""
        return (self._folder / "dashboard.log").read_text(errors="replace")

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.logged()
        try:
            return httpx.get(f"{self.url}/assets/page.js", timeout=5).is_success
        except httpx.TransportError:
            return False
