"""What is stored, every figure worked out from the table in `paper`, and against a count by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data import schema
from tams_data.analytics import Analytics
from tams_data.engines.base import Database
from tams_data.errors import InvalidInput
from tams_data.timerange import TimeRange
from tests.conftest import ENGINES
from tests.tams_data.builders import VIDEO as FORMAT
from tests.tams_data.builders import clear, flow_row, insert, object_row, on_one_database, segment_row
from tests.tams_data.queries.analytics import paper
from tests.tams_data.queries.analytics.paper import AUDIO, DAY, DISK, ON_AIR, ON_AIR_UTC, SECOND, TAPE, VIDEO

MIDNIGHT = ON_AIR_UTC - 10 * paper.HOUR
"""The midnight before the store on paper goes on air, at ten o'clock."""


def short(urn):
    return urn and urn.rpartition(":")[2]


def usage(rows):
    """Objects, bytes and objects of unknown size by backend and format."""
    names = {DISK: "disk", TAPE: "tape", None: None}
    return {
        (names[one["storage_id"]], short(one["format"])): (one["objects"], one["size_bytes"], one["unsized"])
        for one in rows.to_pylist()
    }


# --- by backend and format -------------------------------------------------------------------------------------------


def test_objects_are_grouped_by_backend_and_format(analytics):
    assert usage(analytics.run("storage-usage")) == {
        # 1 to 3: 6000; 5 to 7: 3000; 8: 9000; 9 and 10: 300; 14 and 15: 100 000; 19: 700; 20: not known
        ("disk", "video"): (13, 119_000, 1),
        ("disk", "audio"): (4, 330, 0),
        ("disk", "image"): (2, 1000, 0),
        ("tape", "video"): (3, 6000, 0),
        (None, "data"): (1, 0, 1),
    }


def test_the_largest_group_comes_first(analytics):
    sizes = analytics.run("storage-usage")["size_bytes"].to_pylist()
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("filters", "groups"),
    [
        # the objects its segments use, 2 and 6, whoever was first to use them
        pytest.param(
            {"flow_id": "edit"}, {("disk", "video"): (2, 3000, 0), ("tape", "video"): (1, 2000, 0)}, id="flow"
        ),
        pytest.param(
            {"source_id": "A"}, {("disk", "video"): (5, 6300, 0), ("tape", "video"): (3, 6000, 0)}, id="source"
        ),
        pytest.param({"format": AUDIO}, {("disk", "audio"): (4, 330, 0)}, id="format"),
        pytest.param({"codec": "video/hevc"}, {("disk", "video"): (1, 9000, 0)}, id="codec"),
        pytest.param({"tags": {"site": ["leeds"]}}, {("disk", "video"): (3, 3000, 0)}, id="tag"),
        pytest.param({"storage_id": TAPE}, {("tape", "video"): (3, 6000, 0)}, id="backend"),
        # camera-a 1 and 2, camera-b 5, camera-b-hi 8, proxy-a 9, edit 2 and 6, archive 15
        pytest.param(
            {"timerange": TimeRange(ON_AIR + 9 * SECOND, ON_AIR + 11 * SECOND), "format": VIDEO},
            {("disk", "video"): (7, 64_150, 0), ("tape", "video"): (2, 3000, 0)},
            id="window",
        ),
        pytest.param(
            {"created": TimeRange(ON_AIR_UTC - DAY, ON_AIR_UTC + 12 * SECOND)},
            # 19; 14 late by a day less 100 s: at 100 s; 12 at the start; 1 and 5 at 11 s; 20
            {("disk", "video"): (4, 2700, 1), ("tape", "video"): (1, 1000, 0), ("disk", "image"): (1, 500, 0)},
            id="registered in a window",
        ),
        pytest.param({"flow_id": "none"}, {}, id="none"),
    ],
)
def test_filters_leave_the_objects_that_segments_use(analytics, filters, groups):
    assert usage(analytics.run("storage-usage", **filters)) == groups


# --- by source, and against what is referred to ----------------------------------------------------------------------


def sources(rows):
    return {row["source_id"]: (row["objects"], row["size_bytes"], row["logical_bytes"]) for row in rows.to_pylist()}


def test_sources_have_what_they_brought_and_what_they_refer_to(analytics):
    assert sources(analytics.run("storage-by-source")) == {
        "archive": (2, 100_000, 100_000),
        "A": (5, 12_300, 6300),  # 6000 on two backends
        "B": (4, 12_000, 12_000),
        "stills": (2, 1000, 1000),
        "empty": (2, 700, 0),  # 19 and 20, which nothing refers to
        "camera-a-snd": (1, 300, 300),
        "elsewhere": (3, 30, 30),
        "edit": (0, 0, 5000),  # brought nothing, and uses 2 twice and 6 once
        "captions": (1, 0, 0),
    }


