"""Which objects hold a flow between two instants: the rows that counting by hand finds, page by page."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.queries import segments
from tams_data.queries.segments import PAGE_COLUMNS
from tams_data.schema import OBJECTS, SEGMENTS
from tams_data.timerange import MAX_NS, MIN_NS
from tests.tams_data.builders import insert, object_row, on_one_database, scratch, segment_row

Segment = tuple[int, int]

ALWAYS = {"start_ns": MIN_NS, "end_ns": MAX_NS}


@st.composite
def timelines(draw: st.DrawFn, max_size: int = 12) -> list[Segment]:
    """Segments of one flow in time order, with and without gaps between them."""
    steps = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=max_size))
    placed, end = [], draw(st.integers(-10, 10))
    for gap, length in steps:
        placed.append((end + gap, end + gap + length))
        end += gap + length
    return placed


@st.composite
def windows(draw: st.DrawFn) -> Segment:
    """Windows that hold at least a nanosecond, open ones among them."""
    start, end = draw(st.integers(-15, 40)), draw(st.integers(1, 30))
    return draw(st.sampled_from([(start, start + end), (MIN_NS, start), (start, MAX_NS), (MIN_NS, MAX_NS)]))


def insert_timeline(transaction, flow_id: str, placed: list[Segment]) -> None:
    rows = [segment_row(flow_id, *one, object_key=i) for i, one in enumerate(placed)]
    insert(transaction, SEGMENTS, *reversed(rows))  # engines give rows back as stored unless asked to sort


def bounds(rows) -> list[Segment]:
    return [(row["start_ns"], row["end_ns"]) for row in rows.to_pylist()]


def page(reader, window: Segment, *, limit: int, reverse: bool = False, **values) -> list[Segment]:
    values = {"flow_id": "f", "start_ns": window[0], "end_ns": window[1], **values}
    return bounds(reader.read(segments.page, values, limit=limit, reverse=reverse))


def overlapping(placed: list[Segment], window: Segment) -> list[Segment]:
    return [(start, end) for start, end in placed if max(start, window[0]) < min(end, window[1])]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param((12, 13), [(10, 20)], id="inside-one-segment"),
        pytest.param((10, 20), [(10, 20)], id="one-segment-exactly"),
        pytest.param((20, 21), [(20, 30)], id="a-boundary-belongs-to-the-later"),
        pytest.param((19, 21), [(10, 20), (20, 30)], id="across-a-boundary"),
        pytest.param((30, 40), [], id="a-gap"),
        pytest.param((29, 41), [(20, 30), (40, 50)], id="across-a-gap"),
        pytest.param((0, 10), [], id="a-segment-that-touches-the-window-is-left-out"),
        pytest.param((50, 60), [], id="a-window-that-touches-the-last-segment"),
        pytest.param((MIN_NS, MAX_NS), [(10, 20), (20, 30), (40, 50)], id="eternity"),
        pytest.param((25, MAX_NS), [(20, 30), (40, 50)], id="open-end"),
        pytest.param((MIN_NS, 25), [(10, 20), (20, 30)], id="open-start"),
    ],
)
def test_a_window_selects_the_segments_that_share_time_with_it(database, window, expected):
    with database.transaction() as transaction:
        insert_timeline(transaction, "f", [(10, 20), (20, 30), (40, 50)])
        insert_timeline(transaction, "g", [(0, 100)])
    assert page(database, window, limit=10) == expected
    assert page(database, window, limit=10, reverse=True) == expected[::-1]


def test_a_page_has_the_columns_that_a_segment_is_shown_with(database):
    row = segment_row("f", 0, 10, timerange="[0:0_0:9]", object_key=7, ts_offset_ns=-1, last_duration_ns=2)
    row |= {"sample_offset": 3, "sample_count": 4}
    with database.transaction() as transaction:
        insert(transaction, SEGMENTS, row)
    found = database.read(segments.page, {"flow_id": "f", **ALWAYS}, limit=1)
    assert found.to_pylist() == [{name: row[name] for name in PAGE_COLUMNS}]


def test_segments_can_be_those_of_one_object(database):
    with database.transaction() as transaction:
        rows = [segment_row("f", start, start + 10, object_key=start % 20) for start in range(0, 50, 10)]
        insert(transaction, SEGMENTS, *rows)
    assert page(database, (0, 35), limit=10, object_key=10) == [(10, 20), (30, 40)]
    assert page(database, (0, 35), limit=10, object_key=11) == []


@on_one_database
@given(placed=timelines(), window=windows(), limit=st.integers(1, 14), reverse=st.booleans())
def test_pages_walk_the_window_in_order_and_once(database, placed, window, limit, reverse):
    """The window is the keyset: it narrows to begin where the last segment ended, or to end where it began."""
    expected = overlapping(placed, window)[:: -1 if reverse else 1]
    walked: list[Segment] = []
    with scratch(database) as transaction:
        insert_timeline(transaction, "f", placed)
        insert_timeline(transaction, "g", [(-50, 50)])
        left = window
        while left[0] < left[1] and (rows := page(transaction, left, limit=limit, reverse=reverse)):
            assert len(rows) == min(limit, len(expected) - len(walked))
            walked += rows
            left = (left[0], rows[-1][0]) if reverse else (rows[-1][1], left[1])
    assert walked == expected


@on_one_database
@given(placed=timelines(), window=windows())
def test_a_window_has_the_extent_of_what_shares_time_with_it(database, placed, window):
    values = {"flow_id": "f", "start_ns": window[0], "end_ns": window[1]}
    with scratch(database) as transaction:
        insert_timeline(transaction, "f", placed)
        insert_timeline(transaction, "g", [(-50, 50)])
        found = transaction.read(segments.extent, values)
        listed = transaction.read(segments.placed, values)
    inside = overlapping(placed, window)
    assert bounds(found) == [(inside[0][0], inside[-1][1]) if inside else (None, None)]
    assert sorted(bounds(listed)) == inside


@on_one_database
@given(placed=timelines(), window=windows(), key=st.none() | st.integers(0, 3))
def test_covered_segments_lie_wholly_inside(database, placed, window, key):
    values = {"flow_id": "f", "start_ns": window[0], "end_ns": window[1]}
    with scratch(database) as transaction:
        insert_timeline(transaction, "f", placed)
        insert_timeline(transaction, "g", placed)
        found = transaction.read(segments.covered_by, values | ({} if key is None else {"object_key": key}))
    assert sorted((r["flow_id"], r["start_ns"], r["object_key"]) for r in found.to_pylist()) == [
        ("f", start, i)
        for i, (start, end) in enumerate(placed)
        if window[0] <= start and end <= window[1] and key in (None, i)
    ]


@pytest.mark.parametrize(
    ("window", "seam_ns", "expected"),
    [
        pytest.param((MIN_NS, MAX_NS), 0, (5, 4), id="every-jump"),
        pytest.param((MIN_NS, MAX_NS), 1, (5, 3), id="a-small-gap-goes-on"),
        pytest.param((MIN_NS, 30), 0, (2, 1), id="what-the-window-ends-before"),
        pytest.param((25, MAX_NS), 0, (4, 4), id="what-the-window-begins-with"),
        pytest.param((90, MAX_NS), 0, (0, 0), id="nothing"),
    ],
)
def test_runs_end_at_gaps_and_where_the_offset_changes(database, window, seam_ns, expected):
    rows = [(10, 20, None), (20, 30, 0), (31, 40, 0), (50, 60, 0), (60, 70, 7)]
    with database.transaction() as transaction:
        insert(
            transaction,
            SEGMENTS,
            *(
                segment_row("f", start, end, ts_offset_ns=offset, object_key=start)
                for start, end, offset in reversed(rows)
            ),
        )
    values = {"flow_id": "f", "start_ns": window[0], "end_ns": window[1], "seam_ns": seam_ns}
    with database.snapshot() as reader:
        (counted,) = reader.read(segments.runs, values).to_pylist()
    assert (counted["entries"], counted["runs"]) == expected


def test_runs_end_where_offsets_are_further_apart_than_int64_counts(database):
    offsets = (MAX_NS - 1, MIN_NS + 1, MAX_NS - 1)
    with database.transaction() as transaction:
        rows = (segment_row("f", i, i + 1, object_key=i, ts_offset_ns=one) for i, one in enumerate(offsets))
        insert(transaction, SEGMENTS, *rows)
    assert database.rows(segments.runs, {"flow_id": "f", **ALWAYS, "seam_ns": 1}) == [{"entries": 3, "runs": 3}]


def test_parts_of_an_object_that_follow_each_other_are_one_entry(database):
    """Whatever lies between them; at another offset, or after another object, it is one more."""
    rows = [(0, 10, 1, 0), (10, 20, 1, None), (25, 30, 1, 0), (30, 40, 2, 0), (40, 50, 1, 0), (50, 60, 1, 9)]
    with database.transaction() as transaction:
        insert(
            transaction,
            SEGMENTS,
            *(segment_row("f", start, end, object_key=key, ts_offset_ns=offset) for start, end, key, offset in rows),
        )
    assert database.rows(segments.runs, {"flow_id": "f", **ALWAYS, "seam_ns": 1}) == [{"entries": 4, "runs": 2}]


def test_placed_segments_say_0_for_an_offset_that_was_not_given(database):
    with database.transaction() as transaction:
        insert(transaction, SEGMENTS, segment_row("f", 0, 10), segment_row("f", 10, 20, ts_offset_ns=5))
    rows = database.read(segments.placed, {"flow_id": "f", **ALWAYS}).to_pylist()
    assert sorted((row["start_ns"], row["ts_offset_ns"]) for row in rows) == [(0, 0), (10, 5)]


@on_one_database
@given(placed=timelines(), sizes=st.lists(st.none() | st.integers(0, 2**60), min_size=4, max_size=4))
def test_a_timeline_is_what_its_segments_add_up_to(database, placed, sizes):
    """An object counts once for each segment that uses it; one of unknown size counts nothing."""
    with scratch(database) as transaction:
        insert(transaction, OBJECTS, *(object_row(key, size_bytes=size) for key, size in enumerate(sizes)))
        rows = [segment_row("f", *one, object_key=i % 5) for i, one in enumerate(placed)]  # 4 is no object
        insert(transaction, SEGMENTS, *rows, segment_row("g", 0, 10, object_key=0))
        found = transaction.read(segments.timeline, {"flow_id": "f"}).to_pylist()
    lengths = [end - start for start, end in placed]
    assert found == [
        {
            "start_ns": placed[0][0] if placed else None,
            "end_ns": placed[-1][1] if placed else None,
            "segment_count": len(placed),
            "covered_ns": sum(lengths),
            "longest_ns": max(lengths, default=0),
            "size_bytes": sum([*sizes, None][i % 5] or 0 for i in range(len(placed))),
        }
    ]


def test_keys_that_segments_refer_to_are_told_from_those_they_do_not(database):
    with database.transaction() as transaction:
        rows = [segment_row(flow_id, 0, 10, object_key=key) for flow_id, key in [("f", 1), ("g", 1), ("h", 2)]]
        insert(transaction, SEGMENTS, *rows)
    found = database.read(segments.object_keys, {"keys": pa.table({"key": pa.array([1, 2, 3], pa.int64())})})[
        "object_key"
    ].to_pylist()
    assert sorted(found) == [1, 2]
