"""Properties of sources and flows that have a path of their own, as clients send them and as they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import ConfigDict, RootModel, ValidationError, WrapValidator

from api.models.common import Count, Tags
from api.models.flows import CollectionItem


class Text(RootModel[str]):
    """A text."""

    model_config = ConfigDict(strict=True)


class Truth(RootModel[bool]):
    """True or false."""

    model_config = ConfigDict(strict=True)


class BitRate(RootModel[Count]):
    """A bit rate in 1000 bit/s."""

    model_config = ConfigDict(strict=True)


class FlowCollection(RootModel[list[CollectionItem]]):
    """The flows that a flow collects, in order."""

    model_config = ConfigDict(strict=True)


class TagsOf(RootModel[Tags]):
    """Tags by their names."""


def _one_message(value: Any, validate: Callable[[Any], Any]) -> Any:
    # Pydantic would report each kind of value by itself, under a name that no client has written.
    try:
        return validate(value)
    except ValidationError as error:
        raise ValueError("a tag is a string or an array of strings") from error


class TagValue(RootModel[Annotated[str | list[str], WrapValidator(_one_message)]]):
    """The value of a tag."""

    model_config = ConfigDict(strict=True)
