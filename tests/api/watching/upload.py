"""An upload whose bytes are sent when a test says so."""

from __future__ import annotations

import http.client
from types import TracebackType
from urllib.parse import urlsplit

import httpx

from tests.api.builders import video_flow


class Upload:
    """The upload of an object of a new flow of a service, begun and sent piece by piece; a context manager."""

    def __init__(self, url: str, content: bytes) -> None:
        flow = video_flow()
        httpx.put(f"{url}/flows/{flow['id']}", json=flow).raise_for_status()
        (allocated,) = httpx.post(f"{url}/flows/{flow['id']}/storage", json={}).json()["media_objects"]
        self.flow_id, self.object_id = flow["id"], allocated["object_id"]
        self._content, self._sent = content, 0
        target = urlsplit(allocated["put_url"]["url"])
        self._connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        self._connection.putrequest("PUT", f"{target.path}?{target.query}")
        self._connection.putheader("Content-Type", allocated["put_url"]["content-type"])
        self._connection.putheader("Content-Length", str(len(content)))
        self._connection.endheaders()

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def send(self, count: int) -> None:
        """Send the next bytes."""
        self._connection.send(self._content[self._sent : self._sent + count])
        self._sent += count

    def status(self) -> int:
        """The status of the answer, once all is sent."""
        return self._connection.getresponse().status
