"""Predicates come out of their text as they went in, whatever the columns hold; what is no filter is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timezone
from functools import cache

import pyarrow as pa
import pyarrow.types as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tams_data.scan.filters import MOST_CHARACTERS, MOST_CONDITIONS, InvalidFilter, can_say, predicate_of, text_of
from tams_data.scan.predicate import AllOf, AnyOf, Comparison, Condition, Constant, Is, OneOf, Predicate
from tams_data.schema import TABLES
from tests.tams_data.scan.data import SCHEMA as EVERY_KIND

YEARS_S = (-62_135_596_800, 253_402_300_799)
"""Where the years 1 to 9999 begin and end, in seconds since 1970."""

MORE_KINDS = pa.schema(
    [
        pa.field("byte", pa.uint8()),
        pa.field("whole", pa.uint64()),
        pa.field("single", pa.float32()),
        pa.field("day", pa.date32()),
        pa.field("second", pa.timestamp("s")),
        pa.field("nano", pa.timestamp("ns", "UTC")),
        pa.field("long", pa.large_string()),
        pa.field("price", pa.decimal128(10, 2)),
        pa.field("pair", pa.struct([("x", pa.int64())])),
    ]
)
SCHEMAS = {
    **{name: table.readable for name, table in TABLES.items()},
    "every kind": EVERY_KIND,
    "more kinds": MORE_KINDS,
}


# --- there and back --------------------------------------------------------------------------------------------------


TEXTS = st.text(st.characters(codec="utf-8"))
AWKWARD = st.sampled_from(["", "it's", '"', "\\", "%_", "\x00", "日本", "😀", "]}"])


def integers(kind: pa.DataType) -> st.SearchStrategy[int]:
    """Integers of a width, the least and the greatest often."""
    signed = pt.is_signed_integer(kind)
    least, most = (
        (-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1) if signed else (0, 2**kind.bit_width - 1)
    )
    return st.integers(least, most) | st.sampled_from([least, most, 0])


def instants(kind: pa.DataType) -> st.SearchStrategy[int]:
    """Timestamps as counts of their unit."""
    return st.integers(*(second * {"s": 1, "ms": 10**3}.get(kind.unit, 10**6) for second in YEARS_S))


VALUES: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], st.SearchStrategy[object]]]] = [
    (pt.is_boolean, lambda _: st.booleans()),
    (pt.is_string, lambda _: TEXTS | AWKWARD),
    (pt.is_large_string, lambda _: TEXTS | AWKWARD),
    (pt.is_date32, lambda _: st.dates().map(lambda day: (day - date(1970, 1, 1)).days)),
    (pt.is_timestamp, instants),
    (pt.is_integer, integers),
    (pt.is_floating, lambda kind: st.floats(width=kind.bit_width)),
]


def values(kind: pa.DataType) -> st.SearchStrategy[object] | None:
    """Values of a type, its extremes among them; None for types that are not compared."""
    return next((of_kind(kind) for is_kind, of_kind in VALUES if is_kind(kind)), None)


def array(kind: pa.DataType, of: list[object]) -> pa.Array:
    """An array of a type; dates and timestamps are given as counts."""
    if pt.is_temporal(kind):
        return pa.array(of, pa.int32() if pt.is_date32(kind) else pa.int64()).cast(kind)
    return pa.array(of, kind)


@cache
def conditions_on(schema: pa.Schema) -> st.SearchStrategy[Condition]:
    """Every condition that can be said on one column of a table."""
    kinds: list[st.SearchStrategy[Condition]] = [st.builds(Constant, st.booleans())]
    for field in schema:
        column, kind = st.just((field.name,)), field.type
        states = ["NULL", "NOT NULL", *(["NAN", "NOT NAN"] if pt.is_floating(kind) else [])]
        kinds.append(st.builds(Is, column, st.sampled_from(states)))
        if (some := values(kind)) is not None:
            one = some.map(lambda value, kind=kind: array(kind, [value])[0])
            many = st.lists(st.none() | some, max_size=5).map(lambda found, kind=kind: array(kind, found))
            kinds.append(st.builds(Comparison, column, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), one))
            kinds.append(st.builds(OneOf, column, many))
    return st.one_of(kinds)


@cache
def predicates_on(schema: pa.Schema) -> st.SearchStrategy[Predicate]:
    """Predicates on a table, with conditions inside others."""
    nested = st.recursive(
        conditions_on(schema),
        lambda inner: st.builds(
            lambda kind, found: kind(tuple(found)),
            st.sampled_from([AllOf, AnyOf]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        max_leaves=6,
    )
    return st.lists(nested, max_size=4).map(tuple)


def exactly(condition: Condition | Predicate) -> object:
    """A condition as something that is equal only to the same, NaN and the sign of zero included."""
    match condition:
        case tuple():
            return [exactly(one) for one in condition]
        case AllOf(conditions) | AnyOf(conditions):
            return (type(condition), exactly(conditions))
        case Comparison(column, operator, value):
            return (column, operator, _exactly(pa.array([value], value.type)))
        case OneOf(column, listed):
            return (column, "in", _exactly(listed))
    return condition


def _exactly(found: pa.Array) -> tuple[pa.DataType, str]:
    plain = found.cast(pa.int64()) if pt.is_timestamp(found.type) else found
    return (found.type, repr(plain.to_pylist()))


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_predicate_is_what_it_was_after_it_was_text(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    predicate = data.draw(predicates_on(schema).filter(lambda found: all(can_say(schema, one) for one in found)))
    assert exactly(predicate_of(schema, text_of(schema, predicate))) == exactly(predicate)


def test_the_text_is_for_people_as_well():
    schema = TABLES["segments"].readable
    predicate = (
        Comparison(("start_ns",), ">=", pa.scalar(5)),
        OneOf(("flow_id",), pa.array(["a", "b"])),
        AnyOf((Is(("timerange",), "NULL"), Constant(False))),
    )
    text = '[["start_ns",">=",5],["flow_id","in",["a","b"]],{"any":[["timerange","is","null"],false]}]'
    assert text_of(schema, predicate) == text


# --- what is not said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param(Comparison(("key",), "=", pa.scalar(5, pa.int8())), True, id="an-integer-of-another-width"),
        pytest.param(Comparison(("key",), "<", pa.scalar(1.5)), False, id="a-fraction-of-an-integer"),
        pytest.param(Comparison(("rate",), "<", pa.scalar(2**60)), False, id="an-integer-for-a-float"),
        pytest.param(Comparison(("key",), "=", pa.scalar("5")), False, id="text-for-an-integer"),
        pytest.param(Comparison(("key",), "=", pa.scalar(None, pa.int64())), False, id="null"),
        pytest.param(Comparison(("seen",), "=", pa.scalar(datetime(2024, 1, 1))), False, id="a-time-without-a-zone"),  # noqa: DTZ001
        pytest.param(
            Comparison(
                ("seen",), "=", pa.scalar(datetime(2024, 1, 1, tzinfo=timezone.utc), EVERY_KIND.field("seen").type)
            ),
            True,
            id="a-time",
        ),
        pytest.param(
            Comparison(("seen",), "<", pa.scalar(2**63 - 1).cast(EVERY_KIND.field("seen").type)),
            False,
            id="a-time-that-no-calendar-has",
        ),
        pytest.param(OneOf(("terms",), pa.array([[1]])), False, id="lists"),
        pytest.param(Is(("terms",), "NULL"), True, id="null-list"),
        pytest.param(Is(("key",), "NAN"), False, id="an-integer-that-is-nan"),
        pytest.param(Comparison(("terms", "x"), "=", pa.scalar(1)), False, id="a-field-inside-a-column"),
        pytest.param(AnyOf((Is(("key",), "NULL"), OneOf(("terms",), pa.array([[1]])))), False, id="a-part-of-several"),
        pytest.param(AnyOf((Is(("key",), "NULL"),) * MOST_CONDITIONS), False, id="too-many"),
    ],
)
def test_what_cannot_be_said_exactly_is_not_said(condition, expected):
    assert can_say(EVERY_KIND, condition) is expected


def test_conditions_in_conditions_are_said_so_deep_as_they_are_read():
    condition: Condition = Constant(True)
    while can_say(EVERY_KIND, condition):
        predicate_of(EVERY_KIND, text_of(EVERY_KIND, (condition,)))
        condition = AnyOf((condition,))
    with pytest.raises(InvalidFilter, match="levels deep"):
        predicate_of(EVERY_KIND, text_of(EVERY_KIND, (condition,)))


# --- what is no filter -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("", "filter", id="nothing"),
        pytest.param("key=5", "filter", id="no-json"),
        pytest.param("[" * 20_000, "filter", id="brackets"),
        pytest.param(f"[{' ' * MOST_CHARACTERS}]", "filter", id="too-long"),
        pytest.param("[NaN]", "filter", id="json-of-python"),
        pytest.param(r'[["label", "=", "\ud800"]]', "filter", id="half-a-character"),
        pytest.param(json.dumps([True] * (MOST_CONDITIONS + 1)), "filter", id="too-many-conditions"),
        pytest.param("{}", "filter", id="an-object"),
        pytest.param("null", "filter", id="null"),
        pytest.param('["key", "=", 5]', "filter.0", id="a-condition-that-is-in-no-list"),
        pytest.param('[["key", "="]]', "filter.0", id="no-value"),
        pytest.param('[["key", "=", 5, 6]]', "filter.0", id="a-value-too-many"),
        pytest.param('[true, {"none": []}]', "filter.1", id="no-such-connective"),
        pytest.param('[{"any": [true], "all": [true]}]', "filter.0", id="two-connectives"),
        pytest.param('[{"any": []}]', "filter.0.any", id="any-of-nothing"),
        pytest.param('[{"any": true}]', "filter.0.any", id="any-of-no-list"),
        pytest.param('[{"any": [true, {"all": [1]}]}]', "filter.0.any.1.all.0", id="inside-others"),
        pytest.param('[["absent", "=", 5]]', "filter.0.0", id="no-such-column"),
        pytest.param('[["key", "like", 5]]', "filter.0.1", id="no-such-operator"),
        pytest.param('[["key", "=", "5"]]', "filter.0.2", id="text-for-an-integer"),
        pytest.param('[["key", "=", true]]', "filter.0.2", id="a-truth-value-for-an-integer"),
        pytest.param('[["key", "=", 5.0]]', "filter.0.2", id="a-float-for-an-integer"),
        pytest.param('[["key", "=", 9223372036854775808]]', "filter.0.2", id="above-int64"),
        pytest.param('[["key", "=", -9223372036854775809]]', "filter.0.2", id="below-int64"),
        pytest.param('[["small", "=", 128]]', "filter.0.2", id="above-int8"),
        pytest.param('[["key", "=", null]]', "filter.0.2", id="null-is-equal-to-nothing"),
        pytest.param('[["label", "=", 5]]', "filter.0.2", id="an-integer-for-text"),
        pytest.param('[["live", "=", 1]]', "filter.0.2", id="an-integer-for-a-truth-value"),
        pytest.param('[["rate", "=", "nan"]]', "filter.0.2", id="text-for-a-float"),
        pytest.param('[["rate", "=", 9007199254740993]]', "filter.0.2", id="an-integer-that-no-float-is"),
        pytest.param('[["seen", "=", "2024-01-01"]]', "filter.0.2", id="a-date-as-text"),
        pytest.param('[["seen", "=", 9223372036854775807]]', "filter.0.2", id="a-time-that-no-calendar-has"),
        pytest.param('[["terms", "=", [1]]]', "filter.0.2", id="a-list"),
        pytest.param('[["key", "in", 5]]', "filter.0.2", id="in-no-list"),
        pytest.param('[["key", "in", [5, "6"]]]', "filter.0.2.1", id="a-value-of-a-list"),
        pytest.param('[["key", "is", "absent"]]', "filter.0.2", id="no-such-state"),
        pytest.param('[["key", "is", ["null"]]]', "filter.0.2", id="a-state-that-is-no-text"),
        pytest.param('[["key", "is", "nan"]]', "filter.0.2", id="an-integer-that-is-nan"),
    ],
)
def test_what_is_no_filter_is_refused_by_the_part_at_fault(text, place):
    with pytest.raises(InvalidFilter) as refused:
        predicate_of(EVERY_KIND, text)
    assert refused.value.place == place
    assert str(refused.value).startswith(f"{place}: ")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(LEAVES, lambda of: st.lists(of) | st.dictionaries(st.sampled_from(["any", "all"]), of))


@given(said=JSON)
def test_any_json_is_a_filter_or_refused_as_one(said: object) -> None:
    with suppress(InvalidFilter):
        assert isinstance(predicate_of(EVERY_KIND, json.dumps(said)), tuple)
