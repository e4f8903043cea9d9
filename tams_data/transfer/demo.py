"""A demonstration: two cameras, a proxy and an edit, a minute each, made up and put into a store through its API.

Both cameras were on the same scene from 10:00:00 to 10:01:00 UTC on 1 January 2026, and the clock in their pictures is
that time of day: what the picture shows is where it lies on the timeline. The edit has a timeline of its own, which
begins at 0:0. It has no objects of its own: its segments are the cameras' objects, some of them in part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from tams_data.client import TamsClient
from tams_data.errors import RequestFailed
from tams_data.essence import synth
from tams_data.essence.codecs import MULTI_FORMAT
from tams_data.formatting import count_of
from tams_data.timerange import NS_PER_SECOND, TimeRange, format_timestamp, parse_timestamp, tai_from_utc
from tams_data.transfer.ids import derived_id
from tams_data.transfer.ingest import IngestPlan, ingest

START = datetime(2026, 1, 1, 10, tzinfo=timezone.utc)
SECONDS = 60
SEGMENT_SECONDS = 4

_TAGS = {"demo": "bouncing ball"}


@dataclass(frozen=True, slots=True)
class Shot:
    """What the edit takes of a camera: seconds since the start of the recording. Cuts are at key frames, 2 s apart."""

    camera: str
    from_s: int
    to_s: int


SHOTS = (
    Shot("A", 0, 8),
    Shot("B", 8, 14),
    Shot("A", 14, 20),
    Shot("B", 22, 28),
    Shot("A", 32, 40),
    Shot("B", 40, 46),
    Shot("A", 50, 60),
)

EDIT_ID = derived_id("demo edit", "multi")
"""The edit: picture and sound together."""

OnStep: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoFlow:
    """A flow of the demonstration. `timerange` is where its media lies; a collection has that of its members."""

    id: str
    label: str
    format: str
    timerange: TimeRange


@dataclass(frozen=True, slots=True)
class _Programme:
    """Ids of what a camera or the edit consists of; the keys are the roles in the collection."""

    multi_id: str
    flow_ids: Mapping[str, str]


def is_complete(client: TamsClient) -> bool:
    """Whether the demonstration is in the store, to its end: the edit is made last."""
    flow = client.find_flow(EDIT_ID)
    return flow is not None and flow.get("status") == "closed_complete"


def make(client: TamsClient, step: OnStep | None = None, *, size: tuple[int, int] = (960, 540)) -> list[DemoFlow]:
    """Make the demonstration, or what is missing of it, and return its flows.

    `step` is told what is being done. `size` is that of the cameras' pictures. `RequestFailed` when the service refuses
    or is gone; doing it again goes on where this stopped.
    """
    tell = step or (lambda _: None)
    if not is_complete(client):
        with TemporaryDirectory(prefix="tams-demo-") as folder:
            tell("recording two cameras")
            _record(Path(folder), *size)
            cameras = _ingest_all(client, Path(folder), tell)
        tell("editing")
        _make_edit(client, cameras)
    return list(_shown(client))


# --- recording -------------------------------------------------------------------------------------------------------


def _record(folder: Path, width: int, height: int) -> None:
    take = synth.Take(seconds=SECONDS, clock_s=START.hour * 3600 + START.minute * 60 + START.second)
    proxy = synth.Rendition(folder / "proxy.mp4", width // 4 * 2, height // 4 * 2, crf=30, audio=False)
    with ThreadPoolExecutor(2) as pool:
        a = pool.submit(synth.record, synth.CAMERA_A, take, synth.Rendition(folder / "a.mp4", width, height), proxy)
        b = pool.submit(synth.record, synth.CAMERA_B, take, synth.Rendition(folder / "b.mp4", width, height))
        a.result()
        b.result()


def _ingest_all(client: TamsClient, folder: Path, tell: OnStep) -> dict[str, _Programme]:
    cameras: dict[str, _Programme] = {}
    for name, shows in (("A", "The whole scene"), ("B", "The ball from near")):
        tell(f"ingesting camera {name}")
        plan = _plan(
            f"camera {name}", label=f"Camera {name}", description=f"{shows}, {SECONDS} s from {START:%H:%M} UTC"
        )
        report = ingest(client, folder / f"{name.lower()}.mp4", plan)
        video, audio = report.flow_ids
        cameras[name] = _Programme(report.multi_id or "", {"video": video, "audio": audio})
    tell("ingesting the proxy of camera A")
    camera_a: Mapping[str, Any] = client.find_flow(cameras["A"].flow_ids["video"]) or {}
    proxy = _plan(
        "proxy A",
        label="Camera A proxy",
        description="The video of camera A, small: another flow of the same source",
        source_ids={0: camera_a["source_id"]},
        generation=1,
        tags={**_TAGS, "input_quality": "web"},
    )
    ingest(client, folder / "proxy.mp4", proxy)
    return cameras


def _plan(name: str, **more: Any) -> IngestPlan:
    # The ids do not follow from the media here: another version of the encoder makes other bytes.
    settings: dict[str, Any] = {"generation": 0, "tags": {**_TAGS, "input_quality": "contribution"}, **more}
    return IngestPlan(
        identity=f"demo {name}",
        start_ns=tai_from_utc(START),
        length_ns=SEGMENT_SECONDS * NS_PER_SECOND,
        **settings,
    )


# --- editing ---------------------------------------------------------------------------------------------------------


def _edit() -> _Programme:
    roles = ("video", "audio")
    return _Programme(EDIT_ID, {role: derived_id("demo edit", role) for role in roles})


def _make_edit(client: TamsClient, cameras: Mapping[str, _Programme]) -> None:
    edit = _edit()
    for role, flow_id in edit.flow_ids.items():
        like: Mapping[str, Any] = client.find_flow(cameras["A"].flow_ids[role]) or {}
        _put_edit_flow(client, role, flow_id, like, "ingesting")
        _register(client, flow_id, list(_segments(client, cameras, role)))
        _put_edit_flow(client, role, flow_id, like, "closed_complete")
    members = [{"id": flow_id, "role": role} for role, flow_id in edit.flow_ids.items()]
    client.put_flow(
        {
            "id": edit.multi_id,
            "source_id": derived_id("demo edit", "source", "multi"),
            "label": "Edit",
            "description": "Cuts between both cameras, made of their objects: no media was copied",
            "format": MULTI_FORMAT,
            "generation": 0,
            "status": "closed_complete",
            "tags": _TAGS,
            "flow_collection": members,
        }
    )


def _put_edit_flow(client: TamsClient, role: str, flow_id: str, like: Mapping[str, Any], status: str) -> None:
    technical = ("format", "codec", "container", "essence_parameters", "avg_bit_rate", "max_bit_rate")
    client.put_flow(
        {
            **{name: like[name] for name in technical if name in like},
            "id": flow_id,
            "source_id": derived_id("demo edit", "source", role),
            "label": f"Edit {role}",
            "generation": 0,
            "status": status,
            "tags": _TAGS,
        }
    )


def _register(client: TamsClient, flow_id: str, segments: list[dict[str, Any]]) -> None:
    failed = client.register(flow_id, segments)
    if failed:
        raise RequestFailed(f"refused of the edit: {count_of(len(failed), 'segment')}; the first: {failed[0].reason}")


def _segments(client: TamsClient, cameras: Mapping[str, _Programme], role: str) -> Iterator[dict[str, Any]]:
    """Yield the edit's segments: for each shot the parts of the camera's segments in it, moved to the edit's time."""
    place_ns = 0
    for shot in SHOTS:
        taken = TimeRange(shot.from_s * NS_PER_SECOND, shot.to_s * NS_PER_SECOND).shift(tai_from_utc(START))
        by_ns = place_ns - taken.start_ns
        for segment in client.segments(cameras[shot.camera].flow_ids[role], taken, urls=False):
            yield _moved(segment, taken, by_ns)
        place_ns += taken.end_ns - taken.start_ns


