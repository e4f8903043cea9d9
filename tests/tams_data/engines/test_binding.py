"""A query is compiled with placeholders, and each call binds its own values to them."""

from __future__ import annotations

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.engines import binding
from tams_data.engines.binding import LIST_SIZES, Bind, Many, parameters, placeholders, relations, signature

SCALARS = st.integers(-(2**63), 2**63 - 1) | st.text()
LISTS = st.lists(st.integers(), min_size=1, max_size=40) | st.lists(st.text(), min_size=1, max_size=40)
VALUES = st.recursive(SCALARS | LISTS, lambda inner: st.lists(inner, min_size=1, max_size=3).map(tuple), max_leaves=4)


def names_of(placeheld: object) -> list[str]:
    """The names of all placeholders in a value's place."""
    if isinstance(placeheld, tuple):
        return [name for one in placeheld for name in names_of(one)]
    return [placeheld.op().ident]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(7, {"v": 7}, id="number"),
        pytest.param("x", {"v": "x"}, id="text"),
        pytest.param([7], {"v_0": 7}, id="list-of-one"),
        pytest.param(["a", "b"], {"v_0": "a", "v_1": "b", **{f"v_{i}": "a" for i in range(2, 8)}}, id="padded-list"),
        pytest.param((7, "x"), {"v_0": 7, "v_1": "x"}, id="tuple"),
        pytest.param((7, (8, 9)), {"v_0": 7, "v_1_0": 8, "v_1_1": 9}, id="nested-tuple"),
        pytest.param(((1,), [2]), {"v_0_0": 1, "v_1_0": 2}, id="list-in-a-tuple"),
        pytest.param(pa.table({"a": [1]}), {}, id="table"),
    ],
)
def test_values_become_named_parameters(value, expected):
    assert parameters({"v": value}) == expected


@given(VALUES)
def test_every_placeholder_has_its_parameter_and_no_other_is_sent(value):
    """Engines refuse a query with one too many as well as with one too few."""
    names = names_of(placeholders("v", signature(value)))
    assert sorted(names) == sorted(parameters({"v": value}))
    assert len(set(names)) == len(names)


@given(st.lists(st.integers(), min_size=1, max_size=LIST_SIZES[-1]))
def test_a_list_is_padded_with_what_is_in_it(values):
    sent = list(parameters({"v": values}).values())
    assert sent[: len(values)] == values
    assert set(sent) == set(values)
    assert len(sent) in LIST_SIZES


@pytest.mark.parametrize(
    ("length", "size"), [(1, 1), (2, 8), (8, 8), (9, 32), (32, 32), (33, 128), (128, 128), (129, 512), (512, 512)]
)
def test_lists_of_many_lengths_share_a_few_shapes(length, size):
    assert signature(list(range(length))) == Many(int, size)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(1, 2, True, id="numbers"),
        pytest.param("a", "b", True, id="texts"),
        pytest.param(1, "1", False, id="number-and-text"),
        pytest.param([1, 2], [3, 4, 5], True, id="lists-of-one-size"),
        pytest.param([1], [1, 2], False, id="lists-of-two-sizes"),
        pytest.param([1, 2], ["1", "2"], False, id="lists-of-two-types"),
        pytest.param((1, "a"), (2, "b"), True, id="tuples"),
        pytest.param((1, "a"), ("a", 1), False, id="tuples-the-other-way-round"),
        pytest.param((1,), (1, 1), False, id="tuples-of-two-lengths"),
        pytest.param(pa.table({"a": [1]}), pa.table({"a": [2, 3]}), True, id="tables-of-one-schema"),
        pytest.param(pa.table({"a": [1]}), pa.table({"b": [1]}), False, id="tables-of-two-schemas"),
    ],
)
def test_values_of_one_shape_share_one_compiled_query(one, other, same):
    assert (signature(one) == signature(other)) is same
    assert (hash(signature(one)) == hash(signature(other))) is same


@pytest.mark.parametrize(("value", "kind"), [(7, "int64"), ("x", "string")])
def test_a_placeholder_has_the_type_of_its_value(value, kind):
    placeholder = placeholders("v", signature(value))
    assert isinstance(placeholder.op(), Bind)
    assert placeholder.type() == ibis.dtype(kind)


def test_a_table_among_the_values_is_a_table_of_that_name_in_the_query():
    hashes = pa.table({"id_hash": pa.array([1], pa.int64())})
    held = placeholders("hashes", signature(hashes))
    assert (held.get_name(), held.schema()) == ("hashes", ibis.schema({"id_hash": "int64"}))
    assert relations({"hashes": hashes, "key": 1}) == {"hashes": hashes}


def test_a_dropped_column_is_not_in_the_text_of_the_query():
    """Many columns of which one is dropped is where ibis's own compiler says `*`."""
    t = ibis.table(dict.fromkeys("abcdefgh", "int64"), name="t")
    sql = binding.BindCompiler().to_sqlglot(t.drop("c")).sql(dialect="duckdb")
    assert '"c"' not in sql
    assert "*" not in sql


def test_the_text_of_a_query_holds_names_in_the_place_of_values():
    t = ibis.table({"n": "int64", "name": "string"}, name="t")
    n, name = placeholders("n", int), placeholders("name", str)
    sql = binding.BindCompiler().to_sqlglot(t.filter(t.n == n, t.name == name)).sql(dialect="duckdb")
    assert '"n" = $n' in sql
    assert '"name" = $name' in sql
