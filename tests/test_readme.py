"""The README says what is: its tour, run, prints what it shows, and its table of settings is the settings class."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tams_data.queries.analytics import ANALYSES
from tams_data.settings import Settings
from tests import conformance
from tests.api.client import CheckedClient, as_object
from tests.api.process import Service
from tests.api.specification import needs_specification

README = Path(__file__).parent.parent / "README.md"
TAMS = f"{sys.executable} -c 'from api.cli import main; main()'"


def settings_table() -> str:
    """The table of every setting, as it stands in the README."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        assert not field.is_required(), f"{name} has no default"
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `TAMS_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def test_the_configuration_table_is_that_of_the_settings_class():
    assert settings_table() in README.read_text(), f"the README lacks this table:\n{settings_table()}"


def analyses_table() -> str:
    """The table of every analysis, as it stands in the README."""
    rows = [f"| `{name}` | {analysis.description} |" for name, analysis in ANALYSES.items()]
    return "\n".join(["| analysis | what its rows are |", "|---|---|", *rows])


def test_the_table_of_analyses_is_what_is_served():
    assert analyses_table() in README.read_text(), f"the README lacks this table:\n{analyses_table()}"


@needs_specification
def test_the_conformance_table_is_that_of_the_served_document(shared_client: CheckedClient):
    found = conformance.table(as_object(shared_client.get("/openapi.json")))
    assert conformance.section() == found, "python -m tests.conformance writes it anew"


def test_every_folder_of_the_map_is_there():
    named = [line.split("`")[1] for line in README.read_text().splitlines() if line.startswith("| `")]
    folders = [name for name in named if name.endswith("/")]
    assert folders
    assert [folder for folder in folders if not (README.parent / folder).is_dir()] == []


def console_examples() -> list[tuple[str, str]]:
    """Commands of the README and what it says they print."""
    blocks = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    return [(command, printed.strip()) for command, printed in blocks]


def test_the_tour_prints_what_the_readme_shows(full_demo: Service, tmp_path: Path):
    examples = console_examples()
    assert examples
    for command, printed in examples:
        here = command.replace(".venv/bin/python", sys.executable)  # first: the other names it in full
        here = here.replace("http://localhost:8000", full_demo.url).replace(".venv/bin/tams", TAMS)
        environment = {**os.environ, "TAMS_PORT": str(full_demo.port), "PYTHONPATH": str(README.parent)}
        done = subprocess.run(
            here, check=False, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.stdout.strip() == printed, f"{command}\n{done.stderr}"