def _moved(segment: Mapping[str, Any], taken: TimeRange, by_ns: int) -> dict[str, Any]:
    # No object_timerange and no key_frame_count: those belong to the object, which is registered (TAMS 8.2).
    part = TimeRange.parse(segment["timerange"]).intersection(taken)
    offset_ns = parse_timestamp(segment.get("ts_offset", "0:0"))
    return {
        "object_id": segment["object_id"],
        "timerange": str(part.shift(by_ns)),
        "ts_offset": format_timestamp(offset_ns + by_ns),
    }


# --- telling ---------------------------------------------------------------------------------------------------------


def _shown(client: TamsClient) -> Iterator[DemoFlow]:
    """Yield the flows of the demonstration, collections first."""
    found = sorted(client.flows(**{"tag.demo": _TAGS["demo"]}), key=lambda f: (f["format"] != MULTI_FORMAT, f["label"]))
    ranges = {flow["id"]: _timerange(client, flow["id"]) for flow in found}
    for flow in found:
        timerange = ranges[flow["id"]]
        for member in flow.get("flow_collection") or ():
            timerange = timerange.extend(ranges.get(member["id"], TimeRange.never()))
        yield DemoFlow(flow["id"], flow["label"], flow["format"], timerange)


def _timerange(client: TamsClient, flow_id: str) -> TimeRange:
    flow = client.find_flow(flow_id, include_timerange=True)
    return TimeRange.parse(flow.get("timerange", "()") if flow else "()")
