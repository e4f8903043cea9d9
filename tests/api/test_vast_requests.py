"""What the API asks of VAST: requests and rows, which the emulator counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tams_data.store.store import Store
from tests import vast_engine
from tests.api.builders import video_flow
from tests.api.client import CheckedClient, as_list, client_of
from tests.conftest import settings_in
from tests.vast_emulator.counts import Counts
from tests.vast_emulator.emulator import Emulator
from tests.vast_emulator.faults import Fault

SEGMENTS, SECONDS = 3000, 2
LIMIT = 30
MIDDLE = SEGMENTS * SECONDS // 2


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedClient]:
    """A client of a store on VAST without media."""
    store = Store(vast_engine.database(), {})
    yield client_of(store, settings_in(tmp_path_factory.mktemp("counted")))
    store.close()


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    shared = vast_engine.emulator()
    yield shared
    shared.faults.clear()


@pytest.fixture(scope="module")
def long_flow(client: CheckedClient) -> str:
    """The path of the segments of a flow of three thousand, 2 s each, and another flow beside it."""
    paths = []
    for _ in range(2):
        flow_id = client.create_flow(video_flow())["id"]
        client.register(flow_id, *(segment(f"{flow_id}-{n}", n) for n in range(SEGMENTS)))
        paths.append(f"/flows/{flow_id}/segments")
    return paths[0]


def segment(object_id: str, n: int) -> dict[str, object]:
    """The segment number `n` of a flow."""
    urls = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]
    return {"object_id": object_id, "timerange": window(n * SECONDS, (n + 1) * SECONDS), "get_urls": urls}


def window(start: int, end: int) -> str:
    return f"[{start}:0_{end}:0)"


def counted(client: CheckedClient, emulator: Emulator, url: str) -> tuple[list[str], Counts, str | None]:
    """The time ranges that a page shows, what VAST was asked for it, and the key of the next page."""
    client.get(url)  # what VAST tells of its tables is known from then on
    emulator.reset_counts()
    response = client.get(url)
    shown = [one["timerange"] for one in as_list(response)]
    return shown, emulator.counts(), response.headers.get("X-Paging-NextKey")


@pytest.mark.parametrize("start", [0, MIDDLE, SEGMENTS * SECONDS - 60])
@pytest.mark.parametrize("reverse", ["false", "true"])
def test_a_page_of_a_minute_takes_5_requests_and_the_rows_it_shows(client, long_flow, emulator, start, reverse):
    url = f"{long_flow}?timerange={window(start, start + 60)}&limit={LIMIT}&reverse_order={reverse}"
    shown, counts, _ = counted(client, emulator, url)
    expected = [window(start + SECONDS * n, start + SECONDS * (n + 1)) for n in range(LIMIT)]
    assert shown == (expected if reverse == "false" else expected[::-1])
    assert counts.requests == Counter(begin=1, query=3, commit=1)
    assert counts.rows_out["query"] == 3 * LIMIT  # segments, their objects, and the instances of these


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="of-everything"),
        pytest.param(f"timerange={window(MIDDLE, MIDDLE + 3000)}&", id="of-an-hour"),
        pytest.param("reverse_order=true&", id="backwards"),
        pytest.param(f"timerange=[{MIDDLE}:0_&", id="without-an-end"),
    ],
)
def test_a_page_of_a_long_window_reads_little_more_than_it_shows(client, long_flow, emulator, query):
    first, counts, key = counted(client, emulator, f"{long_flow}?{query}limit={LIMIT}")
    second, later, _ = counted(client, emulator, f"{long_flow}?{query}limit={LIMIT}&page={key}")
    assert len({*first, *second}) == 2 * LIMIT
    for one in (counts, later):
        assert one.requests == Counter(begin=1, query=4, commit=1)  # one is for what the flow adds up to
        assert one.rows_out["query"] <= 1 + 2 * LIMIT + 2 * LIMIT


def test_pages_together_are_the_flow_where_segments_are_sparse(client, emulator):
    """Two thirds of the segments at the start, the others far apart: no stretch has as many as the average says."""
    flow_id = client.create_flow(video_flow())["id"]
    numbers = [*range(60), *(10_000 * n + n % 7 for n in range(1, 31))]
    client.register(flow_id, *(segment(f"{flow_id}-{n}", n) for n in numbers))
    url = f"/flows/{flow_id}/segments?limit=17"
    for order, expected in ("false", numbers), ("true", numbers[::-1]):
        shown, key = [], ""
        while key is not None:
            response = client.get(f"{url}&reverse_order={order}{key and '&page='}{key}")
            shown += [one["timerange"] for one in as_list(response)]
            key = response.headers.get("X-Paging-NextKey")
        assert shown == [window(n * SECONDS, (n + 1) * SECONDS) for n in expected]


def test_an_array_of_segments_is_one_transaction(client, emulator):
    flow_id = client.create_flow(video_flow())["id"]
    emulator.reset_counts()
    client.register(flow_id, *(segment(f"{flow_id}-{n}", n) for n in range(8)))
    counts = emulator.counts()
    assert (counts.requests["begin"], counts.requests["commit"]) == (1, 1)


def test_requests_that_wait_for_a_commit_are_one_transaction(client, emulator):
    flow_id = client.create_flow(video_flow())["id"]
    client.register(flow_id, segment(f"{flow_id}-first", 0))
    emulator.reset_counts()
    emulator.faults.add(Fault("latency", on="begin", seconds=1.5))

    def post(n: int) -> int:
        body = segment(f"{flow_id}-{n}", n)
        return client.application.test_client().post(f"/flows/{flow_id}/segments", json=body).status_code

    with ThreadPoolExecutor(9) as threads:
        assert list(threads.map(post, range(1, 10))) == [201] * 9
    assert emulator.counts().requests["commit"] <= 3  # the first alone, or with some that came at once
