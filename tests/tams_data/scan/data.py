"""Tables with every kind of column that the store has, and a few more, and every value that is easily got wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import pyarrow as pa

ROWS = 400
_START = datetime(2024, 2, 28, 23, 59, tzinfo=timezone.utc)


SCHEMA = pa.schema(
    [
        pa.field("key", pa.int64(), nullable=False),
        pa.field("flow", pa.string(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("label", pa.string()),
        pa.field("live", pa.bool_()),
        pa.field("terms", pa.list_(pa.int64())),
        pa.field("rate", pa.float64()),
        pa.field("seen", pa.timestamp("us", "UTC")),
        pa.field("small", pa.int8()),
    ]
)


def _some(values: Sequence[object]) -> list[object]:
    """The values, one in ten of them null."""
    chance = random.Random(len(values))
    return [None if chance.random() < 0.1 else one for one in values]


def _rows(seed: int, count: int) -> pa.Table:
    chance = random.Random(seed)
    sizes = [0, 1, -1, 2**63 - 1, -(2**63), 500]
    labels = ["", "a", "abc", "abd", "ü", "日本", "%_"]
    floats = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.5, -2.25]
    terms = [[chance.randrange(5) for _ in range(chance.randrange(4))] for _ in range(count)]
    columns = {
        "key": chance.sample(range(ROWS), count),
        "flow": [f"flow-{chance.randrange(8)}" for _ in range(count)],
        "start": sorted(chance.randrange(10_000) for _ in range(count)),
        "size": _some(chance.choices(sizes, k=count)),
        "label": _some(chance.choices(labels, k=count)),
        "live": _some(chance.choices([True, False], k=count)),
        "terms": _some(terms),
        "rate": _some(chance.choices(floats, k=count)),
        "seen": _some([_START + timedelta(seconds=chance.randrange(200)) for _ in range(count)]),
        "small": _some([chance.randrange(-128, 128) for _ in range(count)]),
    }
    return pa.table(columns, SCHEMA)


TABLES = {"things": _rows(1, ROWS), "others": _rows(2, 60), "nothing": _rows(3, 0)}
