"""The hooks before a commit run offline, let what is here pass, and keep out what should not be committed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
CONFIGURATION = ROOT / ".pre-commit-config.yaml"
BIN = Path(sys.executable).parent
KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n"  # in two, or this file could not be committed


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the hooks, and the tools where they look for them."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    shutil.copy(CONFIGURATION, tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(BIN)
    return tmp_path


def run(checkout: Path, **files: bytes) -> subprocess.CompletedProcess[str]:
    """The hooks but mypy, which knows packages that are not here, over new files: dots are `__` in their names."""
    names = [name.replace("__", ".") for name in files]
    for name, content in zip(names, files.values(), strict=True):
        (checkout / name).write_bytes(content)
    subprocess.run(["git", "add", "--", *names, CONFIGURATION.name], cwd=checkout, check=True)
    environment = {**os.environ, "SKIP": "mypy", "PRE_COMMIT_HOME": str(checkout / "cache")}
    command = [sys.executable, "-m", "pre_commit", "run", "--files", *names]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_what_is_well_passes(checkout: Path) -> None:
    done = run(checkout, a__py=b'"""A module."""\n', b__yml=b"a: 1\n---\nb: 2\n", c__json=b"{}\n")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Passed") >= 6


@pytest.mark.parametrize(
    ("files", "hook"),
    [
        pytest.param({"id_rsa": KEY.encode()}, "no private keys", id="private-key"),
        pytest.param({"film__mp4": bytes(600_000)}, "no file above 500 kB", id="large-file"),
        pytest.param({"a__py": b"import os\n"}, "ruff", id="lint"),
        pytest.param({"a__py": b"x = { }\n"}, "ruff format", id="format"),
        pytest.param({"a__yml": b"a: [\n"}, "YAML that can be read", id="yaml"),
    ],
)
def test_what_is_not_is_kept_out(checkout: Path, files: dict[str, bytes], hook: str) -> None:
    done = run(checkout, **files)
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.endswith("Failed")]
    assert [line for line in failed if line.startswith(f"{hook}.")], done.stdout


def test_nothing_is_fetched_and_every_tool_is_here() -> None:
    repositories = yaml.safe_load(CONFIGURATION.read_text())["repos"]
    assert [one["repo"] for one in repositories] == ["local"]
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system"
        folder, name = os.path.split(hook["entry"].split()[0])
        assert folder == ".venv/bin"
        assert (BIN / name).exists(), name


def test_no_file_of_the_project_is_kept_out() -> None:
    """Keys and large files: what a later commit of them would be stopped by."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    large = [path.name for path in paths if path.stat().st_size > 500_000]
    assert set(large) <= {"requirements.lock"}
    assert [path.name for path in paths if KEY.strip().encode() in path.read_bytes()] == []
