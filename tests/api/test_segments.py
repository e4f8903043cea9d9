"""`/flows/{id}/segments`: which objects hold a flow between two instants."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tams_data.settings import Settings
from tams_data.store.store import Store
from tams_data.timerange import TimeRange
from tests.api.backends import STORAGE_IDS
from tests.api.builders import Json, audio_flow, fragmented_flow, multi_flow, new_id, video_flow
from tests.api.client import CheckedClient, as_list, as_object, client_of, next_url
from tests.api.specification import EXAMPLES, needs_specification

UNCONTROLLED = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]


def outside(object_id: str, timerange: str, **members: Any) -> Json:
    """A segment whose object is outside the service's storage: nothing has to be allocated."""
    return {"object_id": object_id, "timerange": timerange, "get_urls": UNCONTROLLED, **members}


def post(client: CheckedClient, flow_id: str, *segments: Json) -> tuple[int, str | None]:
    """The status of registering one or several segments, and the parameter that is at fault."""
    response = client.post(f"/flows/{flow_id}/segments", json=segments[0] if len(segments) == 1 else segments)
    return response.status_code, as_object(response).get("field") if response.data else None


def extent(client: CheckedClient, flow_id: str) -> str:
    """The time range of a flow, as its timeline has it."""
    timerange: str = as_object(client.get(f"/flows/{flow_id}?include_timerange=true"))["timerange"]
    return timerange


@pytest.fixture
def flow(client: CheckedClient) -> str:
    """The id of a video flow."""
    flow_id: str = client.create_flow(video_flow())["id"]
    return flow_id


@pytest.fixture
def shared_flow(shared_client: CheckedClient) -> str:
    """The id of a flow of the test's own in a store that is not: object ids must be the test's own, too."""
    flow_id: str = shared_client.create_flow(video_flow())["id"]
    return flow_id


@pytest.fixture(scope="module")
def empty(shared_client: CheckedClient) -> str:
    """The id of a flow that stays without segments."""
    flow_id: str = shared_client.create_flow(video_flow())["id"]
    return flow_id


# --- registering -----------------------------------------------------------------------------------------------------


def test_segment_is_shown_as_it_was_registered(client: CheckedClient, flow: str) -> None:
    (object_id,) = client.allocate(flow)
    segment = {
        "object_id": object_id,
        "timerange": "[100:0_110:0)",
        "ts_offset": "100:0",
        "object_timerange": "[0:0_12:0)",
        "last_duration": "0:40000000",
        "sample_offset": 1,
        "sample_count": 250,
        "key_frame_count": 10,
    }
    response = client.post(f"/flows/{flow}/segments", json=segment)
    assert (response.status_code, response.data) == (201, b"")
    (shown,) = client.segments(flow, include_object_timerange="true", accept_get_urls="")
    assert shown == segment


def test_segment_has_only_what_was_said_of_it(client: CheckedClient, flow: str) -> None:
    (object_id,) = client.add(flow, "[0:0_10:0)")
    assert client.segments(flow, accept_get_urls="") == [{"object_id": object_id, "timerange": "[0:0_10:0)"}]


def test_segments_of_an_array_are_all_registered(client: CheckedClient, flow: str) -> None:
    object_ids = client.add(flow, "[20:0_30:0)", "[0:0_10:0)", "[10:0_20:0)")
    shown = [(one["object_id"], one["timerange"]) for one in client.segments(flow)]
    assert shown == [(object_ids[1], "[0:0_10:0)"), (object_ids[2], "[10:0_20:0)"), (object_ids[0], "[20:0_30:0)")]


@pytest.mark.parametrize("count", [0, 1])
def test_array_may_have_few_segments(client: CheckedClient, flow: str, count: int) -> None:
    segments = [outside("a", "[0:0_1:0)")] * count
    assert client.post(f"/flows/{flow}/segments", json=segments).status_code == 201
    assert len(client.segments(flow)) == count


def test_array_may_not_have_too_many_segments(store: Store, settings: Settings) -> None:
    client = client_of(store, settings.model_copy(update={"max_segments": 3}))
    flow_id = client.create_flow(video_flow())["id"]
    segments = [outside(f"{i}", f"[{i}:0_{i + 1}:0)") for i in range(4)]
    assert post(client, flow_id, *segments) == (400, "body")
    assert client.segments(flow_id) == []
    assert post(client, flow_id, *segments[:3]) == (201, None)


@pytest.mark.parametrize(
    "timerange",
    [
        pytest.param("[0:0_10:0)", id="canonical"),
        pytest.param("[0:0_10:0]", id="end inclusive"),
        pytest.param("(0:0_10:0)", id="start exclusive"),
        pytest.param("(0:0_10:0]", id="both turned round"),
        pytest.param("0:0_10:0", id="without markers"),
        pytest.param("[0:0_10:0", id="without an end marker"),
        pytest.param("[5:0]", id="an instant"),
        pytest.param("5:0", id="a bare instant"),
        pytest.param("[5:0_5:0]", id="an instant in full"),
        pytest.param("[5:0_5:1)", id="one nanosecond"),
        pytest.param("[-10:5_-0:1)", id="before the epoch"),
        pytest.param("[-9223372036:0_0:0)", id="nearly three centuries"),
        pytest.param("[-0:0_10:0)", id="a negative zero"),
    ],
)
def test_text_of_a_time_range_is_kept(shared_client: CheckedClient, shared_flow: str, timerange: str) -> None:
    shared_client.register(shared_flow, outside(f"{shared_flow}/a", timerange))
    (shown,) = shared_client.segments(shared_flow, include_object_timerange="true")
    assert shown["timerange"] == timerange
    shared_client.delete(f"/flows/{shared_flow}/segments")
    shared_client.register(shared_flow, outside(f"{shared_flow}/b", timerange, object_timerange=timerange))
    (shown,) = shared_client.segments(shared_flow, include_object_timerange="true")
    assert shown["object_timerange"] == timerange
    assert as_object(shared_client.get_object(f"{shared_flow}/b"))["timerange"] == timerange


