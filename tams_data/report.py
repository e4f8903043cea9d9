"""Compliance reports: which of the time that was to be recorded is there, as tables, CSV and a page to print.

A flow keeps a promise, of 99.9 % for one, when at least that share of the window is covered by its segments. What is
missing before its first segment and after its last counts, too. Shares are exact: nothing is rounded in its favour.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from typing import Any

import pyarrow as pa
import pyarrow.csv

from tams_data import formatting, markup
from tams_data.answers import Analyses, Answer
from tams_data.errors import InvalidInput
from tams_data.timerange import TimeRange

_MOST_ROWS = 100_000


@dataclass(frozen=True)
class FlowCoverage:
    """What a flow has of a window: `missing` are the stretches it lacks, in order."""

    flow_id: str
    label: str
    window_ns: int
    missing: tuple[TimeRange, ...]
    kept: bool

    @property
    def missing_ns(self) -> int:
        """How much is missing, ns."""
        return sum(one.end_ns - one.start_ns for one in self.missing)

    @property
    def covered_ns(self) -> int:
        """How much is there, ns."""
        return self.window_ns - self.missing_ns


@dataclass(frozen=True)
class Compliance:
    """What flows have of a window, against a promised share of it; the least covered flow comes first."""

    window: TimeRange
    promise: Fraction
    flows: tuple[FlowCoverage, ...]

    def summary(self) -> Answer:
        """A row for each flow."""
        rows = [
            {
                "flow_id": one.flow_id,
                "label": one.label,
                "covered_ns": one.covered_ns,
                "missing_ns": one.missing_ns,
                "gaps": len(one.missing),
                "kept": one.kept,
            }
            for one in self.flows
        ]
        return Answer(pa.Table.from_pylist(rows, schema=_SUMMARY))

    def missing(self) -> Answer:
        """A row for each stretch that is missing."""
        rows = [
            {
                "flow_id": one.flow_id,
                "label": one.label,
                "start_ns": gap.start_ns,
                "end_ns": gap.end_ns,
                "length_ns": gap.length_ns,
                "timerange": str(gap),
            }
            for one in self.flows
            for gap in one.missing
        ]
        return Answer(pa.Table.from_pylist(rows, schema=_MISSING))

    def to_html(self, title: str, *, made: str = "") -> str:
        """A page that stands alone and prints on A4; `made` says when it was made, or by whom."""
        return _PAGE.format(title=escape(title), body="\n".join(self._parts(title, made)))

    def _parts(self, title: str, made: str) -> Iterator[str]:
        window = f"{formatting.utc_text(self.window.start_ns)} to {formatting.utc_text(self.window.end_ns)}"
        kept = sum(one.kept for one in self.flows)
        yield f"<h1>{escape(title)}</h1>"
        yield f"<p>{window}, {formatting.duration_text(self.window.length_ns)}<br><code>{self.window}</code></p>"
        yield f"<p><b>{kept} of {len(self.flows)} flows have the promised {_percent(self.promise)} of it.</b></p>"
        yield "".join(map(self._row_of_bars, self.flows)).join(('<div class="bars">', "</div>"))
        yield markup.table(_FLOW_HEADINGS, map(_flow_row, self.flows), caption="Flows")
        yield markup.table(_GAP_HEADINGS, self._gap_rows(), caption="What is missing")
        yield f'<p class="made">{escape(made)}</p>' if made else ""

    def _row_of_bars(self, flow: FlowCoverage) -> str:
        gaps = "".join(_rectangle(one, self.window) for one in flow.missing)
        return f'<span>{escape(flow.label)}</span><svg viewBox="0 0 10000 1" preserveAspectRatio="none">{gaps}</svg>'

    def _gap_rows(self) -> Iterator[Sequence[str]]:
        for flow in self.flows:
            for gap in flow.missing:
                ends = (formatting.utc_text(gap.start_ns), formatting.utc_text(gap.end_ns))
                yield (flow.label, *ends, formatting.duration_text(gap.length_ns), str(gap))


def compliance(analyses: Analyses, window: TimeRange, *, promise: Fraction, **filters: Any) -> Compliance:
    """What each flow that `filters` leave has of a window, against the share of it that was promised.

    Flows that can have no segments of their own, as those that collect others, are left out.

    :raise InvalidInput: the window has an open end, the promise is no share, or a table would be too long to be whole.
    """
    flows = analyses.run("flows", limit=_MOST_ROWS, **filters)
    runs = analyses.run("timeline", timerange=window, resolution_ns=1, limit=_MOST_ROWS, **filters)
    for found in (flows, runs):
        if len(found) >= _MOST_ROWS:
            raise InvalidInput(f"{window} has {_MOST_ROWS} rows or more: take fewer flows, or a shorter window")
    return judged(flows.table, runs.table, window, promise)


def judged(flows: pa.Table, runs: pa.Table, window: TimeRange, promise: Fraction) -> Compliance:
    """The same of the rows of `flows`, and of those of `timeline` without any hole left out."""
    if window.length_ns is None or window.is_never:
        raise InvalidInput(f"a report is of a window with two ends, not of {window}", field="window", value=str(window))
    if not 0 <= promise <= 1:
        raise InvalidInput(f"a promise is a share from 0 to 1, not {promise}", field="promise", value=str(promise))
    covered: dict[str, list[TimeRange]] = {}
    for row in runs.to_pylist():
        covered.setdefault(row["flow_id"], []).append(TimeRange(row["start_ns"], row["end_ns"]))
    found = [
        _coverage(row, window, promise, covered.get(row["flow_id"], ()))
        for row in flows.to_pylist()
        if row["container"] is not None
    ]
    return Compliance(window, promise, tuple(sorted(found, key=lambda one: (one.covered_ns, one.label, one.flow_id))))


def _coverage(row: dict[str, Any], window: TimeRange, promise: Fraction, runs: Iterable[TimeRange]) -> FlowCoverage:
    length_ns = window.end_ns - window.start_ns
    gaps = missing(window, runs)
    there_ns = length_ns - sum(one.end_ns - one.start_ns for one in gaps)
    kept = there_ns >= promise * length_ns
    return FlowCoverage(row["flow_id"], row["label"] or row["flow_id"], length_ns, gaps, kept)


def missing(window: TimeRange, runs: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """What of a window no run covers, in order. Runs may be in any order, overlap, and reach beyond it.

    >>> [str(one) for one in missing(TimeRange.parse("[0:0_9:0)"), [TimeRange.parse("[2:0_4:0)")])]
    ['[0:0_2:0)', '[4:0_9:0)']
    """
    there = [part for run in runs if not (part := run.intersection(window)).is_never]
    reached, found = window.start_ns, []
    for one in sorted(there, key=lambda part: part.start_ns):
        if one.start_ns > reached:
            found.append(TimeRange(reached, one.start_ns))
        reached = max(reached, one.end_ns)
    if reached < window.end_ns:
        found.append(TimeRange(reached, window.end_ns))
    return tuple(found)


def to_csv(answer: Answer) -> str:
    """The rows as CSV, with every digit and a line of headings."""
    sink = io.BytesIO()
    pyarrow.csv.write_csv(answer.table, sink)
    return sink.getvalue().decode()


def _rectangle(gap: TimeRange, window: TimeRange) -> str:
    """A gap in ten thousandths of the window, never too narrow to be seen."""
    length_ns = window.end_ns - window.start_ns
    start, end = ((ns - window.start_ns) * 10_000 // length_ns for ns in (gap.start_ns, gap.end_ns))
    return f'<rect x="{start}" width="{max(20, end - start)}" height="1"/>'


def _flow_row(one: FlowCoverage) -> Sequence[str]:
    share = formatting.percent_text(one.covered_ns, one.window_ns)
    there, lacking = map(formatting.duration_text, (one.covered_ns, one.missing_ns))
    return (one.label, one.flow_id, there, lacking, share, "kept" if one.kept else "broken")


def _percent(share: Fraction) -> str:
    return formatting.percent_text(share.numerator, share.denominator)


def _described(**columns: tuple[pa.DataType, str]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, metadata={"description": text}) for name, (kind, text) in columns.items()])


_SUMMARY = _described(
    flow_id=(pa.string(), "Flow id"),
    label=(pa.string(), "Label of the flow; its id where it has none"),
    covered_ns=(pa.int64(), "How much of the window it covers, ns"),
    missing_ns=(pa.int64(), "How much it does not, ns"),
    gaps=(pa.int64(), "In how many stretches that is missing"),
    kept=(pa.bool_(), "Whether it covers the promised share"),
)
_MISSING = _described(
    flow_id=(pa.string(), "Flow id"),
    label=(pa.string(), "Label of the flow; its id where it has none"),
    start_ns=(pa.int64(), "Where the stretch begins, ns TAI"),
    end_ns=(pa.int64(), "Where it ends, ns TAI, exclusive"),
    length_ns=(pa.int64(), "Its length, ns"),
    timerange=(pa.string(), "The stretch as a TAMS time range"),
)
_FLOW_HEADINGS = (
    markup.Heading("flow"),
    markup.Heading("id"),
    markup.Heading("there", number=True),
    markup.Heading("missing", number=True),
    markup.Heading("share", number=True),
    markup.Heading("promise"),
)
_GAP_HEADINGS = (
    markup.Heading("flow"),
    markup.Heading("from"),
    markup.Heading("until"),
    markup.Heading("length", number=True),
    markup.Heading("TAMS time range"),
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
@page {{ size: A4; margin: 18mm 15mm }}
body {{ font: 10pt/1.4 system-ui, sans-serif; color: #222; max-width: 180mm; margin: 2em auto }}
h1 {{ font-size: 16pt; margin: 0 0 .5em }}
code {{ font-size: 8.5pt; color: #555 }}
table {{ width: 100%; border-collapse: collapse; margin-top: 1.5em; font-size: 8.5pt }}
td {{ font-variant-numeric: tabular-nums }}
caption {{ text-align: left; font-weight: bold; font-size: 11pt; padding-bottom: .3em }}
th, td {{ padding: .25em .5em .25em 0; border-bottom: .5pt solid #ccc; vertical-align: top; overflow-wrap: anywhere }}
thead {{ display: table-header-group }}
tr {{ break-inside: avoid }}
.bars {{ display: grid; grid-template-columns: max-content 1fr; gap: 2mm 4mm; align-items: center; font-size: 8.5pt }}
.bars svg {{ width: 100%; height: 4mm; background: #3b7d4f; print-color-adjust: exact }}
.bars rect {{ fill: #c8372d }}
.made {{ margin-top: 2em; color: #555; font-size: 8.5pt }}
@media print {{ body {{ margin: 0; max-width: none }} }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
