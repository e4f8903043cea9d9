"""The schema describes every column once, and its terms and hashes are what filters and look-ups rely on."""

from __future__ import annotations

import json

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data import schema
from tams_data.schema import TABLES, Column, Table, id_hash, tag_term, tag_terms
from tests.tams_data.builders import Commands, flow, insert, rows_of

EVERY_TABLE = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
TEXTS = st.text(max_size=4)


# --- tables ----------------------------------------------------------------------------------------------------------


@EVERY_TABLE
def test_a_table_and_its_columns_are_described(table):
    assert table.description
    assert [column.name for column in table.columns if not column.description] == []


@EVERY_TABLE
def test_column_names_are_distinct(table):
    assert len(set(table.names)) == len(table.columns)


@EVERY_TABLE
def test_key_order_and_indexes_name_columns(table):
    assert table.key
    assert table.order
    assert {*table.key, *table.order, *table.indexed} <= set(table.names)


@EVERY_TABLE
def test_key_and_order_are_never_null(table):
    nullable = {column.name for column in table.columns if column.nullable}
    assert nullable.isdisjoint({*table.key, *table.order})


@EVERY_TABLE
def test_times_are_whole_nanoseconds(table):
    assert {str(column.type) for column in table.columns if column.name.endswith("_ns")} <= {"int64"}


@EVERY_TABLE
def test_the_arrow_schema_says_what_the_table_says(table):
    assert table.arrow.names == list(table.names)
    for column, field in zip(table.columns, table.arrow, strict=True):
        assert (field.type, field.nullable) == (column.type, column.nullable)
        assert field.metadata == {b"description": column.description.encode()}
    assert table.arrow.metadata == {b"description": table.description.encode()}


@EVERY_TABLE
def test_the_ibis_schema_has_the_same_types(table):
    assert table.ibis == ibis.Schema.from_pyarrow(table.arrow)
    assert table.ibis.names == table.names


def test_tables_are_found_by_their_names():
    assert [table.name for table in TABLES.values()] == list(TABLES)


TOY = Table(
    "toys",
    "For tests.",
    (Column("id", pa.string(), "Id"), Column("n", pa.int64(), "Number"), Column("note", pa.string(), "Note", True)),
    key=("id",),
    order=("n",),
)


def test_rows_become_a_table_in_which_a_missing_value_is_null():
    table = TOY.rows(
        [{"n": 1, "id": "a"}, {"id": "b", "n": 2, "note": "x", "other": 3}, {"id": "c", "n": 3, "other": 4}]
    )
    assert table.schema.equals(TOY.arrow, check_metadata=True)
    assert table.to_pylist() == [
        {"id": "a", "n": 1, "note": None},
        {"id": "b", "n": 2, "note": "x"},
        {"id": "c", "n": 3, "note": None},
    ]


def test_no_rows_become_a_table_without_rows():
    assert TOY.rows([]).schema.equals(TOY.arrow)
    assert TOY.rows([]).num_rows == 0


def test_records_become_the_same_table_as_rows():
    records = [TOY.record(id="a", n=1, note=None), TOY.record("b", 2, "x")]
    assert TOY.records(records).equals(TOY.rows([{"id": "a", "n": 1}, {"id": "b", "n": 2, "note": "x"}]))


def test_a_part_has_the_columns_asked_for_and_keys_those_of_the_key():
    rows = [{"id": "a", "n": 1, "note": "x"}]
    assert TOY.part(("note", "id"), rows).to_pylist() == [{"note": "x", "id": "a"}]
    assert TOY.keys(rows).to_pylist() == [{"id": "a"}]
    assert TOY.keys([]).schema.names == ["id"]


# --- tables in an engine ---------------------------------------------------------------------------------------------

EXAMPLES = {
    pa.string(): ["", "a'b\"c", "ä\N{GRINNING FACE}"],
    pa.int64(): [0, -(2**63), 2**63 - 1],
    pa.bool_(): [False, True, False],
    pa.list_(pa.field("item", pa.int64(), nullable=False)): [[], [7], [-(2**63), 2**63 - 1]],
}


