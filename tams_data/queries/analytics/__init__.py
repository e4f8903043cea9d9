"""The analytics: named queries whose answers are exact on every engine.

analysis    what an analysis is
filters     which flows, segments and objects are meant
flows       what flows there are and what they add up to
times       what of the timelines is covered, and what is missing
"""

from __future__ import annotations

from collections.abc import Mapping

from tams_data.queries.analytics import flows, times
from tams_data.queries.analytics.analysis import Analysis

ANALYSES: Mapping[str, Analysis] = {one.name: one for one in (*flows.ANALYSES, *times.ANALYSES)}
"""Every analysis by its name."""
