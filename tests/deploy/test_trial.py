"""The Compose file's profiles as processes: what it sets and runs, with names and folders of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.builders import new_id, video_flow
from tests.api.process import free_port, wait_until
from tests.deploy.dockerfile import whole
from tests.deploy.environments import ROOT
from tests.deploy.test_compose import OURS, STAGES, command_of

pytestmark = pytest.mark.soak


class Machine:
    """This machine as the host of a profile: ports and folders that are free, and one token that is admitted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port, self.dashboard, self.emulator = free_port(), free_port(), free_port()
        entry = self._tams("access", "token", "trial", "--scope", "read", "--scope", "write")
        self.token = entry.stderr.split()[-1]
        (folder / "access.json").write_text(json.dumps({"tokens": [json.loads(entry.stdout)]}))
        self.url = f"http://127.0.0.1:{self.port}"

    def _tams(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from api.cli import main; main()", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, cwd=self._folder, capture_output=True, text=True, check=True)

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service, by its image and the Compose file, as they are here."""
        target = OURS[name]["build"]["target"]
        image = dict(one.split("=", 1) for one in dict(whole(STAGES, target))["ENV"].split() if one.startswith("TAMS_"))
        own = {key: str(value) for key, value in OURS[name].get("environment", {}).items()}
        here = {
            "/run/secrets/access": str(self._folder / "access.json"),
            "http://emulator:9090": f"http://127.0.0.1:{self.emulator}",
            "http://localhost:8000": self.url,
            "localhost:5006": f"localhost:{self.dashboard}",
            "/data": str(self._folder / "data"),
            "0.0.0.0": "127.0.0.1",
            "api": "127.0.0.1",
            "None": "",
        }
        variables = {key: here.get(value, value) for key, value in (image | own).items()}
        ports = {"TAMS_PORT": str(self.port), "TAMS_DASHBOARD_PORT": str(self.dashboard)}
        token = {"TAMS_TOKEN": self.token} if "TAMS_TOKEN" in own else {}
        return {**variables, **ports, **token, "PYTHONPATH": str(ROOT)}

    @contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """A service, which has to end well when it is told to."""
        command = [sys.executable, "-c", "from api.cli import main; main()", *command_of(OURS[name])]
        if OURS[name]["build"]["target"] == "emulator":
            arguments = ["--port", str(self.emulator), "--bucket", "tams"]
            command = [sys.executable, "-m", "tests.vast_emulator", *arguments]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("TAMS_", "VAST_"))}
        with (self._folder / f"{name}.log").open("wb") as log:
            environment = {**inherited, **self.environment(name)}
            process = subprocess.Popen(command, cwd=self._folder, env=environment, stdout=log, stderr=log)
        try:
            yield process
            process.terminate()
            assert process.wait(45) in ((0, -15) if name.startswith("dashboard") else (0,)), self.logged(name)
        finally:
            process.kill()
            process.wait()

    def logged(self, name: str) -> str:
        """What a service has said."""
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def answers(self, port: int, path: str) -> bool:
        """Whether something answers with success there."""
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).is_success
        except httpx.TransportError:
            return False


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("profile", ["embedded", "emulator"])
def test_a_profile_records_and_shows_to_who_has_the_token(machine: Machine, profile: str) -> None:
    """In the order of the file, each ending well when it is told to."""
    names = [name for name, one in OURS.items() if profile in one["profiles"]]
    names.sort(key=lambda name: name != "emulator")
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(machine.running(name))
            if name == "emulator":
                wait_until(lambda: "http" in machine.logged("emulator"), within_s=30, failing=lambda: "no emulator")
            elif name in ("embedded", "api-on-emulator"):
                wait_until(
                    lambda: machine.answers(machine.port, "/health"),
                    within_s=90,
                    failing=lambda name=name: machine.logged(name),
                )
        assert httpx.get(f"{machine.url}/flows").status_code == 401
        with httpx.Client(
            base_url=machine.url, headers={"Authorization": f"Bearer {machine.token}"}, timeout=60
        ) as client:
            flow = video_flow()
            client.put(f"/flows/{flow['id']}", json=flow).raise_for_status()
            urls = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]
            segment = {"object_id": new_id(), "timerange": "[0:0_1:0)", "get_urls": urls}
            client.post(f"/flows/{flow['id']}/segments", json=segment).raise_for_status()
            assert len(client.get(f"/flows/{flow['id']}/segments").json()) == 1
            told = httpx.get(f"{machine.url}/metrics", headers=client.headers).text
            assert 'tams_job_waiting{job="delivering"} 0.0' in told
        wait_until(
            lambda: machine.answers(machine.dashboard, "/assets/page.css"), within_s=90, failing=lambda: "no dashboard"
        )
        if "worker-on-emulator" in names:
            wait_until(
                lambda: "are carried out" in machine.logged("worker-on-emulator"),
                within_s=60,
                failing=lambda: machine.logged("worker-on-emulator"),
            )
