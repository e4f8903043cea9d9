"""Every block of the README and the documentation is checked: run where it can be run here, else held to what there is.

console    the commands are run, and print what the page shows
python     runs; the blocks of a page share their names, as in one session
pycon      the same, and prints what the page shows
sh, bash   commands that need what is not here: their options, URLs, settings and targets exist
json       what its title names: a file of the service's, or the body of a request
ini        settings, which exist
"""

from __future__ import annotations

import doctest
import gc
import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from api.access.accounts import Accounts
from api.cli import main
from docs.generated.document import document
from tams_data.engines.vast import Vast
from tams_data.media import backends
from tests import demo_store, vast_engine
from tests.api.process import ROOT, Service
from tests.docs.commands import SERVICE, SETTINGS, faults, unknown_setting, unserved
from tests.docs.pages import PAGES, Block, blocks, blocks_of, inline_code
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY

TAMS = ".venv/bin/tams "
BOTH = "2>&1"
CLUSTER = "https://vast.example"
RUN = {"console", "python", "pycon"}
CHECKED = {"sh", "bash", "json", "ini"}


@pytest.fixture(scope="module")
def demo_service(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the demonstration in it, which the pages add to."""
    with demo_store.served(demo_data, tmp_path_factory.mktemp("documented")) as running:
        yield running


@pytest.fixture(scope="module")
def cluster() -> Iterator[Mapping[str, str]]:
    """What a page says of a cluster, and what it is here: the emulator, with the tables of a store."""
    settings = vast_engine.settings("tams")
    database = Vast(settings)
    database.create_tables()
    yield {CLUSTER: settings.endpoint, "my-access-key": ACCESS_KEY, "my-secret-key": SECRET_KEY}
    database.close()


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What a page's session has named, in a folder of its own.

    Connections that it leaves open end with it, as they do at a prompt.
    """
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {}
    yield given
    given.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_every_block_has_a_language_that_a_rule_checks():
    assert [one.name for one in blocks() if one.language not in RUN | CHECKED] == []


@pytest.mark.parametrize(
    "page", [one for one in PAGES if any(b.language in RUN for b in blocks_of(one))], ids=lambda one: one.name
)
def test_what_a_page_runs_does_what_the_page_shows(
    page: Path, demo_service: Service, cluster: Mapping[str, str], names: dict[str, Any], tmp_path: Path
):
    here = {SERVICE: demo_service.url, **cluster}
    for block in blocks_of(page):
        if block.language == "console":
            _run_console(block, demo_service, tmp_path)
        elif block.language == "python":
            exec(compile(_replaced(block.text, here), block.name, "exec"), names)
        elif block.language == "pycon":
            _run_session(block, _replaced(block.text, here), names)


def _run_console(block: Block, demo_service: Service, folder: Path) -> None:
    local = f"http://localhost:{demo_service.port}"
    for command, printed in _commands(block.text):
        run = _run_tams if command.startswith(TAMS) else _run_in_shell
        shown = _replaced(run(command, demo_service, folder), {demo_service.url: SERVICE, local: SERVICE})
        assert shown.strip() == printed.strip(), f"{block.name}: {command}"


def _run_tams(command: str, demo_service: Service, _: Path) -> str:
    """What a `tams` command prints. It is run in this process: to start one for each takes longer than what it does."""
    words = shlex.split(command.removeprefix(TAMS))
    environment = {"TAMS_PORT": str(demo_service.port), "TAMS_DATA_DIR": str(demo_service.folder / "data")}
    done = CliRunner().invoke(main, [word for word in words if word != BOTH], env=environment)
    assert done.exit_code == 0, f"{command}\n{done.output}"
    return done.output if BOTH in words else done.stdout


def _run_in_shell(command: str, demo_service: Service, folder: Path) -> str:
    here = _replaced(command, {".venv/bin/python": sys.executable, SERVICE: demo_service.url})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(here, check=False, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def _commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console, and what each prints."""
    return re.findall(r"^\$ (.*?)\n(.*?)(?=^\$ |\Z)", text, re.DOTALL | re.MULTILINE)


def _run_session(block: Block, text: str, names: dict[str, Any]) -> None:
    session = doctest.DocTestParser().get_doctest(text, names, block.name, block.page.name, block.line)
    said: list[str] = []
    session.globs = names  # of which it would have a copy
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(session, out=said.append, clear_globs=False)
    assert said == [], "".join(said)


def _replaced(text: str, by: Mapping[str, str]) -> str:
    for one, other in by.items():
        text = text.replace(one, other)
    return text


@pytest.mark.parametrize("block", blocks("sh", "bash"), ids=lambda one: one.name)
def test_a_command_that_is_only_shown_can_be_given(block: Block):
    assert faults(block.text) == []


@pytest.mark.parametrize("block", blocks("ini"), ids=lambda one: one.name)
def test_the_settings_of_a_file_exist(block: Block):
    lines = [line for line in block.text.splitlines() if line and not line.startswith("#")]
    assert list(filter(None, (unknown_setting(line.partition("=")[0]) for line in lines))) == []


def _access_file(block: Block, folder: Path) -> None:
    path = folder / "access.json"
    path.write_text(
        block.text.replace("sha256:…", f"sha256:{'0' * 64}").replace("scrypt:…", f"scrypt:1:1:1$a${'0' * 128}")
    )
    Accounts(path)


def _storage_backends(block: Block, _: Path) -> None:
    assert backends.read(block.text)


FILES: Mapping[str, Callable[[Block, Path], None]] = {
    "access.json": _access_file,
    "backends.json": _storage_backends,
}
"""What reads the files whose names are titles of blocks."""


@pytest.mark.parametrize("block", blocks("json"), ids=lambda one: one.name)
def test_json_is_what_its_title_says(block: Block, tmp_path: Path):
    if block.title in FILES:
        FILES[block.title](block, tmp_path)
        return
    method, path = block.title.split()
    operation = document()["paths"][path][method.lower()]
    (content,) = operation["requestBody"]["content"].values()
    schema = {**content["schema"], "components": document()["components"]}
    Draft202012Validator(schema).validate(json.loads(block.text))


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_what_a_page_names_in_passing_exists(page: Path):
    wrong = [unknown_setting(name) for name in re.findall(r"\b(?:TAMS|VAST)_[A-Z_]+[A-Z]\b", page.read_text())]
    for code in inline_code(page):
        if re.match(r"(make|tams) [a-z]", code):
            wrong += _faults_in_passing(code)
        elif found := re.fullmatch(r"(GET|HEAD|POST|PUT|DELETE) (/\S*)", code):
            wrong.append(unserved(found[1], found[2]))
    assert list(filter(None, wrong)) == []


def _faults_in_passing(code: str) -> list[str]:
    """Those of a command that a sentence mentions: what it is given may be left out."""
    return [
        one for one in faults(code.replace("…", "")) if "Missing argument" not in one and "Missing option" not in one
    ]


def test_every_setting_is_in_the_settings_page_alone():
    """Its table comes from the class: a copy elsewhere would have to be kept."""
    rows = [line for page in PAGES for line in page.read_text().splitlines() if line.startswith("| `TAMS_")]
    assert rows == []
    assert SETTINGS