@pytest.mark.parametrize(
    ("members", "field"),
    [
        pytest.param({"object_id": None}, "object_id", id="no object"),
        pytest.param({"object_id": ""}, "object_id", id="empty object id"),
        pytest.param({"object_id": "x" * 4097}, "object_id", id="endless object id"),
        pytest.param({"object_id": 5}, "object_id", id="object id is a number"),
        pytest.param({"timerange": None}, "timerange", id="no time range"),
        pytest.param({"timerange": 5}, "timerange", id="time range is a number"),
        pytest.param({"timerange": "0:0-10:0"}, "timerange", id="no time range text"),
        pytest.param({"timerange": "[0:0_10:0) "}, "timerange", id="space behind"),
        pytest.param({"timerange": "[0:0_10:0)\n"}, "timerange", id="line end behind"),
        pytest.param({"timerange": "[0:01_10:0)"}, "timerange", id="leading zero"),
        pytest.param({"timerange": "[\u0660:0_10:0)"}, "timerange", id="digits of another script"),
        pytest.param({"timerange": "[10:0_0:0)"}, "timerange", id="ends before it starts"),
        pytest.param({"timerange": "(5:0)"}, "timerange", id="exclusive instant"),
        pytest.param({"timerange": "[0:0_10000000000:0)"}, "timerange", id="beyond 64 bits"),
        pytest.param({"timerange": "()"}, "timerange", id="never"),
        pytest.param({"timerange": ""}, "timerange", id="empty text"),
        pytest.param({"timerange": "[5:0_5:0)"}, "timerange", id="holds nothing"),
        pytest.param({"timerange": "_"}, "timerange", id="eternity"),
        pytest.param({"timerange": "[0:0_"}, "timerange", id="without an end"),
        pytest.param({"timerange": "_10:0)"}, "timerange", id="without a start"),
        pytest.param({"ts_offset": "5"}, "ts_offset", id="no timestamp"),
        pytest.param({"ts_offset": "10000000000:0"}, "ts_offset", id="offset beyond 64 bits"),
        pytest.param({"ts_offset": "0:1000000000"}, "ts_offset", id="too many nanoseconds"),
        pytest.param({"object_timerange": "x"}, "object_timerange", id="no object time range"),
        pytest.param({"last_duration": "-0:1"}, "last_duration", id="negative last duration"),
        pytest.param({"sample_count": 2**63}, "sample_count", id="samples beyond 64 bits"),
        pytest.param({"sample_offset": 10**40}, "sample_offset", id="huge sample offset"),
        pytest.param({"key_frame_count": 1.5}, "key_frame_count", id="half a key frame"),
        pytest.param({"get_urls": [{"url": "https://x.example"}]}, "get_urls.0.label", id="URL without a label"),
        pytest.param({"get_urls": [{"label": "x"}]}, "get_urls.0.url", id="label without a URL"),
        pytest.param({"get_urls": UNCONTROLLED * 2}, "get_urls.label", id="two URLs with one label"),
        pytest.param(
            {"get_urls": [{"url": "https://x.example", "label": "local"}]}, "get_urls.label", id="label of a backend"
        ),
        pytest.param({"get_urls": []}, "object_id", id="an object of nobody"),
        pytest.param({"init_object_id": "i"}, "init_object_id", id="an initialisation object not needed"),
    ],
)
def test_bad_segment_is_refused_by_the_name_of_what_is_wrong(
    shared_client: CheckedClient, empty: str, members: Json, field: str
) -> None:
    segment = {name: value for name, value in {**outside("a", "[0:0_10:0)"), **members}.items() if value is not None}
    assert post(shared_client, empty, segment) == (400, field)
    assert shared_client.segments(empty) == []
    assert shared_client.get_object("a").status_code == 404


def test_array_that_is_not_all_segments_is_refused_whole(client: CheckedClient, flow: str) -> None:
    segments = [outside("a", "[0:0_1:0)"), {"object_id": "b"}, outside("c", "[2:0_3:0)")]
    assert post(client, flow, *segments) == (400, "1.timerange")
    assert client.segments(flow) == []


def test_segments_that_cannot_be_registered_do_not_keep_the_others(client: CheckedClient, flow: str) -> None:
    client.add(flow, "[10:0_20:0)")
    segments = [
        outside("fits", "[0:0_10:0)"),
        outside("overlaps what is there", "[15:0_25:0)"),
        outside("no time range", "[0:0-1:0)"),
        outside("follows", "[20:0_30:0)"),
        outside("overlaps one of the same request", "[29:0_40:0)"),
        {"object_id": "of nobody", "timerange": "[50:0_60:0)"},
        outside("without an end", "[70:0_"),
    ]
    response = client.post(f"/flows/{flow}/segments", json=segments)
    assert response.status_code == 200
    failed = as_object(response)["failed_segments"]
    assert [(one["object_id"], one.get("timerange"), one["error"]["type"]) for one in failed] == [
        ("overlaps what is there", "[15:0_25:0)", "urn:x-tams-data:problem:segment-overlap"),
        ("no time range", None, "urn:x-tams-data:problem:invalid-time-range"),
        ("overlaps one of the same request", "[29:0_40:0)", "urn:x-tams-data:problem:segment-overlap"),
        ("of nobody", "[50:0_60:0)", "urn:x-tams-data:problem:object-conflict"),
        ("without an end", "[70:0_", "urn:x-tams-data:problem:invalid-input"),
    ]
    assert all(datetime.fromisoformat(one["error"]["time"]).tzinfo for one in failed)
    assert "[0:0-1:0)" in failed[1]["error"]["summary"]
    assert client.timeranges(flow) == ["[0:0_10:0)", "[10:0_20:0)", "[20:0_30:0)"]
    assert extent(client, flow) == "[0:0_30:0)"
    assert client.get_object("overlaps what is there").status_code == 404


def test_array_of_nothing_but_failures_writes_nothing(client: CheckedClient, flow: str) -> None:
    client.add(flow, "[0:0_10:0)")
    before = as_object(client.get(f"/flows/{flow}"))
    response = client.post(f"/flows/{flow}/segments", json=[outside("a", "[5:0_6:0)"), outside("b", "[9:0_11:0)")])
    assert (response.status_code, len(as_object(response)["failed_segments"])) == (200, 2)
    assert as_object(client.get(f"/flows/{flow}")) == before


