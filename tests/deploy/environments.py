"""Virtual environments that borrow what is installed where the tests run, and the wheel to put into them."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = "tams-data-service"


def site_packages(environment: Path) -> Path:
    """Where an environment has its packages."""
    (found,) = (environment / "lib").glob("python*/site-packages")
    return found


def borrow(environment: Path, names: Iterable[str]) -> None:
    """Let an environment see these packages of the one that the tests run in, and no others."""
    there = site_packages(environment)
    for name in names:
        for top in {path.parts[0] for path in distribution(name).files or []}:
            # What begins with `..` are commands; a folder may be that of several packages.
            if top not in ("..", "__pycache__") and not (there / top).exists():
                (there / top).symlink_to(Path(sysconfig.get_path("purelib")) / top)


def pinned(lock: str) -> Iterator[str]:
    """The names of what a lock installs for this Python."""
    for line in lock.replace("\\\n", "").splitlines():
        if line and line[0].isalnum():
            pin = Requirement(line.split(" --hash", 1)[0])
            if pin.marker is None or pin.marker.evaluate():
                yield pin.name


def needed(*names: str) -> set[str]:
    """Packages with all that they ask for here, by what they say of themselves."""
    found: set[tuple[str, frozenset[str]]] = set()
    left = [(name, frozenset[str]()) for name in names]
    while left:
        one = left.pop()
        if one in found:
            continue
        found.add(one)
        name, extras = one
        for requirement in map(Requirement, distribution(name).requires or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                left.append((requirement.name, frozenset(requirement.extras)))
    return {name for name, _ in found}


def built(tree: Path, folder: Path, target: str) -> Path:
    """The `wheel` or `sdist` of a source tree, made in a folder by the build backend alone, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True)
    (made,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return made
