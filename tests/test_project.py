"""The project's own files agree with each other and keep the shape the design gives them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import pytest
import tomli
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PYPROJECT = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = PYPROJECT["dependencies"]
EXTRAS = ("notebooks", "dev", "docs")
DEPENDENCIES = [*RUNTIME, *(one for name in EXTRAS for one in PYPROJECT["optional-dependencies"][name])]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]

TOP_LEVEL = {
    *("tams_data", "api", "dashboards", "notebooks", "docs", "tests", "deploy"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile"),
    *("pyproject.toml", "requirements.lock", "environment.yml", "mkdocs.yml"),
    *("Dockerfile", "docker-compose.yml", ".dockerignore", ".pre-commit-config.yaml"),
    *(".ci", ".gitignore"),
}

PROJECT = {"tams_data", "api", "dashboards", "notebooks", "docs", "tests"}

# What stands above each package: imports point down only.
ABOVE = {
    "tams_data": {
        "flask",
        "flask_openapi3",
        "granian",
        "panel",
        "jupyter",
        "jupyterlab",
        "IPython",
        "api",
        "dashboards",
        "docs",
    },
    "api": {"panel", "jupyter", "jupyterlab", "IPython", "dashboards", "docs"},
    "dashboards": {"flask", "flask_openapi3", "granian", "api", "docs"},
    "docs": {"panel", "jupyter", "jupyterlab", "IPython", "dashboards"},
}


def tracked() -> list[str]:
    """The paths git knows; the test that asks is skipped where the project is not a checkout."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for path in listing.stdout.split("\0") if path]


def environment_of(python: str) -> dict[str, str]:
    """What markers see of this kind of `python` on Linux."""
    return {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}


def locked(python: str) -> dict[str, Version]:
    """What requirements.lock installs for this kind of `python` on Linux."""
    environment = environment_of(python)
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", "")
    lines = [line.split(" --hash", 1)[0] for line in text.splitlines() if line and line[0].isalnum()]
    pins = [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate(environment)]
    versions = {canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("==")) for pin in pins}
    assert len(versions) == len(pins), "a package is locked to two versions"
    return versions


def imported(folder: str) -> set[str]:
    """The dotted names that the modules below `folder` import: `from tams_data import schema` is `tams_data.schema`.

    Or those that a module imports, named without its `.py`.
    """
    names: set[str] = set()
    alone = ROOT / f"{folder}.py"
    for module in [alone] if alone.exists() else (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def roots(names: set[str]) -> set[str]:
    """The top-level packages among dotted names."""
    return {name.split(".")[0] for name in names}


def test_environment_yml_asks_for_what_pyproject_asks_for() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PYPROJECT["requires-python"])
    assert pip == "pip"
    assert packages["pip"] == [*DEPENDENCIES, "--editable ."]


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_holds_every_dependency_within_its_bounds(python: str) -> None:
    versions = locked(python)
    wanted = [
        one for one in map(Requirement, DEPENDENCIES) if not one.marker or one.marker.evaluate(environment_of(python))
    ]
    for requirement in wanted:
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_leaves_room_for_the_vast_sdk(python: str) -> None:
    """What vastdb 2.1.0 asks for: the reason the query stack stands where it does."""
    versions = locked(python)
    assert versions["ibis-framework"] in SpecifierSet("~=10.1")
    assert versions["sqlglot"] in SpecifierSet(">=23.4,<28.7")
    assert versions["pyarrow"] in SpecifierSet(">=18.0,<=23.0.1")
    assert versions["pyarrow-hotfix"] == Version("0.7")


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock", "environment.yml", "Makefile", ".ci/run"])
def test_no_file_that_installs_names_a_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"index-url|find-links|trusted-host", text)


def test_lock_installs_wheels_only_and_checks_each() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "--only-binary :all:" in text
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_dependency_has_its_reason_beside_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    for requirement in DEPENDENCIES:
        assert any(re.match(rf'\s+"{re.escape(requirement)}",\s+# \w', line) for line in lines), requirement


NOT_INSTALLED = {"opentelemetry", "griffe"}
"""What an extra brings that is in no lock, or not for every Python: imported where it is asked for alone."""


@pytest.mark.parametrize(
    ("folder", "dependencies"),
    [
        ("tams_data", RUNTIME),
        ("api", RUNTIME),
        ("dashboards", RUNTIME),
        ("docs", DEPENDENCIES),
        ("tests", DEPENDENCIES),
    ],
)
def test_third_party_imports_are_declared(folder: str, dependencies: list[str]) -> None:
    """By the package that brings them, so that none works only because another pulls it in."""
    all_ = [Requirement(one) for one in dependencies]
    present = [one for one in all_ if not one.marker or one.marker.evaluate()]
    installed = [path for one in present for path in files(one.name) or []]
    declared = {path.parts[0].split(".")[0] for path in installed} | {one.name for one in all_} | NOT_INSTALLED
    standard = sys.stdlib_module_names | {"_typeshed"}  # which only type checkers see
    assert roots(imported(folder)) - declared - PROJECT <= standard


@pytest.mark.parametrize(("folder", "above"), ABOVE.items(), ids=ABOVE.keys())
def test_imports_point_down_only(folder: str, above: set[str]) -> None:
    assert roots(imported(folder)) & above == set()


LAYERS = (
    ("docs",),
    ("api", "dashboards"),
    ("check", "keeping", "report", "transfer"),
    ("answers", "store"),
    ("analytics", "resources"),
    ("seen",),
    ("queries",),
    ("engines",),
    ("client", "essence", "media", "playlist", "scan"),
    ("access", "destinations", "formatting", "processes"),
    ("schema", "settings", "timerange", "tracing"),
    ("errors", "markup"),
)
"""The parts of the project from the top to the bottom: each imports what stands below it."""


def part_of(name: str) -> str:
    """The part that a dotted name of the project belongs to: of `tams_data` the module or package in it."""
    return name.removeprefix("tams_data.").split(".")[0]


@pytest.mark.parametrize(("level", "part"), [(level, part) for level, layer in enumerate(LAYERS) for part in layer])
def test_a_part_imports_what_stands_below_it(level: int, part: str) -> None:
    below = {one for layer in LAYERS[level + 1 :] for one in layer} | {"tams_data", "__version__", part}
    place = part if level < 2 else f"tams_data/{part}"
    assert {part_of(name) for name in imported(place) if name.split(".")[0] in PROJECT} <= below


def test_every_part_has_its_layer() -> None:
    parts = {
        path.stem for path in (ROOT / "tams_data").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - {"__init__"} == {part for layer in LAYERS[2:] for part in layer}


def test_the_house_of_contributing_is_that_of_the_layers() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE)
    assert tuple(tuple(re.findall(r"\w+", row)) for row in rows) == LAYERS


def test_scan_imports_nothing_else_of_the_project() -> None:
    """It could be published alone."""
    others = {name for name in imported("tams_data/scan") if not f"{name}.".startswith("tams_data.scan.")}
    assert roots(others) & PROJECT == set()


def test_top_level_holds_what_the_design_lists() -> None:
    assert {path.split("/")[0] for path in tracked()} <= TOP_LEVEL


def test_ci_can_be_run() -> None:
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