def test_only_a_flow_that_is_there_takes_segments(client: CheckedClient) -> None:
    assert post(client, new_id(), outside("a", "[0:0_1:0)")) == (404, None)
    assert client.post(f"/flows/{new_id()}/segments", json=[]).status_code == 404
    assert client.get_object("a").status_code == 404


def test_only_a_flow_with_a_container_takes_segments(client: CheckedClient) -> None:
    flow_id = client.create_flow(multi_flow())["id"]
    assert post(client, flow_id, outside("a", "[0:0_1:0)")) == (400, "container")
    assert post(client, flow_id, outside("a", "[0:0_1:0)"), outside("b", "[1:0_2:0)")) == (400, "container")


@needs_specification
def test_example_of_the_specification_is_accepted(client: CheckedClient, flow: str) -> None:
    segment = json.loads((EXAMPLES / "flow-segment-post.json").read_text())
    client.allocate(flow, segment["object_id"])
    client.register(flow, segment)
    (shown,) = client.segments(flow)
    assert {name: shown[name] for name in segment} == segment


# --- the timeline ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "new", "status"),
    [
        pytest.param("[10:0_20:0)", "[20:0_30:0)", 201, id="follows"),
        pytest.param("[10:0_20:0)", "[0:0_10:0)", 201, id="comes before"),
        pytest.param("[10:0_20:0)", "[19:999999999_30:0)", 400, id="overlaps by a nanosecond behind"),
        pytest.param("[10:0_20:0)", "[0:0_10:0]", 400, id="overlaps by a nanosecond before"),
        pytest.param("[10:0_20:0)", "[20:0]", 201, id="instant at an exclusive end"),
        pytest.param("[10:0_20:0]", "[20:0]", 400, id="instant at an inclusive end"),
        pytest.param("[10:0_20:0]", "(20:0_30:0)", 201, id="exclusive start at an inclusive end"),
        pytest.param("[10:0_20:0]", "[20:0_30:0)", 400, id="inclusive start at an inclusive end"),
        pytest.param("(10:0_20:0)", "[10:0]", 201, id="instant at an exclusive start"),
        pytest.param("[10:0]", "[10:0_20:0)", 400, id="starts with an instant"),
        pytest.param("[10:0]", "(10:0_20:0)", 201, id="starts behind an instant"),
        pytest.param("[10:0]", "[10:1]", 201, id="instants side by side"),
        pytest.param("[10:0_20:0)", "[12:0_13:0)", 400, id="inside"),
        pytest.param("[10:0_20:0)", "[0:0_30:0)", 400, id="around"),
        pytest.param("[10:0_20:0)", "[10:0_20:0)", 400, id="the same with another object"),
        pytest.param("[10:0_20:0)", "[10:0_19:0)", 400, id="the same start"),
        pytest.param("[10:0_20:0)", "[11:0_20:0)", 400, id="the same end"),
        pytest.param("[-0:5_0:0)", "[0:0_0:5)", 201, id="at the epoch"),
        pytest.param("[-0:5_0:0]", "[0:0_0:5)", 400, id="over the epoch"),
    ],
)
def test_segments_do_not_overlap(
    shared_client: CheckedClient, shared_flow: str, there: str, new: str, status: int
) -> None:
    shared_client.register(shared_flow, outside(f"{shared_flow}/there", there))
    before = as_object(shared_client.get(f"/flows/{shared_flow}?include_timerange=true"))
    assert post(shared_client, shared_flow, outside(f"{shared_flow}/new", new)) == (
        status,
        None if status == 201 else "timerange",
    )
    assert shared_client.get_object(f"{shared_flow}/new").status_code == (200 if status == 201 else 404)
    if status == 400:
        assert shared_client.timeranges(shared_flow) == [there]
        assert as_object(shared_client.get(f"/flows/{shared_flow}?include_timerange=true")) == before


@pytest.mark.parametrize(
    "timeranges",
    [
        pytest.param(["[-9223372036:0_9223372036:0)"], id="one segment"),
        pytest.param(["[-9223372036:0_-9000000000:0)", "[9000000000:0_9223372036:0)"], id="two far apart"),
        pytest.param(["[0:0_9223372036:0)", "[-1:0_0:0)"], id="a second too much"),
    ],
)
def test_flow_is_no_longer_than_what_can_be_counted(client: CheckedClient, flow: str, timeranges: list[str]) -> None:
    *fitting, last = timeranges
    for timerange in fitting:
        client.register(flow, outside(timerange, timerange))
    assert post(client, flow, outside("last", last)) == (400, "timerange")
    assert client.timeranges(flow) == fitting


def test_segments_of_two_flows_may_overlap(client: CheckedClient, flow: str) -> None:
    other = client.create_flow(video_flow())["id"]
    client.add(flow, "[0:0_10:0)")
    client.add(other, "[5:0_15:0)")
    assert (client.timeranges(flow), client.timeranges(other)) == (["[0:0_10:0)"], ["[5:0_15:0)"])


@pytest.mark.parametrize("first_in_array", [False, True])
@pytest.mark.parametrize("again_in_array", [False, True])
def test_repeated_request_is_accepted_and_adds_nothing(
    client: CheckedClient, flow: str, first_in_array: bool, again_in_array: bool
) -> None:
    (object_id,) = client.allocate(flow)
    segment = {"object_id": object_id, "timerange": "[0:0_10:0)", "ts_offset": "-5:0", "key_frame_count": 1}
    path = f"/flows/{flow}/segments"
    assert client.post(path, json=[segment] if first_in_array else segment).status_code == 201
    before = as_object(client.get(f"/flows/{flow}"))
    assert client.post(path, json=[segment] if again_in_array else segment).status_code == 201
    assert client.post(path, json=[segment, segment]).status_code == 201
    assert client.timeranges(flow) == ["[0:0_10:0)"]
    assert as_object(client.get(f"/flows/{flow}")) == before