@EVERY_TABLE
def test_an_engine_has_the_columns_of_the_schema(database, table):
    found = database.ibis().table(table.name).schema()
    # Not what may be null: engines cannot say it of a list's items.
    assert [(name, str(kind).replace("!", "")) for name, kind in found.items()] == [
        (name, str(kind).replace("!", "")) for name, kind in table.ibis.items()
    ]


@EVERY_TABLE
def test_an_engine_gives_back_every_kind_of_value_that_it_was_given(database, table):
    full = [{c.name: EXAMPLES[c.type][i] for c in table.columns} for i in range(3)]
    bare = {c.name: None if c.nullable else EXAMPLES[c.type][0] for c in table.columns}
    before = rows_of(database, table)
    with database.transaction() as transaction:
        insert(transaction, table, *full, bare)
    by_text = sorted([*before, *full, bare], key=repr)
    assert sorted(rows_of(database, table), key=repr) == by_text


# --- terms and hashes ------------------------------------------------------------------------------------------------


def test_a_tag_is_found_by_its_name_and_by_each_of_its_values():
    terms = tag_terms({"genre": ["news", "live"], "site": "london"})
    expected = [tag_term("genre"), tag_term("genre", "news"), tag_term("genre", "live")]
    assert terms == [*expected, tag_term("site"), tag_term("site", "london")]


@pytest.mark.parametrize(
    ("tags", "terms"),
    [
        pytest.param({}, [], id="no-tags"),
        pytest.param({"a": []}, [tag_term("a")], id="no-values"),
        pytest.param({"a": ""}, [tag_term("a"), tag_term("a", "")], id="an-empty-value"),
        pytest.param({"": "a"}, [tag_term(""), tag_term("", "a")], id="an-empty-name"),
    ],
)
def test_tags_at_the_edge_have_terms_like_any_other(tags, terms):
    assert tag_terms(tags) == terms


def test_a_value_and_a_list_of_it_have_equal_terms_and_different_text(database):
    commands, one, listed = Commands(database), flow(tags={"a": "b"}), flow(tags={"a": ["b"]})
    commands.put_flow(one)
    commands.put_flow(listed)
    found = {row["id"]: row for row in rows_of(database, schema.FLOWS)}
    assert found[one["id"]]["tag_terms"] == found[listed["id"]]["tag_terms"]
    assert [json.loads(found[f["id"]]["tags"]) for f in (one, listed)] == [{"a": "b"}, {"a": ["b"]}]


@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=2, max_size=2, unique=True))
def test_different_tags_have_different_terms(tags):
    (name, value), (other, other_value) = tags
    assert tag_term(name, value) != tag_term(other, other_value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("ab", "c"), ("a", "bc"), id="moved-boundary"),
        pytest.param(("a", ""), ("a", None), id="empty-value-or-none"),
        pytest.param(("a1:b", None), ("a", "b"), id="a-name-that-imitates-the-separator"),
        pytest.param(("", "a"), ("a", ""), id="name-for-value"),
    ],
)
def test_names_and_values_cannot_be_confused_by_joining_them(one, other):
    assert tag_term(*one) != tag_term(*other)


@given(st.text(st.characters()))  # lone surrogates too: JSON can spell them
def test_terms_and_hashes_of_any_text_are_int64(text):
    for number in (tag_term(text), tag_term("name", text), id_hash(text)):
        assert -(2**63) <= number < 2**63


@given(st.lists(TEXTS, min_size=2, max_size=2, unique=True))
def test_different_object_ids_have_different_hashes(ids):
    assert id_hash(ids[0]) != id_hash(ids[1])


def test_terms_and_hashes_stay_what_stores_were_written_with():
    """They are in every row that was ever written: to change them is to change `schema.VERSION`."""
    assert schema.VERSION == 5
    assert tag_term("genre") == -6476067266550438045
    assert tag_term("genre", "news") == 5500723770340474539
    assert id_hash("object-1") == -3935123486477708002