def test_sources_have_a_label_and_come_in_order_up_to_the_limit(analytics):
    rows = analytics.run("storage-by-source", limit=2).to_pylist()
    assert [(row["source_id"], row["label"]) for row in rows] == [("archive", "archive"), ("A", "A")]


def test_sources_on_a_backend_refer_to_what_is_there(analytics):
    assert sources(analytics.run("storage-by-source", storage_id=TAPE)) == {"A": (3, 6000, 6000), "edit": (0, 0, 4000)}


def test_use_by_reference_saves_what_is_used_again(analytics):
    rows = {short(row.pop("format")): tuple(row.values()) for row in analytics.run("stored-and-logical").to_pylist()}
    assert rows == {
        # 6000 are stored twice; of 5000 used again, 700 are lost on object 19, which nothing refers to
        "video": (13, 119_000, 125_000, 123_300, 4300),
        "image": (2, 1000, 1000, 1000, 0),
        "audio": (4, 330, 330, 330, 0),
        "data": (1, 0, 0, 0, 0),
    }


def test_savings_of_a_flow_are_those_of_its_own_uses(analytics):
    (row,) = analytics.run("stored-and-logical", flow_id="edit").to_pylist()
    assert (row["object_bytes"], row["stored_bytes"], row["logical_bytes"], row["saved_bytes"]) == (
        3000,
        5000,
        5000,
        2000,
    )


# --- age and growth --------------------------------------------------------------------------------------------------


def test_ages_are_counted_from_the_registration(analytics):
    rows = [tuple(row.values()) for row in analytics.run("object-ages").to_pylist()]
    # a day after ON_AIR: 20 is as old as that, 19 a day older, all others younger
    assert rows == [(0, 1, 18, 125_630), (1, 7, 2, 700)]
    later = analytics.run("object-ages", now_ns=ON_AIR_UTC + 400 * DAY).to_pylist()
    assert [tuple(row.values()) for row in later] == [(365, None, 20, 126_330)]


def test_growth_is_by_the_day_and_adds_up(analytics):
    rows = [tuple(row.values()) for row in analytics.run("storage-growth", days_ahead=0).to_pylist()]
    assert rows == [(MIDNIGHT - DAY, 1, 700, 700, False), (MIDNIGHT, 19, 125_630, 126_330, False)]


def test_growth_goes_on_from_today_with_the_slope_of_all_days(analytics):
    """Totals of three days, the last without anything new: 700, 126 330, 126 330. The slope is 62 815 a day."""
    rows = [row for row in analytics.run("storage-growth", days_ahead=2).to_pylist() if row["projected"]]
    assert [(row["day_ns"], row["total_bytes"]) for row in rows] == [
        (MIDNIGHT + 2 * DAY, 126_330 + 62_815),
        (MIDNIGHT + 3 * DAY, 126_330 + 2 * 62_815),
    ]
    assert {row["objects"] for row in rows} == {row["size_bytes"] for row in rows} == {None}


def test_one_day_has_no_slope(analytics):
    rows = analytics.run("storage-growth", flow_id="stills", now_ns=ON_AIR_UTC + paper.HOUR).to_pylist()
    assert [row["projected"] for row in rows] == [False]


# --- what nothing refers to ------------------------------------------------------------------------------------------


def unreferenced(rows):
    return [(row["object_id"], row["state"], row["flow_id"], row["size_bytes"]) for row in rows.to_pylist()]


def test_what_nothing_refers_to_is_listed_with_the_oldest_first(analytics):
    rows = analytics.run("unreferenced-objects")
    assert unreferenced(rows) == [
        ("object-19", "registered", "empty", 700),
        ("object-20", "registered", "empty", None),
        ("object-21", "allocated", "empty", None),
    ]
    assert rows["age_ns"].to_pylist() == [2 * DAY, DAY, DAY]


@pytest.mark.parametrize(
    ("parameters", "ids"),
    [
        ({"at_least_ns": DAY + 1}, ["object-19"]),
        ({"limit": 1}, ["object-19"]),
        ({"flow_id": "edit"}, []),
        ({"flow_id": "empty", "created": TimeRange(ON_AIR_UTC, ON_AIR_UTC + 1)}, ["object-20", "object-21"]),
        ({"storage_id": TAPE}, []),
        ({"storage_id": DISK, "at_least_ns": DAY}, ["object-19", "object-20", "object-21"]),
    ],
)
def test_what_nothing_refers_to_may_be_filtered(analytics, parameters, ids):
    assert analytics.run("unreferenced-objects", **parameters)["object_id"].to_pylist() == ids