def test_repeated_request_may_write_its_time_range_in_another_way(client: CheckedClient, flow: str) -> None:
    (object_id,) = client.allocate(flow)
    client.register(flow, {"object_id": object_id, "timerange": "[0:0_10:0)"})
    client.register(flow, {"object_id": object_id, "timerange": "[0:0_9:999999999]", "ts_offset": "0:0"})
    assert client.timeranges(flow) == ["[0:0_10:0)"]


def test_repeated_request_for_an_object_elsewhere_is_accepted(client: CheckedClient, flow: str) -> None:
    client.register(flow, outside("a", "[0:0_10:0)"))
    assert post(client, flow, outside("a", "[0:0_10:0)")) == (201, None)
    assert client.timeranges(flow) == ["[0:0_10:0)"]


def test_same_place_and_object_with_another_offset_is_a_conflict(client: CheckedClient, flow: str) -> None:
    (object_id,) = client.allocate(flow)
    client.register(flow, {"object_id": object_id, "timerange": "[0:0_10:0)", "object_timerange": "[0:0_20:0)"})
    again = {"object_id": object_id, "timerange": "[0:0_10:0)", "ts_offset": "-5:0"}
    assert post(client, flow, again) == (400, "timerange")


# --- objects ---------------------------------------------------------------------------------------------------------


def test_object_is_for_the_flow_it_was_allocated_for(client: CheckedClient, flow: str) -> None:
    other = client.create_flow(video_flow())["id"]
    (object_id,) = client.allocate(other)
    segment = {"object_id": object_id, "timerange": "[0:0_10:0)"}
    assert post(client, flow, segment) == (400, "object_id")
    client.register(other, segment)
    client.register(flow, segment)
    assert client.timeranges(flow) == ["[0:0_10:0)"]


def test_object_of_nobody_is_refused(client: CheckedClient, flow: str) -> None:
    assert post(client, flow, {"object_id": new_id(), "timerange": "[0:0_10:0)"}) == (400, "object_id")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param({"timerange": "[100:0_110:0)"}, "[100:0_110:0)", id="its time range"),
        pytest.param({"timerange": "[100:0_110:0)", "ts_offset": "100:0"}, "[0:0_10:0)", id="less the offset"),
        pytest.param({"timerange": "[100:0_110:0)", "ts_offset": "-5:1"}, "[105:1_115:1)", id="less one below zero"),
        pytest.param({"timerange": "[100:0]", "ts_offset": "100:0"}, "[0:0]", id="of an instant"),
        pytest.param({"timerange": "[5:0_6:0)", "object_timerange": "[0:0_9:0)"}, "[0:0_9:0)", id="what was said"),
    ],
)
def test_time_range_of_an_object_is_that_of_its_first_segment(
    shared_client: CheckedClient, shared_flow: str, first: Json, expected: str
) -> None:
    (object_id,) = shared_client.allocate(shared_flow)
    shared_client.register(shared_flow, {"object_id": object_id, **first})
    (shown,) = shared_client.segments(shared_flow, include_object_timerange="true")
    assert shown["object_timerange"] == expected
    assert as_object(shared_client.get_object(object_id))["timerange"] == expected
    assert "object_timerange" not in shared_client.segments(shared_flow)[0]
    assert "object_timerange" not in shared_client.segments(shared_flow, include_object_timerange="false")[0]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        pytest.param({}, None, id="nothing said of the object"),
        pytest.param({"object_timerange": "[0:0_10:0)"}, None, id="the same time range"),
        pytest.param({"object_timerange": "[0:0_9:999999999]"}, None, id="the same time range in other words"),
        pytest.param({"key_frame_count": 2}, None, id="the same key frames"),
        pytest.param({"timerange": "[50:0_55:0)", "ts_offset": "45:0"}, None, id="a part of it"),
        pytest.param({"timerange": "[50:0]", "ts_offset": "40:0"}, "timerange", id="the instant at its end"),
        pytest.param({"timerange": "[50:0_60:1)"}, "timerange", id="longer than it is"),
        pytest.param({"timerange": "[49:999999999_55:0)"}, "timerange", id="before its start"),
        pytest.param({"ts_offset": "49:0"}, "timerange", id="another offset"),
        pytest.param({"object_timerange": "[0:0_11:0)"}, "object_timerange", id="another time range"),
        pytest.param({"key_frame_count": 3}, "key_frame_count", id="other key frames"),
        pytest.param({"get_urls": UNCONTROLLED}, "get_urls", id="another URL"),
    ],
)
def test_object_that_is_used_again_stays_as_it_is(
    shared_client: CheckedClient, shared_flow: str, members: Json, field: str | None
) -> None:
    (object_id,) = shared_client.allocate(shared_flow)
    shared_client.register(shared_flow, {"object_id": object_id, "timerange": "[0:0_10:0)", "key_frame_count": 2})
    other = shared_client.create_flow(video_flow())["id"]
    before = as_object(shared_client.get_object(object_id, presigned="false"))
    again = {"object_id": object_id, "timerange": "[50:0_60:0)", "ts_offset": "50:0", **members}
    assert post(shared_client, other, again) == (201 if field is None else 400, field)
    after = as_object(shared_client.get_object(object_id, presigned="false"))
    assert after.pop("referenced_by_flows") == sorted([shared_flow, other] if field is None else [shared_flow])
    del before["referenced_by_flows"]
    assert after == before


def test_time_range_of_a_new_object_must_hold_its_segment(client: CheckedClient, flow: str) -> None:
    segment = outside("a", "[0:0_10:0)", object_timerange="[0:0_9:0)")
    assert post(client, flow, segment) == (400, "timerange")
    assert client.get_object("a").status_code == 404


def test_object_can_be_used_twice_by_one_flow(client: CheckedClient, flow: str) -> None:
    (object_id,) = client.add(flow, "[0:0_10:0)")
    client.register(flow, {"object_id": object_id, "timerange": "[10:0_15:0)", "ts_offset": "10:0"})
    assert [one["object_id"] for one in client.segments(flow)] == [object_id, object_id]
    assert as_object(client.get_object(object_id))["referenced_by_flows"] == [flow]


# --- initialisation objects ------------------------------------------------------------------------------------------


