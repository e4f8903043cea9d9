"""The README says what is: its tables and its map. `tests/docs` has its commands run, and its links followed."""

from __future__ import annotations

from pathlib import Path

from tests import conformance
from tests.api.client import CheckedClient, as_object
from tests.api.specification import needs_specification

README = Path(__file__).parent.parent / "README.md"


@needs_specification
def test_the_conformance_table_is_that_of_the_served_document(shared_client: CheckedClient):
    found = conformance.table(as_object(shared_client.get("/openapi.json")))
    assert conformance.section() == found, "python -m tests.conformance writes it anew"


def test_every_folder_of_the_map_is_there():
    named = [line.split("`")[1] for line in README.read_text().splitlines() if line.startswith("| `")]
    folders = [name for name in named if name.endswith("/")]
    assert folders
    assert [folder for folder in folders if not (README.parent / folder).is_dir()] == []
