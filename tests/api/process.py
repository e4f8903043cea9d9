"""The service as a real process, on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import httpx

ROOT = Path(__file__).parents[2]


class Service:
    """`tams serve` on a data folder. Started and stopped as often as a test likes; a context manager, too.

    The process leads a group of its own, so that it can be ended with all that it started, and nothing else.
    """

    command = "serve"

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings` are further `TAMS_*` variables."""
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "service.log"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self, *, within_s: float = 30) -> None:
        """Start the process and wait until it answers."""
        self.launch()
        wait_until(self._answers, within_s=within_s, failing=lambda: f"the service does not answer:\n{self.logged()}")

    def launch(self) -> None:
        """Start the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        own = {
            "TAMS_DATA_DIR": str(self.folder / "data"),
            "TAMS_PORT": str(self.port),
            "TAMS_DEMO": "0",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from api.cli import main; main()", self.command],
                cwd=self.folder,  # no .env of the project's is read
                env={**without_settings(), **own, **self._settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def terminate(self, *, within_s: float) -> int:
        """Ask the process to end, as an init system does, and wait for it; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(within_s=within_s)

    def wait(self, *, within_s: float) -> int:
        """Wait for the process to end; its exit code."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the service still runs after {within_s} s:\n{self.logged()}") from None

    def kill(self) -> None:
        """End the process and all that it started at once, without a chance to clean up."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):  # all of them have ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def kill_main(self) -> None:
        """End the main process alone, without a chance to tell its workers."""
        self.process.kill()
        self.process.wait()

    def group_is_gone(self) -> bool:
        """Whether no process is left of those that were started."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def memory_mib(self) -> float:
        """Resident memory of the process and those that it has started, MiB."""
        main = self.process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in (main, *children))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def logged(self) -> str:
        """What the process has said."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The main process, started and not yet killed."""
        assert self._process is not None
        return self._process

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"the service ended with {self.process.returncode}:\n{self.logged()}"
        try:
            return httpx.get(f"{self.url}/service", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


class Worker(Service):
    """`tams worker`, likewise; it answers nobody."""

    command = "worker"

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"the worker ended with {self.process.returncode}:\n{self.logged()}"
        return "are carried out" in self.logged()


def without_settings() -> dict[str, str]:
    """The environment without settings of the service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TAMS_")}


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], *, within_s: float, failing: Callable[[], str]) -> None:
    """Look again and again until a condition holds; `failing` says what is wrong when it does not in time."""
    deadline = time.monotonic_ns() + int(within_s * 1e9)
    while not condition():
        assert time.monotonic_ns() < deadline, failing()
        time.sleep(0.02)