@pytest.fixture
def fragmented(client: CheckedClient) -> str:
    """The id of a flow whose objects need an initialisation object; "init", "a" and "b" are allocated for it."""
    flow_id: str = client.create_flow(fragmented_flow())["id"]
    client.allocate(flow_id, "init", "init 2", "a", "b")
    return flow_id


def test_initialisation_object_is_shown_with_each_segment_that_needs_it(client: CheckedClient, fragmented: str) -> None:
    client.register(
        fragmented,
        {"object_id": "a", "init_object_id": "init", "timerange": "[0:0_1:0)"},
        {"object_id": "b", "init_object_id": "init", "timerange": "[1:0_2:0)"},
    )
    shown = client.segments(fragmented, presigned="false")
    assert [one["init_object"]["object_id"] for one in shown] == ["init", "init"]
    assert [one["init_object"]["get_urls"][0]["url"] for one in shown] == ["http://localhost/media/init"] * 2
    shown = client.segments(fragmented, accept_get_urls="")
    assert [one["init_object"] for one in shown] == [{"object_id": "init"}] * 2


@pytest.mark.parametrize(
    ("segment", "field"),
    [
        pytest.param({"object_id": "b"}, "init_object_id", id="none where one is needed"),
        pytest.param({"object_id": "b", "init_object_id": "none"}, "init_object_id", id="one that is not there"),
        pytest.param({"object_id": "b", "init_object_id": "a"}, "init_object_id", id="a media object"),
        pytest.param({"object_id": "b", "init_object_id": "b"}, "init_object_id", id="the object itself"),
        pytest.param({"object_id": "init", "init_object_id": "init 2"}, "object_id", id="one as a media object"),
        pytest.param(
            {"object_id": "a", "init_object_id": "init 2"}, "init_object_id", id="another for the same object"
        ),
    ],
)
def test_initialisation_objects_and_media_objects_are_not_mixed(
    client: CheckedClient, fragmented: str, segment: Json, field: str
) -> None:
    client.register(fragmented, {"object_id": "a", "init_object_id": "init", "timerange": "[0:0_1:0)"})
    assert post(client, fragmented, {"timerange": "[1:0_2:0)", "ts_offset": "1:0", **segment}) == (400, field)
    assert client.timeranges(fragmented) == ["[0:0_1:0)"]


def test_initialisation_object_may_be_left_out_when_an_object_is_used_again(
    client: CheckedClient, fragmented: str
) -> None:
    client.register(fragmented, {"object_id": "a", "init_object_id": "init", "timerange": "[0:0_1:0)"})
    client.register(fragmented, {"object_id": "a", "timerange": "[1:0_2:0)", "ts_offset": "1:0"})
    assert [one["init_object"]["object_id"] for one in client.segments(fragmented)] == ["init", "init"]


# --- listing ---------------------------------------------------------------------------------------------------------

THERE = ["[-10:0_-5:0)", "[0:0_10:0)", "[10:0_20:0]", "(20:0_30:0)", "[40:0]", "[50:0_60:0)"]


@pytest.fixture(scope="module")
def listed(shared_client: CheckedClient) -> str:
    """The id of a flow with the segments of THERE; the objects of the first and the last are "a/b?c=d" and "e"."""
    flow_id: str = shared_client.create_flow(video_flow())["id"]
    ids = ["a/b?c=d", *map(str, range(len(THERE) - 2)), "e"]
    segments = [outside(one, timerange) for one, timerange in zip(ids, THERE, strict=True)]
    shared_client.register(flow_id, *reversed(segments))
    shared_client.register(flow_id, {"object_id": "e", "timerange": "[70:0_80:0)", "ts_offset": "20:0"})
    return flow_id


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param("_", [*THERE, "[70:0_80:0)"], id="eternity"),
        pytest.param("()", [], id="never"),
        pytest.param("", [], id="empty text"),
        pytest.param("[0:0_10:0)", THERE[1:2], id="one exactly"),
        pytest.param("[0:0_10:0]", THERE[1:3], id="the first instant of the next"),
        pytest.param("[10:0]", THERE[2:3], id="the instant where one begins"),
        pytest.param("[20:0]", THERE[2:3], id="an inclusive end"),
        pytest.param("(20:0_20:2)", THERE[3:4], id="behind an exclusive start"),
        pytest.param("[20:0_21:0)", THERE[2:4], id="over a boundary"),
        pytest.param("[5:0_25:0)", THERE[1:4], id="partly and wholly"),
        pytest.param("[30:0_40:0)", [], id="a gap"),
        pytest.param("[30:0_40:0]", THERE[4:5], id="a gap and the instant behind it"),
        pytest.param("(40:0_50:0)", [], id="between an instant and a start"),
        pytest.param("[55:0_", [THERE[5], "[70:0_80:0)"], id="without an end"),
        pytest.param("(60:0_", ["[70:0_80:0)"], id="without an end, behind all but one"),
        pytest.param("_0:0)", THERE[:1], id="without a start"),
        pytest.param("_0:0]", THERE[:2], id="without a start, the end included"),
        pytest.param("[-5:0_-0:1)", [], id="the gap before the epoch"),
        pytest.param("[80:0_", [], id="behind all"),
        pytest.param("0:0_10:0", THERE[1:3], id="without markers"),
    ],
)
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
def test_segments_of_a_time_range(
    shared_client: CheckedClient, listed: str, asked: str, expected: list[str], reverse: bool
) -> None:
    found = shared_client.timeranges(listed, timerange=asked, reverse_order="true" if reverse else "false")
    assert found == (expected[::-1] if reverse else expected)


