"""A page of segments costs the same wherever in its flow it is."""

from __future__ import annotations

from statistics import median
from time import perf_counter

import pytest

from tests.api.builders import video_flow
from tests.api.client import CheckedClient, as_list

SEGMENTS = 10_000
ROUNDS = 15
BOUND = 3
"""How much slower one page may be than another: far above the noise of a busy machine, far below what grows."""

AT_START = "timerange=[0:0_30:0)"


@pytest.fixture(scope="module")
def long_flow(shared_client: CheckedClient) -> str:
    """The path of the segments of a flow of ten thousand, a second each."""
    flow_id = shared_client.create_flow(video_flow())["id"]
    urls = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]
    for first in range(0, SEGMENTS, SEGMENTS // 2):
        numbers = range(first, first + SEGMENTS // 2)
        segments = [{"object_id": str(n), "timerange": f"[{n}:0_{n + 1}:0)", "get_urls": urls} for n in numbers]
        shared_client.register(flow_id, *segments)
    return f"/flows/{flow_id}/segments"


@pytest.mark.parametrize(
    ("query", "first"),
    [
        pytest.param("timerange=[9970:0_10000:0)", "[9970:0_9971:0)", id="a window at the end"),
        pytest.param("timerange=[5000:0_5030:0)", "[5000:0_5001:0)", id="a window in the middle"),
        pytest.param("timerange=_30:0)", "[0:0_1:0)", id="a window without a start"),
        pytest.param("timerange=[9970:0_", "[9970:0_9971:0)", id="a window without an end"),
        pytest.param("timerange=_&limit=30", "[0:0_1:0)", id="all, the first page"),
        pytest.param("limit=30&reverse_order=true", "[9999:0_10000:0)", id="backwards, the first page"),
        pytest.param("timerange=_9990:0)&limit=30", "[0:0_1:0)", id="without a start, nearly all"),
    ],
)
def test_page_costs_what_one_at_the_start_costs(
    shared_client: CheckedClient, long_flow: str, query: str, first: str
) -> None:
    start, other = f"{long_flow}?{AT_START}", f"{long_flow}?{query}"
    for url, shown in (start, "[0:0_1:0)"), (other, first):  # compiled and warm, and what is measured is right
        segments = as_list(shared_client.get(url))
        assert (len(segments), segments[0]["timerange"]) == (30, shown)
    times = [(seconds(shared_client, start), seconds(shared_client, other)) for _ in range(ROUNDS)]
    assert median(other for _, other in times) < BOUND * median(start for start, _ in times)


def test_last_page_costs_what_the_first_costs(shared_client: CheckedClient, long_flow: str) -> None:
    near_the_end = shared_client.get(f"{long_flow}?timerange=[9960:0_&limit=30").headers["X-Paging-NextKey"]
    times = [
        (seconds(shared_client, f"{long_flow}?limit=10"), seconds(shared_client, f"{long_flow}?page={near_the_end}"))
        for _ in range(ROUNDS)
    ]
    assert median(last for _, last in times) < BOUND * median(first for first, _ in times)


def seconds(client: CheckedClient, url: str) -> float:
    """How long a request takes, without the checks of the answer."""
    begun = perf_counter()
    response = super(CheckedClient, client).open(url)
    taken = perf_counter() - begun
    assert response.status_code == 200
    return taken
