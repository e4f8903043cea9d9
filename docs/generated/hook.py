"""What MkDocs calls while it builds the site: adds the pages that are generated, and fills in the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from docs.generated import reference, rest_api, tables
from docs.generated.document import document

_PLACE = re.compile(r"^<!-- generated: ([a-z -]+) -->$", re.MULTILINE)

PARTS: Mapping[str, Callable[[], str]] = {
    "settings": tables.settings,
    "vast settings": tables.vast_settings,
    "store tables": tables.store_tables,
    "analyses": tables.analyses,
    "analyses in full": tables.analyses_in_full,
    "errors": tables.errors,
    "operations": lambda: rest_api.overview(document()),
    "modules": reference.overview,
}
"""What a page can have filled in where it says `<!-- generated: NAME -->` on a line."""


@cache
def pages() -> dict[str, str]:
    """Every page that is generated as a whole, by its file."""
    api = {f"rest-api/{name}": text for name, text in rest_api.pages(document()).items()}
    return api | {f"reference/{name}": text for name, text in reference.pages().items()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages into the navigation, after the page that stands for them."""
    config.nav = [
        {title: [one for item in below for one in _with_generated(item)] for title, below in entry.items()}
        for entry in config.nav or []
    ]
    return config


def _with_generated(item: object) -> list[object]:
    if item == "rest-api.md":
        return [item, *(name for name in pages() if name.startswith("rest-api/"))]
    if item == "reference.md":
        subjects = reference.MODULES.items()
        return [item, *({of: [f"reference/{reference.file_of(one)}" for one in modules]} for of, modules in subjects)]
    return [item]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill in what a page has generated in a place.

    :raise PluginError: there is nothing of the name to fill in.
    """
    return _PLACE.sub(lambda found: _part(found[1]), markdown)


def _part(name: str) -> str:
    if name not in PARTS:
        raise PluginError(f"a page asks for {name!r} to be generated; there is {', '.join(PARTS)}")
    return PARTS[name]()
