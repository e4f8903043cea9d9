"""The wheel works without the source tree, and the source distribution is enough to make it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import tomli

from tams_data import schema
from tests.api.process import free_port, wait_until
from tests.deploy.environments import PROJECT, ROOT, borrow, built, needed, site_packages

VERSION = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built(ROOT, folder, "sdist")) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (one for one in folder.iterdir() if one.is_dir())
    return unpacked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout."""
    return built(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


class Installed:
    """An environment with the project in it, and a folder of a user's who has no sources."""

    def __init__(self, environment: Path, what: Path, *extra: str) -> None:
        """`what` is what pip is told to install; `extra` are packages that are there beside what the project needs."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
        borrow(environment, (needed(PROJECT) - {PROJECT}) | set(extra))
        self.bin, self._environment = environment / "bin", environment
        self.folder = environment.parent / "empty"
        self.folder.mkdir()
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install", "--quiet", "--no-compile"]
        subprocess.run(
            [*pip, "--no-index", "--no-deps", "--no-build-isolation", str(what)], check=True, cwd=self.folder
        )

    def start(self, *command: str, **settings: str) -> subprocess.Popen[str]:
        """Start a command of the environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAMS_", "VAST_", "PYTHON"))}
        program, *arguments = command
        return subprocess.Popen(
            [str(self.bin / program), *arguments],
            cwd=self.folder,
            env={**kept, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def said(self, *command: str, **settings: str) -> str:
        """What a command says that succeeds."""
        with self.start(*command, **settings) as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output

    def modules(self) -> Path:
        """Where its packages are."""
        return site_packages(self._environment)


@pytest.fixture(scope="module")
def installed(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What `pip install .` gives, with what is needed and nothing of what tests need.

    That is a wheel that pip has built, and by another test its files are those of the wheel of the checkout.
    """
    return Installed(tmp_path_factory.mktemp("installed") / "environment", sources, *needed("hatchling"))


@pytest.fixture
def running(installed: Installed) -> Iterator[dict[str, str]]:
    """The settings of `tams run`, which serves meanwhile."""
    ports = {"TAMS_PORT": str(free_port()), "TAMS_DASHBOARD_PORT": str(free_port())}
    process = installed.start("tams", "run", **ports, TAMS_DEMO="false")

    def is_up() -> bool:
        assert process.poll() is None, process.communicate()[0]
        with suppress(httpx.TransportError):
            urls = (f"{ports['TAMS_PORT']}/health", f"{ports['TAMS_DASHBOARD_PORT']}/assets/page.css")
            return all(httpx.get(f"http://127.0.0.1:{url}", timeout=5).is_success for url in urls)
        return False

    try:
        wait_until(is_up, within_s=60, failing=lambda: "the service or its dashboard does not answer")
        yield ports
        process.terminate()
        assert process.wait(30) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.communicate()


def test_what_is_installed_runs_the_service_and_the_dashboard_and_is_read_by_ibis(installed, running):
    """Without the source tree, from an empty folder."""
    url = f"http://127.0.0.1:{running['TAMS_PORT']}"
    assert httpx.get(f"{url}/service").json()["service_version"] == VERSION
    assert httpx.get(f"{url}/openapi.json").json()["info"]["title"]
    dashboard = f"http://127.0.0.1:{running['TAMS_DASHBOARD_PORT']}"
    for name in sorted(path.name for path in (ROOT / "dashboards/assets").iterdir()):
        assert httpx.get(f"{dashboard}/assets/{name}").is_success, name
    assert "<title>" in httpx.get(dashboard, follow_redirects=True, timeout=30).text
    read = f"import ibis, tams_data; print(tams_data.__file__); print(*ibis.tams.connect({url!r}).list_tables())"
    file, tables = installed.said("python", "-c", read).splitlines()
    assert Path(file).is_relative_to(installed.modules())
    assert set(tables.split()) == set(schema.TABLES)


def test_the_command_says_what_it_is(installed):
    assert installed.said("tams", "--version") == f"tams, version {VERSION}\n"


def test_a_wheel_of_the_source_distribution_is_that_of_the_checkout(sources, wheel, tmp_path):
    other = built(sources, tmp_path, "wheel")
    assert other.name == wheel.name == f"tams_data_service-{VERSION}-py3-none-any.whl"
    assert contents(other) == contents(wheel)


def contents(wheel: Path) -> dict[str, int]:
    """The files of a wheel with their checksums."""
    with zipfile.ZipFile(wheel) as archive:
        return {one.filename: one.CRC for one in archive.infolist() if not one.filename.endswith("RECORD")}


def test_a_wheel_has_every_module_and_asset_and_nothing_else(wheel):
    packages = ("tams_data", "api", "dashboards", "notebooks")
    files = [path for name in packages for path in (ROOT / name).rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT)) for path in files if path.suffix not in (".pyc", ".png")}
    expected = {name for name in expected if ".ipynb_checkpoints" not in name}
    assert {name for name in contents(wheel) if ".dist-info/" not in name} == expected


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.lock", "environment.yml"),
        *("Dockerfile", "docker-compose.yml", ".dockerignore", "deploy/docker/locked.py", "tests/test_project.py"),
    ],
)
def test_the_source_distribution_has_what_the_checkout_has(sources, name):
    assert (sources / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_source_distribution_has_nothing_that_was_made(sources):
    made = {"__pycache__", ".venv", ".data", ".hypothesis", ".mypy_cache", "artefacts", "dist"}
    assert not made & {part for path in sources.rglob("*") for part in path.relative_to(sources).parts}


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("CHANGELOG.md", r"^## ([\d.]+) - \d{4}-\d\d-\d\d$"),
        ("deploy/README.md", r"tams_data_service-([\d.]+)-py3"),
        ("docker-compose.yml", r"image: tams-[\w-]+:([\d.]+)$"),
    ],
)
def test_files_that_name_the_version_name_this_one(name, pattern):
    """Of the changelog the newest section."""
    found = re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE)
    assert set(found[:1] if name == "CHANGELOG.md" else found) == {VERSION}
