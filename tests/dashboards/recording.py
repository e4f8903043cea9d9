"""Analyses that note what they are asked."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tams_data.analytics import Runs


class Recording:
    """Runs analyses elsewhere, and keeps the name and the parameters of each, and how many rows there were."""

    def __init__(self, analytics: Runs) -> None:
        self._analytics = analytics
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.rows: list[int] = []

    def run(self, name: str, /, **parameters: Any) -> pa.Table:
        """The rows of an analysis."""
        found = self._analytics.run(name, **parameters)
        self.asked.append((name, parameters))
        self.rows.append(found.num_rows)
        return found

    def last(self, name: str) -> dict[str, Any]:
        """The parameters with which an analysis was asked for last."""
        return next(parameters for one, parameters in reversed(self.asked) if one == name)
