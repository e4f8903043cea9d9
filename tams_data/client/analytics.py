"""The analyses of a running service, asked for over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tams_data.client.connection import Connection

_ARROW = "application/vnd.apache.arrow.stream"


class RemoteAnalytics:
    """Has a service run its analyses. May be shared by threads; `close` gives the connections back."""

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = 60, retries: int = 1) -> None:
        """`url` and `token` as `TamsClient` takes them."""
        self._connection = Connection(url, token, timeout_s=timeout_s, retries=retries, connections=16)

    def run(self, name: str, /, **parameters: Any) -> pa.Table:
        """The rows of an analysis, with its schema. Parameters as `tams_data.analytics.Analytics.run` takes them.

        :raise RequestFailed: the service refuses the request, or does not answer.
        """
        headers = {"Accept": _ARROW}
        answer = self._connection.request("GET", f"analytics/{name}", params=dict(_texts(parameters)), headers=headers)
        with pa.ipc.open_stream(answer.content) as reader:
            return reader.read_all()

    def close(self) -> None:
        """Close the connections; requests after that fail."""
        self._connection.close()


def _texts(parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The parameters as they stand in the URL."""
    for name, value in parameters.items():
        if value is None:
            continue
        if name == "tags":
            yield from ((f"tag.{tag}", ",".join(values)) for tag, values in value.items())
        elif name == "tag_exists":
            yield from ((f"tag_exists.{tag}", str(there).lower()) for tag, there in value.items())
        elif name == "flow_id" and not isinstance(value, str):
            yield name, ",".join(value)
        else:
            yield name, str(value)
