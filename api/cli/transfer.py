"""`tams ingest`, `tams export` and `tams demo`: media in and out of a service, through its API.

What fails on purpose is a `TamsDataError`; the group that these commands join makes one line and an exit code of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.options import Range, Tag, civil, client_of, id_of, of_a_service
from tams_data.errors import InvalidTimestamp
from tams_data.formatting import count_of
from tams_data.timerange import NS_PER_SECOND, TimeRange, parse_timestamp, tai_from_utc
from tams_data.transfer import demo as demonstration
from tams_data.transfer import export as exporting
from tams_data.transfer import ingest as ingesting


class _Start(click.ParamType[int]):
    """A TAMS timestamp, or `now`: nanoseconds."""

    name = "timestamp"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "now":
            return tai_from_utc(datetime.now(timezone.utc))
        try:
            return parse_timestamp(str(value))
        except InvalidTimestamp as error:
            self.fail(f"{error}, nor `now`", param, ctx)


class _Seconds(click.ParamType[int]):
    """A positive number of seconds, as a decimal or a fraction: nanoseconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            ns = int(Fraction(str(value)) * NS_PER_SECOND)
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a number of seconds, like 10, 1.92 or 48/25", param, ctx)
        if ns <= 0:
            self.fail(f"{value} is not more than zero", param, ctx)
        return ns


@click.command()
@click.argument("media")
@of_a_service
@click.option("--label", help="Label of the flows; default: the name of the file")
@click.option("--description", help="Description of the flows")
@click.option("--tag", "tags", type=Tag(), multiple=True, help="A tag of the flows; may be given more than once")
@click.option(
    "--start", type=_Start(), default="0:0", show_default=True, help="Where on the timeline it begins; or `now` (TAI)"
)
@click.option("--segment-duration", type=_Seconds(), default="10", show_default=True, help="Length of an object, about")
def ingest(media: str, url: str | None, token: str | None, **options: Any) -> None:
    """Cut MEDIA, a file, a URL or an HLS playlist, into objects and store them as flows.

    Nothing is transcoded. Doing the same again does what is missing, if anything is.
    """
    plan = ingesting.IngestPlan(
        label=options["label"],
        description=options["description"],
        start_ns=options["start"],
        length_ns=options["segment_duration"],
        tags=dict(options["tags"]),
    )
    with client_of(url, token) as client, _progress(Path(media).name) as progress:
        report = ingesting.ingest(client, media, plan, progress)
    for notice in report.notices:
        click.echo(f"tams: {notice}", err=True)
    _tell(report)


@click.command()
@click.argument("flow")
@of_a_service
@click.option("--timerange", type=Range(), default="_", help="What to export, as [start_end); default: all")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write")
def export(flow: str, url: str | None, token: str | None, timerange: TimeRange, output: Path) -> None:
    """Write FLOW, a flow by its id or its label, into a file: .mp4, .mov, .mkv or .ts.

    Of a multi-essence flow, all that it collects. Nothing is transcoded, so video begins with a key frame: MP4 and MOV
    do not show what lies before the start.
    """
    with client_of(url, token) as client:
        joined = exporting.export(client, id_of(client, "flows", flow), output, timerange)
    for notice in joined.notices:
        click.echo(f"tams: {notice}", err=True)
    click.echo(f"{output}: {joined.timerange}{civil(joined.timerange)}")


@click.command()
@of_a_service
def demo(url: str | None, token: str | None) -> None:
    """Put two cameras, a proxy and an edit into the store, to look at and to try things on."""
    with client_of(url, token) as client:
        flows = demonstration.make(client, lambda step: click.echo(f"{step} …", err=True))
    width = max((len(flow.label) for flow in flows), default=0)
    for flow in flows:
        click.echo(f"{flow.label:{width}}  {flow.id}  {flow.timerange}")
    click.echo(f"\nThe clock in the cameras' pictures shows UTC, from {demonstration.START:%H:%M on %d %B %Y}.")
    click.echo(f"To see what the edit looks like: tams export {demonstration.EDIT_ID} -o edit.mp4")


@contextmanager
def _progress(name: str) -> Iterator[ingesting.OnProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None, told="")

        def show(at: ingesting.Progress) -> None:
            told = f"{count_of(at.objects, 'object')}, {_size(at.uploaded_bytes)}"
            bar.update(task, completed=at.done_ns, total=at.total_ns, told=told)

        yield show


def _tell(report: ingesting.IngestReport) -> None:
    for flow_id in (*report.flow_ids, *filter(None, [report.multi_id])):
        click.echo(flow_id)
    uploaded = report.objects - report.skipped
    click.echo(
        f"{report.timerange}{civil(report.timerange)}: {count_of(uploaded, 'object')} uploaded"
        f" ({_size(report.uploaded_bytes)}) in {report.elapsed_ns // 10**6} ms, {report.skipped} were there already",
        err=True,
    )


def _size(count: int) -> str:
    return f"{count // 1000} kB" if count < 10**7 else f"{count // 10**6} MB"


COMMANDS = (ingest, export, demo)