def test_what_nothing_refers_to_is_in_no_window_of_media_time(analytics):
    with pytest.raises(InvalidInput, match="cannot be filtered by"):
        analytics.run("unreferenced-objects", timerange=TimeRange(0, 1))


def test_totals_of_what_nothing_refers_to(analytics):
    rows = [tuple(row.values()) for row in analytics.run("unreferenced-totals").to_pylist()]
    assert rows == [("allocated", 1, 0, ON_AIR_UTC), ("registered", 2, 700, ON_AIR_UTC - DAY)]


# --- instances and accesses ------------------------------------------------------------------------------------------


def test_instances_are_counted_by_object(analytics):
    rows = [tuple(row.values()) for row in analytics.run("instances-per-object").to_pylist()]
    assert rows == [(1, 17, 114_330), (2, 3, 6000)]


@pytest.fixture(scope="module", params=ENGINES)
def asked_for(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The store on paper, of which objects 2, 4 and 9 were asked for."""
    database = ENGINES[request.param]()
    paper.fill(database)
    rows = [
        {"object_key": 2, "media_gets": 5, "urls_given": 1, "last_ns": 30},
        {"object_key": 4, "media_gets": 0, "urls_given": 2, "last_ns": 40},
        {"object_key": 9, "media_gets": 2, "urls_given": 0, "last_ns": 20},
    ]
    with database.transaction() as transaction:
        insert(transaction, schema.OBJECT_ACCESSES, *rows)
    yield database
    database.close()


def test_what_was_asked_for_most_comes_first_and_what_never_was_is_left_out(asked_for):
    rows = [tuple(row.values()) for row in Analytics(asked_for).run("object-access").to_pylist()]
    assert rows == [
        ("object-2", 6, 5, 1, 30, 2000),
        ("object-4", 2, 0, 2, 40, 300),
        ("object-9", 2, 2, 0, 20, 150),
    ]


def test_what_was_asked_for_least_begins_with_what_never_was(asked_for):
    rows = Analytics(asked_for).run("object-access", order="least").to_pylist()
    assert [row["object_id"] for row in rows][:3] == ["object-1", "object-3", "object-5"]
    assert [(row["object_id"], row["accesses"]) for row in rows][-3:] == [
        ("object-9", 2),
        ("object-4", 2),
        ("object-2", 6),
    ]
    assert len(rows) == 20


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"flow_id": "edit"}, ["object-2"]),
        ({"format": VIDEO}, ["object-2", "object-9"]),
        ({"storage_id": TAPE}, ["object-2"]),
        ({"limit": 2}, ["object-2", "object-4"]),
    ],
)
def test_what_was_asked_for_may_be_filtered(asked_for, filters, ids):
    assert Analytics(asked_for).run("object-access", **filters)["object_id"].to_pylist() == ids


def test_accesses_add_up(asked_for):
    (row,) = Analytics(asked_for).run("access-totals").to_pylist()
    assert tuple(row.values()) == (20, 3, 10, 7, 3, 40)
    (row,) = Analytics(asked_for).run("access-totals", source_id="A").to_pylist()
    assert tuple(row.values()) == (5, 2, 8, 7, 1, 30)


def test_the_summary_of_the_usage_has_real_sizes_and_accesses(asked_for):
    _, summary = Analytics(asked_for).summarised("storage-usage")
    assert [row["object_id"] for row in summary.pop("most_accessed")] == ["object-2", "object-4", "object-9"]
    least = summary.pop("least_accessed")
    assert ([row["object_id"] for row in least][:3], len(least)) == (["object-1", "object-3", "object-5"], 10)
    assert summary == {
        "total_objects": 20,
        "total_size_bytes": 126_330,
        "average_size_bytes": 126_330 / 20,
        "average_access_count": 0.5,
    }


def test_the_summary_of_nothing_divides_by_nothing(asked_for):
    rows, summary = Analytics(asked_for).summarised("storage-usage", timerange=TimeRange.never())
    assert rows.num_rows == 0
    assert (summary["total_objects"], summary["average_size_bytes"]) == (0, 0)
    _, summary = Analytics(asked_for).summarised("storage-usage", flow_id="none")
    assert (summary["total_objects"], summary["average_access_count"], summary["most_accessed"]) == (0, 0, [])


def test_a_summary_has_the_rows_beside_with_the_same_parameters(analytics):
    _, summary = analytics.summarised("unreferenced-objects", limit=1, at_least_ns=DAY + 1)
    assert summary["totals"] == [
        {"state": "registered", "objects": 1, "size_bytes": 700, "oldest_ns": ON_AIR_UTC - DAY}
    ]


# --- against a count by hand -----------------------------------------------------------------------------------------

BACKENDS = ("a", "b")
FLOWS = ("f", "g", "gone")  # the last has no row
OBJECTS = st.dictionaries(
    st.integers(1, 70),
    st.tuples(
        st.none() | st.integers(0, 1000),
        st.sampled_from(FLOWS),
        st.integers(0, 5),  # the day it was registered on
        st.sets(st.sampled_from(BACKENDS)),
        st.lists(st.sampled_from(FLOWS[:2]), max_size=3),  # whose segments use it
    ),
)


@pytest.fixture(scope="module", params=ENGINES)
def emptied(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database that each example fills anew."""
    database = ENGINES[request.param]()
    database.create_tables()
    yield database
    database.close()


def fill(database, objects):
    clear(database)
    with database.transaction() as transaction:
        insert(transaction, schema.FLOWS, *(flow_row(id=name, source_id=name) for name in FLOWS[:2]))
        for key, (size, first, day, backends, users) in objects.items():
            row = object_row(key, size_bytes=size, first_flow_id=first, created_ns=day * DAY + key)
            insert(transaction, schema.OBJECTS, row)
            held = [{"object_key": key, "storage_id": one, "created_ns": 0} for one in sorted(backends)]
            insert(transaction, schema.OBJECT_INSTANCES, *held)
            uses = [segment_row(one, 10 * key + i, 10 * key + i + 1, object_key=key) for i, one in enumerate(users)]
            insert(transaction, schema.SEGMENTS, *uses)


def slope(totals):
    """Of the least squares line through the totals of days 0, 1, 2, …"""
    n = len(totals)
    if n < 2:
        return None
    middle, mean = Fraction(n - 1, 2), Fraction(sum(totals), n)
    return sum((i - middle) * (y - mean) for i, y in enumerate(totals)) / sum((i - middle) ** 2 for i in range(n))


@given(OBJECTS, st.none() | st.sampled_from(FLOWS[:2]))
@on_one_database
def test_figures_are_those_of_a_count_by_hand(emptied, objects, flow_id):
    fill(emptied, objects)
    run = Analytics(emptied, clock=lambda: 7 * DAY).run
    filters = {} if flow_id is None else {"flow_id": flow_id}
    chosen = {key: one for key, one in objects.items() if flow_id is None or flow_id in one[4]}

    groups = Counter()
    for size, first, _, backends, _ in chosen.values():
        groups.update({(one, FORMAT if first != "gone" else None): size or 0 for one in backends})
    found = run("storage-usage", **filters).to_pylist()
    assert {(row["storage_id"], row["format"]): row["size_bytes"] for row in found} == groups

    days = Counter()
    for size, _, day, backends, _ in chosen.values():
        days[day] += len(backends) * (size or 0)
    grown = run("storage-growth", days_ahead=3, **filters).to_pylist()
    assert {row["day_ns"] // DAY: row["size_bytes"] for row in grown if not row["projected"]} == days
    totals = [sum(days[one] for one in days if one <= day) for day in range(min(days, default=8), 8)]
    expected = [] if slope(totals) is None else [totals[-1] + float(slope(totals)) * ahead for ahead in (1, 2, 3)]
    assert [row["total_bytes"] for row in grown if row["projected"]] == pytest.approx(expected, abs=1)

    counts = Counter(len(one[3]) for one in chosen.values())
    assert {row["instances"]: row["objects"] for row in run("instances-per-object", **filters).to_pylist()} == counts

    if flow_id is None:
        unused = {f"object-{key}" for key, one in objects.items() if not one[4]}
        assert set(run("unreferenced-objects")["object_id"].to_pylist()) == unused


# --- initialisation objects -----------------------------------------------------------------------------------------


def test_objects_that_initialise_others_belong_to_the_flow_and_are_referred_to(emptied):
    clear(emptied)
    with emptied.transaction() as transaction:
        insert(transaction, schema.FLOWS, flow_row(id="f"))
        init = object_row(1, is_init=True, size_bytes=7, first_flow_id="f")
        insert(transaction, schema.OBJECTS, init, object_row(40, init_object_key=1, size_bytes=100, first_flow_id="f"))
        insert(transaction, schema.SEGMENTS, segment_row("f", 0, 10, object_key=40))
    run = Analytics(emptied).run
    (row,) = run("instances-per-object", flow_id="f").to_pylist()
    assert (row["objects"], row["size_bytes"]) == (2, 107)
    assert run("unreferenced-objects").num_rows == 0
