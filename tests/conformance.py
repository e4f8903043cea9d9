"""The conformance table of the README: `python -m tests.conformance` writes it anew.

For each resource of the TAMS specification: how many operations it has, how many of them the served OpenAPI document
has, and how many of those lack no parameter and no status code.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from tams_data import media
from tams_data.store.store import Store
from tests.api import specification
from tests.api.client import client_of
from tests.conftest import ENGINES, settings_in

README = Path(__file__).parent.parent / "README.md"
_SECTION = re.compile(r"(?<=<!-- conformance -->\n).*(?=<!-- /conformance -->)", re.DOTALL)
_LACKING = re.compile(r"^(?P<how>MISSING|SHORT) +(?P<method>[A-Z]+) +(?P<path>[^\s:]+)", re.MULTILINE)


def served_document() -> dict[str, Any]:
    """The OpenAPI document, from an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder))
        store = Store(ENGINES["duckdb"](), {one.backend.id: one for one in media.connect(settings)})
        document = client_of(store, settings).get("/openapi.json").json
        store.close()
    assert isinstance(document, dict)
    return document


def table(document: dict[str, Any]) -> str:
    """The table, as the README has it between its two markers."""
    spec, lacking = specification.load(), _lacking(document)
    counts: dict[str, Counter[str]] = {}
    for operation in spec.operations:
        (resource,) = spec.document["paths"][operation.path][operation.method]["tags"]
        found = lacking.get((operation.method.upper(), operation.path), "COMPLETE")
        counts.setdefault(_words(resource), Counter())[found] += 1
    counts["**all**"] = sum(counts.values(), Counter())
    rows = ["| resource | operations of TAMS 8.2 | served | with every parameter and status |", "|---|---|---|---|"]
    for resource, of in counts.items():
        rows.append(f"| {resource} | {of.total()} | {of.total() - of['MISSING']} | {of['COMPLETE']} |")
    return "\n".join([*rows, ""])


def _lacking(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    """By method and path, whether an operation is missing or falls short; those that lack nothing are left out."""
    printed = io.StringIO()
    tams_spec = specification.module()
    assert tams_spec is not None
    with redirect_stdout(printed):
        tams_spec.coverage(document, specification.load())
    return {(one["method"], one["path"]): one["how"] for one in _LACKING.finditer(printed.getvalue())}


def _words(tag: str) -> str:
    """A tag of the specification in words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tag).capitalize()


def section() -> str:
    """What stands between the markers of the README."""
    found = _SECTION.search(README.read_text())
    assert found is not None, "the README has no <!-- conformance --> and <!-- /conformance -->"
    return found[0]


if __name__ == "__main__":
    README.write_text(README.read_text().replace(section(), table(served_document())))
