"""That something happened at the service: its events are followed in a thread, once for all sessions."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator
from threading import Thread

from tams_data.client import TamsClient
from tams_data.errors import RequestFailed

log = logging.getLogger(__name__)

_AGAIN_S = 30


class News:
    """Counts the events of a service, in `count`, from `start` until the process ends.

    Where they cannot be followed, as of a service that has none, the count stays, and pages ask at a pace of their own.
    """

    def __init__(self, client: TamsClient) -> None:
        self._client = client
        self.count = 0

    def listen(self) -> Generator[int, None, None]:
        """Yield the count at every event from now on.

        :raise RequestFailed: the events cannot be followed.
        """
        for _ in self._client.events(accept_get_urls=""):
            self.count += 1
            yield self.count

    def start(self) -> None:
        """Listen in a thread, and again when that fails."""
        Thread(target=self._follow, name="tams-dashboard-news", daemon=True).start()

    def _follow(self) -> None:
        while True:
            try:
                deque(self.listen(), maxlen=0)
            except RequestFailed as error:
                log.debug("events cannot be followed: %s", error)
            time.sleep(_AGAIN_S)
