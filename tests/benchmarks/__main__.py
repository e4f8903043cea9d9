"""`python -m tests.benchmarks`: all of them, or those named; `--small` for a quick look at a tenth of the size."""

from __future__ import annotations

from pathlib import Path

import click

from tams_data.media import LocalMediaStore
from tests.benchmarks import analytics, columns, dashboard, dataset, reading, tags, vast, writing
from tests.benchmarks.report import Figure, show, told

FLOWS = 1000
NAMES = ("columns", "tags", "reading", "analytics", "dashboard", "writing", "vast")


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--small", is_flag=True, help="A tenth of the segments")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench"), help="Where the stores are kept")
def main(names: tuple[str, ...], small: bool, folder: Path) -> None:
    """Measure, and show each figure beside its yardstick."""
    segments = 1_000_000 if small else 10_000_000
    chosen = names or NAMES
    figures: list[Figure] = []
    if "columns" in chosen:
        figures += told(columns.rates())
    if "tags" in chosen:
        figures += told(tags.filters(100_000 if small else 1_000_000))
    if "reading" in chosen:
        figures += told(_reading(folder.resolve(), segments))
    if "analytics" in chosen:
        figures += told(analytics.figures(_large(folder.resolve(), segments)))
    if "dashboard" in chosen:
        figures += told(dashboard.figures(analytics.with_gaps(_large(folder.resolve(), segments))))
    if "writing" in chosen:
        figures += told(writing.rates())
    if "vast" in chosen:
        figures += told(vast.figures(folder.resolve(), segments=segments, flows=FLOWS))
    folder.mkdir(exist_ok=True)
    show(figures, folder / "figures.json")


def _reading(folder: Path, segments: int) -> list[Figure]:
    large, small = _large(folder, segments), _store(folder / "small", 10_000)
    figures = list(reading.in_process(large, segments=segments, flows=FLOWS))
    return figures + list(reading.over_http(large, small, segments=segments, flows=FLOWS, small_segments=10_000))


def _large(folder: Path, segments: int) -> Path:
    return _store(folder / "large", segments)


def _store(folder: Path, segments: int) -> Path:
    """The file of a store of so many segments, which is made unless a run before made it."""
    click.echo(f"a store of {segments:,} segments in {folder} …")
    media = LocalMediaStore(folder / "media", secret=bytes(32))
    path = folder / "bench.duckdb"
    dataset.build(path, segments=segments, flows=FLOWS, storage_id=media.backend.id)
    return path


if __name__ == "__main__":
    main()
