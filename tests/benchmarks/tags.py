"""Lists of many flows by tag."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.queries import flows as queries
from tests.benchmarks.dataset import CREATED_NS, flow_id
from tests.benchmarks.report import Figure, interleaved_ms

GENRES = ("news", "sport", "drama", "music", "children")


def filters(count: int) -> Iterator[Figure]:
    """A page of 30 of many flows by a tag that a fifth of them have, by one that a few have, and unfiltered."""
    database = DuckDB(None)
    database.create_tables()
    for first in range(0, count, 100_000):
        with database.transaction() as transaction:
            transaction.insert(schema.FLOWS, _flows(range(first, first + 100_000)))
    common, rare = [schema.tag_term("genre", "news")], [schema.tag_term("job", "job 4711")]

    def page(term: list[int]) -> object:
        return lambda _: database.read(queries.page, {"any_tags": (term,)}, limit=31)

    common_ms, rare_ms, plain_ms = interleaved_ms(
        page(common), page(rare), lambda _: database.read(queries.page, limit=31), rounds=20, warm=3
    )
    database.close()
    for name, ms in (("a fifth of them", common_ms), ("a few of them", rare_ms)):
        figure = f"{count:,} flows by a tag of {name}"
        yield Figure(figure, ms, "ms", "no filter", plain_ms, "at most 50 ms", ms <= 50)


def _flows(numbers: range) -> pa.Table:
    rows = []
    genres = np.random.default_rng(numbers.start).integers(0, len(GENRES), len(numbers))
    for number, genre in zip(numbers, genres, strict=True):
        tags = {"genre": GENRES[genre], "site": f"site {number % 200}", "job": f"job {number % 50_000}"}
        rows.append(
            {
                "id": flow_id(number),
                "source_id": flow_id(number),
                "format": "urn:x-nmos:format:video",
                "label": f"flow {number}",
                "tags": json.dumps(tags),
                "tag_terms": schema.tag_terms(tags),
                "metadata_version": "1",
                "created_ns": CREATED_NS + number,
                "metadata_updated_ns": CREATED_NS + number,
            }
        )
    return schema.FLOWS.rows(rows)