@pytest.mark.parametrize("asked", ["()", "", "[0:0_0:0)"])
def test_never_has_no_segments_not_even_around_the_epoch(client: CheckedClient, asked: str) -> None:
    flow = client.create_flow(video_flow())
    client.add(flow["id"], "[-1:0_1:0)")
    assert client.timeranges(flow["id"], timerange=asked) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"object_id": "e"}, ["[50:0_60:0)", "[70:0_80:0)"], id="every use of an object"),
        pytest.param({"object_id": "e", "timerange": "[75:0]"}, ["[70:0_80:0)"], id="one use of it"),
        pytest.param({"object_id": "e", "timerange": "[0:0_10:0)"}, [], id="none of its uses"),
        pytest.param({"object_id": "e", "reverse_order": "true"}, ["[70:0_80:0)", "[50:0_60:0)"], id="backwards"),
        pytest.param({"object_id": "a/b?c=d"}, THERE[:1], id="an id of special characters"),
        pytest.param({"object_id": "E"}, [], id="case counts"),
        pytest.param({"object_id": ""}, [], id="the empty id is none"),
        pytest.param({"access_token": "secret", "timerange": "[0:0]"}, THERE[1:2], id="a token is no filter"),
    ],
)
def test_segments_are_filtered(
    shared_client: CheckedClient, listed: str, query: dict[str, str], expected: list[str]
) -> None:
    assert shared_client.timeranges(listed, **query) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("timerange=x", "timerange"),
        ("timerange=[1:0_0:0)", "timerange"),
        ("timerange=[0:0_10000000000:0)", "timerange"),
        ("timerange=[0:0_%2B1:0)", "timerange"),
        ("reverse_order=no", "reverse_order"),
        ("verbose_storage=1", "verbose_storage"),
        ("accept_get_urls=,", "accept_get_urls"),
        ("accept_get_urls=a,,b", "accept_get_urls"),
        ("accept_storage_ids=x", "accept_storage_ids"),
        ("presigned=maybe", "presigned"),
        ("include_object_timerange=0", "include_object_timerange"),
        ("storage_backend_tag_exists.a=1", "storage_backend_tag_exists.a"),
        ("limit=0", "limit"),
        ("limit=a", "limit"),
        ("page=x", "page"),
        ("sort_by=created", "sort_by"),
        ("tag.a=b", "tag.a"),
        ("object_id=a&object_id=b", "object_id"),
    ],
)
def test_segments_refuse_a_bad_parameter_by_its_name(
    shared_client: CheckedClient, listed: str, query: str, field: str
) -> None:
    response = shared_client.get(f"/flows/{listed}/segments?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, field)


def test_flow_that_is_not_there_has_no_segments(client: CheckedClient) -> None:
    response = client.get(f"/flows/{new_id()}/segments")
    assert (response.status_code, as_list(response)) == (200, [])
    assert response.headers["X-Paging-Timerange"] == "()"
    assert response.headers["X-Paging-Count"] == "0"


@pytest.mark.parametrize("flow_id", ["x", "%00", "2AA143AC-0AB7-4D75-BC32-5C00C13D186F"])
def test_segments_of_what_is_no_flow_id_are_not_found(client: CheckedClient, flow_id: str) -> None:
    path = f"/flows/{flow_id}/segments"
    answers = [client.get(path), client.post(path, json=outside("a", "[0:0_1:0)")), client.delete(path)]
    assert [one.status_code for one in answers] == [404, 404, 404]


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
def test_pages_hold_every_segment_once_and_say_what_they_span(
    shared_client: CheckedClient, listed: str, limit: int, reverse: bool
) -> None:
    order = "true" if reverse else "false"
    pages = list(shared_client.walk(f"/flows/{listed}/segments?limit={limit}&reverse_order={order}"))
    expected = [*THERE, "[70:0_80:0)"]
    shown = [[one["timerange"] for one in as_list(page)] for page in pages]
    assert [one for page in shown for one in page] == (expected[::-1] if reverse else expected)
    assert [len(page) for page in shown[:-1]] == [limit] * (len(shown) - 1)
    for page, timeranges in zip(pages, shown, strict=True):
        first, last = (timeranges[-1], timeranges[0]) if reverse else (timeranges[0], timeranges[-1])
        assert page.headers["X-Paging-Timerange"] == spanning(first, last)
        assert page.headers["X-Paging-Reverse-Order"] == order
        assert page.headers["X-Paging-Limit"] == str(limit)
        assert page.headers["X-Paging-Count"] == str(len(timeranges))
        assert ("Link" in page.headers) == ("X-Paging-NextKey" in page.headers) == (page is not pages[-1])


def spanning(first: str, last: str) -> str:
    """From the start of the first to the end of the last of THERE, in canonical text."""
    return str(TimeRange(TimeRange.parse(first).start_ns, TimeRange.parse(last).end_ns))


def test_pages_keep_to_the_filters(shared_client: CheckedClient, listed: str) -> None:
    path = f"/flows/{listed}/segments?limit=1&timerange=[5:0_45:0)&accept_get_urls=&include_object_timerange=true"
    pages = list(shared_client.walk(path))
    assert [[one["timerange"] for one in as_list(page)] for page in pages] == [[one] for one in THERE[1:5]]
    assert all("object_timerange" in one and "get_urls" not in one for page in pages for one in as_list(page))
    pages = list(shared_client.walk(f"/flows/{listed}/segments?limit=1&object_id=e"))
    assert [[one["timerange"] for one in as_list(page)] for page in pages] == [["[50:0_60:0)"], ["[70:0_80:0)"]]


def test_page_can_be_asked_for_by_its_key(shared_client: CheckedClient, listed: str) -> None:
    first = shared_client.get(f"/flows/{listed}/segments?limit=2")
    key = first.headers["X-Paging-NextKey"]
    assert shared_client.timeranges(listed, limit="2", page=key) == THERE[2:4]
    assert shared_client.timeranges(listed, limit="3", page=key) == THERE[2:5]
    assert shared_client.timeranges(listed, page=key, timerange="[50:0_60:0)") == THERE[5:6]


def test_page_begins_where_the_last_ended_whatever_was_written_meanwhile(client: CheckedClient, flow: str) -> None:
    client.add(flow, "[10:0_20:0)", "[20:0_30:0)", "[40:0_50:0)", "[60:0_70:0)")
    first = client.get(f"/flows/{flow}/segments?limit=2")
    client.add(flow, "[0:0_10:0)", "[30:0_40:0)")
    client.delete(f"/flows/{flow}/segments?timerange=[20:0_30:0)")
    rest = [one["timerange"] for one in as_list(client.get(next_url(first.headers["Link"])))]
    assert rest == ["[30:0_40:0)", "[40:0_50:0)"]


def test_page_key_is_good_for_one_order_of_one_flow(shared_client: CheckedClient, listed: str) -> None:
    key = shared_client.get(f"/flows/{listed}/segments?limit=1").headers["X-Paging-NextKey"]
    other = shared_client.create_flow(video_flow())["id"]
    for path in (
        f"/flows/{other}/segments?page={key}",
        f"/flows/{listed}/segments?reverse_order=true&page={key}",
        f"/flows?page={key}",
        f"/objects/e?page={key}",
    ):
        response = shared_client.get(path)
        assert (response.status_code, as_object(response)["field"]) == (400, "page")


def test_segments_come_in_pages_of_the_default_size(client: CheckedClient, flow: str) -> None:
    client.register(flow, *(outside(f"{i}", f"[{i}:0_{i + 1}:0)") for i in range(101)))
    response = client.get(f"/flows/{flow}/segments")
    assert len(as_list(response)) == 100
    assert response.headers["X-Paging-Limit"] == "100"
    assert response.headers["X-Paging-Timerange"] == "[0:0_100:0)"
    assert len(client.segments(flow, limit="101")) == 101


def test_limit_is_never_above_the_most_that_the_service_gives(store: Store, settings: Settings) -> None:
    client = client_of(store, settings.model_copy(update={"page_limit": 2, "page_limit_max": 3}))
    flow_id = client.create_flow(video_flow())["id"]
    client.register(flow_id, *(outside(f"{i}", f"[{i}:0_{i + 1}:0)") for i in range(5)))
    for asked, applied in ({"limit": "1000000"}, "3"), ({}, "2"), ({"limit": "3"}, "3"):
        response = client.get(f"/flows/{flow_id}/segments", query_string=asked)
        assert (response.headers["X-Paging-Limit"], response.headers["X-Paging-Count"]) == (applied, applied)


# --- URLs ------------------------------------------------------------------------------------------------------------

ON_A = [("a", True), ("a", False)]
ELSEWHERE = [("elsewhere", False), ("mirror", False)]


@pytest.fixture(scope="module")
def stored(backends: CheckedClient) -> str:
    """The id of a flow with one segment, whose object is on backend a and at two URLs outside."""
    flow_id: str = backends.create_flow(video_flow())["id"]
    (object_id,) = backends.allocate(flow_id)
    get_urls = [*UNCONTROLLED, {"url": "https://mirror.example/a.ts", "label": "mirror"}]
    backends.register(flow_id, {"object_id": object_id, "timerange": "[0:0_1:0)", "get_urls": get_urls})
    return flow_id


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, [*ON_A, *ELSEWHERE], id="all"),
        pytest.param({"presigned": "true"}, ON_A[:1], id="presigned"),
        pytest.param({"presigned": "false"}, [ON_A[1], *ELSEWHERE], id="not presigned"),
        pytest.param({"accept_get_urls": "a"}, ON_A, id="label of a backend"),
        pytest.param({"accept_get_urls": "mirror,a"}, [*ON_A, ELSEWHERE[1]], id="two labels"),
        pytest.param({"accept_get_urls": "A"}, [], id="label in other letters"),
        pytest.param({"accept_get_urls": "none"}, [], id="label of nothing"),
        pytest.param({"accept_storage_ids": STORAGE_IDS["a"]}, ON_A, id="backend"),
        pytest.param({"accept_storage_ids": STORAGE_IDS["b"]}, [], id="another backend"),
        pytest.param({"accept_storage_ids": f"{STORAGE_IDS['b']},{STORAGE_IDS['a']}"}, ON_A, id="two backends"),
        pytest.param({"accept_storage_ids": ""}, [*ON_A, *ELSEWHERE], id="no backend is no filter"),
        pytest.param({"storage_backend_tag.tier": "hot"}, ON_A, id="tag of the backend"),
        pytest.param({"storage_backend_tag.tier": "cold"}, [], id="tag of another backend"),
        pytest.param({"storage_backend_tag.site": "cardiff,london"}, ON_A, id="one of several values"),
        pytest.param({"storage_backend_tag_exists.tier": "true"}, ON_A, id="backend has a tag"),
        pytest.param({"storage_backend_tag_exists.tier": "false"}, ELSEWHERE, id="backend has not"),
        pytest.param({"presigned": "true", "accept_get_urls": "mirror"}, [], id="filters that exclude each other"),
        pytest.param({"presigned": "false", "accept_get_urls": "a,mirror"}, [ON_A[1], ELSEWHERE[1]], id="both filters"),
    ],
)
def test_urls_are_filtered(
    backends: CheckedClient, stored: str, query: dict[str, str], expected: list[tuple[str, bool]]
) -> None:
    (segment,) = backends.segments(stored, **query)
    assert [(url["label"], url["presigned"]) for url in segment["get_urls"]] == expected
    shown = as_object(backends.get_object(segment["object_id"], **query))
    assert shown["get_urls"] == segment["get_urls"]


