"""Who has read every event knows what is in the store."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tams_data import schema
from tams_data.engines.base import Database
from tams_data.errors import TamsDataError
from tams_data.media.urls import ObjectUrls, UrlChoice
from tams_data.resources import flows_of, sources_of
from tams_data.store.events import body_of
from tams_data.store.outbox import Sequencer, events_after
from tams_data.store.reading import flow_rows
from tams_data.timerange import TimeRange
from tests.tams_data.builders import Commands, clear, flow, on_one_database, rows_of, segment, uncontrolled
from tests.tams_data.store.replica import Replica, Segments, shown

FLOWS = "abc"

ID = st.sampled_from(FLOWS)
SPAN = st.tuples(st.integers(0, 20), st.integers(1, 6))
COMMAND = st.one_of(
    st.tuples(st.just("put"), ID, st.sampled_from("st"), st.none() | st.sampled_from("xy"), st.lists(ID, max_size=2)),
    st.tuples(st.just("label"), ID, st.none() | st.sampled_from("xy")),
    st.tuples(st.just("source"), st.sampled_from("st"), st.sampled_from("xy")),
    st.tuples(st.just("add"), ID, st.lists(SPAN, min_size=1, max_size=4)),
    st.tuples(st.just("append"), ID, st.integers(1, 3)),
    st.tuples(st.just("again"), ID, SPAN),
    st.tuples(st.just("delete"), ID, SPAN),
    st.tuples(st.just("delete object"), ID),
    st.tuples(st.just("delete flow"), ID),
)


class Storm:
    """Commands, some of which are refused. At first there are the flow a, and in it the object 1-0."""

    def __init__(self, database: Database) -> None:
        self.commands = Commands(database)
        self.objects = 0
        self.put("a", "s", None, [])
        self.add("a", [(0, 1)])

    def do(self, name: str, id_: str, *given: Any) -> None:
        getattr(self, name.replace(" ", "_"))(id_, *given)

    def put(self, id_: str, source: str, label: str | None, members: list[str]) -> None:
        collection = [{"id": one} for one in members]
        self.commands.put_flow(flow(id=id_, source_id=source, label=label, flow_collection=collection))

    def label(self, id_: str, label: str | None) -> None:
        self.commands.change_flow(id_, label=label)

    def source(self, id_: str, label: str) -> None:
        self.commands.change_source(id_, label=label)

    def add(self, id_: str, spans: list[tuple[int, int]]) -> None:
        self.objects += 1
        new = [uncontrolled(f"{self.objects}-{i}", at, at + length) for i, (at, length) in enumerate(spans)]
        self.commands.add(id_, *new)

    def append(self, id_: str, count: int) -> None:
        self.objects += 1
        ids = [f"{self.objects}-{i}" for i in range(count)]
        self.commands.allocate(id_, *ids)
        row = flow_rows(self.commands.database, [id_])[id_]
        end_ns = row["end_ns"] or 0
        self.commands.add(id_, *(segment(one, end_ns + i, end_ns + i + 1) for i, one in enumerate(ids)))

    def again(self, id_: str, span: tuple[int, int]) -> None:
        """Use an object once more, of whatever flow."""
        self.commands.add(id_, segment("1-0", span[0], span[0] + 1, ts_offset_ns=span[0]))

    def delete(self, id_: str, span: tuple[int, int]) -> None:
        self.commands.delete(id_, TimeRange(span[0], span[0] + span[1] * 3))

    def delete_object(self, id_: str) -> None:
        self.commands.delete(id_, TimeRange.eternity(), "1-0")

    def delete_flow(self, id_: str) -> None:
        self.commands.delete_flow(id_)


BETWEEN = [("again", "a", (10, 1)), ("add", "a", [(5, 2)]), ("delete object", "a")]
"""Between two segments of a deleted object is another, which stays."""


@on_one_database
@example(commands=BETWEEN)
@given(commands=st.lists(COMMAND, max_size=15))
def test_events_replayed_give_the_same_store(database: Database, commands: list[Any]) -> None:
    clear(database)
    storm, replica = Storm(database), Replica()
    for command in commands:
        with suppress(TamsDataError, KeyError):
            storm.do(*command)
    Sequencer(database, sequenced=lambda: None).step()
    urls = ObjectUrls({}, UrlChoice(labels=frozenset()), base_url="")
    for event in events_after(database, 0, limit=10_000):
        body = json.loads(body_of(database, event, get_urls=urls.get_urls, with_object_timerange=False))
        replica.hear(body["event_type"], body["event"])
    flows = list(flow_rows(database, list(FLOWS)).values())
    assert replica.flows == {one["id"]: shown(one) for one in flows_of(database, flows)}
    sources = rows_of(database, schema.SOURCES)
    assert replica.sources == {one["id"]: shown(one) for one in sources_of(database, sources)}
    ids = {row["key"]: row["id"] for row in rows_of(database, schema.OBJECTS)}
    there: dict[str, Segments] = {one["id"]: set() for one in flows}
    for row in rows_of(database, schema.SEGMENTS):
        there[row["flow_id"]].add((row["start_ns"], row["end_ns"], ids[row["object_key"]]))
    assert replica.segments == there
