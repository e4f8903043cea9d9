"""The notebooks: `python -m tests.notebooks` runs them on the demo, and writes what they show into them.

What a run shows must be what is in git, but for what varies: pictures, the URL of the service, and, in cells with the
tag `varies`, every number. Such a cell keeps what it shows for as long as that is the same otherwise; clear it to have
it made anew. What a cell with the tag `engine` shows is that of a service, and differs on another engine.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests import demo_store
from tests.api.process import ROOT, Service, without_settings

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

_HOME = "http://localhost:8000"
_NUMBER = re.compile(r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d[\d.,:e+-]*)")
_QUANTITIES = re.compile(r"#(?: ?(?:[kMGT]?B|[kMGT]?bit/s|y|d|h|min|s|ms|µs|ns)\b(?: #)?)+")


def code_cells(book: NotebookNode) -> list[NotebookNode]:
    """The cells that are run."""
    return [cell for cell in book.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> frozenset[str]:
    """What is said of a cell."""
    return frozenset(cell.metadata.get("tags", ()))


def run(path: Path, folder: Path, environment: Mapping[str, str], *, url: str = _HOME) -> NotebookNode:
    """The notebook, run from its first cell to its last in a folder, and cleared of what is of this run alone.

    :raise CellExecutionError: a cell failed.
    """
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=120, startup_timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**without_settings(), "PYTHONPATH": str(ROOT), "TAMS_DATA_DIR": str(folder), **environment})
    for number, cell in enumerate(code_cells(book), start=1):
        cell.metadata.pop("execution", None)
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
            _rename(output, url)
    book.metadata = nbformat.read(path, as_version=4).metadata
    return book


def _rename(output: NotebookNode, url: str) -> None:
    """Have the service where a newcomer has it."""
    parts = output.get("data", {})
    for kind, text in parts.items():
        if kind.startswith("text/"):
            parts[kind] = text.replace(url, _HOME)


def shown(cell: NotebookNode) -> list[tuple[str, str]]:
    """What a cell shows, by its kinds, without what varies."""
    return [(kind, _told(cell, kind, text)) for output in cell.outputs for kind, text in _parts(output)]


def _parts(output: NotebookNode) -> Iterator[tuple[str, Any]]:
    if output.output_type == "stream":
        yield output.name, output.text
    else:
        yield from sorted(output.data.items())


def _told(cell: NotebookNode, kind: str, text: str) -> str:
    if not kind.startswith(("text/", "std")):
        return ""  # fonts and encoders draw the same in other bytes
    return blanked(text) if "varies" in tags(cell) else text


def blanked(text: str) -> str:
    """A text with `#` for each number and its unit, and one space where columns are laid out.

    >>> blanked("331 d 7 h   4.76 MB 'aab9cd50-8230-4b13-b6f5-f7ef82dc7426'")
    "# # '#'"
    """
    return " ".join(_QUANTITIES.sub("#", _NUMBER.sub("#", text)).split())


def settled(stored: NotebookNode, ran: NotebookNode) -> NotebookNode:
    """The notebook as git should have it: cells that vary keep what they have where it is the same otherwise."""
    for before, after in zip(code_cells(stored), code_cells(ran), strict=True):
        if "varies" in tags(after) and shown(before) == shown(after):
            after.outputs = before.outputs
    return ran


def main(wanted: list[str]) -> None:
    """Run the notebooks whose names begin with one of `wanted`, or all of them, and write them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo_store.data_folder(folder, folder / "service")
        with Service(folder / "service") as service:
            for path in NOTEBOOKS:
                if path.name.startswith(tuple(wanted or [""])):
                    ran = run(path, folder, {"TAMS_PORT": str(service.port)}, url=f"http://localhost:{service.port}")
                    nbformat.write(settled(nbformat.read(path, as_version=4), ran), path)


if __name__ == "__main__":
    main(sys.argv[1:])
