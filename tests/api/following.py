"""Somebody who follows a service at `/events` from the first event on, and knows what must be in it."""

from __future__ import annotations

import threading
from types import TracebackType

from tams_data.client import TamsClient
from tams_data.timerange import TimeRange
from tests.api.builders import video_flow
from tests.tams_data.store.replica import Replica, Segments, shown


class Follower:
    """Hears every event of a service, and makes a store of its own of them. A context manager.

    Each must agree with those before it: nothing is created or added twice, and only what is there is changed.
    """

    def __init__(self, url: str) -> None:
        self._client, self._replica = TamsClient(url), Replica()
        self._last = video_flow()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._error: BaseException | None = None
        self.count = 0

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._thread.is_alive():
            self._client.close()  # else it waits for events, and ends with the tests

    def _follow(self) -> None:
        try:
            for one in self._client.events("0", accept_get_urls=""):
                self._replica.hear(one.event_type, one.event)
                self.count += 1
                if self._last["id"] in self._replica.flows:
                    return
        except BaseException as error:  # noqa: BLE001  # it is told where the thread is joined
            self._error = error

    def check(self, *urls: str) -> None:
        """All that was told makes what each of the services lists, once nobody writes any more."""
        with TamsClient(urls[0]) as client:
            client.put_flow(self._last)
        self._thread.join(120)
        assert not self._thread.is_alive(), f"after {self.count} events the last one is not told"
        if self._error is not None:
            raise self._error
        for url in urls:
            with TamsClient(url) as client:
                self._compare(client)

    def _compare(self, client: TamsClient) -> None:
        flows = {one["id"]: shown(one) for one in client.flows(limit="1000")}
        assert self._replica.flows == flows
        assert self._replica.sources == {one["id"]: shown(one) for one in client.sources(limit="1000")}
        assert self._replica.segments == {one: _segments(client, one) for one in flows}


def _segments(client: TamsClient, flow_id: str) -> Segments:
    found = [(TimeRange.parse(one["timerange"]), one["object_id"]) for one in client.segments(flow_id, urls=False)]
    there = {(at.start_ns, at.end_ns, object_id) for at, object_id in found}
    assert len(there) == len(found)
    return there
