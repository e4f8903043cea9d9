"""The analytics: named queries whose answers are exact on every engine.

analysis    what an analysis is
filters     which flows, segments and objects are meant
keysets     sets of object keys, small enough to join with
flows       what flows there are and what they add up to
storage     what is stored, what for, and what is asked for
times       what of the timelines is covered, and what is missing
catalog     what tables there are, on which engine
"""

from __future__ import annotations

from collections.abc import Mapping

from tams_data.queries.analytics import catalog, flows, storage, times
from tams_data.queries.analytics.analysis import Analysis

_BY_SUBJECT = (flows.ANALYSES, storage.ANALYSES, times.ANALYSES, catalog.ANALYSES)

ANALYSES: Mapping[str, Analysis] = {one.name: one for of_one in _BY_SUBJECT for one in of_one}
"""Every analysis by its name."""
