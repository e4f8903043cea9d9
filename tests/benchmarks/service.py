"""A real server process, and the smallest client that can load it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Service:
    """A running service."""

    port: int
    pid: int

    def resident_mib(self) -> float:
        """Resident memory of the process and those it started, MiB."""
        pids = [self.pid, *_children(self.pid)]
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@contextmanager
def service(database: Path, **settings: str) -> Iterator[Service]:
    """A service on the database, alone on a free port of the loopback address; ended at the end."""
    port = _free_port()
    environment = {
        **os.environ,
        "TAMS_HOST": "127.0.0.1",
        "TAMS_PORT": str(port),
        "TAMS_DATA_DIR": str(database.parent),
        "TAMS_DATABASE_URL": f"duckdb:///{database}",
        **settings,
    }
    command = [sys.executable, "-c", "from api.cli import main; main()", "serve"]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        _wait(port, process)
        yield Service(port, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with {process.returncode}")
        try:
            Connection(port).request("GET", "/service")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the service did not answer within 60 s")


class Connection:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of the answer."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def reopen(self) -> None:
        """Have the next request open a connection anew."""
        self._connection.close()

    def json(self, method: str, path: str, data: object) -> object:
        """The JSON answer to a JSON request."""
        status, body = self.request(method, path, json.dumps(data).encode())
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {body[:300]!r}")
        return json.loads(body) if body else None
