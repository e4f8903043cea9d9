"""What somebody knows of a store who has read its events and nothing else."""

from __future__ import annotations

from typing import Any

from tams_data.timerange import TimeRange

DERIVED = {"collected_by", "source_collection", "segments_updated"}
"""What is shown of a resource and follows from others, so that it changes without an event of its own."""

Segments = set[tuple[int, int, str]]


class Replica:
    """What a receiver of events makes of them."""

    def __init__(self) -> None:
        self.flows: dict[str, Any] = {}
        self.sources: dict[str, Any] = {}
        self.segments: dict[str, Segments] = {}

    def hear(self, event_type: str, event: Any) -> None:
        match event_type:
            case "flows/created":
                assert event["flow"]["id"] not in self.flows
                self.flows[event["flow"]["id"]] = shown(event["flow"])
                self.segments[event["flow"]["id"]] = set()
            case "flows/updated":
                assert event["flow"]["id"] in self.flows
                self.flows[event["flow"]["id"]] = shown(event["flow"])
            case "flows/deleted":
                del self.flows[event["flow_id"]]
                assert self.segments.pop(event["flow_id"]) == set(), "their deletion is told first"
            case "sources/created" | "sources/updated":
                assert (event["source"]["id"] in self.sources) == (event_type == "sources/updated")
                self.sources[event["source"]["id"]] = shown(event["source"])
            case "sources/deleted":
                del self.sources[event["source_id"]]
            case "flows/segments_added":
                self._add(self.segments[event["flow_id"]], event["segments"])
            case "flows/segments_deleted":
                self._delete(self.segments[event["flow_id"]], TimeRange.parse(event["timerange"]))

    def _add(self, there: Segments, added: list[Any]) -> None:
        ranges = [TimeRange.parse(one["timerange"]) for one in added]
        new = {(at.start_ns, at.end_ns, one["object_id"]) for at, one in zip(ranges, added, strict=True)}
        assert len(new) == len(added)
        assert there.isdisjoint(new)
        there |= new

    def _delete(self, there: Segments, timerange: TimeRange) -> None:
        """TAMS 8.2: at both of its ends is a segment that is deleted."""
        gone = {one for one in there if timerange.start_ns <= one[0] and one[1] <= timerange.end_ns}
        assert min(one[0] for one in gone) == timerange.start_ns
        assert max(one[1] for one in gone) == timerange.end_ns
        there -= gone


def shown(resource: Any) -> Any:
    return {name: value for name, value in resource.items() if name not in DERIVED}