def test_no_urls_are_shown_where_none_is_accepted(backends: CheckedClient, stored: str) -> None:
    (segment,) = backends.segments(stored, accept_get_urls="")
    assert "get_urls" not in segment
    assert "get_urls" not in as_object(backends.get_object(segment["object_id"], accept_get_urls=""))


def test_urls_say_little_unless_more_is_wanted(backends: CheckedClient, stored: str) -> None:
    (segment,) = backends.segments(stored)
    url = f"https://a.example/get/{segment['object_id']}"
    plain = {"label": "a", "url": url, "presigned": False}
    outside_ = {"label": "elsewhere", "url": "https://elsewhere.example/a.ts", "presigned": False}
    assert segment["get_urls"][0] == {"label": "a", "url": f"{url}?signed", "presigned": True}
    assert segment["get_urls"][1:3] == [plain, outside_]
    (segment,) = backends.segments(stored, verbose_storage="true", presigned="false")
    assert segment["get_urls"][:2] == [
        {
            **plain,
            "storage_id": STORAGE_IDS["a"],
            "controlled": True,
            "store_type": "http_object_store",
            "provider": "example",
            "store_product": "buckets",
            "region": "region-a",
            "tags": {"tier": "hot", "site": ["salford", "london"]},
        },
        {**outside_, "controlled": False},
    ]


