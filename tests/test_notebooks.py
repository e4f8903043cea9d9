"""The notebooks: they run from top to bottom, show what is in git, and keep to what a notebook is for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import files
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from packaging.requirements import Requirement

from tests import demo_store, vast_engine
from tests.api.process import Service, free_port
from tests.notebooks import NOTEBOOKS, code_cells, run, shown, tags
from tests.test_project import PYPROJECT, RUNTIME, roots
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY

ON_VAST = [path for path in NOTEBOOKS if path.name[0] in "1456"]

MOST_WORDS, MOST_BYTES = 1000, 120_000
"""What is read in five minutes, and what does not weigh on a checkout."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def stored(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def parsed(path: Path) -> ast.Module:
    """The code of a notebook, without what is said to IPython."""
    lines = [line for cell in code_cells(stored(path)) for line in cell.source.splitlines()]
    return ast.parse("\n".join(line for line in lines if not line.startswith("%")))


# --- what they show --------------------------------------------------------------------------------------------------


@every_notebook
def test_a_notebook_shows_what_is_in_git(path: Path, full_demo: Service, tmp_path: Path) -> None:
    ran = run(path, tmp_path, {"TAMS_PORT": str(full_demo.port)}, url=f"http://localhost:{full_demo.port}")
    for before, after in zip(code_cells(stored(path)), code_cells(ran), strict=True):
        assert shown(after) == shown(before), f"{after.source}\n\npython -m tests.notebooks writes it anew"


@pytest.fixture(scope="module")
def vast_store(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The settings of a store on VAST with the same rows, which no service serves."""
    database = vast_engine.database()
    demo_store.restored_into(database, demo_data, tmp_path_factory.mktemp("backup"))
    place = database.ibis().source
    yield {
        "TAMS_PORT": str(free_port()),
        "TAMS_DATABASE_URL": f"vast://{place.bucket}/{place.name}",
        "VAST_ENDPOINT": vast_engine.emulator().endpoint,
        "VAST_ACCESS_KEY": ACCESS_KEY,
        "VAST_SECRET_KEY": SECRET_KEY,
    }
    database.close()


@pytest.mark.parametrize("path", ON_VAST, ids=lambda path: path.stem)
def test_a_notebook_shows_the_same_on_vast(path: Path, vast_store: Mapping[str, str], tmp_path: Path) -> None:
    """But for what it says of the engine, which it has to say something of."""
    ran = run(path, tmp_path, vast_store)
    for before, after in zip(code_cells(stored(path)), code_cells(ran), strict=True):
        if "engine" in tags(after):
            assert shown(after), after.source
        else:
            assert shown(after) == shown(before), after.source


def test_on_an_embedded_database_pushdown_shows_what_that_does(demo_data: Path, tmp_path: Path) -> None:
    """Without a service: the file is opened to read."""
    (path,) = (one for one in NOTEBOOKS if one.stem == "6-pushdown")
    ran = run(path, tmp_path, {"TAMS_PORT": str(free_port()), "TAMS_DATA_DIR": str(demo_data)})
    engine = [dict(shown(cell))["text/plain"] for cell in code_cells(ran) if "engine" in tags(cell)]
    assert engine
    assert [text for text in engine if not text.startswith("done by the database:")] == []


# --- what they are ---------------------------------------------------------------------------------------------------


def test_there_are_eight_and_the_first_leads_to_the_others() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == list("12345678")
    text = NOTEBOOKS[0].read_text()
    assert [path.name for path in NOTEBOOKS[1:] if f"({path.name})" not in text] == []


@every_notebook
def test_a_notebook_asks_one_question(path: Path) -> None:
    headings = [
        line
        for cell in stored(path).cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("# ")
    ]
    assert len(headings) == 1
    assert headings[0].endswith("?")


@every_notebook
def test_a_notebook_is_short_and_light(path: Path) -> None:
    words = sum(len(re.findall(r"\w+", cell.source)) for cell in stored(path).cells)
    assert words <= MOST_WORDS
    assert path.stat().st_size <= MOST_BYTES


@every_notebook
def test_a_notebook_defines_nothing(path: Path) -> None:
    """Logic is imported, where it is tested."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert [ast.unparse(node) for node in ast.walk(parsed(path)) if isinstance(node, definitions)] == []


@every_notebook
def test_a_notebook_imports_the_data_layer_and_what_is_declared(path: Path) -> None:
    imports = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    wanted = [Requirement(one) for one in [*RUNTIME, *PYPROJECT["optional-dependencies"]["notebooks"]]]
    declared = {file.parts[0].split(".")[0] for one in wanted for file in files(one.name) or []}
    standard = {"datetime", "fractions", "io", "pathlib", "zoneinfo"}
    assert roots(names) - declared - standard == {"tams_data"}
