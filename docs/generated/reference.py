"""Which modules the Python reference shows, a page each: what other programs may build on."""

from __future__ import annotations

from collections.abc import Mapping

MODULES: Mapping[str, tuple[str, ...]] = {
    "Ground floor": ("tams_data", "tams_data.schema", "tams_data.timerange", "tams_data.settings", "tams_data.errors"),
    "Client": ("tams_data.client.service", "tams_data.client.shapes", "tams_data.client.analytics"),
    "Analyses": (
        "tams_data.analytics",
        "tams_data.answers",
        "tams_data.report",
        "tams_data.queries.analytics.analysis",
        "tams_data.queries.analytics.filters",
        "tams_data.queries.analytics.flows",
        "tams_data.queries.analytics.storage",
        "tams_data.queries.analytics.times",
    ),
    "Queries": (
        "tams_data.queries.segments",
        "tams_data.queries.flows",
        "tams_data.queries.sources",
        "tams_data.queries.objects",
        "tams_data.queries.paging",
    ),
    "Engines": ("tams_data.engines", "tams_data.engines.base", "tams_data.engines.binding"),
    "Ibis backends": ("tams_data.scan.backend", "tams_data.scan.source", "tams_data.scan.vast", "tams_data.scan.tams"),
    "Media": (
        "tams_data.media",
        "tams_data.media.base",
        "tams_data.essence.media",
        "tams_data.essence.cut",
        "tams_data.essence.join",
    ),
    "Transfer": ("tams_data.transfer.ingest", "tams_data.transfer.export", "tams_data.transfer.demo"),
    "Keeping": ("tams_data.keeping.backup", "tams_data.keeping.restore", "tams_data.keeping.verify"),
}
"""The modules by subject."""


def file_of(module: str) -> str:
    """The file of a module's page."""
    return f"{module}.md"


def pages() -> dict[str, str]:
    """By file, a page for each module, which mkdocstrings fills."""
    return {file_of(one): f"# {one}\n\n::: {one}\n" for of_subject in MODULES.values() for one in of_subject}


def overview() -> str:
    """A list of the modules with links to their pages."""
    return "\n".join(
        f"- {subject}: {', '.join(f'[`{one}`](reference/{file_of(one)})' for one in modules)}"
        for subject, modules in MODULES.items()
    )