@pytest.mark.parametrize("name", ["x", "y"])
def test_urls_on_a_backend_without_a_label_are_shown_unless_labels_are_asked_for(
    backends: CheckedClient, name: str
) -> None:
    flow_id = backends.create_flow(video_flow())["id"]
    response = backends.post(f"/flows/{flow_id}/storage", json={"storage_id": STORAGE_IDS[name]})
    (one,) = as_object(response)["media_objects"]
    backends.register(flow_id, {"object_id": one["object_id"], "timerange": "[0:0_1:0)"})
    (segment,) = backends.segments(flow_id, presigned="false")
    assert segment["get_urls"] == [{"url": f"https://{name}.example/get/{one['object_id']}", "presigned": False}]
    (segment,) = backends.segments(flow_id, accept_get_urls=f"{name},a")
    assert segment["get_urls"] == []


def test_url_gives_the_bytes_that_were_uploaded(client: CheckedClient, flow: str) -> None:
    content = bytes(range(256)) * 10
    object_id = client.upload(flow, content)
    client.register(flow, {"object_id": object_id, "timerange": "[0:0_1:0)"})
    (segment,) = client.segments(flow)
    assert [client.get(url["url"]).data for url in segment["get_urls"]] == [content, content]


# --- deleting --------------------------------------------------------------------------------------------------------

FOUR = ["[0:0_10:0)", "[10:0_20:0)", "[20:0_30:0)", "[30:0]"]


@pytest.mark.parametrize(
    ("query", "left", "span"),
    [
        pytest.param({}, [], "()", id="all"),
        pytest.param({"timerange": "_"}, [], "()", id="eternity"),
        pytest.param({"timerange": "()"}, FOUR, "[0:0_30:1)", id="never"),
        pytest.param({"timerange": "[10:0_20:0)"}, [FOUR[0], *FOUR[2:]], "[0:0_30:1)", id="one exactly"),
        pytest.param({"timerange": "(10:0_20:0)"}, FOUR, "[0:0_30:1)", id="one but its first instant"),
        pytest.param({"timerange": "[5:0_25:0)"}, [FOUR[0], *FOUR[2:]], "[0:0_30:1)", id="what is wholly inside"),
        pytest.param({"timerange": "[5:0_15:0)"}, FOUR, "[0:0_30:1)", id="nothing is wholly inside"),
        pytest.param({"timerange": "_20:0)"}, FOUR[2:], "[20:0_30:1)", id="without a start"),
        pytest.param({"timerange": "[20:0_"}, FOUR[:2], "[0:0_20:0)", id="without an end"),
        pytest.param({"timerange": "[0:0_30:0)"}, FOUR[3:], "[30:0]", id="all but an instant at the end"),
        pytest.param({"timerange": "[30:0]"}, FOUR[:3], "[0:0_30:0)", id="an instant"),
        pytest.param({"object_id": "1"}, [FOUR[0], *FOUR[2:]], "[0:0_30:1)", id="an object"),
        pytest.param({"object_id": "1", "timerange": "[20:0_"}, FOUR, "[0:0_30:1)", id="an object elsewhere"),
        pytest.param({"object_id": "3", "timerange": "[20:0_"}, FOUR[:3], "[0:0_30:0)", id="an object there"),
        pytest.param({"object_id": "none"}, FOUR, "[0:0_30:1)", id="an object that is not there"),
        pytest.param({"access_token": "secret", "timerange": "()"}, FOUR, "[0:0_30:1)", id="a token is no filter"),
    ],
)
def test_segments_wholly_inside_are_deleted(
    client: CheckedClient, flow: str, query: dict[str, str], left: list[str], span: str
) -> None:
    client.register(flow, *(outside(f"{i}", timerange) for i, timerange in enumerate(FOUR)))
    response = client.delete(f"/flows/{flow}/segments", query_string=query)
    assert (response.status_code, response.data) == (204, b"")
    assert client.timeranges(flow) == left
    assert extent(client, flow) == span
    kept = [str(i) for i, timerange in enumerate(FOUR) if timerange in left]
    assert [i for i in map(str, range(4)) if client.get_object(i).status_code == 200] == kept


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("timerange=x", "timerange"),
        ("timerange=[1:0_0:0)", "timerange"),
        ("time_range=[0:0_1:0)", "time_range"),
        ("limit=1", "limit"),
        ("object_id=0&object_id=1", "object_id"),
    ],
)
def test_bad_parameter_deletes_nothing(client: CheckedClient, flow: str, query: str, field: str) -> None:
    client.add(flow, "[0:0_1:0)")
    response = client.delete(f"/flows/{flow}/segments?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, field)
    assert client.timeranges(flow) == ["[0:0_1:0)"]


def test_segments_of_a_flow_that_is_not_there_cannot_be_deleted(client: CheckedClient) -> None:
    assert client.delete(f"/flows/{new_id()}/segments").status_code == 404


def test_place_of_a_deleted_segment_can_be_taken(client: CheckedClient, flow: str) -> None:
    client.add(flow, "[0:0_10:0)", "[10:0_20:0)")
    client.delete(f"/flows/{flow}/segments?timerange=[0:0_10:0)")
    client.add(flow, "[5:0_10:0)")
    assert client.timeranges(flow) == ["[5:0_10:0)", "[10:0_20:0)"]
    assert extent(client, flow) == "[5:0_20:0)"


def test_audio_and_video_of_one_object(client: CheckedClient) -> None:
    """One multiplexed object serves two flows, and goes with the last of them."""
    video, audio = (client.create_flow(build())["id"] for build in (video_flow, audio_flow))
    object_id = client.upload(video, b"bytes")
    for flow_id in (video, audio):
        client.register(flow_id, {"object_id": object_id, "timerange": "[0:0_1:0)"})
    url = client.segments(audio, presigned="true")[0]["get_urls"][0]["url"]
    assert client.delete(f"/flows/{video}").status_code == 204
    assert client.get(url).data == b"bytes"
    assert client.delete(f"/flows/{audio}/segments").status_code == 204
    assert client.get_object(object_id).status_code == 404
    assert client.get(url).status_code == 404
