"""Any sequence of commands leaves a store that agrees with a plain model of it, and in which everything adds up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tams_data import schema
from tams_data.engines.base import Database
from tams_data.errors import FlowNotFound, FlowReadOnly, ObjectConflict, SegmentOverlap, TamsDataError
from tams_data.store.discards import Orphan
from tams_data.timerange import TimeRange
from tests.tams_data.builders import (
    BACKEND,
    Commands,
    Row,
    clear,
    flow,
    fragmented_flow,
    gaps_between,
    rows_of,
    segment,
)

FLOWS = st.sampled_from(["f", "g", "i"])
"""i uses initialisation objects."""

MEDIA, INITIALISATION = ("a", "b", "c", "d"), ("x", "y")
OBJECTS, INITS = st.sampled_from(MEDIA), st.sampled_from(INITIALISATION)
STARTS, LENGTHS = st.integers(0, 24), st.integers(1, 4)
SELDOM = st.integers(0, 5).map(lambda n: n == 5)

Segment = tuple[str, int, int, str]
"""Flow, start, end, object."""


@dataclass
class Model:
    """What the store should hold, in sets and dictionaries."""

    flows: dict[str, bool] = field(default_factory=dict)  # id: whether it is read-only
    allocated: dict[str, str] = field(default_factory=dict)  # object: the flow it is meant for
    sizes: dict[str, int] = field(default_factory=dict)  # of uploads and of objects
    objects: dict[str, str | None] = field(default_factory=dict)  # object: the initialisation object it needs
    inits: set[str] = field(default_factory=set)
    segments: set[Segment] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)  # objects whose bytes are still to be deleted

    def free(self) -> list[str]:
        """The ids that can be allocated."""
        taken = {*self.allocated, *self.objects, *self.inits, *self.discarded}
        return [one for one in (*MEDIA, *INITIALISATION) if one not in taken]

    def usable(self) -> list[tuple[str, str, str | None]]:
        """Flows that take segments, each with an object it can use and the initialisation object to say with it."""
        probes = [(name, one, init) for name in self.flows for one in MEDIA for init in (None, *INITIALISATION)]
        return [probe for probe in probes if self.refusal((probe[0], 10**6, 10**6 + 1, probe[1]), probe[2]) is None]

    def refusal(self, new: Segment, init: str | None) -> type[TamsDataError] | None:
        """Why a segment cannot be added, when it cannot."""
        flow_id, start, end, name = new
        if init is not None:
            usable = init in self.inits or self.allocated.get(init) == flow_id
            if flow_id != "i" or not usable or init == name:
                return ObjectConflict
        if name in self.inits:
            return ObjectConflict
        if name in self.objects:
            if init is not None and self.objects[name] != init:
                return ObjectConflict
        elif self.allocated.get(name) != flow_id or (flow_id == "i" and init is None):
            return ObjectConflict
        overlaps = any(one[0] == flow_id and start < one[2] and one[1] < end for one in self.segments)
        return SegmentOverlap if overlaps and new not in self.segments else None

    def add(self, new: Segment, init: str | None) -> None:
        self.segments.add(new)
        if init is not None and init not in self.inits:
            self.inits.add(init)
            del self.allocated[init]
        if new[3] not in self.objects:
            self.objects[new[3]] = init
            del self.allocated[new[3]]

    def delete(self, gone: set[Segment]) -> set[str]:
        """The objects that nothing refers to any more."""
        self.segments -= gone
        used = {one[3] for one in self.segments}
        # Only what a deleted segment used can have lost its last use.
        orphans = {name for name in {one[3] for one in gone} if name not in used}
        needed = {init for name, init in self.objects.items() if name not in orphans}
        orphans |= {init for name in orphans if (init := self.objects[name]) is not None and init not in needed}
        self.objects = {name: init for name, init in self.objects.items() if name not in orphans}
        self.inits -= orphans
        for name in orphans:
            self.sizes.pop(name, None)
        self.discarded |= orphans
        return orphans


class StoreMachine(RuleBasedStateMachine):
    """Drives the commands of a store and a model of it with the same steps."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        clear(database)
        self.database, self.commands, self.model = database, Commands(database), Model()
        self.read: dict[str, list[Row]] = {}  # tables read since the last command
        self.sources = {name: name.upper() for name in "fgi"}

    def outcome(self, command, *args, **kwargs):
        """What a command returns, or the class of its error."""
        self.read.clear()
        try:
            return command(*args, **kwargs)
        except TamsDataError as error:
            return type(error)

    @initialize(owners=st.lists(st.sampled_from("fgii"), min_size=6, max_size=6))
    def begin(self, owners: list[str]) -> None:
        """Every flow is there, and every object allocated: most commands have something to do from the first on."""
        for name in "fgi":
            self.put_flow(name, read_only=False)
        for one, owner in zip((*MEDIA, *INITIALISATION), owners, strict=True):
            self.try_to_allocate(owner, [one])

    @rule(name=FLOWS, read_only=SELDOM)
    def put_flow(self, name: str, read_only: bool) -> None:
        build = fragmented_flow if name == "i" else flow
        made = self.outcome(self.commands.put_flow, build(id=name, source_id=self.sources[name], read_only=read_only))
        if self.model.flows.get(name) and read_only:
            assert made is FlowReadOnly
        else:
            assert made is (name not in self.model.flows)
            self.model.flows[name] = read_only

    @precondition(lambda self: self.model.free())
    @rule(name=FLOWS, data=st.data())
    def allocate(self, name: str, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(self.model.free()), min_size=1, max_size=3, unique=True))
        self.try_to_allocate(name, ids)

    @rule(name=FLOWS, ids=st.lists(OBJECTS | INITS, min_size=1, max_size=3))
    def try_to_allocate(self, name: str, ids: list[str]) -> None:
        made = self.outcome(self.commands.allocate, name, *ids)
        if (expected := self.flow_refusal(name)) is not None:
            assert made is expected
        elif len(set(ids)) < len(ids) or not set(ids) <= set(self.model.free()):
            assert made is ObjectConflict
        else:
            assert [one.object_id for one in made] == ids
            self.model.allocated |= dict.fromkeys(ids, name)

    @rule(name=OBJECTS | INITS, size=st.integers(0, 9))
    def record_upload(self, name: str, size: int) -> None:
        made = self.outcome(self.commands.record_upload, name, size)
        if name in self.model.allocated:
            assert made is None
            self.model.sizes[name] = size
        else:
            assert made is ObjectConflict

    @precondition(lambda self: self.model.usable())
    @rule(data=st.data(), wanted=st.lists(st.tuples(STARTS, LENGTHS), min_size=1, max_size=3))
    def add_segments(self, data: st.DataObject, wanted: list[tuple[int, int]]) -> None:
        name, one, init = data.draw(st.sampled_from(self.model.usable()))
        self.try_to_add_segments(name, [(*when, one, init) for when in wanted])

    @rule(
        name=FLOWS,
        wanted=st.lists(st.tuples(STARTS, LENGTHS, OBJECTS | INITS, st.none() | INITS), min_size=1, max_size=3),
    )
    def try_to_add_segments(self, name: str, wanted: list[tuple[int, int, str, str | None]]) -> None:
        whole = TimeRange.eternity()  # objects hold any time, so that any segment may use them
        new = [
            segment(one, start, start + length, init_object_id=init, object_timerange=whole)
            for start, length, one, init in wanted
        ]
        made = self.outcome(self.commands.add, name, *new)
        if (expected := self.flow_refusal(name)) is not None:
            assert made is expected
            return
        for (start, length, one, init), verdict in zip(wanted, made, strict=True):
            placed = (name, start, start + length, one)
            refusal = self.model.refusal(placed, init)
            assert (verdict and type(verdict)) == refusal
            if refusal is None:
                self.model.add(placed, init)

    @precondition(lambda self: self.model.segments)
    @rule(data=st.data(), of_object=st.booleans())
    def delete_a_segment(self, data: st.DataObject, of_object: bool) -> None:
        name, start, end, one = data.draw(st.sampled_from(sorted(self.model.segments)))
        self.delete_segments(name, start, end - start, one if of_object else None)

    @rule(name=FLOWS, start=STARTS, length=st.integers(1, 30), one=st.none() | OBJECTS)
    def delete_segments(self, name: str, start: int, length: int, one: str | None) -> None:
        made = self.outcome(self.commands.delete, name, TimeRange(start, start + length), one)
        if (expected := self.flow_refusal(name)) is not None:
            assert made is expected
            return
        inside = {s for s in self.model.segments if s[0] == name and start <= s[1] and s[2] <= start + length}
        orphans = self.model.delete({s for s in inside if one in (None, s[3])})
        assert Counter(orphan.object_id for orphan in made) == Counter(orphans)

    @precondition(lambda self: len(self.model.segments) > 3)
    @rule(name=FLOWS)
    def delete_flow(self, name: str) -> None:
        made = self.outcome(self.commands.delete_flow, name)
        if (expected := self.flow_refusal(name)) is not None:
            assert made is expected
            return
        orphans = self.model.delete({s for s in self.model.segments if s[0] == name})
        released = {one for one, meant_for in self.model.allocated.items() if meant_for == name}
        for one in released:
            del self.model.allocated[one]
            self.model.sizes.pop(one, None)
        del self.model.flows[name]
        self.model.discarded |= released
        assert Counter(orphan.object_id for orphan in made) == Counter(orphans | released)

    @precondition(lambda self: self.model.discarded)
    @rule(data=st.data())
    def sweep(self, data: st.DataObject) -> None:
        """Bytes are deleted, and their ids are free again."""
        gone = data.draw(st.sets(st.sampled_from(sorted(self.model.discarded)), min_size=1))
        self.outcome(self.commands.forget, *(Orphan(one, BACKEND) for one in gone))
        self.model.discarded -= gone

    def flow_refusal(self, name: str) -> type[TamsDataError] | None:
        if name not in self.model.flows:
            return FlowNotFound
        return FlowReadOnly if self.model.flows[name] else None

    # --- what always holds -------------------------------------------------------------------------------------------

    def rows(self, table: schema.Table) -> list[Row]:
        if table.name not in self.read:
            self.read[table.name] = rows_of(self.database, table)
        return self.read[table.name]

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        model, ids = self.model, {row["key"]: row["id"] for row in self.rows(schema.OBJECTS)}
        assert {row["id"]: bool(row["read_only"]) for row in self.rows(schema.FLOWS)} == model.flows
        assert {row["id"] for row in self.rows(schema.SOURCES)} == {self.sources[name] for name in model.flows}
        placed = [(r["flow_id"], r["start_ns"], r["end_ns"], ids[r["object_key"]]) for r in self.rows(schema.SEGMENTS)]
        assert sorted(placed) == sorted(model.segments)
        assert {row["object_id"] for row in self.rows(schema.DISCARDED_BYTES)} == model.discarded
        allocations = self.rows(schema.STORAGE_ALLOCATIONS)
        assert {row["object_id"]: row["flow_id"] for row in allocations} == model.allocated
        found = {row["id"]: row for row in self.rows(schema.OBJECTS)}
        assert {one for one, row in found.items() if row["is_init"]} == model.inits
        needs = {one: ids.get(row["init_object_key"]) for one, row in found.items() if not row["is_init"]}
        assert needs == model.objects
        sizes = {row["id"]: row["size_bytes"] for row in found.values()}
        sizes |= {row["object_id"]: row["size_bytes"] for row in allocations}
        assert {one: size for one, size in sizes.items() if size is not None} == model.sizes

    @invariant()
    def segments_of_a_flow_do_not_overlap(self) -> None:
        rows = self.rows(schema.SEGMENTS)  # in order of flow and start
        for one, following in pairwise(rows):
            assert one["flow_id"] != following["flow_id"] or one["end_ns"] <= following["start_ns"]

    @invariant()
    def timelines_are_what_the_segments_add_up_to(self) -> None:
        sizes = {row["key"]: row["size_bytes"] or 0 for row in self.rows(schema.OBJECTS)}
        segments = self.rows(schema.SEGMENTS)
        for row in self.rows(schema.FLOW_TIMELINES):
            of_flow = [one for one in segments if one["flow_id"] == row["flow_id"]]
            assert row["start_ns"] == min((one["start_ns"] for one in of_flow), default=None)
            assert row["end_ns"] == max((one["end_ns"] for one in of_flow), default=None)
            assert row["segment_count"] == len(of_flow)
            assert row["covered_ns"] == sum(one["end_ns"] - one["start_ns"] for one in of_flow)
            assert row["size_bytes"] == sum(sizes[one["object_key"]] for one in of_flow)
            assert row["longest_ns"] >= max((one["end_ns"] - one["start_ns"] for one in of_flow), default=0)
        assert [row["flow_id"] for row in self.rows(schema.FLOW_TIMELINES)] == sorted(self.model.flows)

    @invariant()
    def gaps_are_what_the_segments_leave(self) -> None:
        assert self.rows(schema.FLOW_GAPS) == gaps_between(self.rows(schema.SEGMENTS))

    @invariant()
    def every_object_is_referred_to_and_has_its_instance_and_no_allocation(self) -> None:
        found = self.rows(schema.OBJECTS)
        used = {row["object_key"] for row in self.rows(schema.SEGMENTS)}
        needed = {row["init_object_key"] for row in found if row["init_object_key"] is not None}
        assert {row["key"] for row in found if not row["is_init"]} == used
        assert {row["key"] for row in found if row["is_init"]} == needed
        assert [row["object_key"] for row in self.rows(schema.OBJECT_INSTANCES)] == [row["key"] for row in found]
        assert {row["object_key"] for row in self.rows(schema.STORAGE_ALLOCATIONS)}.isdisjoint(used | needed)


def test_a_store_agrees_with_its_model_after_every_command(database):
    run_state_machine_as_test(
        lambda: StoreMachine(database), settings=settings(max_examples=20, stateful_step_count=25, deadline=None)
    )
