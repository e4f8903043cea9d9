"""The keys of media objects, which nothing else may ever have had in the store."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count

from tams_data import schema
from tams_data.engines.base import Database, Reader, Transaction
from tams_data.engines.retrying import retried
from tams_data.queries import locks as lock_queries
from tams_data.queries import objects as queries

BLOCK = 1024
"""Keys that one of several writers takes for itself at a time."""


class KeySequence:
    """Gives out object keys in ascending order. One writer uses it.

    Several writers take blocks of keys, each its own. The keys of each ascend, and those of all ascend with time but
    for what is left of older blocks: objects that came together are together in `objects`, and no more rests on it.
    """

    def __init__(self, keys: Iterator[int]) -> None:
        self._keys = keys

    def __call__(self) -> int:
        return next(self._keys)

    @classmethod
    def of(cls, database: Database) -> KeySequence:
        """Continues after the highest key in the store, or after the last block that was taken."""
        if not database.sole_writer:
            return cls(chain.from_iterable(_blocks(database)))
        last = database.read(queries.last_key)["key"][0].as_py()
        return cls(count(1 if last is None else last + 1))


def _blocks(database: Database) -> Iterator[range]:
    while True:
        first = 1 + BLOCK * retried(lambda: _take(database))
        yield range(first, first + BLOCK)


def reserve_known(database: Database, transaction: Transaction) -> None:
    """See that no key in the store is given out again, after rows came into it past its commands."""
    if database.sole_writer:
        return  # see `KeySequence.of`
    (row,) = transaction.read(lock_queries.blocks).to_pylist()
    needed = blocks_needed(transaction)
    if row["number"] < needed:
        transaction.update(schema.WRITE_LOCKS, schema.WRITE_LOCKS.rows([{**row, "number": needed}]))


def blocks_needed(reader: Reader) -> int:
    """How many blocks have the keys in the store."""
    last = reader.read(queries.last_key)["key"][0].as_py()
    return 0 if last is None else -(-last // BLOCK)


def _take(database: Database) -> int:
    """The number of a block that nobody has, and nobody else gets."""
    with database.transaction() as transaction:
        (row,) = transaction.read(lock_queries.blocks).to_pylist()
        number: int = row["number"]
        taken = schema.WRITE_LOCKS.rows([{**row, "number": number + 1}])
        transaction.update(schema.WRITE_LOCKS, taken)
    return number
