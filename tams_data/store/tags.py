"""Tags as the columns they are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tams_data import schema


def tag_columns(tags: Mapping[str, str | list[str]]) -> dict[str, Any]:
    """The columns that hold these tags.

    >>> tag_columns({"site": "london"})["tags"]
    '{"site":"london"}'
    """
    return {"tags": orjson.dumps(tags).decode(), "tag_terms": schema.tag_terms(tags)}


def changed_tags(row: Mapping[str, Any], changes: Mapping[str, str | list[str] | None]) -> dict[str, Any]:
    """The columns of a row's tags with some of them set, or taken away where they are None.

    >>> changed_tags({"tags": '{"site":"london","genre":"news"}'}, {"site": "salford", "genre": None})["tags"]
    '{"site":"salford"}'
    """
    tags = {**orjson.loads(row["tags"]), **changes}
    return tag_columns({name: value for name, value in tags.items() if value is not None})
