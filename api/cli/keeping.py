"""`tams backup`, `tams restore` and `tams verify`: the store kept, and whether it is what it must be."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from tams_data import engines, media
from tams_data.errors import DatabaseLocked
from tams_data.formatting import count_of
from tams_data.settings import Settings

if TYPE_CHECKING:
    from tams_data.engines.base import Database
    from tams_data.keeping.contents import Contents
    from tams_data.keeping.findings import Finding
    from tams_data.keeping.manifest import Manifest

_TOLD_ROWS = 1_000_000
"""After so many rows of a table, its progress is told."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Write every table into FOLDER, as Parquet, as they are at one instant, while the service goes on.

    The database is that of the settings. When a service has it open, that is asked; it is to be at TAMS_HOST and
    TAMS_PORT, and to have the same data folder. FOLDER is new: it is there when all is written, and not before. The
    bytes of media are not copied: back up the media folder or the bucket beside it. The keys of webhooks are.
    """
    from tams_data.keeping.backup import write  # noqa: PLC0415  # it loads pyarrow, which no other command needs

    with _contents(Settings.load()) as contents:
        _tell(folder, write(folder, contents, _progress))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def restore(folder: Path) -> None:
    """Restore the backup in FOLDER into the database of the settings, which is empty, of either engine.

    Its checksums are compared first, and rows of an older version are brought forward. All is restored, or nothing.
    The bytes of media are where they were, or where you put them: storage backends are found by their ids.
    """
    from tams_data.keeping.restore import restore as put_back  # noqa: PLC0415  # as above

    settings = Settings.load()
    database = engines.connect(settings.database, memory_limit=settings.database_memory)
    try:
        _tell(folder, put_back(database, folder, _progress))
    finally:
        database.close()


@click.command()
@click.option("--media", "with_media", is_flag=True, help="Ask the media stores for every object as well")
@click.option(
    "--at-once",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Objects asked for at a time, of --media",
)
@click.option("--repair", "mend", is_flag=True, help="Mend what follows from other rows; no service may have the store")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, with the ids")
def verify(with_media: bool, at_once: int, mend: bool, as_json: bool) -> None:
    """Look at every row of the store for what breaks its rules, and say so, a line each.

    Overlapping segments, sums and gaps of timelines, references between tables, keys that are there twice, computed
    columns. It only reads, unless --repair is given: that mends sums, gaps, computed columns and leftovers, and never
    deletes or changes what a client said. Ends with 1 when something is wrong that was not mended.
    """
    settings = Settings.load()
    with ExitStack() as stack:
        if mend:
            found = stack.enter_context(_mended(settings, with_media, at_once))
        else:
            found = stack.enter_context(_found(settings, with_media, at_once))
        wrong = _echo(found, as_json)
    if wrong:
        sys.exit(1)


def _echo(findings: Iterable[Finding], as_json: bool) -> int:
    """Tell findings; how many of them were not mended."""
    wrong = mended = 0
    for one in findings:
        wrong, mended = wrong + (not one.mended), mended + one.mended
        line = orjson.dumps(one.as_dict()).decode() if as_json else f"{one.rule}: {one.text}"
        click.echo(line if as_json or not one.mended else f"{line} (mended)")
    if not as_json:
        click.echo(f"{wrong} wrong, {mended} mended" if wrong or mended else "nothing is wrong", err=True)
    return wrong


@contextmanager
def _contents(settings: Settings) -> Iterator[Contents]:
    """What is in the store: read here, or sent by the service that has it open."""
    from tams_data.keeping import contents, service  # noqa: PLC0415  # as above

    try:
        database = _opened(settings)
    except DatabaseLocked:
        with service.contents(settings) as sent:
            yield sent
        return
    try:
        with database.scanning() as scan:
            yield contents.contents_of(database, scan)
    finally:
        database.close()


@contextmanager
def _found(settings: Settings, with_media: bool, at_once: int) -> Iterator[Iterable[Finding]]:
    from tams_data.keeping import service  # noqa: PLC0415  # as above

    try:
        database = _opened(settings)
    except DatabaseLocked:
        yield service.findings(settings, with_media=with_media, at_once=at_once)
        return
    try:
        yield _findings(database, settings, with_media, at_once)
    finally:
        database.close()


@contextmanager
def _mended(settings: Settings, with_media: bool, at_once: int) -> Iterator[Iterable[Finding]]:
    from tams_data.keeping.repair import repair  # noqa: PLC0415  # as above

    database = engines.connect(settings.database, memory_limit=settings.database_memory)
    try:
        database.create_tables()
        yield repair(database, _findings(database, settings, with_media, at_once))
    finally:
        database.close()


def _findings(database: Database, settings: Settings, with_media: bool, at_once: int) -> Iterator[Finding]:
    from tams_data.keeping.verify import verify as look  # noqa: PLC0415  # as above
    from tams_data.keeping.verify import verify_media  # noqa: PLC0415

    yield from look(database)
    if with_media:
        stores = media.connect(settings)
        try:
            yield from verify_media(database, {one.backend.id: one for one in stores}, at_once=at_once)
        finally:
            for one in stores:
                one.close()


def _opened(settings: Settings) -> Database:
    """The database, to read; it is of the present version."""
    from tams_data.keeping.versions import check_store  # noqa: PLC0415  # as above

    database = engines.connect(settings.database, memory_limit=settings.database_memory, read_only=True)
    try:
        check_store(database)
    except BaseException:
        database.close()
        raise
    return database


def _progress(table: str, rows: int) -> None:
    if rows // _TOLD_ROWS > (rows - 1) // _TOLD_ROWS:
        click.echo(f"{table}: {count_of(rows, 'row')} …", err=True)


def _tell(folder: Path, manifest: Manifest) -> None:
    for name, table in manifest.tables.items():
        if table.rows:
            click.echo(f"{name}: {count_of(table.rows, 'row')}", err=True)
    click.echo(f"{folder}: {count_of(manifest.rows, 'row')} of {manifest.engine}, as they were at {manifest.instant}")


COMMANDS = (backup, restore, verify)
