"""Filters by tag, as query parameters and as the terms queries filter by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tams_data.errors import InvalidInput
from tams_data.schema import tag_term

MOST_VALUES = 512
"""How many values the filters of one request may list: a query takes no more, and each costs time to compile."""

VALUES_PATTERN = "^([^,]+(,[^,]+)*)?$"
"""A comma list of values, none of them empty; the empty text is one empty value (TAMS 8.2, url-tag-list)."""


def values_of(parameter: str, text: str) -> list[str]:
    """The values of a comma list.

    :raise InvalidInput: there is nothing between two commas, or at an end.
    """
    if not re.match(VALUES_PATTERN, text):
        raise InvalidInput(f"{parameter} has an empty value between its commas", field=parameter, value=text)
    return text.split(",")


def check_count(parameter: str, count: int) -> None:
    """Refuse a filter that lists too many values.

    :raise InvalidInput: there are more than `MOST_VALUES`.
    """
    if count > MOST_VALUES:
        message = f"{parameter} has {count} values; at most {MOST_VALUES} are taken"
        raise InvalidInput(message, field=parameter, value=count)


def tag_filters(values: Mapping[str, str], exists: Mapping[str, str], family: str = "tag") -> dict[str, Any]:
    """Values for the `any_tags` and `no_tags` of a query, from `tag.{name}` and `tag_exists.{name}` parameters.

    :raise InvalidInput: a value is empty, a `tag_exists.{name}` is neither true nor false, or there are too many.
    """
    wanted = [[tag_term(name, value) for value in values_of(f"{family}.{name}", text)] for name, text in values.items()]
    wanted += [[tag_term(name)] for name, text in exists.items() if truth(f"{family}_exists.{name}", text)]
    absent = [tag_term(name) for name, text in exists.items() if text == "false"]
    check_count(family, sum(map(len, wanted)) + len(absent))
    return {**({"any_tags": tuple(wanted)} if wanted else {}), **({"no_tags": absent} if absent else {})}


def tags_filter(
    values: Mapping[str, str], exists: Mapping[str, str], family: str
) -> Callable[[Mapping[str, Any]], bool]:
    """What tells whether tags pass the same filters, for the few things that are not rows of a table.

    :raise InvalidInput: a value is empty, or a `{family}_exists.{name}` neither true nor false.
    """
    accepted = {name: set(values_of(f"{family}.{name}", text)) for name, text in values.items()}
    required = {name: truth(f"{family}_exists.{name}", text) for name, text in exists.items()}

    def passes(tags: Mapping[str, Any]) -> bool:
        for name, any_of in accepted.items():
            present = tags.get(name, [])
            if not set([present] if isinstance(present, str) else present) & any_of:
                return False
        return all((name in tags) == wanted for name, wanted in required.items())

    return passes


def truth(parameter: str, text: str) -> bool:
    """Whether a parameter says true.

    :raise InvalidInput: it says neither true nor false.
    """
    if text not in ("true", "false"):
        raise InvalidInput(f"{parameter} is true or false, not {text!r}", field=parameter, value=text)
    return text == "true"
