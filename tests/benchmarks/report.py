"""The table of figures: each beside its yardstick and its target."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter_ns

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """What was measured, against what, and what is wanted of the two."""

    name: str
    measured: float
    unit: str
    yardstick: str
    compared: float
    wanted: str
    holds: bool


def ratio_at_most(name: str, unit: str, measured: float, yardstick: str, compared: float, *, most: float) -> Figure:
    """A cost that is to stay below `most` times its yardstick."""
    ratio = measured / compared
    return Figure(name, measured, unit, yardstick, compared, f"{ratio:.2f} x, at most {most}", ratio <= most)


def ratio_at_least(name: str, unit: str, measured: float, yardstick: str, compared: float, *, least: float) -> Figure:
    """A rate that is to be `least` times its yardstick."""
    ratio = measured / compared
    return Figure(name, measured, unit, yardstick, compared, f"{ratio:.2f} x, at least {least}", ratio >= least)


def median_ms(call: Callable[[int], object], *, rounds: int = 200, warm: int = 20) -> float:
    """Median milliseconds of `call(i)`."""
    times = []
    for i in range(-warm, rounds):
        began = perf_counter_ns()
        call(i)
        if i >= 0:
            times.append(perf_counter_ns() - began)
    return statistics.median(times) / 1e6


def interleaved_ms(*calls: Callable[[int], object], rounds: int = 200, warm: int = 20) -> list[float]:
    """Median milliseconds of each call, taken in turns, so that a noisy moment is noisy for all of them."""
    times: list[list[int]] = [[] for _ in calls]
    for i in range(-warm, rounds):
        for call, taken in zip(calls, times, strict=True):
            began = perf_counter_ns()
            call(i)
            if i >= 0:
                taken.append(perf_counter_ns() - began)
    return [statistics.median(taken) / 1e6 for taken in times]


def told(figures: Iterable[Figure]) -> Iterator[Figure]:
    """The figures, each told in a line as soon as it is there."""
    for one in figures:
        print(f"{one.name}: {one.measured:,.2f} {one.unit}, {one.yardstick} {one.compared:,.2f}", flush=True)
        yield one


def show(figures: list[Figure], path: Path) -> None:
    """Print the table and write it as JSON."""
    table = Table(title="Figures and their yardsticks")
    for heading in ("figure", "measured", "yardstick", "is", "holds"):
        table.add_column(heading)
    for one in figures:
        measured, compared = f"{one.measured:,.2f} {one.unit}", f"{one.yardstick}: {one.compared:,.2f}"
        table.add_row(one.name, measured, compared, one.wanted, "yes" if one.holds else "NO")
    Console(width=160).print(table)
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    path.write_text(json.dumps({**machine, "figures": [asdict(one) for one in figures]}, indent=1))
    Console().print(f"also in {path}")
