"""Arrow's types as VAST has them, and what DuckDB keeps in their place.

DuckDB has no type for some of them (seconds of a day, half floats) and rounds others (nanoseconds of a day), so times
are kept as the integers that they are in Arrow. The two forms share their buffers, whatever they are nested in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tests.vast_emulator.errors import BadRequest

LARGEST_FIXED_LIST = 100_000
"""Values in one: DuckDB's limit, where VAST's own is not known."""

Path = tuple[int, ...]
"""The way from a column to one leaf of its type: the number of the child at each level that has several."""

_SQL_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
}


def check_supported(column: pa.Field) -> None:
    """Accept the types that VAST has.

    :raise BadRequest: TabularUnsupportedColumnType, or TabularInvalidColumnTypeParam for an empty fixed-size list
    """
    if pa.types.is_fixed_size_list(column.type):
        _check_fixed_list(column)
        return
    for child in _children(column.type):
        check_supported(child)
    if not pa.types.is_nested(column.type):
        sql_type(column.type)


def _check_fixed_list(column: pa.Field) -> None:
    if column.type.list_size == 0:
        raise BadRequest(f"{column} has no values", code="TabularInvalidColumnTypeParam")
    value = column.type.value_field
    scalar = not pa.types.is_nested(value.type) and value.type not in (pa.string(), pa.bool_(), pa.binary())
    if value.nullable or not scalar or column.type.list_size > LARGEST_FIXED_LIST:
        raise BadRequest(f"{column} is not supported", code="TabularUnsupportedColumnType")


def _children(arrow_type: pa.DataType) -> list[pa.Field]:
    if pa.types.is_map(arrow_type):
        return [arrow_type.key_field, arrow_type.item_field]
    if pa.types.is_struct(arrow_type) or pa.types.is_list(arrow_type) or pa.types.is_fixed_size_list(arrow_type):
        return [arrow_type.field(number) for number in range(arrow_type.num_fields)]
    return []


def storage_type(arrow_type: pa.DataType) -> pa.DataType:
    """Return the Arrow type of what DuckDB keeps for a column of `arrow_type`."""
    if pa.types.is_temporal(arrow_type):
        return pa.int32() if arrow_type.bit_width == 32 else pa.int64()
    if pa.types.is_float16(arrow_type):
        return pa.float32()
    if pa.types.is_fixed_size_binary(arrow_type) and not pa.types.is_decimal(arrow_type):
        return pa.binary()
    children = [child.with_type(storage_type(child.type)) for child in _children(arrow_type)]
    return _with_children(arrow_type, children) if children else arrow_type


def _with_children(arrow_type: pa.DataType, children: list[pa.Field]) -> pa.DataType:
    if pa.types.is_map(arrow_type):
        return pa.map_(children[0], children[1])
    if pa.types.is_struct(arrow_type):
        return pa.struct(children)
    if pa.types.is_fixed_size_list(arrow_type):
        return pa.list_(children[0], arrow_type.list_size)
    return pa.list_(children[0])


def sql_type(arrow_type: pa.DataType) -> str:
    """Return DuckDB's name for the type that it keeps for `arrow_type`.

    :raise BadRequest: TabularUnsupportedColumnType
    """
    kept = storage_type(arrow_type)
    if kept in _SQL_NAMES:
        return _SQL_NAMES[kept]
    if pa.types.is_decimal128(kept):
        return f"DECIMAL({kept.precision}, {kept.scale})"
    inside = [sql_type(child.type) for child in _children(kept)]
    if pa.types.is_map(kept):
        return f"MAP({', '.join(inside)})"
    if pa.types.is_struct(kept):
        return f"STRUCT({', '.join(f'{quoted(f.name)} {name}' for f, name in zip(kept, inside, strict=True))})"
    if pa.types.is_fixed_size_list(kept):
        return f"{inside[0]}[{kept.list_size}]"
    if pa.types.is_list(kept):
        return f"{inside[0]}[]"
    raise BadRequest(f"{arrow_type} is not supported", code="TabularUnsupportedColumnType")


def quoted(name: str) -> str:
    """Return `name` as an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def leaves(arrow_type: pa.DataType) -> Iterator[Path]:
    """Yield the path of each leaf, in the order in which the SDK counts them."""
    children = _children(arrow_type)
    if not children:
        yield ()
    for number, child in enumerate(children):
        yield from ((number, *rest) for rest in leaves(child.type))


def stored(array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    """Return a column as it came, of `arrow_type`, in the form in which DuckDB keeps it."""
    return _retyped(array, storage_type(arrow_type))


def _retyped(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return the same values as another type; the buffers are shared where the two types lay them out alike."""
    if array.type == target:
        return array
    if not pa.types.is_nested(target):
        return _retyped_leaf(array, target)
    children = [_retyped(child, wanted.type) for child, wanted in zip(_arrays(array), _children(target), strict=True)]
    if pa.types.is_map(target):
        children = [pa.StructArray.from_arrays(children, fields=_children(target))]
    return pa.Array.from_buffers(target, len(array), _own_buffers(array), children=children)


def _retyped_leaf(array: pa.Array, target: pa.DataType) -> pa.Array:
    same_layout = pa.types.is_temporal(target) or pa.types.is_temporal(array.type)
    if not same_layout:
        return array.cast(target)
    return pa.Array.from_buffers(target, len(array), array.buffers(), offset=array.offset)


def _arrays(array: pa.Array) -> list[pa.Array]:
    if pa.types.is_map(array.type):
        return [array.keys, array.items]
    if pa.types.is_struct(array.type):
        return [array.field(number) for number in range(array.type.num_fields)]
    return [array.values]


def _own_buffers(array: pa.Array) -> list[pa.Buffer | None]:
    """Return the buffers of the outermost level: validity, and offsets where lists differ in length.

    `array` starts where its buffers do, as what comes from DuckDB or from a message does.
    """
    return array.buffers()[: array.type.num_buffers]


def one_leaf(array: pa.Array, arrow_type: pa.DataType, path: Path) -> pa.Array:
    """Return a column from DuckDB as `arrow_type`, cut down to one leaf.

    VAST sends every leaf by itself, with the levels above it: Struct<A, B> as Struct<A> and Struct<B>, and a map as
    two lists of structs, one of keys and one of values.
    """
    if not path:
        return _retyped(array, arrow_type)
    number, *rest = path
    wanted = _children(arrow_type)[number]
    child = one_leaf(_arrays(array)[number], wanted.type, tuple(rest))
    field = wanted.with_type(child.type)
    if pa.types.is_map(arrow_type):
        child = pa.StructArray.from_arrays([child], fields=[field])
        kept = pa.list_(pa.field("entries", child.type, nullable=False))
    else:
        kept = _with_children(arrow_type, [field])
    return pa.Array.from_buffers(kept, len(array), _own_buffers(array), children=[child])
