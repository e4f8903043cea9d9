"""The keys of media objects, which nothing else may ever have had in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count

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

    def __init__(self, take: Callable[[], Iterable[int]]) -> None:
        """`take` gives keys that nobody else has, at least one; when it fails, it is asked again for the next key."""
        self._take = take
        self._keys: Iterator[int] = iter(())

    def __call__(self) -> int:
        key = next(self._keys, None)
        if key is None:
            self._keys = iter(self._take())
            key = next(self._keys)
        return key

    @classmethod
    def of(cls, database: Database) -> KeySequence:
        """Continues after the highest key in the store, or after the last block that was taken."""
        if not database.sole_writer:
            return cls(partial(_block, database))
        last = database.read(queries.last_key)["key"][0].as_py()
        return cls(partial(count, 1 if last is None else last + 1))


def _block(database: Database) -> range:
    first = 1 + BLOCK * retried(lambda: _take(database))
    return range(first, first + BLOCK)


def reserve_known(database: Database, transaction: Transaction) -> None:
    """See that no key in the store is given out again, after rows came into it past its commands."""
    if database.sole_writer:
        return  # see `KeySequence.of`
    (row,) = transaction.rows(lock_queries.blocks)
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
        (row,) = transaction.rows(lock_queries.blocks)
        number: int = row["number"]
        taken = schema.WRITE_LOCKS.rows([{**row, "number": number + 1}])
        transaction.update(schema.WRITE_LOCKS, taken)
    return number
