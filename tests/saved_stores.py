"""Small stores of each schema version, as the software of that version wrote them: what is to be brought forward.

`python -m tests.saved_stores` saves one of the present version, and is run once, when a version is new: later software
would write another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tams_data import schema
from tams_data.engines.duckdb import DuckDB
from tams_data.engines.vast import Vast
from tams_data.queries.locks import ALONE, BLOCKS, EVENTS
from tams_data.timerange import TimeRange
from tests import vast_engine
from tests.tams_data.builders import (
    MULTI,
    Commands,
    everything,
    flow,
    fragmented_flow,
    insert,
    segment,
    uncontrolled,
)

FOLDER = Path(__file__).parent / "tams_data" / "saved"

_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "list<item: int64 not null>": pa.list_(pa.field("item", pa.int64(), nullable=False)),
}


@dataclass(frozen=True)
class Saved:
    """A saved store."""

    version: int
    tables: Mapping[str, pa.Table]
    keys: Mapping[str, list[str]]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table, in order of its key."""
        rows: list[dict[str, Any]] = self.tables[name].to_pylist()
        return sorted(rows, key=lambda row: [row[column] for column in self.keys[name]])

    def in_duckdb(self, path: Path) -> DuckDB:
        """This store in a file, as the software of its version left it."""
        with duckdb.connect(str(path)) as connection:
            for name, rows in self.tables.items():
                columns = ", ".join(f'"{one.name}" {_ddl(one)}' for one in rows.schema)
                connection.execute(f'CREATE TABLE "{name}" ({columns})')
                connection.execute(f'INSERT INTO "{name}" SELECT * FROM rows')
        return DuckDB(path)

    def in_vast(self, schema_name: str) -> Vast:
        """This store in a schema of the emulator."""
        database = Vast(vast_engine.settings(schema_name))
        with database._begun() as transaction:
            place = transaction.bucket(vast_engine.BUCKET).create_schema(schema_name)
            for name, rows in self.tables.items():
                table = place.create_table(name, rows.schema, sorting_key=self.keys[name])
                if rows.num_rows:
                    table.insert(rows)
            # as it has been since there are stores in VAST, one block of keys is taken; since there are events, their
            # last sequence is noted
            numbers = {BLOCKS: 1}
            if "events" in self.tables:
                numbers[EVENTS] = max(self.tables["events"]["sequence"].to_pylist(), default=0)
            slots = range(1 + max(ALONE, *numbers))
            locks = schema.WRITE_LOCKS.rows({"slot": slot, "number": numbers.get(slot, 0)} for slot in slots)
            place.create_table(schema.WRITE_LOCKS.name, locks.schema, sorting_key=["slot"]).insert(locks)
        return database


def saved() -> Iterator[Saved]:
    """Every saved store, the oldest first."""
    for path in sorted(FOLDER.glob("version-*.json"), key=lambda one: int(one.stem.rpartition("-")[2])):
        said = json.loads(path.read_text())
        tables = {name: _table(table) for name, table in said["tables"].items()}
        yield Saved(said["version"], tables, {name: table["key"] for name, table in said["tables"].items()})


def _table(said: Mapping[str, Any]) -> pa.Table:
    fields = [pa.field(name, _TYPES[kind], nullable) for name, kind, nullable in said["columns"]]
    rows = [dict(zip([field.name for field in fields], row, strict=True)) for row in said["rows"]]
    return pa.Table.from_pylist(rows, pa.schema(fields))


def _ddl(field: pa.Field) -> str:
    kinds = {"string": "VARCHAR", "int64": "BIGINT", "bool": "BOOLEAN"}
    return kinds.get(str(field.type), "BIGINT[]") + ("" if field.nullable else " NOT NULL")


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def _present() -> dict[str, Any]:
    """A store of the present version, as JSON has it."""
    database = DuckDB(None)
    database.create_tables()
    commands = Commands(database)
    essence = {"frame_width": 1920, "frame_height": 1080}
    tags = {"genre": ["news", "live"], "site": "x"}
    commands.put_flow(flow(id=_id(1), source_id=_id(11), label="Camera", tags=tags, essence_parameters=essence))
    commands.put_flow(fragmented_flow(id=_id(2), source_id=_id(12)))
    collected = [{"id": _id(1), "role": "video"}]
    commands.put_flow({"id": _id(3), "source_id": _id(13), "format": MULTI, "flow_collection": collected})
    commands.allocate(_id(1), "o1", "o2", "spare")
    commands.allocate(_id(2), "init", "o3")
    commands.record_upload("o1", 1000)
    of_camera = [segment("o1", 0, 10), segment("o2", 10, 20), segment("o1", 30, 35, ts_offset_ns=30)]
    commands.add(_id(1), *of_camera, uncontrolled("o4", 40, 50))
    commands.add(_id(2), segment("o3", 0, 10, init_object_id="init"))
    commands.delete(_id(1), TimeRange(10, 20))
    commands.describe_service(name="kept")
    with database.transaction() as transaction:
        accesses = {"object_key": 1, "media_gets": 2, "urls_given": 3, "last_ns": 4}
        insert(transaction, schema.OBJECT_ACCESSES, accesses)
    rows = everything(database)
    rows[schema.SCHEMA_VERSIONS.name] = [{"version": schema.VERSION, "applied_ns": 1}]
    return {name: _described(table, rows[name]) for name, table in schema.TABLES.items()}


def _described(table: schema.Table, rows: list[dict[str, Any]]) -> dict[str, Any]:
    columns = [[one.name, str(one.type), one.nullable] for one in table.columns]
    return {"key": table.key, "columns": columns, "rows": [[row[name] for name in table.names] for row in rows]}


def _text(version: int, tables: Mapping[str, Any]) -> str:
    """JSON with a line for each column and each row."""

    def lines(values: list[Any]) -> str:
        return ",\n".join(f"   {json.dumps(one)}" for one in values)

    parts = (
        f' {json.dumps(name)}: {{"key": {json.dumps(table["key"])}, "columns": [\n{lines(table["columns"])}\n  ],'
        f' "rows": [\n{lines(table["rows"])}\n  ]}}'
        for name, table in tables.items()
    )
    return f'{{"version": {version}, "tables": {{\n' + ",\n".join(parts) + "\n}}\n"


if __name__ == "__main__":
    place = FOLDER / f"version-{schema.VERSION}.json"
    if place.exists():
        raise SystemExit(f"{place} is there already")
    place.write_text(_text(schema.VERSION, _present()))
